//! The request of one call.

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body_util::Full;
use merit_transport::Route;
use merit_venue::{Call, meter_header};
use tokio::time::Instant;

use crate::preset::Preset;
use crate::signature::Signing;

const INVOCATION_ID: HeaderName = HeaderName::from_static(meter_header::INVOCATION_ID);
const ATTEMPT: HeaderName = HeaderName::from_static(meter_header::ATTEMPT);
const DEADLINE_MS: HeaderName = HeaderName::from_static(meter_header::DEADLINE_MS);
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// `POST` with the payload, the configured headers, then what belongs to the call, and its signature under an id.
pub(crate) fn invoke(
    call: &Call,
    route: &Route,
    fixed: &[(HeaderName, HeaderValue)],
    ends: Instant,
    now: Instant,
    signed: Option<(&Signing, &str)>,
    preset: Option<&Preset>,
) -> Request<Full<Bytes>> {
    let mut headers = with_fixed(fixed, &route.host);
    headers.insert(INVOCATION_ID, ascii(&call.invocation.text()));
    headers.insert(ATTEMPT, HeaderValue::from(u16::from(call.attempt)));
    let left = ends.saturating_duration_since(now).as_millis();
    headers.insert(DEADLINE_MS, HeaderValue::from(u64::try_from(left).unwrap_or(u64::MAX)));
    for (name, value) in
        [(header::CONTENT_TYPE, &call.content_type), (TRACEPARENT, &call.traceparent), (TRACESTATE, &call.tracestate)]
    {
        if let Some(value) = value {
            headers.insert(name, value.clone());
        }
    }
    if let Some(preset) = preset {
        preset.tell(call, &mut headers);
    }
    if let Some((signing, id)) = signed {
        signing.sign(id, &call.payload, &mut headers);
    }
    route.request(Method::POST, headers, call.payload.clone())
}

/// `GET` with the configured headers.
pub(crate) fn get(route: &Route, fixed: &[(HeaderName, HeaderValue)]) -> Request<Full<Bytes>> {
    route.request(Method::GET, with_fixed(fixed, &route.host), Bytes::new())
}

fn with_fixed(fixed: &[(HeaderName, HeaderValue)], host: &HeaderValue) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(fixed.len() + 8);
    headers.insert(header::HOST, host.clone());
    for (name, value) in fixed {
        headers.append(name.clone(), value.clone());
    }
    headers
}

fn ascii(text: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(text).expect("invariant: an invocation id is ASCII")
}
