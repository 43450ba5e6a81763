//! Calls and replies signed with a shared secret, by the scheme of `merit-webhooks`.
//!
//! The id is the attempt's, so that no two requests have
//! the same and a server can refuse a repeated one; a reply is signed over the id of its request, so that it answers
//! this one and no other. Signatures are compared in constant time.
//!
//! Known limitation: the body is signed and the headers are not. What a reply's meter headers say is bounded by the
//! own clock, as everywhere.

use http::{HeaderMap, HeaderName};
use merit_venue::Call;
use merit_webhooks::{ID, SIGNATURE, SharedSecret, TIMESTAMP, TOLERANCE_SECONDS, signatures};

/// Signatures of one reply that are looked at.
const MOST_SIGNATURES: usize = 8;

/// Why a reply's signature is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// A header is missing or can't be read.
    #[error("it has no {0} that can be read")]
    Missing(&'static str),
    /// It was made for another request.
    #[error("its webhook-id is not the request's")]
    AnotherRequest,
    /// It is too old, or from the future.
    #[error("its webhook-timestamp is more than {TOLERANCE_SECONDS} seconds off")]
    Stale,
    /// It was made with another secret, or over another body.
    #[error("its webhook-signature is wrong: is the secret the same at both ends?")]
    Wrong,
}

/// How a venue's calls are signed.
#[derive(Clone, Debug)]
pub struct Signing {
    /// The secret.
    pub secret: SharedSecret,
    /// Seconds since 1970, now.
    pub clock: fn() -> u64,
}

impl Signing {
    /// What an attempt is called.
    pub(crate) fn id(call: &Call) -> String {
        format!("{}-{}", call.invocation, call.attempt)
    }

    /// Signs a request.
    pub(crate) fn sign(&self, id: &str, body: &[u8], headers: &mut HeaderMap) {
        self.secret.sign_headers(id, (self.clock)(), body, headers);
    }

    /// Checks a reply to the request with that id.
    pub(crate) fn check(&self, id: &str, body: &[u8], headers: &HeaderMap) -> Result<(), BadSignature> {
        let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        if text(&ID).ok_or(BadSignature::Missing("webhook-id"))? != id {
            return Err(BadSignature::AnotherRequest);
        }
        let seconds = text(&TIMESTAMP).and_then(|text| text.parse::<u64>().ok());
        let seconds = seconds.ok_or(BadSignature::Missing("webhook-timestamp"))?;
        if seconds.abs_diff((self.clock)()) > TOLERANCE_SECONDS {
            return Err(BadSignature::Stale);
        }
        let given = text(&SIGNATURE).ok_or(BadSignature::Missing("webhook-signature"))?;
        let mut given = signatures(given).take(MOST_SIGNATURES);
        if given.any(|signature| self.secret.is_signed(&signature, id, seconds, body)) {
            return Ok(());
        }
        Err(BadSignature::Wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_257_840;

    fn signing() -> Signing {
        let secret = SharedSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        Signing { secret, clock: || NOW }
    }

    #[test]
    fn a_reply_is_good_only_for_its_request_its_body_and_its_time() {
        let mut headers = HeaderMap::new();
        signing().sign("a-1", b"done", &mut headers);
        assert_eq!(signing().check("a-1", b"done", &headers), Ok(()));
        assert_eq!(signing().check("a-2", b"done", &headers), Err(BadSignature::AnotherRequest));
        assert_eq!(signing().check("a-1", b"other", &headers), Err(BadSignature::Wrong));
        for (clock, expected) in [
            ((|| NOW + 300) as fn() -> u64, Ok(())),
            (|| NOW + 301, Err(BadSignature::Stale)),
            (|| NOW - 301, Err(BadSignature::Stale)),
        ] {
            assert_eq!(Signing { clock, ..signing() }.check("a-1", b"done", &headers), expected);
        }
        let other = SharedSecret::parse("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").expect("a secret");
        assert_eq!(Signing { secret: other, ..signing() }.check("a-1", b"done", &headers), Err(BadSignature::Wrong));
        let signature = headers[&SIGNATURE].to_str().expect("ASCII").to_owned();
        headers.insert(SIGNATURE, format!("v2,x v1,AAAA {signature}").parse().expect("ASCII"));
        assert_eq!(signing().check("a-1", b"done", &headers), Ok(()), "one of several");
        for name in [ID, TIMESTAMP, SIGNATURE] {
            let mut less = headers.clone();
            less.remove(&name);
            assert!(matches!(signing().check("a-1", b"done", &less), Err(BadSignature::Missing(_))), "{name}");
        }
    }
}
