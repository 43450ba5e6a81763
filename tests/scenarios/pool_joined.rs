//! A real pool that joins a real broker: it is called, its price follows its load, it is killed, stopped, cut off
//! and comes back.

use std::path::Path;
use std::time::Duration;

use merit_units::Money;
use merit_wire::{KeyCreated, OfferList};
use reqwest::Method;
use serde_json::json;
use tokio::time::Instant;

use crate::support::{Client, Process, Reply, Setup, dollars, merit_command, run_to_end, until, until_within};

/// The issue's bound is a second; a busy machine of two cores is given this much.
const SOON: Duration = Duration::from_secs(5);

/// A broker with the venue `pool`, whose functions nobody has deployed anywhere.
struct Stage {
    setup: Setup,
    broker: Process,
    client: Client,
    key: String,
}

impl Stage {
    async fn set(setup: Setup) -> Self {
        let venue = "venues.pool";
        let setup = setup
            .text(venue, "kind", "provider")
            .text(venue, "region", "here")
            .set(venue, "offers", "[\"*\"]")
            .set(venue, "vouch", true)
            .set(venue, "private_addresses", true)
            .set(venue, "trial_calls", 0)
            .set("functions.primes", "idempotent", true)
            .set("functions.wait", "idempotent", false);
        let (broker, client) = setup.start_with_client().await;
        let spec = json!({ "account": "pool", "roles": ["provider"], "venues": ["pool"] });
        let created: KeyCreated = Reply::of(client.request(Method::POST, "/v1/keys").json(&spec)).await.json(201);
        Self { setup, broker, client, key: created.secret }
    }

    /// Starts the pool with two calls at once and a price that moves ten times a second.
    async fn pool(&self) -> Process {
        self.pool_by(merit_command(&["pool"]), "127.0.0.1:0", &format!("http://{}", self.broker.address()), "").await
    }

    async fn pool_by(&self, mut command: tokio::process::Command, listen: &str, exchange: &str, join: &str) -> Process {
        let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/functions");
        let wanted = self.setup.path("functions");
        std::fs::create_dir_all(&wanted).expect("a folder can be made");
        for name in ["primes", "wait"] {
            std::fs::copy(functions.join(name).join(format!("{name}.wasm")), wanted.join(format!("{name}.wasm")))
                .expect("a module can be copied");
        }
        let text = format!(
            "[pool]\nlisten = \"{listen}\"\nfunctions = \"functions\"\ncache = \"cache\"\nconcurrency = 2\n\
             [machine]\nmemory_mb = 1024\nvcpu = \"2\"\n[price]\nknee_percent = 0\nstep_ms = 100\nceiling_percent = 125\n\
             [join]\nurl = \"{exchange}\"\nvenue = \"pool\"\n{join}\n"
        );
        self.setup.write("pool.toml", &text);
        command.arg("--config").arg(self.setup.path("pool.toml")).env("MERIT_PROVIDER_KEY", &self.key);
        Process::start(command, &self.setup.path("pool.log")).await
    }

    async fn offers(&self) -> OfferList {
        self.client.get("/v1/venues/pool/offers").await
    }

    /// Waits until every offer is in this state.
    async fn all(&self, state: &str, within: Duration) {
        until_within(within, &format!("all offers are {state}"), async || {
            let offers = self.offers().await.offers;
            (offers.len() == 2 && offers.iter().all(|offer| offer.state == state)).then_some(())
        })
        .await;
    }

    async fn joined(&self) {
        self.all("live", Duration::from_secs(20)).await;
    }

    /// Calls until the pool answers: what is offered is in the books a moment later.
    async fn answers(&self) -> Reply {
        until("the pool answers", async || {
            let reply = self.client.invoke("primes", "1000").await;
            (reply.status == 200).then_some(reply)
        })
        .await
    }

    /// What a millisecond of CPU time costs in the offer of `wait`.
    async fn rate(&self) -> Money {
        let offers = self.offers().await.offers;
        let wait = offers.iter().find(|offer| offer.offer.id == "wait-128").expect("it is offered");
        dollars(&wait.offer.prices["cpu_ms"])
    }

