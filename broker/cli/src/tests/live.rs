//! `catalog refresh | diff | show | history` against a broker.

use merit_wire::{
    CatalogHistory, CatalogHistoryEntry, CatalogRefreshView, CatalogView, ExchangeRateView, FeedOutcomeView, FeedView,
    HeldSheetView, LiveSheetView, PriceDifference, SheetAgeView,
};

use super::broker::Broker;
use super::refused;
use crate::Exit;

const X86: &str = "aws-lambda/us-east-1/x86_64";

fn difference(what: &str, from: &str, to: Option<&str>) -> PriceDifference {
    PriceDifference { what: what.to_owned(), from: Some(from.to_owned()), to: to.map(str::to_owned) }
}

fn view() -> CatalogView {
    CatalogView {
        refresh_hours: 24,
        feeds: vec![FeedView {
            feed: "aws-lambda/us-east-1".to_owned(),
            url: "https://prices.example/us-east-1.json".to_owned(),
            version: "20260521184754".to_owned(),
            checked_at: "2026-11-21T10:00:00Z".to_owned(),
            confirmed_at: Some("2026-11-20T10:00:00Z".to_owned()),
            problem: Some("the server answered 503".to_owned()),
        }],
        sheets: vec![LiveSheetView {
            sheet: X86.to_owned(),
            seq: 3,
            feed: "aws-lambda/us-east-1".to_owned(),
            since: "2026-11-01T10:00:00Z".to_owned(),
            confirmed_at: "2026-11-20T10:00:00Z".to_owned(),
            age_seconds: 90_000,
            source: "AWS Price List".to_owned(),
        }],
        held: vec![HeldSheetView {
            sheet: X86.to_owned(),
            feed: "aws-lambda/us-east-1".to_owned(),
            since: "2026-11-20T10:00:00Z".to_owned(),
            reasons: vec!["request moves from 0.0000002 to 0.0000001, more than 25 %".to_owned()],
            acceptable: true,
            differences: vec![
                difference("request", "0.0000002", Some("0.0000001")),
                difference("egress_gb", "0.09", None),
            ],
        }],
        ages: vec![SheetAgeView {
            sheet: "alibaba-fc/cn".to_owned(),
            of: "2026-07-01".to_owned(),
            age_days: 143,
            old: true,
            source: "the pricing page".to_owned(),
        }],
        adjustments: Vec::new(),
        rates: vec![ExchangeRateView {
            currency: "CNY".to_owned(),
            usd: Some("0.1405".to_owned()),
            date: Some("2026-11-20".to_owned()),
            from: Some("exchange-rates".to_owned()),
            stale: false,
        }],
        warnings: vec![format!("{X86} is held: request moves")],
    }
}

