//! A Knative ingress: services by their host, the queue before each, and the list of the Kubernetes API.
//!
//! | what | how |
//! |---|---|
//! | a call | any method and path below `/{cloud}`, with the host `NAME.NAMESPACE.DOMAIN`; nobody is asked who calls |
//! | a CloudEvent | in binary mode: 400 when attributes are missing, where there are any or they are demanded |
//! | a reply | 200, without meters |
//! | a function error | 500; 504 and `request timeout` when it took too long |
//! | over the concurrency limit | it waits; 503, `pending request queue full`, when too many do: surely not started |
//! | unknown service, host or path | 404 without a body |
//! | `outage: refuse`, or the machine can't run it | 503, `no healthy upstream` of the ingress |
//! | `error_rate` | 502, `EOF` of a proxy that lost the instance |
//! | payload too large | 413, as of an ingress that has a limit |
//! | `GET /apis/serving.knative.dev/v1/namespaces/NAMESPACE/services` | the services, for the bearer token; 401 and 403 otherwise |
//!
//! Source: knative/serving, `pkg/queue` (handler, breaker, sharedmain), and the Kubernetes API's conventions, read 2026-11-22.
//!
//! Known limitations: the queue is one for all services, as the concurrency is; a reply is no `CloudEvent`; tags of
//! routes, revisions and Eventing are not there, and services can't be changed.

mod api;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;

use super::body::{Body, Cut, spoil, whole};
use super::{go, payload, wrong};
use crate::cloud::{Answer, Cloud, FunctionFailure, Outcome, Refusal};
use crate::config::KnativeIngress;
use crate::controls::WrongAnswer;

/// Calls that wait for each that may be under way.
const QUEUED_PER_PLACE: u32 = 10;

/// The attributes every event has.
const ATTRIBUTES: [&str; 4] = ["ce-specversion", "ce-id", "ce-source", "ce-type"];

/// Answers a request whose path, without the cloud's name, is `path`.
///
/// # Errors
/// [`Cut`] when the connection is to be dropped without an answer.
pub(crate) async fn serve(
    cloud: &Arc<Cloud>,
    ingress: &KnativeIngress,
    path: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, Cut> {
    match cloud.outage() {
        Some(Outcome::Cut) => return Err(Cut),
        Some(Outcome::Silence) => std::future::pending().await,
        Some(Outcome::Refused(refusal)) => return Ok(refused(&refusal).map(whole)),
        Some(Outcome::Ran(_)) | None => {}
    }
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    if let Some(service) = ingress.service(&host) {
        return call(cloud, ingress, service, request).await;
    }
    let response = match path.strip_prefix("/apis/") {
        Some(path) => api::serve(cloud, ingress, path, &request),
        None => go::bare(StatusCode::NOT_FOUND),
    };
    Ok(response.map(whole))
}

async fn call(
    cloud: &Arc<Cloud>,
    ingress: &KnativeIngress,
    service: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, Cut> {
    if let Some(problem) = no_event(request.headers(), ingress.cloudevents) {
        return Ok(go::error(StatusCode::BAD_REQUEST, &problem).map(whole));
    }
    let content_type = request.headers().get(CONTENT_TYPE).cloned();
    let outcome = match payload::read(request, cloud.request_bytes()).await? {
        Ok(payload) => cloud.invoke_queued(service, payload, depth(cloud, ingress)).await,
        Err(payload::TooLarge { limit }) => Outcome::Refused(Refusal::PayloadTooLarge { limit }),
    };
    match outcome {
        Outcome::Ran(answer) => Ok(ran(answer, content_type)),
        Outcome::Refused(refusal) => Ok(refused(&refusal).map(whole)),
        Outcome::Silence => std::future::pending().await,
        Outcome::Cut => Err(Cut),
    }
}

fn depth(cloud: &Cloud, ingress: &KnativeIngress) -> u32 {
    ingress.queue_depth.unwrap_or_else(|| cloud.config.concurrency.saturating_mul(QUEUED_PER_PLACE))
}

/// What keeps a request from being a `CloudEvent` in binary mode, where it has to be one or begins to be.
fn no_event(headers: &HeaderMap, is_demanded: bool) -> Option<String> {
    let is_begun = headers.keys().any(|name| name.as_str().starts_with("ce-"));
    if !is_demanded && !is_begun {
        return None;
    }
    let has = |name: &str| headers.get(name).is_some_and(|value| !value.is_empty());
    if let Some(missing) = ATTRIBUTES.iter().find(|name| !has(name)) {
        return Some(format!("failed to read the CloudEvent: {missing} is missing"));
    }
    let version = &headers[ATTRIBUTES[0]];
    (version != "1.0").then(|| "failed to read the CloudEvent: ce-specversion must be 1.0".to_owned())
}

fn ran(Answer { result, controls, .. }: Answer, content_type: Option<HeaderValue>) -> Response<Body> {
    let response = match (controls.wrong_answer, result) {
        (WrongAnswer::Garbage, _) => wrong::garbage(),
        (WrongAnswer::Html, _) => wrong::page(),
        (_, Ok(output)) => {
            let mut response = Response::new(output);
            content_type.map(|kind| response.headers_mut().insert(CONTENT_TYPE, kind));
            response
        }
        (_, Err(failure)) if failure.kind == FunctionFailure::TIMEOUT => {
            worded(StatusCode::GATEWAY_TIMEOUT, Bytes::from_static(b"request timeout"), "text/plain; charset=utf-8")
        }
        (_, Err(failure)) => worded(StatusCode::INTERNAL_SERVER_ERROR, failure.body(), "application/json"),
    };
    spoil(response, &controls)
}

fn refused(reason: &Refusal) -> Response<Bytes> {
    match reason {
        Refusal::Down | Refusal::Machine(_) => {
            worded(StatusCode::SERVICE_UNAVAILABLE, Bytes::from_static(b"no healthy upstream"), "text/plain")
        }
        Refusal::Throttled { .. } => go::error(StatusCode::SERVICE_UNAVAILABLE, "pending request queue full"),
        Refusal::UnknownFunction(_) => go::bare(StatusCode::NOT_FOUND),
        Refusal::PayloadTooLarge { .. } => go::bare(StatusCode::PAYLOAD_TOO_LARGE),
        Refusal::Platform => go::error(StatusCode::BAD_GATEWAY, "EOF"),
    }
}

fn worded(status: StatusCode, body: Bytes, kind: &'static str) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
