//! Adjustments on the command line: in quotes, receipts, old charges, venues, and months compared with them.

use merit_pricing::Catalogue;
use merit_wire::{
    AdjustmentView, AppliedView, AskView, BookView, ReceiptView, RepricedLine, RepricedView, VenueList, VenueView,
};

use super::broker::Broker;
use super::run;
use crate::Exit;

const LAMBDA: &str = "aws-lambda/us-east-1/x86_64";
const LARGE: [&str; 9] = ["catalog", "compare", LAMBDA, "--memory-mb", "512", "--duration-ms", "250", "--calls", "2e7"];

fn applied(name: &str, kind: &str, amount: &str, unit: &str) -> AppliedView {
    let text = str::to_owned;
    AppliedView { name: text(name), kind: text(kind), amount: text(amount), unit: text(unit), meters: Vec::new() }
}

fn all_applied() -> Vec<AppliedView> {
    let deal = applied("deal", "discount", "12.5", "%");
    vec![
        AppliedView { meters: vec!["gb_second".to_owned(), "request".to_owned()], ..deal },
        applied("pack", "package", "0.125", "gb_second"),
        applied("plan", "commitment", "0.0000003", "USD"),
    ]
}

fn plan() -> AdjustmentView {
    let text = str::to_owned;
    AdjustmentView {
        name: text("plan"),
        kind: text("commitment"),
        words: text("10 USD committed"),
        venues: vec![text("a"), text("b")],
        from: text("2026-01-01"),
        until: Some(text("2027-01-01")),
        state: text("in-force"),
        amount: text("10"),
        unit: text("USD"),
        meters: Vec::new(),
        monthly: false,
        used_elsewhere: Some(text("0")),
        used: Some(text("9")),
        left: Some(text("1")),
    }
}

#[tokio::test]
async fn asks_say_what_holds_for_them() {
    let broker = Broker::start().await;
    let ask = AskView {
        list_cost: Some("0.0000023".to_owned()),
        adjustments: vec!["plan (10 USD committed), 1 left".to_owned(), "deal (5 % off)".to_owned()],
        ..super::calls::ask("aws", "0", "measured")
    };
    let book = BookView { function: "f".to_owned(), version: 1, asks: vec![ask], excluded: Vec::new() };
    broker.json("GET /v1/functions/f/book", &book);
    let told = broker.run(&["book", "f"]).await.out;
    let (_, adjusted) = told.split_once("\nadjusted\n").expect("a table of its own");
    assert!(adjusted.ends_with("$2.3000  plan (10 USD committed), 1 left; deal (5 % off)\n"), "{told}");
}

#[tokio::test]
async fn a_receipt_says_what_each_did() {
    let broker = Broker::start().await;
    let receipt = ReceiptView {
        list_charge: Some("0.0000025".to_owned()),
        adjustments: all_applied(),
        ..super::calls::receipt()
    };
    broker.json(&format!("GET /v1/invocations/{}", receipt.id), &receipt);
    let told = broker.run(&["explain", &receipt.id]).await.out;
    let lines = "charged    $0.0000022\nby list    $0.0000025\nadjusted   deal: 12.5 % off gb_second and request\n\
                 adjusted   pack: 0.125 gb_second were prepaid\nadjusted   plan: 0.0000003 USD were committed\nestimate";
    assert!(told.contains(lines), "{told}");
}

#[tokio::test]
async fn an_old_charge_is_computed_with_them() {
    let broker = Broker::start().await;
    let line = |meter: &str, prepaid: Option<&str>| RepricedLine {
        meter: meter.to_owned(),
        quantity: "1".to_owned(),
        free: "0".to_owned(),
        prepaid: prepaid.map(str::to_owned),
        charge: "0.0000004".to_owned(),
    };
    let view = RepricedView {
        id: super::calls::ID.to_owned(),
        charge: "0.0000005".to_owned(),
        repriced: Some("0.0000005".to_owned()),
        same: true,
        why: None,
        sheet: Some(LAMBDA.to_owned()),
        seq: Some(1),
        source: None,
        currency: None,
        usd: None,
        lines: vec![line("request", None), line("gb_second", Some("0.125"))],
        adjustments: all_applied(),
    };
    broker.json(&format!("GET /v1/invocations/{}/repriced", super::calls::ID), &view);
    let outcome = broker.run(&["explain", super::calls::ID, "--reprice"]).await;
    insta::assert_snapshot!(outcome.shown(), @"
    sheet      aws-lambda/us-east-1/x86_64, number 1
    METER      QUANTITY  OF IT FREE  PREPAID      CHARGE
    request           1           0        -  $0.0000004
    gb_second         1           0    0.125  $0.0000004
    adjusted   deal: 12.5 % off gb_second and request
    adjusted   pack: 0.125 gb_second were prepaid
    adjusted   plan: 0.0000003 USD were committed
    charged    $0.0000005
    comes to   $0.0000005, the same
    ---
    --- Ok
    ");
}

#[tokio::test]
async fn a_venue_says_what_is_left() {
    let broker = Broker::start().await;
    let venue = VenueView { adjustments: vec![plan()], ..super::manage::venue(None) };
    broker.json("GET /v1/venues/ali-cn", &venue);
    let told = broker.run(&["venues", "show", "ali-cn"]).await.out;
    let row = ["plan", "10", "USD", "committed", "2026-01-01", "2027-01-01", "in-force", "1", "USD", "a,", "b"];
    assert!(told.lines().any(|line| line.split_whitespace().eq(row)), "{told}");
}

/// A configuration with a discount for all days and a commitment from 2027 on, and the folder it is in.
fn agreed() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("merit.toml");
    let text = format!(
        "[venues.aws]\nkind = \"aws-lambda\"\nregion = \"us-east-1\"\nsheet = \"{LAMBDA}\"\n\
         [adjustments.deal]\nkind = \"discount\"\nvenues = [\"aws\"]\nfrom = 2026-01-01\npercent_off = 50\n\
         [adjustments.plan]\nkind = \"commitment\"\nvenues = [\"aws\"]\nfrom = 2027-01-01\namount = 10\n"
    );
    std::fs::write(&file, text).expect("written");
    (folder, file.to_str().expect("UTF-8").to_owned())
}

