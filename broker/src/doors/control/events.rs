//! Events: which wait, which were given up, and what to do about those.
//!
//! A key sees and changes its own account's events; `admin` everybody's.

use axum::extract::{Path, State};
use merit_store::record::{EventCursor, EventDelivery, EventFilter, EventRow, EventState};
use merit_units::{AccountId, FunctionId, InvocationId, Timestamp};
use merit_wire::{DeliveryView, EventDetail, EventList, EventSelection, EventView, EventsChanged, Problem};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Body, Caller, Denied, Json, Query, Shared, blocking};
use crate::clock::rfc3339;
use crate::keys::Role;
use crate::refusal::Refusal;

/// Events of a page when nothing else is asked for, and at most.
const PAGE: u32 = 100;
const PAGE_MAX: u32 = 1000;

/// Events changed in one transaction: a short pause for the writer.
const BATCH: u32 = 1000;

/// Which events to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Only those of this function.
    function: Option<String>,
    /// Only those in this state: `queued`, `dead` or `delivered`.
    state: Option<String>,
    /// Only this account's; a key without the role `admin` sees its own only.
    account: Option<String>,
    /// Events of a page, 1 to 1,000; 100 when absent.
    limit: Option<u32>,
    /// Where the page begins: `next` of the one before.
    after: Option<String>,
}

/// Events: queued ones, then dead letters, then delivered ones.
#[utoipa::path(get, path = "/v1/async", tag = "events", params(Which),
    responses((status = 200, body = EventList), (status = 400, body = Problem)))]
pub(super) async fn list(
    State(broker): State<Shared>,
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<Json<EventList>, Denied> {
    let limit = which.limit.unwrap_or(PAGE);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Refusal::BadRequest(format!("limit must be 1 to {PAGE_MAX}, got {limit}")).into());
    }
    let filter = EventFilter {
        id: None,
        account: account(&caller, which.account.as_deref())?,
        function: which.function.as_deref().map(function).transpose()?,
        state: which.state.as_deref().map(state).transpose()?,
    };
    let after = which.after.as_deref().map(read_cursor).transpose()?;
    let store = broker.store.clone();
    let rows = blocking(move || store.events(&filter, after, limit)).await?;
    let full = rows.len() == limit as usize;
    let next = rows.last().filter(|_| full).map(cursor);
    Ok(Json(EventList { events: rows.iter().map(view).collect(), next }))
}

/// One event and its deliveries.
#[utoipa::path(get, path = "/v1/async/{id}", tag = "events",
    params(("id" = String, Path, description = "the event's id, from the header Merit-Invocation-Id of its 202")),
    responses((status = 200, body = EventDetail), (status = 404, body = Problem)))]
pub(super) async fn show(
    State(broker): State<Shared>,
    caller: Caller,
    Path(text): Path<String>,
) -> Result<Json<EventDetail>, Denied> {
    let id = event(&text)?;
    let store = broker.store.clone();
    let found = blocking(move || store.event(id)).await?;
    let (row, deliveries) = found.ok_or_else(|| unknown(&text))?;
    // Whose it is not told to strangers: to them it does not exist.
    if row.account != caller.0.account.id && !caller.0.roles.allow(Role::Admin) {
        return Err(unknown(&text).into());
    }
    Ok(Json(EventDetail { event: view(&row), history: deliveries.iter().map(delivery).collect() }))
}

