//! What an answer's head means for money.
//!
//! | status | meaning | outcome |
//! |---|---|---|
//! | 2xx | success; 202 with a place to ask is an orchestration that began (`durable`) | it ran |
//! | 401 | the key or the token is refused | `NotStarted` |
//! | 403 | the identity may not call, or the app is stopped | `NotStarted` |
//! | 404 | no such app, function or route | `NotStarted` |
//! | 408, 504 | somebody's time ran out | `Unknown` |
//! | 413 | payload too large | `NotStarted` |
//! | 429 | too many requests wait, or the host throttles itself | `NotStarted` |
//! | 500 as a page of HTML | the front end: the host could not be started, or crashed | `Unknown` |
//! | 500 otherwise, and 4xx not named here | the function's own error | it ran |
//! | 502 | the load balancer: after 230 seconds, or when the host crashed; the function may run on | `Unknown` |
//! | 503 with `Function host is not running.` | the host has not started the function | `NotStarted` |
//! | 503 otherwise, and other 5xx | the front end or the host; the function may have run | `Unknown` |
//! | 3xx | wrong URL, or a sign-in page in front; not followed | `Unknown` |
//!
//! To a request of plain HTTP 408, 429, 502, 503 and 504 mean the same, other 5xx are the function's own error, and all else
//! is its reply: 401, 403 and 404 too, so that a refused key passes for the function's word.
//!
//! Sources: learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger and
//! .../functions-scale, and Azure/azure-functions-host (the words of 503), read 2026-11-21.
//!
//! Known limitation: a function that itself answers 401, 403, 404, 413 or 429 is taken for its host, and not
//! billed here.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use merit_venue::{ErrorKind, FunctionError, Outcome};
use serde::Deserialize;

use crate::config::LOAD_BALANCER_CUT;

/// What the host says when it is there and its functions are not.
const NOT_RUNNING: &[u8] = b"Function host is not running.";

/// How long before the cut an answer of the load balancer is still taken for it.
const CUT_MARGIN: Duration = Duration::from_secs(5);

/// The meaning of an answer's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The function ran well, or began an orchestration.
    Success,
    /// The function ran, and reports an error.
    FunctionError,
    /// The key or token is refused: it is not sent again.
    KeyRefused,
    /// Azure answered instead of the function.
    Refusal(Outcome, ErrorKind),
}

impl Meaning {
    pub(crate) fn of(status: StatusCode, headers: &HeaderMap) -> Self {
        use {ErrorKind as Kind, Outcome::NotStarted, Outcome::Unknown};
        match status.as_u16() {
            200..=299 => Self::Success,
            401 => Self::KeyRefused,
            403 => Self::Refusal(NotStarted, Kind::BadCredentials),
            404 => Self::Refusal(NotStarted, Kind::NotFound),
            408 | 504 => Self::Refusal(Unknown, Kind::Timeout),
            413 => Self::Refusal(NotStarted, Kind::PayloadTooLarge),
            429 => Self::Refusal(NotStarted, Kind::Throttled),
            500 if is_page(headers) => Self::Refusal(Unknown, Kind::Unavailable),
            400..=500 => Self::FunctionError,
            501..=599 => Self::Refusal(Unknown, Kind::Unavailable),
            300..=399 => Self::Refusal(Unknown, Kind::Misconfigured),
            _ => Self::Refusal(Unknown, Kind::MalformedReply),
        }
    }

    /// Of an answer to a request of plain HTTP: all but what a gateway says is the function's own word.
    pub(crate) fn of_http(status: StatusCode, headers: &HeaderMap) -> Self {
        match status.as_u16() {
            408 | 429 | 502..=504 => Self::of(status, headers),
            500..=599 => Self::FunctionError,
            _ => Self::Success,
        }
    }

    /// The outcome with what the body says, which is known later.
    pub(crate) fn with_body(self, status: StatusCode, body: &[u8]) -> Self {
        match self {
            Self::Refusal(_, kind) if status == StatusCode::SERVICE_UNAVAILABLE && body.starts_with(NOT_RUNNING) => {
                Self::Refusal(Outcome::NotStarted, kind)
            }
            other => other,
        }
    }

