//! The one place that reads the clock.
//!
//! Everything below the broker takes `now` as a parameter, and so do the stages; they get it
//! from here. A manual clock lets tests move time by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;
use merit_units::{Micros, Month, Timestamp};

/// Wall-clock time, real or set by hand.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until [`Self::advance`].
    #[must_use]
    pub fn manual(at: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(AtomicU64::new(at.micros()))))
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => system_now(),
            Source::Manual(micros) => Timestamp::from_micros(micros.load(Ordering::Acquire)),
        }
    }

    /// Moves a manual clock on; the machine's clock can't be moved.
    ///
    /// # Panics
    /// On the machine's clock.
    pub fn advance(&self, by: Micros) {
        match &self.0 {
            Source::System => panic!("invariant: only a manual clock is moved"),
            Source::Manual(micros) => micros.fetch_add(by.get(), Ordering::AcqRel),
        };
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
fn system_now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX))
}

/// Seconds since 1970, for signatures that others check.
#[must_use]
pub fn unix_seconds() -> u64 {
    system_now().micros() / 1_000_000
}

/// A stopwatch for durations, which the wall clock is unfit for: it can be set back.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock module")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Micros {
        Micros::from_std(self.0.elapsed())
    }
}

/// The calendar month in UTC that a point in time falls in.
#[must_use]
pub fn month_of(at: Timestamp) -> Month {
    let date = zoned(at).date();
    let year = u16::try_from(date.year()).expect("invariant: u64 microseconds since 1970 is a positive year");
    let month = u8::try_from(date.month()).expect("invariant: a calendar month is 1 to 12");
    Month::try_new(year, month).expect("invariant: a calendar month is 1 to 12")
}

/// The first moment of the calendar month in UTC that a point in time falls in.
#[must_use]
pub fn month_start(at: Timestamp) -> Timestamp {
    let first = zoned(at).first_of_month().and_then(|first| first.start_of_day());
    let micros = first.map_or(0, |start| start.timestamp().as_microsecond());
    Timestamp::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// The first moment of a month in UTC, and that of the next.
#[must_use]
pub fn months_bounds(month: Month) -> (Timestamp, Timestamp) {
    let first = |text: String| parse_rfc3339(&format!("{text}-01T00:00:00Z")).unwrap_or_default();
    let start = first(month.to_string());
    // No month has more than 31 days, and none but the next begins within the four after them.
    (start, month_start(start + Micros::from_secs(32 * 86_400)))
}

/// RFC 3339 in UTC with microseconds, such as `2026-11-21T10:44:00.000001Z`.
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    to_jiff(at).to_string()
}

/// Reads an RFC 3339 time.
///
/// # Errors
/// A message that says what was wrong.
pub fn parse_rfc3339(text: &str) -> Result<Timestamp, String> {
    let at: jiff::Timestamp = text.parse().map_err(|error| format!("`{text}` is not an RFC 3339 time: {error}"))?;
    u64::try_from(at.as_microsecond()).map(Timestamp::from_micros).map_err(|_| format!("`{text}` is before 1970"))
}

fn to_jiff(at: Timestamp) -> jiff::Timestamp {
    let micros = i64::try_from(at.micros()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX)
}

fn zoned(at: Timestamp) -> jiff::Zoned {
    to_jiff(at).to_zoned(TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_turn_at_midnight_utc() {
        let at = |text: &str| month_of(parse_rfc3339(text).expect("a time")).to_string();
        assert_eq!(at("2026-11-30T23:59:59.999999Z"), "2026-11");
        assert_eq!(at("2026-12-01T00:00:00Z"), "2026-12");
        assert_eq!(at("2026-12-01T00:30:00+01:00"), "2026-11");
    }

    #[test]
    fn times_are_read_back_as_written() {
        let at = Timestamp::from_micros(1_795_257_840_000_001);
        assert_eq!(parse_rfc3339(&rfc3339(at)), Ok(at));
        assert!(parse_rfc3339("yesterday").is_err());
    }
}
