//! Signature Version 4 for the service `lambda`: what a request presents, and whether it holds.
//!
//! ```
//! use merit_lambda_wire::sigv4::{BodyHash, Presented, SigningKey};
//! # use http::{HeaderMap, Method};
//! # use merit_units::Timestamp;
//! # fn check(headers: &HeaderMap, now: Timestamp, secret_of: impl Fn(&str) -> Option<String>, body: &[u8])
//! #     -> Result<(), merit_lambda_wire::sigv4::AuthError> {
//! // From the head alone: form, scope, time; whose key it is.
//! let presented = Presented::of(&Method::POST, "/2015-03-31/functions/f/invocations", None, headers)?;
//! presented.check_time(now)?;
//! let secret = secret_of(presented.access_key()).ok_or_else(merit_lambda_wire::sigv4::AuthError::unknown_key)?;
//! let key = SigningKey::derive(&secret, presented.date(), presented.region());
//! // With the body.
//! presented.verify(&key, &BodyHash::of(body))
//! # }
//! ```
//!
//! The canonical request is built by the rules of the `aws-sigv4` crate with its default settings: the
//! path as it came, dot segments removed, encoded once more (`%3A` is signed as `%253A`); the query
//! decoded, encoded, sorted; of the headers only the signed ones, trimmed. A property test holds this
//! implementation against that crate. It is written anew because that crate signs and does not verify:
//! it takes no list of signed headers and derives the key each time.
//!
//! Strict where a lax verifier can be tricked: signed headers are sorted and without repetition,
//! `host` and every `x-amz-*` header that Lambda might read are signed, nothing is there twice, and the
//! comparison takes the same time whatever the signature.
//!
//! Known limitations: SigV4A and the chunked forms of S3 are refused. A replay within five minutes is
//! not noticed, as at AWS.

mod canonical;
mod header;
mod key;
mod query;
mod sign;
mod stamp;

#[cfg(test)]
mod tests;

use aws_lc_rs::{digest, hmac};
use http::{HeaderMap, Method, StatusCode};
use merit_units::{Micros, Timestamp};

use crate::error::{ErrorCode, LambdaError};
pub use key::{BodyHash, SigningKey};
pub use sign::{SignError, Signer};
use stamp::Stamp;

/// How far a caller's clock may be off, either way.
pub const SKEW: Micros = Micros::from_secs(5 * 60);
/// The longest a presigned request is good for, in seconds: seven days.
pub const MOST_EXPIRES_S: u64 = 7 * 24 * 60 * 60;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";
const SERVICE: &str = "lambda";

/// What a request says of who sent it, parsed and in order, and not yet believed.
#[derive(Clone, Debug)]
pub struct Presented {
    scope: Scope,
    stamp: Stamp,
    /// For presigned requests, how long they are good for.
    expires: Option<Micros>,
    session_token: Option<String>,
    payload: Payload,
    signature: [u8; 32],
    /// The canonical request but for the payload's hash at its end.
    canonical: Vec<u8>,
}

/// What is said of the payload before it has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Its SHA-256, in `x-amz-content-sha256`.
    Declared([u8; 32]),
    /// That it is not signed.
    Unsigned,
    /// Nothing: its hash is in the signature alone. botocore does so for Lambda.
    Undeclared,
}

/// Whose key signed, for which day and region.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Scope {
    access_key: String,
    date: String,
    region: String,
}

/// The parts of a signature, wherever they stood.
struct Parts<'r> {
    credential: &'r str,
    signed_headers: &'r str,
    signature: &'r str,
    stamp: Stamp,
    expires: Option<Micros>,
    session_token: Option<String>,
    content_sha256: Option<String>,
}

/// Why a request is not believed, in AWS's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct AuthError {
    code: ErrorCode,
    message: String,
}

