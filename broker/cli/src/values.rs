//! Values on the command line and in output: money, lengths of time, shares. Money is never a float.

use merit_units::{MemoryMb, Micros, Money};

/// Dollars from the command line, not negative.
pub(crate) fn parse_dollars(text: &str) -> Result<Money, String> {
    match text.parse::<Money>() {
        Ok(money) if money.is_negative() => Err(format!("{text} is negative; write dollars such as 0.00001")),
        Ok(money) => Ok(money),
        Err(error) => Err(format!("{text} {error}")),
    }
}

/// Milliseconds as an exact decimal: `12.34` is 12,340 microseconds.
pub(crate) fn parse_millis(text: &str) -> Result<Micros, String> {
    const PICO_PER_MICRO: i128 = 1_000_000_000;
    // A plain decimal to a scaled integer is what `Money` reads, too.
    let pico = text.parse::<Money>().map_err(|error| format!("{text} {error}"))?.pico();
    if pico < 0 {
        return Err(format!("{text} is negative; write milliseconds such as 12.34"));
    }
    if pico % PICO_PER_MICRO != 0 {
        return Err(format!("{text} has digits below a microsecond; write at most three decimals"));
    }
    let micros = u64::try_from(pico / PICO_PER_MICRO).map_err(|_| format!("{text} is too large"))?;
    Ok(Micros::new(micros))
}

/// A length of time with its unit: `250ms`, `2s`, `1.5s`.
pub(crate) fn parse_length(text: &str) -> Result<Micros, String> {
    let millis = |number: &str| parse_millis(number).map_err(|_| ());
    let length = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => millis(number),
        (None, Some(number)) => millis(number).map(|length| Micros::new(length.get().saturating_mul(1000))),
        (None, None) => Err(()),
    };
    length.map_err(|()| format!("{text} is not a length of time; write it like 250ms or 2s"))
}

/// Memory from the command line.
pub(crate) fn parse_memory(text: &str) -> Result<MemoryMb, String> {
    let number = text.parse::<u64>().map_err(|_| format!("{text} is not a whole number of MB"))?;
    MemoryMb::try_new(number).map_err(|error| error.to_string())
}

/// vCPUs in thousandths, from a decimal such as `0.583`.
pub(crate) fn parse_vcpu(text: &str) -> Result<u32, String> {
    let refuse = || format!("{text} is not a share of vCPUs; write at most three decimals, such as 0.583");
    let milli = parse_millis(text).map_err(|_| refuse())?.get();
    u32::try_from(milli).ok().filter(|milli| *milli > 0).ok_or_else(refuse)
}

/// Dollars of the wire for people: `$0.0000052`; what is no amount is shown as it is.
pub(crate) fn dollars(text: &str) -> String {
    match text.parse::<Money>() {
        Ok(money) if money.is_negative() => format!("-${}", -money),
        Ok(money) => format!("${money}"),
        Err(_) => text.to_owned(),
    }
}

/// A count from the command line, above zero: `250000`, or with an exponent, `1e6` and `2.5e6`.
pub(crate) fn parse_calls(text: &str) -> Result<u64, String> {
    let refuse = || format!("{text} is not a number of calls; write a whole number above 0, such as 250000 or 1e6");
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0');
    let zeros = exponent.parse::<usize>().ok().and_then(|exponent| exponent.checked_sub(fraction.len()));
    // 2^64 has 20 digits.
    let zeros = zeros.filter(|zeros| *zeros <= 20).ok_or_else(refuse)?;
    let count = format!("{whole}{fraction}{}", "0".repeat(zeros));
    let count = Some(count).filter(|count| count.bytes().all(|byte| byte.is_ascii_digit()));
    count.and_then(|count| count.parse().ok()).filter(|count| *count > 0).ok_or_else(refuse)
}

/// Per cent as millionths of the whole, with at most four decimals: `2.5` is 25,000.
pub(crate) fn parse_ppm(text: &str) -> Result<u32, String> {
    const PICO_PER_PPM: i128 = Money::PICO_PER_UNIT / 10_000;
    let refuse = || format!("{text} is not 0 to 100 per cent with at most four decimals");
    let pico = text.parse::<Money>().map_err(|_| refuse())?.pico();
    let ppm = Some(pico / PICO_PER_PPM).filter(|_| pico % PICO_PER_PPM == 0);
    ppm.and_then(|ppm| u32::try_from(ppm).ok()).filter(|ppm| *ppm <= 1_000_000).ok_or_else(refuse)
}

/// The dollars that a million calls come to, with four decimals: `$0.2271`.
pub(crate) fn per_million(text: &str) -> String {
    let million = text.parse::<Money>().ok().and_then(|money| money.checked_mul(1_000_000).ok());
    million.map_or_else(|| text.to_owned(), four_decimals)
}

