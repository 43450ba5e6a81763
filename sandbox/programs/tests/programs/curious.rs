//! Curious programs: what of the host, of the pool and of their neighbours they can see and reach.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::support::{Bench, probe, reply};

const REFUSED: [&str; 3] = ["No such file or directory", "Permission denied", "Not a directory"];

#[tokio::test]
async fn the_hosts_files_are_not_there() {
    let bench = Bench::new();
    let instance = bench.probe().await;
    let cache = bench.cache.to_string_lossy().into_owned();
    let secrets = ["/etc/shadow", "/etc/ssh", "/root", "/home", "/var/lib", "/run", "/sys", "/mnt", &cache];
    let seen = reply(&instance, json!({ "do": "look", "paths": secrets })).await;
    for path in secrets {
        let error = seen[path]["errno"].as_str().unwrap_or_else(|| panic!("{path}: {}", seen[path]));
        assert!(REFUSED.contains(&error), "{path}: {error}");
    }
    let seen = reply(&instance, json!({ "do": "look", "paths": ["/", "/etc/passwd", "/var/task"] })).await;
    let top: Vec<&str> = seen["/"].as_array().expect("a folder").iter().filter_map(Value::as_str).collect();
    let expected = ["bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "opt", "proc", "sbin", "tmp", "usr", "var"];
    assert!(top.iter().all(|name| expected.contains(name)), "{top:?}");
    assert!(seen["/etc/passwd"].as_str().is_some_and(|text| text.lines().count() == 2), "{seen}");
    assert_eq!(seen["/var/task"], json!(["bootstrap"]));
    instance.stop().await;
}

#[tokio::test]
async fn nothing_but_tmp_can_be_written() {
    let bench = Bench::new();
    let instance = bench.probe().await;
    let folders =
        ["/", "/usr", "/usr/bin", "/etc", "/var/task", "/dev", "/dev/shm", "/opt", "/proc", "/proc/sys/kernel"];
    let written = reply(&instance, json!({ "do": "write_everywhere", "folders": folders })).await;
    for folder in folders {
        assert_ne!(written[folder], "written", "{folder}");
    }
    assert_eq!(reply(&instance, json!({ "do": "write_everywhere", "folders": ["/tmp"] })).await["/tmp"], "written");
    instance.stop().await;
}

#[tokio::test]
async fn tmp_is_each_instances_own() {
    let bench = Bench::new();
    let (first, second) = tokio::join!(bench.probe(), bench.probe());
    reply(&first, json!({ "do": "remember", "text": "a secret" })).await;
    assert_eq!(reply(&second, json!({ "do": "look", "paths": ["/tmp"] })).await["/tmp"], json!([]));
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn no_process_that_can_be_seen_has_the_pools_environment() {
    let bench = Bench::new();
    let mut other = probe();
    other.environment.insert("SECRET".to_owned(), "of another function".to_owned());
    let (instance, other) = tokio::join!(bench.probe(), bench.start(other));
    let seen = reply(&instance, json!({ "do": "environments" })).await;
    let processes = seen.as_object().expect("processes");
    assert!(processes.contains_key("1"), "{processes:?}");
    for (process, environment) in processes {
        let environment = environment.as_str().expect("text");
        // Every test has this from cargo, as a pool has its key from its service.
        assert!(!environment.contains("CARGO_MANIFEST_DIR"), "{process}: {environment}");
        assert!(!environment.contains("SECRET"), "{process}: {environment}");
    }
    // Bubblewrap's process, that of the program, and no others: not the pool's, nor the neighbour's.
    assert_eq!(processes.len(), 2, "{:?}", processes.keys());
    instance.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn no_descriptor_of_the_pool_is_inherited() {
    let bench = Bench::new();
    let instance = bench.probe().await;
    let open = reply(&instance, json!({ "do": "descriptors" })).await;
    for (name, target) in open.as_object().expect("descriptors") {
        let target = target.as_str().expect("text");
        let own = target == "/dev/null" || target.starts_with("/proc/") || target.starts_with("socket:");
        let output = matches!(name.as_str(), "self/1" | "self/2" | "1/1" | "1/2") && target.starts_with("pipe:");
        let reaper = name.starts_with("1/");
        assert!(own || output || (reaper && target.starts_with("anon_inode:")), "{name} is {target}: {open}");
    }
    instance.stop().await;
}

#[tokio::test]
async fn neither_the_metadata_address_nor_the_hosts_loopback_can_be_reached() {
    let bench = Bench::new();
    let service = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = service.local_addr().expect("an address").port();
    let instance = bench.probe().await;
    let loopback = format!("127.0.0.1:{port}");
    let addresses = ["169.254.169.254:80", "8.8.8.8:53", &loopback, "10.0.0.1:80"];
    let reached = reply(&instance, json!({ "do": "reach", "addresses": addresses })).await;
    assert!(reached[loopback.as_str()].as_str().is_some_and(|error| error.contains("refused")), "{reached}");
    for address in ["169.254.169.254:80", "8.8.8.8:53", "10.0.0.1:80"] {
        let error = reached[address].as_str().expect("text");
        assert!(error.contains("unreachable"), "{address}: {error}");
    }
    // And its own Runtime API is reached.
    let own = reply(&instance, json!({ "do": "reach", "addresses": ["127.0.0.1:9001"] })).await;
    assert_eq!(own["127.0.0.1:9001"], "connected");
    instance.stop().await;
}

#[tokio::test]
#[cfg(target_arch = "x86_64")]
async fn system_calls_that_are_denied_are_not_there() {
    const NOT_THERE: u64 = 38;
    const NEW_USER: u64 = 0x1000_0000;
    let bench = Bench::new();
    let instance = bench.probe().await;
    let calls = json!([
        ["mount", 165, 0, 0, 0, 0, 0],
        ["unshare users", 272, NEW_USER],
        ["clone users", 56, NEW_USER | 17, 0, 0, 0, 0],
        ["clone3", 435, 0, 0],
        ["ptrace", 101, 0, 0, 0, 0],
        ["bpf", 321, 0, 0, 0],
        ["io_uring_setup", 425, 1, 0],
        ["keyctl", 250, 0, 0],
        ["kexec_load", 246, 0, 0, 0, 0],
        ["socket vsock", 41, 40, 1, 0],
        ["socket alg", 41, 38, 5, 0],
        ["x32 getpid", 0x4000_0027_u64],
    ]);
    let results = reply(&instance, json!({ "do": "syscalls", "calls": calls })).await;
    for (name, result) in results.as_object().expect("results") {
        assert_eq!(*result, NOT_THERE, "{name}");
    }
    // What programs need is there: getpid, and sockets of the Internet.
    let calls = json!([["getpid", 39], ["socket inet", 41, 2, 1, 0]]);
    let results = reply(&instance, json!({ "do": "syscalls", "calls": calls })).await;
    assert_eq!(results, json!({ "getpid": "done", "socket inet": "done" }));
    instance.stop().await;
}
