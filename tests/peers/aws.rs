//! Clients of AWS Lambda at the Lambda-compatible door.

use std::path::{Path, PathBuf};

use reqwest::Method;
use tokio::process::Command;

use crate::functions::Functions;
use crate::support::{Client, PATIENCE, Process, Reply, Setup, until};
use merit_wire::{KeyCreated, KeySpec, ReceiptView};

/// A function for each behaviour, and others that echo for what must not be mixed up.
const FUNCTIONS: [&str; 7] = ["echo", "raises", "throttled", "streams", "echo.prod", "once", "later"];

/// A broker, its venue, and a key for clients of AWS.
struct Stage {
    functions: Functions,
    setup: Setup,
    broker: Process,
    client: Client,
    key: KeyCreated,
}

impl Stage {
    async fn new() -> Self {
        let functions = Functions::start().await;
        let mut setup = Setup::new().flat("here", &functions.url(), "0.00001");
        for function in FUNCTIONS {
            // A name with a dot is quoted in TOML.
            let section = format!("functions.\"{function}\".deployments.here");
            setup = setup.text(&section, "venue", "here").text(&section, "target", function);
            setup = setup.set(&section, "memory_mb", 128);
        }
        // Nothing is told of the venue's being throttled but by the call itself.
        let setup = setup.set("market", "throttle_pause_max_ms", 0);
        let mut command = setup.command();
        command.env("MERIT_SECRETS_KEY", "5e".repeat(32));
        let broker = Process::start(command, &setup.path("log")).await;
        let client = Client::new(broker.address(), crate::support::KEY);
        let spec = KeySpec {
            account: "app".to_owned(),
            roles: vec!["invoke".to_owned()],
            note: String::new(),
            aws: true,
            venues: Vec::new(),
        };
        let key = Reply::of(client.request(Method::POST, "/v1/keys").json(&spec)).await.json(201);
        Self { functions, setup, broker, client, key }
    }

    /// A command with what a client of AWS takes from its environment, and none of the tester's own.
    fn client(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(peers()).kill_on_drop(true);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
            command.env_remove(name);
        }
        let endpoint = format!("http://{}", self.broker.address());
        command
            .env("HOME", self.setup.path("home"))
            .env("AWS_ACCESS_KEY_ID", &self.key.id)
            .env("AWS_SECRET_ACCESS_KEY", &self.key.secret)
            .env("AWS_DEFAULT_REGION", "eu-west-1")
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ENDPOINT_URL_LAMBDA", endpoint)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("NO_PROXY", "127.0.0.1")
            .env("MERIT_UPSTREAM", self.functions.url());
        command
    }

    /// Waits until these events have come to the function that takes them.
    async fn delivered(&self, payloads: &[&str]) {
        until("the events at their function", async || {
            let seen = self.functions.seen("later");
            payloads.iter().all(|payload| seen.iter().any(|seen| seen == payload.as_bytes())).then_some(())
        })
        .await;
    }

    /// Runs a script to its end; the scenarios that it says went well.
    async fn run(&self, mut command: Command) -> Vec<String> {
        let ended = tokio::time::timeout(PATIENCE * 6, command.output()).await.expect("the client ends by itself");
        let output = ended.expect("the client can be started; `make setup` installs it");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{out}\n{err}\n{}", self.broker.log());
        out.lines().filter_map(|line| line.strip_prefix("ok ")).map(str::to_owned).collect()
    }
}

fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

fn python() -> PathBuf {
    peers().join(".venv/bin/python")
}

#[tokio::test]
async fn boto3_calls_functions_as_it_calls_lambda() {
    let stage = Stage::new().await;
    let passed = stage.run(stage.client(&python(), &["aws/calls.py"])).await;
    assert_eq!(passed.len(), 20, "{passed:?}");
    stage.delivered(&["\"event\"", "\"old\""]).await;
    let once = stage.functions.seen("once");
    assert_eq!(once.len(), 1, "a durable execution runs once, however often it is asked for");
    let invocation = passed.iter().find_map(|line| line.strip_prefix("receipt ")).expect("an invocation").to_owned();
    let receipt: ReceiptView = stage.client.receipt(&invocation).await;
    assert_eq!((receipt.account.as_str(), receipt.key.as_str()), ("app", stage.key.id.as_str()));
    assert!(!stage.broker.log().contains(&stage.key.secret), "a secret was logged");
}

#[tokio::test]
async fn boto3_is_refused_as_lambda_refuses() {
    let stage = Stage::new().await;
    let passed = stage.run(stage.client(&python(), &["aws/refusals.py"])).await;
    assert_eq!(passed.len(), 19, "{passed:?}");
    assert!(stage.functions.seen("echo").is_empty(), "nothing that was refused has run");
}

#[tokio::test]
async fn boto3_lists_what_there_is() {
    let stage = Stage::new().await;
    let passed = stage.run(stage.client(&python(), &["aws/lists.py"])).await;
    assert_eq!(passed.len(), 8, "{passed:?}");
}

#[tokio::test]
async fn the_aws_cli_calls_and_lists() {
    let stage = Stage::new().await;
    let mut command = stage.client(Path::new("bash"), &["aws/cli.sh"]);
    command.env("AWS", peers().join(".venv/bin/aws")).env("TMPDIR", stage.setup.path(""));
    let passed = stage.run(command).await;
    assert_eq!(passed.len(), 7, "{passed:?}");
    stage.delivered(&["\"cli\""]).await;
}

#[tokio::test]
async fn the_javascript_sdk_calls_and_streams() {
    let stage = Stage::new().await;
    let passed = stage.run(stage.client(Path::new("node"), &["aws/calls.mjs"])).await;
    assert_eq!(passed.len(), 12, "{passed:?}");
    stage.delivered(&["\"js\""]).await;
}
