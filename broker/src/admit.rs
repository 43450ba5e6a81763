//! The first stage: who is calling, may they, and what do they ask for.
//!
//! Everything here is decided from the request's head, before any of the payload is read.
//! The order of the checks is the precedence that [`Refusal`] documents.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::{HeaderMap, header};
use merit_units::{InvocationId, Timestamp};
use merit_venue::HttpHead;

use crate::Broker;
use crate::clock::Stopwatch;
use crate::dispatch::PassedOn;
use crate::function::Function;
use crate::keys::{Key, RateLeft, Role};
use crate::receipt::Kind;
use crate::refusal::Refusal;
use crate::terms::Stated;

/// An admitted call with its payload. It is boxed where it is made: each stage hands it to the next, and it is large.
pub struct Admitted {
    /// The invocation.
    pub id: InvocationId,
    /// When it was admitted.
    pub at: Timestamp,
    /// Runs since the request's head was read.
    pub stopwatch: Stopwatch,
    /// Who is calling.
    pub key: Arc<Key>,
    /// What is called.
    pub function: Arc<Function>,
    /// The caller's terms.
    pub stated: Stated,
    /// Passed on to the venue.
    pub headers: PassedOn,
    /// What is left of the caller's rate.
    pub rate: RateLeft,
    /// The payload.
    pub payload: Bytes,
    /// The event this is a delivery of, if it is one; of a shadow call the invocation it is compared with.
    pub event: Option<InvocationId>,
    /// Whose call it is.
    pub kind: Kind,
    _ticket: Ticket,
}

/// An admitted call whose payload has not been read.
pub struct Admission(Box<Admitted>);

/// A place among the calls in flight; dropping it gives it back.
pub(crate) struct Ticket(Arc<Broker>);

