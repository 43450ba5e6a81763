//! A change of one venue's prices makes the same book as building all of it anew, and touches nothing else.

use std::sync::Arc;

use merit_market::Ask;
use merit_pricing::{PriceSheet, Usage};
use merit_units::Micros;
use merit_venue::MeterBasis;

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

/// Teaches a deployment one call of 40 ms with this CPU time.
fn learn(stage: &Stage, row: usize, cpu_ms: Option<u64>) {
    let function = function(stage);
    let deployment = Arc::clone(function.view().deployment(row));
    let usage = used(40, cpu_ms);
    function.learn(&stage.broker, &deployment, &usage, usage.duration, stage.broker.clock.now());
}

fn used(millis: u64, cpu_ms: Option<u64>) -> Usage {
    Usage { duration: Micros::from_millis(millis), cpu: cpu_ms.map(Micros::from_millis), ..Usage::default() }
}

#[tokio::test]
async fn cpu_time_that_a_venue_does_not_tell_is_charged_as_others_measured_it_and_marked() {
    let stage = Stage::new(false, &["0.001", "0.002", "0.003"]).await;
    let by_cpu = per_call("0.001").to_toml().replace("meter = \"request\"", "meter = \"cpu_ms\"");
    stage.broker.put_sheet("b", &Arc::new(PriceSheet::parse_toml(&by_cpu).expect("a sheet"))).expect("put");
    let now = || {
        let view = function(&stage).view();
        let charged = |usage, basis| {
            let bill = view.bill(1, &usage, basis);
            (bill.charge.to_string(), bill.basis)
        };
        let untold = [charged(used(60, None), MeterBasis::OwnClock), charged(used(2, None), MeterBasis::OwnClock)];
        let told = charged(used(60, Some(9)), MeterBasis::Reported);
        (view.cost(1).to_string(), view.grounds(1), untold.map(|(charge, _)| charge), told)
    };
    let charges = |long: &str, short: &str| [long.to_owned(), short.to_owned()];
    let told = ("0.009".to_owned(), MeterBasis::Reported);
    learn(&stage, 1, None);
    assert_eq!(now(), ("0.04".to_owned(), "measured".to_owned(), charges("0.06", "0.002"), told.clone()));
    learn(&stage, 0, Some(5));
    assert_eq!(now(), ("0.005".to_owned(), "borrowed".to_owned(), charges("0.005", "0.002"), told));
    learn(&stage, 2, None);
    assert_eq!(now().0, "0.005", "who tells nothing changes nothing");
    let guessed = function(&stage).view().bill(1, &used(60, None), MeterBasis::Reported);
    assert_eq!(guessed.basis, MeterBasis::OwnClock, "a part of it is nobody's word");
}
