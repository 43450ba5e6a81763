//! An OpenFaaS gateway, as the community edition answers: functions by their name, its queue, and its lists.
//!
//! | what | how |
//! |---|---|
//! | `/function/NAME`, `/function/NAME.NAMESPACE`, a path behind it | a call, by any method; nobody is asked who calls |
//! | `POST /async-function/NAME` | 202; a worker runs it and brings the reply to `X-Callback-Url` |
//! | `GET /system/functions`, `GET /system/function/NAME` | what is deployed; 401 without the gateway's user and password |
//! | meters | `X-Duration-Seconds`, initialisation in it, in microseconds |
//! | `X-Call-Id` | the caller's is kept; without one the gateway makes one and tells it |
//! | `X-Start-Time`, `X-Served-By` | with every answer to a call, in nanoseconds since 1970 |
//! | a function error | 500 with its duration; 504 with its duration when it took too long |
//! | unknown function | 404, `error finding function ...` |
//! | over the concurrency limit | 429 of the watchdog |
//! | `outage: refuse`, or the machine can't run it | 503, `No endpoints available for: ...`: surely not started |
//! | `error_rate` | 500, `Can't reach service for: ...`: a replica was lost, and nobody knows with what |
//! | payload too large | 413, as of an ingress before the gateway, which has no limit itself |
//!
//! Source: openfaas/faas, openfaas/faas-provider, openfaas/of-watchdog and openfaas/nats-queue-worker, read 2026-11-22.
//!
//! Known limitations: what `queue` says; nothing scales to zero; watchdogs that start a process for each call count its
//! start in the duration, others do not, and here a cold start is counted, because it is billed.

mod queue;
mod system;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use merit_units::Micros;

use super::body::{Body, Cut, spoil, whole};
use super::{go, payload, wrong};
use crate::clock::SimClock;
use crate::cloud::{Answer, Cloud, FunctionFailure, Outcome, Refusal};
use crate::config::FaasGateway;
use crate::controls::{Controls, WrongAnswer};

const CALL_ID: HeaderName = HeaderName::from_static("x-call-id");
const DURATION_SECONDS: HeaderName = HeaderName::from_static("x-duration-seconds");
/// Which part of the platform speaks, where no function does.
const INTERNAL: HeaderName = HeaderName::from_static("x-openfaas-internal");
const SERVED_BY: HeaderName = HeaderName::from_static("x-served-by");
const START_TIME: HeaderName = HeaderName::from_static("x-start-time");

/// Answers a request whose path, without the cloud's name, is `path`.
///
/// # Errors
/// [`Cut`] when the connection is to be dropped without an answer.
pub(crate) async fn serve(
    cloud: &Arc<Cloud>,
    gateway: &FaasGateway,
    path: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, Cut> {
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let is_down = match cloud.outage() {
        Some(Outcome::Cut) => return Err(Cut),
        Some(Outcome::Silence) => std::future::pending().await,
        down => down.is_some(),
    };
    match segments.as_slice() {
        ["function", name, ..] if is_name(name) => {
            let told = Told::of(cloud, request.headers());
            let answered =
                if is_down { Answered::plain(no_endpoints(name)) } else { call(cloud, gateway, name, request).await? };
            Ok(told.tell(answered).sent())
        }
        ["async-function", name, ..] if is_name(name) => {
            let told = Told::of(cloud, request.headers());
            let response =
                if is_down { queue::down() } else { queue::submit(cloud, gateway, name, &told, request).await? };
            Ok(told.tell(Answered::plain(response)).sent())
        }
        ["system", ..] if is_down => Ok(go::bare(StatusCode::BAD_GATEWAY).map(whole)),
        ["system", rest @ ..] => Ok(system::serve(cloud, gateway, rest, &request).map(whole)),
        _ => Ok(go::not_found().map(whole)),
    }
}

/// Whether the gateway's router takes it for a function's name.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

/// What the gateway tells with every answer to a call.
struct Told {
    call_id: String,
    /// Whether the caller gave it.
    is_given: bool,
    start: u64,
}

impl Told {
    fn of(cloud: &Cloud, headers: &HeaderMap) -> Self {
        let given = headers.get(CALL_ID).and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty());
        Self {
            call_id: given.map_or_else(|| cloud.request_id(), str::to_owned),
            is_given: given.is_some(),
            start: SimClock::time_of_day().micros().saturating_mul(1000),
        }
    }

    /// An answer that is not the gateway's own about a function it does not know has these.
    fn tell(&self, mut answered: Answered) -> Answered {
        if answered.response.status() != StatusCode::NOT_FOUND {
            let headers = answered.response.headers_mut();
            if !self.is_given {
                headers.insert(CALL_ID, text(&self.call_id));
            }
            headers.insert(START_TIME, self.start.into());
            headers.insert(SERVED_BY, HeaderValue::from_static("openfaas-ce/sim"));
        }
        answered
    }
}

/// An answer to a call, and how it may be spoilt on the way.
struct Answered {
    response: Response<Bytes>,
    controls: Option<Arc<Controls>>,
}

impl Answered {
    fn plain(response: Response<Bytes>) -> Self {
        Self { response, controls: None }
    }

    fn sent(self) -> Response<Body> {
        match self.controls {
            Some(controls) => spoil(self.response, &controls),
            None => self.response.map(whole),
        }
    }
}

