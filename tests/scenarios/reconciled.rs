//! Clouds that tell no meters, through the real adapters and protocols: Google Cloud Run, Azure Functions on both plans and
//! Cloudflare Workers. Their charges are estimates by the own clock until what they billed is imported. After one such
//! reconciliation estimates are within 2 % of what they bill, and the books are the clouds' own.
//!
//! As in `estimates.rs` the clouds play in real time with their measured latencies and cold starts, and the CPU time of
//! the function is fixed. What they billed comes from their own invoices, as an operator takes it from the provider's.

use std::collections::BTreeMap;
use std::path::Path;

use futures_util::future::join_all;
use merit_units::Money;
use merit_wire::{ReconciliationList, SpendRow};
use reqwest::Method;
use serde_json::Value;

use crate::support::{Audit, Client, FIRST_ACCOUNT, KEY, Process, Reply, Setup, dollars, merit_command};

/// Calls at each cloud before and after its bill.
const LEARNING: usize = 500;
const COMPARED: usize = 300;
/// Calls under way at each cloud.
const CALLERS: usize = 10;
/// Share by which estimates may miss, in parts per million: DESIGN asks for 2 %.
const TOLERANCE_PPM: i128 = 20_000;
const PAYLOAD: &[u8] = include_bytes!("../../examples/functions/json-transform/input.json");
const FUNCTION: &str = "json-transform";

/// Name, sheet, protocol with what it needs, round trip in ms, memory in MB.
const CLOUDS: [(&str, &str, &str, u64, u64); 5] = [
    ("google-us-central1", "google-run/tier1", "google", 32, 512),
    ("google-southamerica-east1", "google-run/tier2", "google", 120, 512),
    ("azure-eastus", "azure-consumption/eastus", "azure\"\nfunction_key = \"key", 6, 1536),
    ("azure-flex-eastus", "azure-flex/eastus", "azure\"\nfunction_key = \"key", 6, 512),
    ("cloudflare-workers", "cloudflare-workers", "workers\"\nbearer_token = \"token", 5, 128),
];

/// What only whoever runs a call can measure.
const OF_RUN: [&str; 4] = ["gb_second", "vcpu_second", "gib_second", "cpu_ms"];

/// The simulated clouds.
struct Clouds {
    process: Process,
    client: Client,
}

/// What a cloud has billed so far: calls, its charges, and billionths of a unit by meter.
#[derive(Clone, Default)]
struct Billed {
    calls: u64,
    charges: Money,
    meters: BTreeMap<String, u128>,
}

impl Clouds {
    async fn start(folder: &Setup) -> Self {
        let cloud = |(name, sheet, protocol, round_trip, memory): (&str, &str, &str, u64, u64)| {
            format!(
                "[[cloud]]\nname = \"{name}\"\nprice_sheet = \"{sheet}\"\nprotocol = \"{protocol}\"\n\
                 round_trip_ms = {round_trip}\nmemory_mb = {memory}\n"
            )
        };
        folder.write("clouds.toml", &CLOUDS.map(cloud).concat());
        let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/functions");
        let mut command =
            merit_command(&["sim", "--listen", "127.0.0.1:0", "--time-scale", "1", "--cpu-ms", "5", "--functions"]);
        command.arg(functions).arg("--config").arg(folder.path("clouds.toml"));
        let process = Process::start(command, &folder.path("clouds.log")).await;
        let client = Client::new(process.address(), "none");
        Self { process, client }
    }

