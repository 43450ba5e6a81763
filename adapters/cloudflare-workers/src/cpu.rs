//! The CPU time of a call, which is billed and which no answer tells.
//!
//! A mean from analytics, or by configuration, counts as told. Without one it is left open here: the broker takes
//! what other deployments of the function measured, or the time the call took (`merit_pricing::expect`).
//!
//! Invariants: a mean never exceeds the time the call took, which it can't, nor the five minutes at which Workers are
//! cut. It is an estimate, and the reply says so.

use std::collections::BTreeMap;

use merit_pricing::Usage;
use merit_units::Micros;
use merit_venue::{Measured, MeterBasis};

/// Workers are cut after five minutes of CPU time at most.
/// Source: developers.cloudflare.com/workers/platform/limits, 2026-11-21.
const MOST_CPU: Micros = Micros::from_secs(300);

/// What is known of the CPU time of calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuEstimate {
    /// The mean of each script's calls in microseconds, as analytics have it.
    pub by_script: BTreeMap<String, u64>,
    /// The mean of any other script's calls. Without it, nothing is told of them.
    pub any: Option<Micros>,
}

impl CpuEstimate {
    /// What a call of `elapsed` by the own clock used.
    pub(crate) fn measure(&self, script: &str, elapsed: Micros, reply_bytes: usize) -> Measured {
        let mean = self.by_script.get(script).copied().map(Micros::new).or(self.any);
        let cpu = mean.map(|mean| mean.min(elapsed).min(MOST_CPU));
        let usage = Usage { duration: elapsed, cpu, egress_bytes: reply_bytes as u64, ..Usage::default() };
        Measured { usage, basis: MeterBasis::OwnClock }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_a_script_counts_and_never_more_than_the_time_it_took() {
        let estimate =
            CpuEstimate { by_script: [("resize".to_owned(), 2500)].into(), any: Some(Micros::from_millis(7)) };
        let cpu = |estimate: &CpuEstimate, script, elapsed| {
            let measured = estimate.measure(script, Micros::from_millis(elapsed), 3);
            assert!(measured.basis.is_estimated() && measured.usage.egress_bytes == 3);
            measured.usage.cpu
        };
        assert_eq!(cpu(&estimate, "resize", 50), Some(Micros::new(2500)));
        assert_eq!(cpu(&estimate, "other", 50), Some(Micros::from_millis(7)));
        assert_eq!(cpu(&estimate, "other", 5), Some(Micros::from_millis(5)));
        assert_eq!(cpu(&CpuEstimate::default(), "other", 50), None);
        let waits = CpuEstimate { any: Some(Micros::from_secs(400)), ..CpuEstimate::default() };
        assert_eq!(cpu(&waits, "other", 900_000), Some(MOST_CPU));
    }
}
