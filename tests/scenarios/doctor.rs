//! `merit venues doctor` before simulated clouds: all well, a wrong key, nobody there, a page in place of an answer.

use std::path::Path;

use merit_wire::{StepView, VenueCheckView};
use serde_json::Value;

use crate::support::{Client, KEY, Process, Reply, Setup, Upstream, Worth, merit_command, run_to_end, script};

const CLOUDS: &str = r#"
[[cloud]]
name = "alibaba"
price_sheet = "alibaba-fc/intl"
protocol = "fc"
[[cloud.key]]
access_key_id = "LTAIEXAMPLE"
secret_access_key = "sesame"

[[cloud]]
name = "tencent"
price_sheet = "tencent-scf/cn"
protocol = "scf"
[[cloud.key]]
access_key_id = "AKIDEXAMPLE"
secret_access_key = "sesame"

[[cloud]]
name = "google"
price_sheet = "google-run/tier1"
protocol = "google"
region = "us-central1"

[[cloud]]
name = "azure"
price_sheet = "azure-consumption/eastus"
protocol = "azure"
function_key = "sesame"

[[cloud]]
name = "workers"
price_sheet = "cloudflare-workers"
protocol = "workers"
bearer_token = "sesame"

[[cloud]]
name = "faas"
price_sheet = "own/default"
protocol = "openfaas"
gateway_password = "sesame"

[[cloud]]
name = "knative"
price_sheet = "own/default"
protocol = "knative"
api_token = "sesame"
"#;

const FUNCTION: &str = "json-transform";

async fn clouds(folder: &Setup) -> Process {
    folder.write("sim.toml", CLOUDS);
    let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/functions");
    let mut command = merit_command(&["sim", "--listen", "127.0.0.1:0", "--time-scale", "0", "--config"]);
    command.arg(folder.path("sim.toml")).arg("--functions").arg(functions);
    Process::start(command, &folder.path("clouds.log")).await
}

/// A venue of that kind with its own keys, and the function deployed there.
fn venue(setup: Setup, name: &str, kind: &str, sheet: &str, own: &[(&str, &str)]) -> Setup {
    let section = format!("venues.{name}");
    let setup =
        setup.text(&section, "kind", kind).text(&section, "region", "us-central1").text(&section, "sheet", sheet);
    let setup = own.iter().fold(setup, |setup, (key, value)| match key.strip_prefix("credentials.") {
        Some(key) => setup.text(&format!("{section}.credentials"), key, value),
        None => setup.text(&section, key, value),
    });
    let setup = setup.deployment(FUNCTION, name, if kind == "cloudflare-workers" { 128 } else { 512 });
    let chosen = kind == "alibaba-fc";
    if chosen { setup.text(&format!("functions.{FUNCTION}.deployments.{name}"), "vcpu", "0.35") } else { setup }
}

fn alibaba(setup: Setup, name: &str, endpoint: &str, secret: &str) -> Setup {
    let own = [
        ("endpoint_url", endpoint),
        ("credentials.access_key_id", "LTAIEXAMPLE"),
        ("credentials.access_key_secret", secret),
    ];
    venue(setup, name, "alibaba-fc", "alibaba-fc/intl", &own)
}

fn tencent(setup: Setup, name: &str, endpoint: &str, secret: &str) -> Setup {
    let own =
        [("endpoint_url", endpoint), ("credentials.secret_id", "AKIDEXAMPLE"), ("credentials.secret_key", secret)];
    venue(setup, name, "tencent-scf", "tencent-scf/cn", &own)
}

/// An OpenFaaS gateway, whose lists want that password.
fn faas(setup: Setup, name: &str, url: &str, password: &str) -> Setup {
    let setup = venue(setup, name, "http", "own/default", &[("preset", "openfaas"), ("url", url)]);
    let gateway = format!("venues.{name}.gateway");
    setup.text(&gateway, "user", "admin").text(&gateway, "password", password)
}

/// A Knative ingress, whose list wants that token.
fn knative(setup: Setup, name: &str, url: &str, token: &str) -> Setup {
    let own = [("preset", "knative"), ("url", url), ("domain", "example.com")];
    let api = format!("venues.{name}.api");
    venue(setup, name, "http", "own/default", &own).text(&api, "url", url).text(&api, "token", token)
}

/// Whether all was well, by the exit code, and the steps.
async fn doctor(broker: &Process, venue: &str) -> (bool, Vec<StepView>) {
    doctor_with(broker, &["venues", "doctor", venue, "--json"]).await
}

async fn invoked(broker: &Process, venue: &str) -> (bool, Vec<StepView>) {
    doctor_with(broker, &["venues", "doctor", venue, "--invoke", "--json"]).await
}

