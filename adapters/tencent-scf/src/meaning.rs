//! What failures within an answer of status 200 mean.
//!
//! A *status* tells of a call that was taken. By SCF's billing page a bad request and a throttle are not billed; a
//! timeout, too little memory and an error of the code are, for the code ran. An *error code* tells of a request that the
//! API refused, and nothing ran but for the service's own failures.
//!
//! | status | outcome | kind |
//! |---|---|---|
//! | 430, 433, 434, 437, 439, 443 | it ran | the function's own error, so a reply |
//! | 407 reply over 6 MB | `Ran` | reply too large |
//! | 400 event is no JSON | `NotStarted` | payload refused |
//! | 406 | `NotStarted` | payload too large |
//! | 401, 441 | `NotStarted` | bad credentials |
//! | 402, 410 balance or service | `NotStarted` | misconfigured; every call would be |
//! | 404 subnet, 436 parameter, 444 image, 445 start, 446 port | `NotStarted` | misconfigured |
//! | 429 burst: instances can't be had as fast | `NotStarted` | burst: a pause, and no fewer calls at once |
//! | 432 concurrency: the memory quota, or what is reserved for the function, is used up | `NotStarted` | throttled: fewer calls at once |
//! | 435, 442 | `NotStarted` | not found |
//! | 438, 449 | `NotStarted` | unavailable |
//! | 447, 450 start too slow | `NotStarted` | timeout |
//! | 405 container exited, 499 | `Unknown` | unavailable |
//! | 500, any other | `Unknown` | unavailable |
//!
//! Sources: cloud.tencent.com/document/product/583/42611 (statuses), 583/17299 (what is billed), 583/17240 and the
//! error codes of tencentcloud-sdk-python-scf, read 2026-11-21.

use merit_cloud_wire::scf::Status;
use merit_venue::{ErrorKind, Outcome};

/// The meaning of a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OfStatus {
    /// The function's own error.
    FunctionError,
    /// Anything else.
    Failure(Meaning),
}

/// The meaning of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meaning {
    pub(crate) outcome: Outcome,
    pub(crate) kind: ErrorKind,
    /// Whether every other call would meet it too.
    pub(crate) concerns_all: bool,
    /// What to do about it; empty where the answer's own words must do.
    pub(crate) hint: &'static str,
}

const fn plain(outcome: Outcome, kind: ErrorKind) -> Meaning {
    Meaning { outcome, kind, concerns_all: false, hint: "" }
}

const fn for_all(kind: ErrorKind, hint: &'static str) -> Meaning {
    Meaning { outcome: Outcome::NotStarted, kind, concerns_all: true, hint }
}

/// The meaning of a call's status.
pub(crate) fn of_status(status: Status) -> OfStatus {
    use {ErrorKind as K, Outcome::NotStarted, Outcome::Ran, Outcome::Unknown};
    OfStatus::Failure(match status.number() {
        430 | 433 | 434 | 437 | 439 | 443 => return OfStatus::FunctionError,
        407 => plain(Ran, K::ReplyTooLarge),
        400 => plain(NotStarted, K::PayloadRefused),
        406 => plain(NotStarted, K::PayloadTooLarge),
        401 | 441 => plain(NotStarted, K::BadCredentials),
        402 | 410 => for_all(K::Misconfigured, "top up the account, or have the service resumed"),
        404 | 436 | 444 | 445 | 446 => plain(NotStarted, K::Misconfigured),
        429 => Meaning { hint: "instances can't be had as fast", ..plain(NotStarted, K::Burst) },
        432 => Meaning {
            hint: "the region's memory quota is used up, or what is reserved for the function; set `memory_quota_mb` to the \
                   quota that the account has",
            ..plain(NotStarted, K::Throttled)
        },
        435 | 442 => plain(NotStarted, K::NotFound),
        438 | 449 => plain(NotStarted, K::Unavailable),
        447 | 450 => plain(NotStarted, K::Timeout),
        _ => plain(Unknown, K::Unavailable),
    })
}

