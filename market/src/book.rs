//! One function's asks, as a snapshot that is read without locks.
//!
//! A book is built whenever a price, a profile or the set of deployments changes, from the
//! one before it: that is how a changed order takes over gradually ([`views`]) and a small
//! advantage does not change it ([`order`]). Rows keep the numbers they were given in.
//!
//! Complexity: deciding without a value of time looks at asks in merit order and stops at
//! the first that will do; with one it looks at each ask once. Only failures look twice.
//!
//! Known limitation: with a value of time the order is made per call from scores that
//! follow an ask's own moves of [`crate::Config::hysteresis_ppm`] and more; two asks that
//! keep within it may be taken in the order of up to that much ago.

mod decide;
mod order;
mod renumbering;
#[cfg(test)]
mod tests;
mod views;

use std::sync::Arc;

use arrayvec::ArrayVec;
use merit_units::{Micros, Timestamp};

use self::renumbering::Renumbering;
use self::views::Views;
use crate::ask::Score;
use crate::slot::{Fitness, NoRoom};
use crate::terms::bit;
use crate::{Architecture, Ask, Config, Exclusion, Ineligible, Isolation, RegionIndex, Slot, Terms, VenueIndex};

pub use self::decide::Pick;

/// The most asks a book can have: one bit each in [`Terms::tried`].
pub const MAX_ASKS: usize = 128;

/// The live state of the deployments of a book, row by row. Books of the same deployments share one.
pub type Slots = Arc<[Arc<Slot>]>;

/// More asks than a book can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} deployments of one function are too many; a book holds {MAX_ASKS}")]
pub struct TooManyAsks(pub usize);

/// A snapshot of one function's asks.
#[derive(Debug)]
pub struct Book {
    slots: Slots,
    asks: Vec<Ask>,
    /// What checking terms needs of each ask, close together.
    rows: Box<[Row]>,
    views: Views,
    tuning: Tuning,
}

/// The tunables a decision needs.
#[derive(Clone, Copy, Debug)]
struct Tuning {
    exploration_ppm: u32,
    trial_ppm: u32,
    ramp_ppm_per_second: u32,
    probation_interval: Micros,
}

/// The part of an ask that terms are checked against.
#[derive(Clone, Copy, Debug)]
struct Row {
    cost_pico: i64,
    latency_p95: Micros,
    venue: VenueIndex,
    region: RegionIndex,
    isolation: Isolation,
    architecture: Architecture,
    ineligible: Option<Ineligible>,
    /// [`Ask::curiosity`].
    curiosity: u8,
}

/// Rows of a book, at most all of them.
pub(crate) type Rows<T> = ArrayVec<T, MAX_ASKS>;

impl Book {
    /// A book of `asks`, row `n` being the `n`th, of the deployment with the `n`th slot, that takes over from
    /// `previous`.
    ///
    /// The same [`Slot`] means the same deployment in both, and no two rows share one. Without a previous book
    /// the order holds at once. Cheapest when the slots are those of the previous book ([`Self::slots`]): then
    /// nothing is looked at but the asks.
    ///
    /// # Errors
    /// [`TooManyAsks`] for more than [`MAX_ASKS`].
    ///
    /// # Panics
    /// When there are not as many slots as asks.
    pub fn build(
        previous: Option<&Self>,
        slots: Slots,
        asks: Vec<Ask>,
        now: Timestamp,
        config: &Config,
    ) -> Result<Self, TooManyAsks> {
        if asks.len() > MAX_ASKS {
            return Err(TooManyAsks(asks.len()));
        }
        assert_eq!(slots.len(), asks.len(), "invariant: a slot for each ask");
        let scores: Rows<Score> = asks.iter().map(Ask::score).collect();
        let views = match previous {
            None => Views::first(&order::cheapest_first(&scores), &scores, now),
            Some(previous) => {
                let renumbered = Renumbering::new(&previous.slots, &slots);
                let order = order::with_hysteresis(
                    previous.views.newest().filter_map(|row| renumbered.of(row)),
                    &scores,
                    config.hysteresis_ppm,
                );
                previous.views.succeeded_by(&renumbered, &order, &scores, now, config)
            }
        };
        let tuning = Tuning {
            exploration_ppm: config.exploration_ppm,
            trial_ppm: config.trial_ppm,
            ramp_ppm_per_second: config.ramp_ppm_per_second,
            probation_interval: config.probation_interval,
        };
        Ok(Self { rows: asks.iter().map(Row::of).collect(), slots, asks, views, tuning })
    }

    /// The live state of the deployments, by row.
    #[must_use]
    pub fn slots(&self) -> &Slots {
        &self.slots
    }

    /// The asks, by row.
    #[must_use]
    pub fn asks(&self) -> &[Ask] {
        &self.asks
    }

