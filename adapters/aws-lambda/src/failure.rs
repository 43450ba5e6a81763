//! From an answer that is not the function's to what it means for money.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use merit_lambda_wire::error::{ErrorCode, LambdaError};
use merit_venue::VenueError;

use crate::meaning::{self, Meaning};

/// The longest part of a text of the venue that is passed on, in characters.
const MESSAGE_CHARS: usize = 500;

/// An answer that is not the function's, and whether it refuses the venue's key.
pub(crate) struct Refusal {
    pub(crate) error: VenueError,
    pub(crate) refuses_key: bool,
}

/// An answer of the service that is not a reply of the function; `shown` is what was called.
pub(crate) fn refused(status: StatusCode, headers: &HeaderMap, body: &[u8], shown: impl std::fmt::Display) -> Refusal {
    let mut error = LambdaError::read(status, headers, body);
    if let Some(code) = xml_code(body).filter(|_| error.code.as_str().is_empty()) {
        error.code = ErrorCode::named(code);
    }
    let Meaning { outcome, kind, refuses_key } = meaning::of(&error);
    let message = said(&error, shown);
    let retry_after = error.retry_after.map(Duration::from_secs);
    Refusal { error: VenueError::new(outcome, kind, message).with_retry_after(retry_after), refuses_key }
}

/// The code of an error in XML, as the query services of AWS and moto write it.
fn xml_code(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok()?;
    let begin = text.find("<Code>")? + "<Code>".len();
    let code = text[begin..].split_once("</Code>")?.0;
    (code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(code)
}

/// One line: the status, the error's name, which limit was met, and its text.
fn said(error: &LambdaError, shown: impl std::fmt::Display) -> String {
    let name = error.code.as_str();
    let mut message = format!("`{shown}` was answered {}", error.status.as_u16());
    for part in [name, error.reason.as_ref().map_or("", |reason| reason.as_str())] {
        if !part.is_empty() {
            message.push(' ');
            message.push_str(part);
        }
    }
    // The first line only: those below, of a signature that does not match, repeat the request with
    // its session token.
    let text: String = error.message.lines().next().unwrap_or_default().chars().take(MESSAGE_CHARS).collect();
    if !text.trim().is_empty() {
        message.push_str(": ");
        message.push_str(text.trim());
    }
    message
}
