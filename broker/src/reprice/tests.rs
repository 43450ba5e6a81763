//! Charges computed again after the prices have changed.

use merit_pricing::Catalogue;
use merit_units::InvocationId;

use super::*;
use crate::settle::Settled;
use crate::testing::{Stage, per_call};

const KEPT: &str = "aws-lambda/us-east-1/arm64/provisioned";

async fn call(stage: &Stage) -> InvocationId {
    match stage.call(&[]).await.unwrap() {
        Settled::Replied(replied) => replied.account.invocation,
        Settled::Refused(refused) => panic!("refused: {}", refused.refusal),
    }
}

fn again(stage: &Stage, id: InvocationId) -> RepricedView {
    let receipt = stage.broker.store.receipt(id).unwrap().expect("a receipt");
    stage.broker.reprice(&receipt).expect("readable")
}

#[tokio::test]
async fn a_charge_comes_to_the_same_under_the_sheet_of_its_day() {
    let stage = Stage::new(false, &["0.001"]).await;
    let built_in = Catalogue::builtin().get(KEPT).expect("in the catalogue");
    stage.broker.put_sheet("a", built_in).unwrap();
    let former = call(&stage).await;
    let dearer = built_in.scaled(110).to_toml().into_bytes();
    let imported = Box::pin(stage.broker.import_prices("dearer.toml", dearer, "mk_1")).await.expect("a sheet");
    assert_eq!(imported.put.len(), 1, "{imported:?}");
    let latter = call(&stage).await;
    let (before, after) = (again(&stage, former), again(&stage, latter));
    for (view, seq) in [(&before, 1), (&after, 2)] {
        assert!(view.same, "{view:?}");
        assert_eq!((view.sheet.as_deref(), view.seq), (Some(KEPT), Some(seq)));
        assert_eq!(view.repriced.as_deref(), Some(view.charge.as_str()));
    }
    assert_ne!(before.charge, after.charge);
    assert_ne!(before.charge, "0");
    assert_eq!(before.lines[0].meter, "request");
}

#[tokio::test]
async fn what_was_free_then_is_free_again() {
    let stage = Stage::new(false, &["0.001"]).await;
    let sheet = Catalogue::builtin().get("cloudflare-workers").expect("in the catalogue");
    stage.broker.put_sheet("a", sheet).unwrap();
    let view = again(&stage, call(&stage).await);
    assert!(view.same && view.charge == "0", "{view:?}");
    assert_eq!((view.lines[0].quantity.as_str(), view.lines[0].free.as_str()), ("1", "1"));
}

#[tokio::test]
async fn what_differs_or_is_not_known_is_told() {
    let stage = Stage::new(false, &["0.001"]).await;
    let id = call(&stage).await;
    assert!(again(&stage, id).same, "by the sheet in force");
    // Another sheet under the same name and number, which no feed and nobody through the API would do.
    stage.broker.put_sheet("a", &per_call("0.002")).unwrap();
    let view = again(&stage, id);
    assert!(!view.same && view.why.as_ref().is_some_and(|why| why.contains("has other prices")), "{view:?}");
    assert_eq!((view.charge.as_str(), view.repriced.as_deref()), ("0.001", Some("0.002")));
    let sheet = Catalogue::builtin().get(KEPT).expect("in the catalogue");
    stage.broker.put_sheet("a", sheet).unwrap();
    let view = again(&stage, id);
    assert_eq!(view.why.as_deref(), Some("the sheet test/per-call with number 1 is not kept"));
    assert!(!view.same && view.repriced.is_none());
}
