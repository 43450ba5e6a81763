//! What bad input gets: each refusal with its status, its figures and what to do about it.

use merit_wire::QuoteRequest;
use reqwest::Method;

use crate::support::{Gate, KEY, Raw, Reply, Setup, Upstream, Worth, script};

#[tokio::test]
async fn an_unknown_function_is_404_and_names_those_that_resemble_it() {
    let setup = Setup::new().function("thumbnail", Worth::Idempotent, &[]).function("primes", Worth::Idempotent, &[]);
    let (_broker, client) = setup.start_with_client().await;
    let problem = client.invoke("thumbnial", "x").await.problem(404, "unknown-function");
    assert_eq!(problem.near, ["thumbnail"]);
    assert!(problem.detail.contains("`thumbnial`") && problem.detail.contains("`thumbnail`"), "{problem:?}");
    assert!(!problem.retryable);
    let nothing_like_it = client.invoke("zzz", "x").await.problem(404, "unknown-function");
    assert!(nothing_like_it.near.is_empty(), "{nothing_like_it:?}");
}

#[tokio::test]
async fn malformed_terms_are_400_and_name_the_header() {
    let upstream = Upstream::start(script::echoes()).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]);
    let (_broker, client) = setup.start_with_client().await;
    for (header, value, named) in [
        ("merit-max-price", "cheap", "merit-max-price"),
        ("merit-max-price", "-0.1", "merit-max-price"),
        ("merit-order", "someday", "merit-order"),
        ("merit-order", "limit", "merit-max-price"),
        ("merit-deadline", "yesterday", "merit-deadline"),
        ("merit-deadline", "2001-01-01T00:00:00Z", "merit-deadline"),
        ("merit-value-of-time", "1e3", "merit-value-of-time"),
        ("merit-venues", "a,,b", "merit-venues"),
        ("merit-venues", "nowhere", "merit-venues"),
        ("merit-regions", "nowhere", "merit-regions"),
        ("merit-isolation", "concrete", "merit-isolation"),
        ("merit-architecture", "z80", "merit-architecture"),
        ("merit-max-latency", "soon", "merit-max-latency"),
        ("merit-tags", "untagged", "merit-tags"),
        ("merit-max-prize", "1", "merit-max-price"),
        ("idempotency-key", "", "idempotency-key"),
    ] {
        let reply = Reply::of(client.order("f").header(header, value).body("x")).await;
        let problem = reply.problem(400, "malformed-terms");
        assert!(problem.detail.contains(&format!("`{named}`")), "{header}: {value}: {problem:?}");
        assert!(!problem.retryable);
    }
    for (header, one, other) in [("merit-max-price", "1", "0.001"), ("idempotency-key", "a", "b")] {
        let order = client.order("f").header(header, one).header(header, other);
        let problem = Reply::of(order.body("x")).await.problem(400, "malformed-terms");
        assert!(problem.detail.contains("more than once"), "{problem:?}");
    }
    assert_eq!(upstream.count(), 0, "a term that can't be read spends nothing");
}

#[tokio::test]
async fn who_is_still_sending_reads_why_it_was_refused() {
    let upstream = Upstream::start(script::echoes()).await;
    let setup = Setup::new().set("server", "max_payload_bytes", 1000).flat("a", &upstream.url(), "0.01").function(
        "f",
        Worth::Once,
        &["a"],
    );
    let (broker, _client) = setup.start_with_client().await;
    let payload = vec![b'x'; 20_000_000];
    let invocations = [("/v1/functions/f/invocations", 413), ("/2015-03-31/functions/f/invocations", 403)];
    for (path, status) in invocations.into_iter().chain([("/v1/functions/none/invocations", 404)]) {
        let mut sending = Raw::connect(broker.address()).await;
        let head = format!("POST {path} HTTP/1.1\r\nhost: merit\r\nauthorization: Bearer {KEY}\r\n");
        sending.write(format!("{head}content-length: {}\r\n\r\n", payload.len()).as_bytes()).await;
        // More than both sockets hold, and only then does it read.
        sending.write(&payload).await;
        assert_eq!(sending.read().await.status, status, "{path}");
    }
}

#[tokio::test]
async fn a_payload_over_the_limit_is_413_before_it_is_sent_whole() {
    let upstream = Upstream::start(script::echoes()).await;
    let setup = Setup::new().set("server", "max_payload_bytes", 1000).flat("a", &upstream.url(), "0.01").function(
        "f",
        Worth::Once,
        &["a"],
    );
    let (broker, client) = setup.start_with_client().await;

    // Declared: refused by the head alone, although nothing of the terabyte is ever sent.
    let mut declared = Raw::connect(broker.address()).await;
    declared.write_head("f", "content-length: 1000000000000\r\n").await;
    let refused = declared.read().await;
    let problem = refused.problem(413, "payload-too-large");
    assert!(problem.detail.contains("1000 bytes"), "{problem:?}");
    assert_eq!(refused.header("connection"), "close");

    // A client that asks first is not told to go on.
    let mut asking = Raw::connect(broker.address()).await;
    asking.write_head("f", "content-length: 1001\r\nexpect: 100-continue\r\n").await;
    asking.read().await.problem(413, "payload-too-large");

    // Chunked: refused at the first byte over the limit, while the client has not said how much is to come.
    let mut chunked = Raw::connect(broker.address()).await;
    chunked.write_head("f", "transfer-encoding: chunked\r\n").await;
    for _ in 0..11 {
        chunked.write(format!("64\r\n{}\r\n", "x".repeat(100)).as_bytes()).await;
    }
    chunked.read().await.problem(413, "payload-too-large");

    client.invoke("f", vec![b'x'; 1000]).await.expect(200);
    assert_eq!(upstream.count(), 1, "only the payload at the limit went on");
    assert_eq!(client.budget("default").await.held, "0");
}

