//! From what the SDK reports to what it means for money.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use aws_sdk_lambda::error::SdkError;
use aws_smithy_runtime_api::client::dns::ResolveDnsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use http::{HeaderMap, StatusCode};
use http_body_util::LengthLimitError;
use merit_lambda_wire::error::LambdaError;
use merit_venue::{ErrorKind, Measured, Outcome, VenueError};

use crate::meaning::{self, Meaning};
use crate::transport::{Attempt, HeadTooLate, cause};

/// The longest part of a text of the venue that is passed on, in characters.
const MESSAGE_CHARS: usize = 500;

/// An answer that is not the function's, and whether it refuses the venue's key.
pub(crate) struct Refusal {
    pub(crate) error: VenueError,
    pub(crate) refuses_key: bool,
}

/// The call's time is up.
pub(crate) fn timed_out(attempt: &Attempt, shown: &str, measured: Measured) -> VenueError {
    let millis = attempt.elapsed().as_millis();
    let Measured { usage, basis } = measured;
    match attempt.outcome() {
        Outcome::Ran => {
            let message = format!("time ran out after {millis} ms reading the reply of `{shown}`");
            VenueError::ran(ErrorKind::Timeout, message, usage, basis)
        }
        Outcome::NotStarted => late(Outcome::NotStarted, "connecting to call", shown, attempt.elapsed()),
        Outcome::Unknown => late(Outcome::Unknown, "waiting for the reply of", shown, attempt.elapsed()),
    }
}

/// Time ran out; `doing` says at what.
pub(crate) fn late(outcome: Outcome, doing: &str, shown: &str, waited: Duration) -> VenueError {
    let millis = waited.as_millis();
    VenueError::new(outcome, ErrorKind::Timeout, format!("time ran out after {millis} ms {doing} `{shown}`"))
}

/// The exchange broke, or was never begun: everything the SDK reports but an answer of the service.
pub(crate) fn broken<E>(error: SdkError<E, HttpResponse>, attempt: &Attempt, shown: &str, own: Measured) -> VenueError
where
    E: StdError + Send + Sync + 'static,
{
    let kind_of = |error: &(dyn StdError + 'static)| match attempt.head() {
        Some(_) => within_reply(error),
        None => without_reply(error, attempt.may_be_sent()),
    };
    if matches!(error, SdkError::ConstructionFailure(_)) {
        let source = error.into_source().ok();
        let why = source.as_deref().map_or_else(String::new, |source| format!(": {source}"));
        return VenueError::not_started(ErrorKind::Misconfigured, format!("`{shown}` can't be called{why}"));
    }
    let kind = kind_of(&error);
    let said = innermost(&error);
    let message = message(kind, shown, &said, attempt);
    let failure = match attempt.outcome() {
        Outcome::Ran => VenueError::ran(kind, message, own.usage, own.basis),
        outcome => VenueError::new(outcome, kind, message),
    };
    match error.into_source() {
        Ok(source) => failure.with_source(source),
        Err(_) => failure,
    }
}

fn message(kind: ErrorKind, shown: &str, said: &str, attempt: &Attempt) -> String {
    match kind {
        ErrorKind::Timeout => format!("time ran out after {} ms at `{shown}`: {said}", attempt.elapsed().as_millis()),
        ErrorKind::ReplyTooLarge => {
            let limit = attempt.limit.unwrap_or_default();
            format!("`{shown}` sent more than the {limit} bytes allowed: raise `server.max_reply_bytes`")
        }
        ErrorKind::ConnectionCut => format!("the connection to `{shown}` ended before the reply did: {said}"),
        ErrorKind::MalformedReply => {
            format!("`{shown}` was answered with something that is not of the protocol: {said}")
        }
        _ => format!("no connection could be made to call `{shown}`: {said}"),
    }
}

/// Why no reply's head came.
pub(crate) fn without_reply(error: &(dyn StdError + 'static), sent: bool) -> ErrorKind {
    if cause::<HeadTooLate>(error).is_some() || is_timeout(error) {
        return ErrorKind::Timeout;
    }
    if cause::<hyper::Error>(error).is_some_and(hyper::Error::is_parse) {
        return ErrorKind::MalformedReply;
    }
    if sent {
        return ErrorKind::ConnectionCut;
    }
    if cause::<ResolveDnsError>(error).is_some() || innermost(error).contains("lookup address") {
        return ErrorKind::Dns;
    }
    let tls = cause::<io::Error>(error).is_some_and(|io| io.kind() == io::ErrorKind::InvalidData);
    if tls { ErrorKind::Tls } else { ErrorKind::Connect }
}

/// Why a reply did not come whole.
fn within_reply(error: &(dyn StdError + 'static)) -> ErrorKind {
    if cause::<LengthLimitError>(error).is_some() {
        return ErrorKind::ReplyTooLarge;
    }
    let invalid = |io: &io::Error| matches!(io.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput);
    if cause::<io::Error>(error).is_some_and(invalid) {
        return ErrorKind::MalformedReply;
    }
    if cause::<hyper::Error>(error).is_some() { ErrorKind::ConnectionCut } else { ErrorKind::MalformedReply }
}

/// Whether a connection that ended is the cause.
pub(crate) fn is_cut(error: &(dyn StdError + 'static)) -> bool {
    cause::<hyper::Error>(error).is_some() && within_reply(error) == ErrorKind::ConnectionCut
}

fn is_timeout(error: &(dyn StdError + 'static)) -> bool {
    let io = cause::<io::Error>(error).is_some_and(|io| io.kind() == io::ErrorKind::TimedOut);
    io || cause::<aws_smithy_runtime_api::client::result::ConnectorError>(error)
        .is_some_and(aws_smithy_runtime_api::client::result::ConnectorError::is_timeout)
}

/// What the last cause says: the rest of the chain repeats that something failed.
pub(crate) fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string().chars().take(MESSAGE_CHARS).collect()
}

/// An answer of the service that is not a reply of the function.
pub(crate) fn refused(response: &HttpResponse, shown: &str) -> Refusal {
    let status = StatusCode::from_u16(response.status().as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = headers(response);
    let body = response.body().bytes().unwrap_or_default();
    let mut error = LambdaError::read(status, &headers, body);
    if let Some(code) = xml_code(body).filter(|_| error.code.as_str().is_empty()) {
        error.code = merit_lambda_wire::error::ErrorCode::named(code);
    }
    let Meaning { outcome, kind, refuses_key } = meaning::of(&error);
    let message = said(&error, shown);
    let retry_after = error.retry_after.map(Duration::from_secs);
    Refusal { error: VenueError::new(outcome, kind, message).with_retry_after(retry_after), refuses_key }
}

/// The headers that tell of an error.
fn headers(response: &HttpResponse) -> HeaderMap {
    let names = ["x-amzn-errortype", "retry-after", "content-type"];
    let values = names.iter().filter_map(|name| {
        let value = response.headers().get(*name)?;
        Some((http::HeaderName::from_static(name), http::HeaderValue::from_str(value).ok()?))
    });
    values.collect()
}

/// The code of an error in XML, as the query services of AWS and moto write it.
fn xml_code(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok()?;
    let begin = text.find("<Code>")? + "<Code>".len();
    let code = text[begin..].split_once("</Code>")?.0;
    (code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(code)
}

/// One line: the status, the error's name, which limit was met, and its text.
fn said(error: &LambdaError, shown: &str) -> String {
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
