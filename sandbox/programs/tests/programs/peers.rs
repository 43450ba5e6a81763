//! Runtimes that nobody here wrote run unmodified functions: AWS's for Python, and Google's
//! Functions Framework. `make setup` installs them beside these tests.

use std::fs;
use std::path::Path;
use std::process::Command;

use http::StatusCode;
use merit_programs::{Failure, HttpHead, Invocation, Kind, Limits, Program, Source};
use merit_units::{MemoryMb, Micros};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Bench, function};

/// A folder with a function and the runtimes, as one would zip it for AWS.
fn packed() -> TempDir {
    let site = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/.venv");
    assert!(site.join("awslambdaric").is_dir(), "the runtimes are not installed; run `make setup`");
    let folder = tempfile::tempdir().expect("a folder");
    let copied = Command::new("cp").arg("-r").arg(site.join(".")).arg(folder.path()).status().expect("cp");
    assert!(copied.success());
    fs::copy(function("lambda").join("main.py"), folder.path().join("main.py")).expect("copied");
    folder
}

fn program(folder: &TempDir, kind: Kind, command: &[&str]) -> Program {
    let memory = MemoryMb::try_new(256).expect("a size");
    Program {
        kind,
        command: command.iter().map(|argument| (*argument).to_owned()).collect(),
        limits: Limits { init_timeout: Micros::from_secs(60), memory, ..Limits::default() },
        ..Program::new("peer", Source::Directory(folder.path().to_path_buf()))
    }
}

#[tokio::test]
async fn awslambdaric_runs_an_unmodified_function() {
    let bench = Bench::new();
    let folder = packed();
    let kind = Kind::RuntimeApi { handler: "main.handler".to_owned() };
    let instance =
        bench.start(program(&folder, kind, &["/usr/bin/python3", "-m", "awslambdaric", "main.handler"])).await;
    for calls in 1..=3 {
        let id = format!("0000000{calls}-e9f4-11e8-9739-2dfe598c3fcd");
        let invocation = Invocation {
            client_context: Some(r#"{"custom":{"a":"b"}}"#.to_owned()),
            ..Invocation::new(&id, json!({ "numbers": [1, 2, 39] }).to_string(), Micros::from_secs(20))
        };
        let ran = instance.invoke(invocation, None).await;
        let reply: Value = serde_json::from_slice(&ran.outcome.expect("a reply").body).expect("JSON");
        let left = reply["left_ms"].as_u64().expect("milliseconds");
        assert!((1..=20_000).contains(&left), "{left}");
        let expected = json!({
            "sum": 42, "request": id, "function": "peer", "memory": "256", "left_ms": left,
            "custom": { "a": "b" }, "calls": calls, "handler": "main.handler",
        });
        assert_eq!(reply, expected);
    }
    let failing = Invocation::new("failing", r#"{"fail":true}"#, Micros::from_secs(20));
    let Err(Failure::Reported { error_type, payload }) = instance.invoke(failing, None).await.outcome else {
        panic!("it fails")
    };
    let document: Value = serde_json::from_slice(&payload).expect("JSON");
    assert_eq!(
        (document["errorMessage"].as_str(), document["errorType"].as_str()),
        (Some("as asked"), Some("RuntimeError"))
    );
    assert!(!error_type.is_empty());
    assert!(instance.is_alive());
    instance.stop().await;
}

#[tokio::test]
async fn awslambdaric_says_why_a_function_can_not_be_loaded() {
    let bench = Bench::new();
    let folder = packed();
    let kind = Kind::RuntimeApi { handler: "absent.handler".to_owned() };
    let program = program(&folder, kind, &["/usr/bin/python3", "-m", "awslambdaric", "absent.handler"]);
    let started = merit_programs::Instance::start(&bench.machine, &bench.prepare(program)).await;
    // Depending on its version it says so at once, or in the first call.
    let message = match started {
        Err(error) => format!("{error:?}"),
        Ok(instance) => {
            let ran = instance.invoke(Invocation::new("first", "{}", Micros::from_secs(20)), None).await;
            format!("{:?} {}", ran.outcome, instance.log_tail())
        }
    };
    assert!(message.contains("ImportModuleError"), "{message}");
}

#[tokio::test]
async fn functions_framework_runs_an_unmodified_function() {
    let bench = Bench::new();
    let folder = packed();
    let kind = Kind::Http { port: 8080, concurrency: 4 };
    let command = ["/usr/bin/python3", "-m", "functions_framework", "--target", "web", "--source", "main.py"];
    let instance = bench.start(program(&folder, kind, &command)).await;
    let call = async |path: &str| {
        let mut http = HttpHead { path_and_query: path.to_owned(), ..HttpHead::default() };
        http.headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        let invocation = Invocation { http, ..Invocation::new("a-call", r#"{"a":1}"#, Micros::from_secs(20)) };
        instance.invoke(invocation, None).await.outcome.expect("a reply")
    };
    let reply = call("/greet?name=merit").await;
    assert_eq!(reply.status, StatusCode::OK);
    let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!(body, json!({ "path": "/greet", "name": "merit", "body": { "a": 1 } }));
    let failed = call("/fail").await;
    assert_eq!(failed.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(failed.headers["x-google-status"], "crash");
    instance.stop().await;
}
