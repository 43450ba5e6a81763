//! Bills against a broker with a scripted venue that tells no meters.

use merit_pricing::PriceSheet;
use merit_store::record::{GroupBy, SpendQuery};

use super::*;
use crate::settle::Settled;
use crate::testing::{START, Stage, Step};

/// A GB-second is a dollar, so 10 ms of 128 MB are $0.00125.
const SHEET: &str = r#"
name = "test/by-time"
currency = "USD"
source = "test"
rule = { granularity_us = 1 }
lines = [{ meter = "request", rate = "0" }, { meter = "gb_second", rate = "1" }]
[sources.test]
title = "made for this test"
retrieved = "2026-11-21"
"#;

const HEADER: &str = "ChargePeriodStart,ChargePeriodEnd,ResourceId,SkuMeter,ConsumedQuantity\n";
/// From a minute before the calls to a minute after them.
const PERIOD: &str = "2026-11-21T10:43:00Z,2026-11-21T10:45:00Z";

/// A stage whose venue has answered `calls` calls, each 10 ms by the own clock.
async fn called(calls: usize) -> Stage {
    let stage = Stage::new(true, &["0"]).await;
    let sheet = Arc::new(PriceSheet::parse_toml(SHEET).expect("a sheet"));
    stage.broker.put_sheet("a", &sheet).expect("a venue");
    call(&stage, calls).await;
    stage.broker.clock.advance(Micros::from_secs(90));
    stage
}

async fn call(stage: &Stage, calls: usize) {
    stage.venues[0].then((0..calls).map(|_| Step::ByClock(Micros::from_millis(10))));
    for _ in 0..calls {
        assert!(matches!(stage.call(&[]).await, Ok(Settled::Replied(_))));
    }
}

fn bill(requests: u64, gb_seconds: &str) -> String {
    format!("{HEADER}{PERIOD},work,request,{requests}\n{PERIOD},work,gb_second,{gb_seconds}\n")
}

async fn import(stage: &Stage, text: String) -> Result<ReconciliationList, Refusal> {
    stage.broker.reconcile("a", text, stage.key().id.clone(), false).await
}

fn money(text: &str) -> Money {
    text.parse().expect("an amount")
}

fn spent(stage: &Stage) -> Money {
    stage.balance().0
}

async fn spend(stage: &Stage) -> merit_store::record::SpendRow {
    let query = SpendQuery {
        from: START - Micros::from_secs(3600),
        to: START + Micros::from_secs(3600),
        account: None,
        group_by: vec![GroupBy::Venue],
        step: None,
    };
    let store = stage.broker.store.clone();
    let rows = tokio::task::spawn_blocking(move || store.spend(&query)).await.expect("no panic").expect("readable");
    assert_eq!((rows.len(), rows[0].group[0].as_str()), (1, "a"));
    rows[0].clone()
}

#[tokio::test]
async fn a_bill_corrects_what_was_charged_and_what_is_expected() {
    let stage = called(4).await;
    assert_eq!(spent(&stage), money("0.005"));
    let dry = stage.broker.reconcile("a", bill(4, "0.002"), stage.key().id.clone(), true).await.expect("a bill");
    assert_eq!((dry.corrected.as_str(), spent(&stage)), ("-0.003", money("0.005")), "only told");

    let list = import(&stage, bill(4, "0.002")).await.expect("a bill");
    assert_eq!((list.corrected.as_str(), list.reconciliations.len()), ("-0.003", 1));
    let view = &list.reconciliations[0];
    assert_eq!((view.calls, view.billed_calls, view.charged.as_str(), view.billed.as_str()), (4, 4, "0.005", "0.002"));
    assert!(view.deployments[0].learned && view.accounts[0].refused.is_none() && view.left == 0, "{view:?}");
    assert_eq!(spent(&stage), money("0.002"));
    let row = spend(&stage).await;
    assert_eq!((row.calls, row.charge, row.corrected), (4, money("0.002"), money("-0.003")));
    assert_eq!(row.estimated, money("0.005"), "all of it was, before it was corrected");

    let function = stage.broker.functions.get("work").expect("a function");
    assert_eq!(function.view().cost(0), money("0.0005"), "the next call is expected to be billed the mean");
    call(&stage, 1).await;
    assert_eq!(spent(&stage), money("0.0025"), "and is charged it");

    let again = import(&stage, bill(4, "0.002")).await.expect("the same bill");
    assert!(again.reconciliations[0].already && again.corrected == "0");
    assert_eq!(spent(&stage), money("0.0025"), "a bill counts once");
    let other = import(&stage, bill(4, "0.003")).await.expect_err("another bill of the period");
    assert!(other.to_string().contains("was reconciled from 2026-11-21T10:43:00Z"), "{other}");
    let venue = Arc::clone(stage.broker.directory.load().venue("a").expect("a venue"));
    let known = stage.broker.reconciled(&venue, 10).expect("readable");
    assert_eq!((known.reconciliations.len(), known.reconciliations[0].corrected.as_str()), (1, "-0.003"));
}

