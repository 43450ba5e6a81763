//! Signals: SIGTERM drains, SIGHUP reloads, and a mistake in the configuration changes nothing.

use reqwest::Method;
use rustix::process::Signal;

use crate::support::{Gate, Raw, Reply, Setup, Upstream, Worth, script, until};

#[tokio::test]
async fn sigterm_lets_calls_in_flight_end_refuses_new_ones_and_exits_with_0() {
    let gate = Gate::closed();
    let upstream = Upstream::start(script::echoes_behind(&gate)).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]);
    let (mut broker, client) = setup.start_with_client().await;
    let slow = tokio::spawn({
        let client = client.clone();
        async move { client.invoke("f", "slow").await }
    });
    upstream.begun(1).await;
    // A client that was admitted but has not sent its payload yet is in flight too.
    let mut sending = Raw::connect(broker.address()).await;
    sending.write_head("f", "content-length: 4\r\n").await;
    // Whoever asks whether it is ready on a connection that was open before is told, too.
    let mut prober = Raw::connect(broker.address()).await;
    prober.write(b"GET /readyz HTTP/1.1\r\nhost: merit\r\n").await;
    until("two in flight", async || {
        let metrics = Reply::of(client.bare(Method::GET, "/metrics")).await.text();
        metrics.lines().any(|line| line == "merit_in_flight 2").then_some(())
    })
    .await;

    broker.signal(Signal::TERM);
    until("new calls are refused", async || {
        // To a function that does not exist, so that one sent too early is harmless.
        match Reply::try_of(client.order("none").body("new")).await {
            Err(_) => Some(()),
            Ok(reply) => (reply.status == 503).then(|| drop(reply.problem(503, "draining"))),
        }
    })
    .await;
    prober.write(b"\r\n").await;
    assert_eq!(prober.read().await.status, 503, "a broker that drains is not ready");
    sending.write(b"last").await;
    upstream.begun(2).await;
    gate.open();
    assert_eq!(slow.await.expect("a reply").expect(200).text(), "slow");
    assert_eq!(sending.read().await.expect(200).text(), "last");
    assert_eq!(broker.ended().await.code(), Some(0));

    let (_broker, client) = setup.start_with_client().await;
    let budget = client.budget("default").await;
    assert_eq!((budget.spent.as_str(), budget.held.as_str(), upstream.count()), ("0.02", "0", 2));
}

#[tokio::test]
async fn a_drain_that_takes_too_long_is_cut_and_its_calls_are_settled() {
    let upstream = Upstream::start(script::hangs()).await;
    let setup = Setup::new().set("server", "drain_timeout_ms", 100).flat("a", &upstream.url(), "0.01").function(
        "f",
        Worth::Once,
        &["a"],
    );
    let (mut broker, client) = setup.start_with_client().await;
    let call = tokio::spawn({
        let client = client.clone();
        async move { Reply::try_of(client.order("f").body("x")).await }
    });
    upstream.begun(1).await;
    assert_eq!(broker.stop().await.code(), Some(0));
    assert!(call.await.expect("it ends").is_err(), "the connection was cut");
    let (_broker, client) = setup.start_with_client().await;
    let budget = client.budget("default").await;
    assert_eq!((budget.spent.as_str(), budget.held.as_str()), ("0.01", "0"), "charged as an estimate, nothing held");
    let receipt = client.receipt(upstream.seen()[0].invocation()).await;
    assert_eq!((receipt.status.as_str(), receipt.estimated), ("failed", true));
}

#[tokio::test]
async fn sighup_takes_the_new_configuration_and_calls_go_on_meanwhile() {
    let gate = Gate::closed();
    let (old, new) = (Upstream::start(script::echoes_behind(&gate)).await, Upstream::start(script::echoes()).await);
    let setup = Setup::new().flat("old", &old.url(), "0.02").function("f", Worth::Once, &["old"]);
    let (broker, client) = setup.start_with_client().await;
    let running = tokio::spawn({
        let client = client.clone();
        async move { client.invoke("f", "x").await }
    });
    old.begun(1).await;

    let setup = setup
        .flat("new", &new.url(), "0.01")
        .function("f", Worth::Once, &["old", "new"])
        .function("g", Worth::Once, &["new"])
        .set("server", "max_payload_bytes", 10)
        .text("accounts.default", "budget_hard", "0.05");
    setup.save();
    broker.signal(Signal::HUP);
    broker.logged("the configuration is reloaded").await;
    // A new ask takes over gradually; this order can't wait.
    let order = client.order("f").header("merit-venues", "new").body("x");
    assert_eq!(Reply::of(order).await.expect(200).venue(), "new");
    assert_eq!(client.invoke("g", "x").await.expect(200).venue(), "new");
    client.invoke("g", "more than ten bytes").await.problem(413, "payload-too-large");
    gate.open();
    assert_eq!(running.await.expect("a reply").expect(200).venue(), "old", "what was running has ended as it would");
    let budget = client.budget("default").await;
    assert_eq!((budget.hard.as_deref(), budget.spent.as_str(), budget.held.as_str()), (Some("0.05"), "0.04", "0"));
}

