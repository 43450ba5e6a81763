//! Everything the broker must not forget, in one directory: a `SQLite` database and a journal of money.
//!
//! | file | holds |
//! |---|---|
//! | `merit.db` | functions, price sheets, keys, providers, receipts, events, idempotency keys, usage profiles, proofs and samples, bills, the ledger's checkpoint |
//! | `journal/*.log` | every hold, posting and void since the checkpoint |
//! | `merit.lock` | locked while a broker uses the directory |
//!
//! One thread writes. It commits in groups (WAL, `synchronous=FULL`), so a thousand rows cost one disk sync.
//! What an answer means:
//! - [`Store::enqueue_receipt`] never waits: the receipt is on disk a few milliseconds later, and found by
//!   [`Store::receipt`] meanwhile.
//! - A [`Durable`] answer comes after the commit: it survives a power cut.
//! - A hold or posting of [`DurableLedger`] is written to the journal before it is answered: it survives the
//!   process being killed at any moment. A power cut may lose the last few milliseconds.
//!
//! What is stored as JSON or bytes is the broker's: the store neither makes nor reads it.
//!
//! Known limitation: one broker per directory. Spend is summed from receipts, which takes one to two seconds a
//! million when they are not in memory (measured).

mod catalog;
mod checkpoint;
mod durable;
mod equivalence;
mod error;
mod events;
mod functions;
mod idempotency;
mod journal;
mod keys;
mod ledger;
mod profiles;
mod providers;
mod queue;
mod readers;
mod receipts;
mod reconciliations;
pub mod record;
mod recovery;
mod schema;
mod sheets;
mod spend;
mod store;
mod writer;

pub use durable::Durable;
pub use error::{HoldError, OpenError, StoreError};
pub use ledger::DurableLedger;
pub use queue::QueueFull;
pub use recovery::Recovered;
pub use store::{Options, Store};
