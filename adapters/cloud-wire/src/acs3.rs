//! ACS3-HMAC-SHA256, by which requests to Alibaba Cloud's APIs are signed, and HTTP triggers that ask for it.
//!
//! ```
//! use merit_cloud_wire::acs3::{Presented, Signer};
//! use merit_units::Timestamp;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = Timestamp::from_micros(1_795_235_256_000_000);
//! let signer = Signer::try_new("AccessKeyIdEXAMPLE", "AccessKeySecretEXAMPLE", None)?;
//! let mut headers = http::HeaderMap::new();
//! headers.insert("host", "fcv3.cn-hangzhou.aliyuncs.com".parse()?);
//! headers.insert("x-acs-action", "InvokeFunction".parse()?);
//! headers.insert("x-acs-version", "2023-03-30".parse()?);
//! let (method, path) = (http::Method::POST, "/2023-03-30/functions/f/invocations");
//! signer.sign(&method, path, None, &mut headers, b"{}", now, "a nonce")?;
//! // The other end.
//! let presented = Presented::of(&method, path, None, &headers)?;
//! presented.check_time(now)?;
//! presented.verify("AccessKeySecretEXAMPLE", b"{}")?;
//! # Ok(()) }
//! ```
//!
//! What is signed: method, path as it is sent, query by name with values encoded as RFC 3986 has it, the signed headers
//! in order, and the SHA-256 of the body. Requests of an HTTP trigger sign no body.
//! Sources: the requests and the code of the official SDK alibabacloud-tea-openapi 0.4.6, and
//! help.aliyun.com, "Signature mechanism V3", both read 2026-11-21.
//!
//! Strict where a lax verifier can be tricked: `host` and every `x-acs-` and `x-fc-` header that is there must be signed,
//! and what is declared as the body's hash must be it.

mod canonical;
mod sign;

#[cfg(test)]
mod tests;

use std::fmt;

use http::{HeaderMap, Method};
use merit_units::Timestamp;

use crate::bytes::{self, Authorization, single, text};
use crate::{AuthError, time};
pub use sign::Signer;

/// The scheme's name.
pub const ALGORITHM: &str = "ACS3-HMAC-SHA256";
/// How far a caller's clock may be off, in seconds: 15 minutes.
/// Source: help.aliyun.com, Function Compute, "Signature authentication", 2026-11-21.
pub const SKEW_S: u64 = 15 * 60;

/// When it was signed: `2026-11-21T04:27:36Z`.
pub const DATE: &str = "x-acs-date";
/// A value that no other request has.
pub const NONCE: &str = "x-acs-signature-nonce";
/// The SHA-256 of the body, in hexadecimal.
pub const CONTENT_SHA256: &str = "x-acs-content-sha256";
/// The token of temporary credentials.
pub const SECURITY_TOKEN: &str = "x-acs-security-token";
/// The key's id, which goes with a token.
pub const ACCESS_KEY_ID: &str = "x-acs-accesskey-id";

/// What a request says of who sent it, parsed and in order, and not yet believed.
#[derive(Clone)]
pub struct Presented {
    access_key_id: String,
    security_token: Option<String>,
    at: Timestamp,
    /// The hash of the body as it is declared; nothing for an HTTP trigger.
    body_sha256: Option<[u8; 32]>,
    signature: [u8; 32],
    /// The hash of the canonical request.
    to_sign: [u8; 64],
}

impl Presented {
    /// Reads what a request presents. `path` and `query` are as they came on the request line.
    ///
    /// # Errors
    /// [`AuthError`] when it presents nothing, or nothing that is well-formed.
    pub fn of(method: &Method, path: &str, query: Option<&str>, headers: &HeaderMap) -> Result<Self, AuthError> {
        let authorization = Authorization::of(headers, ALGORITHM)?;
        let signed = authorization.signed(headers)?;
        if let Some(unsigned) =
            headers.keys().find(|name| must_be_signed(name.as_str()) && !signed.contains(&name.as_str()))
        {
            return Err(AuthError::malformed("not signed:", unsigned.as_str()));
        }
        let date = single(headers, DATE)?.ok_or_else(|| AuthError::malformed("missing:", DATE))?;
        let at = time::parse_iso8601(date)
            .ok_or_else(|| AuthError::malformed("no date such as 2026-11-21T04:27:36Z:", date))?;
        let declared = single(headers, CONTENT_SHA256)?;
        let body_sha256 = match declared {
            None => None,
            Some(hash) => Some(bytes::hex_32(hash).ok_or_else(|| AuthError::malformed("no SHA-256:", hash))?),
        };
        if authorization.credential.is_empty() {
            return Err(AuthError::UnknownKey);
        }
        let canonical = canonical::request(method, path, query, &signed, headers, declared.unwrap_or_default())
            .ok_or_else(|| AuthError::malformed("no text in", authorization.signed_headers))?;
        Ok(Self {
            access_key_id: authorization.credential.to_owned(),
            security_token: single(headers, SECURITY_TOKEN)?.filter(|token| !token.is_empty()).map(str::to_owned),
            at,
            body_sha256,
            signature: authorization.signature,
            to_sign: bytes::sha256_hex(&canonical),
        })
    }

    /// The id of the key it is signed with.
    #[must_use]
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// The token of temporary credentials.
    #[must_use]
    pub fn security_token(&self) -> Option<&str> {
        self.security_token.as_deref()
    }

    /// Whether the body is signed too, as it is everywhere but at HTTP triggers.
    #[must_use]
    pub const fn signs_body(&self) -> bool {
        self.body_sha256.is_some()
    }

    /// Whether it was signed within [`SKEW_S`] of `now`.
    ///
    /// # Errors
    /// [`AuthError::Stale`] when it was not.
    pub fn check_time(&self, now: Timestamp) -> Result<(), AuthError> {
        match time::apart(self.at, now) {
            0..=SKEW_S => Ok(()),
            off => Err(AuthError::Stale(off)),
        }
    }

    /// Whether the signature is that of `secret`, and the body the declared one.
    ///
    /// # Errors
    /// [`AuthError::Mismatch`] when either is another.
    pub fn verify(&self, secret: &str, body: &[u8]) -> Result<(), AuthError> {
        let key = bytes::key(secret.as_bytes());
        bytes::verify(&key, string_to_sign(&self.to_sign).as_bytes(), &self.signature)?;
        // Not a secret, and signed: a plain comparison will do.
        match self.body_sha256 {
            Some(declared) if declared != bytes::sha256(body) => Err(AuthError::Mismatch),
            _ => Ok(()),
        }
    }
}

/// Whether a header that is there must be signed.
fn must_be_signed(name: &str) -> bool {
    name == "host" || name.starts_with("x-acs-") || name.starts_with("x-fc-")
}

fn string_to_sign(canonical_sha256: &[u8; 64]) -> String {
    format!("{ALGORITHM}\n{}", text(canonical_sha256))
}

/// Everything but the token.
impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}
