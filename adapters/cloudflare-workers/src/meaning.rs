//! What an answer means.
//!
//! Workers bill a request once the Worker is run, well or not. What Cloudflare refuses before that is not billed.
//!
//! | answer | outcome | kind |
//! |---|---|---|
//! | 2xx | it ran | the Worker's reply |
//! | page 1101: the Worker threw | it ran | the function's own error `WorkerException` |
//! | page 1102: too much CPU time or memory | it ran | the function's own error `WorkerExceededResources` |
//! | page 1019: the Worker called itself | `Ran` | misconfigured |
//! | page 1042: a Worker called a Worker of its zone | `Unknown` | misconfigured |
//! | page 1022: the account lacks what the Worker asks for | `NotStarted` | misconfigured |
//! | page 1015: rate limit of the zone | `NotStarted` | throttled |
//! | page 1027: the day's requests are used up | `NotStarted` | throttled; no other call is tried for a while |
//! | 401, 403, a redirect to Access | `NotStarted` | bad credentials; no other call is tried for a while |
//! | 404 | `NotStarted` | not found |
//! | 413 | `NotStarted` | payload too large |
//! | 429 | `NotStarted` | throttled |
//! | 503 with `retry-after` | `NotStarted` | unavailable |
//! | 408, 504, 522, 524 | `Unknown` | timeout |
//! | 500, other 4xx | it ran | the Worker's own error |
//! | 3xx | `Unknown` | misconfigured |
//! | other 5xx | `Unknown` | unavailable |
//!
//! To a request of plain HTTP pages, redirects to Access, 408, 429, 502 to 504 and 520 to 530 mean the same, other 5xx are
//! the Worker's own error, and all else is its reply: 401, 403 and 404 too, so that refused credentials pass for its own word.
//!
//! Sources: developers.cloudflare.com, Workers "Errors and exceptions", "Cloudflare 1xxx errors", read 2026-11-21.

use http::{HeaderMap, header};
use merit_cloud_wire::workers::PageError;
use merit_venue::{ErrorKind, Outcome};

/// The meaning of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The Worker's reply.
    Success,
    /// The Worker ran and reports an error; the kind where it is not the status.
    FunctionError(Option<&'static str>),
    /// Anything else.
    Failure {
        outcome: Outcome,
        kind: ErrorKind,
        /// Whether every other call would meet it too.
        concerns_all: bool,
        /// What to do about it.
        hint: &'static str,
    },
}

const fn failure(outcome: Outcome, kind: ErrorKind) -> Meaning {
    Meaning::Failure { outcome, kind, concerns_all: false, hint: "" }
}

const fn for_all(kind: ErrorKind, hint: &'static str) -> Meaning {
    Meaning::Failure { outcome: Outcome::NotStarted, kind, concerns_all: true, hint }
}

const CHECK: &str =
    "check the bearer token or the Access service token of the venue, and that it is not revoked or over";

/// The meaning of an answer by its head and, for an error's status, its body.
pub(crate) fn of(status: u16, headers: &HeaderMap, body: &[u8]) -> Meaning {
    use {ErrorKind as K, Outcome::NotStarted, Outcome::Unknown};
    if let Some(page) = PageError::named(status, body) {
        return of_page(page);
    }
    match status {
        200..=299 => Meaning::Success,
        300..=399 if is_login(headers) => for_all(K::BadCredentials, CHECK),
        300..=399 => failure(Unknown, K::Misconfigured),
        401 | 403 => for_all(K::BadCredentials, CHECK),
        404 => failure(NotStarted, K::NotFound),
        408 | 504 | 522 | 524 => failure(Unknown, K::Timeout),
        413 => failure(NotStarted, K::PayloadTooLarge),
        429 => failure(NotStarted, K::Throttled),
        400..=500 => Meaning::FunctionError(None),
        503 if headers.contains_key(header::RETRY_AFTER) => failure(NotStarted, K::Unavailable),
        501..=599 => failure(Unknown, K::Unavailable),
        _ => failure(Unknown, K::MalformedReply),
    }
}

/// The meaning of an answer to a request of plain HTTP: all but what Cloudflare itself says is the Worker's.
pub(crate) fn of_http(status: u16, headers: &HeaderMap, body: &[u8]) -> Meaning {
    let is_cloudflares = PageError::named(status, body).is_some()
        || (300..=399).contains(&status) && is_login(headers)
        || matches!(status, 408 | 429 | 502..=504 | 520..=530);
    match status {
        _ if is_cloudflares => of(status, headers, body),
        500..=599 => Meaning::FunctionError(None),
        _ => Meaning::Success,
    }
}

