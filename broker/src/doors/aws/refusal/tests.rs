//! Each refusal, and what an SDK makes of it.

use http_body_util::BodyExt as _;
use serde_json::Value;

use super::*;

const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:work";

async fn answered(refusal: &Refusal) -> (u16, String, Value, http::HeaderMap) {
    let (parts, body) = answer(refusal, InvocationId::from_bits(7), ARN).into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let code = parts.headers.get("x-amzn-errortype").map(|code| code.to_str().expect("text").to_owned());
    (parts.status.as_u16(), code.unwrap_or_default(), serde_json::from_slice(&body).expect("JSON"), parts.headers)
}

fn excluded(reasons: &[&str]) -> Refusal {
    let exclusion = |reason: &&str| ExclusionView {
        venue: "v".to_owned(),
        deployment: "d".to_owned(),
        reason: (*reason).to_owned(),
        detail: format!("it is {reason}"),
    };
    let exclusions = reasons.iter().map(exclusion).collect();
    Refusal::NoEligibleVenue { function: "work".parse().expect("a name"), exclusions }
}

fn attempts(results: &[&str]) -> Vec<AttemptView> {
    let attempt = |result: &&str| AttemptView {
        venue: "v".to_owned(),
        deployment: "d".to_owned(),
        result: (*result).to_owned(),
        outcome: "not-started".to_owned(),
        message: String::new(),
        duration_ms: 1.0,
        charge: "0".to_owned(),
        estimated: false,
    };
    results.iter().map(attempt).collect()
}

fn failed(results: &[&str], retryable: bool) -> Refusal {
    Refusal::VenuesFailed { attempts: attempts(results), last: "it broke".to_owned(), retryable }
}

fn late(retryable: bool) -> Refusal {
    Refusal::DeadlinePassed { attempts: attempts(&["timeout"]), waited: Micros::from_millis(3456), retryable }
}

#[tokio::test]
async fn every_refusal_is_an_error_that_an_sdk_knows() {
    let limited = Refusal::RateLimited { scope: "key", limit: 5, retry_after: Micros::from_millis(1200) };
    let term = Refusal::MalformedTerms { header: "merit-max-price", reason: "`x` is no amount".to_owned() };
    let unknown = Refusal::UnknownFunction { name: "work".to_owned(), near: vec!["wok".to_owned()] };
    for (refusal, status, code, words) in [
        (Refusal::Overloaded { in_flight: 9, limit: 9 }, 429, "TooManyRequestsException", "in flight"),
        (limited, 429, "TooManyRequestsException", "5 calls a second"),
        (Refusal::StoreBehind { queued: 1, limit: 1 }, 503, "ServiceUnavailableException", "disk"),
        (Refusal::Draining, 503, "ServiceUnavailableException", "draining"),
        (Refusal::Forbidden { role: "invoke" }, 403, "AccessDeniedException", ARN),
        (unknown, 404, "ResourceNotFoundException", "Function not found: arn:aws:lambda:us-east-1"),
        (term, 400, "InvalidParameterValueException", "`x-merit-max-price`"),
        (Refusal::BadRequest("late".to_owned()), 400, "InvalidRequestContentException", "late"),
        (Refusal::PayloadTooLarge { named: "n", limit: 5 }, 413, "RequestTooLargeException", "smaller than 5 bytes"),
        (Refusal::IdempotencyInFlight, 409, "DurableExecutionAlreadyStartedException", "still running"),
        (Refusal::IdempotencyMismatch, 409, "DurableExecutionAlreadyStartedException", "another payload"),
        (excluded(&["over-max-price", "no-price"]), 400, "InvalidParameterValueException", "d: it is over-max-price"),
        (excluded(&["over-max-price", "ejected"]), 502, "ResourceNotReadyException", "ejected"),
        (excluded(&["over-max-price", "at-capacity"]), 429, "TooManyRequestsException", "Rate Exceeded."),
        (excluded(&["no-price"]), 502, "ResourceNotReadyException", "no-price"),
        (excluded(&[]), 502, "ResourceNotReadyException", "it has no deployment"),
        (failed(&["connect", "throttled"], true), 502, "ServiceException", "d: connect, d: throttled"),
        (failed(&["throttled"], true), 429, "TooManyRequestsException", "it broke"),
        (late(true), 504, "ServiceException", "3456 ms"),
        (Refusal::Internal("a bug".to_owned()), 500, "ServiceException", "a bug"),
    ] {
        let (found, name, body, headers) = answered(&refusal).await;
        assert_eq!((found, name.as_str()), (status, code), "{refusal:?}");
        let message = body["message"].as_str().or(body["Message"].as_str()).unwrap_or_default();
        assert!(message.contains(words), "{refusal:?}: {body}");
        assert_eq!(body["__type"], code, "{body}");
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers["x-merit-problem"], problem::word(&refusal));
        if status == 429 {
            assert!(body["Reason"].is_string() && headers.contains_key("retry-after"), "{refusal:?}: {body}");
        }
    }
}

#[tokio::test]
async fn throttles_say_which_limit_was_met() {
    for (refusal, reason) in [
        (excluded(&["at-capacity"]), "ReservedFunctionConcurrentInvocationLimitExceeded"),
        (excluded(&["venue-at-capacity"]), "ConcurrentInvocationLimitExceeded"),
        (excluded(&["venue-memory-full"]), "ConcurrentInvocationLimitExceeded"),
        (failed(&["throttled"], true), "ConcurrentInvocationLimitExceeded"),
        (Refusal::RateLimited { scope: "key", limit: 1, retry_after: Micros::ZERO }, "CallerRateLimitExceeded"),
    ] {
        assert_eq!(answered(&refusal).await.2["Reason"], reason);
    }
}

#[tokio::test]
async fn what_may_have_run_is_no_error_that_an_sdk_repeats() {
    for (refusal, kind, words) in [
        (failed(&["connection-cut"], false), "Merit.OutcomeUnknown", "may have run"),
        (late(false), "Sandbox.Timedout", "Task timed out after 3.45 seconds"),
    ] {
        let (status, name, body, headers) = answered(&refusal).await;
        assert_eq!((status, name.as_str()), (200, ""));
        assert_eq!(headers["x-amz-function-error"], "Unhandled");
        assert_eq!(body["errorType"], kind);
        assert!(body["errorMessage"].as_str().is_some_and(|message| message.contains(words)), "{body}");
    }
}
