//! Amounts before rounding: the exact product of rates and quantities.
//!
//! A charge is a sum of products. Each product is kept as whole attounits and a remainder
//! over [`Quantity::QUANTA_PER_UNIT`], so the sum is exact and is rounded once, half to even,
//! to the picounit. That rounding is the only one in Merit.

use std::fmt;
use std::str::FromStr;

use crate::decimal::{self, DecimalError};
use crate::{Money, Overflow, Quantity, Rate};

const ATTO_PER_PICO: u128 = 1_000_000;
const NANO_PER_UNIT: u128 = 1_000_000_000;

/// A non-negative amount of a currency, exact to the last quantum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exact {
    atto: u128,
    /// Below [`Quantity::QUANTA_PER_UNIT`].
    remainder: u128,
}

impl Exact {
    /// Nothing.
    pub const ZERO: Self = Self { atto: 0, remainder: 0 };

    pub(crate) fn product(quantity: Quantity, rate: Rate) -> Result<Self, Overflow> {
        let (units, quanta) =
            (quantity.quanta() / Quantity::QUANTA_PER_UNIT, quantity.quanta() % Quantity::QUANTA_PER_UNIT);
        let fraction = quanta.checked_mul(rate.atto()).ok_or(Overflow)?;
        let atto = units
            .checked_mul(rate.atto())
            .and_then(|atto| atto.checked_add(fraction / Quantity::QUANTA_PER_UNIT))
            .ok_or(Overflow)?;
        Ok(Self { atto, remainder: fraction % Quantity::QUANTA_PER_UNIT })
    }

    /// Addition that reports overflow.
    ///
    /// # Errors
    /// [`Overflow`] when the sum does not fit.
    pub fn checked_add(self, other: Self) -> Result<Self, Overflow> {
        let remainder = self.remainder + other.remainder;
        let carry = remainder / Quantity::QUANTA_PER_UNIT;
        let atto = self.atto.checked_add(other.atto).and_then(|atto| atto.checked_add(carry)).ok_or(Overflow)?;
        Ok(Self { atto, remainder: remainder % Quantity::QUANTA_PER_UNIT })
    }

    /// This amount less `other`, and never below zero.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        if other >= self {
            return Self::ZERO;
        }
        let borrow = u128::from(self.remainder < other.remainder);
        let remainder = self.remainder + borrow * Quantity::QUANTA_PER_UNIT - other.remainder;
        Self { atto: self.atto - other.atto - borrow, remainder }
    }

    /// Whole attounits and the quanta of one that are left, to be stored.
    #[must_use]
    pub const fn parts(self) -> (u128, u128) {
        (self.atto, self.remainder)
    }

    /// What [`Self::parts`] gave, read back. Quanta that come to whole attounits are carried.
    ///
    /// # Errors
    /// [`Overflow`] when it does not fit.
    pub fn from_parts(atto: u128, quanta: u128) -> Result<Self, Overflow> {
        let carry = quanta / Quantity::QUANTA_PER_UNIT;
        let atto = atto.checked_add(carry).ok_or(Overflow)?;
        Ok(Self { atto, remainder: quanta % Quantity::QUANTA_PER_UNIT })
    }

    /// The amount in its own currency, rounded half to even to the picounit.
    ///
    /// # Errors
    /// [`Overflow`] when the amount exceeds `i128` picounits.
    pub fn round_half_even(self) -> Result<Money, Overflow> {
        round(self.atto, ATTO_PER_PICO, self.remainder > 0)
    }

    /// The amount converted to US dollars and only then rounded half to even to the picodollar.
    ///
    /// # Errors
    /// [`Overflow`] when the amount does not fit.
    pub fn to_usd(self, rate: ExchangeRate) -> Result<Money, Overflow> {
        let fraction = self.remainder.checked_mul(rate.nano()).ok_or(Overflow)?;
        let numerator = self
            .atto
            .checked_mul(rate.nano())
            .and_then(|value| value.checked_add(fraction / Quantity::QUANTA_PER_UNIT))
            .ok_or(Overflow)?;
        round(numerator, ATTO_PER_PICO * NANO_PER_UNIT, !fraction.is_multiple_of(Quantity::QUANTA_PER_UNIT))
    }
}

