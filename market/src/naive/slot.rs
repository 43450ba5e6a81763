//! Slots and venues of the naive market, as plain numbers.

use merit_units::{Micros, Timestamp};

use crate::{Config, HealthState};

/// A deployment.
#[derive(Debug, Default)]
pub(super) struct NaiveSlot {
    pub(super) in_flight: u32,
    pub(super) cap: NaiveCap,
    pub(super) health: NaiveHealth,
    pub(super) next_probe: Timestamp,
    pub(super) paused_until: Timestamp,
    pub(super) memory_mb: u64,
}

/// A venue.
#[derive(Debug, Default)]
pub(super) struct NaiveVenue {
    pub(super) in_flight: u32,
    pub(super) cap: NaiveCap,
    pub(super) stopped: bool,
    pub(super) on_trial: bool,
    pub(super) windows: Vec<super::gate::NaiveWindow>,
    /// Of calls in flight that began under a quota.
    pub(super) memory_mb: u64,
    pub(super) memory_quota_mb: Option<u64>,
    throttled: Vec<(usize, Timestamp)>,
}

impl NaiveVenue {
    pub(super) fn throttled(&mut self, slot: usize, begun: Timestamp, now: Timestamp, config: &Config) {
        self.throttled.push((slot, now));
        if let [.., (before, at), _] = self.throttled[..] {
            self.throttled.remove(0);
            if before != slot && now.since(at) <= config.throttle_venue_window {
                self.cap.halve(self.in_flight, begun, now);
            }
        }
    }
}

/// A concurrency cap.
#[derive(Debug, Default)]
pub(super) struct NaiveCap {
    configured: u32,
    pub(super) learned: Option<u32>,
    halvings: Vec<Timestamp>,
    changed: Timestamp,
}

impl NaiveCap {
    pub(super) fn configure(&mut self, configured: u32) {
        self.configured = configured;
        self.forget_if_pointless();
    }

    pub(super) fn effective(&self) -> u32 {
        self.learned.unwrap_or(self.configured)
    }

    pub(super) fn halve(&mut self, in_flight: u32, begun: Timestamp, now: Timestamp) {
        let is_news = self.halvings.iter().all(|&halving| begun > halving);
        if is_news {
            let used = if in_flight < self.effective() { in_flight } else { self.effective() };
            self.learned = Some(if used < 4 { 1 } else { used / 2 });
            self.halvings = vec![now];
            self.changed = now;
            self.forget_if_pointless();
        }
    }

    pub(super) fn grow(&mut self, in_flight: u32, now: Timestamp, config: &Config) {
        if let Some(cap) = self.learned
            && now >= self.changed + config.cap_grow_every
            && in_flight >= cap / 2
        {
            let step = (u128::from(cap) * u128::from(config.cap_grow_ppm) / 1_000_000).max(1);
            self.learned = Some(u32::try_from(u128::from(cap) + step).unwrap_or(u32::MAX));
            self.changed = now;
            self.forget_if_pointless();
        }
    }

    fn forget_if_pointless(&mut self) {
        if self.learned.is_some_and(|learned| learned >= self.configured) {
            self.learned = None;
        }
    }
}

/// A deployment's health. `out_until` set: ejected until then, on probation after.
#[derive(Debug, Default)]
pub(super) struct NaiveHealth {
    out_until: Option<Timestamp>,
    recovered: Option<Timestamp>,
    probation_successes: u32,
    level: u32,
    streak: u32,
    window_from: Timestamp,
    attempts: u32,
    failures: u32,
    mean: u64,
}

impl NaiveHealth {
    pub(super) fn state(&self, now: Timestamp, config: &Config) -> HealthState {
        let full_ramp = Micros::new(1_000_000_000_000_u64.div_ceil(u64::from(config.ramp_ppm_per_second)));
        match (self.out_until, self.recovered) {
            (Some(until), _) if now < until => HealthState::Ejected { until },
            (Some(_), _) => HealthState::Probation,
            (None, Some(since)) if now.since(since) < full_ramp => HealthState::Recovering { since },
            (None, _) => HealthState::Healthy,
        }
    }

    pub(super) fn fail_ppm(&self) -> u32 {
        u32::try_from((self.mean / 32).min(1_000_000)).expect("invariant: at most a million")
    }

    pub(super) fn observe(&mut self, begun: Timestamp, ok: bool, now: Timestamp, config: &Config) {
        self.mean = self.mean - self.mean / 32 + if ok { 0 } else { 1_000_000 };
        if let Some(until) = self.out_until {
            if begun >= until && ok {
                self.probation_successes += 1;
                if self.probation_successes == config.probation_successes {
                    (self.out_until, self.recovered) = (None, Some(now));
                }
            } else if begun >= until {
                self.eject(now, config);
            }
        } else if self.recovered.is_none_or(|recovered| begun >= recovered) {
            self.count(ok, now, config);
            let rate_ppm = u64::from(self.failures) * 1_000_000;
            let too_many = rate_ppm >= u64::from(self.attempts) * u64::from(config.eject_failure_ppm);
            if self.streak >= config.eject_consecutive_failures || (self.attempts >= config.eject_min_calls && too_many)
            {
                let mut healthy = now.since(self.recovered.unwrap_or_default());
                while healthy >= config.ejection_decay && self.level > 0 {
                    healthy = healthy.saturating_sub(config.ejection_decay);
                    self.level -= 1;
                }
                self.eject(now, config);
            }
        }
    }

    fn count(&mut self, ok: bool, now: Timestamp, config: &Config) {
        if now >= self.window_from + config.eject_window {
            (self.window_from, self.attempts, self.failures) = (now, self.attempts / 2, self.failures / 2);
        }
        self.attempts += 1;
        if ok {
            self.streak = 0;
        } else {
            self.failures += 1;
            self.streak += 1;
        }
    }

    fn eject(&mut self, now: Timestamp, config: &Config) {
        let mut length = config.base_ejection;
        for _ in 0..self.level {
            length = length.saturating_add(length).min(config.max_ejection);
        }
        let level = (self.level + 1).min(64);
        *self =
            Self { out_until: Some(now + length.min(config.max_ejection)), level, mean: self.mean, ..Self::default() };
    }
}
