//! What a reply's head means for money.
//!
//! | status | meaning | outcome |
//! |---|---|---|
//! | any, with `merit-function-error`, or with meters that are believed and not 2xx | the function's own error | it ran |
//! | 2xx | success | it ran |
//! | 500, and 4xx not named below | the function's own error | it ran |
//! | 401, 403, 407 | credentials refused | `NotStarted` |
//! | 404 | unknown function | `NotStarted` |
//! | 408, 504 | a gateway's time ran out | `Unknown` |
//! | 413 | payload too large | `NotStarted` |
//! | 429 | throttled | `NotStarted` |
//! | 503 with `retry-after` | turned away at the door | `NotStarted` |
//! | 503 without, 502, other 5xx | a gateway's error page: the function may have run | `Unknown` |
//! | 3xx | wrong URL; not followed | `Unknown` |
//!
//! To a request of plain HTTP, whose caller asked for a page and not for a reply to a payload, most statuses are the
//! function's own word: a redirect, a page that is not there, a caller it does not let in.
//!
//! | status of a request of plain HTTP | meaning | outcome |
//! |---|---|---|
//! | any, with `merit-function-error` | the function's own error | it ran |
//! | any, with `merit-refused` | as above, or a request that is not for such a function | `NotStarted` |
//! | any, from what stands before the gateway of a platform that is known by name | as above | |
//! | any other, with meters that are believed | its class decides, as in the last two rows | it ran |
//! | 407, 408, 421, 429, 502, 503, 504 | as above; 421 is `NotStarted` | |
//! | other 5xx | the function's own error | it ran |
//! | all others | success: the status is the function's to choose | it ran |
//!
//! What OpenFaaS answers of itself is in `preset::gateway`.
//!
//! Refused credentials stand against the whole venue only where they are surely those that a gateway refused, for a
//! function may check its callers itself. That is 407, which only a proxy says; and 401 and 403 of a queue, of what stands
//! before a platform's gateway ([`Preset::refused_before`]), and of a venue whose gateway is configured to check.
//!
//! A gateway says 429 and 503 with `retry-after` before it hands the call to an instance; an
//! instance that crashed half-way shows as 502 or plain 503.
//!
//! Known limitation: a function that itself answers 401, 403, 404, 413 or 429 is taken for its
//! gateway, and not billed. One that must answer so sets `merit-function-error` too. Of plain HTTP it is the other way: a
//! gateway without a function says 404, and it is taken for the function's unless the venue is known by name.

use http::{HeaderMap, HeaderName, StatusCode, header};
use merit_venue::{ErrorKind, FunctionError, Meters, Outcome, meter_header};
use serde::Deserialize;

use crate::meters;
use crate::preset::Preset;

const FUNCTION_ERROR: HeaderName = HeaderName::from_static(meter_header::FUNCTION_ERROR);
const REFUSED: HeaderName = HeaderName::from_static(meter_header::REFUSED);

/// The meaning of a reply's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The function ran well.
    Success,
    /// The function ran, and reports an error.
    FunctionError,
    /// The venue, or something before it, answered instead of the function.
    Refusal(Outcome, ErrorKind),
}

impl Meaning {
    /// Of an answer to a request of plain HTTP.
    pub(crate) fn of_http(preset: Option<&Preset>, status: StatusCode, headers: &HeaderMap, meters: Meters) -> Self {
        if headers.contains_key(FUNCTION_ERROR) {
            return Self::FunctionError;
        }
        if let Some(said) = preset.and_then(|preset| preset.meaning(status, headers)) {
            return said;
        }
        let told = meters::are_told(headers, meters);
        match status.as_u16() {
            _ if !told && headers.contains_key(REFUSED) => match Self::of(status, headers, meters) {
                Self::Refusal(_, kind) => Self::Refusal(Outcome::NotStarted, kind),
                _ => Self::Refusal(Outcome::NotStarted, ErrorKind::PayloadRefused),
            },
            421 if !told => Self::Refusal(Outcome::NotStarted, ErrorKind::NotFound),
            407 | 408 | 429 | 502..=504 if !told => Self::of(status, headers, meters),
            500..=599 => Self::FunctionError,
            _ => Self::Success,
        }
    }

    /// At a platform that is known by name, which may say more than a status does.
    pub(crate) fn at(preset: Option<&Preset>, status: StatusCode, headers: &HeaderMap, meters: Meters) -> Self {
        let said = preset.filter(|_| !headers.contains_key(FUNCTION_ERROR));
        said.and_then(|preset| preset.meaning(status, headers)).unwrap_or_else(|| Self::of(status, headers, meters))
    }

    pub(crate) fn of(status: StatusCode, headers: &HeaderMap, meters: Meters) -> Self {
        use {ErrorKind as Kind, Outcome::NotStarted, Outcome::Unknown};
        if headers.contains_key(FUNCTION_ERROR) {
            return Self::FunctionError;
        }
        if status.is_success() {
            return Self::Success;
        }
        if meters::are_told(headers, meters) {
            return Self::FunctionError;
        }
        match status.as_u16() {
            401 | 403 | 407 => Self::Refusal(NotStarted, Kind::BadCredentials),
            404 => Self::Refusal(NotStarted, Kind::NotFound),
            408 | 504 => Self::Refusal(Unknown, Kind::Timeout),
            413 => Self::Refusal(NotStarted, Kind::PayloadTooLarge),
            429 => Self::Refusal(NotStarted, Kind::Throttled),
            400..=500 => Self::FunctionError,
            503 if headers.contains_key(header::RETRY_AFTER) => Self::Refusal(NotStarted, Kind::Unavailable),
            501..=599 => Self::Refusal(Unknown, Kind::Unavailable),
            300..=399 => Self::Refusal(Unknown, Kind::Misconfigured),
            _ => Self::Refusal(Unknown, Kind::MalformedReply),
        }
    }
}

/// Whether credentials were refused by what stands before every function, so that each call would meet it.
pub(crate) fn refuses_all(
    status: StatusCode,
    gateway_checks: bool,
    preset: Option<&Preset>,
    headers: &HeaderMap,
) -> bool {
    match status.as_u16() {
        407 => true,
        401 | 403 => gateway_checks || preset.is_some_and(|preset| preset.refused_before(headers)),
        _ => false,
    }
}

/// The error body that Lambda's runtimes and Merit's own write.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ErrorBody {
    error_type: Option<String>,
    error_message: Option<String>,
}

/// A function's error, from its header, its JSON body or its text, in this order.
pub(crate) fn function_error(status: StatusCode, headers: &HeaderMap, payload: &[u8]) -> FunctionError {
    let body: ErrorBody = serde_json::from_slice(payload).unwrap_or_default();
    let header = headers.get(meter_header::FUNCTION_ERROR).and_then(|value| value.to_str().ok());
    let kind = header.map(str::to_owned).filter(|kind| !kind.is_empty()).or(body.error_type);
    let kind = kind.unwrap_or_else(|| format!("Http{}", status.as_u16()));
    let message = body.error_message.unwrap_or_else(|| FunctionError::excerpt(payload));
    FunctionError::new(kind, message)
}

#[cfg(test)]
mod tests;
