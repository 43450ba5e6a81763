//! How long a first call of WebAssembly takes, what a warm one costs, and how much memory a thousand functions do.
//!
//! Fifty modules, the committed sample nearest to 128 KiB with a section of its own in each so that no two share
//! compiled code, are compiled once into a cache. Then twenty pools start from that cache, fifty functions each: a
//! thousand functions, each with compiled code of its own that was read from disk and never run. So fifty modules are
//! compiled, and not a thousand.
//!
//! Cold is the first call of a function, from the request's first byte to the reply's last, through the pool's door, on
//! a payload of some bytes, so that it is the start that is seen and not the function's own work.
//! Its baseline is the second call of the same function. What the sandbox itself costs is a call of a module that does
//! nothing, without the door.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use bytes::Bytes;
use hdrhistogram::Histogram;
use merit_load::{clock, process, report};
use merit_pool::{Pool, PoolConfig};
use merit_sandbox::{Limits, Sandbox, SandboxConfig};

use crate::serving::{Client, Serving, histogram, micros};

/// Modules that are compiled, and pools that load all of them: a thousand functions.
const MODULES: usize = 50;
const POOLS: usize = 20;
/// Calls of the module that does nothing, and calls before they count.
const TINY_CALLS: usize = 20_000;
const WARM_UP: usize = 1000;
/// A module that does nothing: one page of memory, one function.
const TINY: &str = r#"(module (memory 1) (func (export "_start")))"#;

pub(crate) async fn measure() -> anyhow::Result<()> {
    let (name, wasm, payload) = sample()?;
    let folder = tempfile::tempdir()?;
    let config = config(folder.path(), &wasm)?;
    report::line(&format!(
        "{MODULES} modules of {} KiB (`{name}`), loaded by {POOLS} pools, one call at a time",
        wasm.len() / 1024
    ))?;
    let begun = clock::now();
    drop(Pool::try_new(&config)?);
    let compiled = clock::now();
    let before = process::rss_kib(std::process::id())?;
    let mut pools = Vec::new();
    for _ in 0..POOLS {
        pools.push(Serving::start(&config).await?);
    }
    report::line(&format!(
        "start of a pool: {:.0} ms with compiling, {:.0} ms from the cache",
        (compiled - begun) as f64 / 1e6,
        (clock::now() - compiled) as f64 / 1e6 / POOLS as f64
    ))?;
    let mut clients = Vec::new();
    for pool in &pools {
        clients.push(pool.client().await?);
    }
    let loaded = process::rss_kib(std::process::id())?;
    let mut rows = vec![["microseconds a call", "p50", "p99", "p99.9", "aim"].map(str::to_owned).to_vec()];
    rows.push(row("cold, through the door", &each_once(&mut clients, &payload).await?, "p99 1000"));
    rows.push(row("second call", &each_once(&mut clients, &payload).await?, ""));
    let warm = process::rss_kib(std::process::id())?;
    drop(clients);
    for pool in pools {
        pool.stop().await;
    }
    rows.push(row("a module that does nothing, without the door", &tiny().await?, "p50 20"));
    report::line(&report::table(&rows))?;
    report::line(&format!(
        "memory of {} functions with code of their own: {} MB loaded, {} MB after each was called twice (aim: 500 MB)\n",
        MODULES * POOLS,
        loaded.saturating_sub(before) / 1024,
        warm.saturating_sub(before) / 1024
    ))?;
    Ok(())
}

/// Every function of every pool is called once.
async fn each_once(pools: &mut [Client], payload: &Bytes) -> anyhow::Result<Histogram<u64>> {
    let mut histogram = histogram();
    for pool in pools {
        for number in 0..MODULES {
            histogram.saturating_record(pool.succeed(&function(number), payload).await?);
        }
    }
    Ok(histogram)
}

/// What a call costs that does nothing.
async fn tiny() -> anyhow::Result<Histogram<u64>> {
    let sandbox = Sandbox::try_new(SandboxConfig { slots: 8, ..SandboxConfig::default() })?;
    let function = sandbox.load(&"tiny".parse()?, &wat::parse_str(TINY)?)?;
    let mut histogram = histogram();
    for call in 0..WARM_UP + TINY_CALLS {
        let start = clock::now();
        sandbox.run(&function, Bytes::new(), Limits::default()).await?.outcome?;
        if call >= WARM_UP {
            histogram.saturating_record(clock::now() - start);
        }
    }
    Ok(histogram)
}

/// A pool of the modules, with a cache.
fn config(folder: &Path, wasm: &[u8]) -> anyhow::Result<PoolConfig> {
    let functions = folder.join("functions");
    std::fs::create_dir(&functions)?;
    for number in 0..MODULES {
        std::fs::write(functions.join(format!("{}.wasm", function(number))), distinct(wasm, number))?;
    }
    let mut config = PoolConfig::new(functions);
    config.cache = Some(folder.join("cache"));
    config.concurrency = 4;
    config.machine.memory_mb = Some(4096);
    Ok(config)
}

fn function(number: usize) -> String {
    format!("f{number}")
}

/// The sample whose module is nearest to 128 KiB, with a small input.
fn sample() -> anyhow::Result<(&'static str, Vec<u8>, Bytes)> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/functions");
    let path = |name: &str| examples.join(name).join(format!("{name}.wasm"));
    let size = |path: PathBuf| std::fs::metadata(path).map_or(u64::MAX, |file| file.len());
    let samples = [("markdown", "# Merit"), ("json-transform", r#"{"group_by":["a"],"records":[{"a":1},{"a":2}]}"#)];
    let nearest = samples.into_iter().min_by_key(|(name, _)| size(path(name)).abs_diff(128 << 10));
    let (name, input) = nearest.context("invariant: there are samples")?;
    Ok((name, std::fs::read(path(name))?, Bytes::from_static(input.as_bytes())))
}

/// The module with a custom section that holds its number.
fn distinct(wasm: &[u8], number: usize) -> Vec<u8> {
    let text = format!("{number:08}");
    let mut section = vec![0, 10, 1, b'n'];
    section.extend_from_slice(text.as_bytes());
    [wasm, &section].concat()
}

fn row(label: &str, histogram: &Histogram<u64>, aim: &str) -> Vec<String> {
    let figures = [0.5, 0.99, 0.999].map(|quantile| format!("{:.1}", micros(histogram, quantile)));
    [label.to_owned()].into_iter().chain(figures).chain([aim.to_owned()]).collect()
}