#[tokio::test]
async fn of_a_service_that_others_call_too_merit_has_the_share_of_its_calls() {
    let stage = called(4).await;
    import(&stage, bill(8, "0.004")).await.expect("a bill");
    assert_eq!(spent(&stage), money("0.002"));
}

#[tokio::test]
async fn a_bill_may_also_be_higher_than_what_was_charged() {
    let stage = called(4).await;
    stage.budget("0.006").await;
    import(&stage, bill(4, "0.008")).await.expect("a bill");
    assert_eq!(spent(&stage), money("0.008"), "the money is spent, whatever the budget");
}

#[tokio::test]
async fn what_a_stop_left_open_is_posted_at_the_next_start_and_once() {
    let stage = called(4).await;
    let (broker, by) = (Arc::clone(&stage.broker), stage.key().id.clone());
    let venue = Arc::clone(broker.directory.load().venue("a").expect("a venue"));
    let prepared = tokio::task::spawn_blocking(move || broker.prepare(&venue, &bill(4, "0.002"), &by)).await;
    let (_, row, _) = prepared.expect("no panic").expect("a bill").remove(0);
    stage.broker.store.put_reconciliations(vec![row.expect("new")]).await.expect("stored");
    assert_eq!(spent(&stage), money("0.005"), "stored, and then the broker was stopped");
    for start in 0..2 {
        stage.broker.post_open_reconciliations().await.expect("posted");
        assert_eq!(spent(&stage), money("0.002"), "start {start}");
        assert_eq!(stage.broker.store.open_reconciliations().expect("readable"), []);
    }
    assert_eq!(spend(&stage).await.corrected, money("-0.003"));
    let again = import(&stage, bill(4, "0.002")).await.expect("the same bill");
    assert!(again.reconciliations[0].already, "it was imported");
}

#[tokio::test]
async fn a_posting_that_was_journaled_but_not_marked_is_not_made_twice() {
    let stage = called(4).await;
    import(&stage, bill(4, "0.002")).await.expect("a bill");
    let venue = "a".parse().expect("a name");
    let row = stage.broker.store.reconciliations(&venue, 1).expect("readable").remove(0);
    let unmarked = ReconciliationRow { posted: false, ..row };
    stage.broker.store.put_reconciliations(vec![unmarked]).await.expect("stored");
    stage.broker.post_open_reconciliations().await.expect("posted");
    assert_eq!((spent(&stage), spend(&stage).await.corrected), (money("0.002"), money("-0.003")));
}

#[tokio::test]
async fn bills_that_can_not_be_of_these_calls_are_refused_whole() {
    let stage = called(20).await;
    let few = import(&stage, bill(14, "0.002")).await.expect_err("six calls are missing");
    assert!(few.to_string().contains("14 calls of `work` were billed and 20 were made by Merit"), "{few}");
    let earlier = "2026-11-20T00:00:00Z,2026-11-21T00:00:00Z";
    let text = format!(
        "{HEADER}{PERIOD},work,request,20\n{PERIOD},work,gb_second,0.01\n{PERIOD},other,request,1\n\
         {PERIOD},other,cpu_ms,1\n{earlier},work,request,5\n{earlier},work,gb_second,1\n"
    );
    let refused = import(&stage, text).await.expect_err("two mistakes").to_string();
    assert!(refused.contains("line 4: nothing at a is `other`"), "{refused}");
    assert!(refused.contains("line 6: no call of `work` in this period was charged by Merit's own clock"), "{refused}");
    assert_eq!(spent(&stage), money("0.025"), "nothing of it was posted");
    let unknown = stage.broker.reconcile("z", bill(1, "1"), stage.key().id.clone(), false).await;
    assert!(matches!(unknown, Err(Refusal::Unknown { .. })));
}

#[tokio::test]
async fn calls_whose_meters_the_venue_told_are_not_corrected() {
    let stage = called(3).await;
    stage.venues[0].then([Step::Reply(Micros::from_millis(10))]);
    assert!(matches!(stage.call(&[]).await, Ok(Settled::Replied(_))));
    let list = import(&stage, bill(3, "0.0015")).await.expect("a bill");
    assert_eq!((list.reconciliations[0].calls, list.corrected.as_str()), (3, "-0.00225"));
}

#[tokio::test]
async fn a_bill_with_idle_time_in_it_is_refused() {
    let stage = called(4).await;
    let premium = merit_pricing::Catalogue::builtin().get("azure-premium/eastus").expect("in the catalogue");
    stage.broker.put_sheet("a", premium).expect("put");
    let error = import(&stage, bill(4, "0.002")).await.expect_err("it is of instances that live").to_string();
    assert!(error.contains("are billed for as long as they live") && error.contains("[adjustments]"), "{error}");
}
