//! The native invoke door: `POST /v1/functions/{function}/invocations`.
//!
//! The body is the payload and is passed on unread; terms travel in `Merit-*` headers, and so
//! do the figures of the reply. A function's own error is a reply with status 200 and
//! `Merit-Function-Error`, because the call ran and is charged; what Merit refuses, or what no
//! venue could run, is a problem document. With `Prefer: respond-async` (RFC 7240) the call is
//! answered 202 when it is on disk, and delivered afterwards (see [`crate::events`]).

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header as http_header};
use http_body_util::Full;
use hyper::body::Incoming;
use merit_units::InvocationId;
use merit_venue::FunctionError;
use merit_wire::header;

use crate::Broker;
use crate::admit::{self, Admission, Admitted};
use crate::clock::Stopwatch;
use crate::doors::line::Line;
use crate::doors::problem;
use crate::events::{self, EventId, NewEvent};
use crate::keys::RateLeft;
use crate::refusal::{Refusal, Refused};
use crate::settle::{Replied, ReplyAccount};
use crate::{body, guest, idempotent, server, stages};

/// A reply of the native door.
pub type Reply = Response<Full<Bytes>>;

/// Serves one invocation from head to reply.
pub async fn invoke(broker: Arc<Broker>, request: Request<Incoming>) -> Reply {
    let stopwatch = Stopwatch::start();
    let id = broker.new_invocation();
    let (parts, payload) = request.into_parts();
    let function = server::function_of_path(parts.uri.path()).unwrap_or_default();
    let admission = match admit::admit(&broker, id, stopwatch, function, &parts.headers) {
        Ok(admission) => admission,
        Err(refusal) => return refuse(&broker, &refusal.into(), id, None),
    };
    guest::known(&parts.extensions);
    let rate = admission.rate();
    let served = serve(&broker, admission, &parts.headers, payload).await;
    let mut reply = served.unwrap_or_else(|refused| refuse(&broker, &refused, id, Some(rate)));
    tell_rate(reply.headers_mut(), rate);
    reply
}

async fn serve(
    broker: &Arc<Broker>,
    admission: Admission,
    headers: &HeaderMap,
    payload: Incoming,
) -> Result<Reply, Refused> {
    let admitted = read(broker, admission, payload).await?;
    let when = When::preferred(headers);
    match idempotent::key(headers)? {
        None => run(Arc::clone(broker), admitted, when).await,
        Some(key) => idempotent::run(broker, admitted, key, Native(when)).await,
    }
}

/// Reads an admitted call's payload, within the broker's limit and patience.
pub(super) async fn read(broker: &Broker, admission: Admission, payload: Incoming) -> Result<Box<Admitted>, Refusal> {
    let (limit, patience) = {
        let settings = broker.settings.load();
        (settings.max_payload_bytes, settings.default_timeout.to_std())
    };
    let limit = body::Limit { bytes: limit, named: "server.max_payload_bytes" };
    Ok(admission.with_payload(body::read(payload, limit, patience, |_| {}).await?))
}

/// When a call is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// When it has run.
    Run,
    /// When it is on disk.
    Accepted,
}

impl When {
    fn preferred(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::PREFER).iter().filter_map(|value| value.to_str().ok());
        let mut preferences = values.flat_map(|value| value.split(','));
        let name = |preference: &str| preference.split([';', '=']).next().unwrap_or_default().trim().to_owned();
        if preferences.any(|one| name(one).eq_ignore_ascii_case(RESPOND_ASYNC)) { Self::Accepted } else { Self::Run }
    }
}

/// The stages in order, or the queue in front of them.
///
/// # Errors
/// Why there is no reply.
pub async fn run(broker: Arc<Broker>, admitted: Box<Admitted>, when: When) -> Result<Reply, Refused> {
    if when == When::Accepted {
        return Ok(accepted(Box::pin(events::enqueue(&broker, NewEvent::of(admitted))).await?));
    }
    stages::run(broker, admitted).await.map(|replied| reply(*replied))
}

/// How a call with an idempotency key is run and its reply written here.
struct Native(When);

impl idempotent::Door for Native {
    async fn run(&self, broker: Arc<Broker>, admitted: Box<Admitted>) -> Result<Reply, Refused> {
        run(broker, admitted, self.0).await
    }

    fn refusal(&self, refusal: &Refusal, invocation: InvocationId) -> Reply {
        problem::response(refusal, invocation)
    }
}

