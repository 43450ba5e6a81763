//! The places that give tokens: Entra, and the identity service of a machine.

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::json;

use super::{bearer, json_answer};
use crate::config::{AzureApp, EntraClient};
use crate::protocol::body::Cut;
use crate::protocol::issuer::{self, Claims, LIFETIME_S};
use crate::protocol::{form, payload};

/// What tokens for Resource Manager are made out to.
const ARM_AUDIENCE: &str = "https://management.azure.com";

/// A request for a token has about 300 bytes, one with an assertion a few thousand.
const MOST_FORM_BYTES: usize = 16 * 1024;

/// Who issues a tenant's tokens.
pub(super) fn issuer_of(tenant: &str) -> String {
    format!("https://login.microsoftonline.com/{tenant}/v2.0")
}

/// A token for a client's secret.
///
/// # Errors
/// [`Cut`] when the caller is gone.
pub(super) async fn exchange(app: &AzureApp, tenant: &str, request: Request<Incoming>) -> Result<Response<Bytes>, Cut> {
    let Ok(body) = payload::read(request, MOST_FORM_BYTES).await? else {
        return Ok(refuse(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", 90_013, "Invalid input received."));
    };
    let body = String::from_utf8_lossy(&body);
    let of = |key| form::value(&body, key).unwrap_or_default();
    let Some(client) = app.entra.as_ref().filter(|client| client.tenant == tenant) else {
        let message = format!("Tenant '{tenant}' not found.");
        return Ok(refuse(StatusCode::BAD_REQUEST, "invalid_request", 90_002, &message));
    };
    if of("grant_type") != "client_credentials" {
        return Ok(refuse(StatusCode::BAD_REQUEST, "unsupported_grant_type", 70_003, "Unsupported grant type."));
    }
    if of("client_id") != client.client_id {
        let message = format!("Application with identifier '{}' was not found in the directory.", of("client_id"));
        return Ok(refuse(StatusCode::BAD_REQUEST, "unauthorized_client", 700_016, &message));
    }
    if of("client_secret") != client.client_secret {
        let message = "Invalid client secret provided.";
        return Ok(refuse(StatusCode::UNAUTHORIZED, "invalid_client", 7_000_215, message));
    }
    let Some(audience) = audience(client, of("scope").strip_suffix("/.default").unwrap_or_default()) else {
        let message = format!("The resource principal named {} was not found in the tenant.", of("scope"));
        return Ok(refuse(StatusCode::BAD_REQUEST, "invalid_resource", 500_011, &message));
    };
    let token = issuer::issue(&Claims::new(&issuer_of(tenant), audience, &client.client_id));
    let answer = json!({
        "token_type": "Bearer", "expires_in": LIFETIME_S, "ext_expires_in": LIFETIME_S, "access_token": token,
    });
    Ok(json_answer(StatusCode::OK, &answer))
}

/// What there are tokens for.
fn audience<'c>(client: &'c EntraClient, wanted: &str) -> Option<&'c str> {
    if wanted == client.audience {
        return Some(&client.audience);
    }
    (wanted.trim_end_matches('/') == ARM_AUDIENCE).then_some(ARM_AUDIENCE)
}

/// A token for the machine's own identity.
pub(super) fn machine(app: &AzureApp, query: &str, headers: &HeaderMap) -> Response<Bytes> {
    let refuse = |error: &str, message: &str| {
        json_answer(StatusCode::BAD_REQUEST, &json!({ "error": error, "error_description": message }))
    };
    if headers.get("metadata").is_none_or(|value| !value.as_bytes().eq_ignore_ascii_case(b"true")) {
        return refuse("invalid_request", "Required metadata header not specified");
    }
    let Some(client) = &app.entra else { return refuse("invalid_request", "Identity not found") };
    let Some(audience) = audience(client, &form::value(query, "resource").unwrap_or_default()) else {
        return refuse("invalid_resource", "AADSTS500011: The resource principal was not found in the tenant.");
    };
    let claims = Claims::new(&issuer_of(&client.tenant), audience, &client.client_id);
    let answer = json!({
        "access_token": issuer::issue(&claims), "client_id": client.client_id, "resource": audience,
        "token_type": "Bearer", "expires_in": LIFETIME_S.to_string(), "expires_on": claims.exp.to_string(),
    });
    json_answer(StatusCode::OK, &answer)
}

/// Whether a request has a token for Resource Manager.
pub(super) fn may_read(app: &AzureApp, headers: &HeaderMap) -> bool {
    let checked = || {
        let (client, token) = app.entra.as_ref().zip(bearer(headers))?;
        issuer::check(token, &issuer_of(&client.tenant), &[ARM_AUDIENCE])
    };
    checked().is_some()
}

/// A refusal of Entra, by its own numbers.
fn refuse(status: StatusCode, error: &str, code: u32, message: &str) -> Response<Bytes> {
    let id = "00000000-0000-0000-0000-000000000000";
    let said = format!("AADSTS{code}: {message} Trace ID: {id} Correlation ID: {id} Timestamp: 2026-11-21 10:00:00Z");
    let body = json!({
        "error": error, "error_description": said, "error_codes": [code], "timestamp": "2026-11-21 10:00:00Z",
        "trace_id": id, "correlation_id": id, "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
    });
    json_answer(status, &body)
}
