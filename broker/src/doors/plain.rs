//! The door of plain HTTP: `ANY /fn/{function}/...` passes a request on as it came, to a function that is an app behind a URL.
//!
//! The request is an invocation like any other: its terms are in `Merit-*` headers, and it goes through the same stages.
//! What the venue gets is the method, the path below `/fn/{function}`, the query, the end-to-end headers and the body; what the
//! caller gets is the function's own status, headers and body, with Merit's beside them ([`head`] says which are passed on).
//! Venues whose protocol has no place for a request are excluded (`no-plain-http`). Why it is so: docs/adr/0039.
//!
//! A function's `idempotent` alone says whether a request may be repeated after an unknown outcome, whatever its method.
//!
//! Known limitation: a reply is read whole before it is passed on, there are no WebSockets and no `respond-async`, and
//! places in replies, such as `Location`, are not rewritten.

mod head;

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header as http_header};
use http_body_util::Full;
use hyper::body::Incoming;
use merit_units::InvocationId;
use merit_wire::header;

use crate::Broker;
use crate::admit::{self, Admission, Admitted, Arrived};
use crate::clock::Stopwatch;
use crate::dispatch::PassedOn;
use crate::doors::native::{self, Reply};
use crate::doors::problem;
use crate::refusal::{Refusal, Refused};
use crate::settle::Replied;
use crate::terms::Stated;
use crate::{guest, idempotent, stages};

/// Where it is served.
const PREFIX: &str = "/fn/";

/// Merit's key where `authorization` is the function's.
const AUTHORIZATION: HeaderName = HeaderName::from_static(header::AUTHORIZATION);

/// A path of this door in two: the function, still percent-encoded, and what is below it.
pub(crate) fn parts_of(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix(PREFIX)?;
    let (function, below) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    (!function.is_empty()).then_some((function, below))
}

/// Serves one request from head to reply.
pub async fn serve(broker: Arc<Broker>, request: Request<Incoming>) -> Reply {
    let stopwatch = Stopwatch::start();
    let id = broker.new_invocation();
    let (mut parts, payload) = request.into_parts();
    let admission = match admit(&broker, id, stopwatch, &mut parts) {
        Ok(admission) => admission,
        Err(refusal) => return native::refuse(&broker, &refusal.into(), id, None),
    };
    guest::known(&parts.extensions);
    let rate = admission.rate();
    match run(&broker, admission, parts, payload).await {
        Ok(mut reply) => {
            native::tell_rate(reply.headers_mut(), rate);
            reply
        }
        Err(refused) => native::refuse(&broker, &refused, id, Some(rate)),
    }
}

/// Who is calling, may they, and what do they ask for: all of it from the head.
fn admit(
    broker: &Arc<Broker>,
    id: InvocationId,
    stopwatch: Stopwatch,
    parts: &mut Parts,
) -> Result<Admission, Refusal> {
    let ticket = admit::enter(broker)?;
    let own = parts.headers.remove(AUTHORIZATION);
    let shown = own.or_else(|| parts.headers.remove(http_header::AUTHORIZATION));
    let key = broker.keys.authenticate(shown.as_ref().map(HeaderValue::as_bytes))?;
    let headers = &parts.headers;
    let passed_on = PassedOn::traced(headers.get(http_header::CONTENT_TYPE).cloned(), headers);
    let (function, below) = parts_of(parts.uri.path()).unwrap_or_default();
    let stated = |at, max_tags| Stated::from_headers(headers, at, max_tags);
    let arrived = Arrived { ticket, id, stopwatch, key };
    let admission = admit::admit_key(broker, arrived, function, passed_on, stated)?;
    if [Method::CONNECT, Method::TRACE].contains(&parts.method) {
        let path = parts.uri.path().to_owned();
        return Err(Refusal::MethodNotAllowed { method: parts.method.to_string(), path });
    }
    let limits = head::Limits::of(&broker.settings.load());
    let http = head::read(parts, function, below, limits)?;
    Ok(admission.asking(http))
}

async fn run(broker: &Arc<Broker>, admission: Admission, parts: Parts, payload: Incoming) -> Result<Reply, Refused> {
    let admitted = native::read(broker, admission, payload).await?;
    match idempotent::key(&parts.headers)? {
        None => answer(Arc::clone(broker), admitted).await,
        Some(key) => idempotent::run(broker, admitted, key, Plain).await,
    }
}

/// The stages in order.
async fn answer(broker: Arc<Broker>, admitted: Box<Admitted>) -> Result<Reply, Refused> {
    let head = admitted.headers.http.as_ref().is_some_and(|http| http.method == Method::HEAD);
    stages::run(broker, admitted).await.map(|replied| reply(*replied, head))
}

/// How a call with an idempotency key is run and its reply written here.
struct Plain;

impl idempotent::Door for Plain {
    async fn run(&self, broker: Arc<Broker>, admitted: Box<Admitted>) -> Result<Reply, Refused> {
        answer(broker, admitted).await
    }

    fn refusal(&self, refusal: &Refusal, invocation: InvocationId) -> Reply {
        problem::response(refusal, invocation)
    }
}

/// The function's own answer, with Merit's figures. `head`: it answers HEAD, and its length is that of what GET would get.
fn reply(replied: Replied, head: bool) -> Reply {
    let Replied { reply, account } = replied;
    let mut response = Response::new(Full::new(reply.payload));
    // What no status is can't have come over HTTP.
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = response.headers_mut();
    if let Some(own) = reply.headers {
        *headers = head::answered(*own, head);
    }
    if let Some(error) = &reply.function_error {
        native::tell_error(headers, error);
    }
    native::tell_account(headers, account);
    response
}

#[cfg(test)]
mod tests;