/// Where Access sends who has no token.
fn is_login(headers: &HeaderMap) -> bool {
    let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    location.is_some_and(|to| to.contains(".cloudflareaccess.com/"))
}

fn of_page(page: PageError) -> Meaning {
    use {ErrorKind as K, Outcome::NotStarted, Outcome::Ran, Outcome::Unknown};
    match page {
        PageError::Exception => Meaning::FunctionError(Some("WorkerException")),
        PageError::CpuLimit => Meaning::FunctionError(Some("WorkerExceededResources")),
        PageError::Loop => failure(Ran, K::Misconfigured),
        PageError::SameZone => failure(Unknown, K::Misconfigured),
        PageError::FeatureMissing => failure(NotStarted, K::Misconfigured),
        PageError::RateLimited => failure(NotStarted, K::Throttled),
        PageError::DailyLimit => for_all(K::Throttled, "wait until midnight UTC, or take the paid plan"),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn meant(
        status: u16,
        header: Option<(header::HeaderName, &'static str)>,
        body: &str,
    ) -> (Option<Outcome>, ErrorKind) {
        let headers = header.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect();
        match of(status, &headers, body.as_bytes()) {
            Meaning::Failure { outcome, kind, .. } => (Some(outcome), kind),
            other => panic!("{status} {body}: {other:?}"),
        }
    }

    #[test]
    fn to_a_request_of_plain_http_the_worker_answers_itself() {
        let none = HeaderMap::new();
        for status in [200, 301, 304, 400, 401, 403, 404, 413, 451] {
            assert_eq!(of_http(status, &none, b"<p>own</p>"), Meaning::Success, "{status}");
        }
        for status in [500, 501, 599] {
            assert_eq!(of_http(status, &none, b""), Meaning::FunctionError(None), "{status}");
        }
        let login =
            [(header::LOCATION, HeaderValue::from_static("https://a.cloudflareaccess.com/cdn-cgi/access/login"))];
        let login: HeaderMap = login.into_iter().collect();
        for (status, headers, body) in [
            (302, &login, ""),
            (429, &none, ""),
            (502, &none, ""),
            (522, &none, ""),
            (PageError::Exception.status(), &none, "error code: 1101"),
            (PageError::DailyLimit.status(), &none, "error code: 1027"),
        ] {
            assert_eq!(
                of_http(status, headers, body.as_bytes()),
                of(status, headers, body.as_bytes()),
                "{status} {body}"
            );
            assert_ne!(of_http(status, headers, body.as_bytes()), Meaning::Success, "{status} {body}");
        }
    }

    #[test]
    fn every_page_has_its_meaning() {
        let page = |error: PageError| {
            of(error.status(), &HeaderMap::new(), format!("error code: {}", error.number()).as_bytes())
        };
        let found: Vec<(u16, &str)> = PageError::ALL
            .iter()
            .map(|error| {
                (
                    error.number(),
                    match page(*error) {
                        Meaning::Success => "success",
                        Meaning::FunctionError(named) => named.unwrap_or_default(),
                        Meaning::Failure { outcome, .. } => outcome.word(),
                    },
                )
            })
            .collect();
        let expected = [
            (1015, "not-started"),
            (1019, "ran"),
            (1022, "not-started"),
            (1027, "not-started"),
            (1042, "unknown"),
            (1101, "WorkerException"),
            (1102, "WorkerExceededResources"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_no_page_is_read_by_its_status() {
        use {ErrorKind as K, Outcome::NotStarted, Outcome::Unknown};
        let login = (header::LOCATION, "https://team.cloudflareaccess.com/cdn-cgi/access/login/x");
        for (status, header, outcome, kind) in [
            (302, Some(login), NotStarted, K::BadCredentials),
            (302, None, Unknown, K::Misconfigured),
            (403, None, NotStarted, K::BadCredentials),
            (404, None, NotStarted, K::NotFound),
            (429, None, NotStarted, K::Throttled),
            (502, None, Unknown, K::Unavailable),
            (503, None, Unknown, K::Unavailable),
            (503, Some((header::RETRY_AFTER, "1")), NotStarted, K::Unavailable),
            (524, None, Unknown, K::Timeout),
        ] {
            assert_eq!(meant(status, header, "words"), (Some(outcome), kind), "{status}");
        }
        for status in [400, 409, 422, 500] {
            assert_eq!(of(status, &HeaderMap::new(), b"words"), Meaning::FunctionError(None), "{status}");
        }
    }
}
