//! The request of one call.

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body_util::Full;
use merit_transport::Route;
use merit_venue::Call;
use tokio::time::Instant;

use crate::preset::Preset;
use crate::signature::Signing;

/// `POST`, or the method the caller sent, with the payload, the caller's headers where they are passed on, the configured
/// ones, then what belongs to the call, and its signature under an id.
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
    merit_transport::headers::of_call(call, ends, now, &mut headers);
    if let Some(preset) = preset {
        preset.tell(call, &mut headers);
    }
    if let Some((signing, id)) = signed {
        signing.sign(id, &call.payload, &mut headers);
    }
    merit_transport::headers::beneath(call, &mut headers);
    route.request(call.method(), headers, call.payload.clone())
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
