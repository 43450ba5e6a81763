//! One delivery: an event is read, its function called through the stages or its record posted, and what follows from
//! it written.
//!
//! A delivery that is cut off, because the broker stops, writes nothing: its event is due at the next start, as it was.

use std::sync::Arc;

use bytes::Bytes;
use merit_store::StoreError;
use merit_store::record::{
    Event, EventBody, EventCount, EventDelivery, EventNext, EventOutcome, EventRow, EventState, QueuedEvent,
};
use merit_units::{InvocationId, Micros};

use super::envelope::Envelope;
use super::outcome::{self, Class, Condition};
use super::record::{self, Response};
use super::rules::{Destination, Rules};
use super::schedule::LaneHealth;
use crate::Broker;
use crate::admit::{self, EventCall};
use crate::refusal::Refusal;
use crate::settle::{Replied, Settled};
use crate::{dispatch, quote};

/// How long a write that the disk refused waits for its next try.
const WRITE_AGAIN: std::time::Duration = std::time::Duration::from_millis(200);

/// Functions and URLs a record may have come through before it: beyond it, destinations that feed each other are
/// taken for a circle. AWS Lambda stops such circles after 16 calls, too.
const MAX_HOPS: u32 = 16;

/// How a delivery ended.
struct Ended {
    class: Class,
    /// A stable word for the event's history.
    result: &'static str,
    error: Option<String>,
    invocation: Option<InvocationId>,
    response: Option<Response>,
    health: LaneHealth,
}

/// Delivers an event once. What it showed of its lane; nothing when it was cut off or could not be read, so that
/// nothing was written and it is still to be delivered.
pub(super) async fn deliver(broker: &Arc<Broker>, id: InvocationId) -> Option<LaneHealth> {
    let store = broker.store.clone();
    let read = tokio::task::spawn_blocking(move || store.queued_event(id)).await;
    let event = match read.map_err(|error| error.to_string()).and_then(|read| read.map_err(|error| error.to_string())) {
        Ok(Some(event)) => event,
        // Dropped while it waited.
        Ok(None) => {
            broker.events.forget_one(id);
            return Some(LaneHealth::Unknown);
        }
        Err(error) => {
            tracing::error!(event = %id, error, "an event could not be read; it is tried again");
            return None;
        }
    };
    let Event { row, body } = event;
    let payload = Bytes::from(body.payload);
    if broker.clock.now() >= row.expires_at {
        let error = row.error.clone().or_else(|| Some("its time was over before it was delivered".to_owned()));
        finish(broker, &row, &body.envelope, &payload, Ending { delivered: None, error, expired: true }).await;
        return Some(LaneHealth::Unknown);
    }
    let delivery = async {
        match &row.url {
            Some(url) => Some(post(broker, url, &row, payload.clone()).await),
            None => call(broker, &row, &body.envelope, payload.clone()).await,
        }
    };
    let ended = tokio::select! {
        ended = delivery => ended?,
        () = broker.cut() => return None,
    };
    let (health, error) = (ended.health, ended.error.clone());
    finish(broker, &row, &body.envelope, &payload, Ending { delivered: Some(ended), error, expired: false }).await;
    Some(health)
}

/// Calls the function, as an invocation of its own; not at all when the broker drains.
async fn call(broker: &Arc<Broker>, row: &EventRow, envelope: &str, payload: Bytes) -> Option<Ended> {
    let id = broker.new_invocation();
    match through_the_stages(broker, id, row, envelope, payload).await {
        Ok(Settled::Replied(replied)) => Some(replied_ended(id, *replied)),
        Ok(Settled::Refused(refused)) => Some(refused_ended(Some(id), &refused.refusal)),
        Err((_, Refusal::Draining)) => None,
        // A refusal before the stages leaves no receipt.
        Err((admitted, refusal)) => Some(refused_ended(admitted.then_some(id), &refusal)),
    }
}

