//! The one conversion from refusals to what a Lambda client sees.
//!
//! The rule behind the table: an error says that the function did not run, or that running it again does no harm,
//! because AWS's SDKs repeat 429 and 5xx by themselves. A call that may have run and may not be repeated is answered
//! as Lambda answers a function that crashed or timed out: status 200, `X-Amz-Function-Error: Unhandled`.
//!
//! | refusal | answer |
//! |---|---|
//! | too many calls in flight, no room, every venue throttled | 429 `TooManyRequestsException` with its reason |
//! | over the caller's rate | 429 `TooManyRequestsException`, `CallerRateLimitExceeded` |
//! | the queue of events full | 429 `TooManyRequestsException`, `CallerRateLimitExceeded` |
//! | draining, the disk too slow | 503 `ServiceUnavailableException` |
//! | budget exhausted | 402 `ServiceQuotaExceededException` |
//! | no role | 403 `AccessDeniedException` |
//! | unknown function | 404 `ResourceNotFoundException` |
//! | terms that can't be read, or that no deployment meets | 400 `InvalidParameterValueException` |
//! | no deployment that can be called now | 502 `ResourceNotReadyException` |
//! | payload too large | 413 `RequestTooLargeException` |
//! | the name of a durable execution in use, or used otherwise | 409 `DurableExecutionAlreadyStartedException` |
//! | every venue failed, and it may be repeated | 502 `ServiceException` |
//! | the deadline passed, and it may be repeated | 504 `ServiceException` |
//! | every venue failed, or the deadline passed, and it may have run | 200, `Unhandled` |
//! | a fault of the broker's own | 500 `ServiceException` |

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use merit_lambda_wire::error::{ErrorCode, Fault, LambdaError, ThrottleReason};
use merit_lambda_wire::invoke::{EXECUTED_VERSION, FUNCTION_ERROR, FunctionErrorKind};
use merit_lambda_wire::model;
use merit_units::{InvocationId, Micros};
use merit_wire::{AttemptView, ExclusionView};

use crate::doors::native::Reply;
use crate::doors::problem;
use crate::idempotent::may_have_run;
use crate::refusal::Refusal;

/// The kind of refusal, in the word that the native door has for it.
const PROBLEM: HeaderName = HeaderName::from_static("x-merit-problem");

/// How many exclusions and attempts a message tells of.
const MOST_TOLD: usize = 8;

/// A refusal as the answer a client gets. `arn` is that of the function it asked for.
#[must_use]
pub(super) fn answer(refusal: &Refusal, invocation: InvocationId, arn: &str) -> Reply {
    let mut answer = if may_have_run(refusal) {
        function_error(refusal, invocation)
    } else {
        error(refusal, arn).response().map(Full::new)
    };
    answer.headers_mut().insert(PROBLEM, HeaderValue::from_static(problem::word(refusal)));
    if matches!(refusal, Refusal::PayloadTooLarge { .. }) {
        // The rest of the payload is not read, so the connection can't be used again.
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

/// The word under which errors of Lambda's own are counted.
#[must_use]
pub(super) fn word_of(code: &ErrorCode) -> &'static str {
    match code {
        ErrorCode::ResourceNotFound | ErrorCode::UnknownOperation => "not-found",
        code if code.status() == StatusCode::FORBIDDEN => "unauthenticated",
        _ => "bad-request",
    }
}

/// A call that may have run, as Lambda tells of a function that did not come to its end.
fn function_error(refusal: &Refusal, invocation: InvocationId) -> Reply {
    let (kind, what) = match refusal {
        Refusal::DeadlinePassed { waited, .. } => {
            ("Sandbox.Timedout", format!("Task timed out after {} seconds", Seconds(*waited)))
        }
        refusal => ("Merit.OutcomeUnknown", format!("{refusal}; the function may have run, so it is not run again")),
    };
    let body = model::FunctionError {
        error_message: Some(format!("RequestId: {invocation} Error: {what}")),
        error_type: Some(kind.to_owned()),
        ..model::FunctionError::default()
    };
    let body = serde_json::to_vec(&body).expect("invariant: strings are JSON");
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(FUNCTION_ERROR, HeaderValue::from_static(FunctionErrorKind::Unhandled.as_str()));
    headers.insert(EXECUTED_VERSION, HeaderValue::from_static("$LATEST"));
    answer
}

/// Two decimals, as Lambda has them.
struct Seconds(Micros);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:02}", self.0.get() / 1_000_000, self.0.get() / 10_000 % 100)
    }
}

