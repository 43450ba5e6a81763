//! The section `[market]`: how calls are placed. Shares are in parts per million (ppm).
//!
//! The names and defaults are those of the market's own tunables, lengths of time in milliseconds.

use crate::reader::Section;

/// How calls are placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Market {
    /// Share of calls that go elsewhere than to the cheapest, to keep profiles fresh.
    pub exploration_ppm: u32,
    /// Share of a function's calls that may go to providers on trial.
    pub trial_ppm: u32,
    /// A challenger must be cheaper by this share to pass.
    pub hysteresis_ppm: u32,
    /// Share of the traffic that a changed order takes over each second.
    pub ramp_ppm_per_second: u32,
    /// Failures in a row that eject a deployment.
    pub eject_consecutive_failures: u32,
    /// Share of failures in a window that ejects a deployment.
    pub eject_failure_ppm: u32,
    /// Attempts a window needs before that share counts.
    pub eject_min_calls: u32,
    /// Milliseconds of a window; at its end both counts are halved.
    pub eject_window_ms: u64,
    /// Milliseconds of a first ejection; each further one lasts twice as long.
    pub base_ejection_ms: u64,
    /// Milliseconds of the longest ejection.
    pub max_ejection_ms: u64,
    /// Healthy milliseconds that take one doubling back.
    pub ejection_decay_ms: u64,
    /// Milliseconds between two calls to a deployment on probation.
    pub probation_interval_ms: u64,
    /// Successes in a row that end probation.
    pub probation_successes: u32,
    /// Milliseconds between two growth steps of a concurrency cap learned from throttling.
    pub cap_grow_every_ms: u64,
    /// A growth step, as a share of the cap; at least one call.
    pub cap_grow_ppm: u32,
    /// The longest a throttling answer keeps calls away, in milliseconds.
    pub throttle_pause_max_ms: u64,
    /// Two deployments throttled within these milliseconds mean that their venue is full.
    pub throttle_venue_window_ms: u64,
    /// Milliseconds for which a deployment is left alone whose venue can't add instances as fast as calls come.
    pub burst_pause_ms: u64,
    /// Retries allowed, as a share of the calls.
    pub retry_budget_ppm: u32,
    /// Retries that may be saved up, and are there at the start.
    pub retry_burst: u32,
    /// Attempts of one call, the first included.
    pub max_attempts: u32,
    /// Milliseconds a quote stands.
    pub quote_ttl_ms: u64,
    /// Hours after which a price that a venue publishes is stale and the venue ineligible.
    pub price_stale_after_hours: u64,
}

impl Market {
    pub(crate) fn read(mut section: Section<'_, '_>) -> Self {
        let market = Self {
            exploration_ppm: section.number("exploration_ppm", 0..=500_000),
            trial_ppm: section.number("trial_ppm", 0..=1_000_000),
            hysteresis_ppm: section.number("hysteresis_ppm", 0..=500_000),
            ramp_ppm_per_second: section.number("ramp_ppm_per_second", 1000..=1_000_000),
            eject_consecutive_failures: section.number("eject_consecutive_failures", 1..=1000),
            eject_failure_ppm: section.number("eject_failure_ppm", 10_000..=1_000_000),
            eject_min_calls: section.number("eject_min_calls", 1..=1000),
            eject_window_ms: section.number("eject_window_ms", 100..=3_600_000),
            base_ejection_ms: section.number("base_ejection_ms", 10..=3_600_000),
            max_ejection_ms: section.number("max_ejection_ms", 10..=86_400_000),
            ejection_decay_ms: section.number("ejection_decay_ms", 10..=86_400_000),
            probation_interval_ms: section.number("probation_interval_ms", 1..=3_600_000),
            probation_successes: section.number("probation_successes", 1..=1000),
            cap_grow_every_ms: section.number("cap_grow_every_ms", 10..=3_600_000),
            cap_grow_ppm: section.number("cap_grow_ppm", 0..=1_000_000),
            throttle_pause_max_ms: section.number("throttle_pause_max_ms", 0..=3_600_000),
            throttle_venue_window_ms: section.number("throttle_venue_window_ms", 0..=3_600_000),
            burst_pause_ms: section.number("burst_pause_ms", 0..=3_600_000),
            retry_budget_ppm: section.number("retry_budget_ppm", 0..=1_000_000),
            retry_burst: section.number("retry_burst", 0..=100_000),
            max_attempts: section.number("max_attempts", 1..=10),
            quote_ttl_ms: section.number("quote_ttl_ms", 100..=3_600_000),
            price_stale_after_hours: section.number("price_stale_after_hours", 1..=8760),
        };
        if market.base_ejection_ms > market.max_ejection_ms {
            let (base, max) = (market.base_ejection_ms, market.max_ejection_ms);
            section.mistake("base_ejection_ms", format!("must be at most max_ejection_ms ({max}), got {base}"));
        }
        market
    }
}
