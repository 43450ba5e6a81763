//! The one conversion from refusals to what a client sees: RFC 9457 problem documents.
//!
//! Everything the log should know and the client should not is dropped here.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use merit_units::InvocationId;
use merit_wire::{BudgetRefusal, Problem};

use crate::doors::native;
use crate::keys::RateLeft;
use crate::refusal::Refusal;

/// The media type of a problem document.
pub const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A refusal as the response a client gets.
#[must_use]
pub fn response(refusal: &Refusal, request_id: InvocationId) -> Response<Full<Bytes>> {
    let problem = document(refusal, request_id);
    let body = serde_json::to_vec(&problem).expect("invariant: a problem document is serialisable");
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = StatusCode::from_u16(problem.status).expect("invariant: statuses are listed below");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
    if let Some(seconds) = retry_after_seconds(refusal) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    match refusal {
        Refusal::Unauthenticated(_) => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"merit\""));
        }
        Refusal::RateLimited { limit, .. } => {
            native::tell_rate(headers, RateLeft { per_second: *limit, remaining: 0 });
        }
        // The rest of the payload is not read, so the connection can't be used again.
        Refusal::PayloadTooLarge { .. } | Refusal::UrlTooLong { .. } | Refusal::HeadersTooLarge { .. } => {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        _ => {}
    }
    response
}

/// The stable word of a refusal's problem type.
#[must_use]
pub fn word(refusal: &Refusal) -> &'static str {
    classify(refusal).1
}

fn document(refusal: &Refusal, request_id: InvocationId) -> Problem {
    let (status, kind, title, retryable) = classify(refusal);
    let mut problem = Problem {
        kind: format!("/problems/{kind}"),
        title: title.to_owned(),
        status,
        detail: refusal.to_string(),
        request_id: request_id.to_string(),
        retryable,
        ..Problem::default()
    };
    match refusal {
        Refusal::UnknownFunction { near, .. } | Refusal::Unknown { near, .. } => problem.near.clone_from(near),
        Refusal::NoEligibleVenue { exclusions, .. } => problem.exclusions.clone_from(exclusions),
        Refusal::VenuesFailed { attempts, .. } | Refusal::DeadlinePassed { attempts, .. } => {
            problem.attempts.clone_from(attempts);
        }
        Refusal::BudgetExhausted { account, month, budget, spent, held, needed } => {
            problem.budget = Some(BudgetRefusal {
                account: account.to_string(),
                month: month.to_string(),
                budget: budget.to_string(),
                spent: spent.to_string(),
                held: held.to_string(),
                needed: needed.to_string(),
            });
        }
        _ => {}
    }
    problem
}

/// Status, stable kind, title and whether to try again, for each refusal.
fn classify(refusal: &Refusal) -> (u16, &'static str, &'static str, bool) {
    match refusal {
        Refusal::Overloaded { .. } | Refusal::StoreBehind { .. } | Refusal::StoreBusy => {
            (503, "overloaded", "Overloaded", true)
        }
        Refusal::EventQueueFull { .. } => (503, "event-queue-full", "Too many events wait", true),
        Refusal::Draining => (503, "draining", "Shutting down", true),
        Refusal::Unauthenticated(_) => (401, "unauthenticated", "Not authenticated", false),
        Refusal::Forbidden { .. } | Refusal::NotYourVenue { .. } => (403, "forbidden", "Not allowed", false),
        Refusal::RateLimited { .. } => (429, "rate-limited", "Too many calls", true),
        Refusal::TooManyChanges(_) => (429, "rate-limited", "Sent too fast", true),
        Refusal::TooManyReaders { .. } => (429, "too-many-readers", "Too many readers", true),
        Refusal::UnknownFunction { .. } => (404, "unknown-function", "No such function", false),
        Refusal::Unknown { .. } => (404, "not-found", "Not found", false),
        Refusal::MalformedTerms { .. } => (400, "malformed-terms", "Malformed terms", false),
        Refusal::BadRequest(_) => (400, "bad-request", "Bad request", false),
        Refusal::MethodNotAllowed { .. } => (405, "method-not-allowed", "Method not allowed", false),
        Refusal::PayloadTooLarge { .. } => (413, "payload-too-large", "Payload too large", false),
        Refusal::UrlTooLong { .. } => (414, "url-too-long", "Path and query too long", false),
        Refusal::HeadersTooLarge { .. } => (431, "headers-too-large", "Headers too large", false),
        Refusal::IdempotencyInFlight => (409, "idempotency-in-flight", "Still running", true),
        Refusal::IdempotencyOutcomeUnknown => (409, "idempotency-outcome-unknown", "Outcome unknown", false),
        Refusal::IdempotencyMismatch => (422, "idempotency-mismatch", "Another payload", false),
        Refusal::NoEligibleVenue { .. } => (422, "no-eligible-venue", "No eligible venue", false),
        Refusal::BudgetExhausted { .. } => (402, "budget-exhausted", "Budget exhausted", false),
        Refusal::VenuesFailed { retryable, .. } => (502, "venues-failed", "Every venue failed", *retryable),
        Refusal::DeadlinePassed { retryable, .. } => (504, "deadline-passed", "Deadline passed", *retryable),
        Refusal::Internal(_) => (500, "internal", "Internal error", false),
    }
}

/// Whole seconds after which to try again, where that is known.
pub(super) fn retry_after_seconds(refusal: &Refusal) -> Option<u64> {
    match refusal {
        Refusal::Overloaded { .. }
        | Refusal::StoreBehind { .. }
        | Refusal::StoreBusy
        | Refusal::Draining
        | Refusal::TooManyChanges(_)
        | Refusal::IdempotencyInFlight => Some(1),
        Refusal::EventQueueFull { .. } => Some(10),
        Refusal::RateLimited { retry_after, .. } => Some(retry_after.get().div_ceil(1_000_000).max(1)),
        _ => None,
    }
}
