//! What is left when instances end: nothing. Processes, mounts, control groups and files are counted
//! before and after, and so it is when the pool itself is killed.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use merit_programs::{Machine, MachineConfig};
use merit_units::Micros;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::support::{Bench, call_within, kind, probe, reply};

/// How long processes may take to be gone; on an idle machine it takes a few milliseconds.
const GONE: Duration = Duration::from_secs(20);

/// What an instance could leave on this machine.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    processes: BTreeSet<u32>,
    mounts: usize,
    groups: BTreeSet<String>,
    files: BTreeSet<String>,
}

impl Left {
    /// Of this process and its cache.
    fn here(cache: &Path) -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
        let files = fs::read_dir(cache)
            .expect("the cache")
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned());
        Self {
            processes: below(std::process::id()),
            mounts: mounts.lines().count(),
            groups: groups_of(&mounts, std::process::id()),
            files: files.collect(),
        }
    }
}

/// Processes below one that are not zombies.
pub(crate) fn below(pid: u32) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut todo = vec![pid];
    while let Some(pid) = todo.pop() {
        for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            todo.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        found.insert(pid);
    }
    found.remove(&pid);
    found
}

/// Control groups made by a process.
pub(crate) fn groups_of(mounts: &str, pid: u32) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let points = mounts.lines().filter(|line| line.contains(" - cgroup")).filter_map(|line| line.split(' ').nth(4));
    let mut todo: Vec<_> = points.map(std::path::PathBuf::from).collect();
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir()) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(&format!("merit-{pid}-")) {
                found.insert(entry.path().to_string_lossy().into_owned());
            }
            todo.push(entry.path());
        }
    }
    found
}

/// Waits until what is there equals what was there.
async fn comes_back_to(before: &Left, cache: &Path) {
    let deadline = Instant::now() + GONE;
    while Left::here(cache) != *before {
        assert!(Instant::now() < deadline, "left: {:?}, before: {before:?}", Left::here(cache));
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn stopped_dropped_and_killed_instances_leave_nothing() {
    let bench = Bench::new();
    bench.prepare(probe());
    let before = Left::here(&bench.cache);
    assert!(before.groups.is_empty(), "{before:?}");

    let stopped = bench.probe().await;
    assert!(!Left::here(&bench.cache).processes.is_subset(&before.processes), "an instance has processes");
    reply(&stopped, json!({ "do": "remember", "text": "x" })).await;
    stopped.stop().await;
    // At once: `stop` has waited for it.
    assert_eq!(Left::here(&bench.cache).groups, before.groups);

    drop(bench.probe().await);

    let hostile = bench.probe().await;
    let ran = call_within(&hostile, json!({ "do": "spin_deaf" }), Micros::from_millis(300)).await;
    assert_eq!(kind(&ran), "Timeout");
    drop(hostile);

    comes_back_to(&before, &bench.cache).await;
}

/// First processes of namespaces whose bubblewrap is gone, of any pool.
fn orphans() -> Vec<String> {
    let status = |pid: &str| fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = |text: &str, name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned()
    };
    let processes = fs::read_dir("/proc").expect("processes").flatten();
    let names = processes.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let orphaned = names.filter(|pid| {
        let own = status(pid);
        let first = field(&own, "NSpid:").ends_with("\t1");
        field(&own, "Name:") == "bwrap" && first && field(&status(&field(&own, "PPid:")), "Name:") != "bwrap"
    });
    orphaned.collect()
}

#[tokio::test]
async fn a_start_that_is_cut_off_at_any_moment_leaves_nothing() {
    let bench = Bench::new();
    let prepared = bench.prepare(probe());
    let before = Left::here(&bench.cache);
    for tenths in 0..100 {
        let starting = merit_programs::Instance::start(&bench.machine, &prepared);
        let _ = tokio::time::timeout(Duration::from_micros(tenths * 100), starting).await;
    }
    comes_back_to(&before, &bench.cache).await;
    let deadline = Instant::now() + GONE;
    // Another test's may be ending at this moment; one that stays is what must not be.
    while !orphans().is_empty() {
        assert!(Instant::now() < deadline, "{:?} wait for ever", orphans());
        sleep(Duration::from_millis(5)).await;
    }
}

/// Not a test by itself: the process that the next test kills.
#[test]
fn a_pool_that_waits_to_be_killed() {
    let Ok(cache) = std::env::var("MERIT_TEST_CACHE") else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let machine = Machine::open(MachineConfig::new(cache.into())).expect("a machine");
        let prepared = machine.prepare(probe()).expect("prepared");
        let instance = merit_programs::Instance::start(&machine, &prepared).await.expect("started");
        #[expect(clippy::print_stdout, reason = "the parent waits for it")]
        {
            println!("started");
        }
        call_within(&instance, json!({ "do": "spin_deaf" }), Micros::from_secs(30)).await;
    });
}

#[tokio::test]
async fn a_pool_that_is_killed_leaves_no_process_and_the_next_one_removes_its_groups() {
    let bench = Bench::new();
    let mut pool = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "leftovers::a_pool_that_waits_to_be_killed", "--nocapture"])
        .env("MERIT_TEST_CACHE", &bench.cache)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a pool");
    let mut lines = BufReader::new(pool.stdout.take().expect("piped")).lines();
    assert!(lines.any(|line| line.is_ok_and(|line| line.ends_with("started"))), "it starts");
    let processes = below(pool.id());
    assert!(processes.len() >= 3, "bubblewrap twice and the program: {processes:?}");
    pool.kill().expect("killed");
    pool.wait().expect("waited for");

    let deadline = Instant::now() + GONE;
    let alive = |pid: &&u32| Path::new(&format!("/proc/{pid}")).exists();
    while processes.iter().any(|pid| alive(&pid)) {
        assert!(Instant::now() < deadline, "{:?} are left", processes.iter().filter(alive).collect::<Vec<_>>());
        sleep(Duration::from_millis(5)).await;
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let deadline = Instant::now() + GONE;
    loop {
        Machine::open(MachineConfig::new(bench.cache.clone())).expect("a machine");
        let groups = groups_of(&mounts, pool.id());
        if groups.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "{groups:?} are left");
        sleep(Duration::from_millis(5)).await;
    }
}
