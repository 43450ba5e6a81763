//! Money in picodollars, and the currencies prices are quoted in.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};
use std::str::FromStr;

use crate::decimal::{self, DecimalError};
use crate::{Overflow, decimal::write};

/// An amount of money in picounits (10^-12) of its currency, normally US dollars.
///
/// `i128` holds 1.7 x 10^26 dollars, so sums of amounts that were once checked cannot
/// overflow in practice; `+` and `-` still panic rather than wrap, in every build.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i128);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount.
    pub const MAX: Self = Self(i128::MAX);
    /// Decimals a picounit has.
    pub const DECIMALS: u32 = 12;
    /// Picounits in one unit of the currency.
    pub const PICO_PER_UNIT: i128 = 1_000_000_000_000;

    /// From picounits.
    #[must_use]
    pub const fn from_pico(pico: i128) -> Self {
        Self(pico)
    }

    /// From whole units, such as dollars.
    #[must_use]
    pub const fn from_units(units: i64) -> Self {
        Self(units as i128 * Self::PICO_PER_UNIT)
    }

    /// The amount in picounits.
    #[must_use]
    pub const fn pico(self) -> i128 {
        self.0
    }

    /// The amount in picounits, held at the bounds of `i64` (about 9.2 million dollars).
    ///
    /// The book keeps asks in this compact form; a call that expensive is never cheapest.
    #[must_use]
    pub fn pico_saturating_i64(self) -> i64 {
        i64::try_from(self.0).unwrap_or(if self.0 < 0 { i64::MIN } else { i64::MAX })
    }

    /// Whether the amount is below zero.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// Addition that reports overflow instead of panicking.
    ///
    /// # Errors
    /// [`Overflow`] when the sum does not fit.
    pub fn checked_add(self, other: Self) -> Result<Self, Overflow> {
        self.0.checked_add(other.0).map(Self).ok_or(Overflow)
    }

    /// This amount times `factor`.
    ///
    /// # Errors
    /// [`Overflow`] when the product does not fit.
    pub fn checked_mul(self, factor: i128) -> Result<Self, Overflow> {
        self.0.checked_mul(factor).map(Self).ok_or(Overflow)
    }

    /// This amount less `other`, and never below zero.
    #[must_use]
    pub fn saturating_sub_to_zero(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).max(0))
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.checked_add(other.0).expect("invariant: checked amounts sum within i128"))
    }
}

impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.checked_sub(other.0).expect("invariant: checked amounts differ within i128"))
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Money {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Neg for Money {
    type Output = Self;
    fn neg(self) -> Self {
        Self::ZERO - self
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Money {
    /// A plain decimal without trailing zeros and without the currency: `0.0000002`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.0, Self::DECIMALS)
    }
}

impl FromStr for Money {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        decimal::parse(text, Self::DECIMALS).map(Self)
    }
}

/// An ISO 4217 currency code, such as `USD`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// A currency code that is not three capital letters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a currency; write a three-letter ISO 4217 code such as USD")]
pub struct CurrencyError(String);

impl Currency {
    /// US dollars, the currency of every account.
    pub const USD: Self = Self(*b"USD");
    /// Chinese yuan, in which two of the catalogue's sheets are quoted.
    pub const CNY: Self = Self(*b"CNY");

    /// The three letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("invariant: a currency is three ASCII letters")
    }
}

impl FromStr for Currency {
    type Err = CurrencyError;

    fn from_str(text: &str) -> Result<Self, CurrencyError> {
        match <[u8; 3]>::try_from(text.as_bytes()) {
            Ok(code) if code.iter().all(u8::is_ascii_uppercase) => Ok(Self(code)),
            _ => Err(CurrencyError(text.to_owned())),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_reads_decimal_strings() {
        for (pico, text) in [
            (0, "0"),
            (1, "0.000000000001"),
            (200_000, "0.0000002"),
            (1_500_000_000_000, "1.5"),
            (-25 * Money::PICO_PER_UNIT, "-25"),
        ] {
            assert_eq!(Money::from_pico(pico).to_string(), text);
            assert_eq!(text.parse(), Ok(Money::from_pico(pico)));
        }
        assert_eq!("0.0000000000001".parse::<Money>(), Err(DecimalError::TooPrecise(12)));
    }

    #[test]
    #[should_panic(expected = "invariant")]
    fn never_wraps() {
        std::hint::black_box(Money::MAX + Money::from_pico(1));
    }
}