#[tokio::test]
async fn no_eligible_venue_is_422_and_lists_every_exclusion_with_its_figures() {
    let upstream = Upstream::start(script::echoes()).await;
    let url = upstream.url();
    let setup = Setup::new()
        .unpriced("unpriced", &url)
        .venue("yuan", &url, "tencent-scf/cn")
        .flat("dear", &url, "0.5")
        .flat("arm", &url, "0.01")
        .text("venues.arm", "architecture", "arm64")
        .flat("elsewhere", &url, "0.01")
        .text("venues.elsewhere", "region", "mars")
        .flat("shared", &url, "0.01")
        .text("venues.shared", "isolation", "wasm")
        .flat("unwanted", &url, "0.01")
        .function("f", Worth::Once, &["unpriced", "yuan", "dear", "arm", "elsewhere", "shared", "unwanted"]);
    let (_broker, client) = setup.start_with_client().await;
    let order = client
        .order("f")
        .header("merit-max-price", "0.25")
        .header("merit-architecture", "x86_64")
        .header("merit-regions", "!mars")
        .header("merit-isolation", "provider")
        .header("merit-venues", "!unwanted");
    let problem = Reply::of(order.body("x")).await.problem(422, "no-eligible-venue");
    let reasons: Vec<(&str, &str)> =
        problem.exclusions.iter().map(|exclusion| (&*exclusion.venue, &*exclusion.reason)).collect();
    for expected in [
        ("unpriced", "no-price"),
        ("yuan", "no-exchange-rate"),
        ("dear", "over-max-price"),
        ("arm", "architecture-not-allowed"),
        ("elsewhere", "region-not-allowed"),
        ("shared", "isolation-not-allowed"),
        ("unwanted", "venue-not-allowed"),
    ] {
        assert!(reasons.contains(&expected), "{expected:?} in {reasons:?}");
    }
    assert_eq!(reasons.len(), 7, "each deployment once: {reasons:?}");
    let dear = problem.exclusions.iter().find(|exclusion| exclusion.venue == "dear").expect("it is listed");
    assert!(dear.detail.contains("0.5") && dear.detail.contains("0.25"), "{dear:?}");
    assert!(problem.exclusions.iter().all(|exclusion| !exclusion.detail.is_empty()));

    let terms = QuoteRequest { max_price: Some("0.25".to_owned()), ..QuoteRequest::default() };
    let quote = client.quote("f", &terms).await;
    assert_eq!(quote.excluded.len(), 3, "a quote under fewer terms excludes fewer: {quote:?}");
    assert_eq!((upstream.count(), client.receipt(&problem.request_id).await.status.as_str()), (0, "refused"));
}

#[tokio::test]
async fn an_exhausted_budget_is_402_with_budget_spent_held_and_needed() {
    let gate = Gate::closed();
    let upstream = Upstream::start(script::echoes_behind(&gate)).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.25").function("f", Worth::Once, &["a"]).text(
        "accounts.search",
        "budget_hard",
        "0.6",
    );
    let (_broker, client) = setup.start_with_client().await;
    let search = client.caller("search", &["invoke"]).await;

    let first = tokio::spawn({
        let search = search.clone();
        async move { search.invoke("f", "1").await }
    });
    upstream.begun(1).await;
    gate.open();
    first.await.expect("a reply").expect(200);

    upstream.play(script::hangs());
    let second = tokio::spawn({
        let search = search.clone();
        async move { Reply::of(search.order("f").header("merit-deadline", "10s").body("2")).await }
    });
    upstream.begun(2).await;
    let problem = search.invoke("f", "3").await.problem(402, "budget-exhausted");
    let figures = problem.budget.expect("the figures");
    assert_eq!(
        (&*figures.account, &*figures.budget, &*figures.spent, &*figures.held, &*figures.needed),
        ("search", "0.6", "0.25", "0.25", "0.25")
    );
    assert!(!problem.retryable);
    assert_eq!(upstream.count(), 2, "it did not run");
    second.abort();
}

