//! Times as the two schemes write them, to the second and in UTC.

use jiff::Timestamp as Instant;
use merit_units::Timestamp;

const MICROS: u64 = 1_000_000;

fn instant(at: Timestamp) -> Instant {
    let seconds = i64::try_from(at.micros() / MICROS).unwrap_or(i64::MAX);
    Instant::from_second(seconds).unwrap_or(Instant::MAX)
}

/// `2026-11-21T04:27:36Z`.
pub(crate) fn iso8601(at: Timestamp) -> String {
    instant(at).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `2026-11-21`.
pub(crate) fn day(seconds: u64) -> String {
    instant(from_seconds(seconds)).strftime("%Y-%m-%d").to_string()
}

pub(crate) fn seconds(at: Timestamp) -> u64 {
    at.micros() / MICROS
}

pub(crate) fn from_seconds(seconds: u64) -> Timestamp {
    Timestamp::from_micros(seconds.saturating_mul(MICROS))
}

/// Reads `2026-11-21T04:27:36Z`, and nothing else.
pub(crate) fn parse_iso8601(text: &str) -> Option<Timestamp> {
    if text.len() != 20 || !text.ends_with('Z') || text.as_bytes().get(10) != Some(&b'T') {
        return None;
    }
    let seconds = u64::try_from(text.parse::<Instant>().ok()?.as_second()).ok()?;
    let at = from_seconds(seconds);
    (iso8601(at) == text).then_some(at)
}

/// How many seconds lie between the two, either way.
pub(crate) fn apart(a: Timestamp, b: Timestamp) -> u64 {
    a.micros().abs_diff(b.micros()) / MICROS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read_the_same() {
        let at = from_seconds(1_795_235_256);
        assert_eq!((iso8601(at).as_str(), day(1_795_235_256).as_str()), ("2026-11-21T04:27:36Z", "2026-11-21"));
        assert_eq!(parse_iso8601("2026-11-21T04:27:36Z"), Some(at));
        for bad in [
            "",
            "2026-11-21T04:27:36",
            "2026-11-21 04:27:36Z",
            "2026-13-21T04:27:36Z",
            "1926-11-21T04:27:36Z",
            "2026-11-21T04:27:60Z",
        ] {
            assert_eq!(parse_iso8601(bad), None, "{bad}");
        }
        assert_eq!(apart(from_seconds(5), from_seconds(8)), 3);
    }
}
