//! The ramp of the naive market: strips of the draws, each owned by a view.

use merit_units::Timestamp;

use crate::Config;
use crate::ask::Score;

/// A slot's name and its score then, if it had one; in that view's order.
pub(crate) type NaiveView = Vec<(usize, Option<Score>)>;

/// Strips from draw 0 on: the newest view's, the oldest one's, and so on to the second newest.
#[derive(Debug, Default)]
pub(crate) struct NaiveViews {
    strips: Vec<(u32, NaiveView)>,
    since: Timestamp,
}

impl NaiveViews {
    pub(super) fn rebuild(&mut self, scores: &[(usize, Option<Score>)], now: Timestamp, config: &Config) {
        let score_of = |slot: usize| scores.iter().find(|(name, _)| *name == slot).and_then(|&(_, score)| score);
        let had_a_price =
            |(slot, score): &(usize, Option<Score>)| score.is_some() && scores.iter().any(|(name, _)| name == slot);
        if !self.strips.first().is_some_and(|(_, view)| view.iter().any(had_a_price)) {
            let view = newest_order(&[], scores, config.hysteresis_ppm);
            let view = view.into_iter().map(|slot| (slot, score_of(slot))).collect();
            (self.strips, self.since) = (vec![(1_000_000, view)], now);
            return;
        }
        let current = self.strips_at(now, config);
        if current[0].0 == 1_000_000 {
            self.strips = vec![current[0].clone()];
        }
        let order = newest_order(&self.newest(), scores, config.hysteresis_ppm);
        for (_, view) in &mut self.strips {
            view.retain(had_a_price);
            let unknown = order.iter().filter(|&&slot| view.iter().all(|&(listed, _)| listed != slot));
            let unknown: NaiveView = unknown.map(|&slot| (slot, None)).collect();
            view.extend(unknown);
        }
        let former = self.strips[0].1.clone();
        let is_same = self.newest() == order
            && former.iter().all(|&(slot, was)| !has_moved(was, score_of(slot), config.hysteresis_ppm));
        if is_same {
            return;
        }
        let view: NaiveView = order
            .iter()
            .map(|&slot| {
                let was = former.iter().find(|(name, _)| *name == slot).and_then(|&(_, score)| score);
                let is = score_of(slot);
                (slot, if has_moved(was, is, config.hysteresis_ppm) { is } else { was })
            })
            .collect();
        self.push(view, now, config);
    }

    fn push(&mut self, view: NaiveView, now: Timestamp, config: &Config) {
        let mut strips = self.strips_at(now, config);
        let second_newest = strips.remove(0);
        strips.retain(|(width, _)| *width > 0);
        if second_newest.0 > 0 {
            strips.push(second_newest);
        }
        if strips.len() == 8 {
            let (smallest, width) =
                strips.iter().map(|(width, _)| *width).enumerate().min_by_key(|&(_, width)| width).expect("eight");
            strips[if smallest == 0 { 1 } else { smallest - 1 }].0 += width;
            strips.remove(smallest);
        }
        strips.insert(0, (0, view));
        (self.strips, self.since) = (strips, now);
    }

    /// The strips at a time: the first has grown over those beside it.
    pub(crate) fn strips_at(&self, now: Timestamp, config: &Config) -> Vec<(u32, NaiveView)> {
        let grown = u128::from(now.since(self.since).get()) * u128::from(config.ramp_ppm_per_second) / 1_000_000;
        let mut left = u32::try_from(grown).unwrap_or(u32::MAX);
        let mut strips = self.strips.clone();
        for strip in 1..strips.len() {
            let bite = left.min(strips[strip].0);
            strips[0].0 += bite;
            strips[strip].0 -= bite;
            left -= bite;
        }
        strips
    }

    pub(super) fn seen(&self, luck_ppm: u32, now: Timestamp, config: &Config) -> NaiveView {
        let mut end = 0;
        for (width, view) in self.strips_at(now, config) {
            end += width;
            if luck_ppm < end {
                return view;
            }
        }
        NaiveView::new()
    }

    pub(crate) fn newest(&self) -> Vec<usize> {
        self.strips.first().map_or_else(Vec::new, |(_, view)| view.iter().map(|&(slot, _)| slot).collect())
    }
}

/// The rule of merit order, word for word: of those within the margin of the cheapest left,
/// the one that stood earliest; newcomers stand behind, cheapest first, and the unknown last.
fn newest_order(stood: &[usize], scores: &[(usize, Option<Score>)], margin_ppm: u32) -> Vec<usize> {
    let known = |slot: &usize| scores.iter().any(|(name, score)| name == slot && score.is_some());
    let mut standing: Vec<usize> = stood.iter().copied().filter(known).collect();
    let mut newcomers: NaiveView = scores.iter().filter(|(slot, _)| !standing.contains(slot)).copied().collect();
    newcomers.sort_by_key(|&(_, score)| (score.is_none(), score));
    let unknown: Vec<usize> = newcomers.iter().filter(|(_, score)| score.is_none()).map(|&(slot, _)| slot).collect();
    standing.extend(newcomers.iter().filter(|(_, score)| score.is_some()).map(|&(slot, _)| slot));
    let price = |slot: usize| {
        let score = scores.iter().find(|(name, _)| *name == slot).and_then(|&(_, score)| score);
        i128::from(score.expect("invariant: only known rows stand").base_pico)
    };
    let mut order = Vec::new();
    while let Some(cheapest) = standing.iter().map(|&slot| price(slot)).min() {
        let is_within = |slot: usize| {
            let advantage = price(slot) - cheapest;
            advantage == 0 || advantage * 1_000_000 < i128::from(margin_ppm) * price(slot)
        };
        let first = standing.iter().position(|&slot| is_within(slot)).expect("invariant: the cheapest is within");
        order.push(standing.remove(first));
    }
    order.extend(unknown);
    order
}

fn has_moved(was: Option<Score>, is: Option<Score>, margin_ppm: u32) -> bool {
    let (Some(was), Some(is)) = (was, is) else { return was.is_some() != is.is_some() };
    let pairs = [(i128::from(was.base_pico), i128::from(is.base_pico)), (i128::from(was.delay), i128::from(is.delay))];
    pairs.into_iter().any(|(was, is)| was != is && (was - is).abs() * 1_000_000 >= i128::from(margin_ppm) * was.max(1))
}
