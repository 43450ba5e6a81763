//! A function's reply, well or with an error of its own, also from emulators that word it otherwise.
//!
//! | who | an error of the function |
//! |---|---|
//! | Lambda, serverless-offline | status 200 and `X-Amz-Function-Error`, the error as JSON |
//! | cargo-lambda 1.9 | status 500 without any header of AWS, the error as JSON |
//!
//! Known limitation: Lambda tells no media type of a reply that is not streamed; what stands in
//! its answer is the API's own, and is passed on as it is.

use bytes::Bytes;
use http::HeaderValue;
use merit_lambda_wire::model;
use merit_venue::{FunctionError, Measured, Reply};

/// What the venue told besides the payload.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) function_error: Option<FunctionError>,
    pub(crate) content_type: Option<HeaderValue>,
    pub(crate) log_tail: Option<Bytes>,
    pub(crate) version: Option<Box<str>>,
    pub(crate) cold: bool,
}

pub(crate) fn reply(payload: Bytes, told: Told, measured: Measured) -> Reply {
    let Told { function_error, content_type, log_tail, version, cold } = told;
    Reply { function_error, cold, log_tail, version, ..Reply::plain(200, content_type, payload, measured) }
}

/// A function's error from its body; `named` is what the header says, `Handled` or `Unhandled`.
pub(crate) fn function_error(named: &str, payload: &[u8]) -> FunctionError {
    let body: model::FunctionError = serde_json::from_slice(payload).unwrap_or_default();
    let kind = body.error_type.filter(|kind| !kind.is_empty()).unwrap_or_else(|| named.to_owned());
    FunctionError::new(kind, body.error_message.unwrap_or_else(|| FunctionError::excerpt(payload)))
}

/// The error of a function whose emulator answers 500 with the error's JSON and nothing of AWS's.
pub(crate) fn emulated_error(status: u16, error_type: Option<&str>, payload: &[u8]) -> Option<FunctionError> {
    if status != 500 || error_type.is_some() {
        return None;
    }
    let body: model::FunctionError = serde_json::from_slice(payload).ok()?;
    Some(FunctionError::new(body.error_type?, body.error_message?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_read_as_each_runtime_writes_it() {
        for (payload, kind, message) in [
            (r#"{"errorType":"ValueError","errorMessage":"no","stackTrace":[]}"#, "ValueError", "no"),
            (r#"{"errorMessage":"2026-11-21T14:00:00Z 1 Task timed out after 3.00 seconds"}"#, "Unhandled", "2026"),
            (r#"{"errorType":"","errorMessage":"no"}"#, "Unhandled", "no"),
            ("\"text\"", "Unhandled", "\"text\""),
            ("", "Unhandled", ""),
        ] {
            let error = function_error("Unhandled", payload.as_bytes());
            assert_eq!(error.kind, kind, "{payload}");
            assert!(error.message.starts_with(message), "{error:?}");
        }
        let long = function_error("Unhandled", "é".repeat(2000).as_bytes());
        assert!(long.message.len() <= FunctionError::MESSAGE_BYTES, "{}", long.message.len());
    }

    #[test]
    fn only_a_nameless_500_with_an_errors_json_is_an_emulated_error() {
        let body = br#"{"errorType":"E","errorMessage":"m","stackTrace":[]}"#;
        let error = emulated_error(500, None, body).expect("cargo-lambda's way");
        assert_eq!((error.kind.as_str(), error.message.as_str()), ("E", "m"));
        assert_eq!(emulated_error(500, Some("ServiceException"), body), None);
        assert_eq!(emulated_error(502, None, body), None);
        assert_eq!(emulated_error(500, None, br#"{"message":"m"}"#), None);
        assert_eq!(emulated_error(500, None, b"<html>"), None);
    }
}
