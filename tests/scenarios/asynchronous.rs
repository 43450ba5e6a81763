//! Calls that a venue takes and answers later: as tasks of Alibaba's simulated Function Compute.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Client, Process, Setup, Worth, merit_command};

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
