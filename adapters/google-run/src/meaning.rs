//! What an answer's head means for money.
//!
//! | status | meaning | outcome |
//! |---|---|---|
//! | 2xx | success | it ran |
//! | any other, with `X-Google-Status` | the function's own error, named by functions-framework | it ran |
//! | 401 | the token is refused: expired, or made out to another audience | `NotStarted` |
//! | 403 | the identity may not invoke (`roles/run.invoker`) | `NotStarted` |
//! | 404 | no such service, or one that hides itself | `NotStarted` |
//! | 413 | payload over 32 MiB | `NotStarted` |
//! | 429 | no instance is free and none may be started, or a rate was exceeded | `NotStarted` |
//! | 500 as a page of HTML | Google's front end: the instance crashed, or none could be had | `Unknown` |
//! | 500 otherwise, and 4xx not named here | the function's own error | it ran |
//! | 502, 503 and other 5xx | the instance failed, crashed or did not start | `Unknown` |
//! | 408, 504 | the request's time ran out | `Unknown` |
//! | 3xx | wrong URL, or a sign-in page in front; not followed | `Unknown` |
//!
//! To a request of plain HTTP most of these are the app's own word. There 408, 429, 502, 503 and 504 mean what they do
//! above, 401 as a page that names an invalid token is Google's, other 5xx are the function's error, and all else is its reply.
//!
//! Sources: cloud.google.com/run/docs/troubleshooting and .../docs/authenticating/service-to-service; the header
//! of functions-framework 3.10.2 (Python) and 5.0.5 (Node). All read 2026-11-21.
//!
//! Known limitation: a function that itself answers 401, 403, 404, 413 or 429 is taken for Google's front end,
//! and not billed here. Of plain HTTP it is the other way: Google's own 403 and 404 pass for the app's. Google says of neither 503 nor 504 whether the request was handed over, so both are in
//! doubt.

use http::{HeaderMap, HeaderName, StatusCode, header};
use merit_venue::{ErrorKind, FunctionError, Outcome};
use serde::Deserialize;

/// What functions-framework says of a function that failed: `crash`, or `error`.
const GOOGLE_STATUS: HeaderName = HeaderName::from_static("x-google-status");

/// The meaning of an answer's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The function ran well.
    Success,
    /// The function ran, and reports an error.
    FunctionError,
    /// The token is refused: it is not sent again.
    TokenRefused,
    /// Google, or something before it, answered instead of the function.
    Refusal(Outcome, ErrorKind),
}