/// The meaning of an error code of the API: `Class.Detail`.
pub(crate) fn of_code(code: &str) -> Meaning {
    use {ErrorKind as K, Outcome::NotStarted, Outcome::Unknown};
    let (class, detail) = code.split_once('.').unwrap_or((code, ""));
    match (class, detail) {
        ("AuthFailure", "SignatureExpire") => {
            for_all(K::BadCredentials, "set this machine's clock: signatures may be 5 minutes off")
        }
        ("AuthFailure", "SecretIdNotFound") => {
            for_all(K::BadCredentials, "check the SecretId, and that the key is not disabled or deleted")
        }
        ("AuthFailure", "SignatureFailure") => for_all(K::BadCredentials, "check the SecretKey"),
        ("AuthFailure", "TokenFailure") => {
            for_all(K::BadCredentials, "renew the temporary keys: their token is over, or another key's")
        }
        ("AuthFailure", "UnauthorizedOperation") | ("UnauthorizedOperation", _) => {
            Meaning { hint: "allow the key `scf:InvokeFunction`", ..plain(NotStarted, K::BadCredentials) }
        }
        ("AuthFailure", _) => for_all(K::BadCredentials, "check the access key"),
        ("ResourceUnavailable", "InsufficientBalance" | "ServiceSuspended")
        | ("FailedOperation", "InsufficientBalance") => {
            for_all(K::Misconfigured, "top up the account, or have the service resumed")
        }
        ("RequestLimitExceeded", _)
        | ("LimitExceeded", "TotalConcurrencyMemory" | "UserTotalConcurrencyMemory" | "Quota" | "Memory")
        | ("ResourceNotFound", "TotalConcurrencyMemory") => plain(NotStarted, K::Throttled),
        (
            "ResourceNotFound",
            "Function" | "FunctionName" | "FunctionVersion" | "Namespace" | "Qualifier" | "Alias" | "Version",
        ) => plain(NotStarted, K::NotFound),
        ("InvalidParameterValue", "Param" | "ClientContext") => plain(NotStarted, K::PayloadRefused),
        ("RequestSizeLimitExceeded", _) => plain(NotStarted, K::PayloadTooLarge),
        ("FailedOperation", "FunctionStatusError" | "FunctionNameStatusError" | "FunctionVersionStatusNotActive")
        | ("FailedOperation", "InsufficientResources")
        | ("ResourceUnavailable" | "ResourceInsufficient" | "ResourceInUse", _) => plain(NotStarted, K::Unavailable),
        ("InternalError" | "FailedOperation", _) | ("ResponseSizeLimitExceeded", _) => plain(Unknown, K::Unavailable),
        ("UnsupportedRegion", _) => for_all(K::Misconfigured, "check the venue's region"),
        (
            "ActionOffline"
            | "InvalidAction"
            | "InvalidParameter"
            | "InvalidParameterValue"
            | "InvalidRequest"
            | "MissingParameter"
            | "NoSuchVersion"
            | "NoSuchProduct"
            | "UnknownParameter"
            | "UnsupportedOperation"
            | "UnsupportedProtocol"
            | "LimitExceeded"
            | "OperationDenied"
            | "ResourceNotFound",
            _,
        ) => plain(NotStarted, K::Misconfigured),
        // Networks from which the account may be used, or not.
        _ if class.starts_with("IpIn") || class.starts_with("IpNotIn") => {
            for_all(K::BadCredentials, "allow this machine's address in the account's access rules")
        }
        // A code of later times: nobody knows.
        _ => plain(Unknown, K::Unavailable),
    }
}

