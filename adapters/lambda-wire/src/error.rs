//! Errors of the Lambda API: the table, how they are written, and how they are read back.
//!
//! Status, fault and the spelling of the message's key are those of the service model that botocore
//! 1.44.5 ships (`lambda/2015-03-31/service-2.json`, read 2026-11-21). The key is `Message` for some
//! errors and `message` for others; it is written as the model says and read either way.
//!
//! Known limitation: errors of other operations than the ones Merit speaks are [`ErrorCode::Other`].

mod code;

#[cfg(test)]
mod tests;

use std::fmt;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use serde_json::{Map, Value};

pub use code::{ErrorCode, Fault, ThrottleReason};

/// Names the error; may carry a `:http...` suffix when it comes from AWS.
pub const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
/// The id of a request, in every answer.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// An error of the Lambda API.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct LambdaError {
    /// Which error.
    pub code: ErrorCode,
    /// The HTTP status it has, or is to have.
    pub status: StatusCode,
    /// In words. Empty when the answer had none.
    pub message: String,
    /// Whose fault it is: `Type` in the body.
    pub fault: Fault,
    /// Which limit was met; only with `TooManyRequestsException`.
    pub reason: Option<ThrottleReason>,
    /// Whole seconds to wait before trying again.
    pub retry_after: Option<u64>,
}

impl LambdaError {
    /// An error with the status and fault the table gives it.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let (status, fault) = (code.status(), code.fault());
        Self { code, status, message: message.into(), fault, reason: None, retry_after: None }
    }

    /// `TooManyRequestsException` for `reason`, worded as AWS words it.
    #[must_use]
    pub fn throttled(reason: ThrottleReason, retry_after: Option<u64>) -> Self {
        let mut error = Self::new(ErrorCode::TooManyRequests, "Rate Exceeded.");
        error.reason = Some(reason);
        error.retry_after = retry_after;
        error
    }

    /// `ResourceNotFoundException` for a function, worded as AWS words it.
    #[must_use]
    pub fn function_not_found(arn: &impl fmt::Display) -> Self {
        Self::new(ErrorCode::ResourceNotFound, format!("Function not found: {arn}"))
    }

    /// The JSON body: `__type`, `Type`, the message under the error's own key, `Reason`.
    #[must_use]
    pub fn body(&self) -> Bytes {
        let mut body = Map::new();
        body.insert("__type".to_owned(), self.code.as_str().into());
        if let Some(reason) = &self.reason {
            body.insert("Reason".to_owned(), reason.as_str().into());
        }
        body.insert("Type".to_owned(), self.fault.as_str().into());
        body.insert(self.code.message_key().to_owned(), self.message.as_str().into());
        Value::Object(body).to_string().into()
    }

    /// The whole answer, with `x-amzn-ErrorType` and, when there is one, `Retry-After`.
    #[must_use]
    pub fn response(&self) -> Response<Bytes> {
        let mut response = Response::new(self.body());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(code) = HeaderValue::from_str(self.code.as_str()) {
            headers.insert(ERROR_TYPE, code);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }

    /// Reads an error back from an answer with `status`. Never fails: what can't be read is left empty, and
    /// the code is [`ErrorCode::Other`] with an empty name when the answer names none, as some emulators' do not.
    #[must_use]
    pub fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let body: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
        let text = |key: &str| body.get(key).and_then(Value::as_str);
        let named = headers.get(ERROR_TYPE).and_then(|value| value.to_str().ok());
        let named = named.or_else(|| text("__type")).or_else(|| text("code")).unwrap_or_default();
        let code = ErrorCode::named(bare(named));
        let fault = match text("Type") {
            Some("User") => Fault::User,
            Some("Service") => Fault::Service,
            _ if status.is_server_error() => Fault::Service,
            _ => Fault::User,
        };
        let message = text("message").or_else(|| text("Message")).or_else(|| text("errorMessage"));
        let message = message.unwrap_or_default().to_owned();
        let reason = text("Reason").map(ThrottleReason::named);
        let header = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let seconds = header.or_else(|| text("retryAfterSeconds"));
        let retry_after = seconds.and_then(|seconds| seconds.trim().parse().ok());
        Self { code, status, message, fault, reason, retry_after }
    }
}

/// The name of an error without the namespace before `#` and the link after `:`.
fn bare(name: &str) -> &str {
    let name = name.split(':').next().unwrap_or_default();
    name.rsplit('#').next().unwrap_or_default().trim()
}