/// A caller whose key was checked.
pub(crate) struct Arrived {
    /// Its place among the calls in flight.
    pub(crate) ticket: Ticket,
    /// The invocation's id.
    pub(crate) id: InvocationId,
    /// Runs since the request's head was read.
    pub(crate) stopwatch: Stopwatch,
    /// Who is calling.
    pub(crate) key: Arc<Key>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Checks a request's head.
///
/// # Errors
/// A [`Refusal`], the first that applies in its documented precedence.
pub fn admit(
    broker: &Arc<Broker>,
    id: InvocationId,
    stopwatch: Stopwatch,
    function: &str,
    headers: &HeaderMap,
) -> Result<Admission, Refusal> {
    let ticket = enter(broker)?;
    let key = broker.keys.authenticate(headers.get(header::AUTHORIZATION).map(http::HeaderValue::as_bytes))?;
    let content_type = headers.get(header::CONTENT_TYPE).cloned();
    let stated = |at, max_tags| Stated::from_headers(headers, at, max_tags);
    let passed_on = PassedOn::traced(content_type, headers);
    admit_key(broker, Arrived { ticket, id, stopwatch, key }, function, passed_on, stated)
}

/// Checks what a caller may whose key was checked, and what it asks for.
///
/// # Errors
/// As [`admit`], from the role on.
pub(crate) fn admit_key(
    broker: &Broker,
    arrived: Arrived,
    function: &str,
    headers: PassedOn,
    stated: impl FnOnce(Timestamp, usize) -> Result<Stated, Refusal>,
) -> Result<Admission, Refusal> {
    let Arrived { ticket, id, stopwatch, key } = arrived;
    key.require(Role::Invoke)?;
    let rate = key.take_call()?;
    let function = broker.functions.get(function)?;
    let at = broker.clock.now();
    let stated = stated(at, broker.settings.load().max_tags)?;
    let payload = Bytes::new();
    let (event, kind) = (None, Kind::Call);
    let _ticket = ticket;
    let admitted = Admitted { id, at, stopwatch, key, function, stated, headers, rate, payload, event, kind, _ticket };
    Ok(Admission(Box::new(admitted)))
}

/// The delivery of an event, whose caller was checked when it was accepted.
pub struct EventCall {
    /// The invocation.
    pub id: InvocationId,
    /// The event.
    pub event: InvocationId,
    /// Who sent it.
    pub key: Arc<Key>,
    /// What is called.
    pub function: Arc<Function>,
    /// The sender's terms.
    pub stated: Stated,
    /// Passed on to the venue.
    pub headers: PassedOn,
    /// The payload.
    pub payload: Bytes,
}

/// Admits the delivery of an event. Its rate was taken when it was accepted.
///
/// # Errors
/// [`Refusal::Draining`], [`Refusal::Overloaded`] or [`Refusal::StoreBehind`].
pub fn admit_event(broker: &Arc<Broker>, call: EventCall) -> Result<Box<Admitted>, Refusal> {
    let ticket = enter(broker)?;
    let EventCall { id, event, key, function, stated, headers, payload } = call;
    let (at, stopwatch) = (broker.clock.now(), Stopwatch::start());
    let (event, rate, kind) = (Some(event), RateLeft { per_second: 0, remaining: 0 }, Kind::Call);
    let _ticket = ticket;
    Ok(Box::new(Admitted { id, at, stopwatch, key, function, stated, headers, rate, payload, event, kind, _ticket }))
}

/// A call that Merit makes of itself.
pub(crate) struct OwnAdmission {
    /// The invocation.
    pub(crate) id: InvocationId,
    /// What it is made for.
    pub(crate) kind: Kind,
    /// Who pays.
    pub(crate) key: Arc<Key>,
    /// What is called.
    pub(crate) function: Arc<Function>,
    /// Passed on to the venue.
    pub(crate) headers: PassedOn,
    /// The payload.
    pub(crate) payload: Bytes,
    /// The invocation it is compared with.
    pub(crate) of: Option<InvocationId>,
}

/// Admits a call of Merit's own. It has no rate and no terms.
///
/// # Errors
/// [`Refusal::Draining`], [`Refusal::Overloaded`] or [`Refusal::StoreBehind`].
pub(crate) fn admit_own(broker: &Arc<Broker>, own: OwnAdmission) -> Result<Box<Admitted>, Refusal> {
    let _ticket = enter(broker)?;
    let OwnAdmission { id, kind, key, function, headers, payload, of: event } = own;
    let (at, stopwatch, stated) = (broker.clock.now(), Stopwatch::start(), Stated::default());
    let rate = RateLeft { per_second: 0, remaining: 0 };
    Ok(Box::new(Admitted { id, at, stopwatch, key, function, stated, headers, rate, payload, event, kind, _ticket }))
}

impl Admission {
    /// The call with its payload.
    #[must_use]
    pub fn with_payload(mut self, payload: Bytes) -> Box<Admitted> {
        self.0.payload = payload;
        self.0
    }

    /// Without a deadline of the caller's own, as long as the function itself may take: what callers of Lambda expect.
    #[must_use]
    pub(crate) fn waiting_for_the_function(mut self, broker: &Broker) -> Self {
        let wait = self.0.function.timeout.max(broker.settings.load().default_timeout);
        self.0.stated.deadline.get_or_insert(wait);
        self
    }

    /// As a request of plain HTTP.
    #[must_use]
    pub(crate) fn asking(mut self, http: Arc<HttpHead>) -> Self {
        self.0.headers.http = Some(http);
        self
    }

    /// What is left of the caller's rate.
    #[must_use]
    pub const fn rate(&self) -> RateLeft {
        self.0.rate
    }
}

/// Sheds load before doing any work for it: a refusal must be cheap to be of use.
pub(crate) fn enter(broker: &Arc<Broker>) -> Result<Ticket, Refusal> {
    if broker.is_draining() {
        return Err(Refusal::Draining);
    }
    let settings = broker.settings.load();
    let in_flight = broker.in_flight.fetch_add(1, Ordering::Relaxed);
    let ticket = Ticket(Arc::clone(broker));
    if in_flight >= settings.max_in_flight {
        return Err(Refusal::Overloaded { in_flight, limit: settings.max_in_flight });
    }
    // Every call in flight will want room for its receipt.
    let (queued, limit) = (broker.store.receipts_queued(), settings.receipts_queue);
    if queued + in_flight >= limit {
        return Err(Refusal::StoreBehind { queued, limit });
    }
    Ok(ticket)
}
