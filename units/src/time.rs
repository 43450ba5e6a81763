//! Lengths of time and points in time, as integers of microseconds.
//!
//! Nothing here reads a clock: the broker's clock module does, and passes `now` down.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// A length of time in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(u64);

impl Micros {
    /// No time.
    pub const ZERO: Self = Self(0);
    /// The longest length.
    pub const MAX: Self = Self(u64::MAX);

    /// From microseconds.
    #[must_use]
    pub const fn new(micros: u64) -> Self {
        Self(micros)
    }

    /// From milliseconds; saturates.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1000))
    }

    /// From seconds; saturates.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// The count of microseconds.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whole milliseconds, rounded up.
    #[must_use]
    pub const fn millis_ceil(self) -> u64 {
        self.0.div_ceil(1000)
    }

    /// Rounded up to a multiple of `step`; a zero step leaves it as it is.
    #[must_use]
    pub const fn ceil_to(self, step: Self) -> Self {
        if step.0 == 0 { self } else { Self(self.0.div_ceil(step.0).saturating_mul(step.0)) }
    }

    /// This length less `other`, and never below zero.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// This length and `other`, saturating.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// As the standard library's duration.
    #[must_use]
    pub const fn to_std(self) -> Duration {
        Duration::from_micros(self.0)
    }

    /// From the standard library's duration, cut to whole microseconds; saturates.
    #[must_use]
    pub fn from_std(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Micros {
    /// Milliseconds with up to three decimals: `12.34 ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::decimal::write(f, i128::from(self.0), 3)?;
        f.write_str(" ms")
    }
}

/// A point in time: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The start of 1970.
    pub const EPOCH: Self = Self(0);

    /// From microseconds since the epoch.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// Time passed since `earlier`; zero when the clock went backwards.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Micros {
        Micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Micros> for Timestamp {
    type Output = Self;
    fn add(self, length: Micros) -> Self {
        Self(self.0.saturating_add(length.0))
    }
}

impl Sub<Micros> for Timestamp {
    type Output = Self;
    fn sub(self, length: Micros) -> Self {
        Self(self.0.saturating_sub(length.0))
    }
}

impl AddAssign<Micros> for Timestamp {
    fn add_assign(&mut self, length: Micros) {
        *self = *self + length;
    }
}

/// A calendar month in UTC, the period of budgets, grants and volume tiers.
///
/// Which month a [`Timestamp`] falls in is calendar arithmetic and is done at the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: u16,
    month: u8,
}

impl Month {
    /// A month of the calendar, or `None` when `month` is not 1 to 12.
    #[must_use]
    pub const fn try_new(year: u16, month: u8) -> Option<Self> {
        if month >= 1 && month <= 12 { Some(Self { year, month }) } else { None }
    }

    /// The year.
    #[must_use]
    pub const fn year(self) -> u16 {
        self.year
    }

    /// The month, 1 to 12.
    #[must_use]
    pub const fn month(self) -> u8 {
        self.month
    }
}

impl fmt::Display for Month {
    /// ISO 8601, such as `2026-11`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_up_to_the_step() {
        assert_eq!(Micros::new(12_340).ceil_to(Micros::from_millis(1)), Micros::from_millis(13));
        assert_eq!(Micros::new(12_340).ceil_to(Micros::from_millis(100)), Micros::from_millis(100));
        assert_eq!(Micros::ZERO.ceil_to(Micros::from_millis(100)), Micros::ZERO);
        assert_eq!(Micros::new(7).ceil_to(Micros::ZERO), Micros::new(7));
        assert_eq!(Micros::new(12_340).to_string(), "12.34 ms");
    }
}
