//! Tokens as identity services issue them: JWTs signed with RS256, and the check of them.
//!
//! One key for all clouds of the process, made when the first token is asked for.

use std::sync::OnceLock;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::SimClock;

/// How long a token is good, in seconds.
pub(crate) const LIFETIME_S: u64 = 3600;

/// The name of the key.
const KEY_ID: &str = "merit-sim-1";

/// The key, both halves.
struct Issuer {
    private: EncodingKey,
    public: DecodingKey,
}

/// What a token says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) aud: String,
    pub(crate) sub: String,
    #[serde(default)]
    pub(crate) email: String,
    pub(crate) iat: u64,
    pub(crate) exp: u64,
}

impl Claims {
    /// A token for that audience, of an identity with that address, good from now on.
    pub(crate) fn new(issuer: &str, audience: &str, email: &str) -> Self {
        let now = now_s();
        Self {
            iss: issuer.to_owned(),
            aud: audience.to_owned(),
            sub: email.to_owned(),
            email: email.to_owned(),
            iat: now,
            exp: now + LIFETIME_S,
        }
    }
}

/// Seconds since 1970.
pub(crate) fn now_s() -> u64 {
    SimClock::time_of_day().micros() / 1_000_000
}

/// A signed token.
pub(crate) fn issue(claims: &Claims) -> String {
    let header = Header { kid: Some(KEY_ID.to_owned()), ..Header::new(Algorithm::RS256) };
    jsonwebtoken::encode(&header, claims, &issuer().private).expect("invariant: the key signs")
}

/// The claims of a token that was issued here, by that issuer, for one of these audiences, and is good now.
pub(crate) fn check(token: &str, issued_by: &str, audiences: &[&str]) -> Option<Claims> {
    verify(token, &issuer().public, issued_by, audiences)
}

/// The same with another's key: of an assertion.
pub(crate) fn verify(token: &str, key: &DecodingKey, issued_by: &str, audiences: &[&str]) -> Option<Claims> {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_issuer(&[issued_by]);
    validation.set_audience(audiences);
    let claims = jsonwebtoken::decode::<Claims>(token, key, &validation).ok()?.claims;
    // A token of the future is one of another clock: a minute is forgiven, as the end's is.
    (claims.iat <= now_s() + 60).then_some(claims)
}

/// The public half as a set of keys, for whoever checks.
pub(crate) fn key_set() -> Value {
    let jwk = Jwk::from_encoding_key(&issuer().private, Algorithm::RS256).expect("invariant: an RSA key is a JWK");
    let mut jwk = serde_json::to_value(jwk).expect("invariant: a JWK is JSON");
    jwk["kid"] = json!(KEY_ID);
    json!({ "keys": [jwk] })
}

fn issuer() -> &'static Issuer {
    static ISSUER: OnceLock<Issuer> = OnceLock::new();
    ISSUER.get_or_init(|| {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("invariant: a key can be made");
        let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'static>>::as_der(&pair).expect("invariant: it has a form");
        let private = EncodingKey::from_rsa_pem(pem("PRIVATE KEY", der.as_ref()).as_bytes());
        let private = private.expect("invariant: a key just made is a key");
        let jwk = Jwk::from_encoding_key(&private, Algorithm::RS256).expect("invariant: an RSA key is a JWK");
        let public = DecodingKey::from_jwk(&jwk).expect("invariant: its public half is a key");
        Issuer { private, public }
    })
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("invariant: ASCII")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_holds_for_its_audience_its_issuer_and_its_time() {
        let claims = Claims::new("https://issuer", "https://a", "merit@example.com");
        let token = issue(&claims);
        let found = check(&token, "https://issuer", &["https://b", "https://a"]).expect("it is good");
        assert_eq!((found.email.as_str(), found.exp - found.iat), ("merit@example.com", LIFETIME_S));
        assert!(check(&token, "https://issuer", &["https://b"]).is_none(), "another audience");
        assert!(check(&token, "https://other", &["https://a"]).is_none(), "another issuer");
        let (head, signature) = token.rsplit_once('.').expect("three parts");
        let turned: String = signature.chars().rev().collect();
        assert!(check(&format!("{head}.{turned}"), "https://issuer", &["https://a"]).is_none(), "another signature");
        for (iat, exp) in [(now_s() - 7200, now_s() - 3600), (now_s() + 3600, now_s() + 7200)] {
            let token = issue(&Claims { iat, exp, ..claims.clone() });
            assert!(check(&token, "https://issuer", &["https://a"]).is_none(), "{iat} to {exp}");
        }
        assert_eq!(key_set()["keys"][0]["kty"], "RSA");
    }
}