/// By hand: 20 million calls are 2,500,000 GB-seconds, 2,100,000 past the grant; 35.00007 and 3.8 for requests.
#[tokio::test]
async fn months_are_compared_with_those_of_the_configuration() {
    let (_folder, file) = agreed();
    let file = file.as_str();
    let months = async |day: &[&str]| {
        let outcome = run(&[&LARGE, day, &["--config", file, "--json"]].concat()).await;
        assert_eq!(outcome.exit, Exit::Ok, "{outcome:?}");
        let view: serde_json::Value = serde_json::from_str(&outcome.out).expect("JSON");
        view["sheets"][0].clone()
    };
    let plain = months(&[]).await;
    assert_eq!((plain["month_usd"].as_str(), plain.get("list_usd")), (Some("38.80007"), None));
    let deal = months(&["--adjust", "2026-12-31"]).await;
    assert_eq!((&deal["month_usd"], &deal["list_usd"]), (&"19.400035".into(), &"38.80007".into()));
    assert_eq!(deal["adjustments"][0], "deal (50 % off)");
    assert_eq!(months(&["--adjust", "2027-01-01"]).await["month_usd"], "9.400035");
    let told = run(&[&LARGE[..], &["--config", file, "--adjust", "2026-12-31"]].concat()).await.out;
    assert!(told.contains("$38.8001 by list; deal (50 % off); partly second-hand"), "{told}");
}

/// By hand: 100 million calls of 0.001625 GB-seconds and 0.0000002 each are 22.70833875; half of it, less what is committed.
#[tokio::test]
async fn calls_are_priced_with_the_adjustments_of_the_configuration() {
    let (_folder, file) = agreed();
    let file = file.as_str();
    let call = ["catalog", "price", LAMBDA, "--memory-mb", "128", "--duration-ms", "12.34", "--requests"];
    for (more, charge, list) in [
        (&["100000000"][..], "22.70833875", None),
        (&["100000000", "--config", file, "--adjust", "2025-12-31"], "22.70833875", None),
        (&["100000000", "--config", file, "--adjust", "2026-12-31"], "11.354169375", Some("22.70833875")),
        (&["100000000", "--config", file, "--adjust", "2027-01-01"], "1.354169375", Some("22.70833875")),
        // Where the month stands is the same with and without: all of the requests are free.
        (&["1000000", "--month-to-date", "request=0"], "0.0270833875", None),
        (
            &["1000000", "--config", file, "--adjust", "2026-12-31", "--month-to-date", "request=0"],
            "0.01354169375",
            Some("0.0270833875"),
        ),
    ] {
        let outcome = run(&[&call, more, &["--json"]].concat()).await;
        assert_eq!(outcome.exit, Exit::Ok, "{outcome:?}");
        let view: serde_json::Value = serde_json::from_str(&outcome.out).expect("JSON");
        assert_eq!((view["charge"].as_str(), view["list"].as_str()), (Some(charge), list), "{more:?}");
    }
    let told = run(&[&call[..], &["100000000", "--config", file, "--adjust", "2026-12-31"]].concat()).await.out;
    assert!(told.contains("22.70833875 USD by list; deal (50 % off)"), "{told}");
}

#[tokio::test]
async fn months_at_venues_are_compared_with_what_is_left_there() {
    let broker = Broker::start().await;
    let venue = |name: &str, adjustments: Vec<AdjustmentView>| VenueView {
        name: name.to_owned(),
        sheet: Some(LAMBDA.to_owned()),
        adjustments,
        ..super::manage::venue(None)
    };
    let monthly = AdjustmentView { monthly: true, used_elsewhere: Some("4".to_owned()), ..plan() };
    let venues = vec![venue("a", vec![plan()]), venue("b", vec![monthly]), venue("c", Vec::new())];
    broker.json("GET /v1/venues", &VenueList { venues });
    let text = Catalogue::builtin().get(LAMBDA).expect("built in").to_toml();
    for name in ["a", "b", "c"] {
        broker.answer(&format!("GET /v1/venues/{name}/price-sheet"), 200, &[], text.as_bytes());
    }
    let line = ["catalog", "compare", "--live", "--memory-mb", "512", "--duration-ms", "250", "--calls", "2e7"];
    let told = broker.run(&[&line[..], &["--adjust", "2026-06-01"]].concat()).await.out;
    let months: Vec<Vec<&str>> = told.lines().map(|line| line.split_whitespace().take(2).collect()).collect();
    // 10 a month less what others use; what is left of one that is not renewed; nothing.
    assert_eq!(months[2..5], [["b", "$32.8001"], ["a", "$37.8001"], ["c", "$38.8001"]], "{told}");
    let over = broker.run(&[&line[..], &["--adjust", "2027-01-01"]].concat()).await.out;
    assert!(!over.contains("by list"), "{over}");
}
