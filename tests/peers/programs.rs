//! Functions of runtimes that nobody here wrote, unmodified, in a real pool that has joined a real broker: AWS's runtimes
//! for Rust and Python, and Google's Functions Framework for Python and Node. A caller of Merit gets their replies, and is
//! charged by the meters.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use merit_units::Money;
use merit_wire::{KeyCreated, OfferList};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, Process, Reply, Setup, merit_command, until_within};

#[cfg(feature = "long")]
mod long;

/// Interpreters start slowly while others want the cores.
const PATIENCE: Duration = Duration::from_secs(60);

/// A function's name and what is particular in its `function.toml`.
type Described = (&'static str, &'static str);

const PROGRAMS: [Described; 4] = [
    ("rust", "kind = \"runtime-api\"\n"),
    (
        "python",
        "kind = \"runtime-api\"\nhandler = \"main.handler\"\ndirectory = \"../../packed\"\n\
         command = [\"/usr/bin/python3\", \"-m\", \"awslambdaric\", \"main.handler\"]\n",
    ),
    (
        "web",
        "kind = \"http\"\nconcurrency = 4\ndirectory = \"../../packed\"\ncommand = [\"/usr/bin/python3\", \"-m\", \
         \"functions_framework\", \"--target\", \"web\", \"--source\", \"main.py\"]\n",
    ),
    (
        "node",
        "kind = \"http\"\nconcurrency = 4\ndirectory = \"../../packed-node\"\ncommand = [\"node\", \
         \"node_modules/@google-cloud/functions-framework/build/src/main.js\", \"--target\", \"web\"]\n",
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-rL").arg(from).arg(to).status().expect("cp");
    assert!(copied.success(), "{} can't be copied; run `make setup`", from.display());
}

/// The functions as an operator would lay them out.
fn lay_out(setup: &Setup) {
    let (programs, packed) = (root().join("sandbox/programs/tests"), setup.path("packed"));
    copy(&programs.join("peers/.venv"), &packed);
    copy(&programs.join("functions/lambda/main.py"), &packed.join("main.py"));
    let packed = setup.path("packed-node");
    copy(&programs.join("functions/node"), &packed);
    copy(&programs.join("peers/node_modules"), &packed.join("node_modules"));
    describe(setup, &PROGRAMS);
    let built = root().join("examples/programs/rust/target/release/lambda-function");
    copy(&built, &setup.path("functions/rust/bootstrap"));
}

fn describe(setup: &Setup, programs: &[Described]) {
    for (name, kind) in programs {
        let folder = setup.path("functions").join(name);
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let text = format!("{kind}memory_mb = 256\ninit_timeout_ms = 60000\n");
        std::fs::write(folder.join("function.toml"), text).expect("a file can be written");
    }
}

/// A broker, and a pool with these functions, which `lay_out` puts in place, that has joined it.
async fn joined(programs: &[Described], lay_out: fn(&Setup)) -> (Setup, Process, Process, Client) {
    use std::os::unix::fs::PermissionsExt as _;
    let setup = Setup::new();
    // Programs run as other users.
    std::fs::set_permissions(setup.path("."), std::fs::Permissions::from_mode(0o755)).expect("its own folder");
    lay_out(&setup);
    let setup = setup
        .text("venues.pool", "kind", "provider")
        .text("venues.pool", "region", "here")
        .set("venues.pool", "offers", "[\"*\"]")
        .set("venues.pool", "vouch", true)
        .set("venues.pool", "private_addresses", true)
        .set("venues.pool", "trial_calls", 0);
    let setup =
        programs.iter().fold(setup, |setup, (name, _)| setup.set(&format!("functions.{name}"), "idempotent", false));
    let (broker, client) = setup.start_with_client().await;
    let spec = json!({ "account": "pool", "roles": ["provider"], "venues": ["pool"] });
    let key: KeyCreated = Reply::of(client.request(Method::POST, "/v1/keys").json(&spec)).await.json(201);
    let join = format!("[join]\nurl = \"http://{}\"\nvenue = \"pool\"\n", broker.address());
    let text = "[pool]\nlisten = \"127.0.0.1:0\"\nfunctions = \"functions\"\ncache = \"cache\"\nconcurrency = 8\n\
                [machine]\nmemory_mb = 2048\n[schedule]\nqueue_wait_ms = 60000\n";
    setup.write("pool.toml", &format!("{text}{join}"));
    let mut command = merit_command(&["pool", "--config"]);
    command.arg(setup.path("pool.toml")).env("MERIT_PROVIDER_KEY", &key.secret);
    let pool = Process::start_within(PATIENCE, command, &setup.path("pool.log")).await;
    until_within(PATIENCE, "all functions are offered", async || {
        let list: OfferList = client.get("/v1/venues/pool/offers").await;
        (list.offers.iter().filter(|offer| offer.state == "live").count() == programs.len()).then_some(())
    })
    .await;
    (setup, broker, pool, client)
}

/// Calls until the pool is asked: what is offered is in the books a moment later.
async fn call(client: &Client, function: &str, payload: &Value) -> Reply {
    until_within(PATIENCE, "the pool is asked", async || {
        let order = client.order(function).header("content-type", "application/json");
        let reply = Reply::of(order.header("merit-deadline", "60s").body(payload.to_string())).await;
        (reply.status != 422).then_some(reply)
    })
    .await
}

/// Calls a function that sums numbers, by whichever runtime of Lambda's: it runs warm, fails by its own error, and goes on.
async fn sums(function: &str, pool: &Process, client: &Client) {
    for calls in 1..=2 {
        let reply = call(client, function, &json!({ "numbers": [1, 2, 39] })).await;
        assert_eq!((reply.status, reply.venue()), (200, "pool"), "{function}: {}\n{}", reply.text(), pool.log());
        let answer: Value = serde_json::from_slice(&reply.body).expect("JSON");
        let told = ["sum", "calls", "function"].map(|key| answer[key].clone());
        assert_eq!(told, [json!(42), json!(calls), json!(function)], "{answer}");
        assert!(answer["request"].as_str().is_some_and(|id| !id.is_empty()), "{answer}");
        let receipt = client.receipt(reply.invocation()).await;
        assert!(!receipt.estimated && reply.charge() > Money::ZERO, "it is charged by its meters: {receipt:?}");
    }
    let failed = call(client, function, &json!({ "fail": true })).await;
    assert!(failed.text().contains("as asked"), "{function}: {} {}", failed.status, failed.text());
    assert!(!failed.header("merit-function-error").is_empty(), "{:?}", failed.headers);
    let again = call(client, function, &json!({ "numbers": [1] })).await;
    let answer: Value = again.json(200);
    assert_eq!(answer["sum"], 1, "the instance goes on after a failure of its function: {answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_of_other_peoples_runtimes_run_unmodified_behind_merit() {
    let (_setup, _broker, pool, client) = joined(&PROGRAMS, lay_out).await;
    for function in ["rust", "python"] {
        sums(function, &pool, &client).await;
    }
    for function in ["web", "node"] {
        let reply = call(&client, function, &json!({ "a": 1 })).await;
        assert_eq!((reply.status, reply.venue()), (200, "pool"), "{function}: {}\n{}", reply.text(), pool.log());
        let answer: Value = serde_json::from_slice(&reply.body).expect("JSON");
        assert_eq!(answer, json!({ "path": "/", "name": null, "body": { "a": 1 } }), "{function}");
        let receipt = client.receipt(reply.invocation()).await;
        assert!(!receipt.estimated && reply.charge() > Money::ZERO, "it is charged by its meters: {receipt:?}");
    }
}