    /// The clouds as venues of their kinds.
    async fn configure(&self, mut setup: Setup) -> Setup {
        let described: Value = self.client.get("/_sim/clouds").await;
        for (name, sheet, _, round_trip, memory) in CLOUDS {
            let cloud = described["clouds"].as_array().expect("clouds").iter().find(|cloud| cloud["name"] == name);
            let cloud = cloud.expect("it is played");
            let (section, url) = (format!("venues.{name}"), format!("http://{}/{name}", self.process.address()));
            setup = match cloud["protocol"].as_str().expect("a protocol") {
                "google" => setup
                    .text(&section, "kind", "google-run")
                    .text(&section, "endpoint_url", &url)
                    .text(&section, "api_endpoint_url", &url)
                    .text(&section, "metadata_url", &url)
                    .text(&section, "project", cloud["google"]["project"].as_str().expect("a project"))
                    .set(&section, "round_trip_ms", round_trip),
                "azure" => setup
                    .text(&section, "kind", "azure-functions")
                    .text(&section, "endpoint_url", format!("{url}/api"))
                    .set(&section, "round_trip_ms", round_trip)
                    .text(&format!("{section}.credentials"), "function_key", "key"),
                "workers" => setup
                    .text(&section, "kind", "cloudflare-workers")
                    .text(&section, "url", format!("{url}/"))
                    .text(&format!("{section}.credentials"), "bearer_token", "token"),
                other => panic!("{other}"),
            };
            setup = setup.text(&section, "region", "here").text(&section, "sheet", sheet);
            let toml = Reply::of(self.client.request(Method::GET, &format!("/_sim/clouds/{name}/price-sheet"))).await;
            let sheet = merit_pricing::PriceSheet::parse_toml(&toml.expect(200).text()).expect("a price sheet");
            for (meter, quantity) in sheet.grants() {
                setup = setup.text(&format!("{section}.month_to_date"), meter.name(), quantity);
            }
            setup = setup.deployment(FUNCTION, name, memory);
        }
        setup
    }

    async fn billed(&self, cloud: &str) -> Billed {
        let invoice: Value = self.client.get(&format!("/_sim/clouds/{cloud}/invoice")).await;
        assert_eq!(invoice["unbilled"], Value::Null, "{cloud}");
        let meters = invoice["periods"][0]["billed"].as_object().expect("meters").iter();
        let meters = meters.filter(|(meter, _)| OF_RUN.contains(&meter.as_str()));
        Billed {
            calls: invoice["calls"].as_u64().expect("calls"),
            charges: dollars(invoice["charges"].as_str().expect("charges")),
            meters: meters.map(|(meter, quantity)| (meter.clone(), nano(quantity.as_str().expect("text")))).collect(),
        }
    }
}

/// A decimal in billionths, cut.
fn nano(text: &str) -> u128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{}", format!("{fraction:0<9}").get(..9).expect("digits")).parse().expect("a number")
}

fn now() -> String {
    jiff::Timestamp::now().to_string()
}

/// The lines of what a cloud billed between two looks at its invoice.
fn lines((from, to): (&str, &str), before: &Billed, after: &Billed) -> String {
    let mut text = "ChargePeriodStart,ChargePeriodEnd,ResourceId,SkuMeter,ConsumedQuantity,ConsumedUnit\n".to_owned();
    text += &format!("{from},{to},{FUNCTION},request,{},count\n", after.calls - before.calls);
    for (meter, sum) in &after.meters {
        let more = sum - before.meters.get(meter).copied().unwrap_or_default();
        text += &format!("{from},{to},{FUNCTION},{meter},{}.{:09},\n", more / 1_000_000_000, more % 1_000_000_000);
    }
    text
}

