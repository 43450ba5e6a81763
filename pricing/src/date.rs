//! Calendar dates, for when a price was retrieved and from when it holds.
//!
//! By hand, and not by jiff as everywhere else: jiff can read the clock and the time zones of the machine, and this crate
//! only computes (`tests/tidy/imports.rs`). What is needed of a calendar here is one conversion.

use std::fmt;
use std::str::FromStr;

use merit_units::{Micros, Timestamp};

/// A day of the calendar in UTC, from 1970-01-01 to 9999-12-31.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// A text that is not a date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a date; write it as 2026-11-21")]
pub struct DateError(String);

impl Date {
    const DAY: Micros = Micros::from_secs(86_400);

    /// The first moment of the day.
    #[must_use]
    pub const fn start(self) -> Timestamp {
        // Days since 1970-01-01 with the year starting in March, so that the leap day comes last
        // (Howard Hinnant, "chrono-compatible low-level date algorithms", 2013).
        let shifted_year = self.year as u64 - (self.month <= 2) as u64;
        let shifted_month = (self.month as u64 + 9) % 12;
        let leap_days = shifted_year / 4 - shifted_year / 100 + shifted_year / 400;
        let day_of_year = (153 * shifted_month + 2) / 5 + self.day as u64 - 1;
        let days = shifted_year * 365 + leap_days + day_of_year - 719_468;
        Timestamp::from_micros(days * Self::DAY.get())
    }

    const fn days_in_month(year: u16, month: u8) -> u8 {
        match month {
            4 | 6 | 9 | 11 => 30,
            2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
            2 => 28,
            _ => 31,
        }
    }
}

impl FromStr for Date {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        let refuse = || DateError(text.chars().take(40).collect());
        let shaped = text.len() == 10
            && text
                .bytes()
                .enumerate()
                .all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() });
        if !shaped {
            return Err(refuse());
        }
        let year: u16 = text[..4].parse().map_err(|_| refuse())?;
        let month: u8 = text[5..7].parse().map_err(|_| refuse())?;
        let day: u8 = text[8..].parse().map_err(|_| refuse())?;
        let exists = year >= 1970 && (1..=12).contains(&month) && (1..=Self::days_in_month(year, month)).contains(&day);
        if exists { Ok(Self { year, month, day }) } else { Err(refuse()) }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_days_of_the_calendar() {
        for (text, seconds) in [
            ("1970-01-01", 0),
            ("2000-02-29", 951_782_400),
            ("2026-11-21", 1_795_219_200),
            ("2100-03-01", 4_107_542_400_u64),
        ] {
            let date: Date = text.parse().expect("a date");
            assert_eq!(date.start().micros(), seconds * 1_000_000, "{text}");
            assert_eq!(date.to_string(), text);
        }
        for bad in ["2026-02-29", "2026-13-01", "2026-1-1", "1969-12-31", "20261121", "2026/11/21", "２026-1-1"] {
            assert!(bad.parse::<Date>().is_err(), "{bad}");
        }
    }
}
