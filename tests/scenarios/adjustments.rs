//! Discounts, packages and commitments: they move calls, run out in mid-run, outlive a restart, and the sums are exact.

use std::collections::BTreeMap;

use merit_units::Money;
use merit_wire::{AdjustmentView, CatalogView, QuoteRequest, ReceiptView, VenueView};

use crate::support::{
    Audit, Client, FIRST_ACCOUNT, KEY, PATIENCE, Process, Reply, Setup, Upstream, Worth, dollars, merit_command,
    run_to_end, script, until,
};

/// A day that is over on every machine, and one that no machine will see.
const PAST: &str = "2026-01-01";
const NEVER: &str = "2999-01-01";

/// `cloud` at 0.003 a call and `own` at 0.001, with function `f` at both.
fn two_venues(cloud: &Upstream, own: &Upstream) -> Setup {
    Setup::new()
        .flat("cloud", &cloud.url(), "0.003")
        .flat("own", &own.url(), "0.001")
        .function("f", Worth::Idempotent, &["cloud", "own"])
        .set("market", "ramp_ppm_per_second", 1_000_000)
        .set("market", "hysteresis_ppm", 0)
}

/// An adjustment for `cloud`, from a day in the past.
fn agreed(setup: Setup, name: &str, kind: &str, keys: &[(&str, &str)]) -> Setup {
    let section = format!("adjustments.{name}");
    let setup = setup.text(&section, "kind", kind).set(&section, "venues", "[\"cloud\"]").text(&section, "from", PAST);
    keys.iter().fold(setup, |setup, (key, value)| setup.text(&section, key, value))
}

async fn call(client: &Client) -> ReceiptView {
    let reply = client.invoke("f", "x").await.expect(200);
    client.receipt(reply.invocation()).await
}

async fn adjustment(client: &Client, name: &str) -> AdjustmentView {
    let venue: VenueView = client.get("/v1/venues/cloud").await;
    venue.adjustments.into_iter().find(|view| view.name == name).expect("agreed")
}

async fn left(client: &Client, name: &str) -> String {
    adjustment(client, name).await.left.expect("it can be used up")
}