    /// What an operator can do about it; empty where nothing is plain.
    pub(crate) fn hint(self, status: StatusCode, waited: Duration) -> &'static str {
        match self {
            Self::KeyRefused => ": check `function_key`, or the scope of the Entra token",
            Self::Refusal(_, ErrorKind::BadCredentials) => {
                ": the app is stopped, or does not let this identity call; see its Authentication page"
            }
            Self::Refusal(_, ErrorKind::NotFound) => ": check the target, its route prefix among it",
            Self::Refusal(_, ErrorKind::Misconfigured) if status.is_redirection() => {
                ": redirects are not followed; have the app answer 401 to who is not signed in"
            }
            Self::Refusal(Outcome::Unknown, _) if waited + CUT_MARGIN >= LOAD_BALANCER_CUT => {
                ": Azure's load balancer ends requests after 230 s while the function runs on; start it by Durable Functions"
            }
            _ => "",
        }
    }
}

/// The front end writes its errors as pages.
fn is_page(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/html"))
}

/// The error body that runtimes write.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ErrorBody {
    error_type: Option<String>,
    error_message: Option<String>,
}

/// A function's error, from its JSON body, or its status and text.
pub(crate) fn function_error(status: StatusCode, payload: &[u8]) -> FunctionError {
    let body: ErrorBody = serde_json::from_slice(payload).unwrap_or_default();
    let kind = body.error_type.filter(|kind| !kind.is_empty()).unwrap_or_else(|| format!("Http{}", status.as_u16()));
    FunctionError::new(kind, body.error_message.unwrap_or_else(|| FunctionError::excerpt(payload)))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn to_a_request_of_plain_http_the_function_answers_itself() {
        let of = |status: u16| Meaning::of_http(StatusCode::from_u16(status).expect("a status"), &headers(&[]));
        for status in [200, 202, 302, 304, 400, 401, 403, 404, 413] {
            assert_eq!(of(status), Meaning::Success, "{status}");
        }
        assert_eq!(
            (of(500), of(501), of(507)),
            (Meaning::FunctionError, Meaning::FunctionError, Meaning::FunctionError)
        );
        for status in [408, 429, 502, 503, 504] {
            let code = StatusCode::from_u16(status).expect("a status");
            assert_eq!(of(status), Meaning::of(code, &headers(&[])), "{status}");
        }
    }

    #[test]
    fn every_row_of_the_table() {
        use {ErrorKind as K, Meaning as M, Outcome::NotStarted, Outcome::Unknown};
        let (plain, page) = (&[][..], &[("content-type", "text/html; charset=utf-8")][..]);
        for (status, with, body, meaning) in [
            (200, plain, "", M::Success),
            (202, plain, "", M::Success),
            (500, plain, "", M::FunctionError),
            (500, page, "<html>", M::Refusal(Unknown, K::Unavailable)),
            (422, plain, "", M::FunctionError),
            (401, plain, "", M::KeyRefused),
            (403, page, "", M::Refusal(NotStarted, K::BadCredentials)),
            (404, plain, "", M::Refusal(NotStarted, K::NotFound)),
            (408, plain, "", M::Refusal(Unknown, K::Timeout)),
            (413, plain, "", M::Refusal(NotStarted, K::PayloadTooLarge)),
            (429, plain, "", M::Refusal(NotStarted, K::Throttled)),
            (502, page, "", M::Refusal(Unknown, K::Unavailable)),
            (503, plain, "Function host is not running.", M::Refusal(NotStarted, K::Unavailable)),
            (503, page, "<html>", M::Refusal(Unknown, K::Unavailable)),
            (502, plain, "Function host is not running.", M::Refusal(Unknown, K::Unavailable)),
            (504, plain, "", M::Refusal(Unknown, K::Timeout)),
            (302, plain, "", M::Refusal(Unknown, K::Misconfigured)),
            (101, plain, "", M::Refusal(Unknown, K::MalformedReply)),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            let found = Meaning::of(status, &headers(with)).with_body(status, body.as_bytes());
            assert_eq!(found, meaning, "{status} {with:?} {body}");
        }
    }

    #[test]
    fn only_an_answer_about_then_is_taken_for_the_cut() {
        let cut = Meaning::Refusal(Outcome::Unknown, ErrorKind::Unavailable);
        let hint = |seconds| cut.hint(StatusCode::BAD_GATEWAY, Duration::from_secs(seconds));
        assert!(hint(230).contains("Durable Functions") && hint(226).contains("230 s"));
        assert_eq!(hint(20), "");
    }
}
