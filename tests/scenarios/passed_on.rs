//! What reaches the venue beside the payload: the deadline that is left, the trace, nothing secret.

use std::time::Duration;

use crate::support::{KEY, Reply, Setup, Upstream, Worth, script};

#[tokio::test]
async fn the_deadline_is_passed_on_and_shrinks_over_attempts() {
    let slow_to_refuse = Upstream::start(script::of(|_| async {
        tokio::time::sleep(Duration::from_millis(120)).await;
        Some(script::answer(503, Some("0")))
    }))
    .await;
    let good = Upstream::start(script::echoes()).await;
    let setup = Setup::new()
        .flat("first", &slow_to_refuse.url(), "0.01")
        .flat("second", &good.url(), "0.02")
        .function("f", Worth::Once, &["first", "second"])
        .set("limits", "max_timeout_ms", 5000)
        .set("limits", "default_timeout_ms", 3000);
    let (_broker, client) = setup.start_with_client().await;
    for (asked, most) in [(Some("2s"), 2000), (None, 3000), (Some("60s"), 5000)] {
        let order = client.order("f").body("x");
        let order = asked.into_iter().fold(order, |order, asked| order.header("merit-deadline", asked));
        Reply::of(order).await.expect(200);
        let (first, second) = (slow_to_refuse.seen(), good.seen());
        let (first, second) = (first.last().expect("a call"), second.last().expect("a call"));
        assert_eq!((first.header("merit-attempt"), second.header("merit-attempt")), ("1", "2"));
        assert_eq!(first.invocation(), second.invocation());
        let (before, after) = (first.deadline_ms(), second.deadline_ms());
        assert!((most - 1000..=most).contains(&before), "{asked:?}: {before} ms at first");
        assert!(after <= before - 120, "{asked:?}: {before} ms, then {after} ms");
    }
}

#[tokio::test]
async fn trace_context_payload_and_media_type_are_passed_on_as_they_are() {
    let upstream = Upstream::start(script::echoes()).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]).text(
        "venues.a.headers",
        "Authorization",
        "Bearer of-the-venue",
    );
    let (_broker, client) = setup.start_with_client().await;
    let (traceparent, tracestate) =
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7");
    let payload: Vec<u8> = (0..=255).collect();
    let order = client
        .order("f")
        .header("traceparent", traceparent)
        .header("tracestate", tracestate)
        .header("content-type", "image/x-thing")
        .header("cookie", "secret=1")
        .header("merit-tags", "team=search");
    let reply = Reply::of(order.body(payload.clone())).await.expect(200);
    assert_eq!(reply.body, payload);
    let seen = &upstream.seen()[0];
    assert_eq!((seen.header("traceparent"), seen.header("tracestate")), (traceparent, tracestate));
    assert_eq!((seen.header("content-type"), &seen.payload[..], &*seen.path), ("image/x-thing", &payload[..], "/f"));
    assert_eq!(seen.invocation(), reply.invocation());
    // The venue's own credentials, and nothing of the caller's.
    assert_eq!((seen.header("authorization"), seen.header("cookie")), ("Bearer of-the-venue", ""));
    assert!(!seen.headers.values().any(|value| value.as_bytes().windows(KEY.len()).any(|part| part == KEY.as_bytes())));
}

#[tokio::test]
async fn the_reply_tells_what_it_cost_and_where_the_time_went() {
    let upstream = Upstream::start(script::replies("done")).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]);
    let (_broker, client) = setup.start_with_client().await;
    let order = client.order("f").header("merit-tags", "team=search,env=prod").body("x");
    let reply = Reply::of(order).await.expect(200);
    assert_eq!((reply.text().as_str(), reply.header("content-type")), ("done", "text/plain"));
    assert_eq!((reply.venue(), reply.header("merit-deployment"), reply.header("merit-attempts")), ("a", "a", "1"));
    assert_eq!(reply.header("merit-charge"), "0.01");
    let overhead: u64 = reply.header("merit-overhead-us").parse().expect("microseconds");
    assert!(overhead < 1_000_000);
    assert!(reply.header("server-timing").starts_with("merit;dur="), "{:?}", reply.headers);
    let receipt = client.receipt(reply.invocation()).await;
    assert_eq!(receipt.tags, ["team=search", "env=prod"]);
    assert_eq!((receipt.account.as_str(), receipt.key.as_str()), ("default", "tests"));
    let by_team = client.spend("tag:team").await;
    assert_eq!((by_team.rows[0].group["tag:team"].as_str(), by_team.rows[0].charge.as_str()), ("search", "0.01"));
}
