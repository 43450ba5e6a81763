//! ID tokens of a service account's key whose `token_uri` is not Google's own: a private endpoint or an
//! emulator. Google's library exchanges at `oauth2.googleapis.com` whatever the key says; this sends the
//! same assertion to where the key says.
//!
//! The assertion's own audience stays `https://oauth2.googleapis.com/token`, as Google's libraries have it
//! (google-auth 2.62.2, 2026-11-21).

#[cfg(test)]
mod peers;

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::exchange;

/// Where Google exchanges assertions.
const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";

/// How long an assertion is good.
const LIFETIME: Duration = Duration::from_hours(1);

/// How far its beginning is put back, for clocks that differ a little.
const SKEW: Duration = Duration::from_secs(10);

/// For the exchange as a whole.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The largest answer that is read, in bytes.
const MOST_BYTES: usize = 64 * 1024;

/// Makes assertions and exchanges them.
pub(crate) struct Assertion {
    key: EncodingKey,
    key_id: Option<String>,
    email: String,
    audience: String,
    token_url: String,
    http: reqwest::Client,
}

/// What Merit says of itself.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
    target_audience: &'a str,
}

/// The part of a key's file that is used here.
#[derive(Deserialize)]
struct Key {
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
    token_uri: Option<String>,
}

impl Assertion {
    /// The exchange of a key that says another address than Google's own; `None` for one that does not.
    ///
    /// # Errors
    /// When the key can't be used.
    pub(crate) fn elsewhere(json: &Value, audience: &str) -> Result<Option<Self>, String> {
        let elsewhere = |url: &&str| *url != TOKEN_URL && *url != "https://accounts.google.com/o/oauth2/token";
        if json.get("token_uri").and_then(Value::as_str).filter(elsewhere).is_none() {
            return Ok(None);
        }
        let broken = |what: &str| format!("the service account's key can't be used: {what}; download it again");
        let Key { client_email, private_key, private_key_id, token_uri } =
            Key::deserialize(json).map_err(|_| broken("a field is missing"))?;
        let key =
            EncodingKey::from_rsa_pem(private_key.as_bytes()).map_err(|_| broken("`private_key` is no RSA key"))?;
        let http = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none());
        let http = http.build().map_err(|error| format!("no HTTP client: {error}"))?;
        let (email, key_id, token_url) = (client_email, private_key_id, token_uri.unwrap_or_default());
        Ok(Some(Self { key, key_id, email, audience: audience.to_owned(), token_url, http }))
    }

    /// An ID token.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn id_token(&self) -> Result<String, String> {
        let Self { token_url, http, .. } = self;
        let form = self.form(UNIX_EPOCH.elapsed().unwrap_or_default())?;
        let request = http.post(token_url).header("content-type", "application/x-www-form-urlencoded").body(form);
        let mut response = request.send().await.map_err(|error| unreached(token_url, &error))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| unreached(token_url, &error))? {
            body.extend_from_slice(&chunk);
            if body.len() > MOST_BYTES {
                return Err(format!("no ID token: `{token_url}` answered with more than {MOST_BYTES} bytes"));
            }
        }
        exchange::read(&body, status.is_success())
            .map_err(|why| format!("no ID token: `{token_url}` answered {status}{why}"))
    }

    /// What is sent at a moment, which is given as the time since 1970.
    fn form(&self, now: Duration) -> Result<String, String> {
        // Both parts are made of characters that a form takes as they are.
        let assertion = self.assertion(now)?;
        Ok(format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}"))
    }

    fn assertion(&self, now: Duration) -> Result<String, String> {
        let issued = now.saturating_sub(SKEW);
        let claims = Claims {
            iss: &self.email,
            sub: &self.email,
            aud: TOKEN_URL,
            iat: issued.as_secs(),
            exp: (issued + LIFETIME).as_secs(),
            target_audience: &self.audience,
        };
        let header = Header { kid: self.key_id.clone(), ..Header::new(Algorithm::RS256) };
        jsonwebtoken::encode(&header, &claims, &self.key).map_err(|error| format!("the key does not sign: {error}"))
    }
}

fn unreached(url: &str, error: &reqwest::Error) -> String {
    let why = if error.is_timeout() { "it did not answer in time" } else { "it can't be reached" };
    let mut last: &dyn std::error::Error = error;
    while let Some(next) = last.source() {
        last = next;
    }
    format!("no ID token: `{url}`: {why}: {last}")
}

impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assertion").field("email", &self.email).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_googles_own_address_is_the_librarys() {
        let key = |uri: &str| serde_json::json!({"type": "service_account", "token_uri": uri});
        for uri in [TOKEN_URL, "https://accounts.google.com/o/oauth2/token"] {
            assert!(Assertion::elsewhere(&key(uri), "a").expect("no mistake").is_none(), "{uri}");
        }
        let broken = Assertion::elsewhere(&key("http://127.0.0.1:1/token"), "a").expect_err("fields are missing");
        assert!(broken.contains("download it again"), "{broken}");
    }
}
