//! Merit order at no value of time, and the advantage it takes to change it.
//!
//! Hysteresis must hold for any set of asks, since terms, health and room may leave any
//! set. So it is no bonus for one incumbent but a rule of the whole order: of the asks
//! within the margin of the cheapest, the one that stood earliest goes first; then the
//! same again among the rest. Hence the invariant: **every ask is within the margin of
//! each one that stands behind it**, and so whichever ask is the first left, nobody
//! cheaper by more than the margin was passed over.

use crate::ask::Score;
use crate::book::Rows;
use crate::config::WHOLE_PPM;
use crate::terms::bit;

/// Rows by score; those without a known score last.
pub(super) fn cheapest_first(scores: &[Score]) -> Rows<usize> {
    let mut rows: Rows<usize> = (0..scores.len()).collect();
    rows.sort_unstable_by_key(|&row| (scores[row], row));
    rows
}

/// Rows in merit order, given how they `stood` before (rows not in it are new).
pub(super) fn with_hysteresis(stood: impl Iterator<Item = usize>, scores: &[Score], margin_ppm: u32) -> Rows<usize> {
    let mut standing: Rows<usize> = stood.filter(|&row| scores[row].is_known()).collect();
    if standing.len() < scores.len() {
        let listed = standing.iter().fold(0, |listed, &row| listed | bit(row));
        standing.extend(cheapest_first(scores).into_iter().filter(|&row| listed & bit(row) == 0));
    }
    if !is_settled(&standing, scores, margin_ppm) {
        settle(&mut standing, scores, margin_ppm);
    }
    standing
}

fn is_settled(standing: &[usize], scores: &[Score], margin_ppm: u32) -> bool {
    let mut cheapest = i64::MAX;
    standing.iter().rev().all(|&row| {
        let score = scores[row].base_pico;
        cheapest = cheapest.min(score);
        is_within(score, cheapest, margin_ppm)
    })
}

/// Selection by the rule, quadratic; an order changes rarely and has few rows.
fn settle(standing: &mut [usize], scores: &[Score], margin_ppm: u32) {
    for first in 0..standing.len() {
        let rest = &mut standing[first..];
        let Some(cheapest) = rest.iter().map(|&row| scores[row].base_pico).min() else { return };
        let next = rest.iter().position(|&row| is_within(scores[row].base_pico, cheapest, margin_ppm));
        rest[..=next.expect("invariant: the cheapest is within the margin of itself")].rotate_right(1);
    }
}

/// Whether the advantage of `cheapest` over `score` is under the margin.
pub(crate) fn is_within(score: i64, cheapest: i64, margin_ppm: u32) -> bool {
    let kept = i128::from(WHOLE_PPM - margin_ppm.min(WHOLE_PPM));
    score == cheapest || i128::from(score) * kept < i128::from(cheapest) * i128::from(WHOLE_PPM)
}