    fn wait(&self, millis: &str) -> tokio::task::JoinHandle<Reply> {
        let (client, millis) = (self.client.clone(), millis.to_owned());
        tokio::spawn(async move { client.invoke("wait", millis).await })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_joins_is_called_and_asks_more_while_it_is_busy() {
    let stage = Stage::set(Setup::new()).await;
    let mut pool = stage.pool().await;
    stage.joined().await;

    let reply = stage.answers().await;
    assert_eq!((reply.venue(), reply.text().trim()), ("pool", r#"{"limit":1000,"primes":168}"#));
    assert!(reply.charge() > Money::ZERO);
    let receipt = stage.client.receipt(reply.invocation()).await;
    let metered: Vec<&str> = receipt.meters.iter().map(|meter| meter.meter.as_str()).collect();
    assert!(!receipt.estimated && metered.contains(&"cpu_ms") && metered.contains(&"gib_second"), "{receipt:?}");

    // Nobody but Merit gets through to the functions.
    let direct = reqwest::Client::new().post(format!("http://{}/primes", pool.address())).body("1000").send().await;
    assert_eq!(direct.expect("the pool answers").status(), 401);

    // The rule is published with each offer, and the price keeps to it.
    let offers = stage.offers().await.offers;
    let rule = offers[0].offer.rule.as_ref().expect("a rule");
    let (floor, ceiling) = (&rule["floor"]["cpu_ms"], &rule["ceiling"]["cpu_ms"]);
    let (floor, ceiling) = (dollars(floor.as_str().expect("a price")), dollars(ceiling.as_str().expect("a price")));
    assert_eq!(stage.rate().await, floor);
    let busy = [stage.wait("6000"), stage.wait("6000")];
    until("the price is at its ceiling", async || (stage.rate().await == ceiling).then_some(())).await;
    for call in busy {
        call.await.expect("no panic").expect(200);
    }
    until("the price is at its floor again", async || (stage.rate().await == floor).then_some(())).await;

    // Told to stop, it takes its offers back, ends what runs and goes.
    let running = stage.wait("1500");
    until("the call runs", async || {
        let health: serde_json::Value =
            reqwest::get(format!("http://{}/healthz", pool.address())).await.ok()?.json().await.ok()?;
        (health["free"] == 1).then_some(())
    })
    .await;
    let status = pool.stop().await;
    assert!(status.success(), "{status}\n{}", pool.log());
    assert_eq!(running.await.expect("no panic").expect(200).venue(), "pool");
    stage.all("cancelled", SOON).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_killed_leaves_unknown_outcomes_and_no_offers_and_comes_back() {
    let stage = Stage::set(Setup::new()).await;
    let pool = stage.pool().await;
    stage.joined().await;
    let running = stage.wait("60000");
    until("the call runs", async || {
        let health: serde_json::Value =
            reqwest::get(format!("http://{}/healthz", pool.address())).await.ok()?.json().await.ok()?;
        (health["free"] == 1).then_some(())
    })
    .await;
    pool.kill().await;
    stage.all("cancelled", SOON).await;
    // It may have run, so it is not repeated, and the caller is told that nobody knows.
    let problem: merit_wire::Problem = running.await.expect("no panic").json(502);
    let attempts: Vec<&str> = problem.attempts.iter().map(|attempt| attempt.outcome.as_str()).collect();
    assert_eq!(attempts, ["unknown"], "{problem:?}");

    let _pool = stage.pool().await;
    stage.joined().await;
    assert_eq!(stage.answers().await.venue(), "pool");
}

/// A network of its own for a pool, joined to this one by a pair of devices.
struct Elsewhere {
    name: String,
    device: String,
    number: u32,
}

impl Elsewhere {
    async fn make() -> Self {
        let number = std::process::id() % 250;
        let this = Self { name: format!("merit-test-{number}"), device: format!("mrt{number}"), number };
        let (name, device) = (this.name.as_str(), this.device.as_str());
        let inner = format!("{device}i");
        let (here, there) = (format!("{}/24", this.here()), format!("{}/24", this.there()));
        for args in [
            &["netns", "add", name][..],
            &["link", "add", device, "type", "veth", "peer", "name", &inner],
            &["link", "set", &inner, "netns", name],
            &["addr", "add", &here, "dev", device],
            &["link", "set", device, "up"],
            &["-n", name, "addr", "add", &there, "dev", &inner],
            &["-n", name, "link", "set", &inner, "up"],
        ] {
            this.ip(args).await;
        }
        this
    }

    fn here(&self) -> String {
        format!("10.213.{}.1", self.number)
    }

    fn there(&self) -> String {
        format!("10.213.{}.2", self.number)
    }

    async fn ip(&self, args: &[&str]) {
        let ended = run_to_end(tokio::process::Command::new("ip").args(args)).await;
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(ended.status.success(), "`ip {}` failed: {said}; this test needs root and iproute2", args.join(" "));
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        // Its devices go with it.
        drop(std::process::Command::new("ip").args(["netns", "del", &self.name]).status());
        drop(
            std::process::Command::new("ip")
                .args(["link", "del", &self.device])
                .stderr(std::process::Stdio::null())
                .status(),
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_in_another_network_is_cut_off_and_comes_back() {
    let elsewhere = Elsewhere::make().await;
    let stage = Stage::set(Setup::new().text("server", "listen", "0.0.0.0:0")).await;
    let exchange = format!("http://{}:{}", elsewhere.here(), stage.broker.address().port());
    let join = format!("endpoint = \"http://{}:8791/\"\nttl_ms = 1000", elsewhere.there());
    let program = merit_command(&["pool"]);
    let mut command = tokio::process::Command::new("ip");
    command.args(["netns", "exec", &elsewhere.name]).arg(program.as_std().get_program()).arg("pool").kill_on_drop(true);
    let _pool = stage.pool_by(command, "0.0.0.0:8791", &exchange, &join).await;
    stage.joined().await;
    assert_eq!(stage.answers().await.venue(), "pool");

    elsewhere.ip(&["link", "set", &elsewhere.device, "down"]).await;
    // Nobody hears of a connection that is cut without a word. The offers stand a second without being renewed; three
    // missed heartbeats would end them too, but no sooner than after three.
    let cut = Instant::now();
    until_within(SOON, "its offers are gone", async || {
        let offers = stage.offers().await.offers;
        offers.iter().all(|offer| offer.state == "expired").then_some(())
    })
    .await;
    assert!(cut.elapsed() < Duration::from_millis(2500), "{:?}", cut.elapsed());
    stage.client.invoke("primes", "1000").await.problem(422, "no-eligible-venue");

    elsewhere.ip(&["link", "set", &elsewhere.device, "up"]).await;
    // The pool finds out by its own heartbeats and tries again after a pause of up to fifteen seconds.
    stage.all("live", Duration::from_secs(60)).await;
    assert_eq!(stage.answers().await.venue(), "pool");
}