/// `merit` on the command line: its exit code and stdout.
async fn merit(broker: &Process, args: &[&str]) -> (i32, String) {
    let mut command = merit_command(args);
    command.env("MERIT_URL", format!("http://{}", broker.address())).env("MERIT_KEY", KEY);
    let output = run_to_end(&mut command).await;
    (output.status.code().expect("not killed"), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What was charged at each venue, over how many calls.
fn by_venue(receipts: &[ReceiptView]) -> BTreeMap<String, (u64, Money)> {
    let mut sums: BTreeMap<String, (u64, Money)> = BTreeMap::new();
    for receipt in receipts {
        let sum = sums.entry(receipt.venue.clone().expect("answered")).or_default();
        *sum = (sum.0 + 1, sum.1 + dollars(&receipt.charge));
    }
    sums
}

#[tokio::test]
async fn a_commitment_that_runs_out_moves_the_calls_and_the_sums_are_exact() {
    let (cloud, own) = (Upstream::start(script::echoes()).await, Upstream::start(script::echoes()).await);
    let setup = agreed(two_venues(&cloud, &own), "plan", "commitment", &[("amount", "0.0105")]);
    let (mut broker, client) = setup.start_with_client().await;

    let quote = client.quote("f", &QuoteRequest::default()).await;
    let first = &quote.asks[0];
    assert_eq!((first.venue.as_str(), first.cost.as_str(), first.list_cost.as_deref()), ("cloud", "0", Some("0.003")));
    assert_eq!(first.adjustments, ["plan (0.0105 USD committed), 0.0105 left"]);

    let mut receipts = vec![call(&client).await, call(&client).await];
    let first = receipts[0].clone();
    assert_eq!((first.charge.as_str(), first.list_charge.as_deref()), ("0", Some("0.003")));
    assert_eq!(left(&client, "plan").await, "0.0045");

    assert!(broker.stop().await.success());
    let (broker, client) = setup.start_with_client().await;
    assert_eq!(left(&client, "plan").await, "0.0045", "what is left outlives a restart");

    let moved = async {
        while receipts.iter().rev().take(3).any(|receipt| receipt.venue.as_deref() != Some("own")) {
            receipts.push(call(&client).await);
        }
    };
    tokio::time::timeout(PATIENCE, moved).await.expect("calls run at the cheaper venue");
    assert_eq!(left(&client, "plan").await, "0");
    let sums = by_venue(&receipts);
    let (calls, charged) = sums["cloud"];
    assert!(calls >= 4, "{sums:?}");
    let due = Money::from_pico(3_000_000_000 * i128::from(calls)) - dollars("0.0105");
    assert_eq!(charged, due, "{calls} calls at the list price, less what was committed");
    let (calls, charged_there) = sums["own"];
    assert_eq!(charged_there, Money::from_pico(1_000_000_000 * i128::from(calls)));
    let budget = Audit::check_books(&client, FIRST_ACCOUNT).await;
    assert_eq!(dollars(&budget.spent), charged + charged_there, "and so has the ledger");

    let covered: Money = receipts.iter().flat_map(|receipt| &receipt.adjustments).map(|its| dollars(&its.amount)).sum();
    assert_eq!(covered.to_string(), "0.0105", "the receipts account for all of it");
    for receipt in [&first, &receipts[3], receipts.last().expect("some")] {
        let (code, told) = merit(&broker, &["explain", &receipt.id, "--reprice"]).await;
        assert_eq!(code, 0, "{told}");
    }
    let (_, told) = merit(&broker, &["explain", &first.id]).await;
    assert!(told.contains("charged    $0\nby list    $0.003\nadjusted   plan: 0.003 USD were committed\n"), "{told}");
    let (_, told) = merit(&broker, &["catalog", "show"]).await;
    let row = ["plan", "0.0105", "USD", "committed", PAST, "-", "in-force", "0", "USD", "cloud"];
    assert!(told.lines().any(|line| line.split_whitespace().eq(row)), "{told}");
}

#[tokio::test]
async fn discounts_and_packages_hold_on_their_days() {
    let (cloud, own) = (Upstream::start(script::echoes()).await, Upstream::start(script::echoes()).await);
    let setup = two_venues(&cloud, &own);
    let setup = agreed(setup, "deal", "discount", &[("percent_off", "90"), ("until", NEVER)]);
    let setup = agreed(setup, "pack", "package", &[("meter", "request"), ("quantity", "2")]);
    let setup = agreed(setup, "over", "discount", &[("percent_off", "100"), ("until", "2026-01-02")]);
    let setup = agreed(setup, "later", "discount", &[("percent_off", "100")]).text("adjustments.later", "from", NEVER);
    let (broker, client) = setup.start_with_client().await;
    let mut receipts = Vec::new();
    for _ in 0..4 {
        receipts.push(call(&client).await);
    }
    let told: Vec<_> = receipts.iter().map(|receipt| (receipt.venue.as_deref(), receipt.charge.as_str())).collect();
    let (cloud, paid) = (Some("cloud"), "0.0003");
    assert_eq!(
        told,
        [(cloud, "0"), (cloud, "0"), (cloud, paid), (cloud, paid)],
        "two prepaid, then a tenth of the list"
    );
    let names = |receipt: &ReceiptView| receipt.adjustments.iter().map(|its| its.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&receipts[1]), ["deal", "pack"]);
    assert_eq!(names(&receipts[2]), ["deal"]);
    let budget = Audit::check_books(&client, FIRST_ACCOUNT).await;
    assert_eq!(budget.spent, "0.0006");
    let view: CatalogView = client.get("/v1/catalog").await;
    let states: Vec<_> = view.adjustments.iter().map(|its| (its.name.as_str(), its.state.as_str())).collect();
    assert_eq!(states, [("deal", "in-force"), ("later", "ahead"), ("over", "ended"), ("pack", "in-force")]);
    for receipt in &receipts {
        let (code, told) = merit(&broker, &["explain", &receipt.id, "--reprice"]).await;
        assert_eq!(code, 0, "{told}");
    }

    let metrics = Reply::of(client.request(reqwest::Method::GET, "/metrics")).await.text();
    assert!(metrics.contains("merit_adjustment_left_ratio{adjustment=\"pack\"} 0.0"), "{metrics}");

    let compare = ["catalog", "compare", "--live", "--memory-mb", "128", "--duration-ms", "10", "--calls", "1000"];
    let (_, plain) = merit(&broker, &compare).await;
    let lines: Vec<_> = plain.lines().filter(|line| line.starts_with("own") || line.starts_with("cloud")).collect();
    assert!(lines[0].starts_with("own ") && lines[1].starts_with("cloud "), "{plain}");
    let (code, adjusted) = merit(&broker, &[&compare[..], &["--adjust", "2026-06-01"]].concat()).await;
    assert_eq!(code, 0, "{adjusted}");
    let row = "cloud  $0.3000   $300.0000    $300.0000  $3.0000 by list; deal (90 % off)";
    assert!(adjusted.lines().any(|line| line.starts_with(row)), "{adjusted}");
}

#[tokio::test]
async fn a_reload_changes_what_is_agreed() {
    let (cloud, own) = (Upstream::start(script::echoes()).await, Upstream::start(script::echoes()).await);
    let setup = two_venues(&cloud, &own);
    let (broker, client) = setup.start_with_client().await;
    assert_eq!(client.book("f").await.asks[0].venue, "own");
    let setup = agreed(setup, "deal", "discount", &[("percent_off", "90")]);
    setup.save();
    broker.signal(rustix::process::Signal::HUP);
    until("the book is priced anew", async || {
        let asks = client.book("f").await.asks;
        (asks[0].venue == "cloud" && asks[0].cost == "0.0003").then_some(())
    })
    .await;
    let setup = agreed(setup, "deal", "discount", &[("percent_off", "900")]);
    setup.save();
    broker.signal(rustix::process::Signal::HUP);
    broker.logged("adjustments.deal.percent_off: must be above 0 and at most 100").await;
    assert_eq!(client.book("f").await.asks[0].cost, "0.0003", "with a mistake the old one holds");
}
