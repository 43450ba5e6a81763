//! A function's book as the feed tells it: levels with absolute quantities, and what changed of them.
//!
//! A level is a deployment. Its price is what one call is expected to cost there, its quantities are the room at the
//! deployment and at its venue, whichever is less. A level without capacity is gone; an ineligible deployment has none,
//! and the update that takes it away says why.
//!
//! Invariant: a [`Ladder`]'s levels, and so its checksum, are those of a reader that has applied every update since a
//! snapshot.
//!
//! Known limitation: levels stand in the order of their prices. Calls follow the merit order, which also counts risk and
//! waiting and takes over a small advantage not at all (`GET /v1/functions/{function}/book` tells it).

use std::collections::BTreeMap;
use std::sync::Arc;

use merit_market::{Ask, Exclusion, HealthState, Slot};
use merit_units::{DeploymentId, Money, Timestamp, VenueId};
use merit_wire::feed::{FeedBody, LevelView, checksum_text};

use crate::function::View;

/// One level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Level {
    /// The deployment, which names the level.
    pub deployment: DeploymentId,
    /// Where it is.
    pub venue: VenueId,
    /// What one call is expected to cost.
    pub cost: Money,
    /// Calls it would take now.
    pub free: u32,
    /// Calls it can run at once; 0 when there is no such level.
    pub capacity: u32,
    /// Why a deployment is no level.
    pub why: Option<&'static str>,
}

/// The levels of a view as they stand now, in no order, with those that are none.
#[must_use]
pub(super) fn levels(view: &View, now: Timestamp, config: &merit_market::Config) -> Vec<Level> {
    let asks = view.book.asks().iter().zip(view.book.slots().iter()).enumerate();
    let level = |(row, (ask, slot)): (usize, (&Ask, &Arc<Slot>))| {
        let deployment = view.deployment(row);
        let why = ask.why_ineligible().map(|why| Exclusion::from(why).word());
        let (free, capacity) = if why.is_some() { (0, 0) } else { room(slot, now, config) };
        let (deployment, venue) = (deployment.id.clone(), deployment.venue.id.clone());
        Level { deployment, venue, cost: view.cost(row), free, capacity, why }
    };
    asks.map(level).collect()
}

/// Calls that a deployment would take now, of how many. None while it is ejected, on probation or to be left alone.
fn room(slot: &Slot, now: Timestamp, config: &merit_market::Config) -> (u32, u32) {
    let (own, venue) = (slot.room(), slot.venue().room());
    let capacity = own.cap.min(venue.cap);
    let well = matches!(slot.health(now, config), HealthState::Healthy | HealthState::Recovering { .. });
    if !well || now < own.paused_until {
        return (0, capacity);
    }
    let free = own.cap.saturating_sub(own.in_flight).min(venue.cap.saturating_sub(venue.in_flight));
    (free, capacity)
}

/// A book as it was told last.
#[derive(Clone, Debug, Default)]
pub(super) struct Ladder {
    levels: BTreeMap<DeploymentId, Level>,
}

impl Ladder {
    /// The book is as in `now`: what has changed since it was told last, or nothing.
    pub(super) fn step(&mut self, now: Vec<Level>) -> Option<FeedBody> {
        let mut former = std::mem::take(&mut self.levels);
        let mut changed = Vec::new();
        for level in now {
            let known = former.remove(&level.deployment);
            match (known, level.capacity) {
                (None, 0) => {}
                // What it cost last: an ineligible ask has no price.
                (Some(known), 0) => changed.push(view(&Level { cost: known.cost, ..level })),
                (known, _) => {
                    if known.as_ref() != Some(&level) {
                        changed.push(view(&level));
                    }
                    self.levels.insert(level.deployment.clone(), level);
                }
            }
        }
        changed.extend(former.into_values().map(|gone| view(&Level { free: 0, capacity: 0, ..gone })));
        if changed.is_empty() {
            return None;
        }
        Some(FeedBody::Book { levels: changed, checksum: checksum(&self.views()) })
    }

    /// The whole book.
    #[must_use]
    pub(super) fn whole(&self) -> FeedBody {
        let levels = self.views();
        FeedBody::Book { checksum: checksum(&levels), levels }
    }

    /// In the book's order.
    fn views(&self) -> Vec<LevelView> {
        let mut levels: Vec<&Level> = self.levels.values().collect();
        // Stable: deployments of one price stay in the order of their names.
        levels.sort_by_key(|level| level.cost);
        levels.into_iter().map(view).collect()
    }
}

fn checksum(levels: &[LevelView]) -> u32 {
    crc32fast::hash(checksum_text(levels).as_bytes())
}

fn view(level: &Level) -> LevelView {
    LevelView {
        deployment: level.deployment.to_string(),
        venue: level.venue.to_string(),
        cost: level.cost.to_string(),
        free: level.free,
        capacity: level.capacity,
        why: level.why.map(str::to_owned),
    }
}
