//! Live prices: what one look at a feed found is there after a restart, with its history.

use merit_store::record::{CatalogHeldRow, CatalogRefresh, CatalogSheetRow};
use merit_units::{Micros, SheetName, Timestamp};

use super::fixture::{NOW, fresh, open};

fn name(text: &str) -> SheetName {
    text.parse().unwrap()
}

fn after(seconds: u64) -> Timestamp {
    NOW + Micros::from_secs(seconds)
}

fn sheet(text: &str, seq: u64, seconds: u64) -> CatalogSheetRow {
    CatalogSheetRow {
        name: name(text),
        seq,
        since: after(seconds),
        confirmed_at: after(seconds),
        feed: "feed".to_owned(),
        accepted_by: String::new(),
        changes: "[]".to_owned(),
        body: format!("{text} {seq}"),
    }
}

fn held(text: &str, body: Option<&str>) -> CatalogHeldRow {
    let (feed, reasons) = ("feed".to_owned(), "[\"why\"]".to_owned());
    CatalogHeldRow { name: name(text), at: NOW, feed, reasons, body: body.map(str::to_owned) }
}

#[test]
fn what_a_look_at_a_feed_found_outlives_a_restart() {
    let (dir, store) = fresh();
    let first = CatalogRefresh {
        at: NOW,
        put: vec![sheet("a/one", 1, 0), sheet("a/one", 2, 10), sheet("a/two", 2, 10)],
        held: vec![held("a/two", Some("dear")), held("a/three", None)],
        feed: Some(("feed".to_owned(), "{\"etag\":1}".to_owned())),
        ..CatalogRefresh::default()
    };
    store.put_catalog(first).wait().unwrap();
    let second = CatalogRefresh {
        at: after(99),
        // The number is taken: the first that was stored stays.
        put: vec![CatalogSheetRow { body: "late".to_owned(), ..sheet("a/one", 2, 50) }],
        confirmed: vec![name("a/one")],
        settled: vec![name("a/three"), name("a/two")],
        held: vec![held("a/two", Some("dearer"))],
        feed: Some(("feed".to_owned(), "{\"etag\":2}".to_owned())),
    };
    store.put_catalog(second).wait().unwrap();
    store.close().unwrap();
    let store = open(dir.path());
    let confirmed = CatalogSheetRow { confirmed_at: after(99), ..sheet("a/one", 2, 10) };
    assert_eq!(store.catalog_sheets().unwrap(), [confirmed.clone(), sheet("a/two", 2, 10)]);
    assert_eq!(store.catalog_history(&name("a/one"), 9).unwrap(), [confirmed.clone(), sheet("a/one", 1, 0)]);
    assert_eq!(store.catalog_history(&name("a/one"), 1).unwrap(), [confirmed]);
    assert_eq!(store.catalog_held().unwrap(), [held("a/two", Some("dearer"))]);
    assert_eq!(store.catalog_feeds().unwrap(), [("feed".to_owned(), "{\"etag\":2}".to_owned())]);
    let at = |seconds| store.catalog_sheet_at(&name("a/one"), after(seconds)).unwrap().map(|row| row.seq);
    assert_eq!((at(0), at(9), at(10), at(1000)), (Some(1), Some(1), Some(2), Some(2)));
    assert_eq!(store.catalog_sheet_at(&name("a/two"), NOW).unwrap(), None, "nothing was in force yet");
}