impl Presented {
    /// Reads what a request presents, in its headers or, presigned, in its query.
    ///
    /// `path` and `query` are as they came on the request line, percent-encoded.
    ///
    /// # Errors
    /// [`AuthError`] when nothing is presented, or what is presented is not well-formed or for another service.
    pub fn of(method: &Method, path: &str, query: Option<&str>, headers: &HeaderMap) -> Result<Self, AuthError> {
        let pairs = query::pairs(query.unwrap_or_default());
        let Parts { credential, signed_headers, signature, stamp, expires, session_token, content_sha256 } =
            match (headers.contains_key(http::header::AUTHORIZATION), query::is_presigned(&pairs)) {
                (true, false) => header::parts(headers)?,
                (false, true) => query::parts(&pairs, headers)?,
                (false, false) => return Err(AuthError::missing()),
                (true, true) => return Err(AuthError::incomplete("Only one auth mechanism allowed")),
            };
        let scope = Scope::parse(credential, &stamp)?;
        let signed: Vec<&str> = signed_headers.split(';').collect();
        canonical::check_signed_headers(&signed, headers)?;
        let payload = Payload::declared(content_sha256.as_deref())?;
        let signature = key::hex_32(signature).ok_or_else(AuthError::mismatch)?;
        let canonical = canonical::request(method, path, &pairs, &signed, signed_headers, headers);
        Ok(Self { scope, stamp, expires, session_token, payload, signature, canonical })
    }

    /// The id of the key it is signed with.
    #[must_use]
    pub fn access_key(&self) -> &str {
        &self.scope.access_key
    }

    /// The day it is signed for, `YYYYMMDD`.
    #[must_use]
    pub fn date(&self) -> &str {
        &self.scope.date
    }

    /// The region it is signed for, as the caller named it.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.scope.region
    }

    /// The token of temporary credentials.
    #[must_use]
    pub fn session_token(&self) -> Option<&str> {
        self.session_token.as_deref()
    }

    /// Whether the header of this name, in lower case, is signed. [`Self::of`] demands it of what Lambda may read; what
    /// else a service reads is for the service to demand.
    #[must_use]
    pub fn signs(&self, name: &str) -> bool {
        // The list is the last line of the canonical head.
        let list = self.canonical.strip_suffix(b"\n").and_then(|head| head.rsplit(|byte| *byte == b'\n').next());
        list.is_some_and(|list| list.split(|byte| *byte == b';').any(|signed| signed == name.as_bytes()))
    }

    /// What is said of the payload.
    #[must_use]
    pub const fn payload(&self) -> Payload {
        self.payload
    }

    /// Whether it is in the query rather than the headers.
    #[must_use]
    pub const fn is_presigned(&self) -> bool {
        self.expires.is_some()
    }

    /// Whether it is good at `now`: signed within [`SKEW`] of it, or presigned and not over.
    ///
    /// # Errors
    /// [`AuthError`] when it is too old or from the future.
    pub fn check_time(&self, now: Timestamp) -> Result<(), AuthError> {
        let at = self.stamp.at();
        let lifetime = self.expires.unwrap_or(SKEW);
        let (earliest, latest) = (stamp::minus(now, lifetime), stamp::plus(now, SKEW));
        let (stamp, now) = (self.stamp.as_str(), Stamp::of(now));
        if at < earliest {
            let (earliest, lifetime) = (Stamp::of(earliest), described(lifetime));
            let message = format!("Signature expired: {stamp} is now earlier than {earliest} ({now} - {lifetime})");
            return Err(AuthError::invalid(message));
        }
        if at > latest {
            let (latest, skew) = (Stamp::of(latest), described(SKEW));
            let message = format!("Signature not yet current: {stamp} is still later than {latest} ({now} + {skew})");
            return Err(AuthError::invalid(message));
        }
        Ok(())
    }

    /// Whether the signature is that of `key` over this head and a body with the hash `body_sha256`.
    ///
    /// To check the head before the body has come, where the hash is [`Payload::Declared`], give that hash.
    ///
    /// # Errors
    /// [`AuthError`] when it is not, or the body is not the declared one.
    pub fn verify(&self, key: &SigningKey, body_sha256: &[u8; 32]) -> Result<(), AuthError> {
        if matches!(self.payload, Payload::Declared(declared) if declared != *body_sha256) {
            let message = "The value of the x-amz-content-sha256 header does not match the payload's SHA-256";
            return Err(AuthError::invalid(message));
        }
        let mut request = digest::Context::new(&digest::SHA256);
        request.update(&self.canonical);
        match self.payload {
            Payload::Unsigned => request.update(UNSIGNED.as_bytes()),
            Payload::Declared(_) | Payload::Undeclared => request.update(&key::to_hex(body_sha256)),
        }
        let request = key::to_hex(&key::array(request.finish()));
        let Scope { date, region, .. } = &self.scope;
        let mut to_sign = format!("{ALGORITHM}\n{}\n{date}/{region}/{SERVICE}/{TERMINATOR}\n", self.stamp).into_bytes();
        to_sign.extend_from_slice(&request);
        hmac::verify(key.hmac(), &to_sign, &self.signature).map_err(|_| AuthError::mismatch())
    }
}

