//! The example provider, `examples/provider/provider.py`, at a real broker: it joins, quotes, gets calls, is paid and
//! withdraws.
//!
//! Known limitation: it needs `python3`, 3.11 or newer (`make setup`).

use std::process::Stdio;

use merit_units::Money;
use reqwest::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::support::{Client, PATIENCE, Process, Reply, Setup, dollars, until};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/provider/provider.py");

struct Provider {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Provider {
    /// Starts it, and waits until it says that it offers something.
    async fn start(broker: &Process, key: &str) -> Self {
        let mut command = Command::new("python3");
        command.args([SCRIPT, "--venue", "tiny"]).kill_on_drop(true).stdout(Stdio::piped());
        command.env("MERIT_URL", format!("http://{}", broker.address())).env("MERIT_KEY", key);
        let mut child = command.spawn().expect("python3 can be started");
        let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let mut provider = Self { child, lines };
        assert_eq!(provider.line().await, "offering wordcount at tiny");
        provider
    }

    async fn line(&mut self) -> String {
        let line = timeout(PATIENCE, self.lines.next_line()).await.expect("it says something");
        line.expect("it can be read").expect("it has not ended")
    }

    async fn terminate(mut self) -> String {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(id.expect("it is running"), Signal::TERM).expect("it can be signalled");
        let last = self.line().await;
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it ends").expect("it can be waited for");
        assert!(status.success(), "{status:?}");
        last
    }
}

/// A broker with the venue `tiny`, and the key that is bound to it.
async fn broker() -> (Setup, Process, Client, String) {
    let setup = Setup::new()
        .text("venues.tiny", "kind", "provider")
        .text("venues.tiny", "region", "here")
        .set("venues.tiny", "offers", "[\"wordcount\"]")
        .set("venues.tiny", "vouch", true)
        .set("venues.tiny", "private_addresses", true)
        .set("venues.tiny", "trial_calls", 0)
        .set("functions.wordcount", "idempotent", true);
    let (broker, client) = setup.start_with_client().await;
    let spec = json!({ "account": "tiny", "roles": ["provider"], "venues": ["tiny"], "note": "" });
    let made: Value = Reply::of(client.request(Method::POST, "/v1/keys").json(&spec)).await.json(201);
    let key = made["secret"].as_str().expect("a key").to_owned();
    (setup, broker, client, key)
}

/// Whether a call of `wordcount` would find a place.
async fn is_offered(client: &Client) -> bool {
    !client.quote("wordcount", &merit_wire::QuoteRequest::default()).await.asks.is_empty()
}

#[tokio::test]
async fn it_joins_quotes_runs_calls_is_paid_and_withdraws() {
    let (_setup, broker, client, key) = broker().await;
    assert!(!is_offered(&client).await);
    let provider = Provider::start(&broker, &key).await;
    until("its offer is live", async || is_offered(&client).await.then_some(())).await;

    let mut charged = Money::ZERO;
    for (text, words) in [("the fox and the dog", 4), ("one", 1), ("", 0)] {
        let reply = client.invoke("wordcount", text).await.expect(200);
        let counts: Value = reply.json(200);
        assert_eq!(counts.as_object().expect("counts").len(), words, "{counts}");
        assert_eq!((reply.venue(), reply.header("merit-function-error")), ("tiny", ""));
        charged += reply.charge();
    }
    assert!(charged >= dollars("0.0000006"), "three requests at least: {charged}");
    // An error of the function's own is a reply that is charged.
    let broken = client.invoke("wordcount", &b"\xff"[..]).await.expect(200);
    assert_eq!(broken.header("merit-function-error"), "NotText");
    charged += broken.charge();

    let statement: Value = client.get("/v1/venues/tiny/statement").await;
    assert_eq!((&statement["fills"], dollars(statement["earned"].as_str().expect("dollars"))), (&json!(4), charged));
    assert_eq!(provider.terminate().await, format!("earned {charged} dollars with 4 calls this month"));
    assert!(!is_offered(&client).await);
    client.invoke("wordcount", "x").await.problem(422, "no-eligible-venue");
}

#[tokio::test]
async fn nobody_but_merit_gets_an_answer_and_a_dead_one_is_out_when_its_offer_expires() {
    let (_setup, broker, client, key) = broker().await;
    let mut provider = Provider::start(&broker, &key).await;
    until("its offer is live", async || is_offered(&client).await.then_some(())).await;
    let offers: Value = client.get("/v1/venues/tiny/offers").await;
    let endpoint = offers["endpoint"].as_str().expect("an address").trim_end_matches('/').to_owned();
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let stamp = jiff::Timestamp::now().as_second().to_string();
    for headers in [
        vec![],
        vec![("webhook-id", "a"), ("webhook-timestamp", stamp.as_str()), ("webhook-signature", "v1,AAAA")],
        vec![("webhook-id", "a"), ("webhook-timestamp", "1"), ("webhook-signature", "v1,AAAA")],
    ] {
        let mut request = http.post(format!("{endpoint}/wordcount")).body("steal");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        assert_eq!(request.send().await.expect("an answer").status().as_u16(), 401);
    }
    provider.child.kill().await.expect("it can be killed");
    until("its offer has expired", async || (!is_offered(&client).await).then_some(())).await;
}