pub(super) fn refuse(broker: &Broker, refused: &Refused, id: InvocationId, rate: Option<RateLeft>) -> Reply {
    broker.metrics.refusal(problem::word(&refused.refusal));
    if let Refusal::Internal(message) = &*refused.refusal {
        tracing::error!(request = %refused.invocation.unwrap_or(id), message, "a call failed by a fault of the broker's own");
    }
    let mut response = problem::response(&refused.refusal, refused.invocation.unwrap_or(id));
    if let Some(rate) = rate {
        tell_rate(response.headers_mut(), rate);
    }
    response
}

/// The answer to an event: where to ask what became of it.
fn accepted(id: EventId) -> Reply {
    let body = format!(r#"{{"id":"{id}","state":"queued"}}"#);
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = StatusCode::ACCEPTED;
    let headers = response.headers_mut();
    headers.insert(http_header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(INVOCATION_ID, HeaderValue::from_bytes(&id.text()).unwrap_or(EMPTY));
    headers.insert(http_header::LOCATION, value(&format!("/v1/async/{id}")));
    headers.insert(PREFERENCE_APPLIED, HeaderValue::from_static(RESPOND_ASYNC));
    response
}

fn reply(replied: Replied) -> Reply {
    let Replied { reply, account } = replied;
    let mut response = Response::new(Full::new(reply.payload));
    let headers = response.headers_mut();
    headers.reserve(12);
    if let Some(content_type) = reply.content_type {
        headers.insert(http_header::CONTENT_TYPE, content_type);
    }
    if let Some(error) = &reply.function_error {
        tell_error(headers, error);
    }
    tell_account(headers, account);
    response
}

/// That the function reported an error of its own.
pub(super) fn tell_error(headers: &mut HeaderMap, error: &FunctionError) {
    let kind: String = error.kind.chars().filter(|c| c.is_ascii_graphic()).collect();
    headers.insert(FUNCTION_ERROR, value(&kind));
}

/// Where the call ran, and its figures.
pub(super) fn tell_account(headers: &mut HeaderMap, account: ReplyAccount) {
    let ReplyAccount { invocation, deployment, charge, attempts, overhead, duration } = account;
    headers.insert(INVOCATION_ID, HeaderValue::from_bytes(&invocation.text()).unwrap_or(EMPTY));
    headers.insert(VENUE, deployment.venue.shown.clone());
    headers.insert(DEPLOYMENT, deployment.shown.clone());
    headers.insert(CHARGE, Line::new().shown(charge).value());
    headers.insert(ATTEMPTS, HeaderValue::from(attempts));
    headers.insert(OVERHEAD_US, HeaderValue::from(overhead.get()));
    let at_venues = duration.saturating_sub(overhead);
    let timing = Line::new().text("merit;dur=").millis(overhead).text(", venue;dur=").millis(at_venues);
    // A function behind a URL may have timings of its own.
    headers.append(SERVER_TIMING, timing.value());
}

const RESPOND_ASYNC: &str = "respond-async";
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static(header::PREFERENCE_APPLIED);
const INVOCATION_ID: HeaderName = HeaderName::from_static(header::INVOCATION_ID);
const VENUE: HeaderName = HeaderName::from_static(header::VENUE);
const DEPLOYMENT: HeaderName = HeaderName::from_static(header::DEPLOYMENT);
const CHARGE: HeaderName = HeaderName::from_static(header::CHARGE);
const ATTEMPTS: HeaderName = HeaderName::from_static(header::ATTEMPTS);
const OVERHEAD_US: HeaderName = HeaderName::from_static(header::OVERHEAD_US);
const FUNCTION_ERROR: HeaderName = HeaderName::from_static(header::FUNCTION_ERROR);
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The rate in the form of the IETF's RateLimit header fields draft: quota a second, and what is left of the burst.
pub(super) fn tell_rate(headers: &mut HeaderMap, rate: RateLeft) {
    let policy = Line::new().text("\"calls\";q=").number(rate.per_second).text(";w=1");
    headers.append(RATE_LIMIT_POLICY, policy.value());
    let left = Line::new().text("\"calls\";r=").number(rate.remaining).text(";t=1");
    headers.append(RATE_LIMIT, left.value());
}

/// A header value of text known to be ASCII.
pub(super) fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(EMPTY)
}

pub(super) const EMPTY: HeaderValue = HeaderValue::from_static("");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preference_is_found_among_others() {
        let when = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::PREFER, HeaderValue::from_str(value).unwrap());
            }
            When::preferred(&headers)
        };
        for values in
            [&["respond-async"][..], &["Respond-Async; wait=10"], &["wait=5, respond-async"], &["a", "respond-async"]]
        {
            assert_eq!(when(values), When::Accepted, "{values:?}");
        }
        for values in [&[][..], &["return=minimal"], &["x-respond-async"], &["wait=respond-async"]] {
            assert_eq!(when(values), When::Run, "{values:?}");
        }
    }
}
