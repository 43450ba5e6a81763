//! What follows from a delivery. Pure: the time and a draw of chance are parameters.
//!
//! Precedence: delivered; then an error of the function's own, a timeout included, retried `max_retries` times, the
//! n-th time after n times `retry_delay`; then everything else (no eligible deployment, throttled, no money, a fault,
//! an outcome that is unknown, a destination that does not answer), tried again after waits that double, until the
//! event's time is over. The same as AWS Lambda's rules for asynchronous calls
//! (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>, read 2026-11-21).

use merit_store::record::{EventCount, EventNext, EventRow};
use merit_units::{Micros, Timestamp};

use super::Limits;
use super::rules::Rules;

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// As it should.
    Delivered,
    /// The function reported an error of its own, or took too long.
    FunctionError,
    /// It did not run, or nobody knows whether it did.
    Refused,
}

impl Class {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::FunctionError => "function-error",
            Self::Refused => "refused",
        }
    }

    pub(super) const fn count(self) -> EventCount {
        match self {
            Self::Delivered => EventCount::Nothing,
            Self::FunctionError => EventCount::FunctionError,
            Self::Refused => EventCount::Refusal,
        }
    }
}

/// How an event ended, in the words of AWS Lambda's destination records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Success,
    RetriesExhausted,
    EventAgeExceeded,
}

impl Condition {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::RetriesExhausted => "RetriesExhausted",
            Self::EventAgeExceeded => "EventAgeExceeded",
        }
    }
}

/// What becomes of an event after a delivery, and how it ended if it has.
pub(super) fn after(
    row: &EventRow,
    class: Class,
    rules: &Rules,
    limits: &Limits,
    now: Timestamp,
    draw: u64,
) -> (EventNext, Option<Condition>) {
    let wait = match class {
        Class::Delivered => return (EventNext::Delivered, Some(Condition::Success)),
        Class::FunctionError => {
            let retries = rules.max_retries.unwrap_or(limits.max_retries);
            if row.function_errors >= retries {
                return (EventNext::Dead, Some(Condition::RetriesExhausted));
            }
            let delay = rules.retry_delay.unwrap_or(limits.retry_delay);
            Micros::new(delay.get().saturating_mul(u64::from(row.function_errors) + 1))
        }
        Class::Refused => backoff(row.refusals, limits, draw),
    };
    // Due at the end of its time at the latest: then it is given up.
    (EventNext::Again { due_at: (now + wait).min(row.expires_at) }, None)
}

/// Doubles with each refusal in a row, less up to half of it by chance, so that what failed together does not come
/// back together.
fn backoff(refusals: u32, limits: &Limits, draw: u64) -> Micros {
    let whole = limits.backoff.get().saturating_mul(1 << refusals.min(40)).min(limits.max_backoff.get());
    Micros::new(whole - draw % (whole / 2 + 1))
}

#[cfg(test)]
mod tests {
    use super::super::tests::row;
    use super::*;
    use crate::settings::Settings;

    fn limits() -> Limits {
        Settings::of(&merit_config::Config::default()).events
    }

    fn seconds(next: (EventNext, Option<Condition>), now: Timestamp) -> u64 {
        match next {
            (EventNext::Again { due_at }, None) => due_at.since(now).get() / 1_000_000,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_functions_errors_are_retried_after_one_and_two_minutes() {
        let (limits, rules) = (limits(), Rules::default());
        let now = Timestamp::from_micros(1_000_000_000);
        let after = |errors, rules: &Rules| {
            after(&row(now, Micros::from_secs(21_600), errors, 0), Class::FunctionError, rules, &limits, now, 0)
        };
        assert_eq!(seconds(after(0, &rules), now), 60);
        assert_eq!(seconds(after(1, &rules), now), 120);
        assert_eq!(after(2, &rules), (EventNext::Dead, Some(Condition::RetriesExhausted)));
        let own = Rules { max_retries: Some(1), retry_delay: Some(Micros::from_secs(5)), ..Rules::default() };
        assert_eq!(seconds(after(0, &own), now), 5);
        assert_eq!(after(1, &own), (EventNext::Dead, Some(Condition::RetriesExhausted)));
        let none = Rules { max_retries: Some(0), ..Rules::default() };
        assert_eq!(after(0, &none).0, EventNext::Dead);
    }

    #[test]
    fn refusals_wait_twice_as_long_each_time_and_no_longer_than_the_event_lives() {
        let (limits, rules) = (limits(), Rules::default());
        let now = Timestamp::from_micros(1_000_000_000);
        let wait = |refusals, age: u64, draw| {
            let row = row(now, Micros::from_secs(age), 0, refusals);
            seconds(after(&row, Class::Refused, &rules, &limits, now, draw), now)
        };
        let waits: Vec<u64> = (0..11).map(|refusals| wait(refusals, 21_600, 0)).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(wait(u32::MAX, 21_600, 0), 300);
        assert_eq!(wait(9, 100, 0), 100, "the event's time ends first");
        let drawn: Vec<u64> = (0..1000).map(|draw| wait(9, 21_600, draw * 1_000_003)).collect();
        let (least, most) = (drawn.iter().min().copied(), drawn.iter().max().copied());
        assert!(least < Some(160) && least >= Some(150) && most > Some(290), "{least:?} to {most:?}");
    }
}