/// The error tells whether the call was admitted: then there is a receipt.
async fn through_the_stages(
    broker: &Arc<Broker>,
    id: InvocationId,
    row: &EventRow,
    envelope: &str,
    payload: Bytes,
) -> Result<Settled, (bool, Refusal)> {
    let before = |refusal| (false, refusal);
    let fault = |error: String| before(Refusal::Internal(error));
    let function = broker.functions.get(row.function.as_str()).map_err(before)?;
    let account = broker.store.open_account(&row.account).await.map_err(|error| fault(error.to_string()))?;
    let key = broker.keys.of_event(&row.key, &row.account, account);
    let envelope = Envelope::read(envelope).map_err(fault)?;
    let mut stated = envelope.stated(broker.clock.now()).map_err(fault)?;
    // Nobody waits: a delivery may take as long as any call may.
    stated.deadline = stated.deadline.or(Some(broker.settings.load().max_timeout));
    let call = EventCall { id, event: row.id, key, function, stated, headers: envelope.headers(), payload };
    let admitted = admit::admit_event(broker, call).map_err(before)?;
    // Terms that name what is gone are refused before anything is written.
    let told = |refusal| (!matches!(refusal, Refusal::MalformedTerms { .. }), refusal);
    let quoted = quote::quote(Arc::clone(broker), admitted).await.map_err(told)?;
    Ok(dispatch::dispatch(quoted).await)
}

fn replied_ended(id: InvocationId, replied: Replied) -> Ended {
    let reply = replied.reply;
    let error = reply.function_error.as_ref().map(|error| format!("{}: {}", error.kind, error.message));
    let (class, result) = match &error {
        None => (Class::Delivered, "ok"),
        Some(_) => (Class::FunctionError, "function-error"),
    };
    let response = Response {
        // Lambda's own calls answer 200 also when the function failed.
        status: 200,
        version: reply.version,
        function_error: error.is_some().then(|| "Unhandled".to_owned()),
        payload: reply.payload,
    };
    Ended { class, result, error, invocation: Some(id), response: Some(response), health: LaneHealth::Well }
}

fn refused_ended(invocation: Option<InvocationId>, refusal: &Refusal) -> Ended {
    let attempts = match refusal {
        Refusal::VenuesFailed { attempts, .. } | Refusal::DeadlinePassed { attempts, .. } => attempts.as_slice(),
        _ => &[],
    };
    // Lambda counts a function that takes too long among the function's errors.
    let timed_out = attempts.last().is_some_and(|last| last.result == "timeout" && last.outcome != "not-started");
    let health = match refusal {
        _ if timed_out => LaneHealth::Well,
        Refusal::VenuesFailed { .. } | Refusal::Overloaded { .. } | Refusal::StoreBehind { .. } => LaneHealth::Trouble,
        Refusal::UnknownFunction { .. } | Refusal::Internal(_) => LaneHealth::Trouble,
        Refusal::NoEligibleVenue { exclusions, .. } if exclusions.iter().any(|one| is_of_the_lane(&one.reason)) => {
            LaneHealth::Trouble
        }
        _ => LaneHealth::Unknown,
    };
    Ended {
        class: if timed_out { Class::FunctionError } else { Class::Refused },
        result: if timed_out { "timeout" } else { crate::doors::problem::word(refusal) },
        error: Some(refusal.to_string()),
        invocation,
        response: None,
        health,
    }
}

/// Whether a deployment was excluded for what it is, and not for this event's terms.
fn is_of_the_lane(reason: &str) -> bool {
    matches!(reason, "at-capacity" | "ejected" | "no-price" | "stale-price" | "no-exchange-rate" | "disabled")
}

/// Posts a record to an HTTP destination.
async fn post(broker: &Broker, url: &str, row: &EventRow, payload: Bytes) -> Ended {
    let limits = broker.settings.load().events;
    let posted = broker.events.destinations.post(url, row, payload, &limits).await;
    let (class, result, health) = match &posted {
        Ok(()) => (Class::Delivered, "ok", LaneHealth::Well),
        Err(_) => (Class::Refused, "destination-failed", LaneHealth::Trouble),
    };
    Ended { class, result, error: posted.err(), invocation: None, response: None, health }
}

/// What is written after a delivery, or instead of one.
struct Ending {
    delivered: Option<Ended>,
    error: Option<String>,
    expired: bool,
}

