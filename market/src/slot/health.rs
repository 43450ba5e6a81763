//! Whether a deployment can be trusted with calls: ejection, probation, recovery.
//!
//! ```text
//!             streak or rate of failures
//!   healthy ─────────────────────────────▶ ejected ──▶ (time passes) ──▶ probation
//!      ▲                                      ▲                             │
//!      │                                      └────────── a failure ────────┤
//!      └── recovering: a growing share ◀──────────── enough successes ──────┘
//! ```
//!
//! Every ejection lasts twice as long as the one before it, up to a bound, and healthy time
//! takes doublings back. Results of attempts begun before the present phase say nothing
//! about it and are ignored: the thirty calls that time out after a venue froze are one
//! incident, not thirty, and a last resort's luck does not cut an ejection short.

use merit_units::Timestamp;

use crate::Config;
use crate::config::WHOLE_PPM;

/// Weight of one attempt in the failure mean: 1 / 2^5.
const FAIL_MEAN_SHIFT: u32 = 5;

/// What has been learned, behind the slot's mutex.
#[derive(Clone, Copy, Debug)]
pub(super) struct Health {
    phase: Phase,
    /// Ejections not yet taken back by healthy time.
    level: u32,
    streak: u32,
    window_from: Timestamp,
    attempts: u32,
    failures: u32,
    /// In 2^-5 ppm, so that small steps are not rounded away.
    fail_mean: u32,
}

/// Healthy or not, and since or until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// `recovered`: when probation ended, if there ever was one.
    Healthy { recovered: Option<Timestamp> },
    /// Ejected until then, on probation after.
    Out { until: Timestamp, successes: u32 },
}

impl Default for Health {
    fn default() -> Self {
        Self {
            phase: Phase::Healthy { recovered: None },
            level: 0,
            streak: 0,
            window_from: Timestamp::EPOCH,
            attempts: 0,
            failures: 0,
            fail_mean: 0,
        }
    }
}

impl Health {
    /// Counts an attempt and returns the phase it leads to.
    pub(super) fn observe(&mut self, begun: Timestamp, ok: bool, now: Timestamp, config: &Config) -> Phase {
        self.learn_mean(ok);
        match self.phase {
            Phase::Healthy { recovered } if recovered.is_none_or(|at| begun >= at) => {
                self.count(ok, now, config);
                if self.is_failing(config) {
                    let healthy = now.since(recovered.unwrap_or(Timestamp::EPOCH)).get();
                    let taken_back = healthy / config.ejection_decay.get().max(1);
                    self.level = self.level.saturating_sub(u32::try_from(taken_back).unwrap_or(u32::MAX));
                    self.eject(now, config);
                }
            }
            Phase::Out { until, successes } if begun >= until => {
                if !ok {
                    self.eject(now, config);
                } else if successes + 1 >= config.probation_successes {
                    self.phase = Phase::Healthy { recovered: Some(now) };
                } else {
                    self.phase = Phase::Out { until, successes: successes + 1 };
                }
            }
            Phase::Healthy { .. } | Phase::Out { .. } => {}
        }
        self.phase
    }

    pub(super) fn fail_ppm(&self) -> u32 {
        (self.fail_mean >> FAIL_MEAN_SHIFT).min(WHOLE_PPM)
    }

    fn learn_mean(&mut self, ok: bool) {
        self.fail_mean -= self.fail_mean >> FAIL_MEAN_SHIFT;
        self.fail_mean += if ok { 0 } else { WHOLE_PPM };
    }

    fn count(&mut self, ok: bool, now: Timestamp, config: &Config) {
        if now.since(self.window_from) >= config.eject_window {
            self.window_from = now;
            self.attempts /= 2;
            self.failures /= 2;
        }
        self.attempts = self.attempts.saturating_add(1);
        self.failures = self.failures.saturating_add(u32::from(!ok));
        self.streak = if ok { 0 } else { self.streak.saturating_add(1) };
    }

    fn is_failing(&self, config: &Config) -> bool {
        let rate_is_high = u64::from(self.failures) * u64::from(WHOLE_PPM)
            >= u64::from(self.attempts) * u64::from(config.eject_failure_ppm);
        self.streak >= config.eject_consecutive_failures || (self.attempts >= config.eject_min_calls && rate_is_high)
    }

    fn eject(&mut self, now: Timestamp, config: &Config) {
        let base = config.base_ejection.get();
        let length = 1_u64.checked_shl(self.level).map_or(u64::MAX, |times| base.saturating_mul(times));
        let until = now + merit_units::Micros::new(length).min(config.max_ejection);
        *self = Self {
            phase: Phase::Out { until, successes: 0 },
            level: (self.level + 1).min(64),
            fail_mean: self.fail_mean,
            ..Self::default()
        };
    }
}

impl Phase {
    pub(super) fn published(self) -> Published {
        match self {
            Self::Healthy { recovered: None } => Published::Healthy,
            Self::Healthy { recovered: Some(since) } => Published::Recovering { since },
            Self::Out { until, .. } => Published::Out { until },
        }
    }
}

/// What a decision needs to know, in one word: two bits of kind, 62 of time, which last
/// until the year 148,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Published {
    Healthy,
    Recovering { since: Timestamp },
    Out { until: Timestamp },
}

impl Published {
    const TIME: u64 = (1 << 62) - 1;

    pub(super) fn pack(self) -> u64 {
        match self {
            Self::Healthy => 0,
            Self::Recovering { since } => 1 << 62 | since.micros().min(Self::TIME),
            Self::Out { until } => 2 << 62 | until.micros().min(Self::TIME),
        }
    }

    pub(super) fn unpack(word: u64) -> Self {
        let time = Timestamp::from_micros(word & Self::TIME);
        match word >> 62 {
            0 => Self::Healthy,
            1 => Self::Recovering { since: time },
            _ => Self::Out { until: time },
        }
    }
}