    /// The rows in merit order at no value of time, as new calls will see it once a ramp is over.
    pub fn merit_order(&self) -> impl Iterator<Item = usize> {
        self.views.newest()
    }

    /// The share of traffic that sees the newest order, in ppm: a million when no ramp is on.
    #[must_use]
    pub fn newest_share_ppm(&self, now: Timestamp) -> u32 {
        self.views.newest_share(now, self.tuning.ramp_ppm_per_second)
    }

    /// What each ask would say to a call with these terms, in merit order: row and verdict.
    ///
    /// For quotes, receipts and refusals. It takes nothing and promises nothing.
    pub fn verdicts(&self, terms: &Terms, now: Timestamp) -> impl Iterator<Item = (usize, Result<(), Exclusion>)> {
        self.merit_order().map(move |row| (row, self.verdict(row, terms, now)))
    }

    /// Every view: its share, and row, expected charges and delay in its order.
    #[cfg(test)]
    pub(crate) fn views_at(&self, now: Timestamp) -> Vec<crate::tests::PlainView> {
        let views = self.views.at(now, self.tuning.ramp_ppm_per_second).into_iter();
        let plain = |ranked: &views::Ranked| (ranked.row.into(), ranked.score.base_pico, ranked.score.delay);
        views.map(|(share, view)| (share, view.iter().map(plain).collect())).collect()
    }

    fn verdict(&self, row: usize, terms: &Terms, now: Timestamp) -> Result<(), Exclusion> {
        let (slot, ask) = (&self.slots[row], &self.asks[row]);
        if slot.venue().is_stopped() {
            return Err(Exclusion::Killed);
        }
        if let Some(refusal) = self.refusal(row, terms) {
            return Err(refusal);
        }
        if slot.venue().is_on_trial() {
            return Err(Exclusion::OnTrial);
        }
        match self.fitness(row, now, 0) {
            Fitness::Ejected { until } => return Err(Exclusion::Ejected { until }),
            Fitness::OnProbation { next_probe } => return Err(Exclusion::OnProbation { next_probe }),
            Fitness::Sound | Fitness::HeldBack | Fitness::ProbeDue => {}
        }
        match slot.no_room(now, ask.ceiling_pico) {
            None => Ok(()),
            Some(NoRoom::Paused { until }) => Err(Exclusion::Throttled { until }),
            Some(NoRoom::Full { in_flight, cap }) => Err(Exclusion::AtCapacity { in_flight, cap }),
            Some(NoRoom::VenueFull { in_flight, cap }) => Err(Exclusion::VenueAtCapacity { in_flight, cap }),
            Some(NoRoom::MemoryFull { in_use_mb, quota_mb }) => Err(Exclusion::VenueMemoryFull { in_use_mb, quota_mb }),
            Some(NoRoom::WindowFull { until }) => Err(Exclusion::CapReached { until }),
        }
    }

    /// Why the ask or the terms rule a row out, whatever its live state.
    #[inline]
    fn refusal(&self, row: usize, terms: &Terms) -> Option<Exclusion> {
        let ask = &self.rows[row];
        let refusal = if let Some(why) = ask.ineligible {
            why.into()
        } else if !terms.venues.contains(ask.venue) {
            Exclusion::VenueNotAllowed
        } else if !terms.regions.contains(ask.region) {
            Exclusion::RegionNotAllowed
        } else if !terms.isolation.contains(ask.isolation) {
            Exclusion::IsolationNotAllowed
        } else if !terms.architecture.contains(ask.architecture) {
            Exclusion::ArchitectureNotAllowed
        } else if let Some(max_pico) = terms.max_cost_pico.filter(|&max| ask.cost_pico > max) {
            Exclusion::OverMaxPrice { cost_pico: ask.cost_pico, max_pico }
        } else if let Some(max) = terms.max_latency_p95.filter(|&max| ask.latency_p95 > max) {
            Exclusion::OverLatency { p95: ask.latency_p95, max }
        } else if (terms.tried | terms.unfit) & bit(row) != 0 {
            if terms.is_unfit(row) { Exclusion::NoPlainHttp } else { Exclusion::AlreadyTried }
        } else {
            return None;
        };
        Some(refusal)
    }

    fn fitness(&self, row: usize, now: Timestamp, luck_ppm: u32) -> Fitness {
        self.slots[row].fitness(now, luck_ppm, self.tuning.ramp_ppm_per_second)
    }
}

impl Row {
    fn of(ask: &Ask) -> Self {
        Self {
            cost_pico: ask.cost_pico,
            latency_p95: ask.latency_p95,
            venue: ask.venue,
            region: ask.region,
            isolation: ask.isolation,
            architecture: ask.architecture,
            ineligible: ask.why_ineligible(),
            curiosity: ask.curiosity(),
        }
    }
}
