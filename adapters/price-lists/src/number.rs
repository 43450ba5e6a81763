//! Numbers of JSON as exact decimals, and rates for a part of a unit.
//!
//! Azure writes prices as JSON numbers, .NET writes small ones with an exponent (`1.6E-05`), and a float could not hold
//! them. So the text of the number is taken as it stands. Invariant: nothing is rounded here but by [`per`].

use merit_units::{Quantity, Rate};
use serde_json::value::RawValue;

/// Digits that a number may have in front and behind, exponent worked in; more are an attack and no price.
const MAX_DIGITS: usize = 60;

/// The plain decimal that a JSON number, or a JSON string of one, stands for.
pub(crate) fn plain(raw: &RawValue) -> Result<String, String> {
    let text = raw.get();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    decimal(text).ok_or_else(|| format!("`{}` is no number", super::shown(text)))
}

/// `1.6E-05` as `0.000016`; a plain decimal as it is. Nothing when it is no number, negative, or absurdly long.
fn decimal(text: &str) -> Option<String> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if whole.is_empty() || digits.len() > MAX_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?;
    if point.unsigned_abs() as usize > MAX_DIGITS {
        return None;
    }
    let written = match usize::try_from(point) {
        Err(_) | Ok(0) => format!("0.{}{digits}", "0".repeat(point.unsigned_abs() as usize)),
        Ok(point) if point >= digits.len() => format!("{digits:0<point$}"),
        Ok(point) => format!("{}.{}", &digits[..point], &digits[point..]),
    };
    let written = if written.contains('.') { written.trim_end_matches('0').trim_end_matches('.') } else { &written };
    Some(written.to_owned())
}

/// A price from JSON.
pub(crate) fn rate(raw: &RawValue) -> Result<Rate, String> {
    let text = plain(raw)?;
    text.parse().map_err(|error| format!("the price `{}` {error}", super::shown(&text)))
}

/// A quantity from JSON, in units of the list.
pub(crate) fn quantity(raw: &RawValue) -> Result<Quantity, String> {
    let text = plain(raw)?;
    text.parse().map_err(|error| format!("the quantity `{}` {error}", super::shown(&text)))
}

/// The price of one of `count`, to 10^-18, halves up.
pub(crate) fn per(rate: Rate, count: u64) -> Rate {
    let count = u128::from(count.max(1));
    let (whole, rest) = (rate.atto() / count, rate.atto() % count);
    Rate::from_atto(whole + u128::from(rest >= count - rest))
}

/// `count` times a quantity.
pub(crate) fn times(quantity: Quantity, count: u64) -> Result<Quantity, String> {
    let quanta = quantity.quanta().checked_mul(u128::from(count));
    quanta.map(Quantity::from_quanta).ok_or_else(|| format!("{quantity} times {count} is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_taken_as_they_stand() {
        for (text, plain) in [
            ("0.000016", "0.000016"),
            ("1.6E-05", "0.000016"),
            ("1.6e-5", "0.000016"),
            ("1E0", "1"),
            ("25000.0", "25000"),
            ("2.5E+4", "25000"),
            ("2.5E4", "25000"),
            ("12.34e1", "123.4"),
            ("0.0", "0"),
            ("0", "0"),
            ("100", "100"),
            ("0e5", "000000"),
        ] {
            assert_eq!(decimal(text).as_deref(), Some(plain), "{text}");
        }
        for bad in ["", "-1", "1e", "e5", ".5", "1e99", "1e-99", "1e99999999999", "NaN", "1.2.3", "0x1", "1 ", "null"] {
            assert_eq!(decimal(bad), None, "{bad}");
        }
        assert_eq!(decimal(&"9".repeat(61)), None);
    }

    #[test]
    fn a_part_of_a_unit_is_rounded_to_the_attounit() {
        let rate = |text: &str| text.parse::<Rate>().expect("a rate");
        assert_eq!(per(rate("0.000004"), 10), rate("0.0000004"));
        assert_eq!(per(rate("0.173"), 3600).to_string(), "0.000048055555555556");
        assert_eq!(per(rate("0.0123"), 3600).to_string(), "0.000003416666666667");
        assert_eq!(per(Rate::from_atto(1), 2), Rate::from_atto(1), "halves up");
        assert_eq!(per(Rate::from_atto(1), 3), Rate::FREE);
    }
}
