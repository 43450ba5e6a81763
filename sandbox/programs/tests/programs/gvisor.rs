//! The `gvisor` class: the same programs, served by another kernel. `make setup` installs `runsc`.

use std::time::Duration;

use merit_programs::{Isolation, Kind, Network, Program, Source};
use merit_units::Micros;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{Bench, call_within, function, kind, probe, reply};

fn isolated(program: Program) -> Program {
    Program { isolation: Isolation::Gvisor, ..program }
}

#[tokio::test]
async fn a_program_runs_on_another_kernel_and_sees_nothing_of_the_host() {
    let bench = Bench::new();
    assert!(bench.machine.offers(Isolation::Gvisor), "runsc is missing, or this is not root; run `make setup`");
    let instance = bench.start(isolated(probe())).await;
    let paths = ["/etc/shadow", "/root", "/home", "/run", "/proc/version", "/"];
    let seen = reply(&instance, json!({ "do": "look", "paths": paths })).await;
    let host = std::fs::read_to_string("/proc/version").expect("a kernel");
    let version = seen["/proc/version"].as_str().expect("text");
    assert_ne!(version, host);
    for path in ["/etc/shadow", "/root", "/home", "/run"] {
        assert_eq!(seen[path]["errno"], "No such file or directory", "{path}");
    }
    // Its `/tmp` is its own and stays.
    assert_eq!(reply(&instance, json!({ "do": "remember", "text": "warm" })).await, Value::Null);
    assert_eq!(reply(&instance, json!({ "do": "remember", "text": "again" })).await, "warm");
    let written = reply(&instance, json!({ "do": "write_everywhere", "folders": ["/usr", "/var/task"] })).await;
    assert!(written.as_object().expect("folders").values().all(|result| result != "written"), "{written}");
    let reached = reply(&instance, json!({ "do": "reach", "addresses": ["169.254.169.254:80"] })).await;
    assert_ne!(reached["169.254.169.254:80"], "connected");
    instance.stop().await;
    let left = std::fs::read_dir(&bench.cache).expect("the cache").flatten();
    let bundles = left.filter(|entry| entry.file_name().to_string_lossy().contains("-run-"));
    assert_eq!(bundles.count(), 0, "its bundle is removed");
}

#[tokio::test]
async fn an_endless_loop_is_killed_at_its_deadline() {
    let bench = Bench::new();
    let instance = bench.start(isolated(probe())).await;
    let begun = Instant::now();
    let ran = call_within(&instance, json!({ "do": "spin_deaf" }), Micros::from_secs(1)).await;
    assert_eq!(kind(&ran), "Timeout");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(ran.usage.cpu > Micros::from_millis(100), "gVisor's own processes are metered: {:?}", ran.usage);
    instance.stop().await;
}

#[tokio::test]
async fn an_http_program_is_reached() {
    let bench = Bench::new();
    let program = Program {
        kind: Kind::Http { port: 8080, concurrency: 2 },
        command: ["/usr/bin/python3", "server.py"].map(str::to_owned).to_vec(),
        limits: probe().limits,
        ..Program::new("web", Source::Directory(function("web")))
    };
    let instance = bench.start(isolated(program)).await;
    let invocation = merit_programs::Invocation::new("a-call", "the body", Micros::from_secs(30));
    let reply = instance.invoke(invocation, None).await.outcome.expect("a reply");
    let seen: Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!(seen["body"], "the body");
    instance.stop().await;
}

#[test]
fn it_is_never_given_the_machines_network() {
    let bench = Bench::new();
    let program = Program { network: Network::Host, ..isolated(probe()) };
    let error = bench.machine.prepare(program).expect_err("refused").to_string();
    assert!(error.contains("has no network"), "{error}");
}
