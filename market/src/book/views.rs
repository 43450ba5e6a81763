//! How a changed order takes over gradually: calls see the book as it was a moment ago.
//!
//! A *view* is the order and the scores as of one build that changed them. Each call's draw
//! decides which view it sees. The newest view's share of the draws grows at the ramp's
//! pace, at the expense of the oldest view, so a change reaches everyone within five
//! seconds by default, and a second change in between starts its own ramp. Only the order
//! is delayed: terms, prices compared with limits, health and room are always as of now.
//!
//! This way the ramp needs no writes on the way to a decision and holds under all terms
//! and values of time, not just for calls that could have gone to the very first ask.
//!
//! Shares are laid out over the draws 0 to 999,999 as `newest | oldest | ... | second newest`;
//! the newest one's end moves right as time passes.

use arrayvec::ArrayVec;
use merit_units::Timestamp;

use super::Rows;
use super::renumbering::Renumbering;
use crate::Config;
use crate::ask::Score;
use crate::config::{WHOLE_PPM, ramp_ppm};
use crate::terms::bit;

/// Most views kept. Of eight shares the smallest is at most an eighth of the traffic, less
/// than the ramp moves in a second, and it goes to orders that have traffic already.
const MAX_VIEWS: usize = 8;

/// One ask as a view has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ranked {
    pub(crate) score: Score,
    pub(crate) row: u8,
}

/// The views of a book, in the layout's order.
#[derive(Clone, Debug)]
pub(crate) struct Views {
    /// View after view, each with every row of the book in that view's order.
    ranked: Vec<Ranked>,
    rows: usize,
    /// Shares at `since`, in ppm.
    shares: ArrayVec<u32, MAX_VIEWS>,
    since: Timestamp,
}

impl Views {
    /// One view that everyone sees.
    pub(super) fn first(order: &[usize], scores: &[Score], now: Timestamp) -> Self {
        let ranked = ranked(order, scores).collect();
        Self { ranked, rows: order.len(), shares: [WHOLE_PPM].into_iter().collect(), since: now }
    }

    /// The views after a new build. `renumbered` gives each of this book's rows its row in the new one.
    pub(super) fn succeeded_by(
        &self,
        renumbered: &Renumbering,
        order: &[usize],
        scores: &[Score],
        now: Timestamp,
        config: &Config,
    ) -> Self {
        let mut next = Self { ranked: Vec::new(), rows: order.len(), shares: ArrayVec::new(), since: self.since };
        let complete = self.newest_share(now, config.ramp_ppm_per_second) >= WHOLE_PPM;
        let kept = if complete { 1 } else { self.shares.len() };
        next.ranked.reserve_exact((kept + 1) * next.rows);
        for view in 0..kept {
            next.carry(self.view(view), renumbered, order);
            next.shares.push(if complete { WHOLE_PPM } else { self.shares[view] });
        }
        if next.view(0).iter().all(|ranked| !ranked.score.is_known()) {
            return Self::first(order, scores, now); // No call could go anywhere: nothing to take over from.
        }
        if next.is_outdated(order, scores, config.hysteresis_ppm) {
            next.settle(now, config.ramp_ppm_per_second);
            next.push(order, scores, config.hysteresis_ppm);
        }
        next
    }

    /// Adds a former view, its rows renumbered; asks it did not know stand last, in the newest order.
    fn carry(&mut self, view: &[Ranked], renumbered: &Renumbering, order: &[usize]) {
        let mut listed = 0;
        for ranked in view.iter().filter(|ranked| ranked.score.is_known()) {
            if let Some(row) = renumbered.of(ranked.row.into()) {
                listed |= bit(row);
                self.ranked.push(Ranked { row: narrow(row), ..*ranked });
            }
        }
        let unknown = order.iter().filter(|&&row| listed & bit(row) == 0);
        self.ranked.extend(unknown.map(|&row| Ranked { score: Score::UNKNOWN, row: narrow(row) }));
    }

    fn is_outdated(&self, order: &[usize], scores: &[Score], margin_ppm: u32) -> bool {
        let newest = self.view(0);
        newest
            .iter()
            .zip(order)
            .any(|(ranked, &row)| usize::from(ranked.row) != row || has_moved(ranked.score, scores[row], margin_ppm))
    }

    /// Makes `now` the time the shares are of.
    fn settle(&mut self, now: Timestamp, ramp_ppm_per_second: u32) {
        let grown = self.newest_share(now, ramp_ppm_per_second);
        settle_shares(&mut self.shares, grown);
        self.since = now;
        while self.shares.len() > 1 && self.shares[1] == 0 {
            self.remove(1);
        }
    }

