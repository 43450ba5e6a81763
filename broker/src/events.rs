//! Events: calls that are acknowledged when they are on disk and delivered afterwards.
//!
//! ```text
//! a door ─▶ enqueue ─▶ store ─▶ schedule ─▶ deliver ─▶ outcome ─▶ store
//!                                  ▲   admit ▸ quote ▸ dispatch ▸ settle ▸ publish   │
//!                                  └──────────────── again ◀─────────────────────────┘
//! ```
//!
//! A delivery is an invocation of its own, with hold, budget and receipt. What follows from it (delivered, again, dead
//! letter, the record for a destination) is written in one transaction.
//!
//! Invariants: an acknowledged event is on disk until it was delivered, given up or dropped by somebody. Delivery is
//! **at least once** (docs/adr/0012): after a stop in the middle of a delivery, or an unknown outcome, the function is
//! called again, idempotent or not. The store knows no delivery that is under way, so a start goes on where the last
//! one stopped.
//!
//! Known limitation: one broker delivers all events of its store; the order of events is not kept.

mod deliver;
mod destination;
mod envelope;
mod outcome;
mod record;
mod rules;
mod schedule;
mod worker;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use merit_store::StoreError;
use merit_store::record::{Event, EventBody, EventRow, EventState, EventTotals, QueuedEvent};
use merit_units::{InvocationId, Micros, Timestamp};
use merit_venue::LambdaContext;
use tokio::sync::Notify;

use crate::Broker;
use crate::admit::Admitted;
use crate::dispatch::PassedOn;
use crate::function::Function;
use crate::keys::Key;
use crate::refusal::Refusal;
use crate::terms::Stated;

pub use rules::{Destination, Rules};
pub use worker::{Kept, run};

use destination::Destinations;
use envelope::Envelope;
use schedule::{LaneName, Schedule};

/// What the sender of an event is told: the id of its request, by which the event is found.
pub type EventId = InvocationId;

/// An event to accept. Its caller has been authenticated and its rate taken.
pub struct NewEvent {
    /// The id of the request.
    pub id: InvocationId,
    /// Who is calling.
    pub key: Arc<Key>,
    /// What is to be called.
    pub function: Arc<Function>,
    /// The terms of each delivery.
    pub stated: Stated,
    /// Passed on to the venue.
    pub headers: PassedOn,
    /// The payload.
    pub payload: Bytes,
    /// How long to try, if not as long as the function says.
    pub max_age: Option<Micros>,
    /// What a caller of the Lambda-compatible door added.
    pub lambda: Option<Arc<LambdaContext>>,
}

impl NewEvent {
    /// An admitted call that is to be delivered later.
    #[must_use]
    pub fn of(admitted: Box<Admitted>) -> Self {
        let Admitted { id, key, function, stated, headers, payload, .. } = *admitted;
        Self { id, key, function, stated, headers, payload, max_age: None, lambda: None }
    }
}

/// The events of a broker, as far as they are in memory.
#[derive(Default)]
pub struct Events {
    state: Mutex<State>,
    /// Something may be due.
    changed: Notify,
    destinations: Destinations,
}

#[derive(Default)]
struct State {
    schedule: Schedule,
    /// Bytes of each queued event, those being delivered included, by id: the first is the oldest.
    queued: BTreeMap<InvocationId, u64>,
    queued_bytes: u64,
    /// Accepted, and not on disk yet.
    arriving: u64,
    arriving_bytes: u64,
    dead: EventTotals,
}

/// How many events wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Queued events, those being delivered included.
    pub events: u64,
    /// Bytes of their payloads and envelopes.
    pub bytes: u64,
    /// Deliveries under way.
    pub running: usize,
    /// How old the oldest is.
    pub oldest_age: Micros,
    /// Dead letters.
    pub dead: u64,
}

