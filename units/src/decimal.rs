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

/// Writes an integer scaled by `10^decimals` with no trailing zeros: `0.000002`, `12`, `-0.5`.
pub(crate) fn write(f: &mut fmt::Formatter<'_>, value: i128, decimals: u32) -> fmt::Result {
    let scale = 10_u128.pow(decimals);
    let magnitude = value.unsigned_abs();
    let sign = if value < 0 { "-" } else { "" };
    let (whole, fraction) = (magnitude / scale, magnitude % scale);
    if fraction == 0 {
        return f.pad(&format!("{sign}{whole}"));
    }
    let fraction = format!("{fraction:0width$}", width = decimals as usize);
    f.pad(&format!("{sign}{whole}.{}", fraction.trim_end_matches('0')))
}

#[cfg(test)]
mod tests {
    use super::*;

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
