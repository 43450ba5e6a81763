//! Who signed a request, and whether the signature holds.
//!
//! What a head says is checked before its body is read: form, time, key and, where the client declares the hash of
//! its body, the signature too. Clients that declare none (botocore does not, for Lambda) have it checked when the
//! body has come; until then they are nobody, so nothing is counted against their key or told of what exists.

use std::sync::Arc;

use merit_lambda_wire::error::{ErrorCode, LambdaError};
use merit_lambda_wire::sigv4::{AuthError, BodyHash, Payload, Presented};

use super::payload::Unread;
use super::{Asked, Denied};
use crate::Broker;
use crate::keys::{Key, Role};

/// A request whose head is in order.
pub(super) struct Signed {
    presented: Presented,
    key: Arc<Key>,
    verified: bool,
}

impl Signed {
    /// Checks a head, and with an empty or declared body the whole signature.
    pub(super) fn of_head(asked: &Asked<'_>, body: &Unread) -> Result<Self, Denied> {
        let Asked { broker, parts, .. } = asked;
        let presented = Presented::of(&parts.method, parts.uri.path(), parts.uri.query(), &parts.headers)?;
        presented.check_time(broker.clock.now())?;
        if presented.session_token().is_some() {
            return Err(token_refused().into());
        }
        let key = key_of(broker, presented.access_key())?;
        let mut signed = Self { presented, key, verified: false };
        let known = match signed.presented.payload() {
            Payload::Declared(hash) => Some(hash),
            Payload::Unsigned => Some([0; 32]),
            Payload::Undeclared => body.is_empty().then(|| BodyHash::of(b"")),
        };
        if let Some(hash) = known {
            signed.verify(&hash)?;
            signed.verified = true;
        }
        Ok(signed)
    }

    /// Whether the signature has been verified without the body.
    pub(super) const fn is_verified(&self) -> bool {
        self.verified
    }

    /// Whether the body's hash is needed.
    pub(super) const fn wants_hash(&self) -> bool {
        !matches!(self.presented.payload(), Payload::Unsigned)
    }

    /// Checks the signature against the body that came.
    pub(super) fn check_body(&self, hash: &[u8; 32]) -> Result<(), Denied> {
        match self.presented.payload() {
            // The signature held for the declared hash: it is that of the body or it is not.
            Payload::Declared(declared) if declared == *hash => Ok(()),
            Payload::Undeclared if self.verified => Ok(()),
            _ => Ok(self.verify(hash)?),
        }
    }

    fn verify(&self, hash: &[u8; 32]) -> Result<(), AuthError> {
        let signing = self.key.signing.as_ref().expect("invariant: a key that signs was looked up");
        signing.verify(&self.presented, hash)
    }

    /// The key. Before the signature is verified it is only what is claimed.
    pub(super) fn key(&self) -> Arc<Key> {
        Arc::clone(&self.key)
    }

    /// The region that was signed for.
    pub(super) fn region(&self) -> &str {
        self.presented.region()
    }

    /// For what is no invocation: takes a call of the rate, and the role.
    pub(super) fn admit(&self) -> Result<(), Denied> {
        self.key.require(Role::Invoke)?;
        self.key.take_call()?;
        Ok(())
    }
}

fn key_of(broker: &Broker, id: &str) -> Result<Arc<Key>, Denied> {
    match broker.keys.signing(id) {
        Ok(Some(key)) => Ok(key),
        Ok(None) => {
            let mut error = LambdaError::from(AuthError::unknown_key());
            error.message.push_str(" Merit takes access keys made by `merit keys create --aws`.");
            Err(error.into())
        }
        Err(why) => Err(LambdaError::new(ErrorCode::UnrecognizedClient, why.to_string()).into()),
    }
}

fn token_refused() -> LambdaError {
    let mut error = LambdaError::from(AuthError::unknown_key());
    error.message.push_str(
        " Merit issues no session tokens: use an access key made by `merit keys create --aws`, and no AWS_SESSION_TOKEN.",
    );
    error
}
