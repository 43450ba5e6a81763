//! Who signed a request, and whether the signature holds.
//!
//! All that a request asks for has to be signed: its payload, and besides what Lambda demands the terms in `X-Merit-*`
//! headers. Or whoever holds a presigned URL, or stands in the way, could say what is paid by another.
//!
//! What a head says is checked before its body is read: form, time, key and, where the client declares the hash of
//! its body, the signature too. Clients that declare none (botocore does not, for Lambda) have it checked when the
//! body has come; until then they are nobody, so nothing is counted against their key or told of what exists.

use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use merit_lambda_wire::error::{ErrorCode, LambdaError};
use merit_lambda_wire::sigv4::{AuthError, BodyHash, Payload, Presented};

use super::payload::Unread;
use super::{Asked, Denied, terms};
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
        if let Some(name) = unsigned_term(&presented, &parts.headers) {
            return Err(AuthError::unsigned_header(name).into());
        }
        if presented.payload() == Payload::Unsigned {
            return Err(AuthError::unsigned_payload().into());
        }
        let key = key_of(broker, presented.access_key())?;
        let mut signed = Self { presented, key, verified: false };
        let known = match signed.presented.payload() {
            Payload::Declared(hash) => Some(hash),
            Payload::Unsigned | Payload::Undeclared => body.is_empty().then(|| BodyHash::of(b"")),
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

/// A term of Merit's in a header that is not signed.
fn unsigned_term<'h>(presented: &Presented, headers: &'h HeaderMap) -> Option<&'h str> {
    let mut terms = headers.keys().map(HeaderName::as_str).filter(|name| name.starts_with(terms::PREFIX));
    terms.find(|name| !presented.signs(name))
}

fn token_refused() -> LambdaError {
    let mut error = LambdaError::from(AuthError::unknown_key());
    error.message.push_str(
        " Merit issues no session tokens: use an access key made by `merit keys create --aws`, and no AWS_SESSION_TOKEN.",
    );
    error
}