/// A time as AWS writes it in its refusals.
fn described(time: Micros) -> String {
    let seconds = time.get() / 1_000_000;
    if seconds.is_multiple_of(60) { format!("{} min.", seconds / 60) } else { format!("{seconds} s.") }
}

/// In place of the payload's hash when it is not signed.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

impl Payload {
    fn declared(header: Option<&str>) -> Result<Self, AuthError> {
        match header {
            None => Ok(Self::Undeclared),
            Some(UNSIGNED) => Ok(Self::Unsigned),
            Some(hash) => key::hex_32(hash).map(Self::Declared).ok_or_else(|| {
                let shown = shortened(hash);
                let message =
                    format!("x-amz-content-sha256 must be UNSIGNED-PAYLOAD or a SHA-256 in hex, not '{shown}'");
                AuthError::invalid(message)
            }),
        }
    }
}

impl Scope {
    fn parse(credential: &str, stamp: &Stamp) -> Result<Self, AuthError> {
        let parts: Vec<&str> = credential.splitn(6, '/').collect();
        let [access_key, date, region, service, terminator] = *parts.as_slice() else {
            return Err(AuthError::incomplete(format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{}'",
                shortened(credential)
            )));
        };
        if access_key.is_empty() || access_key.len() > 128 {
            return Err(AuthError::unknown_key());
        }
        if date != stamp.date() {
            return Err(AuthError::invalid(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{}', \
                 from '{stamp}'.",
                shortened(date),
                stamp.date(),
            )));
        }
        let region_like = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if !(1..=64).contains(&region.len()) || !region.bytes().all(region_like) {
            return Err(AuthError::wrong_region(region));
        }
        if service != SERVICE {
            let message = format!("Credential should be scoped to correct service: '{SERVICE}'. ");
            return Err(AuthError::invalid(message));
        }
        if terminator != TERMINATOR {
            let shown = shortened(terminator);
            let message =
                format!("Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{shown}'. ");
            return Err(AuthError::invalid(message));
        }
        Ok(Self { access_key: access_key.to_owned(), date: date.to_owned(), region: region.to_owned() })
    }
}

/// What a caller sent, cut so that a refusal stays short.
fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

impl AuthError {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Nothing was presented.
    #[must_use]
    pub fn missing() -> Self {
        Self::new(ErrorCode::MissingAuthenticationToken, "Missing Authentication Token")
    }

    /// The access key is nobody's, or no longer; or a session token is not one of ours.
    #[must_use]
    pub fn unknown_key() -> Self {
        Self::new(ErrorCode::UnrecognizedClient, "The security token included in the request is invalid.")
    }

    /// A header that has to be signed is not.
    #[must_use]
    pub fn unsigned_header(name: &str) -> Self {
        let name = shortened(name);
        Self::invalid(format!("'{name}' must be a 'SignedHeader' in the AWS Authorization."))
    }

    /// The payload is not signed.
    #[must_use]
    pub fn unsigned_payload() -> Self {
        Self::invalid(format!(
            "'{UNSIGNED}' is not supported: sign the SHA-256 of the payload, and leave x-amz-content-sha256 out or set it \
             to that hash."
        ))
    }

    /// It is signed for a region that is not served here.
    #[must_use]
    pub fn wrong_region(region: &str) -> Self {
        Self::invalid(format!("Credential should be scoped to a valid region, not '{}'. ", shortened(region)))
    }

    /// The signature is another one.
    #[must_use]
    pub fn mismatch() -> Self {
        let message = "The request signature we calculated does not match the signature you provided. Check your AWS \
                       Secret Access Key and signing method. Consult the service documentation for details.";
        Self::new(ErrorCode::InvalidSignature, message)
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidSignature, message)
    }

    fn incomplete(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::IncompleteSignature, message)
    }

    /// Which error it is to the caller.
    #[must_use]
    pub const fn code(&self) -> &ErrorCode {
        &self.code
    }

    /// In words.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The HTTP status it is answered with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.code.status()
    }
}

impl From<AuthError> for LambdaError {
    fn from(error: AuthError) -> Self {
        Self::new(error.code, error.message)
    }
}
