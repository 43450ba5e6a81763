//! More calls than the broker takes on: the surplus is told so quickly, while the others still run.

use std::time::Duration;

use futures_util::future::join_all;
use merit_wire::QuoteRequest;
use reqwest::Method;
use tokio::time::Instant;

use crate::support::{Gate, Raw, Reply, Setup, Upstream, Worth, flat_sheet, script, until};

/// Far longer than a refusal takes, far shorter than the calls it is refused beside.
const QUICKLY: Duration = Duration::from_secs(2);

#[tokio::test]
async fn surplus_calls_are_503_quickly_while_the_others_hang_and_taken_again_afterwards() {
    const LIMIT: usize = 8;
    let gate = Gate::closed();
    let upstream = Upstream::start(script::echoes_behind(&gate)).await;
    let setup = Setup::new().set("server", "max_in_flight", LIMIT).flat("a", &upstream.url(), "0.01").function(
        "f",
        Worth::Once,
        &["a"],
    );
    let (_broker, client) = setup.start_with_client().await;
    let hanging: Vec<_> = (0..LIMIT)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move { client.invoke("f", number.to_string()).await })
        })
        .collect();
    upstream.begun(LIMIT).await;

    let asked = Instant::now();
    let refused = join_all((0..100).map(|_| client.invoke("f", "surplus"))).await;
    assert!(asked.elapsed() < QUICKLY, "a hundred refusals took {:?}", asked.elapsed());
    for reply in &refused {
        let problem = reply.problem(503, "overloaded");
        assert!(problem.retryable && problem.detail.contains("server.max_in_flight"), "{problem:?}");
        assert_eq!(reply.header("retry-after"), "1");
    }
    assert_eq!((upstream.running(), upstream.count()), (LIMIT, LIMIT), "the others still run");
    // The operator's doors stay open.
    Reply::of(client.bare(Method::GET, "/livez")).await.expect(200);

    gate.open();
    for call in hanging {
        call.await.expect("a reply").expect(200);
    }
    client.invoke("f", "later").await.expect(200);
}

#[tokio::test]
async fn a_client_that_sends_slowly_is_refused_before_it_has_sent_its_payload() {
    let upstream = Upstream::start(script::hangs()).await;
    let setup = Setup::new().set("server", "max_in_flight", 1).flat("a", &upstream.url(), "0.01").function(
        "f",
        Worth::Once,
        &["a"],
    );
    let (broker, client) = setup.start_with_client().await;
    let hanging = tokio::spawn(async move { client.invoke("f", "x").await });
    upstream.begun(1).await;
    let mut slow = Raw::connect(broker.address()).await;
    slow.write_head("f", "content-length: 1000\r\n").await;
    slow.read().await.problem(503, "overloaded");
    hanging.abort();
}

#[tokio::test]
async fn a_full_deployment_sends_its_surplus_to_the_next_and_then_refuses() {
    let gate = Gate::closed();
    let (cheap, dear) =
        (Upstream::start(script::echoes_behind(&gate)).await, Upstream::start(script::echoes_behind(&gate)).await);
    let setup = Setup::new()
        .flat("cheap", &cheap.url(), "0.01")
        .flat("dear", &dear.url(), "0.02")
        .function("f", Worth::Once, &["cheap", "dear"])
        .set("functions.f.deployments.cheap", "concurrency", 3)
        .set("venues.dear", "concurrency", 2);
    let (_broker, client) = setup.start_with_client().await;
    let mut running = Vec::new();
    for number in 0..5_usize {
        let client = client.clone();
        running.push(tokio::spawn(async move { client.invoke("f", number.to_string()).await }));
        until("the call runs", async || (cheap.running() + dear.running() > number).then_some(())).await;
    }
    assert_eq!((cheap.running(), dear.running()), (3, 2));
    let problem = client.invoke("f", "surplus").await.problem(422, "no-eligible-venue");
    let mut reasons: Vec<_> = problem.exclusions.iter().map(|exclusion| exclusion.reason.as_str()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["at-capacity", "venue-at-capacity"], "{problem:?}");
    gate.open();
    for call in running {
        call.await.expect("a reply").expect(200);
    }
    assert_eq!((cheap.most_running(), dear.most_running()), (3, 2));
}

#[tokio::test]
async fn calls_take_memory_of_a_cloud_that_has_a_quota_of_it() {
    let (cloud, own) = (Upstream::start(script::hangs()).await, Upstream::start(script::replies("own")).await);
    let setup = Setup::new();
    setup.write("tencent.sheet.toml", &flat_sheet("tencent", "0.001", 1));
    let setup = setup
        .text("venues.tencent", "kind", "tencent-scf")
        .text("venues.tencent", "region", "ap-guangzhou")
        .text("venues.tencent", "sheet_file", "tencent.sheet.toml")
        .text("venues.tencent", "endpoint_url", cloud.url())
        .set("venues.tencent", "memory_quota_mb", 1100)
        .text("venues.tencent.credentials", "secret_id", "AKIDEXAMPLE")
        .text("venues.tencent.credentials", "secret_key", "sesame")
        .flat("own", &own.url(), "0.02")
        .function("f", Worth::Once, &["own"])
        .deployment("f", "tencent", 512);
    let (_broker, client) = setup.start_with_client().await;
    let running: Vec<_> = (1..=2)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.invoke("f", "{}").await })
        })
        .collect();
    cloud.begun(2).await;
    assert_eq!(client.invoke("f", "{}").await.expect(200).venue(), "own", "a third would take 1536 MB of 1100 MB");
    let quote = client.quote("f", &QuoteRequest::default()).await;
    let excluded = quote.excluded.iter().find(|excluded| excluded.venue == "tencent").expect("no room");
    assert_eq!(excluded.reason, "venue-memory-full");
    assert!(excluded.detail.contains("1024 MB of 1100 MB"), "{excluded:?}");
    running.iter().for_each(tokio::task::JoinHandle::abort);
    until("there is room again", async || {
        let quote = client.quote("f", &QuoteRequest::default()).await;
        quote.excluded.is_empty().then_some(())
    })
    .await;
}