/// The meaning of an HTTP status that is not 200, which only something before SCF sends.
pub(crate) fn of_http(status: u16) -> Meaning {
    use {ErrorKind as K, Outcome::NotStarted, Outcome::Unknown};
    match status {
        401 | 403 => plain(NotStarted, K::BadCredentials),
        404 => plain(NotStarted, K::NotFound),
        408 | 504 => plain(Unknown, K::Timeout),
        413 => plain(NotStarted, K::PayloadTooLarge),
        429 => plain(NotStarted, K::Throttled),
        500..=599 => plain(Unknown, K::Unavailable),
        300..=499 => plain(Unknown, K::Misconfigured),
        _ => plain(Unknown, K::MalformedReply),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_of_the_table_is_meant() {
        use {ErrorKind as K, Outcome::NotStarted, Outcome::Ran, Outcome::Unknown};
        let table = [
            (400, Some((NotStarted, K::PayloadRefused))),
            (401, Some((NotStarted, K::BadCredentials))),
            (402, Some((NotStarted, K::Misconfigured))),
            (404, Some((NotStarted, K::Misconfigured))),
            (405, Some((Unknown, K::Unavailable))),
            (406, Some((NotStarted, K::PayloadTooLarge))),
            (407, Some((Ran, K::ReplyTooLarge))),
            (410, Some((NotStarted, K::Misconfigured))),
            (429, Some((NotStarted, K::Burst))),
            (430, None),
            (432, Some((NotStarted, K::Throttled))),
            (433, None),
            (434, None),
            (435, Some((NotStarted, K::NotFound))),
            (436, Some((NotStarted, K::Misconfigured))),
            (437, None),
            (438, Some((NotStarted, K::Unavailable))),
            (439, None),
            (441, Some((NotStarted, K::BadCredentials))),
            (442, Some((NotStarted, K::NotFound))),
            (443, None),
            (444, Some((NotStarted, K::Misconfigured))),
            (445, Some((NotStarted, K::Misconfigured))),
            (446, Some((NotStarted, K::Misconfigured))),
            (447, Some((NotStarted, K::Timeout))),
            (449, Some((NotStarted, K::Unavailable))),
            (450, Some((NotStarted, K::Timeout))),
            (499, Some((Unknown, K::Unavailable))),
            (500, Some((Unknown, K::Unavailable))),
        ];
        assert_eq!(table.map(|(number, _)| number).to_vec(), Status::all().map(Status::number).collect::<Vec<_>>());
        for (number, expected) in table {
            let found = match of_status(Status::numbered(number)) {
                OfStatus::FunctionError => None,
                OfStatus::Failure(Meaning { outcome, kind, .. }) => Some((outcome, kind)),
            };
            assert_eq!(found, expected, "{number}");
        }
    }

    #[test]
    fn codes_are_meant_by_their_class_and_detail() {
        use {ErrorKind as K, Outcome::NotStarted, Outcome::Unknown};
        for (code, outcome, kind, concerns_all) in [
            ("AuthFailure.SecretIdNotFound", NotStarted, K::BadCredentials, true),
            ("AuthFailure.SignatureFailure", NotStarted, K::BadCredentials, true),
            ("AuthFailure.SignatureExpire", NotStarted, K::BadCredentials, true),
            ("AuthFailure.TokenFailure", NotStarted, K::BadCredentials, true),
            ("AuthFailure.UnauthorizedOperation", NotStarted, K::BadCredentials, false),
            ("UnauthorizedOperation.CAM", NotStarted, K::BadCredentials, false),
            ("ResourceUnavailable.InsufficientBalance", NotStarted, K::Misconfigured, true),
            ("RequestLimitExceeded", NotStarted, K::Throttled, false),
            ("LimitExceeded.TotalConcurrencyMemory", NotStarted, K::Throttled, false),
            ("ResourceNotFound.Function", NotStarted, K::NotFound, false),
            ("ResourceNotFound.Role", NotStarted, K::Misconfigured, false),
            ("InvalidParameterValue.Param", NotStarted, K::PayloadRefused, false),
            ("InvalidParameterValue.FunctionName", NotStarted, K::Misconfigured, false),
            ("MissingParameter.Role", NotStarted, K::Misconfigured, false),
            ("FailedOperation.FunctionStatusError", NotStarted, K::Unavailable, false),
            ("FailedOperation.InvokeFunction", Unknown, K::Unavailable, false),
            ("InternalError", Unknown, K::Unavailable, false),
            ("SomethingNew.Entirely", Unknown, K::Unavailable, false),
            ("UnsupportedRegion", NotStarted, K::Misconfigured, true),
        ] {
            let Meaning { outcome: found, kind: of_kind, concerns_all: all, hint } = of_code(code);
            assert_eq!((found, of_kind, all), (outcome, kind, concerns_all), "{code}");
            assert!(!all || !hint.is_empty(), "{code} says what to do");
        }
    }
}
