//! How many retries the traffic may cause.
//!
//! Retries multiply load exactly when venues can bear it least. A bucket of tokens bounds
//! them to a share of the first attempts, whatever fails (the same idea as in Finagle and
//! linkerd). It counts, so it needs no clock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::Config;
use crate::config::WHOLE_PPM;

/// The retry budget of all traffic through one broker.
#[derive(Debug)]
pub struct RetryBudget {
    /// In millionths of a retry; full at the start.
    tokens: AtomicU64,
}

impl RetryBudget {
    /// A full budget.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self { tokens: AtomicU64::new(Self::full(config)) }
    }

    /// Counts a first attempt, which earns its share of a retry.
    pub fn earn(&self, config: &Config) {
        let earned = |tokens: u64| Some((tokens + u64::from(config.retry_budget_ppm)).min(Self::full(config)));
        let _ = self.tokens.fetch_update(Relaxed, Relaxed, earned);
    }

    /// Takes one retry; false when the budget does not allow it.
    #[must_use]
    pub fn take(&self) -> bool {
        self.tokens.fetch_update(Relaxed, Relaxed, |tokens| tokens.checked_sub(u64::from(WHOLE_PPM))).is_ok()
    }

    /// Whole retries left.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.tokens.load(Relaxed) / u64::from(WHOLE_PPM)
    }

    fn full(config: &Config) -> u64 {
        u64::from(config.retry_burst) * u64::from(WHOLE_PPM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_a_fifth_of_first_attempts_after_the_burst() {
        let config = Config::default();
        let budget = RetryBudget::new(&config);
        let mut retries = 0;
        for _ in 0..10_000 {
            budget.earn(&config);
            while budget.take() {
                retries += 1;
            }
        }
        // The first attempt finds the budget full and earns nothing.
        assert_eq!(retries, 100 + 9_999 / 5);
        assert_eq!(budget.left(), 0);
    }

    #[test]
    fn quiet_times_save_up_no_more_than_the_burst() {
        let config = Config { retry_burst: 3, ..Config::default() };
        let budget = RetryBudget::new(&config);
        for _ in 0..1000 {
            budget.earn(&config);
        }
        assert_eq!(std::iter::repeat_with(|| budget.take()).take_while(|&taken| taken).count(), 3);
    }

    #[test]
    fn no_share_and_no_burst_mean_no_retries() {
        let config = Config { retry_budget_ppm: 0, retry_burst: 0, ..Config::default() };
        let budget = RetryBudget::new(&config);
        budget.earn(&config);
        assert!(!budget.take());
    }
}
