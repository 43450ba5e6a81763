//! Figures for people: money, lengths of time, shares.

use std::time::Duration;

use merit_units::Money;

/// Columns that prose is wrapped at.
const PROSE_COLUMNS: usize = 80;

/// Prose in lines, those after the first with this indent; the first has room for as much before it.
pub(crate) fn prose(indent: &str, text: &str) -> String {
    // A percent sign stays with its figure.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ").replace(" %", "\u{a0}%");
    let mut lines = vec![indent.to_owned()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("invariant: there is a first line");
        let is_begun = !line.trim().is_empty();
        if is_begun && line.chars().count() + 1 + word.chars().count() > PROSE_COLUMNS {
            lines.push(format!("{indent}{word}"));
            continue;
        }
        if is_begun {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.join("\n").trim_start().replace('\u{a0}', " ")
}

/// An amount to the last picodollar: `$0.000512345678`.
pub(crate) fn exact(amount: Money) -> String {
    if amount.is_negative() { format!("-${}", -amount) } else { format!("${amount}") }
}

/// An amount with this many decimals, at most twelve, rounded half up.
pub(crate) fn rounded(amount: Money, decimals: u32) -> String {
    let unit = 10_i128.pow(Money::DECIMALS - decimals.min(Money::DECIMALS));
    let whole = (amount.pico().abs() + unit / 2) / unit;
    let places = usize::try_from(decimals).unwrap_or(0);
    let digits = format!("{whole:0width$}", width = places + 1);
    let (units, fraction) = digits.split_at(digits.len() - places);
    let sign = if amount.is_negative() { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}${units}") } else { format!("{sign}${units}.{fraction}") }
}

/// A share of 0 to 1 as a whole percentage.
pub(crate) fn percent(share: f64) -> String {
    // Adding zero makes of minus zero a plain one.
    format!("{:.0} %", (share * 100.0).round() + 0.0)
}

/// A latency: milliseconds, tenths of them below ten, and seconds from one on.
pub(crate) fn latency(time: Option<Duration>) -> String {
    match time.map(|time| time.as_secs_f64() * 1000.0) {
        None => "-".to_owned(),
        Some(ms) if ms < 9.95 => format!("{ms:.1} ms"),
        Some(ms) if ms < 999.5 => format!("{ms:.0} ms"),
        Some(ms) => format!("{:.1} s", ms / 1000.0),
    }
}

/// A point in time since the start of the load, or a length of some seconds.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// How much less `charged` is than `other`, as a share of it; negative when it is more. For showing.
#[expect(clippy::cast_precision_loss, reason = "it is shown as a percentage")]
pub(crate) fn saving(charged: Money, other: Money) -> Option<f64> {
    (other > Money::ZERO).then(|| (other - charged).pico() as f64 / other.pico() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_exact_or_rounded() {
        let amount = Money::from_pico(1_234_567_890_123);
        assert_eq!(exact(amount), "$1.234567890123");
        assert_eq!(exact(-Money::from_pico(250_000)), "-$0.00000025");
        assert_eq!(rounded(amount, 3), "$1.235");
        assert_eq!(rounded(amount, 0), "$1");
        assert_eq!(rounded(Money::from_pico(499_999), 6), "$0.000000");
        assert_eq!(rounded(Money::from_pico(500_000), 6), "$0.000001");
        assert_eq!(rounded(-Money::from_units(2), 2), "-$2.00");
        assert_eq!(rounded(amount, 12), exact(amount));
    }

    #[test]
    fn prose_is_wrapped_between_words() {
        let words = ["twelve_chars"; 7].join(" ");
        let wrapped = prose("  ", &words);
        let lengths: Vec<usize> = wrapped.lines().map(str::len).collect();
        assert_eq!(lengths, [6 * 13 - 1, 2 + 12]);
        assert_eq!(prose("", "short"), "short");
        let figure = format!("{} 12345 %", "x".repeat(73));
        assert_eq!(prose("", &figure), format!("{}\n12345 %", "x".repeat(73)), "a percent sign stays with its figure");
        let long = "x".repeat(200);
        assert_eq!(prose("", &long), long, "a word is not cut");
    }

    #[test]
    fn times_and_shares_are_short() {
        assert_eq!(latency(Some(Duration::from_micros(1_240))), "1.2 ms");
        assert_eq!(latency(Some(Duration::from_micros(231_700))), "232 ms");
        assert_eq!(latency(Some(Duration::from_micros(11_538_400))), "11.5 s");
        assert_eq!(latency(None), "-");
        assert_eq!(seconds(Duration::from_millis(4_230)), "4.2 s");
        assert_eq!([0.385, -0.2, -0.001].map(percent), ["39 %", "-20 %", "0 %"]);
    }

    #[test]
    fn a_saving_is_a_share_of_what_it_is_saved_from() {
        let dollars = Money::from_units;
        assert_eq!(saving(dollars(3), dollars(4)), Some(0.25));
        assert_eq!(saving(dollars(5), dollars(4)), Some(-0.25));
        assert_eq!(saving(dollars(5), Money::ZERO), None);
    }
}
