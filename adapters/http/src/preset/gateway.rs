//! What OpenFaaS answers of itself, in place of a function.
//!
//! Its parts say so with `X-OpenFaaS-Internal`, and its gateway puts `X-Start-Time` on every answer that it passes on, so what has
//! neither that nor anything else of a call did not come from behind it.
//!
//! | answer | of | outcome |
//! |---|---|---|
//! | 503 `No endpoints available for: ...` | `proxy` | `NotStarted`: no replica was found |
//! | 500 `Failed to resolve service: ...` | `proxy` | `NotStarted` |
//! | 500 `Can't reach service for: ...` | `proxy` | `Unknown`: the connection failed, before the function had the call or after |
//! | 400 without a function's name | `proxy` | `NotStarted`, misconfigured |
//! | 429; 401 and 403 | `faas-middleware`, before the function | as their statuses say |
//! | 500, 504 | `of-watchdog`: the function's process failed, or was ended | the function's own error |
//! | 500 `error finding function ...` | the gateway, which asks for replicas first | `NotStarted` |
//! | 500 otherwise, without a mark of a call | the gateway, or what stands before it | `Unknown` |
//! | 200 without a byte and without a mark of a call | the gateway: no replica became ready in time, and it says nothing | `Unknown` |
//! | 502 without a word | the gateway: what is behind it does not answer | as its status says: `Unknown` |
//!
//! Source: openfaas/faas 8d803bf (`gateway/handlers/scaling.go`, `forwarding_proxy.go`, `callid_middleware.go`),
//! openfaas/faas-provider f53fe63 (`proxy/proxy.go`) and openfaas/of-watchdog 9bdadb1 (`executor/http_runner.go`, the limiter and
//! the authenticator of openfaas/faas-middleware), read 2026-11-22.
//!
//! Known limitation: a function that sends `X-OpenFaaS-Internal: proxy` itself is taken at its word, and not billed. A proxy that
//! takes the marks away makes empty replies doubtful.

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, StatusCode};
use merit_venue::{ErrorKind, Outcome};

use super::{CALL_ID, DURATION_SECONDS, START_TIME};
use crate::status::Meaning;

/// Which part of the platform speaks, where no function does.
const INTERNAL: HeaderName = HeaderName::from_static("x-openfaas-internal");
const SERVED_BY: HeaderName = HeaderName::from_static("x-served-by");

/// How the gateway begins to say that there is no such function, or that it can't ask for its replicas.
pub(crate) const UNKNOWN_FUNCTION: &[u8] = b"error finding function";
/// How the provider begins to say that a function has no address that makes sense.
const UNRESOLVED: &[u8] = b"Failed to resolve service";

/// Whether an answer shows that a call went through the gateway.
pub(super) fn passed(headers: &HeaderMap) -> bool {
    [START_TIME, CALL_ID, DURATION_SECONDS, SERVED_BY].iter().any(|mark| headers.contains_key(mark))
}

/// What an answer means that OpenFaaS gave in place of a function; `None` where its status says it, or a function did.
pub(super) fn meaning(status: StatusCode, headers: &HeaderMap) -> Option<Meaning> {
    let part = headers.get(INTERNAL).map(|part| part.as_bytes());
    match (part, status.as_u16()) {
        (Some(b"proxy"), 400) => Some(Meaning::Refusal(Outcome::NotStarted, ErrorKind::Misconfigured)),
        (Some(b"proxy"), 503) => Some(Meaning::Refusal(Outcome::NotStarted, ErrorKind::Unavailable)),
        (Some(b"proxy"), 500..=599) => Some(Meaning::Refusal(Outcome::Unknown, ErrorKind::Unavailable)),
        (Some(b"of-watchdog"), 500..=599) => Some(Meaning::FunctionError),
        (None, 500) if !passed(headers) => Some(Meaning::Refusal(Outcome::Unknown, ErrorKind::Unavailable)),
        (None, 200) if is_empty(headers) && !passed(headers) => {
            Some(Meaning::Refusal(Outcome::Unknown, ErrorKind::Unavailable))
        }
        _ => None,
    }
}

/// The outcome of an answer that is not a function's, by its words too.
pub(super) fn outcome(outcome: Outcome, headers: &HeaderMap, said: &[u8]) -> Outcome {
    let by_proxy = headers.get(INTERNAL).is_some_and(|part| part == "proxy");
    let sure = by_proxy && said.starts_with(UNRESOLVED) || !passed(headers) && said.starts_with(UNKNOWN_FUNCTION);
    if sure { Outcome::NotStarted } else { outcome }
}

fn is_empty(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_LENGTH).is_some_and(|length| length == "0")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn what_each_part_says_is_told_from_a_functions_own() {
        use {ErrorKind::Misconfigured, ErrorKind::Unavailable, Outcome::NotStarted, Outcome::Unknown};
        const PROXY: (&str, &str) = ("x-openfaas-internal", "proxy");
        const WATCHDOG: (&str, &str) = ("x-openfaas-internal", "of-watchdog");
        const MIDDLEWARE: (&str, &str) = ("x-openfaas-internal", "faas-middleware");
        const STARTED: (&str, &str) = ("x-start-time", "1");
        const EMPTY: (&str, &str) = ("content-length", "0");
        let refusal = |outcome, kind| Some(Meaning::Refusal(outcome, kind));
        for (status, pairs, expected) in [
            (503, &[PROXY, STARTED][..], refusal(NotStarted, Unavailable)),
            (400, &[PROXY, STARTED], refusal(NotStarted, Misconfigured)),
            (500, &[PROXY, STARTED], refusal(Unknown, Unavailable)),
            (504, &[WATCHDOG, STARTED], Some(Meaning::FunctionError)),
            (500, &[WATCHDOG], Some(Meaning::FunctionError)),
            (429, &[MIDDLEWARE, STARTED], None),
            (500, &[], refusal(Unknown, Unavailable)),
            (500, &[STARTED], None),
            (500, &[("x-duration-seconds", "0.1")], None),
            (200, &[EMPTY], refusal(Unknown, Unavailable)),
            (200, &[EMPTY, STARTED], None),
            (200, &[("content-length", "1")], None),
            (200, &[], None),
            (502, &[STARTED], None),
            (404, &[], None),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(meaning(status, &headers(pairs)), expected, "{status} {pairs:?}");
        }
    }

    #[test]
    fn words_make_sure_that_nothing_ran() {
        let (proxy, gateway) = (headers(&[("x-openfaas-internal", "proxy")]), headers(&[]));
        let behind = headers(&[("x-start-time", "1")]);
        for (headers, said, expected) in [
            (&proxy, "Failed to resolve service: env.", Outcome::NotStarted),
            (&proxy, "Can't reach service for: env.", Outcome::Unknown),
            (&gateway, "error finding function env.openfaas-fn: unreachable", Outcome::NotStarted),
            (&gateway, "Internal Server Error", Outcome::Unknown),
            (&behind, "error finding function, says a function", Outcome::Unknown),
            (&behind, "Failed to resolve service, says a function", Outcome::Unknown),
        ] {
            assert_eq!(outcome(Outcome::Unknown, headers, said.as_bytes()), expected, "{said}");
        }
    }
}
