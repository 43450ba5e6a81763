//! What an answer that is not a reply of the function means.
//!
//! Function Compute bills a call once its instance begins to run it, and tells of the function's own errors in a reply of
//! status 200. What it refuses at the door, and what finds no instance, surely did not start. In doubt are its own
//! failures, and what something before it answers.
//!
//! | answer | outcome | kind |
//! |---|---|---|
//! | 400 `EntityTooLarge`, 413 | `NotStarted` | payload too large |
//! | 400 `InvalidArgument`, `MissingRequiredHeader`, `PathNotSupported` | `NotStarted` | misconfigured |
//! | 403 `SignatureNotMatch`, `InvalidAccessKeyID`, `InvalidSecurityToken`, `RequestTimeTooSkewed` | `NotStarted` | bad credentials; no other call is tried with them |
//! | 401, 403 `AccessDenied` | `NotStarted` | bad credentials, of this function |
//! | 404 | `NotStarted` | not found |
//! | 409, 412 `FunctionNotReady` | `NotStarted` | unavailable |
//! | 429 `ResourceExhausted`: too many instances, or more of them at once than may be added | `NotStarted` | throttled |
//! | 503 `ResourceThrottled`: Function Compute itself is short of machines | `NotStarted` | throttled |
//! | 499, 408, 504 | `Unknown` | timeout |
//! | 500, 502, other 5xx | `Unknown` | unavailable |
//! | 3xx, other 4xx | `Unknown` | misconfigured |
//!
//! A burst (instances can't be had as fast) and a limit on concurrency are kept apart where a provider tells them apart. Function
//! Compute answers both with the one 429: "if the total number of instances or the scaling speed exceeds the limit". So it is
//! taken for the limit: fewer calls at once are right for it, and after a burst the cap grows back with the calls that go well. The
//! 503 is neither ("Function Compute resources are insufficient", not billed), and lasts as long as it lasts: a pause alone would
//! meet it with all calls again, so it too lowers how many are sent at once.
//!
//! Sources: help.aliyun.com, Function Compute, "Error codes" and "Billing overview" (requests with a bad signature are
//! not charged), read 2026-11-21; "Instance scaling limits" and "Configure a retry mechanism" (what 429 and 503
//! are), read 2026-11-22.

use merit_cloud_wire::fc::ErrorCode;
use merit_venue::{ErrorKind, Outcome};

/// The meaning of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meaning {
    pub(crate) outcome: Outcome,
    pub(crate) kind: ErrorKind,
    /// Whether the venue's key was refused, and not only this one call.
    pub(crate) refuses_key: bool,
    /// What to do about it; empty where the answer's own words must do.
    pub(crate) hint: &'static str,
}

/// The meaning of an error by its name, and by its status where the name says nothing.
pub(crate) fn of(status: u16, code: &str) -> Meaning {
    use {ErrorCode as C, ErrorKind as K, Outcome::NotStarted, Outcome::Unknown};
    let plain = |outcome, kind| Meaning { outcome, kind, refuses_key: false, hint: "" };
    let refused = |hint| Meaning { outcome: NotStarted, kind: K::BadCredentials, refuses_key: true, hint };
    let Some(code) = ErrorCode::named(code) else { return by_status(status) };
    match code {
        C::EntityTooLarge => plain(NotStarted, K::PayloadTooLarge),
        C::InvalidArgument | C::MissingRequiredHeader | C::PathNotSupported => plain(NotStarted, K::Misconfigured),
        C::SignatureNotMatch => refused("check the access key's secret"),
        C::InvalidAccessKeyId => refused("check the access key's id, and that the key is not disabled or deleted"),
        C::InvalidSecurityToken => refused("renew the temporary keys: their token is over, or another key's"),
        C::RequestTimeTooSkewed => refused("set this machine's clock: signatures may be 15 minutes off"),
        C::AccessDenied => {
            Meaning { hint: "allow the key `fc:InvokeFunction`", ..plain(NotStarted, K::BadCredentials) }
        }
        C::FunctionNotFound | C::AsyncTaskNotFound | C::AliasNotFound | C::VersionNotFound => {
            plain(NotStarted, K::NotFound)
        }
        C::ConcurrentUpdateError | C::AsyncTaskAlreadyExists | C::FunctionNotReady => plain(NotStarted, K::Unavailable),
        C::ResourceExhausted | C::ResourceThrottled => plain(NotStarted, K::Throttled),
        C::ClientClosedRequest => plain(Unknown, K::Timeout),
        C::InternalServerError => plain(Unknown, K::Unavailable),
    }
}

fn by_status(status: u16) -> Meaning {
    use {ErrorKind as K, Outcome::NotStarted, Outcome::Unknown};
    let (outcome, kind) = match status {
        401 | 403 => (NotStarted, K::BadCredentials),
        404 => (NotStarted, K::NotFound),
        408 | 499 | 504 => (Unknown, K::Timeout),
        413 => (NotStarted, K::PayloadTooLarge),
        429 => (NotStarted, K::Throttled),
        500..=599 => (Unknown, K::Unavailable),
        300..=499 => (Unknown, K::Misconfigured),
        _ => (Unknown, K::MalformedReply),
    };
    Meaning { outcome, kind, refuses_key: false, hint: "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_strike_while_code_runs_is_in_doubt() {
        let doubtful: Vec<&str> = ErrorCode::ALL
            .iter()
            .filter(|code| of(code.status(), code.as_str()).outcome != Outcome::NotStarted)
            .map(|code| code.as_str())
            .collect();
        assert_eq!(doubtful, ["ClientClosedRequest", "InternalServerError"]);
    }

    #[test]
    fn a_refused_key_says_what_to_do_and_a_missing_right_is_the_functions_own() {
        let refused: Vec<&str> =
            ErrorCode::ALL.iter().filter(|code| of(403, code.as_str()).refuses_key).map(|code| code.as_str()).collect();
        let expected = ["SignatureNotMatch", "InvalidAccessKeyID", "InvalidSecurityToken", "RequestTimeTooSkewed"];
        assert_eq!(refused, expected);
        assert!(refused.iter().all(|code| !of(403, code).hint.is_empty()));
        assert!(!of(403, "AccessDenied").refuses_key);
    }

    #[test]
    fn what_has_no_name_is_read_by_its_status() {
        use {ErrorKind as K, Outcome::NotStarted, Outcome::Unknown};
        for (status, outcome, kind) in [
            (200, Unknown, K::MalformedReply),
            (302, Unknown, K::Misconfigured),
            (404, NotStarted, K::NotFound),
            (413, NotStarted, K::PayloadTooLarge),
            (429, NotStarted, K::Throttled),
            (502, Unknown, K::Unavailable),
            (504, Unknown, K::Timeout),
        ] {
            let Meaning { outcome: found, kind: of_kind, refuses_key, .. } = of(status, "SomethingNew");
            assert_eq!((found, of_kind, refuses_key), (outcome, kind, false), "{status}");
        }
    }
}
