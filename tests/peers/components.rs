//! Components that tools of others made, in a real pool: by componentize-js (12 MB) and componentize-py (18 MB). Both
//! carry an interpreter, and take seconds to compile: the first call pays none of it, and the second start does not
//! again.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use reqwest::Method;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::Instant;

use crate::support::{Process, merit_command};

/// Building takes half a minute on two cores, and others may want them too.
const BUILD_PATIENCE: Duration = Duration::from_secs(200);

/// Compiling takes as long, and more where this is built without optimisation.
const COMPILE_PATIENCE: Duration = Duration::from_secs(200);

fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

/// A folder with the component that `program` makes by the script, as the function `app`.
async fn functions(program: &Path, script: &str) -> TempDir {
    let folder = TempDir::new().expect("a folder can be made");
    let mut build = Command::new(program);
    build.arg(peers().join("components").join(script)).arg(folder.path().join("app.wasm"));
    build.stdout(Stdio::null()).kill_on_drop(true);
    let built = tokio::time::timeout(BUILD_PATIENCE, build.status()).await.expect("it is built in time");
    assert!(built.is_ok_and(|status| status.success()), "{script} failed; run `make setup`");
    folder
}

struct Pool {
    process: Process,
    client: reqwest::Client,
    /// From its start until it took calls.
    ready: Duration,
}

impl Pool {
    async fn start(functions: &Path, cache: &Path, log: &Path) -> Self {
        let mut command = merit_command(&[
            "pool",
            "--listen",
            "127.0.0.1:0",
            "--timeout-ms",
            "8000",
            "--memory-mb",
            "256",
            "--functions",
        ]);
        command.arg(functions).arg("--cache").arg(cache);
        let begun = Instant::now();
        let process = Process::start_within(COMPILE_PATIENCE, command, log).await;
        Self { process, client: reqwest::Client::new(), ready: begun.elapsed() }
    }

    async fn call(&self, method: Method, path: &str) -> (u16, String, String) {
        let url = format!("http://{}/app{path}", self.process.address());
        let request = self.client.request(method, url).header("x-told", "something").body("body");
        let response = request.send().await.expect("the pool answers");
        let header = response.headers().get("merit-function-error").or(response.headers().get("x-made-by"));
        let header = header.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        assert!(response.headers().contains_key("merit-meter-cpu-us"), "what ran is metered");
        (response.status().as_u16(), header, response.text().await.expect("text"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_is_compiled_once_and_answers_requests_within_its_limits() {
    let functions = functions(Path::new("node"), "build.mjs").await;
    let scratch = TempDir::new().expect("a folder can be made");
    let (cache, log) = (scratch.path().join("cache"), scratch.path().join("log"));

    // Two pools that start at once share the work: one compiles, the other waits for it and reads.
    let (first, second) =
        tokio::join!(Pool::start(functions.path(), &cache, &log), Pool::start(functions.path(), &cache, &log));
    first.process.kill().await;
    second.process.kill().await;
    let pool = Pool::start(functions.path(), &cache, &log).await;
    let compiling = first.ready.max(second.ready);
    assert!(pool.ready < compiling / 2, "{compiling:?} with compiling, {:?} after a restart", pool.ready);

    let (status, made_by, text) = pool.call(Method::PUT, "/a/b?c=d").await;
    assert_eq!((status, made_by.as_str()), (201, "componentize-js"));
    assert_eq!(text, "PUT /a/b?c=d something 1 body");
    let (_, _, text) = pool.call(Method::POST, "").await;
    assert_eq!(text, "POST / something 1 body", "every call has an instance of its own");
    assert_eq!(pool.call(Method::POST, "/out").await.2, "not reached");

    for (path, kind) in [("/spin", "Timeout"), ("/hoard", ""), ("/flood", "OutputLimit"), ("/recurse", "")] {
        let begun = Instant::now();
        let (status, told, text) = pool.call(Method::POST, path).await;
        assert_eq!(status, 500, "{path}: {text}");
        // Of memory and recursion the interpreter may notice first, and answer 500 itself.
        assert!(kind.is_empty() || told == kind, "{path}: {told} {text}");
        assert!(begun.elapsed() < Duration::from_secs(30), "{path} was contained after {:?}", begun.elapsed());
    }
    assert_eq!(pool.call(Method::GET, "/").await.0, 201, "and the pool goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_in_python_is_compiled_before_its_first_call_and_not_again() {
    let functions = functions(&peers().join(".venv/bin/python"), "build.py").await;
    let scratch = TempDir::new().expect("a folder can be made");
    let (cache, log) = (scratch.path().join("cache"), scratch.path().join("log"));
    let first = Pool::start(functions.path(), &cache, &log).await;
    let begun = Instant::now();
    let (status, made_by, text) = first.call(Method::PUT, "/a/b?c=d").await;
    assert_eq!((status, made_by.as_str()), (201, "componentize-py"), "{text}");
    assert_eq!(text, "PUT /a/b?c=d something body");
    let called = begun.elapsed();
    assert!(called < first.ready / 2, "compiling took {:?}, and the first call {called:?}", first.ready);
    first.process.kill().await;

    let second = Pool::start(functions.path(), &cache, &log).await;
    assert!(second.ready < first.ready / 2, "{:?} with compiling, {:?} after a restart", first.ready, second.ready);
    assert_eq!(second.call(Method::POST, "").await.2, "POST / something body");
    for (path, kind) in [("/spin", "Timeout"), ("/hoard", ""), ("/flood", "OutputLimit"), ("/recurse", "")] {
        let (status, told, text) = second.call(Method::POST, path).await;
        assert_eq!(status, 500, "{path}: {text}");
        // Python notices first that there is no memory or stack left, and the component traps.
        assert!(kind.is_empty() || told == kind, "{path}: {told} {text}");
    }
    assert_eq!(second.call(Method::PUT, "/").await.0, 201, "and the pool goes on");
}