/// Writes what follows from a delivery, and lets the event wait anew or forgets it.
async fn finish(broker: &Arc<Broker>, row: &EventRow, envelope: &str, payload: &Bytes, ending: Ending) {
    let now = broker.clock.now();
    let limits = broker.settings.load().events;
    let function = broker.functions.get(row.function.as_str()).ok();
    let rules = function.map(|function| function.events.clone()).unwrap_or_default();
    let class = ending.delivered.as_ref().map_or(Class::Refused, |ended| ended.class);
    let (next, condition) = if ending.expired {
        (EventNext::Dead, Some(Condition::EventAgeExceeded))
    } else {
        outcome::after(row, class, &rules, &limits, now, fastrand::u64(..))
    };
    let delivery = ending.delivered.as_ref().map(|ended| EventDelivery {
        number: row.deliveries + 1,
        at: now,
        invocation: ended.invocation,
        result: ended.result.to_owned(),
        error: ended.error.clone(),
    });
    let response = ending.delivered.and_then(|ended| ended.response);
    let end = condition.map(|condition| record::End {
        row,
        payload,
        condition,
        deliveries: row.deliveries + u32::from(delivery.is_some()),
        error: ending.error.as_deref(),
        response: response.as_ref(),
        at: now,
    });
    let record = end.and_then(|end| told(broker, &end, envelope, &rules));
    let queued = record.as_ref().map(|record| QueuedEvent::from(&record.row));
    let count = delivery.as_ref().map_or(EventCount::Nothing, |_| class.count());
    let outcome = EventOutcome { id: row.id, delivery, count, next, at: now, error: ending.error, record };
    if !write(broker, &outcome).await {
        // Dropped while it was delivered, or the store is closed: then the next start delivers it again.
        broker.events.forget_one(row.id);
        return;
    }
    broker.metrics.events.ended(next, class.word());
    match next {
        EventNext::Again { due_at } => {
            let again = QueuedEvent { due_at, ..QueuedEvent::from(row) };
            broker.events.add(&[again], limits.max_running_per_lane);
        }
        EventNext::Delivered => broker.events.forget_one(row.id),
        EventNext::Dead => {
            tracing::warn!(
                event = %row.id, function = %row.function, error = outcome.error.as_deref().unwrap_or_default(),
                "an event is given up; see `merit async list --state dead`"
            );
            broker.events.died(row);
        }
    }
    if queued.is_some() {
        broker.metrics.events.accepted.inc();
        broker.events.add(queued.as_slice(), limits.max_running_per_lane);
    }
}

/// Writes until the disk takes it: what ran must not be forgotten. Whether the event was still there.
async fn write(broker: &Broker, outcome: &EventOutcome) -> bool {
    loop {
        match broker.store.end_delivery(outcome.clone()).await {
            Ok(kept) => return kept,
            Err(StoreError::Closed) => return false,
            Err(error) => {
                tracing::error!(event = %outcome.id, %error, "the end of a delivery could not be written; trying again");
                tokio::time::sleep(WRITE_AGAIN).await;
            }
        }
    }
}

/// The record for the event's destination, as an event of its own.
fn told(broker: &Broker, end: &record::End<'_>, envelope: &str, rules: &Rules) -> Option<Event> {
    let row = end.row;
    // The end of a record's own delivery is nobody's news.
    if row.url.is_some() {
        return None;
    }
    let destination = match end.condition {
        Condition::Success => rules.on_success.as_ref()?,
        Condition::RetriesExhausted | Condition::EventAgeExceeded => rules.on_failure.as_ref()?,
    };
    let hops = Envelope::read(envelope).map_or(0, |envelope| envelope.hops) + 1;
    if hops > MAX_HOPS {
        tracing::warn!(event = %row.id, function = %row.function, "its destinations go in a circle: it is told to none");
        return None;
    }
    let limits = broker.settings.load().events;
    let payload = record::record(end, limits.max_payload_bytes);
    let envelope = Envelope::of_record(hops).to_json();
    let max_age = |function: &str| {
        broker.functions.get(function).ok().and_then(|function| function.events.max_age).unwrap_or(limits.max_age)
    };
    let (function, url, max_age): (_, _, Micros) = match destination {
        Destination::Function(function) => (function.clone(), None, max_age(function.as_str())),
        Destination::Url(url) => (row.function.clone(), Some(url.to_string()), limits.max_age),
    };
    let row = EventRow {
        id: broker.new_invocation(),
        state: EventState::Queued,
        next_at: end.at,
        at: end.at,
        function,
        url,
        account: row.account.clone(),
        key: row.key.clone(),
        max_age,
        expires_at: end.at + max_age,
        deliveries: 0,
        function_errors: 0,
        refusals: 0,
        bytes: (envelope.len() + payload.len()) as u64,
        error: None,
    };
    Some(Event { row, body: EventBody { envelope, payload } })
}
