//! Where a call should run now: asks, the book, merit order, and the room a call takes.
//!
//! A [`Book`] is an immutable snapshot of one function's asks. [`Book::decide`] picks the
//! first of them in merit order that meets the [`Terms`], is well and has room, and takes
//! the room. It takes no lock, allocates nothing, reads no clock and throws no dice: the
//! time and a random draw are parameters, so that every decision can be made again.
//!
//! Three things bend plain merit order, each with its bound:
//! - *no herd*: a changed order takes over gradually ([`Config::ramp_ppm_per_second`]), and an
//!   advantage under [`Config::hysteresis_ppm`] does not change it. Whatever terms, health
//!   and room exclude, the ask taken under the newest order is within that of the cheapest
//!   left, so nobody gains more than that by standing first;
//! - *exploration*: a small share of first attempts goes elsewhere within the terms;
//! - *the last resort*: when no deployment within the terms is well, the least bad one serves.
//!
//! [`Slot`]s hold what outlives a book: calls in flight, learned caps, health.
//! `naive` (feature of that name) is the same market written plainly; one contract suite
//! drives both and compares decisions and states.

#![deny(clippy::float_arithmetic)]

mod ask;
mod band;
mod book;
mod config;
mod exclusion;
mod luck;
#[cfg(any(test, feature = "naive"))]
pub mod naive;
mod place;
mod retry;
mod slot;
mod terms;
#[cfg(test)]
mod tests;
mod track;

pub use merit_pricing::{Architecture, Basis};

pub use ask::{Ask, Ineligible};
pub use band::{Band, BandLimits, OutOfBand};
pub use book::{Book, MAX_ASKS, Pick, Slots, TooManyAsks};
pub use config::{Config, ConfigMistake, WHOLE_PPM};
pub use exclusion::{Exclusion, NoPick};
pub use place::{
    ArchitectureSet, Isolation, IsolationSet, RegionIndex, RegionSet, UnknownIsolation, VenueIndex, VenueSet,
};
pub use retry::RetryBudget;
pub use slot::{HealthState, Observation, Reservation, Room, Slot, VenueSlots, WindowCaps};
pub use terms::Terms;
pub use track::{Fill, TrackRecord, TrialRule, Went};