/// Calls the function at one cloud, a few at a time. Returns what the calls were expected to cost and were charged.
async fn call(client: &Client, cloud: &str, calls: usize) -> (Money, Money) {
    let callers = (0..CALLERS).map(|_| async move {
        let (mut estimate, mut charge) = (Money::ZERO, Money::ZERO);
        for _ in 0..calls / CALLERS {
            let order = client.order(FUNCTION).header("merit-venues", cloud).body(PAYLOAD);
            let reply = Reply::of(order).await.expect(200);
            assert_eq!((reply.venue(), reply.header("merit-function-error")), (cloud, ""), "{}", reply.text());
            let receipt = client.receipt(reply.invocation()).await;
            assert!(receipt.estimated, "{cloud} tells no meters");
            estimate += dollars(&receipt.estimate);
            charge += dollars(&receipt.charge);
        }
        (estimate, charge)
    });
    let sums = join_all(callers).await;
    sums.into_iter().fold((Money::ZERO, Money::ZERO), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

async fn import(client: &Client, cloud: &str, text: String) -> ReconciliationList {
    let request = client.request(Method::POST, &format!("/v1/venues/{cloud}/reconciliations"));
    Reply::of(request.header("content-type", "text/csv").body(text)).await.json(200)
}

async fn spend(client: &Client, cloud: &str) -> SpendRow {
    let report = client.spend("venue").await;
    report.rows.into_iter().find(|row| row.group["venue"] == cloud).expect("it was called")
}

fn miss_ppm(estimate: Money, bill: Money) -> i128 {
    (estimate - bill).pico() * 1_000_000 / bill.pico()
}

/// A charge and its correction are rounded to the picodollar each, and shares of a bill to the quantum.
fn agree(charged: Money, billed: Money, calls: u64) -> bool {
    (charged - billed).pico().abs() <= 2 * i128::from(calls) + 2
}

/// Learns, reconciles, compares and reconciles again; what misses is returned in words.
async fn reconcile(client: &Client, clouds: &Clouds, cloud: &str) -> Vec<String> {
    let mut missed = Vec::new();
    let begun = now();
    let (_, guessed) = call(client, cloud, LEARNING).await;
    let (first, between) = (clouds.billed(cloud).await, now());
    assert_eq!(first.calls, LEARNING as u64, "{cloud}");
    let text = lines((&begun, &between), &Billed::default(), &first);
    let list = import(client, cloud, text.clone()).await;
    let view = &list.reconciliations[0];
    assert_eq!((view.calls, view.billed_calls, view.left), (first.calls, first.calls, 0), "{cloud}");
    assert_eq!((dollars(&view.charged), view.deployments[0].learned), (guessed, true), "{cloud}");
    let row = spend(client, cloud).await;
    assert_eq!(row.calls, LEARNING as u64, "{cloud}: a correction is no call");
    assert_eq!(row.corrected.as_deref(), Some(list.corrected.as_str()), "{cloud}");
    if !agree(dollars(&row.charge), first.charges, first.calls) {
        missed.push(format!("{cloud}: {} after the first bill of {}", row.charge, first.charges));
    }

    let (estimate, charge) = call(client, cloud, COMPARED).await;
    let (second, ended) = (clouds.billed(cloud).await, now());
    let billed = second.charges - first.charges;
    for (what, amount) in [("estimates", estimate), ("charges", charge)] {
        let ppm = miss_ppm(amount, billed);
        if ppm.abs() > TOLERANCE_PPM {
            missed.push(format!("{cloud}: {what} {amount}, billed {billed}: {ppm} ppm (by the clock alone {guessed} were charged for {})", first.charges));
        }
    }
    import(client, cloud, lines((&between, &ended), &first, &second)).await;
    let again = import(client, cloud, text).await;
    assert!(again.reconciliations[0].already && dollars(&again.corrected) == Money::ZERO, "{cloud}: {again:?}");
    let charged = dollars(&spend(client, cloud).await.charge);
    if !agree(charged, second.charges, second.calls) {
        missed.push(format!("{cloud}: {charged} after both bills of {}", second.charges));
    }
    missed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_one_reconciliation_clouds_without_meters_are_estimated_within_two_percent_of_their_bills() {
    let folder = Setup::new();
    let clouds = Clouds::start(&folder).await;
    let setup = clouds.configure(folder).await;
    let (mut broker, client) = setup.start_with_client().await;
    let missed = join_all(CLOUDS.map(|(cloud, ..)| reconcile(&client, &clouds, cloud))).await.concat();
    assert!(missed.is_empty(), "{missed:#?}");
    let before = Audit::check_books(&client, FIRST_ACCOUNT).await;

    let asks = |book: merit_wire::BookView| -> BTreeMap<String, String> {
        book.asks.into_iter().map(|ask| (ask.venue, ask.cost)).collect()
    };
    let book = client.book(FUNCTION).await;
    assert!(book.asks.iter().all(|ask| ask.basis == "billed"), "{book:?}");
    let learned = asks(client.book(FUNCTION).await);
    assert!(broker.stop().await.success());
    let broker = setup.start().await;
    let client = Client::new(broker.address(), KEY);
    assert_eq!(asks(client.book(FUNCTION).await), learned, "what the bills taught outlives a restart");
    assert_eq!(Audit::check_books(&client, FIRST_ACCOUNT).await.spent, before.spent);
}
