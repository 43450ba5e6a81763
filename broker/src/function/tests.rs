//! A change of one venue's prices makes the same book as building all of it anew, and touches nothing else.

use std::sync::Arc;

use merit_market::Ask;
use merit_pricing::PriceSheet;

use super::{Function, View};
use crate::testing::{Stage, per_call};

fn function(stage: &Stage) -> Arc<Function> {
    stage.broker.functions.get("work").expect("registered")
}

/// The asks as they are, and as they are when the whole book is built anew.
fn as_is_and_anew(stage: &Stage) -> (Vec<Ask>, Vec<Ask>) {
    let function = function(stage);
    let repriced = function.view();
    function.rebuild(&stage.broker, stage.broker.clock.now());
    (repriced.book.asks().to_vec(), function.view().book.asks().to_vec())
}

fn costs(view: &View) -> Vec<String> {
    (0..view.book.asks().len()).map(|row| view.cost(row).to_string()).collect()
}

#[tokio::test]
async fn a_price_change_is_what_a_rebuild_would_have_made() {
    let stage = Stage::new(false, &["0.001", "0.002", "0.003"]).await;
    let before = function(&stage).view();
    for (venue, percent, expected) in
        [("b", 25, ["0.001", "0.0005", "0.003"]), ("c", 10, ["0.001", "0.0005", "0.0003"])]
    {
        let sheet = stage.broker.directory.load().venue(venue).expect("there").prices.sheet().expect("priced");
        assert_eq!(stage.broker.put_sheet(venue, &Arc::new(sheet.scaled(percent))).expect("put"), 1);
        let (repriced, anew) = as_is_and_anew(&stage);
        assert_eq!(repriced, anew);
        assert_eq!(costs(&function(&stage).view()), expected);
    }
    let after = function(&stage).view();
    assert_eq!(after.book.merit_order().collect::<Vec<_>>(), [2, 1, 0]);
    assert!(Arc::ptr_eq(before.book.slots(), after.book.slots()), "the deployments are shared by all views");
}

#[tokio::test]
async fn a_sheet_that_rounds_otherwise_is_metered_anew() {
    let stage = Stage::new(false, &["0.001", "0.002"]).await;
    let by_time = per_call("0.001").to_toml().replace("granularity_us = 1\n", "granularity_us = 1000000\n");
    let by_time = by_time.replace("meter = \"request\"", "meter = \"gb_second\"").replace("0.001", "0.08");
    let sheet = PriceSheet::parse_toml(&by_time).unwrap_or_else(|errors| panic!("{errors}\n{by_time}"));
    stage.broker.put_sheet("b", &Arc::new(sheet)).expect("put");
    let (repriced, anew) = as_is_and_anew(&stage);
    assert_eq!(repriced, anew);
    // 128 MB for a second of 0.08: a call is assumed to take 100 ms, and is rounded up.
    assert_eq!(costs(&function(&stage).view()), ["0.001", "0.01"]);
}
