//! Every number the market can be tuned by, with its default and the reason for it.
//!
//! Shares are in parts per million (ppm), so that nothing here needs a fraction.
//! [`Config::mistakes`] says what is wrong with a set of values, all of it at once;
//! a book or slot given a mistaken set does not panic, it only serves badly.

use merit_units::Micros;

/// One whole, in parts per million.
pub const WHOLE_PPM: u32 = 1_000_000;

/// The share taken over `elapsed` after a ramp began, in ppm.
pub(crate) fn ramp_ppm(ramp_ppm_per_second: u32, elapsed: Micros) -> u32 {
    let grown = u64::from(ramp_ppm_per_second).saturating_mul(elapsed.get()) / 1_000_000;
    u32::try_from(grown).map_or(WHOLE_PPM, |grown| grown.min(WHOLE_PPM))
}

/// The part of the exploration share that even the dearest ask gets: its price may have been learned wrongly.
pub(crate) const LEAST_EXPLORED: i128 = 64;

/// The market's tunables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Share of first attempts sent to another eligible ask, so that its profile stays
    /// fresh, in ppm. Default 10,000 (1 %): it is money, so it is small. An ask that costs n times as much as
    /// the best gets an nth of it, and at least a 64th.
    pub exploration_ppm: u32,
    /// Share of a function's calls that may go to venues on trial, in ppm; they are among those that explore.
    /// Default 10,000 (1 %).
    pub trial_ppm: u32,
    /// How much of the traffic a changed order takes over each second, in ppm.
    /// Default 200,000 (20 %): a venue sees its load grow over five seconds, about what
    /// serverless platforms need to scale out. A recovered deployment returns at the same pace.
    pub ramp_ppm_per_second: u32,
    /// Advantage an ask must have to pass one that stood before it, in ppm of that one's
    /// score. Default 20,000 (2 %): what the learned means wander by without meaning anything.
    pub hysteresis_ppm: u32,

    /// Failures in a row that eject a deployment. Default 5: a burst of two or three
    /// happens whenever a connection pool is cut.
    pub eject_consecutive_failures: u32,
    /// Failure rate that ejects, in ppm of the attempts of a window. Default 500,000 (50 %).
    pub eject_failure_ppm: u32,
    /// Attempts a window needs before its rate counts. Default 20.
    pub eject_min_calls: u32,
    /// Length of a failure-rate window; at its end both counts are halved. Default 10 s.
    pub eject_window: Micros,
    /// First ejection; each further one lasts twice as long. Default 1 s.
    pub base_ejection: Micros,
    /// Longest ejection. Default 60 s.
    pub max_ejection: Micros,
    /// Healthy time that takes one doubling back. Default 60 s.
    pub ejection_decay: Micros,
    /// Time between two calls sent to a deployment on probation. Default 200 ms.
    pub probation_interval: Micros,
    /// Successes in a row that end probation. Default 3.
    pub probation_successes: u32,

    /// Time between two growth steps of a learned concurrency cap. Default 1 s.
    pub cap_grow_every: Micros,
    /// Size of a growth step, in ppm of the cap, and at least one call. Default 50,000 (5 %).
    pub cap_grow_ppm: u32,
    /// Longest time a throttling answer's retry-after keeps calls away. Default 10 s.
    pub throttle_pause_max: Micros,
    /// How long a deployment is left alone whose venue can't add instances as fast as calls come, and does not say how
    /// long. Default 1 s: Tencent SCF adds 500 instances a minute in a region, which are eight meanwhile.
    pub burst_pause: Micros,
    /// Two deployments of one venue throttled within this time mean that the venue itself
    /// is full: its account-wide cap is then halved as well. Default 1 s.
    pub throttle_venue_window: Micros,

    /// Retries allowed, in ppm of first attempts. Default 200,000 (20 %).
    pub retry_budget_ppm: u32,
    /// Retries that may be saved up, and are there at the start. Default 100: a venue that dies
    /// takes the calls under way there with it all at once, and those of idempotent functions
    /// are saved only by a retry each.
    pub retry_burst: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Config {
    /// The defaults.
    pub const DEFAULT: Self = Self {
        exploration_ppm: 10_000,
        trial_ppm: 10_000,
        ramp_ppm_per_second: 200_000,
        hysteresis_ppm: 20_000,
        eject_consecutive_failures: 5,
        eject_failure_ppm: 500_000,
        eject_min_calls: 20,
        eject_window: Micros::from_secs(10),
        base_ejection: Micros::from_secs(1),
        max_ejection: Micros::from_secs(60),
        ejection_decay: Micros::from_secs(60),
        probation_interval: Micros::from_millis(200),
        probation_successes: 3,
        cap_grow_every: Micros::from_secs(1),
        cap_grow_ppm: 50_000,
        throttle_pause_max: Micros::from_secs(10),
        burst_pause: Micros::from_secs(1),
        throttle_venue_window: Micros::from_secs(1),
        retry_budget_ppm: 200_000,
        retry_burst: 100,
    };
}

/// A value of [`Config`] that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {reason}")]
pub struct ConfigMistake {
    /// The field's name.
    pub field: &'static str,
    /// What it must be.
    pub reason: &'static str,
}

impl Config {
    /// Everything that is wrong with these values; empty when they can be used.
    #[must_use]
    pub fn mistakes(&self) -> Vec<ConfigMistake> {
        let share = "is a share in parts per million: use 0 to 1000000";
        let positive = "must be more than zero";
        [
            (self.exploration_ppm > WHOLE_PPM, "exploration_ppm", share),
            (self.trial_ppm > WHOLE_PPM, "trial_ppm", share),
            (self.ramp_ppm_per_second == 0, "ramp_ppm_per_second", "must be more than zero, or no ask ever takes over"),
            (self.hysteresis_ppm >= WHOLE_PPM, "hysteresis_ppm", "must be below 1000000, or no ask ever takes over"),
            (self.eject_consecutive_failures == 0, "eject_consecutive_failures", positive),
            (
                self.eject_failure_ppm == 0 || self.eject_failure_ppm > WHOLE_PPM,
                "eject_failure_ppm",
                "must be 1 to 1000000",
            ),
            (self.eject_min_calls == 0, "eject_min_calls", positive),
            (self.eject_window == Micros::ZERO, "eject_window", positive),
            (self.base_ejection == Micros::ZERO, "base_ejection", positive),
            (self.max_ejection < self.base_ejection, "max_ejection", "must not be shorter than `base_ejection`"),
            (self.ejection_decay == Micros::ZERO, "ejection_decay", positive),
            (self.probation_successes == 0, "probation_successes", positive),
            (self.retry_budget_ppm > WHOLE_PPM, "retry_budget_ppm", share),
        ]
        .into_iter()
        .filter(|(wrong, ..)| *wrong)
        .map(|(_, field, reason)| ConfigMistake { field, reason })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_have_no_mistakes() {
        assert_eq!(Config::default().mistakes(), []);
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let config = Config {
            exploration_ppm: 1_000_001,
            ramp_ppm_per_second: 0,
            max_ejection: Micros::ZERO,
            ..Config::default()
        };
        let fields: Vec<_> = config.mistakes().iter().map(|mistake| mistake.field).collect();
        assert_eq!(fields, ["exploration_ppm", "ramp_ppm_per_second", "max_ejection"]);
        assert_eq!(config.mistakes()[2].to_string(), "`max_ejection` must not be shorter than `base_ejection`");
    }
}
