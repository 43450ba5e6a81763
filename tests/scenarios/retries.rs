//! What happens after a failed attempt, and what it costs: the other venue, or the whole truth.

use merit_units::Money;
use merit_wire::header;

use crate::support::{Audit, FIRST_ACCOUNT, Reply, Setup, Upstream, Worth, dollars, script};

#[tokio::test]
async fn an_unknown_outcome_is_repeated_for_an_idempotent_function_and_both_attempts_are_charged() {
    let (cut, good) = (Upstream::start(script::cuts()).await, Upstream::start(script::echoes()).await);
    let setup = Setup::new().flat("cut", &cut.url(), "0.01").flat("good", &good.url(), "0.05").function(
        "f",
        Worth::Idempotent,
        &["cut", "good"],
    );
    let (_broker, client) = setup.start_with_client().await;
    let reply = client.invoke("f", "payload").await.expect(200);
    assert_eq!((reply.text().as_str(), reply.venue(), reply.header(header::ATTEMPTS)), ("payload", "good", "2"));
    assert_eq!(reply.charge(), dollars("0.06"));

    let receipt = client.receipt(reply.invocation()).await;
    let attempts: Vec<_> = receipt
        .attempts
        .iter()
        .map(|a| (a.venue.as_str(), a.result.as_str(), a.outcome.as_str(), a.charge.as_str(), a.estimated))
        .collect();
    // The cut one may have run, so it is charged what such a call is expected to cost, and says so.
    assert_eq!(attempts, [("cut", "connection-cut", "unknown", "0.01", true), ("good", "ok", "ran", "0.05", true)]);
    assert!(receipt.estimated);
    assert_eq!((receipt.charge.as_str(), receipt.venue.as_deref()), ("0.06", Some("good")));
    let budget = Audit::check_books(&client, FIRST_ACCOUNT).await;
    assert_eq!(budget.spent, "0.06");
}

#[tokio::test]
async fn an_unknown_outcome_of_another_function_is_502_with_the_attempt_and_runs_nowhere_else() {
    let (cut, good) = (Upstream::start(script::cuts()).await, Upstream::start(script::echoes()).await);
    let setup = Setup::new().flat("cut", &cut.url(), "0.01").flat("good", &good.url(), "0.05").function(
        "f",
        Worth::Once,
        &["cut", "good"],
    );
    let (_broker, client) = setup.start_with_client().await;
    let problem = client.invoke("f", "payload").await.problem(502, "venues-failed");
    assert!(!problem.retryable, "repeating it could run it twice");
    assert_eq!(problem.attempts.len(), 1);
    assert_eq!((cut.count(), good.count()), (1, 0));
    assert_eq!(Audit::check_books(&client, FIRST_ACCOUNT).await.spent, "0.01");
}

#[tokio::test]
async fn what_surely_did_not_start_is_repeated_for_every_function_and_costs_nothing() {
    for (status, retry_after, result) in [
        (429, Some("0"), "throttled"),
        (503, Some("1"), "unavailable"),
        (404, None, "not-found"),
        (401, None, "bad-credentials"),
    ] {
        let refusing = Upstream::start(script::status(status, retry_after)).await;
        let good = Upstream::start(script::echoes()).await;
        let setup = Setup::new().flat("refusing", &refusing.url(), "0.01").flat("good", &good.url(), "0.05").function(
            "f",
            Worth::Once,
            &["refusing", "good"],
        );
        let (_broker, client) = setup.start_with_client().await;
        let reply = client.invoke("f", "payload").await.expect(200);
        assert_eq!((reply.venue(), reply.charge()), ("good", dollars("0.05")), "{status}");
        let receipt = client.receipt(reply.invocation()).await;
        let first = &receipt.attempts[0];
        assert_eq!(
            (first.result.as_str(), first.outcome.as_str(), first.charge.as_str()),
            (result, "not-started", "0"),
            "{status}"
        );
        assert!(!first.message.is_empty());
        assert_eq!(Audit::check_books(&client, FIRST_ACCOUNT).await.spent, "0.05");
    }
}

