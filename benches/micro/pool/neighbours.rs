//! What a hostile function costs its neighbours in one pool, and what they cost a long call of an honest one.
//!
//! Neighbours: p99 of a WebAssembly function and of a program that are called without a pause, in turns alone and
//! beside each hostile function. The hostile ones are called again and again, each call until its deadline kills it:
//! WebAssembly that loops for ever and that grows and fills memory; programs that loop, fill memory and fork without
//! end. Programs are bounded as an operator would bound strangers on a small machine: half a CPU and 64 processes.
//! Two rows are for comparison; what is in their ratios is no hostile function's doing. As each call of a hostile
//! program starts it and ends it, the same is done for an honest one that only sleeps. And a loop outside the pool,
//! under the idle policy, keeps the other core busy: on a virtual machine that alone has its host take more time away.
//! How much it took is in the columns `stolen`, in percent of all cores' time.
//!
//! Starving: what share of a core a call gets that computes without end while four clients keep the machine full of
//! short calls.
//!
//! The pool is a process of its own, as it is for its callers.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use hdrhistogram::Histogram;
use merit_load::{clock, report};
use merit_pool::{PoolConfig, meter_header};
use tokio::task::JoinHandle;

use crate::serving::{Apart, Client, histogram, micros};

/// Turns alone and beside each hostile function, and how long one lasts.
const ROUNDS: usize = 5;
const TURN: u64 = clock::SECOND / 2;
/// When a hostile call is killed: it takes up most of a turn.
const DEADLINE_MS: u64 = 400;
/// The aim: p99 beside a hostile function over p99 alone.
const AIM: f64 = 1.2;
/// Clients that keep the machine full, and how long a long call is among them.
const CLIENTS: usize = 4;
const LONG_MS: u64 = 3000;
/// The aim: what a long call gets then, of a core.
const SHARE_AIM: f64 = 0.05;

/// WebAssembly that never ends, and that wants all memory and writes to all that it gets.
const LOOPS: &str = r#"(module (memory 1) (func (export "_start") (loop $again (br $again))))"#;
const GROWS: &str = r#"(module (memory 1) (func (export "_start") (loop $again
    (drop (memory.grow (i32.const 16)))
    (memory.fill (i32.const 0) (i32.const 1) (i32.mul (memory.size) (i32.const 65536)))
    (br $again))))"#;