/// A refusal as one of AWS's errors.
fn error(refusal: &Refusal, arn: &str) -> LambdaError {
    use ErrorCode as Code;
    use ThrottleReason as Reason;
    let plain = |code: Code| LambdaError::new(code, refusal.to_string());
    let retry_after = problem::retry_after_seconds(refusal);
    match refusal {
        Refusal::Overloaded { .. } => throttled(Reason::ConcurrentInvocationLimitExceeded, retry_after, refusal),
        Refusal::RateLimited { .. } => throttled(Reason::CallerRateLimitExceeded, retry_after, refusal),
        Refusal::EventQueueFull { .. } | Refusal::TooManyReaders { .. } | Refusal::TooManyChanges(_) => {
            throttled(Reason::CallerRateLimitExceeded, retry_after, refusal)
        }
        Refusal::StoreBehind { .. } | Refusal::StoreBusy | Refusal::Draining => {
            LambdaError { retry_after, ..plain(Code::ServiceUnavailable) }
        }
        Refusal::Unauthenticated(_) => plain(Code::UnrecognizedClient),
        Refusal::Forbidden { .. } | Refusal::NotYourVenue { .. } => {
            let message = format!("Not authorized to perform: lambda:InvokeFunction on resource: {arn}: {refusal}");
            LambdaError::new(Code::AccessDenied, message)
        }
        Refusal::UnknownFunction { .. } => {
            let mut error = LambdaError::function_not_found(&arn);
            error.message.push_str(&format!(" ({refusal})"));
            error
        }
        Refusal::Unknown { .. } => plain(Code::ResourceNotFound),
        Refusal::MalformedTerms { header, reason } => {
            LambdaError::new(Code::InvalidParameterValue, format!("header `x-{header}`: {reason}"))
        }
        Refusal::BadRequest(_)
        | Refusal::MethodNotAllowed { .. }
        | Refusal::UrlTooLong { .. }
        | Refusal::HeadersTooLarge { .. } => plain(Code::InvalidRequestContent),
        Refusal::PayloadTooLarge { named, limit } => {
            let message =
                format!("Request must be smaller than {limit} bytes for the InvokeFunction operation ({named})");
            LambdaError::new(Code::RequestTooLarge, message)
        }
        Refusal::IdempotencyInFlight | Refusal::IdempotencyOutcomeUnknown | Refusal::IdempotencyMismatch => {
            durable(refusal)
        }
        Refusal::NoEligibleVenue { exclusions, .. } => no_venue(refusal, exclusions),
        Refusal::BudgetExhausted { .. } => plain(Code::ServiceQuotaExceeded),
        Refusal::VenuesFailed { attempts, .. } if !attempts.is_empty() && attempts.iter().all(is_throttled) => {
            throttled(Reason::ConcurrentInvocationLimitExceeded, Some(1), refusal)
        }
        Refusal::VenuesFailed { attempts, .. } => {
            let message = format!("{refusal}{}", attempts_told(attempts));
            LambdaError { status: StatusCode::BAD_GATEWAY, ..LambdaError::new(Code::Service, message) }
        }
        Refusal::DeadlinePassed { attempts, .. } => {
            let message = format!("{refusal}{}", attempts_told(attempts));
            LambdaError { status: StatusCode::GATEWAY_TIMEOUT, ..LambdaError::new(Code::Service, message) }
        }
        Refusal::Internal(_) => plain(Code::Service),
    }
}

fn throttled(reason: ThrottleReason, retry_after: Option<u64>, refusal: &Refusal) -> LambdaError {
    let mut error = LambdaError::throttled(reason, retry_after);
    error.message.push_str(&format!(" ({refusal})"));
    error
}

fn is_throttled(attempt: &AttemptView) -> bool {
    attempt.result == "throttled"
}

/// The name of a durable execution does here what an idempotency key does at the native door.
fn durable(refusal: &Refusal) -> LambdaError {
    let message = match refusal {
        Refusal::IdempotencyInFlight => {
            "the durable execution of this name is still running; ask again under the same name for its reply"
        }
        Refusal::IdempotencyOutcomeUnknown => {
            "the durable execution of this name was cut off when the broker stopped and may have run; use a new name to run it again"
        }
        _ => "the durable execution of this name was started with another payload; use a new name for a new payload",
    };
    LambdaError::new(ErrorCode::DurableExecutionAlreadyStarted, message)
}

/// The refusal is the one that came closest to a match: no room, unwell, not allowed by the terms, nothing there.
fn no_venue(refusal: &Refusal, exclusions: &[ExclusionView]) -> LambdaError {
    const TERMS: [&str; 6] = [
        "venue-not-allowed",
        "region-not-allowed",
        "isolation-not-allowed",
        "architecture-not-allowed",
        "over-max-price",
        "over-latency",
    ];
    let any = |words: &[&str]| exclusions.iter().any(|exclusion| words.contains(&exclusion.reason.as_str()));
    let told = |exclusion: &ExclusionView| format!("{}: {}", exclusion.deployment, exclusion.detail);
    let told: Vec<String> = exclusions.iter().take(MOST_TOLD).map(told).collect();
    let told = if told.is_empty() { "it has no deployment".to_owned() } else { told.join("; ") };
    if any(&["at-capacity"]) {
        let reason = ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded;
        return throttled(reason, Some(1), refusal);
    }
    if any(&["venue-at-capacity", "venue-memory-full", "throttled"]) {
        return throttled(ThrottleReason::ConcurrentInvocationLimitExceeded, Some(1), refusal);
    }
    let unwell = any(&["ejected", "on-probation"]);
    let code = if any(&TERMS) && !unwell { ErrorCode::InvalidParameterValue } else { ErrorCode::ResourceNotReady };
    let function = match refusal {
        Refusal::NoEligibleVenue { function, .. } => function.as_str(),
        _ => "the function",
    };
    let fault = if code == ErrorCode::InvalidParameterValue { Fault::User } else { Fault::Service };
    LambdaError { fault, ..LambdaError::new(code, format!("no deployment of `{function}` meets the terms: {told}")) }
}

fn attempts_told(attempts: &[AttemptView]) -> String {
    let told = |attempt: &AttemptView| format!("{}: {}", attempt.deployment, attempt.result);
    let told: Vec<String> = attempts.iter().take(MOST_TOLD).map(told).collect();
    if told.is_empty() { String::new() } else { format!(" ({})", told.join(", ")) }
}

#[cfg(test)]
mod tests;
