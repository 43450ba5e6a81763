//! A provider's offers, switch and statement.

use merit_wire::{
    CapsSpec, FillView, KillView, KilledView, OfferList, OfferSpec, OfferView, StatementRow, StatementView,
};

use super::broker::Broker;
use super::refused;

fn list() -> OfferList {
    let offer = OfferSpec {
        id: "thumbnail-128".to_owned(),
        function: Some("thumbnail".to_owned()),
        target: "/thumbnail".to_owned(),
        memory_mb: 128,
        slots: 32,
        prices: [("gb_second".to_owned(), "0.0000091".to_owned())].into(),
        ttl_ms: 5000,
        ..OfferSpec::default()
    };
    OfferList {
        venue: "pool".to_owned(),
        connected: true,
        endpoint: Some("http://10.0.0.5:9000/".to_owned()),
        killed: vec![killed()],
        caps: CapsSpec::default(),
        offers: vec![OfferView {
            offer,
            state: "held".to_owned(),
            why: Some("gb_second fell".to_owned()),
            at: "2026-11-21T12:00:00Z".to_owned(),
            expires_at: "2026-11-21T12:00:05Z".to_owned(),
            functions: 1,
        }],
    }
}

fn killed() -> KilledView {
    let (by, why, at) = ("operator", "a look", "2026-11-21T11:00:00Z");
    KilledView { by: by.to_owned(), why: why.to_owned(), at: at.to_owned() }
}

#[tokio::test]
async fn offers_are_shown_with_what_holds_for_all_of_them() {
    let broker = Broker::start().await;
    broker.json("GET /v1/venues/pool/offers", &list());
    let shown = broker.run(&["venues", "offers", "pool"]).await.shown();
    for part in [
        "open",
        "http://10.0.0.5:9000/",
        "by the operator since",
        "thumbnail-128",
        "gb_second 0.0000091",
        "held",
        "fell",
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
}

#[tokio::test]
async fn a_switch_is_turned_and_an_offer_confirmed() {
    let broker = Broker::start().await;
    broker.json("PUT /v1/venues/pool/kill-switch", &KillView { killed: vec![killed()] });
    let outcome = broker.run(&["venues", "kill", "pool", "--why", "a look"]).await;
    assert_eq!(outcome.err, "nothing is sent to pool: the operator's switch is on: a look\n");
    assert_eq!(broker.last().body, r#"{"on":true,"why":"a look"}"#);
    broker.json("PUT /v1/venues/pool/kill-switch", &KillView { killed: Vec::new() });
    assert_eq!(broker.run(&["venues", "kill", "pool", "--off"]).await.err, "calls go to pool again\n");
    assert_eq!(broker.last().body, r#"{"on":false}"#);
    assert!(refused(&["venues", "kill", "pool", "--off", "--why", "x"]).contains("cannot be used with"));
    broker.answer("POST /v1/venues/pool/offers/a/confirm", 204, &[], b"");
    assert_eq!(broker.run(&["venues", "confirm", "pool", "a"]).await.err, "a of pool is in the market\n");
}

#[tokio::test]
async fn a_statement_has_sums_and_fills() {
    let broker = Broker::start().await;
    let statement = StatementView {
        venue: "pool".to_owned(),
        month: "2026-11".to_owned(),
        fills: 3,
        earned: "0.0003".to_owned(),
        posted: Some("0.0007".to_owned()),
        complete_from: Some("2026-11-20T00:00:00Z".to_owned()),
        rows: vec![StatementRow {
            day: "2026-11-21".to_owned(),
            function: "thumbnail".to_owned(),
            deployment: "pool.thumbnail-128".to_owned(),
            fills: 3,
            earned: "0.0003".to_owned(),
        }],
        latest: vec![FillView {
            invocation: "0195f2c4".to_owned(),
            at: "2026-11-21T12:00:00Z".to_owned(),
            function: "thumbnail".to_owned(),
            deployment: "pool.thumbnail-128".to_owned(),
            result: "ok".to_owned(),
            charge: "0.0001".to_owned(),
            estimated: false,
        }],
    };
    broker.json("GET /v1/venues/pool/statement?fills=1&month=2026-11", &statement);
    let line = ["venues", "statement", "pool", "--month", "2026-11", "--fills", "1"];
    let shown = broker.run(&line).await.shown();
    for part in [
        "pool in 2026-11",
        "2026-11-21",
        "pool.thumbnail-128",
        "3 fills, 0.0003 USD",
        "0195f2c4",
        "0.0001",
        "before 2026-11-20T00:00:00Z are left out",
        "0.0007 USD were posted",
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
}