#[tokio::test]
async fn sighup_with_a_mistake_keeps_the_old_configuration_whole() {
    let upstream = Upstream::start(script::echoes()).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]);
    let (broker, client) = setup.start_with_client().await;
    let good = std::fs::read_to_string(setup.save()).expect("the configuration");
    // One mistake that reading finds, and one that only shows against what is running.
    let changed = good.replace("[functions.f]", "[limits]\nmax_tags = 0\n[functions.f]");
    for (text, words) in [
        (format!("{changed}[server.extra]\n"), "extra"),
        (changed.replace("target = \"f\"", "target = \"f\"\nsheet = \"no/such-sheet\""), "no/such-sheet"),
        ("not toml at all".to_owned(), "merit.toml:1:"),
    ] {
        setup.write("merit.toml", &text);
        let before = broker.log().matches("the old one holds").count();
        broker.signal(Signal::HUP);
        until("the mistake in the log", async || {
            (broker.log().matches("the old one holds").count() > before).then_some(())
        })
        .await;
        assert!(broker.log().contains(words), "{words} in {}", broker.log());
        let order = client.order("f").header("merit-tags", "team=search").body("x");
        Reply::of(order).await.expect(200);
    }
    setup.write("merit.toml", &changed);
    broker.signal(Signal::HUP);
    broker.logged("the configuration is reloaded").await;
    let order = client.order("f").header("merit-tags", "team=search").body("x");
    Reply::of(order).await.problem(400, "malformed-terms");
}

#[tokio::test]
async fn what_was_put_and_learned_survives_a_restart() {
    let upstream = Upstream::start(script::echoes()).await;
    let setup = Setup::new().venue("a", &upstream.url(), "own/default");
    let (mut broker, client) = setup.start_with_client().await;
    let spec = serde_json::json!({ "idempotent": true, "deployments": {
        "a-128": { "venue": "a", "target": "f", "memory_mb": 128 },
        "a-256": { "venue": "a", "target": "f", "memory_mb": 256 },
    } });
    let _: serde_json::Value = client.put("/v1/functions/f", &spec).await;
    let path = "/v1/functions/f/deployments/a-256";
    Reply::of(client.request(Method::DELETE, path)).await.expect(204);
    for _ in 0..20 {
        client.invoke("f", "x").await.expect(200);
    }
    assert_eq!(client.put_sheet("a", crate::support::flat_sheet("a", "0.03", 7)).await.status, 200);
    let before = client.function("f").await;
    assert_eq!(before.deployments.keys().collect::<Vec<_>>(), ["a-128"]);
    assert!(broker.stop().await.success());

    let (_broker, client) = setup.start_with_client().await;
    let after = client.function("f").await;
    assert_eq!(after.deployments["a-128"].spec, before.deployments["a-128"].spec);
    assert_eq!(after.deployments["a-128"].samples, 20);
    assert_eq!(client.book("f").await.asks[0].cost, "0.03", "the published price is in force, not the configured");
    let stale = client.put_sheet("a", crate::support::flat_sheet("a", "0.01", 7)).await;
    assert!(stale.problem(400, "bad-request").detail.contains("seq is 7"));
}

#[tokio::test]
async fn logs_as_json_are_an_object_a_line() {
    let upstream = Upstream::start(script::status(500, None)).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]);
    let setup = setup.text("log", "format", "json");
    let (mut broker, client) = setup.start_with_client().await;
    client.invoke("f", "x").await;
    assert!(broker.stop().await.success());
    let log = std::fs::read_to_string(setup.path("log")).expect("what it wrote");
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect();
    assert!(!lines.is_empty(), "it says where it listens");
    for line in &lines {
        let has = |key: &str| line.get(key).is_some();
        assert!(has("timestamp") && has("level") && line["fields"]["message"].is_string(), "{line}");
    }
}
