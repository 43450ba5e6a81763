//! Events: calls that are answered first and delivered afterwards.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An event as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventView {
    /// What its sender was told.
    pub id: String,
    /// `queued` (it waits or is being delivered), `dead` (given up: a dead letter) or `delivered`.
    pub state: String,
    /// What is called; for a destination's record, the function it tells of.
    pub function: String,
    /// Where a destination's record is posted; absent when the function is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// Who pays.
    pub account: String,
    /// When it was accepted.
    pub at: String,
    /// When it is due; absent once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<String>,
    /// When it ended; absent while it is queued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// When it is given up.
    pub expires_at: String,
    /// Deliveries that have ended.
    pub deliveries: u32,
    /// Those that ended in an error of the function's own, since it was accepted or last redriven.
    pub function_errors: u32,
    /// Bytes of its payload, terms and headers.
    pub bytes: u64,
    /// Why the last delivery failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One delivery of an event that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryView {
    /// From 1.
    pub number: u32,
    /// When it ended.
    pub at: String,
    /// The invocation it was, by which its receipt is found; absent when it was not admitted or is a record's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation: Option<String>,
    /// `ok`, `function-error`, `timeout`, `destination-failed`, or the refusal's kind, such as `no-eligible-venue`.
    pub result: String,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// An event and its deliveries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventDetail {
    /// The event.
    #[serde(flatten)]
    pub event: EventView,
    /// Its deliveries, the first one first.
    pub history: Vec<DeliveryView>,
}

/// A page of events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventList {
    /// Queued ones, then dead letters, then delivered ones; each in order of when they are due or ended.
    pub events: Vec<EventView>,
    /// Where the next page begins: give it as `after`. Absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Which events to redrive or drop: one by its id, or those of a function.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventSelection {
    /// This one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Those of this function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Only those in this state. Redriving takes dead letters only, and dropping does unless this says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// How many events a request changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventsChanged {
    /// Events.
    pub events: u64,
}
