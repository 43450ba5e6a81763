//! Picking the ask a call goes to, and taking the room there.
//!
//! The first of these that finds one decides:
//! 1. exploration, for its share of first attempts: another ask that would do than the best one not on trial, drawn
//!    with a preference for those with few samples, and the rarer the dearer it is;
//! 2. merit order among those that are well (or whose probation call is due) and have room;
//! 3. those recovering whose share this call is not in: still better than a refusal;
//! 4. the last resort, only if no deployment within the terms is well, full or not: else
//!    a sick one that fails fast, and so is never full, would attract all overflow. First
//!    those on probation, in merit order, then the one whose ejection ends soonest.
//!
//! A venue on trial is out of all four, but for the calls whose luck is within [`crate::Config::trial_ppm`]: the same
//! draw that explores, so its share is never more than that of all calls.
//!
//! No step allocates or locks. Taking room may lose a race; then the search goes on
//! without that row, so it ends after as many rounds as there are rows.

use merit_units::Timestamp;

use super::views::Ranked;
use super::{Book, bit};
use crate::config::LEAST_EXPLORED;
use crate::luck::Luck;
use crate::slot::Fitness;
use crate::{NoPick, Reservation, Terms};

/// Where a call goes, with its place there.
#[derive(Debug)]
pub struct Pick {
    /// The row of the ask.
    pub row: usize,
    /// The place taken; dropping it gives it back.
    pub reservation: Reservation,
    /// Whether it was picked to learn about it and not for its merit.
    pub explored: bool,
    /// Whether it is the next call of a deployment on probation.
    pub probe: bool,
    /// Whether it is not well, and everything else within the terms is not either.
    pub least_bad: bool,
}

impl Book {
    /// Picks the ask for a call and takes a place there.
    ///
    /// `draw` are 64 random bits, new for each call and attempt; equal draws, times and
    /// states give equal picks.
    ///
    /// # Errors
    /// [`NoPick`] when no ask that meets the terms can take it; [`Book::verdicts`] has the details.
    pub fn decide(&self, terms: &Terms, now: Timestamp, draw: u64) -> Result<Pick, NoPick> {
        let luck = Luck::new(draw);
        let view = self.views.seen(luck.ramp_ppm, now, self.tuning.ramp_ppm_per_second);
        let search = Search { book: self, terms, now, luck, view, value_of_time: terms.value_of_time() };
        let explores = luck.explore_ppm < self.tuning.exploration_ppm && terms.tried == 0;
        if explores && let Some(pick) = search.explore() {
            return Ok(pick);
        }
        search.take_best(Tier::Well).map_or_else(|| search.take_what_is_left(), Ok)
    }
}

/// Sets of asks, the better ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tier {
    Well,
    HeldBack,
    OnProbation,
}

/// One call looking for its place.
struct Search<'a> {
    book: &'a Book,
    terms: &'a Terms,
    now: Timestamp,
    luck: Luck,
    view: &'a [Ranked],
    value_of_time: u64,
}

/// What there is within the terms, with room or without.
#[derive(Clone, Copy, Default)]
struct Left {
    well: bool,
    held_back: bool,
    on_probation: bool,
}

/// An ask that will do.
#[derive(Clone, Copy)]
struct Candidate {
    row: usize,
    probe: bool,
}

