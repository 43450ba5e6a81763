//! Every call of the load, as it ended, and the figures that are read from them.
//!
//! Times count from the start of the load. A call's latency counts from when it was planned to be
//! sent, so that a client that falls behind does not flatter the broker.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use merit_units::Money;

use crate::broker::Answer;

/// One call that has ended.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Its function's place among the samples.
    pub(crate) function: usize,
    /// When it was to be sent.
    pub(crate) planned: Duration,
    /// When it had ended.
    pub(crate) ended: Duration,
    /// How it ended.
    pub(crate) answer: Answer,
}

impl Call {
    /// The venue that answered, and the charge.
    pub(crate) fn replied(&self) -> Option<(&str, Money)> {
        match &self.answer {
            Answer::Replied { venue, charge, .. } => Some((venue, *charge)),
            Answer::Failed { .. } => None,
        }
    }

    /// Whether it took more than one attempt.
    pub(crate) fn was_repeated(&self) -> bool {
        matches!(self.answer, Answer::Replied { attempts: 2.., .. })
    }

    fn latency(&self) -> Duration {
        self.ended.saturating_sub(self.planned)
    }
}

/// All calls that have ended, in the order they did.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<Vec<Call>>);

impl Calls {
    pub(crate) fn push(&self, call: Call) {
        self.all().push(call);
    }

    pub(crate) fn all(&self) -> MutexGuard<'_, Vec<Call>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sums over calls.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sums {
    /// Calls.
    pub(crate) calls: u64,
    /// Those without a reply.
    pub(crate) failed: u64,
    /// What the others were charged.
    pub(crate) charged: Money,
    /// Latencies, shortest first.
    latencies: Vec<Duration>,
    /// Calls answered by each venue, most first.
    pub(crate) venues: Vec<(String, u64)>,
}

impl Sums {
    /// Adds up.
    pub(crate) fn of<'a>(calls: impl IntoIterator<Item = &'a Call>) -> Self {
        let mut sums = Self::default();
        for call in calls {
            sums.calls += 1;
            let Some((venue, charge)) = call.replied() else {
                sums.failed += 1;
                continue;
            };
            sums.charged += charge;
            sums.latencies.push(call.latency());
            match sums.venues.iter_mut().find(|(known, _)| known == venue) {
                Some((_, count)) => *count += 1,
                None => sums.venues.push((venue.to_owned(), 1)),
            }
        }
        sums.latencies.sort_unstable();
        sums.venues.sort_by(|(a, few), (b, many)| many.cmp(few).then_with(|| a.cmp(b)));
        sums
    }

    /// The latency that this share of the replies was not slower than; `None` without replies.
    pub(crate) fn latency(&self, percent: usize) -> Option<Duration> {
        let rank = (self.latencies.len() * percent).div_ceil(100).max(1);
        self.latencies.get(rank - 1).copied()
    }

    /// What a million such calls are charged; `None` without replies.
    pub(crate) fn per_million(&self) -> Option<Money> {
        let replied = i128::from(self.calls - self.failed);
        (replied > 0).then(|| Money::from_pico(self.charged.pico() * 1_000_000 / replied))
    }

    /// The share of the replies that came from a venue, 0 to 1.
    pub(crate) fn share(&self, venue: &str) -> f64 {
        let count = self.venues.iter().find(|(known, _)| known == venue).map_or(0, |(_, count)| *count);
        ratio(count, self.calls - self.failed)
    }
}

/// A share for showing; nothing of nothing is none.
#[expect(clippy::cast_precision_loss, reason = "counts of calls are far below 2^53, and it is for showing")]
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A call to a function at a planned time that took 100 ms.
    pub(crate) fn call(function: usize, planned_ms: u64, venue: &str, pico: i128) -> Call {
        let planned = Duration::from_millis(planned_ms);
        let answer = Answer::Replied {
            venue: venue.to_owned(),
            charge: Money::from_pico(pico),
            attempts: 1,
            invocation: format!("i{planned_ms}"),
        };
        Call { function, planned, ended: planned + Duration::from_millis(100), answer }
    }

    #[test]
    fn sums_are_counted_over_replies() {
        let mut calls = vec![call(0, 0, "a", 10), call(0, 5, "b", 20), call(0, 9, "b", 60)];
        calls[1].ended = calls[1].planned + Duration::from_millis(300);
        calls.push(Call { answer: Answer::failed("x".to_owned()), ..call(0, 10, "a", 1) });
        let sums = Sums::of(&calls);
        assert_eq!((sums.calls, sums.failed, sums.charged), (4, 1, Money::from_pico(90)));
        assert_eq!(sums.venues, [("b".to_owned(), 2), ("a".to_owned(), 1)]);
        assert_eq!(sums.per_million(), Some(Money::from_pico(30_000_000)));
        assert_eq!(sums.latency(50), Some(Duration::from_millis(100)));
        assert_eq!(sums.latency(95), Some(Duration::from_millis(300)));
        assert!((sums.share("b") - 2.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn nothing_has_no_figures() {
        let sums = Sums::of(&[]);
        assert_eq!((sums.latency(50), sums.per_million()), (None, None));
        assert!(sums.share("a").abs() < 1e-9);
    }
}
