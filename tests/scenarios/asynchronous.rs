//! Calls that a venue takes and answers later: tasks of a simulated Function Compute, and the queue of an OpenFaaS-shaped
//! gateway, whose worker brings replies to the broker's door.

use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Client, Process, Seen, Setup, Upstream, Worth, merit_command, script};

const CLOUD: &str = r#"
[[cloud]]
name = "alibaba"
price_sheet = "alibaba-fc/intl"
protocol = "fc"
memory_mb = 512
vcpu_milli = 350
return_payload = true
[[cloud.key]]
access_key_id = "LTAIEXAMPLE"
secret_access_key = "sesame"
"#;

const FUNCTION: &str = "json-transform";
const PAYLOAD: &[u8] = include_bytes!("../../examples/functions/json-transform/input.json");

async fn cloud(folder: &Setup) -> Process {
    folder.write("sim.toml", CLOUD);
    let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/functions");
    let mut command = merit_command(&["sim", "--listen", "127.0.0.1:0", "--time-scale", "1", "--config"]);
    command.arg(folder.path("sim.toml")).arg("--functions").arg(functions);
    Process::start(command, &folder.path("cloud.log")).await
}

/// A venue there, named for how the function is called.
fn venue(setup: Setup, cloud: &Process, name: &str, target: &str) -> Setup {
    let section = format!("venues.{name}");
    let deployment = format!("functions.{FUNCTION}.deployments.{name}");
    setup
        .text(&section, "kind", "alibaba-fc")
        .text(&section, "region", "ap-southeast-1")
        .text(&section, "sheet", "alibaba-fc/intl")
        .text(&section, "endpoint_url", format!("http://{}/alibaba", cloud.address()))
        .text(&section, "async_replies", "payload")
        .text(&format!("{section}.credentials"), "access_key_id", "LTAIEXAMPLE")
        .text(&format!("{section}.credentials"), "access_key_secret", "sesame")
        .deployment(FUNCTION, name, 512)
        .text(&deployment, "target", target)
        .text(&deployment, "vcpu", "0.35")
}

#[tokio::test]
async fn a_call_that_is_a_task_is_replied_to_and_billed_as_any_other() {
    let setup = Setup::new().function(FUNCTION, Worth::Once, &[]);
    let cloud = cloud(&setup).await;
    let setup = venue(setup, &cloud, "waited-for", FUNCTION);
    let setup = venue(setup, &cloud, "asked-about", &format!("async/{FUNCTION}"));
    let (_broker, client) = setup.start_with_client().await;
    let clouds = Client::new(cloud.address(), "none");
    let mut payloads = Vec::new();
    for (calls, venue) in [(1, "waited-for"), (2, "asked-about")] {
        let order = client.order(FUNCTION).header("merit-venues", venue).body(PAYLOAD);
        let reply = crate::support::Reply::of(order).await.expect(200);
        assert_eq!(reply.venue(), venue);
        let receipt: Value = serde_json::to_value(client.receipt(reply.invocation()).await).expect("JSON");
        let attempts = receipt["attempts"].as_array().expect("attempts");
        assert_eq!((attempts.len(), &receipt["estimated"]), (1, &json!(false)), "{receipt}");
        let invoice: Value = clouds.get("/_sim/clouds/alibaba/invoice").await;
        assert_eq!(invoice["calls"], calls, "{venue}");
        payloads.push(reply.text());
    }
    assert_eq!(payloads[0], payloads[1]);
    // A payload that no asynchronous call takes goes where it is taken.
    let large = format!("\"{}\"", "x".repeat(128 * 1024));
    let reply = client.invoke(FUNCTION, large).await;
    assert_eq!(reply.venue(), "waited-for");
}

/// A queue worker: it brings `reply` to the place a call names, as OpenFaaS's does.
async fn bring(place: &str, call_id: &str, reply: Vec<u8>) -> Option<u16> {
    let request = reqwest::Client::new()
        .post(place)
        .header("x-function-status", "200")
        .header("x-function-name", FUNCTION)
        .header("x-call-id", call_id)
        .header("x-duration-seconds", "0.001000")
        .header("content-type", "application/json")
        .body(reply);
    // The door does not read what it does not take, and a connection may end before its answer is read.
    request.send().await.ok().map(|answer| answer.status().as_u16())
}

