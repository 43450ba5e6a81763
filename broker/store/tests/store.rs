//! The store through its public door: what it keeps, what it refuses to open, and what a full disk or queue does.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "store/catalog.rs"]
mod catalog;
#[path = "store/equivalence.rs"]
mod equivalence;
#[path = "store/events.rs"]
mod events;
#[path = "store/fixture.rs"]
mod fixture;
#[path = "store/idempotency.rs"]
mod idempotency;
#[path = "store/journal.rs"]
mod journal;
#[path = "store/open.rs"]
mod open;
#[path = "store/pressure.rs"]
mod pressure;
#[path = "store/receipts.rs"]
mod receipts;
#[path = "store/spend.rs"]
mod spend;
#[path = "store/tables.rs"]
mod tables;
