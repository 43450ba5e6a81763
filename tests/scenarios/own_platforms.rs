//! Platforms on one's own machines as `merit sim` plays them, called by the real adapter: OpenFaaS with its queue, and
//! Knative with its hosts, its events and its queue that overflows.

use std::path::Path;

use merit_units::Money;
use merit_wire::DiscoveryView;
use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Client, Process, Reply, Setup, Worth, dollars, merit_command};

const CLOUDS: &str = r#"
[[cloud]]
name = "faas"
price_sheet = "own/default"
protocol = "openfaas"
gateway_password = "sesame"
[[cloud.function]]
name = "orders"
runs = "json-transform"
memory_mb = 256
tags = { "merit-function" = "json-transform" }

[[cloud]]
name = "knative"
price_sheet = "own/default"
protocol = "knative"
namespace = "shop"
domain = "example.com"
queue_depth = 0
api_token = "sesame"
cloudevents = true
"#;

const FUNCTION: &str = "json-transform";
const PAYLOAD: &[u8] = include_bytes!("../../examples/functions/json-transform/input.json");

async fn clouds(folder: &Setup) -> Process {
    folder.write("sim.toml", CLOUDS);
    let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/functions");
    // Meters are believed only where modelled time passes as real time does.
    let mut command = merit_command(&["sim", "--listen", "127.0.0.1:0", "--time-scale", "1", "--config"]);
    command.arg(folder.path("sim.toml")).arg("--functions").arg(functions);
    Process::start(command, &folder.path("clouds.log")).await
}

/// The function at the gateway, by its name and by its queue, and at the ingress.
fn venues(setup: Setup, clouds: &Process, worth: Worth) -> Setup {
    let at = |cloud: &str| format!("http://{}/{cloud}/", clouds.address());
    let setup = setup.function(FUNCTION, worth, &[]);
    let gateway = |setup: Setup, name: &str, target: &str| {
        let section = format!("venues.{name}");
        setup
            .venue(name, &at("faas"), "own/default")
            .text(&section, "preset", "openfaas")
            .text(&format!("{section}.gateway"), "user", "admin")
            .text(&format!("{section}.gateway"), "password", "sesame")
            .deployment(FUNCTION, name, 128)
            .text(&format!("functions.{FUNCTION}.deployments.{name}"), "target", target)
    };
    let setup = gateway(gateway(setup, "waited-for", FUNCTION), "queued", &format!("async/{FUNCTION}"));
    setup
        .venue("knative", &at("knative"), "own/default")
        .text("venues.knative", "preset", "knative")
        .text("venues.knative", "domain", "example.com")
        .text("venues.knative", "namespace", "shop")
        .text("venues.knative.cloudevents", "type", "com.example.call")
        .text("venues.knative.cloudevents", "source", "/merit")
        .text("venues.knative.api", "url", at("knative"))
        .text("venues.knative.api", "token", "sesame")
        .deployment(FUNCTION, "knative", 128)
}

/// A broker that can be brought callbacks. Where its door is, it is told when it has a port.
async fn broker(setup: Setup) -> (Setup, Process, Client) {
    let (broker, client) = setup.start_with_client().await;
    let setup = setup.text("server", "callback_url", format!("http://{}/", broker.address()));
    setup.save();
    broker.signal(Signal::HUP);
    broker.logged("the configuration is reloaded").await;
    (setup, broker, client)
}

async fn called(client: &Client, venue: &str) -> Reply {
    Reply::of(client.order(FUNCTION).header("merit-venues", venue).body(PAYLOAD)).await
}

async fn billed(clouds: &Client, cloud: &str) -> (u64, Money) {
    let invoice: Value = clouds.get(&format!("/_sim/clouds/{cloud}/invoice")).await;
    (invoice["calls"].as_u64().expect("a count"), dollars(invoice["charges"].as_str().expect("an amount")))
}

