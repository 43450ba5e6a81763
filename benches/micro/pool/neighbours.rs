//! What a hostile function costs its neighbours in one pool: p99 of a WebAssembly function and of a program that are
//! called without a pause, in turns alone and beside each hostile function.
//!
//! The hostile ones are called again and again, each call until its deadline kills it: WebAssembly that loops for
//! ever and that grows and fills memory; programs that loop, fill memory and fork without end. Programs are bounded as
//! an operator would bound strangers on a small machine: half a CPU and 64 processes.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use hdrhistogram::Histogram;
use merit_load::{clock, report};
use merit_pool::PoolConfig;
use tokio::task::JoinHandle;

use crate::serving::{Client, Serving, histogram, micros};

/// Turns alone and beside each hostile function, and how long one lasts.
const ROUNDS: usize = 5;
const TURN: u64 = clock::SECOND / 2;
/// When a hostile call is killed: it takes up most of a turn.
const DEADLINE_MS: u64 = 400;
/// The aim: p99 beside a hostile function over p99 alone.
const AIM: f64 = 1.2;

/// WebAssembly that never ends, and that wants all memory and writes to all that it gets.
const LOOPS: &str = r#"(module (memory 1) (func (export "_start") (loop $again (br $again))))"#;
const GROWS: &str = r#"(module (memory 1) (func (export "_start") (loop $again
    (drop (memory.grow (i32.const 16)))
    (memory.fill (i32.const 0) (i32.const 1) (i32.mul (memory.size) (i32.const 65536)))
    (br $again))))"#;

/// What is called, and the payload that makes it hostile.
const HOSTILE: [(&str, &str, &str); 5] = [
    ("WebAssembly that loops", "loops", ""),
    ("WebAssembly that fills memory", "grows", ""),
    ("a program that loops", "probe", r#"{"do":"spin"}"#),
    ("a program that fills memory", "probe", r#"{"do":"memory_bomb"}"#),
    ("a program that forks without end", "probe", r#"{"do":"fork_bomb"}"#),
];

/// The neighbours, with their payloads.
const NEIGHBOURS: [(&str, &str); 2] = [("primes", "1000"), ("small", "{}")];

pub(crate) async fn measure() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    // Programs run as other users.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
    let pool = Serving::start(&config(folder.path())?).await?;
    report::line(&format!(
        "neighbours: a WebAssembly function and a program, called without a pause, {ROUNDS} turns of {} ms each alone \
         and beside a hostile function; ratios of p99, aim at most {AIM}",
        TURN / 1_000_000
    ))?;
    let header = ["beside", "wasm p99 us", "alone", "ratio", "program p99 us", "alone", "ratio", "hostile calls"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let mut client = pool.client().await?;
    turn(&mut client, &mut [histogram(), histogram()]).await?;
    for (label, function, payload) in HOSTILE {
        let (mut alone, mut beside) = ([histogram(), histogram()], [histogram(), histogram()]);
        let mut killed = 0;
        for _ in 0..ROUNDS {
            turn(&mut client, &mut alone).await?;
            let attack = Attack::start(&pool, function, payload);
            turn(&mut client, &mut beside).await?;
            killed += attack.end().await?;
        }
        ensure!(killed > 0, "{label}: no call was hostile");
        let mut row = vec![label.to_owned()];
        for (beside, alone) in beside.iter().zip(&alone) {
            let (beside, alone) = (micros(beside, 0.99), micros(alone, 0.99));
            row.extend([format!("{beside:.0}"), format!("{alone:.0}"), format!("{:.2}", beside / alone)]);
        }
        row.push(killed.to_string());
        rows.push(row);
    }
    drop(client);
    pool.stop().await;
    report::line(&report::table(&rows))?;
    Ok(())
}

/// Calls both neighbours by turns for as long as a turn lasts.
async fn turn(client: &mut Client, histograms: &mut [Histogram<u64>; 2]) -> anyhow::Result<()> {
    let end = clock::now() + TURN;
    while clock::now() < end {
        for ((function, payload), histogram) in NEIGHBOURS.iter().zip(histograms.iter_mut()) {
            histogram.saturating_record(client.succeed(function, &Bytes::from_static(payload.as_bytes())).await?);
        }
    }
    Ok(())
}

/// A hostile function that is called again and again.
struct Attack {
    over: Arc<AtomicBool>,
    calls: JoinHandle<anyhow::Result<u64>>,
}

impl Attack {
    fn start(pool: &Serving, function: &'static str, payload: &'static str) -> Self {
        let (over, address) = (Arc::new(AtomicBool::new(false)), pool.address());
        let ends = Arc::clone(&over);
        let calls = tokio::spawn(async move {
            let (mut client, mut killed) = (Client::connect(address).await?, 0);
            while !ends.load(Ordering::Relaxed) {
                let (status, reply, _) =
                    client.call(function, &Bytes::from_static(payload.as_bytes()), DEADLINE_MS).await?;
                ensure!(status != 200, "{function} was not hostile: {}", String::from_utf8_lossy(&reply));
                killed += u64::from(status == 500);
            }
            Ok(killed)
        });
        Self { over, calls }
    }

    /// Waits until the last call is over; how many were killed.
    async fn end(self) -> anyhow::Result<u64> {
        self.over.store(true, Ordering::Relaxed);
        self.calls.await?
    }
}

fn config(folder: &Path) -> anyhow::Result<PoolConfig> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let functions = folder.join("functions");
    for name in ["small", "probe"] {
        std::fs::create_dir_all(functions.join(name))?;
    }
    std::fs::copy(root.join("examples/functions/primes/primes.wasm"), functions.join("primes.wasm"))?;
    for (name, text) in [("loops", LOOPS), ("grows", GROWS)] {
        std::fs::write(functions.join(name).with_extension("wasm"), wat::parse_str(text)?)?;
    }
    let programs = root.join("sandbox/programs/tests/functions");
    std::fs::copy(programs.join("probe/bootstrap"), functions.join("probe/bootstrap"))?;
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", "-static", "-o"]).arg(functions.join("small/bootstrap")).arg(programs.join("runtime.c"));
    let compiled = compiler.status().context("there is no C compiler; run `make setup`")?;
    ensure!(compiled.success(), "runtime.c does not compile");
    let settings = "kind = \"runtime-api\"\nmemory_mb = 128\n";
    std::fs::write(functions.join("small/function.toml"), settings)?;
    std::fs::write(functions.join("probe/function.toml"), format!("{settings}vcpu = \"0.5\"\nprocesses = 64\n"))?;
    let mut config = PoolConfig::new(functions);
    config.cache = Some(folder.join("cache"));
    config.machine.memory_mb = Some(2048);
    Ok(config)
}
