//! Decimal strings to scaled integers and back, without floating point.

use std::fmt;

/// Why a decimal string was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// No digits at all.
    #[error("is empty; write a decimal such as 0.25")]
    Empty,
    /// Something other than digits and one point. Exponents are refused on purpose.
    #[error("is not a plain decimal; write digits and at most one point, no exponent")]
    Malformed,
    /// More decimals than the scale holds: the value would have to be rounded silently.
    #[error("has more than {0} decimals")]
    TooPrecise(u32),
    /// The integer would overflow.
    #[error("is too large")]
    TooLarge,
}

/// Parses `[-]digits[.digits]` into an integer scaled by `10^decimals`.
pub(crate) fn parse(text: &str, decimals: u32) -> Result<i128, DecimalError> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(DecimalError::Empty);
    }
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || digits.ends_with('.') {
        return Err(DecimalError::Malformed);
    }
    let fraction = fraction.trim_end_matches('0');
    let missing = (decimals as usize).checked_sub(fraction.len()).ok_or(DecimalError::TooPrecise(decimals))?;
    let digits = whole.bytes().chain(fraction.bytes()).chain(std::iter::repeat_n(b'0', missing));
    let mut value: i128 = 0;
    for digit in digits {
        value = value
            .checked_mul(10)
            .and_then(|value| value.checked_add(i128::from(digit - b'0')))
            .ok_or(DecimalError::TooLarge)?;
    }
    Ok(if negative { -value } else { value })
}

/// A sign, the 39 digits of the largest `u128` and a point.
const MAX_TEXT: usize = 41;

/// Writes an integer scaled by `10^decimals` with no trailing zeros: `0.000002`, `12`, `-0.5`.
///
/// Every receipt has several of these, so it is written backwards into a buffer on the stack.
pub(crate) fn write(f: &mut fmt::Formatter<'_>, value: i128, decimals: u32) -> fmt::Result {
    let mut text = [0_u8; MAX_TEXT];
    let mut start = MAX_TEXT;
    let mut put = |byte: u8| {
        start -= 1;
        text[start] = byte;
    };
    let (mut rest, mut place, mut significant) = (value.unsigned_abs(), 0, false);
    while rest > 0 || place <= decimals {
        if place == decimals && significant {
            put(b'.');
        }
        let digit = next_digit(&mut rest);
        significant |= digit > 0;
        if significant || place >= decimals {
            put(b'0' + digit);
        }
        place += 1;
    }
    if value < 0 {
        put(b'-');
    }
    f.pad(std::str::from_utf8(&text[start..]).map_err(|_| fmt::Error)?)
}

/// Takes the last digit off. Most amounts fit `u64`, which divides several times faster.
fn next_digit(rest: &mut u128) -> u8 {
    let digit = match u64::try_from(*rest) {
        Ok(small) => {
            *rest = u128::from(small / 10);
            small % 10
        }
        Err(_) => {
            let digit = *rest % 10;
            *rest /= 10;
            u64::try_from(digit).unwrap_or(0)
        }
    };
    u8::try_from(digit).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_without_trailing_zeros() {
        struct Shown(i128, u32);
        impl fmt::Display for Shown {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write(f, self.0, self.1)
            }
        }
        for (value, decimals, text) in [
            (0, 12, "0"),
            (0, 0, "0"),
            (7, 0, "7"),
            (100, 0, "100"),
            (100, 2, "1"),
            (101, 2, "1.01"),
            (110, 2, "1.1"),
            (1, 12, "0.000000000001"),
            (-1_500_000_000_000, 12, "-1.5"),
            (i128::MAX, 12, "170141183460469231731687303.715884105727"),
            (i128::MIN, 0, "-170141183460469231731687303715884105728"),
        ] {
            assert_eq!(Shown(value, decimals).to_string(), text);
        }
        assert_eq!(format!("{:>6}|", Shown(15, 1)), "   1.5|");
    }

    #[test]
    fn reads_plain_decimals_only() {
        assert_eq!(parse("0.000002", 12), Ok(2_000_000));
        assert_eq!(parse("-1.5", 12), Ok(-1_500_000_000_000));
        assert_eq!(parse("7", 2), Ok(700));
        assert_eq!(parse("1.500", 1), Ok(15));
        assert_eq!(parse("", 2), Err(DecimalError::Empty));
        for bad in ["1e3", "1.2.3", ".5", "5.", "+1", "0x1", "NaN", " 1", "1_000", "--1"] {
            assert_eq!(parse(bad, 12), Err(DecimalError::Malformed), "{bad}");
        }
        assert_eq!(parse("0.001", 2), Err(DecimalError::TooPrecise(2)));
        assert_eq!(parse(&"9".repeat(40), 0), Err(DecimalError::TooLarge));
    }
}
