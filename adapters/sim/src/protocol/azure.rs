//! Azure's protocols: a function app that checks keys and Entra tokens, the places that give tokens, Durable
//! Functions, and Resource Manager. All are under `http://ADDRESS/{cloud}`.
//!
//! | path | what |
//! |---|---|
//! | `POST /api/{function}` | a call, with `x-functions-key`, `?code=`, or an Entra token |
//! | `POST /api/orchestrators/{function}` | a starter of Durable Functions: 202, `Location` and where to ask |
//! | `GET /runtime/webhooks/durabletask/instances/{id}` | how what was started is doing |
//! | `POST /{tenant}/oauth2/v2.0/token` | Entra: tokens for a client's secret |
//! | `GET /metadata/identity/oauth2/token` | the identity service of a machine |
//! | `GET /subscriptions/S/resourceGroups/G/providers/Microsoft.Web/sites/A` | Resource Manager: the app, and its `/functions` |
//!
//! | a call that | gets |
//! |---|---|
//! | has no key or a wrong one, or a token that is not for the app | 401, nothing else |
//! | names no function | 404, nothing else |
//! | fails in the function | 500, JSON |
//! | takes longer than the function's timeout, or than `cut_after_ms` | 502, a page, as of the load balancer; after the latter the function runs on, and is billed |
//! | finds too many others waiting | 429 |
//! | has over 100 MB | 413 |
//! | meets `outage: refuse`, or a machine that can't run it | 503, `Function host is not running.` |
//! | meets `error_rate` | 502, a page, without a word on whether it ran |
//!
//! No meters are told, as Azure tells none.
//!
//! Known limitations: keys are the app's, not single functions'; the load balancer cuts by the real time and not by that
//! of `time_scale`; what was started is forgotten after a thousand others.

mod describe;
mod durable;
mod identity;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::Value;
use tokio::time::timeout;

use super::body::{Body, Cut, spoil, whole};
use super::{form, issuer, payload, wrong};
use crate::cloud::{Answer, Cloud, FunctionFailure, Outcome, Refusal};
use crate::config::AzureApp;
use crate::controls::WrongAnswer;

pub(crate) use durable::Doing;

const FUNCTIONS_KEY: HeaderName = HeaderName::from_static("x-functions-key");

/// What the host says when it is there and its functions are not.
const NOT_RUNNING: &str = "Function host is not running.";

/// Answers a request whose path, without the cloud's name, is `path`.
///
/// # Errors
/// [`Cut`] when the connection is to be dropped without an answer.
pub(crate) async fn serve(
    cloud: &Arc<Cloud>,
    app: &AzureApp,
    path: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, Cut> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (request.method().clone(), segments.as_slice()) {
        (Method::POST, ["api", "orchestrators", function]) => {
            durable::start(cloud, app, function, &query, request).await
        }
        (Method::POST, ["api", function]) => call(cloud, app, function, &query, request).await,
        (Method::GET, ["runtime", "webhooks", "durabletask", "instances", id]) => {
            Ok(durable::status(cloud, app, id, &query).map(whole))
        }
        (Method::POST, [tenant, "oauth2", "v2.0", "token"]) => {
            identity::exchange(app, tenant, request).await.map(|answer| answer.map(whole))
        }
        (Method::GET, ["metadata", "identity", "oauth2", "token"]) => {
            Ok(identity::machine(app, &query, request.headers()).map(whole))
        }
        (
            Method::GET,
            ["subscriptions", subscription, "resourceGroups", group, "providers", "Microsoft.Web", "sites", rest @ ..],
        ) => Ok(describe::describe(cloud, app, (subscription, group, rest), request.headers()).map(whole)),
        _ => Ok(empty(StatusCode::NOT_FOUND).map(whole)),
    }
}

