//! `merit demo` from its beginning to its end, and stopped in between. Short, and on a port of its own.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::{merit_command, until};

/// A run of the demo on a busy machine: it compiles five functions, and calls each of them at every venue.
const PATIENCE: Duration = Duration::from_secs(120);

/// The demo with few calls, on any free port. The functions really run, and on a busy machine more calls would wait for
/// longer than they may.
fn demo(more: &[&str]) -> Command {
    let short = ["demo", "--once", "--listen", "127.0.0.1:0", "--seconds", "8", "--rate", "15", "--tour", "1"];
    let mut command = merit_command(&[&short, more].concat());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The processes that another has started.
fn children(parent: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").expect("the processes can be listed");
    let ids = all.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        status.lines().any(|line| line.strip_prefix("PPid:").is_some_and(|of| of.trim().parse() == Ok(parent)))
    })
    .collect()
}

#[tokio::test]
async fn the_demo_raises_a_price_and_kills_a_cloud_and_its_books_agree() {
    let run = demo(&["--json"]).output();
    let output = timeout(PATIENCE, run).await.expect("it ends by itself").expect("it can be started");
    let text = String::from_utf8(output.stderr).expect("text");
    let figures = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{:?}\n{text}\n{figures}", output.status);
    let report: Value = serde_json::from_str(&figures).expect("figures");
    assert_eq!((&report["good"], &report["books_agree"], &report["failed"]), (&true.into(), &true.into(), &0.into()));
    assert!(report["calls"].as_u64().is_some_and(|calls| calls > 50), "{report}");

    let incidents = report["incidents"].as_array().expect("incidents");
    assert_eq!(
        (incidents.len(), &incidents[0]["what"], &incidents[1]["what"]),
        (2, &json!("price raised to 400 %"), &json!("killed"))
    );
    for incident in incidents {
        assert!(incident["gained"].as_array().is_some_and(|gained| !gained.is_empty()), "others took over: {incident}");
    }
    let share = |key: &str| incidents[1][key].as_f64().expect("a share");
    assert!(share("share_after") < share("share_before") / 4.0, "nothing runs at a dead cloud: {}", incidents[1]);
    for words in ["raised its prices to 400 %", "died.", "They agree:", "openfaas-dc1", "knative-dc1"] {
        assert!(text.contains(words), "{words} in\n{text}");
    }
    // Every cloud has been called by its adapter, and billed what it was called.
    let books = report["books"].as_array().expect("books");
    for venue in ["openfaas-dc1", "knative-dc1", "aws-us-east-1", "azure-eastus", "google-us-central1"] {
        let own = books.iter().find(|books| books["venue"] == venue).unwrap_or_else(|| panic!("{venue}"));
        assert!(own["agrees"] == true && own["billed_calls"].as_u64() >= Some(5), "{own}");
    }
    assert!(!text.contains('\x1b'), "no terminal, no control codes");
}

#[tokio::test]
async fn an_interrupt_stops_the_demo_soon_and_leaves_nothing_running() {
    let mut child = demo(&[]).spawn().expect("it can be started");
    let id = child.id().expect("it runs");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
    let loaded = async {
        while let Some(line) = lines.next_line().await.expect("it can be read") {
            if line.starts_with("the load:") {
                return;
            }
        }
        panic!("it ended before the load");
    };
    timeout(PATIENCE, loaded).await.expect("the load begins");
    let started = children(id);
    assert_eq!(started.len(), 3, "the clouds, the broker and the pool: {started:?}");

    kill_process(Pid::from_raw(i32::try_from(id).expect("an id")).expect("an id"), Signal::INT)
        .expect("it can be signalled");
    let status = timeout(Duration::from_secs(20), child.wait()).await.expect("it ends soon").expect("it ends");
    let mut told = String::new();
    lines.into_inner().read_to_string(&mut told).await.expect("text");
    assert_eq!(status.code(), Some(130), "as shells have it: {told}");
    assert!(told.contains("stopped:"), "{told}");
    for one in started {
        until("its processes are gone", async || (!Path::new(&format!("/proc/{one}")).exists()).then_some(())).await;
    }
}