    /// Adds a newest view without a share; the former newest becomes the second newest.
    fn push(&mut self, order: &[usize], scores: &[Score], margin_ppm: u32) {
        let mut standing: Rows<Score> = scores.iter().copied().collect();
        for former in self.view(0) {
            let score = &mut standing[usize::from(former.row)];
            // Whoever has not moved keeps its score: its order to others like it is settled.
            if !has_moved(former.score, *score, margin_ppm) {
                *score = former.score;
            }
        }
        if self.shares[0] == 0 {
            self.remove(0); // Nobody saw it.
        } else {
            let former_share = self.shares.remove(0);
            self.shares.push(former_share);
            self.ranked.rotate_left(self.rows);
        }
        if self.shares.len() == MAX_VIEWS {
            self.merge_smallest();
        }
        self.shares.insert(0, 0);
        self.ranked.extend(ranked(order, &standing));
        self.ranked.rotate_right(self.rows);
    }

    /// Gives the smallest share to the next older view, or the next newer one if it is the
    /// oldest. Called between two newest views, so the list is from oldest to newest.
    fn merge_smallest(&mut self) {
        let smallest = (0..self.shares.len()).min_by_key(|&view| self.shares[view]);
        let smallest = smallest.expect("invariant: only a full list of views is merged");
        let heir = if smallest == 0 { 1 } else { smallest - 1 };
        self.shares[heir] += self.shares[smallest];
        self.remove(smallest);
    }

    fn remove(&mut self, view: usize) {
        self.shares.remove(view);
        self.ranked.drain(view * self.rows..(view + 1) * self.rows);
    }

    /// The rows in the newest order.
    pub(super) fn newest(&self) -> impl Iterator<Item = usize> {
        self.view(0).iter().map(|ranked| usize::from(ranked.row))
    }

    /// The newest view's share now, in ppm.
    pub(super) fn newest_share(&self, now: Timestamp, ramp_ppm_per_second: u32) -> u32 {
        let first = self.shares[0];
        if first == WHOLE_PPM {
            return WHOLE_PPM;
        }
        (first + ramp_ppm(ramp_ppm_per_second, now.since(self.since))).min(WHOLE_PPM)
    }

    /// The view a call with this luck sees.
    pub(super) fn seen(&self, luck_ppm: u32, now: Timestamp, ramp_ppm_per_second: u32) -> &[Ranked] {
        if luck_ppm < self.newest_share(now, ramp_ppm_per_second) {
            return self.view(0);
        }
        let mut end = self.shares[0];
        for view in 1..self.shares.len() {
            end += self.shares[view];
            if luck_ppm < end {
                return self.view(view);
            }
        }
        self.view(0)
    }

    fn view(&self, view: usize) -> &[Ranked] {
        &self.ranked[view * self.rows..(view + 1) * self.rows]
    }

    /// The views with their shares at a time, for comparing states.
    #[cfg(test)]
    pub(super) fn at(&self, now: Timestamp, ramp_ppm_per_second: u32) -> Vec<(u32, &[Ranked])> {
        let mut settled = self.shares.clone();
        settle_shares(&mut settled, self.newest_share(now, ramp_ppm_per_second));
        settled.into_iter().enumerate().map(|(view, share)| (share, self.view(view))).collect()
    }
}

/// Lets the newest share grow over those beside it.
fn settle_shares(shares: &mut [u32], grown: u32) {
    let mut eaten = grown - shares[0];
    shares[0] = grown;
    for share in &mut shares[1..] {
        let bite = eaten.min(*share);
        *share -= bite;
        eaten -= bite;
    }
}

fn ranked(order: &[usize], scores: &[Score]) -> impl Iterator<Item = Ranked> {
    order.iter().map(|&row| Ranked { score: scores[row], row: narrow(row) })
}

fn narrow(row: usize) -> u8 {
    u8::try_from(row).expect("invariant: a book has at most 128 rows")
}

/// Whether a score differs from what it was by the margin or more, in money or in time.
pub(crate) fn has_moved(was: Score, is: Score, margin_ppm: u32) -> bool {
    let moved = |was: i128, is: i128| (was - is).abs() * i128::from(WHOLE_PPM) >= was.max(1) * i128::from(margin_ppm);
    was != is
        && (was.is_known() != is.is_known()
            || moved(was.base_pico.into(), is.base_pico.into()) && was.base_pico != is.base_pico
            || moved(was.delay.into(), is.delay.into()) && was.delay != is.delay)
}