#[tokio::test]
async fn over_the_rate_is_429_with_what_is_left_and_when_to_come_back() {
    let upstream = Upstream::start(script::echoes()).await;
    let setup = Setup::new()
        .set("limits", "per_key_per_second", 1)
        .set("limits", "per_key_burst", 3)
        .flat("a", &upstream.url(), "0.01")
        .function("f", Worth::Once, &["a"]);
    let (_broker, client) = setup.start_with_client().await;
    for left in ["2", "1", "0"] {
        let reply = client.invoke("f", "x").await.expect(200);
        assert_eq!(reply.header("ratelimit"), format!("\"calls\";r={left};t=1"));
        assert_eq!(reply.header("ratelimit-policy"), "\"calls\";q=1;w=1");
    }
    let refused = client.invoke("f", "x").await;
    let problem = refused.problem(429, "rate-limited");
    assert!(problem.retryable && problem.detail.contains("1 calls a second"), "{problem:?}");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.header("ratelimit-policy"), "\"calls\";q=1;w=1");
    assert_eq!(refused.header("ratelimit"), "\"calls\";r=0;t=1");
    assert_eq!(upstream.count(), 3);
}

#[tokio::test]
async fn an_accounts_rate_holds_for_all_its_keys_together() {
    let upstream = Upstream::start(script::echoes()).await;
    let setup = Setup::new()
        .set("limits", "per_account_per_second", 1)
        .set("limits", "per_account_burst", 4)
        .flat("a", &upstream.url(), "0.01")
        .function("f", Worth::Once, &["a"]);
    let (_broker, client) = setup.start_with_client().await;
    let (one, other) = (client.caller("search", &["invoke"]).await, client.caller("search", &["invoke"]).await);
    for caller in [&one, &other, &one, &other] {
        caller.invoke("f", "x").await.expect(200);
    }
    let problem = one.invoke("f", "x").await.problem(429, "rate-limited");
    assert!(problem.detail.contains("account"), "{problem:?}");
}

#[tokio::test]
async fn every_error_of_the_control_api_is_a_problem_document_too() {
    let setup = Setup::new().function("thumbnail", Worth::Once, &[]).unpriced("aws", "http://127.0.0.1:9/");
    let (_broker, client) = setup.start_with_client().await;
    let spend = "/v1/spend";
    let long = "x".repeat(2 << 20);
    for (method, path, body, status, kind, words) in [
        (Method::GET, "/v1/nothing", "", 404, "not-found", "/v1/nothing"),
        (Method::GET, "/v1/functions/thumbnial", "", 404, "unknown-function", "thumbnail"),
        (Method::GET, "/v1/venues/awz", "", 404, "not-found", "`aws`"),
        (Method::PUT, "/v1/functions/f", "{", 400, "bad-request", "JSON"),
        (Method::PUT, "/v1/functions/f", "{\"idempotant\":true}", 400, "bad-request", "idempotant"),
        (Method::PUT, "/v1/functions/f", "{\"timeout_ms\":0}", 400, "bad-request", "timeout_ms"),
        (Method::PUT, "/v1/functions/F%20", "{}", 400, "bad-request", "F"),
        (Method::GET, &format!("{spend}?from=yesterday"), "", 400, "bad-request", "yesterday"),
        (Method::GET, &format!("{spend}?group_by=colour"), "", 400, "bad-request", "colour"),
        (Method::GET, &format!("{spend}?step=week"), "", 400, "bad-request", "week"),
        (Method::GET, &format!("{spend}?form=2026-11-01T00:00:00Z"), "", 400, "bad-request", "form"),
        (Method::GET, "/v1/invocations/17", "", 400, "bad-request", "17"),
        (Method::GET, "/v1/invocations/01912345-0000-7000-8000-000000000000", "", 404, "not-found", "receipt"),
        (Method::GET, "/v1/accounts/nobody/budget", "", 404, "not-found", "nobody"),
        (Method::PUT, "/v1/accounts/a/budget", "{\"hard\":\"much\"}", 400, "bad-request", "much"),
        (Method::PUT, "/v1/venues/aws/price-sheet", "name = 1", 400, "bad-request", "price sheet"),
        (Method::POST, "/v1/keys", "{\"account\":\"a\",\"roles\":[\"king\"]}", 400, "bad-request", "king"),
        (Method::POST, "/v1/keys", "{\"account\":\"a\",\"roles\":[]}", 400, "bad-request", "role"),
        (Method::DELETE, "/v1/keys/0000", "", 404, "not-found", "0000"),
        (Method::DELETE, "/v1/functions/none", "", 404, "unknown-function", "none"),
        (
            Method::POST,
            "/v1/functions/thumbnail/quotes",
            "{\"max_price\":\"x\"}",
            400,
            "malformed-terms",
            "merit-max-price",
        ),
        (Method::PUT, spend, "", 405, "method-not-allowed", "PUT"),
        (Method::GET, "/v1/functions/thumbnail/invocations", "", 405, "method-not-allowed", "GET"),
        (Method::PUT, "/v1/functions/f", &long, 413, "payload-too-large", "1048576"),
    ] {
        let at = format!("{method} {path}");
        let reply = Reply::of(client.request(method, path).body(body.to_owned())).await;
        assert_eq!(reply.status, status, "{at}: {}", reply.text());
        let problem = reply.problem(status, kind);
        assert!(problem.detail.contains(words), "{at}: {problem:?}");
    }
}
