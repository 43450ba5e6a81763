//! TC3-HMAC-SHA256, by which requests to Tencent Cloud's APIs are signed, for the service `scf`.
//!
//! ```
//! use merit_cloud_wire::tc3::{Presented, Signer};
//! use merit_units::Timestamp;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = Timestamp::from_micros(1_795_235_257_000_000);
//! let signer = Signer::try_new("AKIDEXAMPLE", "secret", None)?;
//! let mut headers = http::HeaderMap::new();
//! headers.insert("host", "scf.tencentcloudapi.com".parse()?);
//! headers.insert("content-type", "application/json".parse()?);
//! signer.sign(&http::Method::POST, "/", None, &mut headers, b"{}", now)?;
//! // The other end.
//! let presented = Presented::of(&http::Method::POST, "/", None, &headers)?;
//! presented.check_time(now)?;
//! presented.verify("secret", b"{}")?;
//! # Ok(()) }
//! ```
//!
//! What is signed: method, path, the query as it is sent, `content-type` and `host`, and the SHA-256 of the body or of
//! the words `UNSIGNED-PAYLOAD`; with a key derived anew for each day, which is kept.
//! Sources: the requests and the code of the official SDK tencentcloud-sdk-python-common 3.1.195, and
//! cloud.tencent.com/document/api/583/33846, both read 2026-11-21.
//!
//! Known limitation: it is the scheme's own that the action, the region and the token are not signed; the token is
//! compared with the key's.

mod key;
mod sign;

#[cfg(test)]
mod tests;

use std::fmt;

use http::{HeaderMap, Method};
use merit_units::Timestamp;

use crate::bytes::{self, Authorization, single, text, value_text};
use crate::{AuthError, time};
use key::SigningKey;
pub use sign::Signer;

/// The scheme's name.
pub const ALGORITHM: &str = "TC3-HMAC-SHA256";
/// How far a caller's clock may be off, in seconds: five minutes.
/// Source: cloud.tencent.com/document/api/583/17239, `AuthFailure.SignatureExpire`, 2026-11-21.
pub const SKEW_S: u64 = 5 * 60;
/// The service that is signed for.
pub const SERVICE: &str = "scf";

/// Which operation.
pub const ACTION: &str = "x-tc-action";
/// Which version of the API.
pub const VERSION: &str = "x-tc-version";
/// In which region.
pub const REGION: &str = "x-tc-region";
/// When it was signed, in seconds since 1970.
pub const TIMESTAMP: &str = "x-tc-timestamp";
/// The token of temporary credentials.
pub const TOKEN: &str = "x-tc-token";
/// `UNSIGNED-PAYLOAD`, where the body is not signed.
pub const CONTENT_SHA256: &str = "x-tc-content-sha256";

const TERMINATOR: &str = "tc3_request";
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// What a request says of who sent it, parsed and in order, and not yet believed.
#[derive(Clone)]
pub struct Presented {
    secret_id: String,
    token: Option<String>,
    seconds: u64,
    day: String,
    signs_body: bool,
    signature: [u8; 32],
    /// The canonical request but for the body's hash at its end.
    canonical: Vec<u8>,
}

