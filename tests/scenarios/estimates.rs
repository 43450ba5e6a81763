//! Estimates against charges on every simulated cloud, and Merit's charges against the clouds' own bills.
//!
//! The clouds play in real time, with their measured latencies, cold starts and spreads, and really
//! run the functions, whose CPU time is fixed: what is measured here drifts with whatever else this
//! machine does, which is no cloud's. Merit is told what the clouds' books begin with, month-to-date
//! usage at the end of each free grant, and from then on counts for itself. All of them tell meters here; those that tell none
//! by their own protocols are in `reconciled.rs`.
//!
//! The tolerance of 2 % is for what is learned. Bills are compared to the quantum of each meter; a
//! charge is rounded to the picodollar once a call and the bill once a month, so the sums may
//! differ by half a picodollar a call and no more.

use std::collections::BTreeMap;
use std::path::Path;

use futures_util::future::join_all;
use merit_pricing::PriceSheet;
use merit_units::Money;
use merit_wire::ReceiptView;
use serde_json::Value;

use crate::support::{Audit, Client, FIRST_ACCOUNT, Process, Reply, Setup, dollars, merit_command};

/// Calls of each function at each cloud, before those that are compared.
const LEARNING: usize = 1000;
/// Calls whose estimates are compared with their charges.
const COMPARED: usize = 300;
/// Calls under way at each cloud.
const CALLERS: usize = 20;
/// Share by which estimates may miss, in parts per million: DESIGN asks for 2 %.
const TOLERANCE_PPM: i128 = 20_000;
/// Dollars for a yuan, in ten-thousandths: any rate will do, if it is the same on both sides.
const USD_PER_CNY: i128 = 1405;
const PAYLOAD: &[u8] = include_bytes!("../../examples/functions/json-transform/input.json");
const FUNCTION: &str = "json-transform";

/// The providers' clouds of the demo: name, sheet, round trip in ms, memory in MB, vCPU in thousandths where it is chosen.
const CLOUDS: [(&str, &str, u64, u64, Option<u32>); 9] = [
    ("aws-us-east-1", "aws-lambda/us-east-1/x86_64", 4, 512, None),
    ("aws-eu-central-1", "aws-lambda/eu-central-1/arm64", 90, 512, None),
    ("azure-eastus", "azure-consumption/eastus", 6, 1536, None),
    ("azure-flex-eastus2", "azure-flex/eastus2", 7, 512, None),
    ("google-us-central1", "google-run/tier1", 32, 512, None),
    ("google-southamerica-east1", "google-run/tier2", 120, 512, None),
    ("alibaba-ap-southeast-1", "alibaba-fc/intl", 220, 512, Some(350)),
    ("tencent-ap-guangzhou", "tencent-scf/cn", 230, 512, None),
    ("cloudflare-workers", "cloudflare-workers", 5, 128, None),
];

/// The clouds as the simulation's configuration. All tell meters: those of AWS by Lambda's protocol, the others by
/// the plain one, since some providers' own protocols tell none.
fn clouds() -> String {
    let key =
        "access_key_id = \"AKIAIOSFODNN7EXAMPLE\"\nsecret_access_key = \"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\"\n";
    let cloud = |&(name, sheet, round_trip, memory, vcpu): &(&str, &str, u64, u64, Option<u32>)| {
        let vcpu = vcpu.map(|milli| format!("vcpu_milli = {milli}\n")).unwrap_or_default();
        let protocol = if name.starts_with("aws-") {
            format!("protocol = \"lambda\"\njson_payloads = false\n[[cloud.key]]\n{key}")
        } else {
            String::new()
        };
        format!(
            "[[cloud]]\nname = \"{name}\"\nprice_sheet = \"{sheet}\"\nround_trip_ms = {round_trip}\nmemory_mb = {memory}\n\
             {vcpu}{protocol}\n"
        )
    };
    CLOUDS.iter().map(cloud).collect()
}

/// The simulated clouds, and what they say of themselves.
struct Clouds {
    process: Process,
    client: Client,
    all: Vec<Value>,
}

impl Clouds {
    async fn start(folder: &Setup) -> Self {
        let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/functions");
        let config = folder.path("clouds.toml");
        std::fs::write(&config, clouds()).expect("written");
        let mut command =
            merit_command(&["sim", "--listen", "127.0.0.1:0", "--time-scale", "1", "--cpu-ms", "5", "--functions"]);
        command.arg(functions).arg("--config").arg(config);
        let process = Process::start(command, &folder.path("clouds.log")).await;
        let client = Client::new(process.address(), "none");
        let described: Value = client.get("/_sim/clouds").await;
        let all = described["clouds"].as_array().expect("clouds").clone();
        Self { process, client, all }
    }

