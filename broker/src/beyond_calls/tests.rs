//! A sheet with a fee and rounded hours, over hours and months.

use merit_units::Micros;

use super::*;
use crate::testing::{START, Stage, Step};

/// A GB-second is a dollar, so 10 ms of 128 MB are $0.00125; an hour is at least two.
const SHEET: &str = r#"
name = "test/hours"
currency = "USD"
source = "test"
base_fee = "5"
rule = { granularity_us = 1 }
hourly = { ceil_to_units = true, floor = "2" }
lines = [{ meter = "gb_second", rate = "1" }]
[sources.test]
title = "made for this test"
retrieved = "2026-11-21"
"#;

const HOUR: Micros = Micros::from_secs(3600);
/// So many days.
const fn days(many: u64) -> Micros {
    Micros::from_secs(many * 86_400)
}

async fn stage() -> Stage {
    let stage = Stage::new(true, &["0", "0"]).await;
    stage.broker.put_sheet("a", &Arc::new(PriceSheet::parse_toml(SHEET).expect("a sheet"))).expect("a venue");
    stage
}

async fn call(stage: &Stage, venue: &'static str, calls: usize) {
    stage.venues[0].then((0..calls).map(|_| Step::Reply(Micros::from_millis(10))));
    for _ in 0..calls {
        assert!(stage.call(&[("merit-venues", venue)]).await.is_ok());
    }
}

async fn told(stage: &Stage, period: Range<Timestamp>) -> Vec<BeyondCallsRow> {
    let broker = Arc::clone(&stage.broker);
    let read = move || {
        broker.store.flush().wait()?;
        beyond_calls(&broker, &period)
    };
    tokio::task::spawn_blocking(read).await.expect("no panic").expect("readable")
}

fn row(month: &str, hours: Option<&str>, function_hours: u64) -> BeyondCallsRow {
    BeyondCallsRow {
        month: month.to_owned(),
        venues: vec!["a".to_owned()],
        billing_account: String::new(),
        sheet: "test/hours".to_owned(),
        fee: Some("5".to_owned()),
        hours: hours.map(str::to_owned),
        function_hours,
    }
}

#[tokio::test]
async fn hours_are_rounded_up_and_the_fee_is_due_once() {
    let stage = stage().await;
    let all = START - days(1)..START + days(1);
    assert_eq!(told(&stage, all.clone()).await, [row("2026-11", None, 0)], "the plan is there before the first call");
    call(&stage, "a", 3).await;
    call(&stage, "b", 2).await;
    // 0.00375 is charged; rounded up it is one unit, and an hour costs two at least.
    assert_eq!(told(&stage, all.clone()).await, [row("2026-11", Some("1.99625"), 1)]);
    stage.broker.clock.advance(HOUR);
    call(&stage, "a", 1).await;
    assert_eq!(told(&stage, all.clone()).await, [row("2026-11", Some("3.995"), 2)]);
    assert_eq!(
        told(&stage, START - days(1)..START + Micros::from_secs(60)).await,
        [row("2026-11", Some("1.99625"), 1)]
    );
    let long_ago = Timestamp::from_micros(0)..START - days(26);
    assert!(told(&stage, long_ago).await.is_empty(), "neither this month nor a call");
}

#[tokio::test]
async fn a_month_with_calls_has_its_fee_when_it_is_over() {
    let stage = stage().await;
    call(&stage, "a", 1).await;
    stage.broker.clock.advance(days(35));
    let rows = told(&stage, START - days(1)..START + days(36)).await;
    assert_eq!(rows, [row("2026-11", Some("1.99875"), 1), row("2026-12", None, 0)]);
}
