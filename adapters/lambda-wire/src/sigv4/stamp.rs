//! The time a request was signed, `20261121T042653Z`.

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use merit_units::{Micros, Timestamp};

use super::{AuthError, shortened};

/// A time to the second, as text and as a number that agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    text: String,
    at: Timestamp,
}

impl Stamp {
    /// From `X-Amz-Date`, or from `Date`, which may be an HTTP date too.
    ///
    /// # Errors
    /// [`AuthError`] when it is neither.
    pub(super) fn parse(text: &str) -> Result<Self, AuthError> {
        let refuse = || {
            let shown = shortened(text);
            AuthError::incomplete(format!("Date must be in ISO-8601 'basic format'. Got '{shown}'. See the AWS docs."))
        };
        if let Some(at) = basic(text) {
            return Ok(Self { text: text.to_owned(), at });
        }
        let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).map_err(|_| refuse())?;
        let micros = u64::try_from(date.as_microsecond()).map_err(|_| refuse())?;
        Ok(Self::of(Timestamp::from_micros(micros)))
    }

    /// The second `at` falls in.
    pub(super) fn of(at: Timestamp) -> Self {
        let micros = i64::try_from(at.micros()).unwrap_or(i64::MAX);
        let second = jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX);
        Self { text: second.strftime("%Y%m%dT%H%M%SZ").to_string(), at }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// `YYYYMMDD`.
    pub(super) fn date(&self) -> &str {
        self.text.get(..8).unwrap_or(&self.text)
    }

    pub(super) const fn at(&self) -> Timestamp {
        self.at
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Reads the basic form of ISO 8601: sixteen characters, in UTC.
fn basic(text: &str) -> Option<Timestamp> {
    let bytes: &[u8; 16] = text.as_bytes().try_into().ok()?;
    let form = bytes.iter().enumerate().all(|(at, byte)| match at {
        8 => *byte == b'T',
        15 => *byte == b'Z',
        _ => byte.is_ascii_digit(),
    });
    if !form {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to).and_then(|digits| digits.parse::<i16>().ok());
    let small = |from: usize| number(from, from + 2).and_then(|number| i8::try_from(number).ok());
    let civil = DateTime::new(number(0, 4)?, small(4)?, small(6)?, small(9)?, small(11)?, small(13)?, 0).ok()?;
    let at = TimeZone::UTC.to_timestamp(civil).ok()?;
    u64::try_from(at.as_microsecond()).ok().map(Timestamp::from_micros)
}

pub(super) fn minus(at: Timestamp, time: Micros) -> Timestamp {
    Timestamp::from_micros(at.micros().saturating_sub(time.get()))
}

pub(super) fn plus(at: Timestamp, time: Micros) -> Timestamp {
    Timestamp::from_micros(at.micros().saturating_add(time.get()))
}