    fn names(&self) -> Vec<String> {
        self.all.iter().map(|cloud| text(cloud, "name").to_owned()).collect()
    }

    async fn sheet(&self, cloud: &str) -> PriceSheet {
        let path = format!("/_sim/clouds/{cloud}/price-sheet");
        let toml = Reply::of(self.client.request(reqwest::Method::GET, &path)).await.expect(200).text();
        PriceSheet::parse_toml(&toml).expect("a price sheet")
    }

    async fn invoice(&self, cloud: &str) -> Value {
        self.client.get(&format!("/_sim/clouds/{cloud}/invoice")).await
    }

    /// A cloud as a venue, by the protocol it speaks.
    fn reached(&self, setup: Setup, cloud: &Value) -> Setup {
        let (name, sheet) = (text(cloud, "name"), text(cloud, "price_sheet"));
        let url = format!("http://{}/{name}", self.process.address());
        match &cloud["lambda"] {
            Value::Null => setup.venue(name, &format!("{url}/"), sheet),
            lambda => setup.lambda(name, &url, text(lambda, "region")).text(&format!("venues.{name}"), "sheet", sheet),
        }
    }

    /// Every cloud as a venue, with the function deployed as the cloud has it.
    async fn configure(&self, setup: Setup) -> Setup {
        let rate = format!("{{ usd = \"0.{USD_PER_CNY}\", date = \"{}\" }}", today());
        let mut setup = setup.set("exchange_rates", "CNY", rate);
        for cloud in &self.all {
            let (name, section) = (text(cloud, "name"), format!("venues.{}", text(cloud, "name")));
            setup = self.reached(setup, cloud).text(&section, "architecture", text(cloud, "architecture"));
            for (meter, quantity) in self.sheet(name).await.grants() {
                setup = setup.text(&format!("{section}.month_to_date"), meter.name(), quantity);
            }
            let memory = cloud["memory_mb"].as_u64().expect("a size");
            setup = setup.deployment(FUNCTION, name, memory);
            if let Some(milli) = cloud["vcpu_milli"].as_u64() {
                let deployment = format!("functions.{FUNCTION}.deployments.{name}");
                setup = setup.text(&deployment, "vcpu", format!("{}.{:03}", milli / 1000, milli % 1000));
            }
        }
        setup
    }
}

/// The day in UTC, since a rate of another month would be stale.
fn today() -> String {
    jiff::Timestamp::now().strftime("%F").to_string()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}"))
}

/// Calls the function at one cloud, a few at a time, and returns the invocations in order of their end.
async fn call(client: &Client, cloud: &str, calls: usize) -> Vec<String> {
    let each = calls / CALLERS;
    let callers = (0..CALLERS).map(|_| async move {
        let mut invocations = Vec::with_capacity(each);
        for _ in 0..each {
            let order = client.order(FUNCTION).header("merit-venues", cloud).body(PAYLOAD);
            let reply = Reply::of(order).await.expect(200);
            assert_eq!((reply.venue(), reply.header("merit-function-error")), (cloud, ""), "{}", reply.text());
            invocations.push(reply.invocation().to_owned());
        }
        invocations
    });
    join_all(callers).await.into_iter().flatten().collect()
}

async fn receipts(client: &Client, invocations: &[String]) -> Vec<ReceiptView> {
    let mut receipts = Vec::with_capacity(invocations.len());
    for chunk in invocations.chunks(16) {
        receipts.extend(join_all(chunk.iter().map(|invocation| client.receipt(invocation))).await);
    }
    receipts
}

/// Both amounts, and by how many parts per million of the second the first misses.
fn miss_ppm(estimate: Money, charge: Money) -> i128 {
    (estimate - charge).pico() * 1_000_000 / charge.pico()
}

/// The meters of receipts, summed.
fn sum_meters(receipts: &[ReceiptView]) -> BTreeMap<String, u128> {
    let mut sums = BTreeMap::new();
    for meter in receipts.iter().flat_map(|receipt| &receipt.meters) {
        *sums.entry(meter.meter.clone()).or_default() += quanta(&meter.quantity);
    }
    sums
}

