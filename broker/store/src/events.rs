//! Events: on disk before their sender is answered, and until they are delivered, dropped or past their time.
//!
//! Invariants: an event and what follows from its delivery (the next due time, or the record for its destination)
//! change in one transaction, so no stop in between loses either. Who delivers is the broker's affair: the store
//! knows no delivery that is under way, so after a stop every queued event is due as it was.
//!
//! Known limitation: lists filtered by function read the index of all events in that state.

use merit_units::{AccountId, FunctionId, InvocationId, KeyId, Micros, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use crate::receipts::id_bytes;
use crate::record::{
    Event, EventBody, EventCount, EventCursor, EventDelivery, EventFilter, EventNext, EventOutcome, EventRow,
    EventState, EventTotals, QueuedEvent,
};
use crate::{Durable, Store, StoreError};

const COLUMNS: &str = "id, state, next_at, at, function, url, account, key, max_age_us, expires_at, deliveries, \
     function_errors, refusals, bytes, error";

impl Store {
    /// Stores an event. Whether its id was free.
    pub fn enqueue_event(&self, event: Event) -> Durable<bool> {
        self.write(move |connection| insert(connection, &event))
    }

    /// Every queued event, the one that is due first first. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn queued_events(&self) -> Result<Vec<QueuedEvent>, StoreError> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(&format!("SELECT {COLUMNS} FROM event WHERE state = ?1 ORDER BY next_at, id"))?;
            let rows = statement.query_and_then([EventState::Queued.code()], row)?;
            rows.map(|row: Result<EventRow, StoreError>| Ok(QueuedEvent::from(&row?))).collect()
        })
    }

    /// A queued event with its payload; none when it has ended or was dropped. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn queued_event(&self, id: InvocationId) -> Result<Option<Event>, StoreError> {
        self.read(|connection| {
            let transaction = connection.unchecked_transaction()?;
            let Some(row) = find(&transaction, id)?.filter(|row| row.state == EventState::Queued) else {
                return Ok(None);
            };
            let mut statement = transaction.prepare_cached("SELECT envelope, payload FROM event_body WHERE id = ?1")?;
            let body = statement
                .query_row([id_bytes(id)], |row| Ok(EventBody { envelope: row.get(0)?, payload: row.get(1)? }))?;
            Ok(Some(Event { row, body }))
        })
    }

    /// An event and its deliveries, the first one first. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn event(&self, id: InvocationId) -> Result<Option<(EventRow, Vec<EventDelivery>)>, StoreError> {
        self.read(|connection| {
            let transaction = connection.unchecked_transaction()?;
            let Some(row) = find(&transaction, id)? else { return Ok(None) };
            let mut statement = transaction.prepare_cached(
                "SELECT number, at, invocation, result, error FROM event_delivery WHERE event = ?1 ORDER BY number",
            )?;
            let deliveries = statement.query_map([id_bytes(id)], delivery)?.collect::<Result<_, _>>()?;
            Ok(Some((row, deliveries)))
        })
    }

    /// Up to `limit` events in order of state and of what is due or ended first, behind `after`. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn events(
        &self,
        filter: &EventFilter,
        after: Option<EventCursor>,
        limit: u32,
    ) -> Result<Vec<EventRow>, StoreError> {
        let mut chosen = Chosen::by(filter);
        if let Some(EventCursor { state, next_at, id }) = after {
            chosen.and("(state, next_at, id) > (?, ?, ?)", [state.code().into(), micros(next_at), bytes(id)]);
        }
        self.read(|connection| chosen.select(connection, limit))
    }

    /// How many events are in a state. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn event_totals(&self, state: EventState) -> Result<EventTotals, StoreError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT COUNT(*), COALESCE(SUM(bytes), 0) FROM event WHERE state = ?1")?;
            let totals = |row: &Row<'_>| Ok(EventTotals { events: row.get(0)?, bytes: row.get(1)? });
            Ok(statement.query_row([state.code()], totals)?)
        })
    }

    /// Writes the end of a delivery. Whether the event was still queued; otherwise nothing is written.
    pub fn end_delivery(&self, outcome: EventOutcome) -> Durable<bool> {
        self.write(move |connection| end(connection, &outcome))
    }

    /// Queues dead letters anew, due at `now` and with their whole time before them: up to `limit` of those that the
    /// filter means, whatever its state. Which.
    pub fn redrive_events(&self, filter: &EventFilter, now: Timestamp, limit: u32) -> Durable<Vec<QueuedEvent>> {
        let filter = EventFilter { state: Some(EventState::Dead), ..filter.clone() };
        self.write(move |connection| {
            let mut rows = Chosen::by(&filter).select(connection, limit)?;
            let mut update = connection.prepare_cached(
                "UPDATE event SET state = ?2, next_at = ?3, expires_at = ?4, function_errors = 0, refusals = 0 WHERE id = ?1",
            )?;
            for row in &mut rows {
                row.next_at = now;
                let expires_at = (now + row.max_age).micros();
                update.execute((id_bytes(row.id), EventState::Queued.code(), now.micros(), expires_at))?;
            }
            Ok(rows.iter().map(QueuedEvent::from).collect())
        })
    }

    /// Forgets up to `limit` events that the filter means. Which, as they were.
    pub fn drop_events(&self, filter: &EventFilter, limit: u32) -> Durable<Vec<EventRow>> {
        let filter = filter.clone();
        self.write(move |connection| {
            let rows = Chosen::by(&filter).select(connection, limit)?;
            delete(connection, &rows)?;
            Ok(rows)
        })
    }

    /// Forgets up to `limit` events that ended in `state` before a time, the oldest first. Which, as they were.
    pub fn drop_events_before(&self, state: EventState, before: Timestamp, limit: u32) -> Durable<Vec<EventRow>> {
        self.write(move |connection| {
            let mut chosen = Chosen::by(&EventFilter { state: Some(state), ..EventFilter::default() });
            chosen.and("next_at < ?", [micros(before)]);
            let rows = chosen.select(connection, limit)?;
            delete(connection, &rows)?;
            Ok(rows)
        })
    }
}

