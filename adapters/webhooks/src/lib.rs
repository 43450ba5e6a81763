//! Messages signed with a shared secret, by the Standard Webhooks scheme (version 1.0.0,
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>, read 2026-11-21).
//!
//! `HMAC-SHA256` over `id.timestamp.body`, base64, after `v1,`. What is common to who calls a provider and to a
//! provider that is called; what each takes for fresh, known or repeated is its own. Pure: no clock.
//!
//! Known limitation: the body is signed and other headers are not.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};

/// What the message is called.
pub const ID: HeaderName = HeaderName::from_static("webhook-id");
/// Seconds since 1970.
pub const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
/// `v1,` and the base64 of the signature; several are separated by blanks.
pub const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

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

    /// These bytes as [`Self::parse`] reads them.
    #[must_use]
    pub fn text_of(bytes: &[u8]) -> String {
        format!("{PREFIX}{}", STANDARD.encode(bytes))
    }

    /// The signature of a message, as its header has it.
    #[must_use]
    pub fn sign(&self, id: &str, seconds: u64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{seconds}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }

    /// Signs a message in its headers.
    ///
    /// # Panics
    /// When `id` can't stand in a header.
    pub fn sign_headers(&self, id: &str, seconds: u64, body: &[u8], headers: &mut HeaderMap) {
        let text =
            |text: &str| HeaderValue::from_str(text).expect("invariant: ids, digits and base64 stand in headers");
        headers.insert(ID, text(id));
        headers.insert(TIMESTAMP, HeaderValue::from(seconds));
        headers.insert(SIGNATURE, text(&self.sign(id, seconds, body)));
    }

    /// Whether a decoded signature is the message's. Compares in constant time.
    #[must_use]
    pub fn is_signed(&self, signature: &[u8], id: &str, seconds: u64, body: &[u8]) -> bool {
        let mut message = format!("{id}.{seconds}.").into_bytes();
        message.extend_from_slice(body);
        hmac::verify(&self.0, &message, signature).is_ok()
    }
}

/// The signatures of a header that are of this version and can be decoded.
pub fn signatures(header: &str) -> impl Iterator<Item = Vec<u8>> + '_ {
    header.split(' ').filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok())
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> SharedSecret {
        SharedSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret")
    }

    /// The example of the scheme's reference libraries, whose values are theirs.
    #[test]
    fn a_signature_is_the_schemes() {
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", br#"{"test": 2432232314}"#);
        let signature = secret().sign(id, 1_614_265_330, body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let decoded: Vec<_> = signatures(&format!("v2,x v1,? {signature}")).collect();
        assert_eq!(decoded.len(), 1, "only what is of the scheme");
        assert!(secret().is_signed(&decoded[0], id, 1_614_265_330, body));
        assert!(!secret().is_signed(&decoded[0], id, 1_614_265_331, body));
    }

    #[test]
    fn what_is_no_secret_is_refused_and_never_shown() {
        for bad in
            ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_not base64 at all, is it?"]
        {
            assert_eq!(SharedSecret::parse(bad).map(drop), Err(NotASecret), "{bad}");
        }
        assert!(SharedSecret::parse(&SharedSecret::text_of(&[7; 65])).is_err());
        assert_eq!(format!("{:?}", secret()), "[redacted]");
    }
}
