//! What a function call costs: price sheets, billing rules, tiers and grants, usage profiles, expectations.
//!
//! The way of a price: a [`PriceSheet`] turns a [`Size`] and a [`Usage`] into [`Metered`] quantities, and those,
//! with the [`MonthToDate`], into an exact amount. A [`UsageProfile`] learns the mean of the metered
//! quantities, and [`expect`] says from it what the next call will use. The expectation of a charge is the
//! mean of the rounded, never the rounded mean.
//!
//! Everything is integers and values: no floats, no clock, no I/O. The sheets of the providers are
//! data, in `pricing/catalogue/`, each price with its source and the date it was read.

#![deny(clippy::float_arithmetic)]

mod adjust;
mod beyond;
mod catalogue;
mod change;
mod charge;
mod compare;
mod date;
mod expect;
mod meter;
mod metering;
mod pools;
mod position;
mod profile;
mod rule;
mod sheet;
mod size;
#[cfg(test)]
mod tests;

pub use adjust::{Adjusted, Adjustment, AdjustmentKind, Adjustments, Balance, Renewed, Standing, Taken, percent};
pub use catalogue::{Catalogue, CatalogueError};
pub use change::{Change, Concern, Difference, MoveLimit};
pub use charge::{MarginalRates, MonthToDate};
pub use compare::{
    Comparison, Crossover, HOURS_PER_MONTH, NotComparable, PricedMonth, Workload, crossovers, price_month,
};
pub use date::{Date, DateError};
pub use expect::{Basis, DEFAULT_DURATION, Expectation, ceiling, ceiling_with_reply, expect};
pub use meter::{MAX_LINES, Meter, Metered, NotBilled, UnknownMeter};
pub use pools::{PoolKeys, Pools};
pub use position::{Position, RepriceError};
pub use profile::{ProfileError, UsageProfile};
pub use rule::MeterError;
pub use sheet::{
    OfferedRateError, Price, PriceSheet, RevisedGrant, RevisedLine, Revision, SheetErrors, SheetMistake, Source,
};
pub use size::{Architecture, Share, Size, UnknownArchitecture, Usage};