impl Meaning {
    pub(crate) fn of(status: StatusCode, headers: &HeaderMap) -> Self {
        use {ErrorKind as Kind, Outcome::NotStarted, Outcome::Unknown};
        if status.is_success() {
            return Self::Success;
        }
        if headers.contains_key(GOOGLE_STATUS) {
            return Self::FunctionError;
        }
        match status.as_u16() {
            401 => Self::TokenRefused,
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

    /// Of an answer to a request of plain HTTP: all but what is Google's own word is the app's.
    pub(crate) fn of_http(status: StatusCode, headers: &HeaderMap) -> Self {
        match status.as_u16() {
            _ if headers.contains_key(GOOGLE_STATUS) => Self::FunctionError,
            401 if is_page(headers) && names_a_token(headers) => Self::TokenRefused,
            408 | 429 | 502..=504 => Self::of(status, headers),
            500..=599 => Self::FunctionError,
            _ => Self::Success,
        }
    }

    /// What an operator can do about it; empty where nothing is plain.
    pub(crate) fn hint(self, status: StatusCode) -> &'static str {
        match self {
            Self::TokenRefused => ": check that `audience` is the service's URL or one of its custom audiences",
            Self::Refusal(_, ErrorKind::BadCredentials) => ": grant the identity roles/run.invoker on the service",
            Self::Refusal(_, ErrorKind::NotFound) => ": check the target, and that the service's ingress lets Merit in",
            Self::Refusal(_, ErrorKind::Misconfigured) if status.is_redirection() => {
                ": redirects are not followed, so give the service's own URL"
            }
            _ => "",
        }
    }
}

/// Whether it is said that the token that was sent does not hold (RFC 6750, 3.1).
fn names_a_token(headers: &HeaderMap) -> bool {
    let challenge = headers.get(header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
    challenge.is_some_and(|challenge| challenge.starts_with("Bearer") && challenge.contains("invalid_token"))
}

/// Google's front end writes its errors as pages.
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

/// A function's error, from its JSON body, the header, or its status and text.
pub(crate) fn function_error(status: StatusCode, headers: &HeaderMap, payload: &[u8]) -> FunctionError {
    let body: ErrorBody = serde_json::from_slice(payload).unwrap_or_default();
    let named = headers.get(GOOGLE_STATUS).and_then(|value| value.to_str().ok()).filter(|word| !word.is_empty());
    let kind = body.error_type.filter(|kind| !kind.is_empty()).or_else(|| named.map(str::to_owned));
    let kind = kind.unwrap_or_else(|| format!("Http{}", status.as_u16()));
    FunctionError::new(kind, body.error_message.unwrap_or_else(|| FunctionError::excerpt(payload)))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn every_row_of_the_table() {
        use {ErrorKind as K, Meaning as M, Outcome::NotStarted, Outcome::Unknown};
        let (plain, page, crash) =
            (&[][..], &[("content-type", "text/html; charset=UTF-8")][..], &[("x-google-status", "crash")][..]);
        for (status, with, meaning) in [
            (200, plain, M::Success),
            (204, plain, M::Success),
            (500, crash, M::FunctionError),
            (404, crash, M::FunctionError),
            (500, plain, M::FunctionError),
            (500, page, M::Refusal(Unknown, K::Unavailable)),
            (422, plain, M::FunctionError),
            (401, page, M::TokenRefused),
            (403, page, M::Refusal(NotStarted, K::BadCredentials)),
            (404, page, M::Refusal(NotStarted, K::NotFound)),
            (408, plain, M::Refusal(Unknown, K::Timeout)),
            (413, page, M::Refusal(NotStarted, K::PayloadTooLarge)),
            (429, plain, M::Refusal(NotStarted, K::Throttled)),
            (502, page, M::Refusal(Unknown, K::Unavailable)),
            (503, plain, M::Refusal(Unknown, K::Unavailable)),
            (504, plain, M::Refusal(Unknown, K::Timeout)),
            (302, plain, M::Refusal(Unknown, K::Misconfigured)),
            (101, plain, M::Refusal(Unknown, K::MalformedReply)),
        ] {
            let found = Meaning::of(StatusCode::from_u16(status).expect("a status"), &headers(with));
            assert_eq!(found, meaning, "{status} {with:?}");
        }
    }

    #[test]
    fn to_a_request_of_plain_http_the_app_answers_itself() {
        let (page, token) = (("content-type", "text/html"), ("www-authenticate", "Bearer error=\"invalid_token\""));
        let of = |status: u16, with: &[(&'static str, &'static str)]| {
            Meaning::of_http(StatusCode::from_u16(status).expect("a status"), &headers(with))
        };
        for status in [200, 302, 304, 400, 401, 403, 404, 413] {
            assert_eq!(of(status, &[page]), Meaning::Success, "{status}");
        }
        assert_eq!(of(401, &[token]), Meaning::Success, "an API of the app's that looks at tokens itself");
        assert_eq!(of(401, &[page, token]), Meaning::TokenRefused);
        assert_eq!(of(500, &[page]), Meaning::FunctionError);
        assert_eq!(of(404, &[("x-google-status", "crash")]), Meaning::FunctionError);
        for status in [408, 429, 502, 503, 504] {
            let code = StatusCode::from_u16(status).expect("a status");
            assert_eq!(of(status, &[]), Meaning::of(code, &HeaderMap::new()), "{status}");
        }
    }

    #[test]
    fn an_error_is_named_by_its_body_its_header_or_its_status() {
        let crash = headers(&[("x-google-status", "crash")]);
        let of = |headers: &HeaderMap, body: &str| {
            let error = function_error(StatusCode::INTERNAL_SERVER_ERROR, headers, body.as_bytes());
            (error.kind, error.message)
        };
        let pair = |kind: &str, message: &str| (kind.to_owned(), message.to_owned());
        assert_eq!(
            of(&crash, r#"{"errorType":"ValueError","errorMessage":"no"}"#),
            pair("ValueError", "no"),
            "the body knows best"
        );
        assert_eq!(of(&crash, "Internal Server Error"), pair("crash", "Internal Server Error"));
        assert_eq!(of(&HeaderMap::new(), "no such order"), pair("Http500", "no such order"));
    }
}