impl Events {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many events wait.
    #[must_use]
    pub fn backlog(&self, now: Timestamp) -> Backlog {
        let state = self.lock();
        // The ids are of version 7: their first 48 bits are the milliseconds since 1970.
        let oldest = state.queued.first_key_value().and_then(|(id, _)| u64::try_from(id.bits() >> 80).ok());
        Backlog {
            events: state.queued.len() as u64,
            bytes: state.queued_bytes,
            running: state.schedule.running(),
            dead: state.dead.events,
            oldest_age: oldest.map_or(Micros::ZERO, |millis| now.since(Timestamp::from_micros(millis * 1000))),
        }
    }

    /// Takes room for an event that is about to be written.
    fn reserve(&self, bytes: u64, limits: &Limits) -> Result<(), Refusal> {
        let mut state = self.lock();
        let full = |what, queued, limit, named| Err(Refusal::EventQueueFull { what, queued, limit, named });
        let events = state.queued.len() as u64 + state.arriving;
        if events >= limits.max_queued {
            return full("events", events, limits.max_queued, "events.max_queued");
        }
        let sum = state.queued_bytes + state.arriving_bytes;
        if sum + bytes > limits.max_queued_bytes {
            return full("bytes of events", sum, limits.max_queued_bytes, "events.max_queued_bytes");
        }
        state.arriving += 1;
        state.arriving_bytes += bytes;
        Ok(())
    }