async fn doctor_with(broker: &Process, arguments: &[&str]) -> (bool, Vec<StepView>) {
    let mut command = merit_command(arguments);
    command.env("MERIT_URL", format!("http://{}", broker.address())).env("MERIT_KEY", KEY);
    let output = run_to_end(&mut command).await;
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(!text.contains("sesame") && !text.contains("hunter2"), "{text}");
    let mut views: Vec<VenueCheckView> = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let view = views.pop().expect("the venue");
    assert_eq!(view.well, output.status.success(), "{view:?}");
    (view.well, view.steps)
}

fn named<'s>(steps: &'s [StepView], name: &str) -> &'s StepView {
    steps.iter().find(|step| step.step == name).unwrap_or_else(|| panic!("{name} in {steps:?}"))
}

/// The first step that failed: its name, what was found and what to do.
fn failed(steps: &[StepView]) -> (&str, &str, &str) {
    let step = steps.iter().find(|step| step.result == "failed").unwrap_or_else(|| panic!("{steps:?}"));
    (&step.step, &step.found, &step.todo)
}

async fn calls(clouds: &Client, cloud: &str) -> u64 {
    let invoice: Value = clouds.get(&format!("/_sim/clouds/{cloud}/invoice")).await;
    invoice["calls"].as_u64().expect("a count")
}

#[tokio::test]
async fn every_cloud_is_well_and_nothing_has_run_there() {
    let setup = Setup::new().function(FUNCTION, Worth::Idempotent, &[]);
    let clouds = clouds(&setup).await;
    let at = |cloud: &str| format!("http://{}/{cloud}", clouds.address());
    let today = jiff::Timestamp::now().strftime("%F");
    let setup = setup.set("exchange_rates", "CNY", format!("{{ usd = \"0.14\", date = \"{today}\" }}"));
    let setup = tencent(alibaba(setup, "alibaba", &at("alibaba"), "sesame"), "tencent", &at("tencent"), "sesame");
    let google = [("endpoint_url", &*at("google")), ("metadata_url", &*at("google"))];
    let setup = venue(setup, "google", "google-run", "google-run/tier1", &google);
    let setup =
        setup.text("venues.google", "project", "merit-sim").text("venues.google", "api_endpoint_url", at("google"));
    let azure = [("endpoint_url", &*format!("{}/api", at("azure"))), ("credentials.function_key", "sesame")];
    let setup = venue(setup, "azure", "azure-functions", "azure-consumption/eastus", &azure);
    let workers = [("url", &*format!("{}/", at("workers"))), ("credentials.bearer_token", "sesame")];
    let setup = venue(setup, "workers", "cloudflare-workers", "cloudflare-workers", &workers);
    let setup = knative(faas(setup, "faas", &at("faas"), "sesame"), "knative", &at("knative"), "sesame");
    let (broker, _client) = setup.start_with_client().await;
    let clouds_client = Client::new(clouds.address(), "none");
    for (venue, dry) in [("faas", "none"), ("knative", "none")] {
        let (well, steps) = doctor(&broker, venue).await;
        assert!(well && named(&steps, "listing").result == "ok", "{venue}: {steps:?}");
        assert_eq!(named(&steps, "dry invocation").result, dry, "{venue}: {steps:?}");
        assert_eq!(calls(&clouds_client, venue).await, 0, "{venue}: nothing has run");
    }
    for (venue, dry) in [("alibaba", "ok"), ("tencent", "ok"), ("google", "ok"), ("azure", "none"), ("workers", "none")]
    {
        let (well, steps) = doctor(&broker, venue).await;
        assert!(well, "{venue}: {steps:?}");
        for (step, result) in
            [("credentials", "ok"), ("connection", "ok"), ("price sheet", "ok"), ("dry invocation", dry)]
        {
            assert_eq!(named(&steps, step).result, result, "{venue}: {steps:?}");
        }
        assert_eq!(calls(&clouds_client, venue).await, 0, "{venue}: nothing has run");
    }
}

