//! Milliseconds with decimals, exactly: reading and writing without a float in between.

use std::fmt;

use merit_units::Micros;
use serde_json::Value;

/// More than any duration Lambda reports: a year.
const MOST_MILLIS: u64 = 366 * 86_400_000;

/// Reads `12.34` as milliseconds; what is beyond a microsecond is rounded up. `None` for anything else.
pub(super) fn millis(text: &str) -> Option<Micros> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| (1..=11).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let (kept, beyond) = decimals.split_at(decimals.len().min(3));
    let micros: u64 = format!("{kept:0<3}").parse().ok()?;
    let up = u64::from(beyond.bytes().any(|digit| digit != b'0'));
    // Eleven digits of milliseconds fit, a thousandfold too.
    Some(whole * 1000 + micros + up).filter(|micros| *micros <= MOST_MILLIS * 1000).map(Micros::new)
}

/// The same out of JSON, whose numbers are shown as they were written.
pub(super) fn millis_of_json(value: &Value) -> Option<Micros> {
    value.is_number().then(|| value.to_string()).as_deref().and_then(millis)
}

/// Milliseconds with two decimals, rounded up.
pub(super) struct Millis(pub(super) Micros);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hundredths = self.0.get().div_ceil(10);
        write!(f, "{}.{:02}", hundredths / 100, hundredths % 100)
    }
}