/// Queues dead letters anew: one by its id, or those of a function. They have their whole time and all retries again.
#[utoipa::path(post, path = "/v1/async/redrive", tag = "events", request_body = EventSelection,
    responses((status = 200, body = EventsChanged), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn redrive(
    State(broker): State<Shared>,
    caller: Caller,
    Body(selection): Body<EventSelection>,
) -> Result<Json<EventsChanged>, Denied> {
    let filter = selected(&caller, &selection)?;
    if filter.state != Some(EventState::Dead) {
        return Err(Refusal::BadRequest("only dead letters can be redriven; leave `state` out".to_owned()).into());
    }
    let bound = broker.settings.load().events.max_running_per_lane;
    let mut events = 0;
    loop {
        let queued = broker.store.redrive_events(&filter, broker.clock.now(), BATCH).await?;
        events += queued.len() as u64;
        broker.events.redriven(&queued, bound);
        if queued.len() < BATCH as usize {
            return changed(&selection, events, "dead letter");
        }
    }
}

/// Forgets events for good: one by its id, or those of a function; dead letters, unless `state` says otherwise.
#[utoipa::path(post, path = "/v1/async/drop", tag = "events", request_body = EventSelection,
    responses((status = 200, body = EventsChanged), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn forget(
    State(broker): State<Shared>,
    caller: Caller,
    Body(selection): Body<EventSelection>,
) -> Result<Json<EventsChanged>, Denied> {
    let mut filter = selected(&caller, &selection)?;
    if selection.id.is_some() && selection.state.is_none() {
        filter.state = None;
    }
    let mut events = 0;
    loop {
        let rows = broker.store.drop_events(&filter, BATCH).await?;
        events += rows.len() as u64;
        broker.events.forget(&rows);
        if rows.len() < BATCH as usize {
            return changed(&selection, events, "event");
        }
    }
}

/// What one selects by id must be there; of a function there may be none.
fn changed(selection: &EventSelection, events: u64, kind: &'static str) -> Result<Json<EventsChanged>, Denied> {
    match &selection.id {
        Some(id) if events == 0 => Err(Refusal::Unknown { kind, name: id.clone(), near: Vec::new() }.into()),
        _ => Ok(Json(EventsChanged { events })),
    }
}

fn selected(caller: &Caller, selection: &EventSelection) -> Result<EventFilter, Denied> {
    let EventSelection { id, function: name, state: word } = selection;
    if id.is_some() == name.is_some() {
        return Err(Refusal::BadRequest("give either `id` or `function`".to_owned()).into());
    }
    Ok(EventFilter {
        id: id.as_deref().map(event).transpose()?,
        account: account(caller, None)?,
        function: name.as_deref().map(function).transpose()?,
        state: Some(word.as_deref().map_or(Ok(EventState::Dead), state)?),
    })
}

/// The account whose events may be seen: everybody's for `admin`, unless one is asked for.
fn account(caller: &Caller, asked: Option<&str>) -> Result<Option<AccountId>, Denied> {
    let asked = asked.map(AccountId::try_new).transpose();
    let asked = asked.map_err(|error| Refusal::BadRequest(error.to_string()))?;
    if caller.0.roles.allow(Role::Admin) {
        return Ok(asked);
    }
    let own = caller.0.account.id.clone();
    if asked.is_some_and(|asked| asked != own) {
        caller.require(Role::Admin)?;
    }
    Ok(Some(own))
}

fn event(text: &str) -> Result<InvocationId, Refusal> {
    text.parse().map_err(|error: merit_units::NameError| Refusal::BadRequest(error.to_string()))
}

fn function(text: &str) -> Result<FunctionId, Refusal> {
    FunctionId::try_new(text).map_err(|error| Refusal::BadRequest(error.to_string()))
}

fn state(text: &str) -> Result<EventState, Refusal> {
    let found = EventState::ALL.into_iter().find(|state| state.word() == text);
    found.ok_or_else(|| Refusal::BadRequest(format!("`{text}` is not a state; use queued, dead or delivered")))
}

fn unknown(id: &str) -> Refusal {
    Refusal::Unknown { kind: "event", name: id.to_owned(), near: Vec::new() }
}

fn cursor(row: &EventRow) -> String {
    format!("{}.{}.{}", row.state.word(), row.next_at.micros(), row.id)
}

fn read_cursor(text: &str) -> Result<EventCursor, Refusal> {
    let refuse = || Refusal::BadRequest(format!("`{text}` is not the `next` of a page"));
    let mut parts = text.splitn(3, '.');
    let mut part = || parts.next().ok_or_else(refuse);
    Ok(EventCursor {
        state: state(part()?).map_err(|_| refuse())?,
        next_at: Timestamp::from_micros(part()?.parse().map_err(|_| refuse())?),
        id: event(part()?).map_err(|_| refuse())?,
    })
}

fn view(row: &EventRow) -> EventView {
    let queued = row.state == EventState::Queued;
    let next_at = rfc3339(row.next_at);
    EventView {
        id: row.id.to_string(),
        state: row.state.word().to_owned(),
        function: row.function.to_string(),
        destination: row.url.clone(),
        account: row.account.to_string(),
        at: rfc3339(row.at),
        due_at: queued.then(|| next_at.clone()),
        ended_at: (!queued).then_some(next_at),
        expires_at: rfc3339(row.expires_at),
        deliveries: row.deliveries,
        function_errors: row.function_errors,
        bytes: row.bytes,
        error: row.error.clone(),
    }
}

fn delivery(delivery: &EventDelivery) -> DeliveryView {
    DeliveryView {
        number: delivery.number,
        at: rfc3339(delivery.at),
        invocation: delivery.invocation.map(|id| id.to_string()),
        result: delivery.result.clone(),
        error: delivery.error.clone(),
    }
}