/// Divides and rounds half to even; `more` says that the numerator was cut off below.
fn round(numerator: u128, denominator: u128, more: bool) -> Result<Money, Overflow> {
    let (quotient, rest) = (numerator / denominator, numerator % denominator);
    let up = match (rest * 2).cmp(&denominator) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => more || !quotient.is_multiple_of(2),
    };
    let pico = quotient + u128::from(up);
    i128::try_from(pico).map(Money::from_pico).map_err(|_| Overflow)
}

/// US dollars for one unit of another currency, in nanodollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExchangeRate(u128);

impl ExchangeRate {
    /// Dollars for dollars.
    pub const USD: Self = Self(NANO_PER_UNIT);

    /// Nanodollars for one unit of the currency.
    #[must_use]
    pub const fn nano(self) -> u128 {
        self.0
    }
}

impl FromStr for ExchangeRate {
    type Err = DecimalError;

    /// A positive decimal with at most nine decimals, such as `0.1405`.
    fn from_str(text: &str) -> Result<Self, DecimalError> {
        match u128::try_from(decimal::parse(text, 9)?) {
            Ok(nano) if nano > 0 => Ok(Self(nano)),
            _ => Err(DecimalError::Malformed),
        }
    }
}

impl fmt::Display for ExchangeRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal::write(f, i128::try_from(self.0).map_err(|_| fmt::Error)?, 9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn amount(units: &str, rate: &str) -> Exact {
        let rate: Rate = rate.parse().expect("a rate");
        rate.times(units.parse().expect("a quantity")).expect("fits")
    }

    #[test]
    fn a_lambda_call_is_exact_before_it_is_rounded() {
        // 128 MB for 13 ms at 0.0000166667, plus the request: 0.0000002270833875 dollars.
        let call = amount("0.001625", "0.0000166667").checked_add(amount("1", "0.0000002")).expect("fits");
        assert_eq!(call.atto, 227_083_387_500);
        assert_eq!(call.round_half_even().expect("fits").to_string(), "0.000000227083");
    }

    #[test]
    fn halves_go_to_the_even_picounit() {
        let pico = |rate: &str| amount("1", rate).round_half_even().expect("fits").pico();
        assert_eq!(pico("0.0000000000005"), 0);
        assert_eq!(pico("0.0000000000015"), 2);
        assert_eq!(pico("0.0000000000025"), 2);
        assert_eq!(pico("0.000000000002500001"), 3);
    }

    #[test]
    fn converts_once_and_rounds_once() {
        let cny = amount("1.9588", "0.00011").checked_add(Exact::ZERO).expect("fits");
        assert_eq!(cny.round_half_even().expect("fits").to_string(), "0.000215468");
        assert_eq!(cny.to_usd("0.1405".parse().expect("a rate")).expect("fits").to_string(), "0.000030273254");
    }

    proptest! {
        #[test]
        fn what_was_added_is_taken_away_again(a in 0_u64.., b in 0_u64.., c in 0_u64.., d in 0_u64..) {
            let product = |rate: u64, quanta: u64| Rate::from_atto(rate.into()).times(Quantity::from_quanta(quanta.into()));
            let (one, other) = (product(a, b).unwrap(), product(c, d).unwrap());
            let sum = one.checked_add(other).unwrap();
            prop_assert_eq!((sum.saturating_sub(other), sum.saturating_sub(one)), (one, other));
            prop_assert_eq!(one.saturating_sub(sum), Exact::ZERO);
            let (atto, quanta) = sum.parts();
            prop_assert_eq!(Exact::from_parts(atto, quanta), Ok(sum));
        }

        #[test]
        fn sums_do_not_depend_on_where_they_are_cut(a in 0_u64..1 << 60, b in 0_u64..1 << 60, rate in 0_u64..1 << 60) {
            let rate = Rate::from_atto(u128::from(rate));
            let (a, b) = (Quantity::from_quanta(u128::from(a)), Quantity::from_quanta(u128::from(b)));
            let parts = rate.times(a).unwrap().checked_add(rate.times(b).unwrap()).unwrap();
            let whole = rate.times(a.checked_add(b).unwrap()).unwrap();
            prop_assert_eq!(parts, whole);
        }
    }
}
