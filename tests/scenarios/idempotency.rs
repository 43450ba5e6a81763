//! `Idempotency-Key`: the same request again gets the same reply and runs once, also across a
//! restart, and a crash leaves no doubt about what may be sent again.

use merit_wire::header::{IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED};

use crate::support::{Audit, Client, FIRST_ACCOUNT, Gate, Reply, Setup, Upstream, Worth, script, until};

async fn with_key(client: &Client, function: &str, key: &str, payload: &'static str) -> Reply {
    Reply::of(client.order(function).header(IDEMPOTENCY_KEY, key).body(payload)).await
}

/// A broker with a function of either worth.
async fn broker(upstream: &Upstream) -> Setup {
    Setup::new().flat("a", &upstream.url(), "0.01").function("idem", Worth::Idempotent, &["a"]).function(
        "once",
        Worth::Once,
        &["a"],
    )
}

/// The headers that a replay must repeat.
fn lasting(reply: &Reply) -> Vec<(String, String)> {
    let changing = ["date", "ratelimit", IDEMPOTENCY_REPLAYED];
    let headers = reply.headers.iter().filter(|(name, _)| !changing.contains(&name.as_str()));
    let mut headers: Vec<_> =
        headers.map(|(name, value)| (name.to_string(), value.to_str().expect("ASCII").to_owned())).collect();
    headers.sort();
    headers
}

#[tokio::test]
async fn a_repeated_request_gets_the_same_reply_and_runs_and_costs_once() {
    let upstream = Upstream::start(script::replies("first")).await;
    let setup = broker(&upstream).await;
    let (_broker, client) = setup.start_with_client().await;
    let first = with_key(&client, "once", "order-17", "x").await.expect(200);
    assert_eq!(first.header(IDEMPOTENCY_REPLAYED), "");
    upstream.play(script::replies("second"));
    for _ in 0..3 {
        let again = with_key(&client, "once", "order-17", "x").await.expect(200);
        assert_eq!((again.text().as_str(), again.header(IDEMPOTENCY_REPLAYED)), ("first", "true"));
        assert_eq!(lasting(&again), lasting(&first));
    }
    assert_eq!(upstream.count(), 1);
    assert_eq!(Audit::check_books(&client, FIRST_ACCOUNT).await.spent, "0.01");
    // Another key is another request, and so is another account's.
    assert_eq!(with_key(&client, "once", "order-18", "x").await.expect(200).text(), "second");
    let search = client.caller("search", &["invoke"]).await;
    assert_eq!(with_key(&search, "once", "order-17", "x").await.expect(200).text(), "second");
    assert_eq!(upstream.count(), 3);
}

