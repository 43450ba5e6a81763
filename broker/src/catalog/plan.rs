//! What follows from one look at a feed: rows to be stored, sheets to come into force, sheets that are held.

use std::sync::Arc;

use merit_pricing::{Catalogue, Change, Difference, MoveLimit, PriceSheet};
use merit_store::record::{CatalogHeldRow, CatalogRefresh, CatalogSheetRow};
use merit_units::{SheetName, Timestamp};
use merit_wire::PriceDifference;

use super::feeds::Feed;
use super::judge::{InForce, Verdict, judge};
use super::list::Read;
use super::rates::Rates;
use super::state::{Held, Live, State};

/// The feed of a sheet that was there before any feed.
pub(crate) const BUILT_IN: &str = "built-in";

/// What is to be stored and then to come into force.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) rows: CatalogRefresh,
    pub(super) live: Vec<(SheetName, Live)>,
    pub(super) held: Vec<(SheetName, Held)>,
    /// Exchange rates in place of those of the list so far.
    pub(super) rates: Option<Rates>,
}

impl Plan {
    pub(super) fn confirming(feed: &Feed, state: &State, now: Timestamp) -> Self {
        let of_feed =
            state.live.iter().filter(|(name, live)| live.feed == feed.name && !state.held.contains_key(*name));
        let confirmed = of_feed.map(|(name, _)| name.clone()).collect();
        Self { rows: CatalogRefresh { at: now, confirmed, ..CatalogRefresh::default() }, ..Self::default() }
    }

    pub(super) fn of(feed: &Feed, read: Read, state: &State, limit: MoveLimit, now: Timestamp) -> Self {
        let mut plan = Self::default();
        let gone = state.live.iter().filter(|(name, live)| {
            live.feed == feed.name && feed.covers(name.as_str()) && !read.sheets.iter().any(|(read, _)| read == *name)
        });
        let gone: Vec<SheetName> = gone.map(|(name, _)| name.clone()).collect();
        let why = || vec![format!("version {} of the feed has it no more", read.version)];
        gone.into_iter().for_each(|name| plan.hold(state, name, (None, why()), &feed.name, now));
        plan.judge(state, read.sheets, limit, (&feed.name, ""), now);
        plan
    }

    /// What becomes of each offered sheet; `by` is the person whose doing it is, if it is one's.
    pub(super) fn judge(
        &mut self,
        state: &State,
        sheets: Vec<(SheetName, Result<PriceSheet, Vec<String>>)>,
        limit: MoveLimit,
        (feed, by): (&str, &str),
        now: Timestamp,
    ) {
        for (name, offered) in sheets {
            let last = in_force(state, &name);
            let last = last.as_deref().map(|sheet| InForce { sheet, live: state.live.contains_key(&name) });
            match judge(offered, last.as_ref(), limit, now) {
                Verdict::Confirmed => {
                    self.rows.confirmed.push(name.clone());
                    self.rows.settled.push(name);
                }
                Verdict::Put(sheet, change) => self.put(state, name, sheet, &change.differences, (feed, by), now),
                Verdict::Held(sheet, reasons) => self.hold(state, name, (sheet, reasons), feed, now),
            }
        }
    }

    pub(super) fn put(
        &mut self,
        state: &State,
        name: SheetName,
        sheet: PriceSheet,
        differences: &[Difference],
        (feed, accepted_by): (&str, &str),
        now: Timestamp,
    ) {
        let row = |sheet: &PriceSheet, since: Timestamp, feed: &str| CatalogSheetRow {
            name: name.clone(),
            seq: sheet.seq(),
            since,
            confirmed_at: now,
            feed: feed.to_owned(),
            accepted_by: String::new(),
            changes: "[]".to_owned(),
            body: sheet.to_toml(),
        };
        // The built-in sheet opens the history: it is what earlier calls were charged by.
        if !state.live.contains_key(&name)
            && let Some(built_in) = Catalogue::builtin().get(name.as_str())
        {
            self.rows.put.push(row(built_in, Timestamp::from_micros(0), BUILT_IN));
        }
        let (accepted_by, changes) = (accepted_by.to_owned(), json(&views(differences)));
        self.rows.put.push(CatalogSheetRow { accepted_by, changes, ..row(&sheet, now, feed) });
        self.rows.settled.push(name.clone());
        let live = Live { sheet: Arc::new(sheet), since: now, confirmed_at: now, feed: feed.to_owned() };
        self.live.push((name, live));
    }

    fn hold(
        &mut self,
        state: &State,
        name: SheetName,
        (sheet, reasons): (Option<PriceSheet>, Vec<String>),
        feed: &str,
        now: Timestamp,
    ) {
        tracing::warn!(sheet = %name, feed, reasons = reasons.join("; "), "new prices are held; the last good ones stay");
        let now = state.held.get(&name).filter(|held| held.reasons == reasons).map_or(now, |held| held.at);
        let body = sheet.as_ref().map(PriceSheet::to_toml);
        let row = CatalogHeldRow { name: name.clone(), at: now, feed: feed.to_owned(), reasons: json(&reasons), body };
        self.rows.held.push(row);
        self.held.push((name, Held { sheet: sheet.map(Arc::new), at: now, feed: feed.to_owned(), reasons }));
    }
}

/// The sheet of a name in force under `state`.
pub(crate) fn in_force(state: &State, name: &SheetName) -> Option<Arc<PriceSheet>> {
    let live = state.live.get(name).map(|live| Arc::clone(&live.sheet));
    live.or_else(|| Catalogue::builtin().get(name.as_str()).cloned())
}

/// Every difference, whatever its size.
pub(crate) fn unlimited(last: &PriceSheet, next: &PriceSheet, now: Timestamp) -> Change {
    Change::between(last, next, MoveLimit { percent: u32::MAX }, now)
}

/// Differences as the wire has them.
pub(crate) fn views(differences: &[Difference]) -> Vec<PriceDifference> {
    let view = |difference: &Difference| PriceDifference {
        what: difference.what.clone(),
        from: difference.from.clone(),
        to: difference.to.clone(),
    };
    differences.iter().map(view).collect()
}

pub(super) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("invariant: names and numbers are serialisable")
}