#[tokio::test]
async fn calls_are_replied_to_and_charged_as_they_are_billed_where_durations_are_told() {
    let setup = Setup::new();
    let process = clouds(&setup).await;
    let (_setup, _broker, client) = broker(venues(setup, &process, Worth::Once)).await;
    let clouds = Client::new(process.address(), "none");
    let (mut replies, mut charged) = (Vec::new(), Money::ZERO);
    for (calls, venue) in [(1, "waited-for"), (2, "queued")] {
        let reply = called(&client, venue).await.expect(200);
        assert_eq!(reply.venue(), venue);
        charged += reply.charge();
        let (billed_calls, billed) = billed(&clouds, "faas").await;
        // Merit rounds each call, the cloud its sum.
        let apart = (charged - billed).pico().abs();
        assert!(billed_calls == calls && apart < i128::from(calls), "{venue}: {charged} against {billed}");
        let receipt: Value = serde_json::to_value(client.receipt(reply.invocation()).await).expect("JSON");
        assert_eq!((&receipt["estimated"], receipt["attempts"].as_array().map(Vec::len)), (&json!(false), Some(1)));
        replies.push(reply.text());
    }
    let reply = called(&client, "knative").await.expect(200);
    let receipt: Value = serde_json::to_value(client.receipt(reply.invocation()).await).expect("JSON");
    assert_eq!((reply.venue(), &receipt["estimated"]), ("knative", &json!(true)), "Knative tells no meters");
    assert_eq!(billed(&clouds, "knative").await.0, 1);
    replies.push(reply.text());
    assert!(replies.windows(2).all(|pair| pair[0] == pair[1]), "{replies:?}");
}

#[tokio::test]
async fn who_is_full_is_left_for_another_and_what_is_deployed_is_listed() {
    let setup = Setup::new();
    let process = clouds(&setup).await;
    let (_setup, _broker, client) = broker(venues(setup, &process, Worth::Idempotent)).await;
    let clouds = Client::new(process.address(), "none");
    let control = async |cloud: &str, change: Value| {
        let request = clouds.request(Method::POST, &format!("/_sim/clouds/{cloud}/control")).json(&change);
        Reply::of(request).await.expect(200);
    };
    let busy = ("faas", "waited-for", "knative", "Concurrent request limit exceeded");
    for (full, venue, other, words) in [("knative", "knative", "waited-for", "pending request queue full"), busy] {
        control(full, json!({ "concurrency": 0 })).await;
        let refused = called(&client, venue).await;
        assert!(refused.status >= 400 && refused.text().contains(words), "{}", refused.text());
        let both = client.order(FUNCTION).header("merit-venues", format!("{venue}, {other}")).body(PAYLOAD);
        assert_eq!(Reply::of(both).await.expect(200).venue(), other, "{full} is full");
        control(full, json!({ "concurrency": null })).await;
    }
    control("faas", json!({ "error_rate": 1.0 })).await;
    let lost = called(&client, "waited-for").await;
    assert!(lost.status >= 500 && lost.text().contains("Can't reach service for"), "{}", lost.text());
    assert_eq!(lost.header("merit-function-error"), "", "no function said so");
    let both = client.order(FUNCTION).header("merit-venues", "waited-for, knative").body(PAYLOAD);
    assert_eq!(Reply::of(both).await.expect(200).venue(), "knative", "it may be run twice");
    control("faas", json!({ "error_rate": null })).await;
    for (venue, expected) in [("waited-for", "orders"), ("knative", FUNCTION)] {
        let path = format!("/v1/venues/{venue}/discover");
        let shown: DiscoveryView = Reply::of(client.request(Method::POST, &path)).await.json(200);
        let found = shown.found.iter().find(|found| found.name == expected);
        let found = found.unwrap_or_else(|| panic!("{expected} in {:?}", shown.found));
        assert_eq!(found.function.as_deref(), Some(FUNCTION), "by its label or its name: {found:?}");
    }
}
