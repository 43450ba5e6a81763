//! A request's body: unread until its head has been believed, hashed while it is read.

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use merit_lambda_wire::sigv4::BodyHash;

use super::Denied;
use super::sign::Signed;
use crate::Broker;
use crate::body::{self, Limit};

/// A body this short has arrived with its head, as a rule; a longer one that is refused is thrown away while it comes.
const SHORT_BYTES: u64 = 64 * 1024;

/// A body that nobody has read. Dropped unread, what the client still sends is thrown away for a moment, so that it
/// reads the refusal instead of a reset connection.
pub(super) struct Unread(Option<Incoming>);

impl Unread {
    pub(super) const fn new(body: Incoming) -> Self {
        Self(Some(body))
    }

    /// Whether there is nothing to read.
    pub(super) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(hyper::body::Body::is_end_stream)
    }

    /// Refuses a declared length over the limit.
    pub(super) fn check_declared(&self, limit: Limit) -> Result<(), Denied> {
        Ok(self.0.as_ref().map_or(Ok(()), |body| body::check_declared(body, limit))?)
    }

    /// Reads it, and checks that it is what was signed.
    pub(super) async fn read(mut self, broker: &Broker, signed: &Signed, limit: Limit) -> Result<Bytes, Denied> {
        let Some(body) = self.0.take() else { return Ok(Bytes::new()) };
        let patience = broker.settings.load().default_timeout.to_std();
        let mut hash = BodyHash::new();
        let payload = body::read(body, limit, patience, |piece| hash.update(piece)).await?;
        signed.check_body(&hash.finish())?;
        Ok(payload)
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        if let Some(body) = self.0.take_if(|body| !body.is_end_stream() && body.size_hint().lower() > SHORT_BYTES) {
            body::discard(body);
        }
    }
}
