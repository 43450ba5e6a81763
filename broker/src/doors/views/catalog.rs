//! Live prices as the wire has them.

use merit_store::record::CatalogSheetRow;
use merit_units::{SheetName, Timestamp};
use merit_wire::{
    CatalogHistory, CatalogHistoryEntry, CatalogRefreshView, CatalogView, FeedOutcomeView, FeedView, HeldSheetView,
    LiveSheetView,
};

use crate::Broker;
use crate::catalog::{BUILT_IN, FeedState, Held, Live, Refreshed, State, differences, in_force, unlimited};
use crate::clock::rfc3339;

/// Live prices as they stand.
pub(in crate::doors) fn catalog(broker: &Broker, now: Timestamp) -> CatalogView {
    let state = broker.catalog.state();
    let feeds: Vec<FeedView> = state.feeds.iter().map(|(name, known)| feed(name, known)).collect();
    let failing = feeds.iter().filter_map(|feed| {
        let problem = feed.problem.as_ref()?;
        let since = feed.confirmed_at.as_deref().unwrap_or("never");
        Some(format!("the feed {} fails: {problem}; last good: {since}", feed.feed))
    });
    let held = state.held.iter().map(|(name, held)| format!("{name} is held: {}", held.reasons.join("; ")));
    let rates = broker.rates_in_use(now);
    let unconvertible = rates.iter().filter(|rate| rate.stale).map(|rate| {
        let why = rate.date.as_ref().map_or_else(|| "is not known".to_owned(), |date| format!("is of {date}, too old"));
        format!("the exchange rate of {} {why}: venues billed in it are ineligible", rate.currency)
    });
    let ages = broker.ages(now);
    let old = ages.iter().filter(|age| age.old).map(|age| format!("{}: {}", age.sheet, broker.old_prices(age)));
    CatalogView {
        refresh_hours: broker.settings.load().catalog.refresh_hours,
        warnings: failing.chain(held).chain(unconvertible).chain(old).chain(broker.awaited_sheets()).collect(),
        ages,
        rates,
        adjustments: broker.adjustments(now),
        sheets: state.live.iter().map(|(name, live)| sheet(name, live, now)).collect(),
        held: state.held.iter().map(|(name, held)| held_sheet(&state, name, held, now)).collect(),
        feeds,
    }
}

fn feed(name: &str, known: &FeedState) -> FeedView {
    let time = |micros: u64| rfc3339(Timestamp::from_micros(micros));
    FeedView {
        feed: name.to_owned(),
        url: known.url.clone(),
        version: known.version.clone(),
        checked_at: time(known.checked_at),
        confirmed_at: (known.confirmed_at > 0).then(|| time(known.confirmed_at)),
        problem: known.problem.clone(),
    }
}

fn sheet(name: &SheetName, live: &Live, now: Timestamp) -> LiveSheetView {
    LiveSheetView {
        sheet: name.to_string(),
        seq: live.sheet.seq(),
        feed: live.feed.clone(),
        since: rfc3339(live.since),
        confirmed_at: rfc3339(live.confirmed_at),
        age_seconds: now.since(live.confirmed_at).get() / 1_000_000,
        source: live.sheet.source().title.clone(),
    }
}

fn held_sheet(state: &State, name: &SheetName, held: &Held, now: Timestamp) -> HeldSheetView {
    let change = held.sheet.as_ref().zip(in_force(state, name)).map(|(next, last)| unlimited(&last, next, now));
    HeldSheetView {
        sheet: name.to_string(),
        feed: held.feed.clone(),
        since: rfc3339(held.at),
        reasons: held.reasons.clone(),
        acceptable: held.sheet.is_some(),
        differences: change.map(|change| differences(&change.differences)).unwrap_or_default(),
    }
}

/// What a look at the feeds came to.
pub(in crate::doors) fn refreshed(refreshed: &Refreshed) -> CatalogRefreshView {
    let names = |names: &[SheetName]| names.iter().map(ToString::to_string).collect();
    let feeds = refreshed.feeds.iter().map(|feed| FeedOutcomeView {
        feed: feed.feed.clone(),
        ok: feed.outcome.is_ok(),
        outcome: feed.outcome.clone().unwrap_or_else(|problem| problem),
    });
    CatalogRefreshView {
        feeds: feeds.collect(),
        put: names(&refreshed.put),
        confirmed: refreshed.confirmed as u64,
        held: names(&refreshed.held),
    }
}

/// The sheets a name had in force, newest first.
pub(in crate::doors) fn catalog_history(name: &SheetName, rows: &[CatalogSheetRow]) -> CatalogHistory {
    let mut until = None;
    let entry = |row: &CatalogSheetRow| {
        let since = (row.feed != BUILT_IN).then(|| rfc3339(row.since));
        CatalogHistoryEntry {
            seq: row.seq,
            until: std::mem::replace(&mut until, since.clone()),
            since,
            feed: row.feed.clone(),
            accepted_by: (!row.accepted_by.is_empty()).then(|| row.accepted_by.clone()),
            differences: serde_json::from_str(&row.changes).unwrap_or_default(),
        }
    };
    CatalogHistory { sheet: name.to_string(), entries: rows.iter().map(entry).collect() }
}
