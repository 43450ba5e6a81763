//! Callers that go away: whatever they leave behind is settled, and nothing leaks.

use crate::support::{Audit, Client, FIRST_ACCOUNT, Gate, Raw, Reply, Setup, Upstream, Worth, script, until};

/// Waits until no call is in flight, at the door and at the deployment.
async fn drained(client: &Client, function: &str) {
    until("no call in flight", async || {
        let view = client.function(function).await;
        let metrics = Reply::of(client.bare(reqwest::Method::GET, "/metrics")).await.text();
        let idle = view.deployments.values().all(|deployment| deployment.in_flight == 0);
        (idle && metrics.lines().any(|line| line == "merit_in_flight 0")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_caller_that_leaves_mid_call_is_charged_an_estimate_and_leaves_no_hold() {
    let upstream = Upstream::start(script::hangs()).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]);
    let (_broker, client) = setup.start_with_client().await;
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.invoke("f", "x").await }
    });
    upstream.begun(1).await;
    assert_eq!(client.budget(FIRST_ACCOUNT).await.held, "0.01");
    call.abort();

    let budget = Audit::check_books(&client, FIRST_ACCOUNT).await;
    assert_eq!(budget.spent, "0.01");
    let receipt = client.receipt(upstream.seen()[0].invocation()).await;
    assert_eq!((receipt.status.as_str(), receipt.estimated, receipt.charge.as_str()), ("failed", true, "0.01"));
    let attempt = &receipt.attempts[0];
    assert_eq!((attempt.result.as_str(), attempt.outcome.as_str(), attempt.estimated), ("abandoned", "unknown", true));
    drained(&client, "f").await;
    until("the venue's connection is given up", async || (upstream.running() == 0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_callers_that_leave_at_once_leave_nothing_behind() {
    const CALLERS: usize = 200;
    let upstream = Upstream::start(script::hangs()).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]).set(
        "functions.f.deployments.a",
        "concurrency",
        CALLERS,
    );
    let (_broker, client) = setup.start_with_client().await;
    let calls: Vec<_> = (0..CALLERS)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.invoke("f", "x").await })
        })
        .collect();
    upstream.begun(CALLERS).await;
    calls.iter().for_each(tokio::task::JoinHandle::abort);
    assert_eq!(Audit::check_books(&client, FIRST_ACCOUNT).await.spent, "2");
    drained(&client, "f").await;
    // All the room is there again.
    upstream.play(script::echoes());
    let again = (0..CALLERS).map(|_| client.invoke("f", "x"));
    assert!(futures_util::future::join_all(again).await.iter().all(|reply| reply.status == 200));
    assert_eq!(upstream.count(), 2 * CALLERS);
}

#[tokio::test]
async fn a_caller_that_leaves_before_its_payload_is_sent_costs_nothing() {
    let upstream = Upstream::start(script::echoes()).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]);
    let (broker, client) = setup.start_with_client().await;
    let mut raw = Raw::connect(broker.address()).await;
    raw.write_head("f", "content-length: 1000\r\n").await;
    raw.write(b"half").await;
    drop(raw);
    drained(&client, "f").await;
    assert_eq!((client.budget(FIRST_ACCOUNT).await.spent.as_str(), upstream.count()), ("0", 0));
}

#[tokio::test]
async fn a_caller_that_leaves_while_its_order_rests_costs_nothing() {
    let upstream = Upstream::start(script::echoes()).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]);
    let (_broker, client) = setup.start_with_client().await;
    let order = client
        .order("f")
        .header("merit-order", "rest")
        .header("merit-max-price", "0.001")
        .header("merit-deadline", "60s");
    let call = tokio::spawn(Reply::of(order.body("x")));
    until("the order rests", async || {
        let metrics = Reply::of(client.bare(reqwest::Method::GET, "/metrics")).await.text();
        metrics.lines().any(|line| line == "merit_in_flight 1").then_some(())
    })
    .await;
    call.abort();
    drained(&client, "f").await;
    assert_eq!((client.budget(FIRST_ACCOUNT).await.spent.as_str(), upstream.count()), ("0", 0));
}

#[tokio::test]
async fn a_caller_that_leaves_after_a_failed_attempt_is_charged_both_attempts() {
    let (cut, slow) = (Upstream::start(script::cuts()).await, Upstream::start(script::hangs()).await);
    let setup = Setup::new().flat("cut", &cut.url(), "0.01").flat("slow", &slow.url(), "0.05").function(
        "f",
        Worth::Idempotent,
        &["cut", "slow"],
    );
    let (_broker, client) = setup.start_with_client().await;
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.invoke("f", "x").await }
    });
    slow.begun(1).await;
    let running = client.budget(FIRST_ACCOUNT).await;
    assert_eq!((running.spent.as_str(), running.held.as_str()), ("0.01", "0.05"), "the first is posted already");
    call.abort();
    assert_eq!(Audit::check_books(&client, FIRST_ACCOUNT).await.spent, "0.06");
    assert_eq!(client.receipt(slow.seen()[0].invocation()).await.attempts.len(), 2);
}

#[tokio::test]
async fn a_caller_with_an_idempotency_key_that_leaves_finds_its_reply_later() {
    let gate = Gate::closed();
    let upstream = Upstream::start(script::echoes_behind(&gate)).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]);
    let (_broker, client) = setup.start_with_client().await;
    let order = |client: &Client| client.order("f").header("idempotency-key", "order-17").body("x");
    let call = tokio::spawn(Reply::of(order(&client)));
    upstream.begun(1).await;
    call.abort();
    gate.open();
    let reply = until("the kept reply", async || {
        let reply = Reply::of(order(&client)).await;
        (reply.status != 409).then_some(reply)
    })
    .await;
    assert_eq!((reply.expect(200).header("idempotency-replayed"), upstream.count()), ("true", 1));
    assert_eq!(Audit::check_books(&client, FIRST_ACCOUNT).await.spent, "0.01");
}
