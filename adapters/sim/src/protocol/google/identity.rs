//! The places that give tokens: the metadata server, and the exchange of assertions.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde_json::json;

use super::pages::{json_answer, text};
use super::{ID_ISSUER, bearer};
use crate::config::GoogleProject;
use crate::protocol::body::Cut;
use crate::protocol::issuer::{self, Claims, LIFETIME_S};
use crate::protocol::{form, payload};

/// What access tokens are made out to.
const ACCESS_AUDIENCE: &str = "https://www.googleapis.com/";

/// What assertions are made out to, wherever they are sent.
const ASSERTION_AUDIENCE: &str = "https://oauth2.googleapis.com/token";

const METADATA_FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// An assertion has about 700 bytes.
const MOST_FORM_BYTES: usize = 16 * 1024;

/// The metadata server, from below `computeMetadata/v1`.
pub(super) fn metadata(google: &GoogleProject, path: &[&str], query: &str, headers: &HeaderMap) -> Response<Bytes> {
    let asked = headers.get(METADATA_FLAVOR).is_some_and(|flavor| flavor == "Google");
    let Some(account) = google.service_accounts.first().filter(|_| asked) else {
        return flavoured(text(StatusCode::FORBIDDEN, "Missing Metadata-Flavor:Google header."));
    };
    let of = |what: &[&str]| path == [&["instance", "service-accounts", "default"], what].concat();
    let answer = if of(&["identity"]) {
        match form::value(query, "audience").filter(|audience| !audience.is_empty()) {
            Some(audience) => text(StatusCode::OK, &issuer::issue(&Claims::new(ID_ISSUER, &audience, &account.email))),
            None => text(StatusCode::BAD_REQUEST, "non-empty audience parameter required"),
        }
    } else if of(&["token"]) {
        json_answer(StatusCode::OK, &access(&account.email))
    } else if of(&["email"]) {
        text(StatusCode::OK, &account.email)
    } else if of(&[""]) || of(&[]) {
        json_answer(StatusCode::OK, &json!({ "aliases": ["default"], "email": account.email, "scopes": [] }))
    } else if path == ["project", "project-id"] {
        text(StatusCode::OK, &google.project)
    } else if path == ["universe", "universe-domain"] {
        text(StatusCode::OK, "googleapis.com")
    } else {
        text(StatusCode::NOT_FOUND, "not found")
    };
    flavoured(answer)
}

fn flavoured(mut response: Response<Bytes>) -> Response<Bytes> {
    response.headers_mut().insert(METADATA_FLAVOR, HeaderValue::from_static("Google"));
    response
}

fn access(email: &str) -> serde_json::Value {
    let token = issuer::issue(&Claims::new(ID_ISSUER, ACCESS_AUDIENCE, email));
    json!({ "access_token": token, "expires_in": LIFETIME_S, "token_type": "Bearer" })
}

/// Whose access token a request has, by its address.
pub(super) fn caller_of(headers: &HeaderMap) -> Option<String> {
    issuer::check(bearer(headers)?, ID_ISSUER, &[ACCESS_AUDIENCE]).map(|claims| claims.email)
}

/// The key that tokens are signed with.
pub(super) fn certificates() -> Response<Bytes> {
    json_answer(StatusCode::OK, &issuer::key_set())
}

/// What an assertion asks for, beside what all tokens have.
#[derive(Deserialize)]
struct Wish {
    iss: String,
    #[serde(default)]
    target_audience: Option<String>,
}

/// An assertion for an ID token, or for an access token when it names no audience for one.
///
/// # Errors
/// [`Cut`] when the caller is gone.
pub(super) async fn exchange(google: &GoogleProject, request: Request<Incoming>) -> Result<Response<Bytes>, Cut> {
    let refuse = |error: &str, why: &str| {
        let body = json!({ "error": error, "error_description": why });
        Ok(json_answer(StatusCode::BAD_REQUEST, &body))
    };
    let Ok(body) = payload::read(request, MOST_FORM_BYTES).await? else {
        return refuse("invalid_request", "Request is too large.");
    };
    let body = String::from_utf8_lossy(&body);
    if form::value(&body, "grant_type").as_deref() != Some(GRANT) {
        return refuse("unsupported_grant_type", "Invalid grant_type.");
    }
    let assertion = form::value(&body, "assertion").unwrap_or_default();
    let Ok(wish) = jsonwebtoken::dangerous::insecure_decode_claims::<Wish>(&assertion) else {
        return refuse("invalid_request", "Invalid JWT: Failed to decode.");
    };
    let account = google.service_accounts.iter().find(|account| account.email == wish.iss);
    let key = account.and_then(|account| DecodingKey::from_rsa_pem(account.public_key.as_ref()?.as_bytes()).ok());
    let Some((account, key)) = account.zip(key) else {
        return refuse("invalid_grant", "Invalid grant: account not found");
    };
    if issuer::verify(&assertion, &key, &account.email, &[ASSERTION_AUDIENCE]).is_none() {
        return refuse("invalid_grant", "Invalid JWT Signature.");
    }
    let answer = match wish.target_audience {
        Some(audience) => {
            json!({ "id_token": issuer::issue(&Claims::new(ID_ISSUER, &audience, &account.email)) })
        }
        None => access(&account.email),
    };
    Ok(json_answer(StatusCode::OK, &answer))
}
