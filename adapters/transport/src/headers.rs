//! What every request of a call says besides what its cloud asks for.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};
use merit_venue::{Call, meter_header};
use tokio::time::Instant;

const INVOCATION_ID: HeaderName = HeaderName::from_static(meter_header::INVOCATION_ID);
const ATTEMPT: HeaderName = HeaderName::from_static(meter_header::ATTEMPT);
const DEADLINE_MS: HeaderName = HeaderName::from_static(meter_header::DEADLINE_MS);
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// `user-agent` of requests to venues.
pub const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("merit/", env!("CARGO_PKG_VERSION")));

/// The caller's own headers, where it sent a request of plain HTTP. Those that are set already win: credentials among them,
/// but not the [`USER_AGENT`] of Merit, since an app looks at its users'.
pub fn beneath(call: &Call, set: &mut HeaderMap) {
    if let Some(http) = &call.http {
        if http.headers.contains_key(header::USER_AGENT) && set.get(header::USER_AGENT) == Some(&USER_AGENT) {
            set.remove(header::USER_AGENT);
        }
        let own = std::mem::replace(set, http.headers.clone());
        // Of one name, the first value replaces the caller's and the next ones are added.
        set.extend(own);
    }
}

/// Which attempt of which invocation it is and how long it may take, and [what is passed on](passed_on).
///
/// # Panics
/// Never: an invocation's id is ASCII.
pub fn of_call(call: &Call, ends: Instant, now: Instant, headers: &mut HeaderMap) {
    let id = HeaderValue::from_bytes(&call.invocation.text()).expect("invariant: an invocation id is ASCII");
    headers.insert(INVOCATION_ID, id);
    headers.insert(ATTEMPT, HeaderValue::from(u16::from(call.attempt)));
    let left = ends.saturating_duration_since(now).as_millis();
    headers.insert(DEADLINE_MS, HeaderValue::from(u64::try_from(left).unwrap_or(u64::MAX)));
    passed_on(call, headers);
}

/// The payload's media type and the trace context, as the caller gave them.
pub fn passed_on(call: &Call, headers: &mut HeaderMap) {
    for (name, value) in
        [(header::CONTENT_TYPE, &call.content_type), (TRACEPARENT, &call.traceparent), (TRACESTATE, &call.tracestate)]
    {
        if let Some(value) = value {
            headers.insert(name, value.clone());
        }
    }
}
