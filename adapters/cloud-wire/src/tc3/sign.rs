//! Signing with a key pair. The key of the day is kept.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use merit_units::Timestamp;

use super::key::SigningKey;
use super::{ALGORITHM, CONTENT_SHA256, SERVICE, TERMINATOR, TIMESTAMP, TOKEN, UNSIGNED, canonical, string_to_sign};
use crate::bytes::{self, text};
use crate::{SignError, time};

/// Seconds of a day in UTC, which has no leap seconds in seconds since 1970.
const DAY_S: u64 = 86_400;

/// A key pair that signs.
pub struct Signer {
    secret_id: String,
    secret_key: String,
    token: Option<HeaderValue>,
    today: RwLock<Arc<Day>>,
}

/// A day and its key.
struct Day {
    number: u64,
    text: String,
    key: SigningKey,
}

impl Day {
    fn of(number: u64, secret_key: &str) -> Self {
        let text = time::day(number.saturating_mul(DAY_S));
        let key = SigningKey::derive(secret_key, &text);
        Self { number, text, key }
    }
}

impl Signer {
    /// A key pair, with the token of temporary credentials.
    ///
    /// # Errors
    /// [`SignError`] when the id or the token can't be in a header, or one of the texts is empty.
    pub fn try_new(secret_id: &str, secret_key: &str, token: Option<&str>) -> Result<Self, SignError> {
        let refuse = |what: &str| SignError(format!("{what} is empty, or has a character that no header can hold"));
        let good = |byte: u8| byte.is_ascii_graphic() && byte != b',' && byte != b'/';
        if secret_id.is_empty() || !secret_id.bytes().all(good) {
            return Err(refuse("the SecretId"));
        }
        if secret_key.is_empty() {
            return Err(refuse("the SecretKey"));
        }
        let token = token.map(HeaderValue::from_str).transpose().map_err(|_| refuse("the token"))?;
        let token = token.map(|mut token| {
            token.set_sensitive(true);
            token
        });
        let today = RwLock::new(Arc::new(Day::of(0, secret_key)));
        Ok(Self { secret_id: secret_id.to_owned(), secret_key: secret_key.to_owned(), token, today })
    }

    /// Signs a request: adds the time, the token and the signature over `content-type` and `host`, which have to be
    /// among the headers.
    ///
    /// # Errors
    /// [`SignError`] when one of them is missing or is no text.
    pub fn sign(
        &self,
        method: &Method,
        path: &str,
        query: Option<&str>,
        headers: &mut HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), SignError> {
        let seconds = time::seconds(now);
        let day = self.day(seconds / DAY_S);
        headers.insert(HeaderName::from_static(TIMESTAMP), HeaderValue::from(seconds));
        if let Some(token) = &self.token {
            headers.insert(HeaderName::from_static(TOKEN), token.clone());
        }
        let unsigned = headers.get(CONTENT_SHA256).is_some_and(|value| value == UNSIGNED);
        let body = if unsigned { UNSIGNED.as_bytes() } else { body };
        let canonical = canonical(method, path, query, &["content-type", "host"], headers)
            .ok_or_else(|| SignError("`content-type` or `host` is missing, there twice or no text".to_owned()))?;
        let to_sign = string_to_sign(canonical, body, seconds, &day.text);
        let signature = bytes::mac_hex(day.key.hmac(), to_sign.as_bytes());
        let parts = [
            ALGORITHM,
            " Credential=",
            &self.secret_id,
            "/",
            &day.text,
            "/",
            SERVICE,
            "/",
            TERMINATOR,
            ", SignedHeaders=content-type;host, Signature=",
            text(&signature),
        ];
        let authorization = HeaderValue::from_str(&parts.concat()).expect("invariant: a checked id, a date and digits");
        headers.insert(AUTHORIZATION, authorization);
        Ok(())
    }

    /// The key of a day, counted from 1970.
    fn day(&self, number: u64) -> Arc<Day> {
        let kept = Arc::clone(&self.today.read().unwrap_or_else(PoisonError::into_inner));
        if kept.number == number {
            return kept;
        }
        let day = Arc::new(Day::of(number, &self.secret_key));
        *self.today.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&day);
        day
    }
}

/// Everything but the secret.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("secret_id", &self.secret_id).finish_non_exhaustive()
    }
}
