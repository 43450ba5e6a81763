//! Events as rows: what waits to be delivered, what could not be, and what was.

use merit_units::{AccountId, FunctionId, InvocationId, KeyId, Micros, Timestamp};

/// Where an event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventState {
    /// It waits for its next delivery, or is being delivered.
    Queued,
    /// It was given up: a dead letter.
    Dead,
    /// It was delivered.
    Delivered,
}

impl EventState {
    /// All of them, in the order they are listed in.
    pub const ALL: [Self; 3] = [Self::Queued, Self::Dead, Self::Delivered];

    /// The stable word, as shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Dead => "dead",
            Self::Delivered => "delivered",
        }
    }

    pub(crate) const fn code(self) -> u8 {
        self as u8
    }

    pub(crate) fn of_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }
}

/// An event without its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// What its sender was told.
    pub id: InvocationId,
    /// Where it stands.
    pub state: EventState,
    /// When it is due; for one that has ended, when it ended.
    pub next_at: Timestamp,
    /// When it was accepted.
    pub at: Timestamp,
    /// What is called; for a destination's record, the function it tells of.
    pub function: FunctionId,
    /// Where a destination's record is posted; none when the function is called.
    pub url: Option<String>,
    /// Who pays.
    pub account: AccountId,
    /// The key it came with.
    pub key: KeyId,
    /// How long it is tried.
    pub max_age: Micros,
    /// When it is given up: `max_age` after it was accepted or last redriven.
    pub expires_at: Timestamp,
    /// Deliveries that have ended.
    pub deliveries: u32,
    /// Those that ended in an error of the function's own, since it was accepted or last redriven.
    pub function_errors: u32,
    /// Those in a row, up to the last, in which it did not run for certain.
    pub refusals: u32,
    /// Bytes of its payload and envelope.
    pub bytes: u64,
    /// Why the last delivery failed.
    pub error: Option<String>,
}

/// What is delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventBody {
    /// The terms and headers, as the broker's JSON.
    pub envelope: String,
    /// The payload.
    pub payload: Vec<u8>,
}

/// A whole event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The row.
    pub row: EventRow,
    /// What is delivered.
    pub body: EventBody,
}

/// What is kept in memory of an event that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedEvent {
    /// Which.
    pub id: InvocationId,
    /// When it is due.
    pub due_at: Timestamp,
    /// What is called, or what it tells of.
    pub function: FunctionId,
    /// Where a destination's record is posted.
    pub url: Option<String>,
    /// Bytes of its payload and envelope.
    pub bytes: u64,
}

impl From<&EventRow> for QueuedEvent {
    fn from(row: &EventRow) -> Self {
        Self { id: row.id, due_at: row.next_at, function: row.function.clone(), url: row.url.clone(), bytes: row.bytes }
    }
}

/// One delivery that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventDelivery {
    /// From 1.
    pub number: u32,
    /// When it ended.
    pub at: Timestamp,
    /// The invocation it was, by which its receipt is found; none for a record that was posted.
    pub invocation: Option<InvocationId>,
    /// A stable word, as the broker's.
    pub result: String,
    /// Why it failed.
    pub error: Option<String>,
}

/// What becomes of an event after a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventNext {
    /// It is delivered.
    Delivered,
    /// It is tried again.
    Again {
        /// When.
        due_at: Timestamp,
    },
    /// It is given up.
    Dead,
}

/// How a delivery counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventCount {
    /// As one that did what it should, or as none.
    Nothing,
    /// As an error of the function's own.
    FunctionError,
    /// As one in which it did not run for certain.
    Refusal,
}

/// The end of a delivery, and what follows from it. All of it is written at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventOutcome {
    /// Which event.
    pub id: InvocationId,
    /// The delivery; none when it was given up without another.
    pub delivery: Option<EventDelivery>,
    /// How the delivery counts; nothing without one.
    pub count: EventCount,
    /// What becomes of the event.
    pub next: EventNext,
    /// When.
    pub at: Timestamp,
    /// Why it failed.
    pub error: Option<String>,
    /// The record for its destination.
    pub record: Option<Event>,
}

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only these.
    pub id: Option<InvocationId>,
    /// Only those of this account.
    pub account: Option<AccountId>,
    /// Only those of this function.
    pub function: Option<FunctionId>,
    /// Only those in this state.
    pub state: Option<EventState>,
}

/// Where a page of a list ended; the next one begins behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventCursor {
    /// Of the last event of the page.
    pub state: EventState,
    /// Of the last event of the page.
    pub next_at: Timestamp,
    /// Of the last event of the page.
    pub id: InvocationId,
}

/// How many events there are in one state, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventTotals {
    /// Events.
    pub events: u64,
    /// Bytes of their payloads and envelopes.
    pub bytes: u64,
}