/// The rows that a query means. Only what is asked for is in its text: so it takes the index that fits.
struct Chosen {
    text: String,
    values: Vec<Value>,
}

impl Chosen {
    fn by(filter: &EventFilter) -> Self {
        let mut chosen = Self { text: "TRUE".to_owned(), values: Vec::new() };
        chosen.and("id = ?", filter.id.map(bytes));
        chosen.and("state = ?", filter.state.map(|state| state.code().into()));
        chosen.and("account = ?", filter.account.as_ref().map(|account| account.to_string().into()));
        chosen.and("function = ?", filter.function.as_ref().map(|function| function.to_string().into()));
        chosen
    }

    /// Narrows it by a condition, unless there are no values for it.
    fn and(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        let before = self.values.len();
        self.values.extend(values);
        if self.values.len() > before {
            self.text.push_str(" AND ");
            self.text.push_str(condition);
        }
    }

    fn select(self, connection: &Connection, limit: u32) -> Result<Vec<EventRow>, StoreError> {
        let Self { text, values } = self;
        let query = format!("SELECT {COLUMNS} FROM event WHERE {text} ORDER BY state, next_at, id LIMIT {limit}");
        connection.prepare_cached(&query)?.query_and_then(params_from_iter(values), row)?.collect()
    }
}

fn bytes(id: InvocationId) -> Value {
    Value::Blob(id_bytes(id).to_vec())
}

fn micros(at: Timestamp) -> Value {
    Value::Integer(i64::try_from(at.micros()).unwrap_or(i64::MAX))
}

fn delete(connection: &Connection, rows: &[EventRow]) -> Result<(), StoreError> {
    for row in rows {
        let id = id_bytes(row.id);
        for delete in [
            "DELETE FROM event WHERE id = ?1",
            "DELETE FROM event_body WHERE id = ?1",
            "DELETE FROM event_delivery WHERE event = ?1",
        ] {
            connection.prepare_cached(delete)?.execute([id])?;
        }
    }
    Ok(())
}