#[tokio::test]
async fn what_is_wrong_is_named_with_what_to_do() {
    let setup = Setup::new().function(FUNCTION, Worth::Idempotent, &[]);
    let clouds = clouds(&setup).await;
    let page = Upstream::start(script::replies("<html>please sign in</html>")).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let at = |cloud: &str| format!("http://{}/{cloud}", clouds.address());
    let setup = alibaba(setup, "wrong-key", &at("alibaba"), "hunter2");
    let setup = alibaba(setup, "closed", &format!("http://{closed}"), "sesame");
    let setup = alibaba(setup, "nowhere", "http://fc.merit.invalid", "sesame");
    let setup = tencent(tencent(setup, "wrong-scf-key", &at("tencent"), "hunter2"), "page", &page.url(), "sesame");
    let gone = [("endpoint_url", &*format!("http://{closed}")), ("metadata_url", &*format!("http://{closed}"))];
    let setup = venue(setup, "no-metadata", "google-run", "google-run/tier1", &gone);
    let setup = faas(setup, "wrong-password", &at("faas"), "hunter2");
    let setup = knative(setup, "wrong-token", &at("knative"), "hunter2");
    let (broker, _client) = setup.start_with_client().await;
    for (venue, step, found, todo) in [
        ("wrong-password", "listing", "401", "[venues.NAME.gateway]"),
        ("wrong-token", "listing", "Unauthorized", "[venues.NAME.api]"),
        ("wrong-key", "dry invocation", "check the access key's secret", "credentials"),
        ("wrong-scf-key", "dry invocation", "check the SecretKey", "credentials"),
        ("closed", "connection", &*closed.to_string(), "firewalls"),
        ("nowhere", "name", "fc.merit.invalid", "name servers"),
        ("page", "dry invocation", "not of SCF", "a page to sign in at"),
        ("no-metadata", "credentials", "no ID token", "metadata server"),
    ] {
        let (well, steps) = doctor(&broker, venue).await;
        let seen = failed(&steps);
        assert!(!well && seen.0 == step, "{venue}: {steps:?}");
        assert!(seen.1.contains(found) && seen.2.contains(todo), "{venue}: {seen:?}");
        let priced = named(&steps, "price sheet");
        assert_eq!(priced.result, "ok", "{venue}: what stands in the way does not hide the prices: {steps:?}");
    }
}

#[tokio::test]
async fn one_real_call_is_made_when_it_is_asked_for_and_paid() {
    let setup = Setup::new().function(FUNCTION, Worth::Idempotent, &[]);
    let clouds = clouds(&setup).await;
    let at = |cloud: &str| format!("http://{}/{cloud}", clouds.address());
    let google = [("endpoint_url", &*at("google")), ("metadata_url", &*at("google"))];
    let setup = venue(setup, "google", "google-run", "google-run/tier1", &google);
    // The key is wrong, which nothing shows but a call.
    let azure = [("endpoint_url", &*format!("{}/api", at("azure"))), ("credentials.function_key", "hunter2")];
    let setup = venue(setup, "azure", "azure-functions", "azure-consumption/eastus", &azure);
    let workers = [("url", &*format!("{}/", at("workers"))), ("credentials.bearer_token", "sesame")];
    let setup = venue(setup, "workers", "cloudflare-workers", "cloudflare-workers", &workers);
    let other = Upstream::start(script::replies("{\"another\":\"reply\"}")).await;
    let setup = setup.flat("plain", &other.url(), "0.0001").deployment(FUNCTION, "plain", 128);
    let (broker, client) = setup.start_with_client().await;
    let (well, steps) = invoked(&broker, "google").await;
    let step = named(&steps, "invocation");
    assert!(well && step.result == "none" && step.found.contains("merit functions samples record"), "{step:?}");

    let input = include_str!("../../examples/functions/json-transform/input.json");
    let sample = client.order(FUNCTION).header("merit-venues", "google").body(input);
    let right = Reply::of(sample).await.expect(200).text();
    setup.write("payload", input);
    setup.write("reply", &right);
    let mut record = merit_command(&["functions", "samples", "record", FUNCTION, "--file"]);
    record.arg(setup.path("payload")).arg("--reply").arg(setup.path("reply"));
    record.env("MERIT_URL", format!("http://{}", broker.address())).env("MERIT_KEY", KEY);
    let recorded = run_to_end(&mut record).await;
    assert!(recorded.status.success(), "{recorded:?}");
    let clouds_client = Client::new(clouds.address(), "none");
    let before = calls(&clouds_client, "google").await;
    for venue in ["google", "workers"] {
        let (well, steps) = invoked(&broker, venue).await;
        let step = named(&steps, "invocation");
        assert!(well && step.result == "ok" && step.found.contains("charged 0"), "{venue}: {step:?}");
        assert_eq!(calls(&clouds_client, venue).await, if venue == "google" { before + 1 } else { 1 }, "{venue}");
    }
    assert!(doctor(&broker, "azure").await.0, "nothing shows it without a call");
    for (venue, found, todo) in [("azure", "401", "credentials"), ("plain", "charged 0.0001 dollars", "the same code")]
    {
        let (well, steps) = invoked(&broker, venue).await;
        let seen = failed(&steps);
        assert!(
            !well && seen.0 == "invocation" && seen.1.contains(found) && seen.2.contains(todo),
            "{venue}: {steps:?}"
        );
    }
    assert_eq!(other.count(), 1);
    let spent = client.spend("account").await;
    let text = serde_json::to_string(&spent).expect("JSON");
    assert!(text.contains("equivalence"), "the calls are charged to their own account: {text}");
}
