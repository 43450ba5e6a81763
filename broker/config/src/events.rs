//! The sections `[events]` and `[functions.NAME.async]`: calls that are acknowledged first and delivered afterwards.

use std::ops::RangeInclusive;

use crate::reader::{Kind, Section};

/// Retries after an error of the function's own. AWS Lambda allows 0 to 2.
pub const MAX_RETRIES: RangeInclusive<u64> = 0..=100;
/// Seconds before the first of them; the n-th waits n times as long.
pub const RETRY_DELAY_S: RangeInclusive<u64> = 1..=3600;
/// Seconds that an event is tried. AWS Lambda allows 60 to 21,600.
pub const MAX_AGE_S: RangeInclusive<u64> = 1..=1_209_600;
/// Bytes that a destination may have, a URL or a function's name.
pub(crate) const DESTINATION_BYTES: usize = 2048;

/// How events are kept and delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Events {
    /// Events that may wait.
    pub max_queued: u64,
    /// Bytes of theirs on disk.
    pub max_queued_bytes: u64,
    /// Bytes that an event's payload may have.
    pub max_payload_bytes: usize,
    /// Deliveries at once.
    pub max_running: usize,
    /// Deliveries at once to one function or URL.
    pub max_running_per_function: usize,
    /// Retries after an error of the function's own.
    pub max_retries: u32,
    /// Seconds before the first of them; the n-th waits n times as long.
    pub retry_delay_s: u64,
    /// Milliseconds before the first retry of what no venue ran; each further one waits twice as long.
    pub backoff_ms: u64,
    /// Milliseconds of the longest such wait.
    pub max_backoff_ms: u64,
    /// Seconds that an event is tried.
    pub max_age_s: u64,
    /// Hours that a delivered event can be asked for.
    pub delivered_retention_hours: u64,
    /// Days that dead letters are kept.
    pub dead_letter_retention_days: u64,
    /// Dead letters that are kept.
    pub max_dead_letters: u64,
    /// Bytes of theirs on disk.
    pub max_dead_letter_bytes: u64,
    /// Milliseconds that an HTTP destination has to answer.
    pub destination_timeout_ms: u64,
    /// Whether destinations may be on loopback and private networks.
    pub private_destinations: bool,
}

impl Events {
    pub(crate) fn read(mut section: Section<'_, '_>) -> Self {
        let events = Self {
            max_queued: section.number("max_queued", 1..=100_000_000),
            max_queued_bytes: section.number("max_queued_bytes", 1..=1 << 40),
            max_payload_bytes: section.number("max_payload_bytes", 1..=1 << 28),
            max_running: section.number("max_running", 1..=100_000),
            max_running_per_function: section.number("max_running_per_function", 1..=100_000),
            max_retries: section.number("max_retries", MAX_RETRIES),
            retry_delay_s: section.number("retry_delay_s", RETRY_DELAY_S),
            backoff_ms: section.number("backoff_ms", 10..=600_000),
            max_backoff_ms: section.number("max_backoff_ms", 10..=3_600_000),
            max_age_s: section.number("max_age_s", MAX_AGE_S),
            delivered_retention_hours: section.number("delivered_retention_hours", 0..=8760),
            dead_letter_retention_days: section.number("dead_letter_retention_days", 1..=3650),
            max_dead_letters: section.number("max_dead_letters", 1..=100_000_000),
            max_dead_letter_bytes: section.number("max_dead_letter_bytes", 1..=1 << 40),
            destination_timeout_ms: section.number("destination_timeout_ms", 10..=900_000),
            private_destinations: section.value("private_destinations", &[Kind::Boolean], str::parse::<bool>),
        };
        if events.backoff_ms > events.max_backoff_ms {
            let (first, longest) = (events.backoff_ms, events.max_backoff_ms);
            section.mistake("backoff_ms", format!("must be at most max_backoff_ms ({longest}), got {first}"));
        }
        events
    }
}

/// What a function's own section `async` says. What it leaves out is as in `[events]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunctionEvents {
    /// Retries after an error of its own.
    pub max_retries: Option<u32>,
    /// Seconds before the first of them.
    pub retry_delay_s: Option<u64>,
    /// Seconds that an event is tried.
    pub max_age_s: Option<u64>,
    /// Who is told of a delivered event: a function or an `http(s)` URL.
    pub on_success: Option<String>,
    /// Who is told of one that was given up.
    pub on_failure: Option<String>,
}

impl FunctionEvents {
    pub(crate) fn read(mut section: Section<'_, '_>) -> Self {
        let number = |section: &mut Section<'_, '_>, key, range: RangeInclusive<u64>| {
            section.given(key, &[Kind::Integer], |text| {
                let number = text.parse::<u64>().ok().filter(|number| range.contains(number));
                number.ok_or_else(|| format!("must be {} to {}, got {text}", range.start(), range.end()))
            })
        };
        let max_retries = number(&mut section, "max_retries", MAX_RETRIES);
        Self {
            max_retries: max_retries.and_then(|retries| u32::try_from(retries).ok()),
            retry_delay_s: number(&mut section, "retry_delay_s", RETRY_DELAY_S),
            max_age_s: number(&mut section, "max_age_s", MAX_AGE_S),
            on_success: section.given("on_success", &[Kind::String], destination),
            on_failure: section.given("on_failure", &[Kind::String], destination),
        }
    }
}

/// A function's name, or a URL. Whether there is such a function is seen when a record is delivered.
pub fn destination(text: &str) -> Result<String, String> {
    let refuse = || Err(format!("must be a function's name or an http or https URL, got `{text}`"));
    if text.len() > DESTINATION_BYTES {
        return Err(format!("must have at most {DESTINATION_BYTES} bytes, got {}", text.len()));
    }
    match text.split_once("://") {
        Some(("http" | "https", rest)) if !rest.is_empty() && !text.contains(char::is_whitespace) => {}
        Some(_) => return refuse(),
        None if merit_units::FunctionId::try_new(text).is_err() => return refuse(),
        None => {}
    }
    Ok(text.to_owned())
}