/// Dollars with four decimals, `$0.2271`, for figures beside each other; halves are rounded up.
pub(crate) fn four_decimals(money: Money) -> String {
    const PICO_PER_STEP: i128 = 100_000_000;
    let pico = money.pico();
    let steps = pico.div_euclid(PICO_PER_STEP) + i128::from(pico.rem_euclid(PICO_PER_STEP) >= PICO_PER_STEP / 2);
    let sign = if steps < 0 { "-" } else { "" };
    format!("{sign}${}.{:04}", steps.unsigned_abs() / 10_000, steps.unsigned_abs() % 10_000)
}

/// By how much `part` differs from `whole`, in per cent with one decimal: `-18.2 %`; nothing without a whole.
pub(crate) fn difference(part: Money, whole: Money) -> Option<String> {
    if whole.pico() <= 0 {
        return None;
    }
    let permille = (part - whole).pico().checked_mul(1000)?.checked_div(whole.pico())?;
    let sign = if permille < 0 { "-" } else { "+" };
    let magnitude = permille.unsigned_abs();
    Some(format!("{sign}{}.{} %", magnitude / 10, magnitude % 10))
}

/// How an amount compares to another: `4.3 % below`; nothing when the other is no amount above zero.
pub(crate) fn compared(part: Money, whole: Money) -> Option<String> {
    let difference = difference(part, whole)?;
    let (sign, share) = difference.split_at(1);
    Some(format!("{share} {}", if sign == "-" { "below" } else { "above" }))
}

/// Milliseconds of the wire for people.
pub(crate) fn milliseconds(value: f64) -> String {
    format!("{value:.1} ms")
}

/// What stands for an absent value.
pub(crate) fn or_dash(value: Option<&str>) -> String {
    value.filter(|value| !value.is_empty()).unwrap_or("-").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_exact() {
        assert_eq!(parse_millis("12.34"), Ok(Micros::new(12_340)));
        assert_eq!(parse_millis("1500.01"), Ok(Micros::new(1_500_010)));
        assert_eq!(parse_millis("0"), Ok(Micros::ZERO));
        let error = "12.3456 has digits below a microsecond; write at most three decimals";
        assert_eq!(parse_millis("12.3456").expect_err("too fine"), error);
        assert!(parse_millis("-1").is_err() && parse_millis("1e3").is_err() && parse_millis("").is_err());
    }

    #[test]
    fn lengths_carry_their_unit() {
        assert_eq!(parse_length("250ms"), Ok(Micros::from_millis(250)));
        assert_eq!(parse_length("1.5s"), Ok(Micros::from_millis(1500)));
        for bad in ["250", "2m", "s", "-1s", "1.2.3s"] {
            assert!(parse_length(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_vcpu("0.583"), Ok(583));
        assert!(parse_vcpu("0.0001").is_err() && parse_vcpu("0").is_err());
    }

    #[test]
    fn money_is_shown_exactly_or_rounded_by_integers() {
        assert_eq!(dollars("0.000005200010"), "$0.00000520001");
        assert_eq!(dollars("-1"), "-$1");
        assert_eq!(dollars("lots"), "lots");
        assert_eq!(per_million("0.000000227083"), "$0.2271");
        assert_eq!(per_million("0.00000001005"), "$0.0101");
        assert_eq!(per_million("1"), "$1000000.0000");
    }

    #[test]
    fn counts_may_have_an_exponent() {
        for (text, count) in
            [("1e6", 1_000_000), ("2.5e6", 2_500_000), ("250000", 250_000), ("1.50e1", 15), ("1E3", 1000)]
        {
            assert_eq!(parse_calls(text), Ok(count), "{text}");
        }
        for bad in ["0", "", "-1", "1.5", "1e-3", "1e21", "1e99999", "e6", "1_000", "2.55e1", "+1", "1.2.3e5"] {
            assert!(parse_calls(bad).is_err(), "{bad}");
        }
        assert_eq!((parse_ppm("2.5"), parse_ppm("100"), parse_ppm("0.0001")), (Ok(25_000), Ok(1_000_000), Ok(1)));
        assert!(parse_ppm("100.0001").is_err() && parse_ppm("-1").is_err() && parse_ppm("0.00001").is_err());
    }

    #[test]
    fn differences_are_in_per_cent() {
        let money = |text: &str| text.parse::<Money>().expect("money");
        assert_eq!(difference(money("0.9"), money("1.2")).as_deref(), Some("-25.0 %"));
        assert_eq!(difference(money("1.011"), money("1")).as_deref(), Some("+1.1 %"));
        assert_eq!(difference(money("1"), Money::ZERO), None);
        assert_eq!(compared(money("0.9"), money("1.2")).as_deref(), Some("25.0 % below"));
    }
}
