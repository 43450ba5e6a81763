//! The client commands against a broker that runs: the same binary on both sides, as people use it.

use serde_json::Value;

use crate::support::{Client, FIRST_ACCOUNT, KEY, Process, Setup, Upstream, Worth, merit_command, run_to_end, script};

/// What a command did.
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) async fn merit(broker: &Process, key: &str, args: &[&str]) -> Done {
    let mut command = merit_command(args);
    command.env("MERIT_URL", format!("http://{}", broker.address())).env("MERIT_KEY", key);
    let output = run_to_end(&mut command).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Done {
        code: output.status.code().expect("it was not killed"),
        out: text(&output.stdout),
        err: text(&output.stderr),
    }
}

/// A command that must succeed, with its JSON.
pub(crate) async fn json(broker: &Process, args: &[&str]) -> Value {
    let done = merit(broker, KEY, &[args, &["--json"]].concat()).await;
    assert_eq!(done.code, 0, "{args:?}: {}", done.err);
    serde_json::from_str(&done.out).unwrap_or_else(|error| panic!("{args:?}: {error}: {}", done.out))
}

#[tokio::test]
async fn a_morning_of_an_operator() {
    let (cheap, dear) = (Upstream::start(script::echoes()).await, Upstream::start(script::echoes()).await);
    let setup = Setup::new().flat("cheap", &cheap.url(), "0.01").flat("dear", &dear.url(), "0.02");
    let broker = setup.start().await;

    setup.write(
        "f.toml",
        "idempotent = true\n[deployments.cheap]\nvenue = \"cheap\"\ntarget = \"f\"\nmemory_mb = 128\n",
    );
    let file = setup.path("f.toml");
    let whole = ["functions", "put", "f", "--file", file.to_str().expect("UTF-8")];
    let put = ["functions", "put", "f", "--deployment", "dear"];
    let second = [&put[..], &["--venue", "dear", "--target", "f", "--memory-mb", "128"]].concat();
    for args in [&whole[..], &second] {
        let done = merit(&broker, KEY, args).await;
        assert_eq!(done.code, 0, "{}", done.err);
    }
    assert_eq!(json(&broker, &["functions", "show", "f"]).await["idempotent"], true);
    let quote = json(&broker, &["quote", "f", "--max-price", "0.015"]).await;
    assert_eq!((quote["asks"][0]["venue"].as_str(), quote["asks"][0]["cost"].as_str()), (Some("cheap"), Some("0.01")));
    assert_eq!(quote["excluded"][0]["reason"], "over-max-price");
    assert_eq!(json(&broker, &["book", "f"]).await["asks"].as_array().map(Vec::len), Some(2));

    let done = merit(&broker, KEY, &["invoke", "f", "--data", "hello", "--verbose", "--tag", "team=search"]).await;
    assert_eq!((done.code, done.out.trim_end()), (0, "hello"), "{}", done.err);
    assert!(done.err.contains("cheap") && done.err.contains("0.01"), "{}", done.err);
    let invocation = cheap.seen()[0].invocation().to_owned();
    let story = merit(&broker, KEY, &["explain", &invocation]).await;
    assert!(story.code == 0 && story.out.contains("cheap") && story.out.contains("dear"), "{}", story.out);

    let spend = json(&broker, &["spend", "--group-by", "tag:team"]).await;
    assert_eq!(
        (spend["total"].as_str(), spend["rows"][0]["group"]["tag:team"].as_str()),
        (Some("0.01"), Some("search"))
    );
    let budget = ["budgets", "set", FIRST_ACCOUNT, "--hard", "0.01"];
    assert_eq!(merit(&broker, KEY, &budget).await.code, 0);
    assert_eq!(json(&broker, &["budgets", "show", FIRST_ACCOUNT]).await["available"], "0");
}

#[tokio::test]
async fn each_way_to_fail_has_its_exit_code() {
    let upstream = Upstream::start(script::echoes()).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]).text(
        "accounts.poor",
        "budget_hard",
        "0.001",
    );
    let (mut broker, client) = setup.start_with_client().await;
    let poor = client.create_key("poor", &["invoke"]).await.secret;
    let invoke = ["invoke", "f", "--data", "x"];

    let over = merit(&broker, &poor, &invoke).await;
    assert!(over.code == 3 && over.err.contains("0.001"), "{}: {}", over.code, over.err);
    assert_eq!(merit(&broker, KEY, &["invoke", "f", "--data", "x", "--max-price", "0.001"]).await.code, 3);
    assert_eq!(merit(&broker, KEY, &["invoke", "f", "--data", "x", "--max-price", "cheap"]).await.code, 2);
    assert_eq!(merit(&broker, "mrt_nobody_0000", &invoke).await.code, 5);
    assert_eq!(merit(&broker, &poor, &["keys", "list"]).await.code, 5);
    let unknown = merit(&broker, KEY, &["invoke", "g", "--data", "x"]).await;
    assert_eq!(unknown.code, 6, "{}", unknown.err);
    upstream.play(script::cuts());
    let failed = merit(&broker, KEY, &invoke).await;
    assert!(failed.code == 1 && failed.out.is_empty(), "{}: {}", failed.code, failed.err);
    upstream.play(script::of(|_| async {
        let error = http::Response::builder().status(500).header("merit-function-error", "Trap");
        Some(error.body(http_body_util::Full::default()).expect("a response"))
    }));
    let trapped = merit(&broker, KEY, &invoke).await;
    assert!(trapped.code == 7 && trapped.err.contains("Trap"), "{}: {}", trapped.code, trapped.err);
    assert!(broker.stop().await.success());
    assert_eq!(merit(&broker, KEY, &invoke).await.code, 4);
}

#[tokio::test]
async fn a_key_made_on_the_command_line_works_until_it_is_revoked_there() {
    let setup = Setup::new();
    let broker = setup.start().await;
    let made = json(&broker, &["keys", "create", "--account", "shop", "--role", "invoke", "--note", "till"]).await;
    let (id, secret) = (made["id"].as_str().expect("an id"), made["secret"].as_str().expect("a secret"));
    assert_eq!(Client::new(broker.address(), secret).budget("shop").await.account, "shop");
    assert_eq!(merit(&broker, KEY, &["keys", "revoke", id]).await.code, 0);
    let refused = Client::new(broker.address(), secret).invoke("f", "x").await;
    refused.problem(401, "unauthenticated");
    let listed = json(&broker, &["keys", "list"]).await;
    assert!(!listed.to_string().contains(secret), "secrets are shown once");
}