async fn call(
    cloud: &Arc<Cloud>,
    app: &AzureApp,
    function: &str,
    query: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, Cut> {
    match admitted(cloud, app, query, request).await? {
        Ok(payload) => match timeout(app.cut_after, cloud.invoke(function, payload, usize::MAX)).await {
            Ok(outcome) => ended(outcome).await,
            Err(_) => Ok(page(StatusCode::BAD_GATEWAY).map(whole)),
        },
        Err(outcome) => ended_otherwise(outcome).await,
    }
}

/// Why a call was not made.
enum Otherwise {
    Refused(Response<Bytes>),
    Outcome(Outcome),
}

/// The payload of a call that may be made.
async fn admitted(
    cloud: &Cloud,
    app: &AzureApp,
    query: &str,
    request: Request<Incoming>,
) -> Result<Result<Bytes, Otherwise>, Cut> {
    if let Some(down) = cloud.outage() {
        return Ok(Err(Otherwise::Outcome(down)));
    }
    if !may_call(app, query, request.headers()) {
        let mut refused = empty(StatusCode::UNAUTHORIZED);
        if app.entra.is_some() {
            refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"merit-sim\""));
        }
        return Ok(Err(Otherwise::Refused(refused)));
    }
    let read = payload::read(request, cloud.request_bytes()).await?;
    Ok(read.map_err(|payload::TooLarge { limit }| {
        Otherwise::Outcome(Outcome::Refused(Refusal::PayloadTooLarge { limit }))
    }))
}

async fn ended_otherwise(why: Otherwise) -> Result<Response<Body>, Cut> {
    match why {
        Otherwise::Refused(response) => Ok(response.map(whole)),
        Otherwise::Outcome(outcome) => ended(outcome).await,
    }
}

async fn ended(outcome: Outcome) -> Result<Response<Body>, Cut> {
    match outcome {
        Outcome::Ran(answer) => Ok(ran(answer)),
        Outcome::Refused(refusal) => Ok(refused(&refusal).map(whole)),
        Outcome::Silence => std::future::pending().await,
        Outcome::Cut => Err(Cut),
    }
}

/// Whether a request has the app's key, or a token that is for the app.
fn may_call(app: &AzureApp, query: &str, headers: &HeaderMap) -> bool {
    let in_head = headers.get(FUNCTIONS_KEY).and_then(|key| key.to_str().ok()).map(str::to_owned);
    let key = in_head.or_else(|| form::value(query, "code"));
    let by_key = app.function_key.is_some() && key == app.function_key;
    let by_token = || {
        let (client, token) = app.entra.as_ref().zip(bearer(headers))?;
        issuer::check(token, &identity::issuer_of(&client.tenant), &[&client.audience])
    };
    by_key || by_token().is_some()
}

/// The token of a request, if it has one.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

fn ran(Answer { result, controls, .. }: Answer) -> Response<Body> {
    let response = match result {
        Ok(output) => Response::new(output),
        Err(failure) if failure.kind == FunctionFailure::TIMEOUT => page(StatusCode::BAD_GATEWAY),
        Err(failure) => {
            let mut response = typed(StatusCode::INTERNAL_SERVER_ERROR, String::new(), "application/json");
            *response.body_mut() = failure.body();
            response
        }
    };
    let response = match controls.wrong_answer {
        WrongAnswer::Garbage => wrong::garbage(),
        WrongAnswer::Html => wrong::page(),
        WrongAnswer::None | WrongAnswer::MalformedMeters => response,
    };
    spoil(response, &controls)
}

fn refused(reason: &Refusal) -> Response<Bytes> {
    match reason {
        Refusal::Down | Refusal::Machine(_) => {
            typed(StatusCode::SERVICE_UNAVAILABLE, NOT_RUNNING.to_owned(), "text/plain; charset=utf-8")
        }
        Refusal::Throttled { retry_after, .. } => {
            let mut busy = empty(StatusCode::TOO_MANY_REQUESTS);
            busy.headers_mut().insert(RETRY_AFTER, retry_after.as_secs().max(1).into());
            busy
        }
        Refusal::UnknownFunction(_) => empty(StatusCode::NOT_FOUND),
        Refusal::PayloadTooLarge { .. } => empty(StatusCode::PAYLOAD_TOO_LARGE),
        Refusal::Platform => page(StatusCode::BAD_GATEWAY),
    }
}

fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

/// A page of the load balancer.
fn page(status: StatusCode) -> Response<Bytes> {
    let reason = status.canonical_reason().unwrap_or("Error");
    let html = format!(
        "<html><head><title>{} {reason}</title></head>\n<body>\n<center><h1>{} {reason}</h1></center>\n\
         <hr><center>Microsoft-Azure-Application-Gateway/v2</center>\n</body>\n</html>\n",
        status.as_u16(),
        status.as_u16()
    );
    typed(status, html, "text/html")
}

fn json_answer(status: StatusCode, value: &Value) -> Response<Bytes> {
    typed(status, value.to_string(), "application/json; charset=utf-8")
}

fn typed(status: StatusCode, body: String, content_type: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
