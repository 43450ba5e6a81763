//! What is learned of a function's arrivals: how often calls come, and how long it lies idle between them.
//!
//! The keep-alive follows the hybrid histogram policy of "Serverless in the Wild: Characterizing and
//! Optimizing the Serverless Workload at a Large Cloud Provider" (Shahrad et al., USENIX ATC 2020,
//! section 4.2): idle times are counted in equal bins, the tail of the distribution (its 99th percentile
//! and a margin of 10 %) is how long an instance is kept, and while the histogram tells nothing (too few
//! idle times, most of them beyond its range, or no pattern) the fixed keep-alive holds, which is the upper bound.
//!
//! Known limitation: of that policy the pre-warming window is left out; instances are started ahead from
//! the arrival rate alone (`Scheduler::tick`).

use merit_units::Micros;

/// Over how long the arrival rate is taken: a call that far back counts 1/e.
const RATE_WINDOW_US: f64 = 30_000_000.0;
/// Bins of the histogram; the paper has 240 of a minute each.
const BINS: usize = 240;
/// Idle times below which the histogram is not believed.
const FEWEST: u32 = 8;
/// At so many counted idle times all bins are halved, so that a changed pattern shows.
const MOST: u32 = 4096;
/// The paper's threshold: a histogram whose bins vary less than this has no pattern.
const LEAST_VARIATION: f64 = 2.0;

/// How often calls come, by an exponentially decaying count.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rate {
    per_us: f64,
    at: Micros,
}

impl Rate {
    /// A call came.
    pub(crate) fn note(&mut self, now: Micros) {
        self.per_us = self.per_us(now) + 1.0 / RATE_WINDOW_US;
        self.at = now;
    }

    /// Calls a microsecond.
    pub(crate) fn per_us(self, now: Micros) -> f64 {
        self.per_us * (-micros(now.saturating_sub(self.at)) / RATE_WINDOW_US).exp()
    }
}

/// A mean that follows its samples: each new one counts a fifth.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mean(Option<f64>);

impl Mean {
    pub(crate) fn note(&mut self, sample: Micros) {
        let sample = micros(sample);
        self.0 = Some(self.0.map_or(sample, |mean| mean + (sample - mean) / 5.0));
    }

    /// In microseconds; `None` before the first sample.
    pub(crate) const fn us(self) -> Option<f64> {
        self.0
    }
}

/// How long an instance is kept idle, at least and at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// The shortest keep-alive that may be learned.
    pub min: Micros,
    /// The longest one, the range of the histogram, and what holds while nothing is learned.
    pub max: Micros,
}

/// The histogram of a function's idle times.
#[derive(Clone, Debug)]
pub(crate) struct IdleTimes {
    bins: Vec<u32>,
    beyond: u32,
    counted: u32,
}

impl IdleTimes {
    pub(crate) fn new() -> Self {
        Self { bins: vec![0; BINS], beyond: 0, counted: 0 }
    }

    /// The function lay idle for so long before it was called again.
    pub(crate) fn note(&mut self, idle: Micros, bounds: KeepAlive) {
        let bin = usize::try_from(idle.get() / bin_us(bounds)).unwrap_or(usize::MAX);
        match self.bins.get_mut(bin) {
            Some(count) => *count += 1,
            None => self.beyond += 1,
        }
        self.counted += 1;
        if self.counted >= MOST {
            self.halve();
        }
    }

    /// How long an instance of it is to be kept.
    pub(crate) fn keep_alive(&self, bounds: KeepAlive) -> Micros {
        if self.counted < FEWEST || self.beyond > self.counted / 2 || !self.has_pattern() {
            return bounds.max;
        }
        let within = self.counted - self.beyond;
        // The first bin by whose end 99 of 100 had been called again.
        let wanted = within - within / 100;
        let mut seen = 0;
        let tail = self.bins.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        let tail = Micros::new((tail.unwrap_or(BINS) as u64 + 1).saturating_mul(bin_us(bounds)));
        let with_margin = tail.saturating_add(Micros::new(tail.get() / 10));
        with_margin.max(bounds.min).min(bounds.max)
    }

    /// The coefficient of variation of the bins, as the paper takes it.
    fn has_pattern(&self) -> bool {
        let mean = f64::from(self.counted - self.beyond) / BINS as f64;
        let variance = self.bins.iter().map(|count| (f64::from(*count) - mean).powi(2)).sum::<f64>() / BINS as f64;
        variance.sqrt() >= LEAST_VARIATION * mean
    }

    fn halve(&mut self) {
        self.bins.iter_mut().for_each(|count| *count /= 2);
        self.beyond /= 2;
        self.counted = self.beyond + self.bins.iter().sum::<u32>();
    }
}

const fn bin_us(bounds: KeepAlive) -> u64 {
    let width = bounds.max.get() / BINS as u64;
    if width == 0 { 1 } else { width }
}

#[expect(clippy::cast_precision_loss, reason = "2^53 microseconds are 285 years")]
const fn micros(time: Micros) -> f64 {
    time.get() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: KeepAlive = KeepAlive { min: Micros::from_secs(1), max: Micros::from_secs(600) };

    fn learned(idle_s: impl IntoIterator<Item = u64>) -> Micros {
        let mut times = IdleTimes::new();
        idle_s.into_iter().for_each(|idle| times.note(Micros::from_secs(idle), BOUNDS));
        times.keep_alive(BOUNDS)
    }

    #[test]
    fn the_upper_bound_holds_until_something_is_learned() {
        assert_eq!(learned([]), BOUNDS.max);
        assert_eq!(learned([30; 7]), BOUNDS.max);
        assert_eq!(learned([10_000; 100]), BOUNDS.max, "idle times beyond the range");
        assert_eq!(learned((0..600).cycle().take(3000)), BOUNDS.max, "no pattern");
    }

    #[test]
    fn a_pattern_is_followed_with_a_margin() {
        // A bin is 2.5 s: 30 s falls in the one that ends at 32.5 s, and a tenth more is 35.75 s.
        assert_eq!(learned([30; 100]), Micros::from_millis(35_750));
        // One in a hundred that comes later is not waited for, two are.
        assert_eq!(learned([30; 99].into_iter().chain([300])), Micros::from_millis(35_750));
        assert!(learned([30; 98].into_iter().chain([300; 2])) > Micros::from_secs(300));
        // A function that is called all the time is kept for the lower bound at least.
        assert_eq!(learned([0; 100]), Micros::from_millis(2_750));
    }

    #[test]
    fn a_changed_pattern_shows() {
        let before = std::iter::repeat_n(300, 4000);
        let after = std::iter::repeat_n(10, 400_000);
        assert!(learned(before.chain(after)) < Micros::from_secs(20));
    }

    #[test]
    fn the_rate_rises_to_what_comes_and_decays() {
        let mut rate = Rate::default();
        for tenth in 0..3000 {
            rate.note(Micros::from_millis(100 * tenth));
        }
        let now = Micros::from_secs(300);
        let per_second = rate.per_us(now) * 1e6;
        assert!((9.5..10.5).contains(&per_second), "{per_second}");
        let later = rate.per_us(now.saturating_add(Micros::from_secs(300))) * 1e6;
        assert!(later < 0.001, "{later}");
    }
}
