//! The market written plainly, to check the fast one against and to measure it by.
//!
//! Every decision sorts and filters all rows anew, from plain numbers without packing,
//! sharing or early exits. It keeps its own state of every slot and venue and never reads
//! theirs; a [`Slot`] only serves as a name. What draws mean (`luck`) and what
//! an ask's score and curiosity are is shared: that is the specification, not the machine.

mod gate;
mod slot;
mod views;

use std::collections::BTreeMap;
use std::sync::Arc;

use merit_units::{Micros, Timestamp};

pub use self::gate::NaiveTaken;
use self::slot::{NaiveSlot, NaiveVenue};
use self::views::NaiveViews;
use crate::ask::Score;
use crate::luck::Luck;
use crate::{Ask, Config, Exclusion, HealthState, NoPick, Observation, Room, Slot, Terms, VenueSlots};

/// One function's book, with all its slots and venues.
#[derive(Debug)]
pub struct NaiveBook {
    config: Config,
    slots: BTreeMap<usize, NaiveSlot>,
    venues: BTreeMap<usize, NaiveVenue>,
    /// Whose the asks are.
    places: Vec<Arc<Slot>>,
    asks: Vec<Ask>,
    views: NaiveViews,
}

/// What [`NaiveBook::decide`] picked; the same as [`crate::Pick`] but for the reservation,
/// which is given back with [`NaiveBook::release`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NaivePick {
    /// The row of the ask.
    pub row: usize,
    /// Whether it was picked to learn about it.
    pub explored: bool,
    /// Whether it is the next call of a deployment on probation.
    pub probe: bool,
    /// Whether it is not well, and everything else within the terms is not either.
    pub least_bad: bool,
    /// Its part of the venue's window of time, for [`NaiveBook::release`].
    pub taken: NaiveTaken,
}

fn name(slot: &Arc<Slot>) -> usize {
    Arc::as_ptr(slot).addr()
}

fn venue_name(venue: &Arc<VenueSlots>) -> usize {
    Arc::as_ptr(venue).addr()
}

/// How a row stands towards a call.
#[derive(Clone, Copy, PartialEq)]
enum Standing {
    Excluded,
    Ejected(Timestamp),
    OnProbation,
    HeldBack,
    Well { probe: bool },
}

