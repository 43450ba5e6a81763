//! What one unit of a meter costs, and how much of a meter was used.

use std::fmt;
use std::str::FromStr;

use crate::Exact;
use crate::Overflow;
use crate::decimal::{self, DecimalError};

/// A price per one unit of a meter, in attounits (10^-18) of the sheet's currency.
///
/// Providers quote down to 10^-10 dollars a unit and the products stay exact, so nothing
/// is rounded until [`Exact::round_half_even`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(u128);

impl Rate {
    /// Free of charge.
    pub const FREE: Self = Self(0);
    /// Decimals an attounit has.
    pub const DECIMALS: u32 = 18;

    /// From attounits per unit of the meter.
    #[must_use]
    pub const fn from_atto(atto: u128) -> Self {
        Self(atto)
    }

    /// Attounits per unit of the meter.
    #[must_use]
    pub const fn atto(self) -> u128 {
        self.0
    }

    /// What `quantity` costs at this rate, exactly.
    ///
    /// # Errors
    /// [`Overflow`] when the product does not fit.
    pub fn times(self, quantity: Quantity) -> Result<Exact, Overflow> {
        Exact::product(quantity, self)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let atto = i128::try_from(self.0).map_err(|_| fmt::Error)?;
        decimal::write(f, atto, Self::DECIMALS)
    }
}

impl FromStr for Rate {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let atto = decimal::parse(text, Self::DECIMALS)?;
        u128::try_from(atto).map(Self).map_err(|_| DecimalError::Malformed)
    }
}

/// An exact amount of one meter, in units of `1 / QUANTA_PER_UNIT` of the meter's unit.
///
/// The denominator is `2^30 x 10^9`, so every quantity billed anywhere is an integer:
/// MB-microseconds of a GB-second, milli-vCPU-microseconds of a vCPU-second, bytes of a
/// GB or a GiB, 75 compute units per 10,000 calls, milliseconds. `u128` then holds 10^20 units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(u128);

impl Quantity {
    /// Nothing used.
    pub const ZERO: Self = Self(0);
    /// The largest quantity; stands for "without bound" in tiers.
    pub const MAX: Self = Self(u128::MAX);
    /// Quanta in one unit of a meter.
    pub const QUANTA_PER_UNIT: u128 = (1 << 30) * 1_000_000_000;

    /// From quanta.
    #[must_use]
    pub const fn from_quanta(quanta: u128) -> Self {
        Self(quanta)
    }

    /// The count of quanta.
    #[must_use]
    pub const fn quanta(self) -> u128 {
        self.0
    }

    /// From whole units of the meter, such as requests.
    #[must_use]
    pub const fn from_units(units: u64) -> Self {
        Self(units as u128 * Self::QUANTA_PER_UNIT)
    }

    /// `numerator / denominator` units, where the denominator divides [`Self::QUANTA_PER_UNIT`].
    ///
    /// # Errors
    /// [`Overflow`] when the quantity does not fit.
    ///
    /// # Panics
    /// When the denominator does not divide the quantum: the result would not be exact.
    pub fn ratio(numerator: u128, denominator: u128) -> Result<Self, Overflow> {
        assert!(
            Self::QUANTA_PER_UNIT.is_multiple_of(denominator),
            "invariant: 1/{denominator} is a whole number of quanta"
        );
        numerator.checked_mul(Self::QUANTA_PER_UNIT / denominator).map(Self).ok_or(Overflow)
    }

    /// Addition that reports overflow.
    ///
    /// # Errors
    /// [`Overflow`] when the sum does not fit.
    pub fn checked_add(self, other: Self) -> Result<Self, Overflow> {
        self.0.checked_add(other.0).map(Self).ok_or(Overflow)
    }

    /// This quantity less `other`, and never below zero.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Rounded up to whole units (Alibaba bills whole compute units per function and hour).
    #[must_use]
    pub const fn ceil_to_units(self) -> Self {
        Self(self.0.div_ceil(Self::QUANTA_PER_UNIT) * Self::QUANTA_PER_UNIT)
    }
}

impl fmt::Display for Quantity {
    /// The exact decimal, which always ends because the quantum has no prime factor but 2 and 5.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = (self.0 / Self::QUANTA_PER_UNIT).to_string();
        // Ten times what is left still fits `u64`, which divides several times faster than `u128`.
        let unit = u64::try_from(Self::QUANTA_PER_UNIT).map_err(|_| fmt::Error)?;
        let mut rest = u64::try_from(self.0 % Self::QUANTA_PER_UNIT).map_err(|_| fmt::Error)?;
        if rest > 0 {
            text.push('.');
        }
        while rest > 0 {
            rest *= 10;
            text.push(char::from(b'0' + u8::try_from(rest / unit).map_err(|_| fmt::Error)?));
            rest %= unit;
        }
        f.pad(&text)
    }
}

impl FromStr for Quantity {
    type Err = DecimalError;

    /// A decimal with at most nine decimals, such as `400000` or `0.001625`.
    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let nano = u128::try_from(decimal::parse(text, 9)?).map_err(|_| DecimalError::Malformed)?;
        Self::ratio(nano, 1_000_000_000).map_err(|Overflow| DecimalError::TooLarge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_exact_decimals() {
        let gb_seconds = Quantity::ratio(128 * 13_000, 1024 * 1_000_000).expect("fits");
        assert_eq!(gb_seconds.to_string(), "0.001625");
        assert_eq!("0.001625".parse(), Ok(gb_seconds));
        assert_eq!(Quantity::ratio(75, 10_000).expect("fits").to_string(), "0.0075");
        assert_eq!(Quantity::ratio(1, 1 << 30).expect("fits").to_string(), "0.000000000931322574615478515625");
        assert_eq!("-1".parse::<Quantity>(), Err(DecimalError::Malformed));
    }

    #[test]
    fn rates_keep_eighteen_decimals() {
        let rate: Rate = "0.0000166667".parse().expect("a rate");
        assert_eq!(rate.atto(), 16_666_700_000_000);
        assert_eq!(rate.to_string(), "0.0000166667");
        assert_eq!("-0.1".parse::<Rate>(), Err(DecimalError::Malformed));
    }
}
