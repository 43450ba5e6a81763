//! What a call used, and who says so.

use merit_pricing::Usage;
use merit_units::Micros;

use crate::MeterBasis;

/// Whose word on a call's usage counts at a venue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Meters {
    /// The venue's own where it tells meters; the own clock where it does not.
    Reported,
    /// The own clock, from the request to the last byte of the reply.
    #[default]
    OwnClock,
}

/// What a call used, and who says so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The quantities.
    pub usage: Usage,
    /// Who measured them.
    pub basis: MeterBasis,
}

impl Measured {
    /// By the own clock, network included.
    #[must_use]
    pub fn own(elapsed: Micros, reply_bytes: usize) -> Self {
        Self::by_clock(elapsed, reply_bytes, MeterBasis::OwnClock)
    }

    /// By the own clock, for a reason: [`MeterBasis::Refused`] when what the venue told can't be true.
    #[must_use]
    pub fn by_clock(elapsed: Micros, reply_bytes: usize, basis: MeterBasis) -> Self {
        let usage = Usage { duration: elapsed, egress_bytes: reply_bytes as u64, ..Usage::default() };
        Self { usage, basis }
    }

    /// The longest time a venue may tell of a call that took `elapsed` by the own clock: two clocks
    /// may differ a little, by a millisecond and 16 in 1,000.
    #[must_use]
    pub fn longest_credible(elapsed: Micros) -> Micros {
        Micros::new(elapsed.get().saturating_add(elapsed.get() / 64).saturating_add(1000))
    }
}
