//! Who may do what: keys, roles, and what a stranger is told.

use reqwest::Method;

use crate::support::{Client, FIRST_ACCOUNT, KEY, Reply, Setup, Upstream, Worth, script};

async fn broker_with_function() -> (Setup, crate::support::Process, Client, Upstream) {
    let upstream = Upstream::start(script::echoes()).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]);
    let (broker, client) = setup.start_with_client().await;
    (setup, broker, client, upstream)
}

#[tokio::test]
async fn without_a_key_or_with_a_wrong_one_everything_is_401() {
    let (_setup, _broker, client, upstream) = broker_with_function().await;
    let paths = [
        (Method::POST, "/v1/functions/f/invocations"),
        (Method::POST, "/v1/functions/f/quotes"),
        (Method::GET, "/v1/functions/f/book"),
        (Method::GET, "/v1/feed"),
        (Method::GET, "/v1/functions"),
        (Method::GET, "/v1/functions/f"),
        (Method::PUT, "/v1/functions/f"),
        (Method::DELETE, "/v1/functions/f"),
        (Method::GET, "/v1/venues"),
        (Method::GET, "/v1/venues/a"),
        (Method::GET, "/v1/venues/a/price-sheet"),
        (Method::PUT, "/v1/venues/a/price-sheet"),
        (Method::GET, "/v1/spend"),
        (Method::GET, "/v1/spend/alternatives"),
        (Method::GET, "/v1/accounts/default/budget"),
        (Method::PUT, "/v1/accounts/default/budget"),
        (Method::GET, "/v1/keys"),
        (Method::POST, "/v1/keys"),
        (Method::DELETE, "/v1/keys/x"),
        (Method::GET, "/v1/invocations/01912345-0000-7000-8000-000000000000"),
    ];
    let wrong_secret = format!("{}0", &KEY[..KEY.len() - 1]);
    for (method, path) in paths {
        let with = |value: &str| client.bare(method.clone(), path).header("authorization", value.to_owned());
        for request in [
            client.bare(method.clone(), path),
            with("Basic bWVyaXQ6bWVyaXQ="),
            with("Bearer mrt_nobody_0123456789abcdef0123456789abcdef"),
            with(&format!("Bearer {wrong_secret}")),
            with(&format!("bearer{KEY}")),
        ] {
            let reply = Reply::of(request).await;
            let problem = reply.problem(401, "unauthenticated");
            assert!(!problem.retryable);
            assert_eq!(reply.header("www-authenticate"), "Bearer realm=\"merit\"", "{method} {path}");
        }
    }
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn operations_need_no_key_and_tell_no_secrets() {
    let (_setup, _broker, client, _upstream) = broker_with_function().await;
    client.invoke("f", "secret payload").await.expect(200);
    for path in ["/livez", "/readyz", "/metrics", "/openapi.json"] {
        let reply = Reply::of(client.bare(Method::GET, path)).await.expect(200);
        assert!(!reply.text().contains("secret payload") && !reply.text().contains(KEY), "{path}");
    }
}

#[tokio::test]
async fn metrics_name_no_function_no_account_and_no_tag() {
    let upstream = Upstream::start(script::echoes()).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("nameless-one", Worth::Once, &["a"]);
    let (_broker, client) = setup.start_with_client().await;
    let caller = client.caller("payer-two", &["invoke"]).await;
    Reply::of(caller.order("nameless-one").header("merit-tags", "team=third-team").body("x")).await.expect(200);
    caller.invoke("nobody-has-it", "x").await.problem(404, "unknown-function");
    let metrics = Reply::of(client.bare(Method::GET, "/metrics")).await.expect(200).text();
    assert!(metrics.contains("venue=\"a\""), "venues are bounded: {metrics}");
    for name in ["nameless-one", "payer-two", "third-team", "team", "nobody-has-it"] {
        assert!(!metrics.contains(&format!("\"{name}")), "{name} is in the metrics");
    }
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once_and_after_a_restart() {
    let (setup, mut broker, client, _upstream) = broker_with_function().await;
    let key = client.create_key("search", &["invoke"]).await;
    let search = client.with_key(&key.secret);
    let receipt = search.invoke("f", "x").await.expect(200);
    Reply::of(client.request(Method::DELETE, &format!("/v1/keys/{}", key.id))).await.expect(204);
    search.invoke("f", "x").await.problem(401, "unauthenticated");
    Reply::of(client.request(Method::DELETE, &format!("/v1/keys/{}", key.id))).await.problem(404, "not-found");

    assert!(broker.stop().await.success());
    let (_broker, client) = setup.start_with_client().await;
    client.with_key(&key.secret).invoke("f", "x").await.problem(401, "unauthenticated");
    assert_eq!(client.receipt(receipt.invocation()).await.account, "search", "its receipts stay");
}

#[tokio::test]
async fn a_key_without_the_role_is_403_and_is_told_the_role() {
    let (_setup, _broker, client, upstream) = broker_with_function().await;
    let invoke = client.caller("search", &["invoke"]).await;
    let finance = client.caller("money", &["finance"]).await;
    for (caller, method, path, role) in [
        (&finance, Method::POST, "/v1/functions/f/invocations", "invoke"),
        (&finance, Method::POST, "/v1/functions/f/quotes", "invoke"),
        (&invoke, Method::PUT, "/v1/functions/f", "admin"),
        (&invoke, Method::DELETE, "/v1/functions/f", "admin"),
        (&finance, Method::DELETE, "/v1/functions/f/deployments/a", "admin"),
        (&invoke, Method::PUT, "/v1/venues/a/price-sheet", "admin"),
        (&invoke, Method::POST, "/v1/keys", "admin"),
        (&finance, Method::GET, "/v1/keys", "admin"),
        (&invoke, Method::DELETE, "/v1/keys/x", "admin"),
        (&invoke, Method::GET, "/v1/accounts/default/budget", "finance"),
        (&invoke, Method::PUT, "/v1/accounts/search/budget", "finance"),
        (&invoke, Method::GET, "/v1/spend?account=default", "finance"),
    ] {
        let body = if path.ends_with("keys") { "{\"account\":\"x\",\"roles\":[\"invoke\"]}" } else { "{}" };
        let reply = Reply::of(caller.request(method.clone(), path).body(body)).await;
        assert_eq!(reply.status, 403, "{method} {path}: {}", reply.text());
        let problem = reply.problem(403, "forbidden");
        assert!(problem.detail.contains(&format!("`{role}`")), "{method} {path}: {problem:?}");
    }
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn callers_see_their_own_money_and_finance_sees_everybodys() {
    let (_setup, _broker, client, _upstream) = broker_with_function().await;
    let (search, shop) = (client.caller("search", &["invoke"]).await, client.caller("shop", &["invoke"]).await);
    let finance = client.caller("money", &["finance"]).await;
    let of_search = search.invoke("f", "x").await.expect(200);
    shop.invoke("f", "x").await.expect(200);
    shop.invoke("f", "x").await.expect(200);

    assert_eq!(search.spend("account").await.total, "0.01");
    assert_eq!(shop.spend("account").await.total, "0.02");
    assert_eq!(finance.spend("account").await.total, "0.03");
    assert_eq!(finance.budget("shop").await.spent, "0.02");
    assert_eq!(search.budget("search").await.spent, "0.01");
    assert_eq!(search.receipt(of_search.invocation()).await.account, "search");
    assert_eq!(finance.receipt(of_search.invocation()).await.charge, "0.01");
    // To a stranger a receipt does not exist.
    let path = format!("/v1/invocations/{}", of_search.invocation());
    Reply::of(shop.request(Method::GET, &path)).await.problem(404, "not-found");
    assert_eq!(client.budget(FIRST_ACCOUNT).await.spent, "0");
}

#[tokio::test]
async fn the_first_start_shows_a_key_once_and_keeps_only_its_hash() {
    let setup = Setup::new();
    let mut command = setup.command();
    command.env_remove("MERIT_BOOTSTRAP_KEY");
    let mut broker = crate::support::Process::start(command, &setup.path("log")).await;
    let log = broker.log();
    let key = log.split_whitespace().find(|word| word.starts_with("mrt_")).expect("the key is shown").to_owned();
    assert_eq!(Client::new(broker.address(), &key).budget(FIRST_ACCOUNT).await.spent, "0");
    assert!(broker.stop().await.success());
    for entry in walk(&setup.store()) {
        let bytes = std::fs::read(&entry).expect("a file of the store");
        assert!(!contains(&bytes, key.as_bytes()), "{} holds the key", entry.display());
    }

    let mut command = setup.command();
    command.env_remove("MERIT_BOOTSTRAP_KEY");
    let broker = crate::support::Process::start(command, &setup.path("second-log")).await;
    assert!(!broker.log().contains("mrt_"), "it is shown once");
    assert_eq!(Client::new(broker.address(), &key).budget(FIRST_ACCOUNT).await.spent, "0");
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
