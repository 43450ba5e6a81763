//! The wire shape of replies: meters in headers, errors as JSON.

use bytes::Bytes;
use http::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, RETRY_AFTER, TRAILER, TRANSFER_ENCODING, UPGRADE,
    WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde_json::json;

use merit_units::Micros;
use merit_wire::meter_header;

use crate::runner::{Failed, Ran, Used};
use crate::schedule::Refused;
use crate::sign::{self, Unsigned};

pub(crate) type Reply = Response<Full<Bytes>>;

/// Request: milliseconds until the caller stops waiting. It shortens the call's wall time.
pub const DEADLINE_MS: &str = "merit-deadline-ms";

/// What a function can't say of itself.
const METERS: [&str; 5] = [
    meter_header::REFUSED,
    meter_header::DURATION_US,
    meter_header::INIT_US,
    meter_header::CPU_US,
    meter_header::MEMORY_MB,
];

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
    #[error("{0}")]
    TooManyRequests(Refused),
    #[error("{0}")]
    NotStarted(String),
    #[error("{0}")]
    Unsigned(Unsigned),
    #[error("too much arrives whose signature can't be verified yet; send it at once, or later")]
    Crowded,
    #[error("the pool is shutting down; send the call elsewhere")]
    Draining,
}

impl Refusal {
    const fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized | Self::Unsigned(_) => StatusCode::UNAUTHORIZED,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::PayloadTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooManyRequests(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NotStarted(_) | Self::Crowded | Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
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
            Self::TooManyRequests(_) => "TooManyRequests",
            Self::NotStarted(_) => "NotStarted",
            Self::Unsigned(_) => "Unsigned",
            Self::Crowded => "Crowded",
            Self::Draining => "Draining",
        }
    }
}

/// A call that was not run. `Retry-After` says that it surely did not start.
pub(crate) fn refused(refusal: &Refusal) -> Reply {
    let mut reply = error(refusal.status(), refusal.kind(), &refusal.to_string());
    let headers = reply.headers_mut();
    headers.insert(HeaderName::from_static(meter_header::REFUSED), HeaderValue::from_static(refusal.kind()));
    match refusal {
        Refusal::TooManyRequests(_) | Refusal::NotStarted(_) | Refusal::Draining => {
            headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS)
        }
        Refusal::Unauthorized => headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
        Refusal::MethodNotAllowed(allowed) => headers.insert(ALLOW, HeaderValue::from_static(allowed)),
        _ => None,
    };
    reply
}

/// A call that ran, with its meters.
pub(crate) fn ran(ran: Ran, cold: Option<Micros>) -> Reply {
    let mut reply = match ran.outcome {
        Ok(own) => {
            let mut reply = Response::new(Full::new(own.body));
            *reply.status_mut() = own.status;
            *reply.headers_mut() = own.headers;
            without_connection(reply.headers_mut());
            reply
        }
        Err(failure) => failed(failure),
    };
    put_meters(reply.headers_mut(), &ran.used, cold);
    reply
}

fn failed(failure: Failed) -> Reply {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    let mut reply = match failure.document {
        Some(document) => {
            let mut reply = Response::new(Full::new(document));
            *reply.status_mut() = status;
            reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            reply
        }
        None => error(status, &failure.kind, &failure.message),
    };
    let kind = HeaderValue::from_str(&failure.kind).unwrap_or(HeaderValue::from_static("FunctionError"));
    reply.headers_mut().insert(HeaderName::from_static(meter_header::FUNCTION_ERROR), kind);
    reply
}

/// Takes out of a function's headers what belongs to one connection, and what only the pool says.
fn without_connection(headers: &mut HeaderMap) {
    for name in
        [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE, TRAILER, sign::ID, sign::TIMESTAMP, sign::SIGNATURE]
    {
        headers.remove(name);
    }
    for name in METERS {
        headers.remove(name);
    }
}

fn put_meters(headers: &mut HeaderMap, used: &Used, cold: Option<Micros>) {
    let mut put = |name, value: u64| headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
    put(meter_header::DURATION_US, used.wall.get());
    put(meter_header::CPU_US, used.cpu.get());
    if let Some(peak) = used.memory_peak {
        put(meter_header::MEMORY_MB, peak.megabytes().into());
    }
    if let Some(init) = cold {
        put(meter_header::INIT_US, init.get());
    }
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