#[tokio::test]
async fn live_prices_are_shown_with_their_age_and_warnings() {
    let broker = Broker::start().await;
    broker.json("GET /v1/catalog", &view());
    insta::assert_snapshot!(broker.run(&["catalog", "show"]).await.shown(), @r#"
    the price lists are looked at every 24 h
    CURRENCY  DOLLARS  OF          FROM            STATE
    CNY        0.1405  2026-11-20  exchange-rates  ok
    IN USE         PRICES OF             AGE  SOURCE
    alibaba-fc/cn  2026-07-01  143 days, old  the pricing page
    FEED                         VERSION  LOOKED AT             LAST GOOD             STATE
    aws-lambda/us-east-1  20260521184754  2026-11-21T10:00:00Z  2026-11-20T10:00:00Z  fails: the server answered 503
    SHEET                        SEQ  SINCE                 CONFIRMED              AGE  HELD
    aws-lambda/us-east-1/x86_64    3  2026-11-01T10:00:00Z  2026-11-20T10:00:00Z  25 h  newer ones
    ---
    warning: aws-lambda/us-east-1/x86_64 is held: request moves
    --- Ok
    "#);
    let none = CatalogView {
        refresh_hours: 0,
        feeds: vec![],
        sheets: vec![],
        held: vec![],
        ages: vec![],
        adjustments: Vec::new(),
        rates: vec![],
        warnings: vec![],
    };
    broker.json("GET /v1/catalog", &none);
    insta::assert_snapshot!(broker.run(&["catalog", "show"]).await.shown(), @r#"
    the price lists are looked at by `merit catalog refresh` only (catalog.refresh_hours = 0)
    none has been looked at yet: all prices are the built-in ones
    ---
    --- Ok
    "#);
    assert_eq!(broker.run(&["catalog", "diff"]).await.out, "nothing is held\n");
}

#[tokio::test]
async fn held_prices_are_shown_and_accepted() {
    let broker = Broker::start().await;
    broker.json("GET /v1/catalog", &view());
    insta::assert_snapshot!(broker.run(&["catalog", "diff"]).await.shown(), @r#"
    aws-lambda/us-east-1/x86_64, held since 2026-11-20T10:00:00Z
    because request moves from 0.0000002 to 0.0000001, more than 25 %
    PRICE       IN FORCE        NEW
    request    0.0000002  0.0000001
    egress_gb       0.09          -
    `merit catalog refresh --accept aws-lambda/us-east-1/x86_64` puts it in force
    ---
    --- Ok
    "#);
    assert_eq!(broker.run(&["catalog", "diff", "own/default"]).await.out, "nothing is held\n");
    assert!(broker.run(&["catalog", "diff", "--json"]).await.out.contains("\"acceptable\": true"));
    let put = CatalogRefreshView { feeds: vec![], put: vec![X86.to_owned()], confirmed: 0, held: vec![] };
    broker.json("POST /v1/catalog/accept", &put);
    let outcome = broker.run(&["catalog", "refresh", "--accept", X86]).await;
    assert_eq!((outcome.exit, outcome.out.as_str()), (Exit::Ok, "aws-lambda/us-east-1/x86_64 is in force\n"));
    assert_eq!(broker.last().body, format!("{{\"sheets\":[\"{X86}\"]}}"));
    broker.run(&["catalog", "refresh", "--accept"]).await;
    assert_eq!(broker.last().body, "{\"sheets\":[]}");
}

#[tokio::test]
async fn a_file_is_imported_and_feeds_are_named() {
    let broker = Broker::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("alibaba.toml");
    std::fs::write(&file, "name = \"alibaba-fc/cn\"").expect("written");
    let outcome = FeedOutcomeView { feed: "import alibaba.toml".to_owned(), ok: true, outcome: "read".to_owned() };
    let held = vec!["alibaba-fc/cn".to_owned()];
    let view = CatalogRefreshView { feeds: vec![outcome], put: vec![], confirmed: 0, held };
    broker.json("POST /v1/catalog/import?name=alibaba.toml", &view);
    let shown = broker.run(&["catalog", "import", &file.display().to_string()]).await.shown();
    assert!(
        shown.contains("0 confirmed, 0 came into force, 1 held") && shown.contains("merit catalog diff"),
        "{shown}"
    );
    assert_eq!(broker.last().body, "name = \"alibaba-fc/cn\"");
    let shown = broker.run(&["catalog", "import", "/nonexistent"]).await.shown();
    assert!(shown.contains("cannot read /nonexistent"), "{shown}");
    let named = CatalogRefreshView { held: vec![], ..view };
    broker.json("POST /v1/catalog/refresh?feeds=google-run%2Cazure-functions", &named);
    assert_eq!(broker.run(&["catalog", "refresh", "google-run", "azure-functions"]).await.exit, Exit::Ok);
}

#[tokio::test]
async fn a_refresh_says_what_came_of_each_feed() {
    let broker = Broker::start().await;
    let feed = |feed: &str, ok: bool, outcome: &str| FeedOutcomeView {
        feed: feed.to_owned(),
        ok,
        outcome: outcome.to_owned(),
    };
    let all_well = CatalogRefreshView {
        feeds: vec![feed("aws-lambda/us-east-1", true, "read version 20260521184754")],
        put: vec![X86.to_owned()],
        confirmed: 2,
        held: vec!["aws-lambda/us-east-1/arm64".to_owned()],
    };
    broker.json("POST /v1/catalog/refresh", &all_well);
    insta::assert_snapshot!(broker.run(&["catalog", "refresh"]).await.shown(), @r#"
    FEED                  OUTCOME
    aws-lambda/us-east-1  read version 20260521184754
    aws-lambda/us-east-1/x86_64 is in force
    2 confirmed, 1 came into force, 1 held
    ---
    held: aws-lambda/us-east-1/arm64; see `merit catalog diff`
    --- Ok
    "#);
    let failed =
        CatalogRefreshView { feeds: vec![feed("aws-lambda/eu-west-1", false, "the server answered 503")], ..all_well };
    broker.json("POST /v1/catalog/refresh", &CatalogRefreshView { put: vec![], held: vec![], ..failed });
    insta::assert_snapshot!(broker.run(&["catalog", "refresh"]).await.shown(), @r#"
    FEED                  OUTCOME
    aws-lambda/eu-west-1  failed, the last good prices stay: the server answered 503
    2 confirmed, 0 came into force, 0 held
    ---
    --- Failed
    "#);
}

#[tokio::test]
async fn the_history_says_who_changed_what_and_the_sheet_of_a_day_can_be_seen() {
    let broker = Broker::start().await;
    let entry = |seq: u64, since: Option<&str>, until: Option<&str>, feed: &str| CatalogHistoryEntry {
        seq,
        since: since.map(str::to_owned),
        until: until.map(str::to_owned),
        feed: feed.to_owned(),
        accepted_by: None,
        differences: Vec::new(),
    };
    let newest = CatalogHistoryEntry {
        accepted_by: Some("mk_1".to_owned()),
        differences: view().held.remove(0).differences,
        ..entry(2, Some("2026-11-20T10:00:00Z"), None, "aws-lambda/us-east-1")
    };
    let entries = vec![newest, entry(1, None, Some("2026-11-20T10:00:00Z"), "built-in")];
    let line = "GET /v1/catalog/history?sheet=aws-lambda%2Fus-east-1%2Fx86_64&limit=100";
    broker.json(line, &CatalogHistory { sheet: X86.to_owned(), entries });
    insta::assert_snapshot!(broker.run(&["catalog", "history", X86]).await.shown(), @r#"
    SEQ  SINCE                 UNTIL                 FEED                  ACCEPTED BY  CHANGES
      2  2026-11-20T10:00:00Z  now                   aws-lambda/us-east-1  mk_1         request: 0.0000002 -> 0.0000001; egress_gb: 0.09 -> none
      1  -                     2026-11-20T10:00:00Z  built-in              -            -
    ---
    --- Ok
    "#);

    let sheet = merit_pricing::Catalogue::builtin().get(X86).expect("in the catalogue");
    let line = "GET /v1/catalog/sheet?sheet=aws-lambda%2Fus-east-1%2Fx86_64&at=2026-11-01T00%3A00%3A00Z";
    broker.answer(line, 200, &[], sheet.to_toml().as_bytes());
    let outcome = broker.run(&["catalog", "show", X86, "--at", "2026-11-01T00:00:00Z", "--json"]).await;
    assert_eq!(outcome.out, format!("{}\n", sheet.to_json()), "{outcome:?}");
    broker.json("GET /v1/catalog", &view());
    broker.answer("GET /v1/catalog/sheet?sheet=aws-lambda%2Fus-east-1%2Fx86_64", 200, &[], sheet.to_toml().as_bytes());
    let outcome = broker.run(&["catalog", "show", X86, "--live"]).await;
    assert!(outcome.err.contains("warning: aws-lambda/us-east-1/x86_64 is held"), "{outcome:?}");
    assert!(refused(&["catalog", "show", "--live"]).contains("<SHEET>"));
}