    /// Gives that room back, and lets the event wait if it is on disk.
    fn arrived(&self, bytes: u64, event: Option<&QueuedEvent>, bound: usize) {
        let mut state = self.lock();
        state.arriving -= 1;
        state.arriving_bytes -= bytes;
        if let Some(event) = event {
            state.add(event, bound);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Lets events wait that are on disk.
    fn add(&self, events: &[QueuedEvent], bound: usize) {
        let mut state = self.lock();
        for event in events {
            state.add(event, bound);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Forgets events that are no longer on disk.
    pub(crate) fn forget(&self, rows: &[EventRow]) {
        let mut state = self.lock();
        for row in rows {
            match row.state {
                EventState::Queued => {
                    state.forget(row.id);
                    state.schedule.remove(lane_text(row.url.as_deref(), row.function.as_str()), row.next_at, row.id);
                }
                EventState::Dead => state.dead_less(row.bytes),
                EventState::Delivered => {}
            }
        }
    }

    /// Forgets an event whose delivery has ended.
    fn forget_one(&self, id: InvocationId) {
        self.lock().forget(id);
    }

    /// An event was given up.
    fn died(&self, row: &EventRow) {
        let mut state = self.lock();
        state.forget(row.id);
        state.dead.events += 1;
        state.dead.bytes += row.bytes;
    }

    /// Dead letters were queued anew.
    pub(crate) fn redriven(&self, events: &[QueuedEvent], bound: usize) {
        let mut state = self.lock();
        for event in events {
            state.dead_less(event.bytes);
        }
        drop(state);
        self.add(events, bound);
    }

    /// How long until something is due.
    fn next_in(&self, now: Timestamp) -> Option<std::time::Duration> {
        self.lock().schedule.next_at().map(|at| at.since(now).to_std())
    }

    /// Looks anew at what is due.
    pub(crate) fn wake(&self) {
        self.changed.notify_one();
    }
}

impl State {
    fn add(&mut self, event: &QueuedEvent, bound: usize) {
        if self.queued.insert(event.id, event.bytes).is_none() {
            self.queued_bytes += event.bytes;
        }
        let lane: LaneName = lane_text(event.url.as_deref(), event.function.as_str()).into();
        self.schedule.push(&lane, event.due_at, event.id, bound);
    }

    fn forget(&mut self, id: InvocationId) {
        if let Some(bytes) = self.queued.remove(&id) {
            self.queued_bytes -= bytes;
        }
    }

    const fn dead_less(&mut self, bytes: u64) {
        self.dead.events = self.dead.events.saturating_sub(1);
        self.dead.bytes = self.dead.bytes.saturating_sub(bytes);
    }
}

/// The lane of an event.
const fn lane_text<'a>(url: Option<&'a str>, function: &'a str) -> &'a str {
    match url {
        Some(url) => url,
        None => function,
    }
}

/// The bounds on events, from the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Events that may wait.
    pub max_queued: u64,
    /// Bytes of theirs.
    pub max_queued_bytes: u64,
    /// Bytes of a payload.
    pub max_payload_bytes: usize,
    /// Deliveries at once.
    pub max_running: usize,
    /// Deliveries at once to one function or URL.
    pub max_running_per_lane: usize,
    /// Retries after a function's own error.
    pub max_retries: u32,
    /// How long the first of them waits.
    pub retry_delay: Micros,
    /// How long the first retry of what no venue ran waits.
    pub backoff: Micros,
    /// The longest such wait.
    pub max_backoff: Micros,
    /// How long an event is tried.
    pub max_age: Micros,
    /// How long an HTTP destination may take.
    pub destination_timeout: Micros,
    /// Whether destinations may be on private networks.
    pub private_destinations: bool,
    /// How long ended events are kept.
    pub kept: Kept,
}

/// Accepts an event: it is on disk when this returns, and is delivered from then on whatever becomes of the caller.
///
/// # Errors
/// [`Refusal::PayloadTooLarge`], [`Refusal::MalformedTerms`] for names nobody has, [`Refusal::EventQueueFull`], or
/// [`Refusal::StoreBusy`] and [`Refusal::Internal`] when it could not be written.
pub async fn enqueue(broker: &Arc<Broker>, event: NewEvent) -> Result<EventId, Refusal> {
    let limits = broker.settings.load().events;
    if event.payload.len() > limits.max_payload_bytes {
        return Err(Refusal::PayloadTooLarge { named: "events.max_payload_bytes", limit: limits.max_payload_bytes });
    }
    broker.directory.load().resolve(&event.stated, 0)?;
    let (id, stored) = (event.id, stored(broker, event, &limits));
    let bytes = stored.row.bytes;
    broker.events.reserve(bytes, &limits)?;
    let broker = Arc::clone(broker);
    // Apart from the caller, who may go away while it is written: what is on disk must be delivered.
    let written = tokio::spawn(async move {
        let queued = QueuedEvent::from(&stored.row);
        let written = broker.store.enqueue_event(stored).await;
        let kept = matches!(written, Ok(true)).then_some(&queued);
        broker.metrics.events.accepted.inc_by(u64::from(kept.is_some()));
        broker.events.arrived(bytes, kept, limits.max_running_per_lane);
        written
    });
    match written.await {
        Ok(Ok(true)) => Ok(id),
        Ok(Ok(false)) => Err(Refusal::Internal(format!("there is an event {id} already"))),
        Ok(Err(StoreError::Busy)) => Err(Refusal::StoreBusy),
        Ok(Err(error)) => Err(Refusal::Internal(format!("the event could not be stored: {error}"))),
        Err(error) => Err(Refusal::Internal(format!("the event could not be stored: {error}"))),
    }
}

/// The event as it is written.
fn stored(broker: &Broker, event: NewEvent, limits: &Limits) -> Event {
    let NewEvent { id, key, function, stated, headers, payload, max_age, lambda } = event;
    let at = broker.clock.now();
    let max_age = max_age.or(function.events.max_age).unwrap_or(limits.max_age);
    let lambda = lambda.or_else(|| headers.lambda.clone());
    let envelope = Envelope::of(&stated, &headers, lambda.as_deref()).to_json();
    let row = EventRow {
        id,
        state: EventState::Queued,
        next_at: at,
        at,
        function: function.id.clone(),
        url: None,
        account: key.account.id.clone(),
        key: key.id.clone(),
        max_age,
        expires_at: at + max_age,
        deliveries: 0,
        function_errors: 0,
        refusals: 0,
        bytes: (envelope.len() + payload.len()) as u64,
        error: None,
    };
    Event { row, body: EventBody { envelope, payload: payload.into() } }
}