/// One call, as it is answered by the watchdog, or by the gateway in its place.
async fn call(
    cloud: &Arc<Cloud>,
    gateway: &FaasGateway,
    name: &str,
    request: Request<Incoming>,
) -> Result<Answered, Cut> {
    let content_type = request.headers().get(CONTENT_TYPE).cloned();
    match payload::read(request, cloud.request_bytes()).await? {
        Ok(payload) => run(cloud, gateway, name, payload, content_type).await,
        Err(payload::TooLarge { limit }) => {
            Ok(Answered::plain(refused(name, gateway, &Refusal::PayloadTooLarge { limit })))
        }
    }
}

/// Runs a function of the gateway's namespace.
async fn run(
    cloud: &Arc<Cloud>,
    gateway: &FaasGateway,
    name: &str,
    payload: Bytes,
    content_type: Option<HeaderValue>,
) -> Result<Answered, Cut> {
    let (function, namespace) = parts(name, gateway);
    let outcome = if namespace == gateway.namespace {
        cloud.invoke(function, payload, usize::MAX).await
    } else {
        Outcome::Refused(Refusal::UnknownFunction(String::new()))
    };
    match outcome {
        Outcome::Ran(answer) => Ok(ran(answer, content_type)),
        Outcome::Refused(refusal) => Ok(Answered::plain(refused(name, gateway, &refusal))),
        Outcome::Silence => std::future::pending().await,
        Outcome::Cut => Err(Cut),
    }
}

/// A function's name and namespace.
fn parts<'n>(name: &'n str, gateway: &'n FaasGateway) -> (&'n str, &'n str) {
    name.rsplit_once('.').filter(|(function, _)| !function.is_empty()).unwrap_or((name, &gateway.namespace))
}

fn ran(Answer { usage, result, controls, .. }: Answer, content_type: Option<HeaderValue>) -> Answered {
    let mut response = match (controls.wrong_answer, result) {
        (WrongAnswer::Garbage, _) => return Answered { response: wrong::garbage(), controls: Some(controls) },
        (WrongAnswer::Html, _) => return Answered { response: wrong::page(), controls: Some(controls) },
        (_, Ok(output)) => {
            let mut response = Response::new(output);
            let kind = content_type.unwrap_or(HeaderValue::from_static("text/plain"));
            response.headers_mut().insert(CONTENT_TYPE, kind);
            response
        }
        (_, Err(failure)) if failure.kind == FunctionFailure::TIMEOUT => {
            internal(go::bare(StatusCode::GATEWAY_TIMEOUT), "of-watchdog")
        }
        (_, Err(failure)) => {
            let mut response = Response::new(failure.body());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
    };
    let malformed = controls.wrong_answer == WrongAnswer::MalformedMeters;
    let took = seconds(usage.duration.saturating_add(usage.init));
    response.headers_mut().insert(DURATION_SECONDS, text(if malformed { "a while" } else { &took }));
    Answered { response, controls: Some(controls) }
}

/// Seconds with six decimals, as Go prints them.
fn seconds(time: Micros) -> String {
    format!("{}.{:06}", time.get() / 1_000_000, time.get() % 1_000_000)
}

/// What a call that did not run is answered.
fn refused(name: &str, gateway: &FaasGateway, reason: &Refusal) -> Response<Bytes> {
    match reason {
        Refusal::Down | Refusal::Machine(_) => no_endpoints(name),
        Refusal::Throttled { limit, .. } => {
            let mut busy = Response::new(Bytes::from(format!(
                "Concurrent request limit exceeded. Max concurrent requests: {limit}\n"
            )));
            *busy.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            busy.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            internal(busy, "faas-middleware")
        }
        Refusal::UnknownFunction(_) => unknown(name, gateway),
        Refusal::PayloadTooLarge { .. } => go::error(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
        Refusal::Platform => {
            let says = format!("Can't reach service for: {name}.");
            internal(go::error(StatusCode::INTERNAL_SERVER_ERROR, &says), "proxy")
        }
    }
}

fn unknown(name: &str, gateway: &FaasGateway) -> Response<Bytes> {
    let (function, namespace) = parts(name, gateway);
    let says = format!(
        "error finding function {function}.{namespace}: server returned non-200 status code (404) for function, \
         {function}, body: "
    );
    let mut response = Response::new(Bytes::from(says));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn no_endpoints(name: &str) -> Response<Bytes> {
    let says = format!("No endpoints available for: {name}.");
    internal(go::error(StatusCode::SERVICE_UNAVAILABLE, &says), "proxy")
}

fn internal(mut response: Response<Bytes>, part: &'static str) -> Response<Bytes> {
    response.headers_mut().insert(INTERNAL, HeaderValue::from_static(part));
    response
}

/// The answer to who does not know the gateway's user and password.
fn unauthorised(gateway: &FaasGateway, headers: &HeaderMap) -> Option<Response<Bytes>> {
    let (user, password) = gateway.credentials.as_ref()?;
    let right = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    if headers.get(AUTHORIZATION).is_some_and(|given| given.as_bytes() == right.as_bytes()) {
        return None;
    }
    let mut response = Response::new(Bytes::from_static(b"invalid credentials"));
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Restricted\""));
    Some(response)
}

fn is_post(request: &Request<Incoming>) -> bool {
    request.method() == Method::POST
}

fn text(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("invariant: ids, numbers and names are text")
}