/// A gateway of OpenFaaS with its queue: it takes calls at once, and a worker of its own brings their replies.
async fn gateway() -> Upstream {
    Upstream::start(script::of(|seen: Seen| async move {
        let (place, id) = (seen.header("x-callback-url").to_owned(), seen.header("x-call-id").to_owned());
        tokio::spawn(async move { bring(&place, &id, br#"{"queued":true}"#.to_vec()).await });
        Some(script::answer(202, None))
    }))
    .await
}

/// A broker that calls by the queue. Where its door is, it is told when it has a port.
async fn by_queue(gateway: &Upstream) -> (Setup, Process, Client) {
    let setup = Setup::new()
        .flat("faas", &gateway.url(), "0.0001")
        .text("venues.faas", "preset", "openfaas")
        .set("server", "max_reply_bytes", 1000)
        .function(FUNCTION, Worth::Once, &["faas"])
        .text(&format!("functions.{FUNCTION}.deployments.faas"), "target", format!("async/{FUNCTION}"));
    let (broker, client) = setup.start_with_client().await;
    let setup = setup.text("server", "callback_url", format!("http://{}/", broker.address()));
    setup.save();
    broker.signal(Signal::HUP);
    broker.logged("the configuration is reloaded").await;
    (setup, broker, client)
}

#[tokio::test]
async fn a_call_by_the_queue_of_openfaas_is_replied_to_when_its_callback_comes() {
    let gateway = gateway().await;
    let (_setup, broker, client) = by_queue(&gateway).await;
    for _ in 0..3 {
        let reply = client.invoke(FUNCTION, PAYLOAD).await.expect(200);
        assert_eq!((reply.text().as_str(), reply.header("content-type")), (r#"{"queued":true}"#, "application/json"));
    }
    // Nobody waits under such a token, and what was brought is brought no second time.
    let place = gateway.seen().pop().expect("a call").header("x-callback-url").to_owned();
    assert_eq!(bring(&place, "1", Vec::new()).await, Some(404));
    assert_eq!(
        bring(&format!("http://{}/v1/callbacks/{:032x}", broker.address(), 7), "1", Vec::new()).await,
        Some(404)
    );
    let page = crate::support::Reply::of(client.request(reqwest::Method::GET, "/metrics")).await.expect(200).text();
    for line in [
        "merit_callbacks_total{kind=\"delivered\"} 3",
        "merit_callbacks_total{kind=\"unknown\"} 2",
        "merit_callbacks_waiting 0",
    ] {
        assert!(page.contains(line), "{line} in\n{page}");
    }
}

#[tokio::test]
async fn a_callback_that_is_too_large_fails_its_call_and_one_that_stops_half_way_may_come_again() {
    let gateway = Upstream::start(script::of(|seen: Seen| async move {
        let (place, id) = (seen.header("x-callback-url").to_owned(), seen.header("x-call-id").to_owned());
        tokio::spawn(async move {
            let address = place.strip_prefix("http://").and_then(|rest| rest.split('/').next()).expect("an address");
            let path = place.split_once(address).expect("a path").1;
            let mut half = tokio::net::TcpStream::connect(address).await.expect("a connection");
            let head = format!("POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 100\r\n\r\nhalf");
            tokio::io::AsyncWriteExt::write_all(&mut half, head.as_bytes()).await.expect("written");
            drop(half);
            bring(&place, &id, if seen.payload == "large" { vec![b'x'; 2000] } else { b"small".to_vec() }).await
        });
        Some(script::answer(202, None))
    }))
    .await;
    let (_setup, _broker, client) = by_queue(&gateway).await;
    assert_eq!(client.invoke(FUNCTION, "small").await.expect(200).text(), "small");
    let refused = client.invoke(FUNCTION, "large").await;
    assert!(refused.status >= 500 && refused.text().contains("max_reply_bytes"), "{}", refused.text());
}
