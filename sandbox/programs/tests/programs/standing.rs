//! Programs that compute for long run behind others. Only where control groups can say so (Linux 5.15).

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use crate::leftovers::{below, groups_of};
use crate::support::{Bench, probe, reply};

/// The group of the one instance of this process that can stand behind, if there is one.
fn group() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let groups = groups_of(&mounts, std::process::id()).into_iter().map(PathBuf::from);
    let mut groups = groups;
    groups.find(|group| group.join("cpu.idle").exists())
}

/// Whether the one instance of this process stands behind; `None` where control groups can't say.
fn stands_behind() -> Option<bool> {
    let idle = group()?.join("cpu.idle");
    Some(fs::read_to_string(idle).expect("readable").trim() == "1")
}

/// The processes this one started that are in that group.
fn started_inside() -> Vec<u32> {
    let inside = group().map(|group| fs::read_to_string(group.join("cgroup.procs")).expect("readable"));
    let started = below(std::process::id());
    inside.unwrap_or_default().lines().filter_map(|pid| pid.parse().ok()).filter(|pid| started.contains(pid)).collect()
}

#[tokio::test]
async fn a_long_call_goes_behind_and_short_ones_bring_the_program_back() {
    let bench = Bench::new();
    let instance = bench.probe().await;
    let echo = || reply(&instance, json!({ "do": "echo" }));
    echo().await;
    let Some(behind) = stands_behind() else { return };
    assert!(!behind, "a short call is in front, however long the start was");
    // Whether it is there at a certain moment is another matter: on a busy machine it comes back for a while.
    let went_behind = async {
        while stands_behind() != Some(true) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::join!(reply(&instance, json!({ "do": "burn", "cpu_ms": 500 })), went_behind);
    // The first is taken for a long one, too; that it was short brings the next in front.
    echo().await;
    echo().await;
    assert_eq!(stands_behind(), Some(false), "short calls are in front again");
    instance.stop().await;
}

#[tokio::test]
async fn all_that_a_start_takes_is_in_its_group_and_behind_after_a_long_call() {
    let bench = Bench::new();
    let prepared = bench.prepare(probe());
    let start = || merit_programs::Instance::start(&bench.machine, &prepared);
    let first = start().await.expect("started");
    let Some(folder) = group() else { return };
    // Groups of version 2 hold no single threads, so there the monitor is outside.
    let processes = if folder.join("tasks").exists() { 3 } else { 2 };
    assert_eq!(started_inside().len(), processes, "the program and bubblewrap's two");
    reply(&first, json!({ "do": "burn", "cpu_ms": 300 })).await;
    first.stop().await;
    let went_behind = async {
        while stands_behind() != Some(true) {
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
    };
    let (second, ()) = tokio::join!(start(), went_behind);
    second.expect("started").stop().await;
}