/// An exact decimal as the count of quanta it is, of which a unit has 2^30 x 10^9.
fn quanta(text: &str) -> u128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut whole: u128 = whole.parse().expect("a number");
    let mut places: Vec<u8> = fraction.bytes().map(|digit| digit - b'0').chain([0; 9]).collect();
    for _ in 0..30 {
        let mut carry = 0;
        for place in places.iter_mut().rev() {
            (*place, carry) = ((*place * 2 + carry) % 10, (*place * 2 + carry) / 10);
        }
        whole = whole * 2 + u128::from(carry);
    }
    let (shifted, rest) = places.split_at(9);
    assert!(rest.iter().all(|place| *place == 0), "{text} is no whole number of quanta");
    shifted.iter().fold(whole, |whole, place| whole * 10 + u128::from(*place))
}

/// Learns a function at a cloud and compares; what misses is returned in words.
async fn compare(client: &Client, clouds: &Clouds, cloud: &str) -> Vec<String> {
    let learned = call(client, cloud, LEARNING).await;
    let book = client.book(FUNCTION).await;
    let ask = book.asks.iter().find(|ask| ask.venue == cloud).expect("it is in the book");
    // The last few may not be in the book yet.
    assert!(ask.basis == "measured" && ask.samples + 100 > LEARNING as u64, "{cloud}: {ask:?}");
    let compared = receipts(client, &call(client, cloud, COMPARED).await).await;
    let all: Vec<ReceiptView> = receipts(client, &learned).await.into_iter().chain(compared.iter().cloned()).collect();
    assert!(all.iter().all(|receipt| !receipt.estimated), "{cloud}: every meter is the cloud's own");

    let charge: Money = compared.iter().map(|receipt| dollars(&receipt.charge)).sum();
    let estimate: Money = compared.iter().map(|receipt| dollars(&receipt.estimate)).sum();
    let asked = Money::from_pico(dollars(&ask.cost).pico() * COMPARED as i128);
    let mut missed = Vec::new();
    for (what, amount) in [("estimates", estimate), ("ask", asked)] {
        let ppm = miss_ppm(amount, charge);
        if ppm.abs() > TOLERANCE_PPM {
            missed.push(format!("{cloud}: {what} {amount}, charges {charge}: {ppm} ppm"));
        }
    }
    missed.extend(compare_bill(&all, &clouds.invoice(cloud).await));
    missed
}

/// Compares receipts with what the cloud itself has billed.
fn compare_bill(all: &[ReceiptView], invoice: &Value) -> Vec<String> {
    let cloud = text(invoice, "cloud");
    assert_eq!(invoice["unbilled"], Value::Null, "{cloud}");
    assert_eq!(invoice["calls"].as_u64(), Some(all.len() as u64), "{cloud}");
    let billed = invoice["periods"][0]["billed"].as_object().expect("meters").iter();
    let billed: BTreeMap<String, u128> =
        billed.map(|(meter, quantity)| (meter.clone(), quanta(quantity.as_str().expect("text")))).collect();
    assert_eq!(sum_meters(all), billed, "{cloud}: meters, to the quantum");

    let charged: Money = all.iter().map(|receipt| dollars(&receipt.charge)).sum();
    let charges = dollars(text(invoice, "charges")).pico();
    let bill = if text(invoice, "currency") == "CNY" { charges * USD_PER_CNY / 10_000 } else { charges };
    let roundings = all.len() as i128 / 2 + 1;
    let differ = (charged.pico() - bill).abs() > roundings;
    differ.then(|| format!("{cloud}: charged {charged}, its bill is {bill} picodollars")).into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_thousand_calls_estimates_are_within_two_percent_and_charges_are_the_clouds_own_at_every_cloud() {
    let folder = Setup::new();
    let clouds = Clouds::start(&folder).await;
    assert_eq!(clouds.all.len(), 9, "{:?}", clouds.names());
    let setup = clouds.configure(folder).await;
    let (_broker, client) = setup.start_with_client().await;
    let names = clouds.names();
    let missed = join_all(names.iter().map(|cloud| compare(&client, &clouds, cloud))).await.concat();
    assert!(missed.is_empty(), "{missed:#?}");
    let budget = Audit::check_books(&client, FIRST_ACCOUNT).await;
    assert!(dollars(&budget.spent) > Money::ZERO);
}
