//! What a run counted: latencies, replies that were not a success, and calls that failed.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::clock::SECOND;

/// Counts of one run.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Latencies in nanoseconds of calls that succeeded, to three digits, up to a minute.
    pub latency: Histogram<u64>,
    /// How late sends left after their planned time, in nanoseconds: the generator's own share.
    pub lateness: Histogram<u64>,
    /// Calls that did not succeed, by status or kind of failure.
    pub errors: BTreeMap<String, u64>,
    /// Nanoseconds over which was counted.
    pub span: u64,
}

impl Default for Tally {
    fn default() -> Self {
        let histogram = || Histogram::new_with_bounds(1, 60 * SECOND, 3).expect("invariant: the bounds are valid");
        Self { latency: histogram(), lateness: histogram(), errors: BTreeMap::new(), span: 0 }
    }
}

impl Tally {
    /// Counts one call: its reply's status or why there was none.
    pub fn count(&mut self, result: &std::io::Result<u16>, latency: u64) {
        match result {
            Ok(200..=299) => self.latency.saturating_record(latency),
            Ok(status) => *self.errors.entry(format!("status {status}")).or_default() += 1,
            Err(error) => *self.errors.entry(error.kind().to_string()).or_default() += 1,
        }
    }

    /// Adds the counts of another connection of the same run.
    pub(crate) fn join(&mut self, other: &Self) {
        self.latency.add(&other.latency).expect("invariant: same bounds");
        self.lateness.add(&other.lateness).expect("invariant: same bounds");
        for (kind, count) in &other.errors {
            *self.errors.entry(kind.clone()).or_default() += count;
        }
    }

    /// Calls that did not succeed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Successful calls a second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate for people; counts stay far below 2^52")]
    pub fn rate(&self) -> f64 {
        self.latency.len() as f64 * SECOND as f64 / (self.span as f64).max(1.0)
    }

    /// The latency, in microseconds, that this share (0 to 1) of the calls stayed within.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a latency for people; it stays far below 2^52")]
    pub fn micros(&self, share: f64) -> f64 {
        self.latency.value_at_quantile(share) as f64 / 1e3
    }

    /// How late sends left, in microseconds, for this share (0 to 1) of them.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a latency for people; it stays far below 2^52")]
    pub fn late_micros(&self, share: f64) -> f64 {
        self.lateness.value_at_quantile(share) as f64 / 1e3
    }
}
