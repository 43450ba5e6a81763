//! The wire shape of replies: meters in headers, errors as JSON.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde_json::json;

use merit_sandbox::{GuestError, Run, Usage};

pub(crate) type Reply = Response<Full<Bytes>>;

/// Request: milliseconds until the caller stops waiting. It shortens the call's wall time.
pub const DEADLINE_MS: &str = "merit-deadline-ms";

/// Headers in which a reply tells what the call used.
pub mod meter_header {
    /// Wall time of the call in microseconds.
    pub const DURATION_US: &str = "merit-meter-duration-us";
    /// Initialisation of a cold start in microseconds. A pool compiles before it serves, so it never sends this.
    pub const INIT_US: &str = "merit-meter-init-us";
    /// CPU time in microseconds.
    pub const CPU_US: &str = "merit-meter-cpu-us";
    /// Peak memory in MB.
    pub const MEMORY_MB: &str = "merit-meter-memory-mb";
    /// The error the function reported: its kind, such as `Trap`.
    pub const FUNCTION_ERROR: &str = "merit-function-error";
}

/// Seconds after which a caller over the concurrency should try again: calls are short.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// A call that was not run, by what the caller can do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{0}")]
    BadRequest(String),
    #[error("a bearer token is needed; send `authorization: Bearer <key>` with the pool's key")]
    Unauthorized,
    #[error("{0}")]
    NotFound(String),
    #[error("the method is not allowed here; use {0}")]
    MethodNotAllowed(&'static str),
    #[error("the payload did not arrive in time; send it faster")]
    RequestTimeout,
    #[error("the payload is over {limit} bytes; send less")]
    PayloadTooLarge { limit: usize },
    #[error("{running} calls are running, as many as this pool takes; try again after a moment")]
    TooManyRequests { running: u32 },
    #[error("the pool is shutting down; send the call elsewhere")]
    Draining,
}

impl Refusal {
    const fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::PayloadTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "BadRequest",
            Self::Unauthorized => "Unauthorized",
            Self::NotFound(_) => "FunctionNotFound",
            Self::MethodNotAllowed(_) => "MethodNotAllowed",
            Self::RequestTimeout => "RequestTimeout",
            Self::PayloadTooLarge { .. } => "PayloadTooLarge",
            Self::TooManyRequests { .. } => "TooManyRequests",
            Self::Draining => "Draining",
        }
    }
}

/// A call that was not run. `Retry-After` says that it surely did not start.
pub(crate) fn refused(refusal: &Refusal) -> Reply {
    let mut reply = error(refusal.status(), refusal.kind(), &refusal.to_string());
    let headers = reply.headers_mut();
    match refusal {
        Refusal::TooManyRequests { .. } | Refusal::Draining => headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS),
        Refusal::Unauthorized => headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
        Refusal::MethodNotAllowed(allowed) => headers.insert(ALLOW, HeaderValue::from_static(allowed)),
        _ => None,
    };
    reply
}

/// A call that ran, with its meters.
pub(crate) fn ran(run: Run) -> Reply {
    let mut reply = match run.outcome {
        Ok(output) => bytes(output),
        Err(failure) => failed(&failure),
    };
    put_meters(reply.headers_mut(), &run.usage);
    reply
}

fn failed(failure: &GuestError) -> Reply {
    let mut reply = error(StatusCode::INTERNAL_SERVER_ERROR, failure.kind(), &failure.to_string());
    let name = HeaderName::from_static(meter_header::FUNCTION_ERROR);
    reply.headers_mut().insert(name, HeaderValue::from_static(failure.kind()));
    reply
}

fn put_meters(headers: &mut HeaderMap, usage: &Usage) {
    let mut put = |name, value: u64| headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
    put(meter_header::DURATION_US, usage.wall.get());
    put(meter_header::CPU_US, usage.cpu.get());
    put(meter_header::MEMORY_MB, usage.memory_peak.megabytes().into());
}

fn bytes(body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    reply
}

fn error(status: StatusCode, kind: &str, message: &str) -> Reply {
    let mut reply = json(&json!({ "errorType": kind, "errorMessage": message }));
    *reply.status_mut() = status;
    reply
}

pub(crate) fn json(value: &serde_json::Value) -> Reply {
    let mut reply = Response::new(Full::new(value.to_string().into()));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}
