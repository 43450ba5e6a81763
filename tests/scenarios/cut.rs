//! A cloud whose load balancer ends requests while functions run on, as Azure's does after 230 seconds: whether such a
//! call ran nobody knows, so it is repeated only where that does no harm.

use std::path::Path;

use serde_json::json;

use crate::support::{Client, Process, Setup, Upstream, Worth, merit_command, script, until};

const FUNCTION: &str = "json-transform";
const PAYLOAD: &[u8] = include_bytes!("../../examples/functions/json-transform/input.json");

const CLOUD: &str = r#"
[[cloud]]
name = "azure"
price_sheet = "azure-consumption/eastus"
protocol = "azure"
function_key = "sesame"
cut_after_ms = 300
"#;

/// A cloud that answers after two seconds, or would if nothing ended the request before.
async fn slow_azure(folder: &Setup) -> (Process, Client) {
    folder.write("sim.toml", CLOUD);
    let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/functions");
    let mut command = merit_command(&["sim", "--listen", "127.0.0.1:0", "--time-scale", "1", "--config"]);
    command.arg(folder.path("sim.toml")).arg("--functions").arg(functions);
    let process = Process::start(command, &folder.path("clouds.log")).await;
    let client = Client::new(process.address(), "none");
    let slow = client.request(reqwest::Method::POST, "/_sim/clouds/azure/control");
    let changed = slow.json(&json!({ "extra_latency_ms": 2000 })).send().await.expect("an answer");
    assert!(changed.status().is_success(), "{changed:?}");
    (process, client)
}

async fn calls(clouds: &Client) -> u64 {
    let invoice: serde_json::Value = clouds.get("/_sim/clouds/azure/invoice").await;
    invoice["calls"].as_u64().expect("a count")
}

#[tokio::test]
async fn a_call_that_the_load_balancer_cut_is_repeated_only_where_that_does_no_harm() {
    for (worth, repeated) in [(Worth::Idempotent, true), (Worth::Once, false)] {
        let own = Upstream::start(script::replies("own")).await;
        let folder = Setup::new();
        let (cloud, client_of_cloud) = slow_azure(&folder).await;
        let setup = folder
            .text("venues.azure", "kind", "azure-functions")
            .text("venues.azure", "region", "eastus")
            .text("venues.azure", "sheet", "azure-consumption/eastus")
            .text("venues.azure", "endpoint_url", format!("http://{}/azure/api", cloud.address()))
            .text("venues.azure.credentials", "function_key", "sesame")
            .flat("own", &own.url(), "0.01")
            .function(FUNCTION, worth, &["own"])
            .deployment(FUNCTION, "azure", 512);
        let (_broker, client) = setup.start_with_client().await;
        let reply = client.invoke(FUNCTION, PAYLOAD).await;
        if repeated {
            let reply = reply.expect(200);
            assert_eq!((reply.venue(), reply.header("merit-attempts")), ("own", "2"));
        } else {
            let problem = reply.problem(502, "venues-failed");
            assert!(!problem.retryable, "repeating it could run it twice");
            let [attempt] = &problem.attempts[..] else { panic!("one attempt: {problem:?}") };
            assert_eq!((attempt.venue.as_str(), attempt.outcome.as_str()), ("azure", "unknown"));
            assert_eq!(own.count(), 0, "nobody repeats what may have run");
        }
        // It runs on there, and is billed.
        until("the cloud bills it", async || (calls(&client_of_cloud).await == 1).then_some(())).await;
    }
}
