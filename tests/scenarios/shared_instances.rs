//! Calls that share an instance whose time is billed: quoted and charged what really ran beside them, and no less.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use merit_units::Money;
use merit_wire::{QuoteRequest, ReceiptView, VenueView};
use reqwest::Method;
use serde_json::json;
use tokio::sync::Barrier;

use crate::support::{Client, KEY, Process, Reply, Setup, Upstream, Worth, dollars, merit_command, run_to_end, script};

/// Calls that run beside each other, and calls that an instance takes.
const BESIDE: usize = 8;

/// How long the function takes once it has begun: long beside the time in which calls arrive on a busy machine.
const RUN: Duration = Duration::from_millis(600);

const DEPLOYMENT: &str = "functions.f.deployments.run";

/// Function `f` on instances of Cloud Run with a vCPU and 2 GiB, past the free grant.
fn run(upstream: &Upstream) -> Setup {
    let mut setup = Setup::new().venue("run", &upstream.url(), "google-run/tier1");
    for (meter, used) in [("request", "2000000"), ("vcpu_second", "180000"), ("gib_second", "360000")] {
        setup = setup.text("venues.run.month_to_date", meter, used);
    }
    let setup = setup.function("f", Worth::Once, &["run"]);
    setup.set(DEPLOYMENT, "memory_mb", 2048).text(DEPLOYMENT, "vcpu", "1")
}

/// Billionths of a vCPU second that a receipt was billed for, the rest cut off.
fn vcpu_nano(receipt: &ReceiptView) -> u128 {
    let meter = receipt.meters.iter().find(|meter| meter.meter == "vcpu_second").expect("Cloud Run bills vCPUs");
    let (whole, decimals) = meter.quantity.split_once('.').unwrap_or((&meter.quantity, ""));
    format!("{whole}{:0<9.9}", decimals).parse().expect("digits")
}

async fn call(client: &Client) -> ReceiptView {
    let reply = client.invoke("f", "x").await.expect(200);
    client.receipt(reply.invocation()).await
}

async fn is_charged_alike_again(broker: &Process, receipt: &ReceiptView) {
    let mut command = merit_command(&["explain", &receipt.id, "--reprice"]);
    command.env("MERIT_URL", format!("http://{}", broker.address())).env("MERIT_KEY", KEY);
    let output = run_to_end(&mut command).await;
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
async fn calls_of_one_instance_of_cloud_run_share_its_price() {
    let upstream = Upstream::start(script::echoes_after(RUN)).await;
    let setup = run(&upstream).set(DEPLOYMENT, "instance_concurrency", BESIDE);
    let (broker, client) = setup.start_with_client().await;
    assert_eq!(client.function("f").await.deployments["run"].spec.instance_concurrency, Some(8));

    let alone = call(&client).await;
    assert!(alone.estimated, "nobody tells who shared the instance");
    assert!(vcpu_nano(&alone) >= 600_000_000, "all of the instance's 600 ms: {alone:?}");

    let barrier = Arc::new(Barrier::new(BESIDE));
    upstream.play(script::of(move |_| {
        let barrier = Arc::clone(&barrier);
        async move {
            barrier.wait().await;
            tokio::time::sleep(RUN).await;
            Some(script::reply("done"))
        }
    }));
    let together = join_all((0..BESIDE).map(|_| call(&client))).await;
    for receipt in &together {
        let vcpu = vcpu_nano(receipt);
        assert!(receipt.estimated && vcpu >= 600_000_000 / 8, "no less than an eighth: {receipt:?}");
        is_charged_alike_again(&broker, receipt).await;
    }
    let all: u128 = together.iter().map(vcpu_nano).sum();
    // One instance for as long as the calls took; eight of them would be 4.8 s and more.
    assert!((600_000_000..2_400_000_000).contains(&all), "{all} billionths of a vCPU second");
    is_charged_alike_again(&broker, &alone).await;

    // What a call costs next is the mean of what calls were billed, those with company and the one without.
    let charged: Money = together.iter().chain([&alone]).map(|receipt| dollars(&receipt.charge)).sum();
    let mean = charged.pico() / 9;
    let quote = client.quote("f", &QuoteRequest::default()).await;
    let (expected, basis) = (dollars(&quote.asks[0].cost).pico(), quote.asks[0].basis.as_str());
    assert!((expected - mean).abs() * 100 <= mean && basis == "measured", "{expected} {basis}, and {mean} was charged");
    assert!(expected * 2 < dollars(&alone.charge).pico(), "{expected}");
}

#[tokio::test]
async fn what_kept_instances_cost_is_told_beside_what_calls_are_charged() {
    let upstream = Upstream::start(script::echoes()).await;
    let setup = run(&upstream).set(DEPLOYMENT, "kept_instances", 2);
    let (_broker, client) = setup.start_with_client().await;
    client.invoke("f", "x").await.expect(200);
    let venue: VenueView = client.get("/v1/venues/run").await;
    let committed = &venue.committed[0];
    assert_eq!((committed.function.as_str(), committed.deployment.as_str(), committed.instances), ("f", "run", 2));
    // 730 hours of two instances with a vCPU and 2 GiB, at 0.0000025 each.
    assert_eq!((committed.month_usd.as_deref(), &committed.why), (Some("39.42"), &None));
    let spend = client.spend("venue").await;
    assert!(dollars(&spend.total) < dollars("0.01"), "none of it was spent by a call: {spend:?}");
    assert!(spend.rows[0].estimated.is_some(), "and what was charged is an estimate: {spend:?}");
}

#[tokio::test]
async fn more_calls_than_an_instance_can_take_are_refused_with_what_to_do() {
    let upstream = Upstream::start(script::echoes()).await;
    let setup = Setup::new().venue("run", &upstream.url(), "google-run/tier1").function("f", Worth::Once, &["run"]);
    let (_broker, client) = setup.start_with_client().await;
    let put = async |spec: serde_json::Value| {
        Reply::of(client.request(Method::PUT, "/v1/functions/f/deployments/run").json(&spec)).await
    };
    let spec = |vcpu: &str, calls: u32| json!({"venue": "run", "target": "f", "memory_mb": 2048, "vcpu": vcpu, "instance_concurrency": calls});
    let refused = put(spec("0.5", 8)).await.problem(400, "bad-request");
    assert!(refused.detail.contains("below 1 vCPU it is 1"), "{refused:?}");
    let refused = put(spec("1", 1001)).await.problem(400, "bad-request");
    assert!(refused.detail.contains("instance_concurrency must be 1 to 1000, got 1001"), "{refused:?}");
    put(spec("1", 1000)).await.expect(200);
}