/// What is called, and the payload that makes it hostile; the last two are not, of which the first is no function.
const HOSTILE: [(&str, &str, &str); 7] = [
    ("WebAssembly that loops", "loops", ""),
    ("WebAssembly that fills memory", "grows", ""),
    ("a program that loops", "probe", r#"{"do":"spin"}"#),
    ("a program that fills memory", "probe", r#"{"do":"memory_bomb"}"#),
    ("a program that forks without end", "probe", r#"{"do":"fork_bomb"}"#),
    ("a loop outside, idle policy (not hostile)", OUTSIDE, ""),
    ("a program that sleeps (not hostile)", "sleeper", r#"{"do":"sleep","ms":60000}"#),
];

/// Stands for what is outside the pool.
const OUTSIDE: &str = "";

/// The neighbours, with their payloads.
const NEIGHBOURS: [(&str, &str); 2] = [("primes", "1000"), ("small", "{}")];

pub(crate) async fn measure() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    // Programs run as other users.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
    install(folder.path())?;
    let pool = Apart::start(folder.path())?;
    beside(pool.address()).await?;
    starving(pool.address()).await?;
    pool.stop()
}

/// What each hostile function costs.
async fn beside(pool: SocketAddr) -> anyhow::Result<()> {
    report::line(&format!(
        "neighbours: a WebAssembly function and a program, called without a pause, {ROUNDS} turns of {} ms each alone \
         and beside a hostile function; ratios of p99, aim at most {AIM}",
        TURN / 1_000_000
    ))?;
    let header =
        ["beside", "wasm p99 us", "alone", "ratio", "program p99 us", "alone", "ratio", "stolen", "alone", "killed"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let mut client = Client::connect(pool).await?;
    turn(&mut client, &mut [histogram(), histogram()]).await?;
    for (label, function, payload) in HOSTILE {
        let (mut alone, mut beside) = ([histogram(), histogram()], [histogram(), histogram()]);
        let (mut killed, mut stolen) = (0, [0.0; 2]);
        for _ in 0..ROUNDS {
            stolen[1] += turn(&mut client, &mut alone).await?;
            let attack = Attack::start(pool, function, payload)?;
            stolen[0] += turn(&mut client, &mut beside).await?;
            killed += attack.end().await?;
        }
        ensure!(killed > 0, "{label}: no call was hostile");
        let mut row = vec![label.to_owned()];
        for (beside, alone) in beside.iter().zip(&alone) {
            let (beside, alone) = (micros(beside, 0.99), micros(alone, 0.99));
            row.extend([format!("{beside:.0}"), format!("{alone:.0}"), format!("{:.2}", beside / alone)]);
        }
        row.extend(stolen.map(|share| format!("{:.1}", share / ROUNDS as f64)));
        row.push(killed.to_string());
        rows.push(row);
    }
    report::line(&report::table(&rows))?;
    Ok(())
}

/// Calls both neighbours by turns for as long as a turn lasts; what the host took away meanwhile, in percent.
async fn turn(client: &mut Client, histograms: &mut [Histogram<u64>; 2]) -> anyhow::Result<f64> {
    let (before, end) = (stolen()?, clock::now() + TURN);
    while clock::now() < end {
        for ((function, payload), histogram) in NEIGHBOURS.iter().zip(histograms.iter_mut()) {
            histogram.saturating_record(client.succeed(function, &Bytes::from_static(payload.as_bytes())).await?);
        }
    }
    let cores = std::thread::available_parallelism()?.get();
    Ok((stolen()? - before) * 100.0 / (TURN as f64 / 1e9 * cores as f64))
}

/// Seconds the host of a virtual machine took from its cores since it began (`proc_stat(5)`, in hundredths).
fn stolen() -> anyhow::Result<f64> {
    let text = std::fs::read_to_string("/proc/stat")?;
    let ticks = text.split_whitespace().nth(8).context("/proc/stat has no stolen time")?;
    Ok(ticks.parse::<f64>()? / 100.0)
}

/// What makes trouble until it is ended.
enum Attack {
    /// A hostile function that is called again and again.
    Calls {
        over: Arc<AtomicBool>,
        calls: JoinHandle<anyhow::Result<u64>>,
    },
    Outside(Child),
}

impl Attack {
    fn start(pool: SocketAddr, function: &'static str, payload: &'static str) -> anyhow::Result<Self> {
        if function == OUTSIDE {
            let looping = ["--idle", "0", "sh", "-c", "while :; do :; done"];
            return Ok(Self::Outside(Command::new("chrt").args(looping).spawn().context("chrt, of util-linux")?));
        }
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let calls = tokio::spawn(async move {
            let (mut client, mut killed) = (Client::connect(pool).await?, 0);
            while !ends.load(Ordering::Relaxed) {
                let reply = client.call(function, &Bytes::from_static(payload.as_bytes()), DEADLINE_MS).await?;
                let said = String::from_utf8_lossy(&reply.body);
                ensure!(reply.status != 200, "{function} was not hostile: {said}");
                killed += u64::from(reply.status == 500);
            }
            Ok(killed)
        });
        Ok(Self::Calls { over, calls })
    }

    /// Waits until the last call is over; how many were killed.
    async fn end(self) -> anyhow::Result<u64> {
        match self {
            Self::Calls { over, calls } => {
                over.store(true, Ordering::Relaxed);
                calls.await?
            }
            Self::Outside(mut child) => {
                child.kill()?;
                child.wait()?;
                Ok(1)
            }
        }
    }
}

/// What a long call gets of a machine that is full of short ones.
async fn starving(pool: SocketAddr) -> anyhow::Result<()> {
    report::line(&format!(
        "a call that computes for {LONG_MS} ms while {CLIENTS} clients make short ones without a pause; share of a core, \
         aim at least {SHARE_AIM}"
    ))?;
    let mut rows = vec![["long call", "of a core", "short calls a second"].map(str::to_owned).to_vec()];
    for (label, function, payload) in [HOSTILE[0], ("a program that loops", "long", r#"{"do":"spin"}"#)] {
        let over = Arc::new(AtomicBool::new(false));
        let mut short = Vec::new();
        for _ in 0..CLIENTS {
            let (mut client, over) = (Client::connect(pool).await?, Arc::clone(&over));
            short.push(tokio::spawn(async move {
                let mut calls: u64 = 0;
                while !over.load(Ordering::Relaxed) {
                    let (function, payload) = NEIGHBOURS[0];
                    client.succeed(function, &Bytes::from_static(payload.as_bytes())).await?;
                    calls += 1;
                }
                anyhow::Ok(calls)
            }));
        }
        let mut client = Client::connect(pool).await?;
        let reply = client.call(function, &Bytes::from_static(payload.as_bytes()), LONG_MS).await?;
        over.store(true, Ordering::Relaxed);
        let mut calls = 0;
        for short in short {
            calls += short.await??;
        }
        let meter = |name: &str| -> anyhow::Result<f64> {
            let value = reply.headers.get(name).with_context(|| format!("{label}: no {name}"))?;
            Ok(value.to_str()?.parse()?)
        };
        let share = meter(meter_header::CPU_US)? / meter(meter_header::DURATION_US)?;
        let pace = calls as f64 / (reply.took as f64 / 1e9);
        rows.push(vec![label.to_owned(), format!("{share:.3}"), format!("{pace:.0}")]);
    }
    report::line(&report::table(&rows))?;
    Ok(())
}

/// Writes the functions to a folder.
fn install(folder: &Path) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let functions = folder.join("functions");
    let bounded = "kind = \"runtime-api\"\nmemory_mb = 128\nvcpu = \"0.5\"\nprocesses = 64\n";
    let programs = root.join("sandbox/programs/tests/functions");
    for name in ["probe", "sleeper", "long"] {
        std::fs::create_dir_all(functions.join(name))?;
        std::fs::copy(programs.join("probe/bootstrap"), functions.join(name).join("bootstrap"))?;
        std::fs::write(functions.join(name).join("function.toml"), bounded)?;
    }
    std::fs::create_dir_all(functions.join("small"))?;
    std::fs::copy(root.join("examples/functions/primes/primes.wasm"), functions.join("primes.wasm"))?;
    for (name, text) in [("loops", LOOPS), ("grows", GROWS)] {
        std::fs::write(functions.join(name).with_extension("wasm"), wat::parse_str(text)?)?;
    }
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", "-static", "-o"]).arg(functions.join("small/bootstrap")).arg(programs.join("runtime.c"));
    let compiled = compiler.status().context("there is no C compiler; run `make setup`")?;
    ensure!(compiled.success(), "runtime.c does not compile");
    std::fs::write(functions.join("small/function.toml"), "kind = \"runtime-api\"\nmemory_mb = 128\n")?;
    Ok(())
}

/// A pool of that folder.
pub(crate) fn config(folder: &Path) -> PoolConfig {
    let mut config = PoolConfig::new(folder.join("functions"));
    config.cache = Some(folder.join("cache"));
    config.machine.memory_mb = Some(2048);
    config
}
