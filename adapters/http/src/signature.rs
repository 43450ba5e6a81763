//! Calls and replies signed with a shared secret, by the Standard Webhooks scheme (version 1.0.0,
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>, read 2026-11-21).
//!
//! `HMAC-SHA256` over `id.timestamp.body`, base64, after `v1,`. The id is the attempt's, so that no two requests have
//! the same and a server can refuse a repeated one; a reply is signed over the id of its request, so that it answers
//! this one and no other. Signatures are compared in constant time.
//!
//! Known limitation: the body is signed and the headers are not. What a reply's meter headers say is bounded by the
//! own clock, as everywhere.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use merit_venue::Call;

/// The attempt.
pub(crate) const ID: HeaderName = HeaderName::from_static("webhook-id");
/// Seconds since 1970.
pub(crate) const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
/// `v1,` and the base64 of the signature; several are separated by blanks.
pub(crate) const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// How far the other end's clock may be off, in seconds.
pub const TOLERANCE_SECONDS: u64 = 300;

const PREFIX: &str = "whsec_";

/// A secret that both ends sign with.
#[derive(Clone)]
pub struct SharedSecret(hmac::Key);

/// A text that is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the secret must be `whsec_` and the base64 of 24 to 64 bytes; `openssl rand -base64 32` makes the second part"
)]
pub struct NotASecret;

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

impl SharedSecret {
    /// Reads `whsec_<base64>`.
    ///
    /// # Errors
    /// [`NotASecret`], which does not show it.
    pub fn parse(text: &str) -> Result<Self, NotASecret> {
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX).ok_or(NotASecret)?).map_err(|_| NotASecret)?;
        if !(24..=64).contains(&bytes.len()) {
            return Err(NotASecret);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The signature of a message, as its header has it.
    #[must_use]
    pub fn sign(&self, id: &str, seconds: u64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{seconds}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }

    fn is_signed(&self, signature: &[u8], id: &str, seconds: u64, body: &[u8]) -> bool {
        let mut message = format!("{id}.{seconds}.").into_bytes();
        message.extend_from_slice(body);
        hmac::verify(&self.0, &message, signature).is_ok()
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
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
        let seconds = (self.clock)();
        let signature = self.secret.sign(id, seconds, body);
        let ascii = |text: &str| HeaderValue::from_str(text).expect("invariant: ids, digits and base64 are ASCII");
        headers.insert(ID, ascii(id));
        headers.insert(TIMESTAMP, HeaderValue::from(seconds));
        headers.insert(SIGNATURE, ascii(&signature));
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
        let signatures = text(&SIGNATURE).ok_or(BadSignature::Missing("webhook-signature"))?;
        let decoded = signatures.split(' ').filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok());
        let mut decoded = decoded.take(8);
        if decoded.any(|signature| self.secret.is_signed(&signature, id, seconds, body)) {
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

    /// The example of the scheme's reference libraries, whose values are theirs.
    #[test]
    fn a_signature_is_the_schemes() {
        let signature =
            signing().secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
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

    #[test]
    fn what_is_no_secret_is_refused_and_never_shown() {
        for bad in
            ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_not base64 at all, is it?"]
        {
            assert_eq!(SharedSecret::parse(bad).map(drop), Err(NotASecret), "{bad}");
        }
        assert!(SharedSecret::parse(&format!("whsec_{}", STANDARD.encode([7; 65]))).is_err());
        assert_eq!(format!("{:?}", signing().secret), "[redacted]");
    }
}
