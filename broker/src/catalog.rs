//! Live prices: the catalogue's sheets as price feeds last had them, in place of the built-in ones.
//!
//! ```text
//! feed -> fetch (conditional, bounded) -> read -> judge against the sheet in force -> store -> swap -> books
//! ```
//!
//! Invariants: a sheet comes into force only after it is stored; what can't be fetched, read or believed leaves the
//! last good sheet in force and is told in the log, in a metric, in `merit catalog show` and at the venues that are
//! billed by it. A sheet that was put at a venue through the API, or read from a file, is never touched.
//!
//! A region that is not built in may be named as well: its venues are ineligible until a feed or an import brings the
//! sheet (`awaited`). Known limitation: whether such a region exists is known only once its provider's list was read.

mod age;
mod awaited;
mod feeds;
mod fetch;
mod import;
mod judge;
mod list;
mod pages;
mod plan;
mod products;
mod rates;
mod refresh;
mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use merit_pricing::{Catalogue, PriceSheet};
use merit_units::{Micros, SheetName, Timestamp};

use crate::Broker;
pub use feeds::Feed;
pub use list::Format;
pub(crate) use plan::{BUILT_IN, in_force, unlimited, views as differences};
pub use refresh::{FeedOutcome, Refreshed};
pub use state::{FeedState, Held, Live, State};

/// How often the schedule is looked at.
const TICK: Duration = Duration::from_secs(30);
/// After a failure a feed is asked again no later than this.
const RETRY_AFTER: Micros = Micros::from_secs(3600);

/// Live prices and how they were come by.
#[derive(Default)]
pub struct LiveCatalog {
    state: ArcSwap<State>,
    /// Held while what is in force changes; never while fetching.
    changing: tokio::sync::Mutex<()>,
}

impl LiveCatalog {
    /// What is in force, held and known of the feeds.
    #[must_use]
    pub fn state(&self) -> Arc<State> {
        self.state.load_full()
    }

    /// The sheet of this name in force: the live one, or the built-in one.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Arc<PriceSheet>> {
        let live = self.state.load().live.get(name).map(|live| Arc::clone(&live.sheet));
        live.or_else(|| Catalogue::builtin().get(name).cloned())
    }

    /// Whether this very sheet is a live one in force.
    #[must_use]
    pub fn is_live(&self, sheet: &Arc<PriceSheet>) -> bool {
        let state = self.state.load();
        state.live.get(sheet.name().as_str()).is_some_and(|live| Arc::ptr_eq(&live.sheet, sheet))
    }

    /// When a feed last confirmed the live sheet of this name.
    #[must_use]
    pub fn confirmed_at(&self, name: &str) -> Option<Timestamp> {
        self.state.load().live.get(name).map(|live| live.confirmed_at)
    }

    /// What a venue is billed by that was given this sheet: the live one when it was given the built-in one.
    #[must_use]
    pub fn in_place_of(&self, sheet: Arc<PriceSheet>) -> Arc<PriceSheet> {
        let name = sheet.name().as_str();
        let built_in = Catalogue::builtin().get(name).is_some_and(|known| Arc::ptr_eq(known, &sheet));
        if built_in { self.find(name).unwrap_or(sheet) } else { sheet }
    }

    /// The names of all sheets, live and built in, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<SheetName> {
        let state = self.state.load();
        let mut names: Vec<SheetName> = Catalogue::builtin().names().chain(state.live.keys()).cloned().collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// What someone who is billed by the sheet of this name should know; nothing when all is well.
    #[must_use]
    pub fn warning(&self, name: &str) -> Option<String> {
        let state = self.state.load();
        if let Some(held) = state.held.get(name) {
            return Some(format!("newer prices are held: {}", held.reasons.join("; ")));
        }
        let live = state.live.get(name)?;
        let problem = state.feeds.get(&live.feed)?.problem.as_ref()?;
        Some(format!("its price feed {} fails: {problem}", live.feed))
    }
}

/// Looks at the feeds when they are due; runs until dropped.
pub async fn run(broker: Arc<Broker>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let due = broker.due_feeds(broker.clock.now());
        if !due.is_empty() {
            broker.refresh_feeds(&due).await;
        }
    }
}