impl Search<'_> {
    /// The row, if it meets the terms, is in the tier and has room.
    #[inline]
    fn candidate(&self, row: usize, tier: Tier) -> Option<Candidate> {
        if self.is_ruled_out(row, self.terms) {
            return None;
        }
        let (its_tier, probe) = match self.fitness(row) {
            Fitness::Sound => (Tier::Well, false),
            Fitness::ProbeDue => (Tier::Well, true),
            Fitness::HeldBack => (Tier::HeldBack, false),
            Fitness::OnProbation { .. } => (Tier::OnProbation, false),
            Fitness::Ejected { .. } => return None,
        };
        (its_tier == tier && self.has_room(row)).then_some(Candidate { row, probe })
    }

    /// Whether the ask, the terms, its venue's kill switch or its trial keep this call away.
    #[inline]
    fn is_ruled_out(&self, row: usize, terms: &Terms) -> bool {
        let venue = self.book.slots[row].venue();
        self.book.refusal(row, terms).is_some() || !venue.admits(self.luck.explore_ppm, self.book.tuning.trial_ppm)
    }

    fn rows_on_trial(&self) -> u128 {
        let rows = self.view.iter().map(|ranked| usize::from(ranked.row));
        let on_trial = rows.filter(|&row| self.book.slots[row].venue().is_on_trial());
        on_trial.fold(0, |rows, row| rows | bit(row))
    }

    fn best(&self, tier: Tier, lost: u128) -> Option<Candidate> {
        let mut rows = self.view.iter().filter(|ranked| lost & bit(ranked.row.into()) == 0);
        if self.value_of_time == 0 {
            return rows.find_map(|ranked| self.candidate(ranked.row.into(), tier));
        }
        let mut best = None;
        for ranked in rows {
            let score = ranked.score.at(self.value_of_time);
            // Scores first: they are at hand, while the live state is behind a pointer.
            if best.is_none_or(|(least, _)| score < least)
                && let Some(candidate) = self.candidate(ranked.row.into(), tier)
            {
                best = Some((score, candidate));
            }
        }
        best.map(|(_, candidate)| candidate)
    }

    fn take_best(&self, tier: Tier) -> Option<Pick> {
        let mut lost = 0;
        while let Some(candidate) = self.best(tier, lost) {
            if let Some(pick) = self.take(candidate) {
                return Some(pick);
            }
            lost |= bit(candidate.row);
        }
        None
    }

    fn take(&self, Candidate { row, probe }: Candidate) -> Option<Pick> {
        let (slot, ceiling_pico) = (&self.book.slots[row], self.book.asks[row].ceiling_pico);
        let reservation = slot.reserve(self.now, ceiling_pico)?;
        if probe && !slot.claim_probe(self.now, self.book.tuning.probation_interval) {
            return None;
        }
        Some(Pick { row, reservation, explored: false, probe, least_bad: false })
    }

    fn explore(&self) -> Option<Pick> {
        let best = self.best(Tier::Well, self.rows_on_trial())?.row;
        let others = || {
            let rows = self.view.iter().map(|ranked| usize::from(ranked.row)).filter(|&row| row != best);
            rows.filter_map(|row| self.candidate(row, Tier::Well))
        };
        let curiosity = |candidate: &Candidate| u32::from(self.book.rows[candidate.row].curiosity);
        let total = others().map(|candidate| curiosity(&candidate)).sum::<u32>();
        if total == 0 {
            return None;
        }
        let mut ticket = self.luck.ticket(total);
        let drawn = others().find(|candidate| {
            let weight = curiosity(candidate);
            let found = ticket < weight;
            ticket = ticket.saturating_sub(weight);
            found
        })?;
        let pick = if self.is_affordable(drawn.row, best) { self.take(drawn) } else { None };
        pick.map(|pick| Pick { explored: true, ..pick })
    }

    /// Whether this call is among those that may learn about `row` instead of going to `best`. One that costs n
    /// times as much gets an nth of the share, so that learning costs no more than its share of the money.
    fn is_affordable(&self, row: usize, best: usize) -> bool {
        let cost = |row: usize| i128::from(self.book.asks[row].cost_pico.max(0));
        let (cost, least) = (cost(row), cost(best));
        let (luck, share) = (i128::from(self.luck.explore_ppm), i128::from(self.book.tuning.exploration_ppm));
        cost <= least || luck * cost < share * least || luck * LEAST_EXPLORED < share
    }

    #[cold]
    fn take_what_is_left(&self) -> Result<Pick, NoPick> {
        let Left { well, held_back, on_probation } = self.survey();
        if held_back && let Some(pick) = self.take_best(Tier::HeldBack) {
            return Ok(pick);
        }
        if well || held_back {
            return Err(NoPick::AtCapacity);
        }
        let pick = if on_probation { self.take_best(Tier::OnProbation) } else { None };
        let pick = pick.or_else(|| self.take_ejected());
        pick.map(|pick| Pick { least_bad: true, ..pick }).ok_or_else(|| self.refusal())
    }

    fn survey(&self) -> Left {
        self.rows_within_terms().fold(Left::default(), |mut left, row| {
            match self.fitness(row) {
                Fitness::Sound => left.well = true,
                Fitness::HeldBack => left.held_back = true,
                Fitness::ProbeDue | Fitness::OnProbation { .. } => left.on_probation = true,
                Fitness::Ejected { .. } => {}
            }
            left
        })
    }

    /// Of the ejected, the one whose ejection ends soonest.
    fn take_ejected(&self) -> Option<Pick> {
        let mut lost = 0;
        loop {
            let ejected = |row| match self.fitness(row) {
                Fitness::Ejected { until } if self.has_room(row) && lost & bit(row) == 0 => Some((until, row)),
                _ => None,
            };
            let (_, row) = self.rows_within_terms().filter_map(ejected).min_by_key(|&(until, _)| until)?;
            if let Some(pick) = self.take(Candidate { row, probe: false }) {
                return Some(pick);
            }
            lost |= bit(row);
        }
    }

    fn refusal(&self) -> NoPick {
        let untried = Terms { tried: 0, ..*self.terms };
        if self.view.is_empty() {
            NoPick::NoAsks
        } else if self.rows_within_terms().next().is_some() {
            NoPick::AtCapacity
        } else if (0..self.view.len()).any(|row| !self.is_ruled_out(row, &untried)) {
            NoPick::AllTried
        } else {
            NoPick::NoneEligible
        }
    }

    fn rows_within_terms(&self) -> impl Iterator<Item = usize> {
        let rows = self.view.iter().map(|ranked| usize::from(ranked.row));
        rows.filter(|&row| !self.is_ruled_out(row, self.terms))
    }

    fn fitness(&self, row: usize) -> Fitness {
        self.book.fitness(row, self.now, self.luck.ramp_ppm)
    }

    fn has_room(&self, row: usize) -> bool {
        self.book.slots[row].no_room(self.now, self.book.asks[row].ceiling_pico).is_none()
    }
}