fn insert(connection: &Connection, event: &Event) -> Result<bool, StoreError> {
    let Event { row, body } = event;
    let mut statement = connection.prepare_cached(&format!(
        "INSERT INTO event ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
         ON CONFLICT (id) DO NOTHING"
    ))?;
    let inserted = statement.execute(params![
        id_bytes(row.id),
        row.state.code(),
        row.next_at.micros(),
        row.at.micros(),
        row.function.as_str(),
        row.url,
        row.account.as_str(),
        row.key.as_str(),
        row.max_age.get(),
        row.expires_at.micros(),
        row.deliveries,
        row.function_errors,
        row.refusals,
        row.bytes,
        row.error,
    ])?;
    if inserted > 0 {
        connection.prepare_cached("INSERT INTO event_body (id, envelope, payload) VALUES (?1, ?2, ?3)")?.execute((
            id_bytes(row.id),
            &body.envelope,
            &body.payload,
        ))?;
    }
    Ok(inserted > 0)
}

fn end(connection: &Connection, outcome: &EventOutcome) -> Result<bool, StoreError> {
    let id = id_bytes(outcome.id);
    let (state, next_at) = match outcome.next {
        EventNext::Delivered => (EventState::Delivered, outcome.at),
        EventNext::Again { due_at } => (EventState::Queued, due_at),
        EventNext::Dead => (EventState::Dead, outcome.at),
    };
    let mut update = connection.prepare_cached(
        "UPDATE event SET state = ?2, next_at = ?3, deliveries = deliveries + ?4,
         function_errors = function_errors + ?5, refusals = CASE WHEN ?6 THEN refusals + 1 ELSE 0 END, error = ?7
         WHERE id = ?1 AND state = ?8",
    )?;
    let delivered = u8::from(outcome.delivery.is_some());
    let queued = EventState::Queued.code();
    let (errors, refused) = match outcome.count {
        EventCount::Nothing => (0, false),
        EventCount::FunctionError => (1, false),
        EventCount::Refusal => (0, true),
    };
    let values = params![id, state.code(), next_at.micros(), delivered, errors, refused, outcome.error, queued];
    if update.execute(values)? == 0 {
        return Ok(false);
    }
    if outcome.next == EventNext::Delivered {
        connection.prepare_cached("DELETE FROM event_body WHERE id = ?1")?.execute([id])?;
    }
    if let Some(delivery) = &outcome.delivery {
        let EventDelivery { number, at, invocation, result, error } = delivery;
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO event_delivery (event, number, at, invocation, result, error)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![id, number, at.micros(), invocation.map(id_bytes), result, error])?;
    }
    if let Some(record) = &outcome.record {
        insert(connection, record)?;
    }
    Ok(true)
}

fn find(connection: &Connection, id: InvocationId) -> Result<Option<EventRow>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM event WHERE id = ?1"))?;
    statement.query_row([id_bytes(id)], |found| Ok(row(found))).optional()?.transpose()
}

fn row(row: &Row<'_>) -> Result<EventRow, StoreError> {
    let code: u8 = row.get(1)?;
    Ok(EventRow {
        id: InvocationId::from_bits(u128::from_be_bytes(row.get(0)?)),
        state: EventState::of_code(code)
            .ok_or(StoreError::Unreadable { what: "event", detail: format!("its state is {code}") })?,
        next_at: Timestamp::from_micros(row.get(2)?),
        at: Timestamp::from_micros(row.get(3)?),
        function: FunctionId::try_new(&row.get::<_, String>(4)?)?,
        url: row.get(5)?,
        account: AccountId::try_new(&row.get::<_, String>(6)?)?,
        key: KeyId::try_new(&row.get::<_, String>(7)?)?,
        max_age: Micros::new(row.get(8)?),
        expires_at: Timestamp::from_micros(row.get(9)?),
        deliveries: row.get(10)?,
        function_errors: row.get(11)?,
        refusals: row.get(12)?,
        bytes: row.get(13)?,
        error: row.get(14)?,
    })
}

fn delivery(row: &Row<'_>) -> rusqlite::Result<EventDelivery> {
    let invocation: Option<[u8; 16]> = row.get(2)?;
    Ok(EventDelivery {
        number: row.get(0)?,
        at: Timestamp::from_micros(row.get(1)?),
        invocation: invocation.map(|bytes| InvocationId::from_bits(u128::from_be_bytes(bytes))),
        result: row.get(3)?,
        error: row.get(4)?,
    })
}
