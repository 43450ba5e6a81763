//! The money: who may spend how much, what is held for calls that are running, and what was charged.
//!
//! A caller's budget is **held** before a call is dispatched, and the hold is **posted** (the charge
//! moves from the caller's account to the venue's) or **voided** when it settles. Every transfer is
//! double entry, so all balances sum to zero; [`Ledger::conserved`] checks that and more.
//!
//! The ledger is pure: no I/O, no clock, no randomness. Each operation is decided first and applied
//! after ([`Decision`]), so that the store can put the [`Command`] on disk in between and replay it later.
//!
//! Invariants
//! - What is spent and held in a month never passes the hard budget it was admitted under, unless a venue
//!   charged more than was held. That money is gone, so it is posted all the same and told as an overrun.
//! - An operation repeated with the same invocation id has no second effect.
//! - Refusals are values ([`Rejection`]) in a fixed order of precedence.
//!
//! Known limitation: a settled invocation is remembered for a bounded number of later settlements
//! ([`Ledger::SETTLED_WINDOW`]); after that its id is unknown again. Monthly figures are kept for
//! [`Ledger::MONTHS_KEPT`] months.

#![deny(clippy::float_arithmetic)]

mod account;
mod command;
#[cfg(test)]
mod contract;
mod ledger;
mod months;
#[cfg(any(test, feature = "naive"))]
pub mod naive;

mod rejection;
mod settled;
mod snapshot;

pub use account::{AccountIndex, Balance, Budget, VenueAccount};
pub use command::{Command, Decision, Held, HoldRequest, Inapplicable, Posted, Voided};
pub use ledger::Ledger;

pub use rejection::{Ending, Rejection};
pub use snapshot::{AccountState, HoldState, MonthState, SettledState, Snapshot, VenueState};
