//! The plain HTTP shape: `POST /{cloud}/{function}` with the payload as the body. The reply is the
//! function's output with `merit-meter-*` headers.
//!
//! | outcome | status |
//! |---|---|
//! | reply | 200, meters |
//! | function error | 500, `merit-function-error`, meters, JSON body of `errorType` and `errorMessage` |
//! | over the concurrency limit | 429, `Retry-After` |
//! | unknown function, cloud or path | 404 |
//! | payload too large | 413, before it is read when its length is announced |
//! | `outage: refuse`, or the machine can't run it | 503, `Retry-After`: surely not started |
//! | `error_rate` | 502 without a word on whether it ran, as real platforms fail |

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use merit_pricing::Usage;
use merit_venue::meter_header as header;
use serde_json::json;

use super::body::{Body, Cut, spoil, whole};
use super::{payload, wrong};
use crate::cloud::{Answer, Cloud, FunctionFailure, Outcome, Refusal};
use crate::controls::{Controls, WrongAnswer};

/// Serves one call.
///
/// # Errors
/// [`Cut`] when the connection is to be dropped without an answer.
pub(crate) async fn serve(
    cloud: &Arc<Cloud>,
    function: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, Cut> {
    if request.method() != Method::POST {
        let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "call a function with POST");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return Ok(response.map(whole));
    }
    let outcome = match cloud.outage() {
        Some(down) => down,
        None => match payload::read(request, cloud.request_bytes()).await? {
            Ok(payload) => cloud.invoke(function, payload, usize::MAX).await,
            Err(payload::TooLarge { limit }) => Outcome::Refused(Refusal::PayloadTooLarge { limit }),
        },
    };
    match outcome {
        Outcome::Ran(answer) => Ok(ran(answer)),
        Outcome::Refused(refusal) => Ok(refused(&refusal).map(whole)),
        Outcome::Silence => std::future::pending().await,
        Outcome::Cut => Err(Cut),
    }
}

fn ran(Answer { usage, result, controls, .. }: Answer) -> Response<Body> {
    let mut response = match result {
        Ok(output) => Response::new(output),
        Err(failure) => function_error(&failure),
    };
    meter_headers(&mut response, &usage);
    spoil(falsify(response, &controls), &controls)
}

fn function_error(failure: &FunctionFailure) -> Response<Bytes> {
    let mut response = error_body(StatusCode::INTERNAL_SERVER_ERROR, failure.body());
    let kind = HeaderValue::from_str(&failure.kind).unwrap_or(HeaderValue::from_static("Error"));
    response.headers_mut().insert(header::FUNCTION_ERROR, kind);
    response
}

fn meter_headers(response: &mut Response<Bytes>, usage: &Usage) {
    let headers = response.headers_mut();
    headers.insert(header::DURATION_US, usage.duration.get().into());
    if let Some(cpu) = usage.cpu {
        headers.insert(header::CPU_US, cpu.get().into());
    }
    if usage.init.get() > 0 {
        headers.insert(header::INIT_US, usage.init.get().into());
    }
    if let Some(memory) = usage.memory_peak {
        headers.insert(header::MEMORY_MB, memory.megabytes().into());
    }
}

/// Puts a wrong answer in place of the right one, if it should be.
fn falsify(mut response: Response<Bytes>, controls: &Controls) -> Response<Bytes> {
    match controls.wrong_answer {
        WrongAnswer::None => response,
        WrongAnswer::Garbage => wrong::garbage(),
        WrongAnswer::Html => wrong::page(),
        WrongAnswer::MalformedMeters => {
            for name in [header::DURATION_US, header::CPU_US, header::MEMORY_MB] {
                response.headers_mut().insert(name, HeaderValue::from_static("a while"));
            }
            response
        }
    }
}

fn refused(reason: &Refusal) -> Response<Bytes> {
    match reason {
        Refusal::Down => retry_later(refusal(StatusCode::SERVICE_UNAVAILABLE, "Unavailable", "the cloud is down"), 1),
        Refusal::Throttled { in_flight, limit, retry_after, .. } => {
            let message = format!("{in_flight} calls are under way and {limit} are allowed");
            retry_later(refusal(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", &message), retry_after.as_secs())
        }
        Refusal::UnknownFunction(message) => refusal(StatusCode::NOT_FOUND, "FunctionNotFound", message),
        Refusal::PayloadTooLarge { limit } => {
            let message = format!("the payload is over {limit} bytes");
            refusal(StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLarge", &message)
        }
        Refusal::Platform => refusal(StatusCode::BAD_GATEWAY, "PlatformFailure", "the platform failed"),
        Refusal::Machine(message) => retry_later(refusal(StatusCode::SERVICE_UNAVAILABLE, "CannotRun", message), 1),
    }
}

fn retry_later(mut response: Response<Bytes>, seconds: u64) -> Response<Bytes> {
    response.headers_mut().insert(RETRY_AFTER, seconds.max(1).into());
    response
}

/// A refusal with the JSON body all errors here have.
pub(crate) fn refusal(status: StatusCode, kind: &str, message: &str) -> Response<Bytes> {
    error_body(status, json!({ "errorType": kind, "errorMessage": message }).to_string().into())
}

fn error_body(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