#[tokio::test]
async fn while_the_first_is_running_a_repeated_request_is_409() {
    let gate = Gate::closed();
    let upstream = Upstream::start(script::echoes_behind(&gate)).await;
    let setup = broker(&upstream).await;
    let (_broker, client) = setup.start_with_client().await;
    let first = tokio::spawn({
        let client = client.clone();
        async move { with_key(&client, "idem", "k", "x").await }
    });
    upstream.begun(1).await;
    let refused = with_key(&client, "idem", "k", "x").await;
    assert!(refused.problem(409, "idempotency-in-flight").retryable);
    assert_eq!(refused.header("retry-after"), "1");
    gate.open();
    first.await.expect("a reply").expect(200);
    assert_eq!(with_key(&client, "idem", "k", "x").await.expect(200).header(IDEMPOTENCY_REPLAYED), "true");
    assert_eq!(upstream.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_at_once_with_one_key_run_once() {
    let upstream = Upstream::start(script::echoes()).await;
    let setup = broker(&upstream).await;
    let (_broker, client) = setup.start_with_client().await;
    let replies = futures_util::future::join_all((0..100).map(|_| with_key(&client, "once", "k", "x"))).await;
    assert!(replies.iter().all(|reply| matches!(reply.status, 200 | 409)));
    assert_eq!(upstream.count(), 1);
    let first = replies.iter().filter(|reply| reply.status == 200 && reply.header(IDEMPOTENCY_REPLAYED).is_empty());
    assert_eq!(first.count(), 1);
}

#[tokio::test]
async fn another_payload_or_function_under_the_same_key_is_422() {
    let upstream = Upstream::start(script::echoes()).await;
    let setup = broker(&upstream).await;
    let (_broker, client) = setup.start_with_client().await;
    with_key(&client, "once", "k", "x").await.expect(200);
    for (function, payload) in [("once", "y"), ("once", ""), ("idem", "x")] {
        let problem = with_key(&client, function, "k", payload).await.problem(422, "idempotency-mismatch");
        assert!(!problem.retryable);
    }
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn replies_are_replayed_after_a_restart_whether_it_was_clean_or_a_kill() {
    let upstream = Upstream::start(script::replies("kept")).await;
    let setup = broker(&upstream).await;
    let (mut broker, client) = setup.start_with_client().await;
    let first = with_key(&client, "once", "k", "x").await.expect(200);
    upstream.play(script::replies("new"));
    assert!(broker.stop().await.success());

    let (broker, client) = setup.start_with_client().await;
    let again = with_key(&client, "once", "k", "x").await.expect(200);
    assert_eq!((again.text().as_str(), lasting(&again)), ("kept", lasting(&first)));
    let second = with_key(&client, "once", "k2", "x").await.expect(200);
    // The reply is on disk before it is sent.
    broker.kill().await;

    let (_broker, client) = setup.start_with_client().await;
    let again = with_key(&client, "once", "k2", "x").await.expect(200);
    assert_eq!((again.header(IDEMPOTENCY_REPLAYED), lasting(&again)), ("true", lasting(&second)));
    with_key(&client, "once", "k2", "y").await.problem(422, "idempotency-mismatch");
    assert_eq!(upstream.count(), 2);
}

#[tokio::test]
async fn a_failure_that_surely_did_not_run_gives_the_key_back() {
    let upstream = Upstream::start(script::status(503, Some("0"))).await;
    let setup = broker(&upstream).await.text("accounts.poor", "budget_hard", "0.001");
    let (_broker, client) = setup.start_with_client().await;
    with_key(&client, "once", "k", "x").await.problem(502, "venues-failed");
    let poor = client.caller("poor", &["invoke"]).await;
    with_key(&poor, "once", "k", "x").await.problem(402, "budget-exhausted");
    upstream.play(script::echoes());
    let reply = with_key(&client, "once", "k", "x").await.expect(200);
    assert_eq!(reply.header(IDEMPOTENCY_REPLAYED), "");
    client.set_budget("poor", "1").await;
    with_key(&poor, "once", "k", "x").await.expect(200);
}

#[tokio::test]
async fn a_failure_that_may_have_run_is_replayed_and_not_repeated_unless_idempotent() {
    let upstream = Upstream::start(script::cuts()).await;
    let setup = broker(&upstream).await;
    let (_broker, client) = setup.start_with_client().await;
    let first = with_key(&client, "once", "k", "x").await;
    let told = first.problem(502, "venues-failed");
    with_key(&client, "idem", "k-idem", "x").await.problem(502, "venues-failed");
    upstream.play(script::echoes());
    let again = with_key(&client, "once", "k", "x").await;
    assert_eq!(again.problem(502, "venues-failed"), told);
    assert_eq!(again.header(IDEMPOTENCY_REPLAYED), "true");
    // Running an idempotent function again does no harm, so its key was given back.
    assert_eq!(with_key(&client, "idem", "k-idem", "x").await.expect(200).header(IDEMPOTENCY_REPLAYED), "");
    assert_eq!(Audit::of_function([&upstream], "once").runs(), 1);
}

#[tokio::test]
async fn a_key_in_flight_at_a_crash_runs_again_if_idempotent_and_is_409_otherwise() {
    let upstream = Upstream::start(script::hangs()).await;
    let setup = broker(&upstream).await;
    let (broker, client) = setup.start_with_client().await;
    for function in ["idem", "once"] {
        let client = client.clone();
        let order = client.order(function).header(IDEMPOTENCY_KEY, function).body("x");
        tokio::spawn(async move { drop(Reply::try_of(order).await) });
    }
    upstream.begun(2).await;
    broker.kill().await;

    upstream.play(script::echoes());
    let (_broker, client) = setup.start_with_client().await;
    with_key(&client, "idem", "idem", "x").await.expect(200);
    let problem = with_key(&client, "once", "once", "x").await.problem(409, "idempotency-outcome-unknown");
    assert!(!problem.retryable && problem.detail.contains("new key"), "{problem:?}");
    with_key(&client, "once", "once", "y").await.problem(422, "idempotency-mismatch");
    assert_eq!(Audit::of_function([&upstream], "once").runs(), 1);
    assert_eq!(Audit::of_function([&upstream], "idem").runs(), 2);
}

#[tokio::test]
async fn a_stop_waits_for_a_call_with_a_key_whose_caller_has_gone() {
    let gate = Gate::closed();
    let upstream = Upstream::start(script::echoes_behind(&gate)).await;
    let setup = broker(&upstream).await;
    let (mut broker, client) = setup.start_with_client().await;
    let call = tokio::spawn({
        let client = client.clone();
        async move { with_key(&client, "once", "k", "x").await }
    });
    upstream.begun(1).await;
    call.abort();
    broker.signal(rustix::process::Signal::TERM);
    broker.logged("draining").await;
    until("no new connections", async || {
        Reply::try_of(client.bare(reqwest::Method::GET, "/livez")).await.is_err().then_some(())
    })
    .await;
    gate.open();
    assert!(broker.ended().await.success());

    let (_broker, client) = setup.start_with_client().await;
    let again = with_key(&client, "once", "k", "x").await.expect(200);
    assert_eq!((again.header(IDEMPOTENCY_REPLAYED), upstream.count()), ("true", 1));
    assert_eq!(Audit::check_books(&client, FIRST_ACCOUNT).await.spent, "0.01");
}
