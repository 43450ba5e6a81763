//! What a caller demands of the place its call runs at.
//!
//! Terms are hard: no fallback breaks one. The value of time is the exception, it is no
//! demand but a preference, and weighs in the order only.

use merit_units::Micros;

use crate::{ArchitectureSet, IsolationSet, RegionSet, VenueSet};

/// The terms of one attempt; by default everything is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The most the call may be expected to cost, in picodollars.
    pub max_cost_pico: Option<i64>,
    /// Venues allowed.
    pub venues: VenueSet,
    /// Regions allowed.
    pub regions: RegionSet,
    /// Isolation classes allowed.
    pub isolation: IsolationSet,
    /// Architectures allowed.
    pub architecture: ArchitectureSet,
    /// The longest 95th percentile of latency allowed.
    pub max_latency_p95: Option<Micros>,
    /// What a second of waiting is worth to the caller, in picodollars; negative counts as 0.
    pub value_of_time_pico_per_s: i64,
    /// Rows of the book this invocation has already been tried at, bit `n` for row `n`.
    pub tried: u128,
    /// Rows that can't take such a call, as those that speak no plain HTTP; bit `n` for row `n`.
    pub unfit: u128,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            max_cost_pico: None,
            venues: VenueSet::ALL,
            regions: RegionSet::ALL,
            isolation: IsolationSet::ALL,
            architecture: ArchitectureSet::ALL,
            max_latency_p95: None,
            value_of_time_pico_per_s: 0,
            tried: 0,
            unfit: 0,
        }
    }
}

impl Terms {
    /// Marks `row` as tried, so that the next attempt goes elsewhere.
    pub fn mark_tried(&mut self, row: usize) {
        self.tried |= bit(row);
    }

    /// Whether `row` has been tried.
    #[must_use]
    pub fn has_tried(&self, row: usize) -> bool {
        self.tried & bit(row) != 0
    }

    /// Whether `row` can't take such a call.
    #[must_use]
    pub fn is_unfit(&self, row: usize) -> bool {
        self.unfit & bit(row) != 0
    }

    pub(crate) fn value_of_time(&self) -> u64 {
        u64::try_from(self.value_of_time_pico_per_s).unwrap_or(0)
    }
}

/// The bit of `row` in a set of rows; none beyond the last row a book can have.
pub(crate) fn bit(row: usize) -> u128 {
    u32::try_from(row).ok().and_then(|row| 1_u128.checked_shl(row)).unwrap_or(0)
}
