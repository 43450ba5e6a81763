//! Google's protocols: services of Cloud Run that check who calls them, the places that give tokens, and the
//! interfaces that list what is deployed. All are under `http://ADDRESS/{cloud}`.
//!
//! | path | what |
//! |---|---|
//! | `POST /{function}` | a call: an ID token made out to `http://ADDRESS/{cloud}/{function}`, or to a custom audience |
//! | `GET /computeMetadata/v1/instance/service-accounts/default/...` | the metadata server: `identity`, `token`, `email` |
//! | `POST /token` | the exchange of an assertion, signed with a service account's key, for an ID or access token |
//! | `GET /oauth2/v3/certs` | the key that tokens are signed with |
//! | `GET /v2/projects/P/locations/R/services`, `.../functions` | lists, for access tokens |
//! | `POST .../services/{function}:testIamPermissions` | whether whoever the access token is of may invoke |
//!
//! | a call that | gets |
//! |---|---|
//! | has no token | 403, a page |
//! | has a token of another key, audience or time | 401 with `www-authenticate`, a page |
//! | is of an identity that may not invoke | 403, a page |
//! | fails in the function | 500, `X-Google-Status: crash`, JSON |
//! | takes longer than the function's timeout | 504, `upstream request timeout` |
//! | finds no instance free | 429, `Rate exceeded.` |
//! | names no function, or has over 32 MB | 404, 413, a page |
//! | meets `outage: refuse`, or a machine that can't run it | 503, `Service Unavailable` |
//! | meets `error_rate` | 500, a page, without a word on whether it ran |
//!
//! No meters are told, as Google tells none.
//!
//! Known limitations: paths below a function's are not told apart from it; permissions are by project, not by
//! service; access tokens open all interfaces.

mod describe;
mod identity;
mod pages;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use super::body::{Body, Cut, spoil, whole};
use super::{issuer, payload, wrong};
use crate::cloud::{Answer, Cloud, FunctionFailure, Outcome, Refusal};
use crate::config::GoogleProject;
use crate::controls::WrongAnswer;
use pages::page;

/// Who issues Google's ID tokens.
const ID_ISSUER: &str = "https://accounts.google.com";

const GOOGLE_STATUS: HeaderName = HeaderName::from_static("x-google-status");

/// Answers a request whose path, without the cloud's name, is `path`.
///
/// # Errors
/// [`Cut`] when the connection is to be dropped without an answer.
pub(crate) async fn serve(
    cloud: &Arc<Cloud>,
    google: &GoogleProject,
    path: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, Cut> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (request.method().clone(), segments.as_slice()) {
        (Method::GET, ["computeMetadata", "v1", rest @ ..]) => {
            Ok(identity::metadata(google, rest, &query, request.headers()).map(whole))
        }
        (Method::GET, ["oauth2", "v3", "certs"]) => Ok(identity::certificates().map(whole)),
        (Method::POST, ["token"]) => identity::exchange(google, request).await.map(|answer| answer.map(whole)),
        (Method::GET, ["v2", "projects", project, "locations", region, what]) => {
            Ok(describe::list(cloud, google, (project, region, what), &query, &request).map(whole))
        }
        (Method::POST, ["v2", "projects", project, "locations", region, "services", service]) => {
            Ok(describe::permissions(cloud, google, (project, region, service), request.headers()).map(whole))
        }
        (Method::POST, [function, ..]) if !function.is_empty() => call(cloud, google, function, request).await,
        _ => Ok(page(StatusCode::NOT_FOUND).map(whole)),
    }
}

async fn call(
    cloud: &Arc<Cloud>,
    google: &GoogleProject,
    function: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, Cut> {
    if let Some(down) = cloud.outage() {
        return ended(down).await;
    }
    if let Some(refusal) = unauthorised(cloud, google, function, request.headers()) {
        return Ok(refusal.map(whole));
    }
    let outcome = match payload::read(request, cloud.request_bytes()).await? {
        Ok(payload) => cloud.invoke(function, payload, usize::MAX).await,
        Err(payload::TooLarge { limit }) => Outcome::Refused(Refusal::PayloadTooLarge { limit }),
    };
    ended(outcome).await
}

async fn ended(outcome: Outcome) -> Result<Response<Body>, Cut> {
    match outcome {
        Outcome::Ran(answer) => Ok(ran(answer)),
        Outcome::Refused(refusal) => Ok(refused(&refusal).map(whole)),
        Outcome::Silence => std::future::pending().await,
        Outcome::Cut => Err(Cut),
    }
}

/// The answer to a caller whose token is not good for this function.
fn unauthorised(cloud: &Cloud, google: &GoogleProject, function: &str, headers: &HeaderMap) -> Option<Response<Bytes>> {
    let Some(token) = bearer(headers) else { return Some(page(StatusCode::FORBIDDEN)) };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let own = format!("http://{host}/{}/{function}", cloud.config.name);
    let mut audiences: Vec<&str> = google.custom_audiences.iter().map(String::as_str).collect();
    audiences.push(&own);
    let Some(claims) = issuer::check(token, ID_ISSUER, &audiences) else {
        let mut refused = page(StatusCode::UNAUTHORIZED);
        let challenge = r#"Bearer error="invalid_token" error_description="The access token could not be verified""#;
        refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        return Some(refused);
    };
    let known = google.service_accounts.iter().any(|account| account.email == claims.email);
    (!known).then(|| page(StatusCode::FORBIDDEN))
}

/// The token of a request, if it has one.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

fn ran(Answer { result, controls, .. }: Answer) -> Response<Body> {
    let response = match result {
        Ok(output) => Response::new(output),
        Err(failure) if failure.kind == FunctionFailure::TIMEOUT => {
            pages::text(StatusCode::GATEWAY_TIMEOUT, "upstream request timeout")
        }
        Err(failure) => crashed(&failure),
    };
    let response = match controls.wrong_answer {
        WrongAnswer::Garbage => wrong::garbage(),
        WrongAnswer::Html => wrong::page(),
        WrongAnswer::None | WrongAnswer::MalformedMeters => response,
    };
    spoil(response, &controls)
}

/// A function that failed, as functions-framework has it.
fn crashed(failure: &FunctionFailure) -> Response<Bytes> {
    let mut response = Response::new(failure.body());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(GOOGLE_STATUS, HeaderValue::from_static("crash"));
    response
}

fn refused(reason: &Refusal) -> Response<Bytes> {
    match reason {
        Refusal::Down | Refusal::Machine(_) => pages::text(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
        Refusal::Throttled { retry_after, .. } => {
            let mut busy = pages::text(StatusCode::TOO_MANY_REQUESTS, "Rate exceeded.");
            busy.headers_mut().insert(RETRY_AFTER, retry_after.as_secs().max(1).into());
            busy
        }
        Refusal::UnknownFunction(_) => page(StatusCode::NOT_FOUND),
        Refusal::PayloadTooLarge { .. } => page(StatusCode::PAYLOAD_TOO_LARGE),
        Refusal::Platform => page(StatusCode::INTERNAL_SERVER_ERROR),
    }
}
