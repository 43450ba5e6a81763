//! What each error of the Lambda API means for money.
//!
//! Lambda bills a call once its code begins to run, and names errors of the code itself in a reply
//! of status 200. So nearly all errors of the API surely did not start: the call was refused at the
//! door, or the environment for it could not be made. In doubt are those that may strike while code
//! runs: the service's own failures, an I/O error of a mounted file system, and the hooks of SnapStart,
//! which are code of the function.
//!
//! Source: the error table of Invoke in Lambda's service model (botocore 1.44.5) and
//! docs.aws.amazon.com/lambda/latest/api/API_Invoke.html, read 2026-11-21.
//!
//! Known limitation: AWS does not say which of these are billed; where it is not plain, the
//! doubtful side is taken.

use http::StatusCode;
use merit_lambda_wire::error::{ErrorCode, LambdaError};
use merit_venue::{ErrorKind, Outcome};

/// The meaning of an answer that is not a reply of the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meaning {
    pub(crate) outcome: Outcome,
    pub(crate) kind: ErrorKind,
    /// Whether it is the venue's credentials that were refused, and not only this one call.
    pub(crate) refuses_key: bool,
}

/// The meaning of an error by its name, and by its status where the name says nothing.
pub(crate) fn of(error: &LambdaError) -> Meaning {
    let plain = |(outcome, kind)| Meaning { outcome, kind, refuses_key: false };
    match &error.code {
        ErrorCode::Other(name) if is_about_key(name) => refused_key(),
        ErrorCode::Other(name) if is_throttling(name) => plain((Outcome::NotStarted, ErrorKind::Throttled)),
        ErrorCode::Other(name) => plain(by_status(error.status, name.is_empty())),
        ErrorCode::ExpiredToken
        | ErrorCode::IncompleteSignature
        | ErrorCode::InvalidSignature
        | ErrorCode::MissingAuthenticationToken
        | ErrorCode::UnrecognizedClient => refused_key(),
        named => plain(by_name(named)),
    }
}

const fn refused_key() -> Meaning {
    Meaning { outcome: Outcome::NotStarted, kind: ErrorKind::BadCredentials, refuses_key: true }
}

/// Names of other AWS services and of emulators for keys they don't take.
fn is_about_key(name: &str) -> bool {
    let names = [
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "InvalidAccessKeyId",
        "AuthFailure",
        "ExpiredToken",
        "InvalidSecurity",
        "InvalidToken",
        "RequestExpired",
        "NotAuthorized",
    ];
    names.iter().any(|known| name.strip_suffix("Exception").unwrap_or(name) == *known)
}

/// Names the parts of AWS before Lambda use for the same.
fn is_throttling(name: &str) -> bool {
    let names = ["Throttling", "ThrottledException", "RequestLimitExceeded", "RequestThrottledException", "SlowDown"];
    names.contains(&name)
}

fn by_name(code: &ErrorCode) -> (Outcome, ErrorKind) {
    use {ErrorCode as C, ErrorKind as K, Outcome::NotStarted, Outcome::Unknown};
    match code {
        C::TooManyRequests | C::Throttling | C::Ec2Throttled | C::ServiceQuotaExceeded => (NotStarted, K::Throttled),
        C::RequestTooLarge | C::SerializedRequestEntityTooLarge => (NotStarted, K::PayloadTooLarge),
        C::InvalidRequestContent | C::UnsupportedMediaType => (NotStarted, K::PayloadRefused),
        C::ResourceNotFound => (NotStarted, K::NotFound),
        C::AccessDenied => (NotStarted, K::BadCredentials),
        C::EfsMountTimeout | C::S3FilesMountTimeout => (NotStarted, K::Timeout),
        C::SnapStartTimeout => (Unknown, K::Timeout),
        C::SnapStart | C::EfsIo | C::Service | C::InternalFailure | C::ServiceUnavailable => (Unknown, K::Unavailable),
        C::CodeArtifactUserPending
        | C::Ec2Unexpected
        | C::EfsMountConnectivity
        | C::EniLimitReached
        | C::EniNotReady
        | C::ResourceConflict
        | C::ResourceNotReady
        | C::S3FilesMountConnectivity
        | C::SnapStartNotReady
        | C::SnapStartRegenerationFailure
        | C::SubnetIpAddressLimitReached => (NotStarted, K::Unavailable),
        // What is left names a function, role, key or network that is set up wrongly.
        _ => (NotStarted, K::Misconfigured),
    }
}

/// For names that are not in the model, and for answers of something that is not Lambda.
fn by_status(status: StatusCode, nameless: bool) -> (Outcome, ErrorKind) {
    use {ErrorKind as K, Outcome::NotStarted, Outcome::Unknown};
    match status.as_u16() {
        401 | 403 => (NotStarted, K::BadCredentials),
        404 => (NotStarted, K::NotFound),
        408 | 504 => (Unknown, K::Timeout),
        413 => (NotStarted, K::PayloadTooLarge),
        429 => (NotStarted, K::Throttled),
        501..=599 => (Unknown, K::Unavailable),
        500 if !nameless => (Unknown, K::Unavailable),
        300..=499 => (Unknown, K::Misconfigured),
        _ => (Unknown, K::MalformedReply),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(name: &str, status: u16) -> (Outcome, ErrorKind, bool) {
        let status = StatusCode::from_u16(status).expect("a status");
        let mut error = LambdaError::new(ErrorCode::named(name), "");
        error.status = status;
        let Meaning { outcome, kind, refuses_key } = of(&error);
        (outcome, kind, refuses_key)
    }

    #[test]
    fn only_errors_that_may_strike_while_code_runs_are_in_doubt() {
        let doubtful: Vec<&str> = ErrorCode::ALL
            .iter()
            .filter(|code| meaning(code.as_str(), code.status().as_u16()).0 != Outcome::NotStarted)
            .map(ErrorCode::as_str)
            .collect();
        let expected = [
            "SnapStartException",
            "SnapStartTimeoutException",
            "EFSIOException",
            "ServiceException",
            "InternalFailure",
            "ServiceUnavailableException",
        ];
        assert_eq!(doubtful, expected);
    }

    #[test]
    fn a_key_that_is_refused_differs_from_a_permission_that_is_missing() {
        let bad = (Outcome::NotStarted, ErrorKind::BadCredentials);
        for (name, status) in [
            ("UnrecognizedClientException", 403),
            ("InvalidSignatureException", 403),
            ("ExpiredTokenException", 403),
            ("InvalidClientTokenId", 403),
            ("SignatureDoesNotMatch", 403),
        ] {
            assert_eq!(meaning(name, status), (bad.0, bad.1, true), "{name}");
        }
        assert_eq!(meaning("AccessDeniedException", 403), (bad.0, bad.1, false));
        assert_eq!(meaning("", 403), (bad.0, bad.1, false));
    }

    #[test]
    fn what_is_not_lambda_is_read_by_its_status() {
        use {ErrorKind as K, Outcome::NotStarted, Outcome::Unknown};
        for (status, outcome, kind) in [
            (404, NotStarted, K::NotFound),
            (413, NotStarted, K::PayloadTooLarge),
            (429, NotStarted, K::Throttled),
            (500, Unknown, K::MalformedReply),
            (502, Unknown, K::Unavailable),
            (504, Unknown, K::Timeout),
            (307, Unknown, K::Misconfigured),
        ] {
            assert_eq!(meaning("", status), (outcome, kind, false), "{status}");
        }
        assert_eq!(meaning("SomethingNewException", 500).1, K::Unavailable);
        assert_eq!(meaning("Throttling", 400).1, K::Throttled);
    }
}
