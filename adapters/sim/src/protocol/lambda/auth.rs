//! Who calls: signatures against the configured key pairs.

use http::Request;
use merit_lambda_wire::sigv4::{AuthError, BodyHash, Payload, Presented, SigningKey};

use crate::clock::SimClock;
use crate::config::LambdaAccount;

/// A head that is in order: well-formed, in time, by a known key. Whether the signature holds may depend on the body.
pub(super) struct Head {
    presented: Presented,
    key: SigningKey,
}

impl Head {
    /// Checks everything that can be checked before the body is read.
    ///
    /// # Errors
    /// [`AuthError`], worded as AWS words it.
    pub(super) fn of<B>(account: &LambdaAccount, request: &Request<B>) -> Result<Self, AuthError> {
        let uri = request.uri();
        let presented = Presented::of(request.method(), uri.path(), uri.query(), request.headers())?;
        presented.check_time(SimClock::time_of_day())?;
        let pair = account.keys.iter().find(|pair| pair.access_key_id == presented.access_key());
        let pair = pair.ok_or_else(AuthError::unknown_key)?;
        if pair.session_token.as_deref() != presented.session_token() {
            return Err(AuthError::unknown_key());
        }
        if presented.region() != account.region {
            return Err(AuthError::wrong_region(presented.region()));
        }
        let key = SigningKey::derive(&pair.secret_access_key, presented.date(), presented.region());
        if let Payload::Declared(hash) = presented.payload() {
            presented.verify(&key, &hash)?;
        }
        Ok(Self { presented, key })
    }

    /// Checks the signature over the head and this body.
    ///
    /// # Errors
    /// [`AuthError`] when it is another's.
    pub(super) fn check_body(&self, body: &[u8]) -> Result<(), AuthError> {
        self.presented.verify(&self.key, &BodyHash::of(body))
    }
}