#[tokio::test]
async fn when_every_venue_fails_the_502_lists_all_attempts_in_merit_order() {
    let mut gone = Upstream::start(script::echoes()).await;
    gone.die().await;
    let busy = Upstream::start(script::status(429, Some("1"))).await;
    let closed = Upstream::start(script::status(503, Some("1"))).await;
    let setup = Setup::new()
        .flat("gone", &gone.url(), "0.01")
        .flat("busy", &busy.url(), "0.02")
        .flat("closed", &closed.url(), "0.03")
        .function("f", Worth::Once, &["gone", "busy", "closed"]);
    let (_broker, client) = setup.start_with_client().await;
    let reply = client.invoke("f", "x").await;
    let problem = reply.problem(502, "venues-failed");
    let attempts: Vec<_> =
        problem.attempts.iter().map(|a| (a.venue.as_str(), a.result.as_str(), a.outcome.as_str())).collect();
    assert_eq!(
        attempts,
        [
            ("gone", "connect", "not-started"),
            ("busy", "throttled", "not-started"),
            ("closed", "unavailable", "not-started")
        ]
    );
    assert!(problem.retryable, "nothing has run");
    assert!(
        problem.attempts.iter().all(|attempt| !attempt.message.is_empty() && dollars(&attempt.charge) == Money::ZERO)
    );
    let receipt = client.receipt(&problem.request_id).await;
    assert_eq!((receipt.status.as_str(), receipt.attempts.len(), receipt.charge.as_str()), ("failed", 3, "0"));
    assert_eq!(Audit::check_books(&client, FIRST_ACCOUNT).await.spent, "0");
}

#[tokio::test]
async fn a_deadline_that_passes_is_504_with_the_attempts_and_the_wait() {
    let upstream = Upstream::start(script::hangs()).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]);
    let (_broker, client) = setup.start_with_client().await;
    let reply = Reply::of(client.order("f").header("merit-deadline", "150ms").body("x")).await;
    let problem = reply.problem(504, "deadline-passed");
    assert!(!problem.retryable, "it may be running still");
    let attempt = &problem.attempts[0];
    assert_eq!(
        (attempt.result.as_str(), attempt.outcome.as_str(), attempt.charge.as_str(), attempt.estimated),
        ("timeout", "unknown", "0.01", true)
    );
    assert!(attempt.duration_ms >= 100.0, "{attempt:?}");
    assert_eq!(Audit::check_books(&client, FIRST_ACCOUNT).await.spent, "0.01");
}

#[tokio::test]
async fn a_retry_the_budget_can_not_hold_is_not_made() {
    let (cut, good) = (Upstream::start(script::cuts()).await, Upstream::start(script::echoes()).await);
    let setup = Setup::new()
        .flat("cut", &cut.url(), "0.01")
        .flat("good", &good.url(), "0.05")
        .function("f", Worth::Idempotent, &["cut", "good"])
        .text("accounts.search", "budget_hard", "0.05");
    let (_broker, client) = setup.start_with_client().await;
    let search = client.caller("search", &["invoke"]).await;
    let problem = search.invoke("f", "x").await.problem(502, "venues-failed");
    assert_eq!((problem.attempts.len(), good.count()), (1, 0));
    assert_eq!(Audit::check_books(&client, "search").await.spent, "0.01");
}

#[tokio::test]
async fn a_retry_keeps_to_the_terms() {
    let (cut, good) = (Upstream::start(script::cuts()).await, Upstream::start(script::echoes()).await);
    let setup = Setup::new()
        .flat("cut", &cut.url(), "0.01")
        .flat("good", &good.url(), "0.05")
        .text("venues.good", "region", "elsewhere")
        .function("f", Worth::Idempotent, &["cut", "good"]);
    let (_broker, client) = setup.start_with_client().await;
    for (header, value) in [("merit-venues", "cut"), ("merit-regions", "!elsewhere"), ("merit-max-price", "0.02")] {
        let order = client.order("f").header(header, value).body("x");
        let problem = Reply::of(order).await.problem(502, "venues-failed");
        assert_eq!(problem.attempts.len(), 1, "{header}: {problem:?}");
    }
    assert_eq!((cut.count(), good.count()), (3, 0));
}