impl Presented {
    /// Reads what a request presents. `path` and `query` are as they came on the request line.
    ///
    /// # Errors
    /// [`AuthError`] when it presents nothing, or nothing that is well-formed, or is signed for another day or service.
    pub fn of(method: &Method, path: &str, query: Option<&str>, headers: &HeaderMap) -> Result<Self, AuthError> {
        let authorization = Authorization::of(headers, ALGORITHM)?;
        let signed = authorization.signed(headers)?;
        if let Some(missing) = ["content-type", "host"].iter().find(|name| !signed.contains(name)) {
            return Err(AuthError::malformed("not signed:", missing));
        }
        let stamp = single(headers, TIMESTAMP)?.ok_or_else(|| AuthError::malformed("missing:", TIMESTAMP))?;
        let digits = !stamp.is_empty() && stamp.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = stamp
            .parse()
            .ok()
            .filter(|_| digits)
            .ok_or_else(|| AuthError::malformed("no seconds since 1970:", stamp))?;
        let parts: Vec<&str> = authorization.credential.split('/').collect();
        let [secret_id, day, SERVICE, TERMINATOR] = *parts.as_slice() else {
            return Err(AuthError::malformed(
                "not a credential such as ID/2026-11-21/scf/tc3_request:",
                authorization.credential,
            ));
        };
        if secret_id.is_empty() {
            return Err(AuthError::UnknownKey);
        }
        if day != time::day(seconds) {
            return Err(AuthError::malformed("not the day of the timestamp:", day));
        }
        let declared = single(headers, CONTENT_SHA256)?;
        if let Some(other) = declared.filter(|declared| *declared != UNSIGNED) {
            return Err(AuthError::malformed("not UNSIGNED-PAYLOAD:", other));
        }
        let canonical = canonical(method, path, query, &signed, headers)
            .ok_or_else(|| AuthError::malformed("no text in", authorization.signed_headers))?;
        Ok(Self {
            secret_id: secret_id.to_owned(),
            token: single(headers, TOKEN)?.filter(|token| !token.is_empty()).map(str::to_owned),
            seconds,
            day: day.to_owned(),
            signs_body: declared.is_none(),
            signature: authorization.signature,
            canonical,
        })
    }

    /// The id of the key it is signed with.
    #[must_use]
    pub fn secret_id(&self) -> &str {
        &self.secret_id
    }

    /// The token of temporary credentials.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Whether it was signed within [`SKEW_S`] of `now`.
    ///
    /// # Errors
    /// [`AuthError::Stale`] when it was not.
    pub fn check_time(&self, now: Timestamp) -> Result<(), AuthError> {
        match self.seconds.abs_diff(time::seconds(now)) {
            0..=SKEW_S => Ok(()),
            off => Err(AuthError::Stale(off)),
        }
    }

    /// Whether the signature is that of `secret_key` over this head and the body.
    ///
    /// # Errors
    /// [`AuthError::Mismatch`] when it is not.
    pub fn verify(&self, secret_key: &str, body: &[u8]) -> Result<(), AuthError> {
        let body = if self.signs_body { body } else { UNSIGNED.as_bytes() };
        let key = SigningKey::derive(secret_key, &self.day);
        let to_sign = string_to_sign(self.canonical.clone(), body, self.seconds, &self.day);
        bytes::verify(key.hmac(), to_sign.as_bytes(), &self.signature)
    }
}

/// The canonical request but for the body's hash; `None` when a signed header is no text.
fn canonical(
    method: &Method,
    path: &str,
    query: Option<&str>,
    signed: &[&str],
    headers: &HeaderMap,
) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(256);
    for part in [method.as_str(), if path.is_empty() { "/" } else { path }, query.unwrap_or_default()] {
        out.extend_from_slice(part.as_bytes());
        out.push(b'\n');
    }
    for name in signed {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        let mut values = headers.get_all(*name).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        out.extend_from_slice(value_text(value)?.to_lowercase().as_bytes());
        out.push(b'\n');
    }
    out.push(b'\n');
    out.extend_from_slice(signed.join(";").as_bytes());
    out.push(b'\n');
    Some(out)
}

fn string_to_sign(mut canonical: Vec<u8>, body: &[u8], seconds: u64, day: &str) -> String {
    canonical.extend_from_slice(&bytes::sha256_hex(body));
    let hash = bytes::sha256_hex(&canonical);
    format!("{ALGORITHM}\n{seconds}\n{day}/{SERVICE}/{TERMINATOR}\n{}", text(&hash))
}

/// Everything but the token.
impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented").field("secret_id", &self.secret_id).finish_non_exhaustive()
    }
}