impl NaiveBook {
    /// A book without asks.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let views = NaiveViews::default();
        Self { config, slots: BTreeMap::new(), venues: BTreeMap::new(), places: Vec::new(), asks: Vec::new(), views }
    }

    /// Makes a venue known, or changes its concurrency.
    pub fn set_venue_concurrency(&mut self, venue: &Arc<VenueSlots>, concurrency: u32) {
        self.venues.entry(venue_name(venue)).or_default().cap.configure(concurrency);
    }

    /// Makes a deployment known, or changes its concurrency.
    pub fn set_concurrency(&mut self, slot: &Arc<Slot>, concurrency: u32) {
        self.slots.entry(name(slot)).or_default().cap.configure(concurrency);
    }

    /// Replaces the asks, each of the deployment with the slot in its place; slots and venues must be known.
    pub fn build(&mut self, slots: Vec<Arc<Slot>>, asks: Vec<Ask>, now: Timestamp) {
        let scores = slots.iter().zip(&asks).map(|(slot, ask)| (name(slot), Some(ask.score())));
        let scores = scores.map(|(slot, score)| (slot, score.filter(|score| score.is_known())));
        self.views.rebuild(&scores.collect::<Vec<(usize, Option<Score>)>>(), now, &self.config);
        self.places = slots;
        self.asks = asks;
    }

    /// Picks the ask for a call and counts it in flight.
    ///
    /// # Errors
    /// As [`crate::Book::decide`].
    pub fn decide(&mut self, terms: &Terms, now: Timestamp, draw: u64) -> Result<NaivePick, NoPick> {
        let luck = Luck::new(draw);
        let view = self.views.seen(luck.ramp_ppm, now, &self.config);
        let rows: Vec<usize> = view.iter().map(|&(slot, _)| self.row_of(slot)).collect();
        let mut preferred: Vec<(i128, usize)> = rows.iter().map(|&row| (0, row)).collect();
        if terms.value_of_time_pico_per_s > 0 {
            for (place, (_, score)) in preferred.iter_mut().zip(&view) {
                place.0 = score.unwrap_or(Score::UNKNOWN).at(terms.value_of_time());
            }
            preferred.sort_by_key(|&(score, _)| score);
        }
        let standing: Vec<Standing> = (0..self.asks.len()).map(|row| self.standing(row, terms, now, luck)).collect();
        let in_tier = |wanted: &dyn Fn(Standing) -> bool| -> Vec<usize> {
            let wanted = preferred.iter().map(|&(_, row)| row).filter(|&row| wanted(standing[row]));
            wanted.filter(|&row| self.has_room(row, now)).collect()
        };
        let well = in_tier(&|standing| matches!(standing, Standing::Well { .. }));
        let mut pick =
            NaivePick { row: 0, explored: false, probe: false, least_bad: false, taken: NaiveTaken::default() };
        let explored = self.draw_another(&rows, &well, luck).filter(|_| terms.tried == 0);
        if let Some(row) = explored {
            (pick.row, pick.explored) = (row, true);
        } else if let Some(&row) = well.first() {
            pick.row = row;
        } else if let Some(&row) = in_tier(&|standing| standing == Standing::HeldBack).first() {
            pick.row = row;
        } else if standing
            .iter()
            .any(|&standing| matches!(standing, Standing::Well { probe: false } | Standing::HeldBack))
        {
            return Err(NoPick::AtCapacity);
        } else if let Some(&row) = in_tier(&|standing| standing == Standing::OnProbation).first() {
            (pick.row, pick.least_bad) = (row, true);
        } else {
            let ejected = rows.iter().filter(|&&row| self.has_room(row, now)).filter_map(|&row| match standing[row] {
                Standing::Ejected(until) => Some((until, row)),
                _ => None,
            });
            let soonest = ejected.min_by_key(|&(until, _)| until).ok_or_else(|| self.refusal(terms, luck))?;
            (pick.row, pick.least_bad) = (soonest.1, true);
        }
        pick.probe = standing[pick.row] == Standing::Well { probe: true };
        pick.taken = self.enter(pick, now);
        Ok(pick)
    }

    /// Learns what came of an attempt begun at `begun`.
    pub fn observe(&mut self, slot: &Arc<Slot>, begun: Timestamp, observation: Observation, now: Timestamp) {
        let venue = self.venues.get_mut(&venue_name(slot.venue())).expect("invariant: the venue is known");
        let its = self.slots.get_mut(&name(slot)).expect("invariant: the slot is known");
        match observation {
            Observation::Ok | Observation::FunctionError => {
                its.health.observe(begun, true, now, &self.config);
                its.cap.grow(its.in_flight, now, &self.config);
                venue.cap.grow(venue.in_flight, now, &self.config);
            }
            Observation::Failed | Observation::Unknown => its.health.observe(begun, false, now, &self.config),
            Observation::Throttled { retry_after } => {
                let pause = retry_after.unwrap_or(Micros::ZERO).min(self.config.throttle_pause_max);
                if retry_after.is_some() {
                    its.paused_until = its.paused_until.max(now + pause);
                }
                its.cap.halve(its.in_flight, begun, now);
                venue.throttled(name(slot), begun, now, &self.config);
            }
            Observation::Burst { retry_after } => {
                let pause = retry_after.unwrap_or(self.config.burst_pause).min(self.config.throttle_pause_max);
                its.paused_until = its.paused_until.max(now + pause);
            }
        }
    }

    /// Gives back the place of a pick at `slot`, which was charged that much, or never begun.
    pub fn release(&mut self, slot: &Arc<Slot>, taken: NaiveTaken, charged_pico: Option<i64>) {
        let its = self.slots.get_mut(&name(slot)).expect("invariant: the slot is known");
        its.in_flight -= 1;
        let venue = self.venues.get_mut(&venue_name(slot.venue())).expect("invariant: the venue is known");
        venue.in_flight -= 1;
        venue.end(taken, charged_pico);
    }

    /// What each ask would say, in merit order.
    #[must_use]
    pub fn verdicts(&self, terms: &Terms, now: Timestamp) -> Vec<(usize, Result<(), Exclusion>)> {
        let rows = self.views.newest().into_iter().map(|slot| self.row_of(slot));
        rows.map(|row| (row, self.exclusions(row, terms, now).into_iter().min().map_or(Ok(()), Err))).collect()
    }

    /// The room of a deployment.
    #[must_use]
    pub fn room(&self, slot: &Arc<Slot>) -> Room {
        let its = &self.slots[&name(slot)];
        let (cap, learned) = (its.cap.effective(), its.cap.learned.is_some());
        Room { in_flight: its.in_flight, cap, learned, paused_until: its.paused_until }
    }

    /// The room of a venue.
    #[must_use]
    pub fn venue_room(&self, venue: &Arc<VenueSlots>) -> Room {
        let its = &self.venues[&venue_name(venue)];
        let (cap, learned) = (its.cap.effective(), its.cap.learned.is_some());
        Room { in_flight: its.in_flight, cap, learned, paused_until: Timestamp::EPOCH }
    }

    /// The health of a deployment, and its learned probability of failure in ppm.
    #[must_use]
    pub fn health(&self, slot: &Arc<Slot>, now: Timestamp) -> (HealthState, u32) {
        let its = &self.slots[&name(slot)];
        (its.health.state(now, &self.config), its.health.fail_ppm())
    }

    #[cfg(test)]
    pub(crate) fn slot(&self, row: usize) -> &Arc<Slot> {
        &self.places[row]
    }

    #[cfg(test)]
    pub(crate) fn views(&self) -> &NaiveViews {
        &self.views
    }

    pub(crate) fn row_of(&self, slot: usize) -> usize {
        self.places.iter().position(|other| name(other) == slot).expect("invariant: views name asks of the book")
    }

    /// Another row that would do, if the call explores: one ticket per unit of curiosity.
    fn draw_another(&self, rows: &[usize], well: &[usize], luck: Luck) -> Option<usize> {
        if luck.explore_ppm >= self.config.exploration_ppm {
            return None;
        }
        let best = well.iter().find(|&&row| !self.venue_of(row).on_trial)?;
        let mut tickets = Vec::new();
        for &row in rows.iter().filter(|row| *row != best && well.contains(row)) {
            tickets.extend((0..self.asks[row].curiosity()).map(|_| row));
        }
        let total = u32::try_from(tickets.len()).expect("invariant: at most 16 tickets a row");
        let drawn = (total > 0).then(|| tickets[luck.ticket(total) as usize])?;
        // Of the share, the part that the best ask's cost is of this one's.
        let share = u128::from(self.config.exploration_ppm);
        let cost = |row: usize| self.asks[row].cost_pico.max(0).unsigned_abs();
        let part = match (u128::from(cost(drawn)), u128::from(cost(*best))) {
            (cost, least) if cost <= least => share,
            (cost, least) => (share * least).div_ceil(cost).max(share.div_ceil(64)),
        };
        (u128::from(luck.explore_ppm) < part).then_some(drawn)
    }

    fn enter(&mut self, pick: NaivePick, now: Timestamp) -> NaiveTaken {
        let (slot, ceiling_pico) = (Arc::clone(&self.places[pick.row]), self.asks[pick.row].ceiling_pico);
        let its = self.slots.get_mut(&name(&slot)).expect("invariant: the slot is known");
        its.in_flight += 1;
        if pick.probe {
            its.next_probe = now + self.config.probation_interval;
        }
        let venue = self.venues.get_mut(&venue_name(slot.venue())).expect("invariant: the venue is known");
        venue.in_flight += 1;
        venue.begin(its.memory_mb, ceiling_pico, now)
    }

    fn refusal(&self, terms: &Terms, luck: Luck) -> NoPick {
        let untried = Terms { tried: 0, ..*terms };
        let meets = |row, terms| self.admits(row, luck) && self.broken_terms(row, terms).is_empty();
        let any_meets = |terms| (0..self.asks.len()).any(|row| meets(row, terms));
        match (self.asks.is_empty(), any_meets(terms), any_meets(&untried)) {
            (true, ..) => NoPick::NoAsks,
            (_, true, _) => NoPick::AtCapacity,
            (_, _, true) => NoPick::AllTried,
            _ => NoPick::NoneEligible,
        }
    }

    fn admits(&self, row: usize, luck: Luck) -> bool {
        let venue = self.venue_of(row);
        !venue.stopped && (!venue.on_trial || luck.explore_ppm < self.config.trial_ppm)
    }

    fn venue_of(&self, row: usize) -> &NaiveVenue {
        &self.venues[&venue_name(self.places[row].venue())]
    }

    fn standing(&self, row: usize, terms: &Terms, now: Timestamp, luck: Luck) -> Standing {
        if !self.admits(row, luck) || !self.broken_terms(row, terms).is_empty() {
            return Standing::Excluded;
        }
        let its = &self.slots[&name(&self.places[row])];
        match its.health.state(now, &self.config) {
            HealthState::Healthy => Standing::Well { probe: false },
            HealthState::Recovering { since } => {
                let share =
                    u128::from(now.since(since).get()) * u128::from(self.config.ramp_ppm_per_second) / 1_000_000;
                if u128::from(luck.ramp_ppm) < share { Standing::Well { probe: false } } else { Standing::HeldBack }
            }
            HealthState::Ejected { until } => Standing::Ejected(until),
            HealthState::Probation if now < its.next_probe => Standing::OnProbation,
            HealthState::Probation => Standing::Well { probe: true },
        }
    }

    fn has_room(&self, row: usize, now: Timestamp) -> bool {
        let slot = &self.places[row];
        let (its, venue) = (&self.slots[&name(slot)], &self.venues[&venue_name(slot.venue())]);
        let ceiling_pico = self.asks[row].ceiling_pico;
        its.paused_until <= now
            && its.in_flight < its.cap.effective()
            && venue.in_flight < venue.cap.effective()
            && !venue.is_memory_full(its.memory_mb)
            && venue.full_until(ceiling_pico, now).is_none()
    }

    /// Everything that speaks against a row; the least of them takes precedence.
    fn exclusions(&self, row: usize, terms: &Terms, now: Timestamp) -> Vec<Exclusion> {
        let slot = &self.places[row];
        let (its, venue) = (&self.slots[&name(slot)], &self.venues[&venue_name(slot.venue())]);
        let mut all = self.broken_terms(row, terms);
        all.extend(venue.stopped.then_some(Exclusion::Killed));
        all.extend(venue.on_trial.then_some(Exclusion::OnTrial));
        match its.health.state(now, &self.config) {
            HealthState::Ejected { until } => all.push(Exclusion::Ejected { until }),
            HealthState::Probation if now < its.next_probe => {
                all.push(Exclusion::OnProbation { next_probe: its.next_probe });
            }
            _ => {}
        }
        if now < its.paused_until {
            all.push(Exclusion::Throttled { until: its.paused_until });
        }
        if its.in_flight >= its.cap.effective() {
            all.push(Exclusion::AtCapacity { in_flight: its.in_flight, cap: its.cap.effective() });
        }
        if venue.in_flight >= venue.cap.effective() {
            all.push(Exclusion::VenueAtCapacity { in_flight: venue.in_flight, cap: venue.cap.effective() });
        }
        if let Some(quota_mb) = venue.memory_quota_mb.filter(|_| venue.is_memory_full(its.memory_mb)) {
            all.push(Exclusion::VenueMemoryFull { in_use_mb: venue.memory_mb, quota_mb });
        }
        let full_until = venue.full_until(self.asks[row].ceiling_pico, now);
        all.extend(full_until.map(|until| Exclusion::CapReached { until }));
        all
    }

    fn broken_terms(&self, row: usize, terms: &Terms) -> Vec<Exclusion> {
        let ask = &self.asks[row];
        let over_price = terms.max_cost_pico.filter(|&max| ask.cost_pico > max);
        let over_latency = terms.max_latency_p95.filter(|&max| ask.latency_p95 > max);
        let broken = [
            ask.why_ineligible().map(Exclusion::from),
            (!terms.venues.contains(ask.venue)).then_some(Exclusion::VenueNotAllowed),
            (!terms.regions.contains(ask.region)).then_some(Exclusion::RegionNotAllowed),
            (!terms.isolation.contains(ask.isolation)).then_some(Exclusion::IsolationNotAllowed),
            (!terms.architecture.contains(ask.architecture)).then_some(Exclusion::ArchitectureNotAllowed),
            over_price.map(|max_pico| Exclusion::OverMaxPrice { cost_pico: ask.cost_pico, max_pico }),
            over_latency.map(|max| Exclusion::OverLatency { p95: ask.latency_p95, max }),
            terms.is_unfit(row).then_some(Exclusion::NoPlainHttp),
            terms.has_tried(row).then_some(Exclusion::AlreadyTried),
        ];
        broken.into_iter().flatten().collect()
    }
}