#[tokio::test]
async fn an_attempt_ends_with_the_functions_timeout_and_goes_on_elsewhere_if_idempotent() {
    let (stuck, good) = (Upstream::start(script::hangs()).await, Upstream::start(script::echoes()).await);
    let setup = Setup::new()
        .flat("stuck", &stuck.url(), "0.01")
        .flat("good", &good.url(), "0.05")
        .function("idem", Worth::Idempotent, &["stuck", "good"])
        .function("once", Worth::Once, &["stuck", "good"])
        .set("functions.idem", "timeout_ms", 100)
        .set("functions.once", "timeout_ms", 100);
    let (_broker, client) = setup.start_with_client().await;
    let reply = client.invoke("idem", "x").await.expect(200);
    assert_eq!((reply.venue(), reply.charge()), ("good", dollars("0.06")));
    let problem = client.invoke("once", "x").await.problem(502, "venues-failed");
    let attempt = &problem.attempts[0];
    assert_eq!((problem.attempts.len(), attempt.result.as_str(), attempt.outcome.as_str()), (1, "timeout", "unknown"));
    assert!(!problem.retryable);
    assert_eq!(Audit::check_books(&client, FIRST_ACCOUNT).await.spent, "0.07");
}

#[tokio::test]
async fn a_reply_over_the_limit_has_run_and_is_charged() {
    let upstream = Upstream::start(script::replies("a reply of more than sixteen bytes")).await;
    let setup = Setup::new().set("server", "max_reply_bytes", 16).flat("a", &upstream.url(), "0.01").function(
        "f",
        Worth::Once,
        &["a"],
    );
    let (_broker, client) = setup.start_with_client().await;
    let problem = client.invoke("f", "x").await.problem(502, "venues-failed");
    let attempt = &problem.attempts[0];
    assert_eq!((attempt.result.as_str(), attempt.outcome.as_str()), ("reply-too-large", "ran"));
    assert!(!problem.retryable);
    assert_eq!(Audit::check_books(&client, FIRST_ACCOUNT).await.spent, "0.01");
}

#[tokio::test]
async fn retries_stay_within_their_share_of_the_traffic() {
    let (cut, good) = (Upstream::start(script::cuts()).await, Upstream::start(script::echoes()).await);
    let setup = Setup::new()
        .flat("cut", &cut.url(), "0.01")
        .flat("good", &good.url(), "0.05")
        .function("f", Worth::Idempotent, &["cut", "good"])
        .set("market", "retry_burst", 5)
        .set("market", "retry_budget_ppm", 100_000)
        // Health must not take the broken venue out of the way.
        .set("market", "eject_consecutive_failures", 1000)
        .set("market", "eject_min_calls", 1000);
    let (_broker, client) = setup.start_with_client().await;
    let mut replied = 0;
    for _ in 0..100 {
        replied += usize::from(client.invoke("f", "x").await.status == 200);
    }
    // Five that were saved up, and one for ten first attempts after the first, which found the budget full.
    assert_eq!((replied, good.count(), cut.count()), (14, 14, 100));
}

#[tokio::test]
async fn a_functions_own_error_is_a_reply_that_is_charged_and_never_repeated() {
    let failing = Upstream::start(script::of(|_| async {
        let body = "{\"errorType\":\"ValueError\",\"errorMessage\":\"no such picture\"}";
        let response = http::Response::builder().status(500).header("merit-function-error", "ValueError");
        Some(response.body(http_body_util::Full::new(bytes::Bytes::from(body))).expect("a response"))
    }))
    .await;
    let other = Upstream::start(script::echoes()).await;
    let setup = Setup::new().flat("a", &failing.url(), "0.01").flat("b", &other.url(), "0.02").function(
        "f",
        Worth::Idempotent,
        &["a", "b"],
    );
    let (_broker, client) = setup.start_with_client().await;
    let reply = client.invoke("f", "x").await.expect(200);
    assert_eq!(reply.header(header::FUNCTION_ERROR), "ValueError");
    assert!(reply.text().contains("no such picture"));
    assert_eq!((reply.charge(), other.count()), (dollars("0.01"), 0));
    assert_eq!(client.receipt(reply.invocation()).await.status, "function-error");
}
