//! WebAssembly as a pool has it: how long a first call takes, and how much memory a thousand functions do.
//!
//! Cold is the first call of a function that was loaded from compiled code on disk: its code was never run, and no
//! instance of it was ever made. The baseline beside it is the second call of the same function. The modules are the
//! committed sample nearest to 128 KiB, each with a section of its own, so that no two share compiled code.

use std::path::Path;

use hdrhistogram::Histogram;
use merit_load::{clock, process, report};
use merit_sandbox::{Function, Limits, Sandbox, SandboxConfig};
use tokio::runtime::{Builder, Runtime};

/// Functions that are loaded, called and held.
const FUNCTIONS: usize = 1000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (name, wasm, payload) = sample();
    let cache = tempfile::tempdir()?;
    let config = SandboxConfig { slots: 8, cache_dir: Some(cache.path().to_owned()), ..SandboxConfig::default() };
    report::line(&format!(
        "pool: {FUNCTIONS} functions, each the sample `{name}` of {} KiB, one call at a time; load average before {}\n",
        wasm.len() / 1024,
        process::fact("/proc/loadavg", "")
    ))?;
    // Compiled ahead, as a pool does at its start; then everything is dropped and loaded anew from disk.
    drop(load(&Sandbox::try_new(config.clone())?, &wasm));
    let before = resident_kib();
    let sandbox = Sandbox::try_new(config)?;
    let functions = load(&sandbox, &wasm);
    let loaded = resident_kib();
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let mut histograms = [(); 2].map(|()| Histogram::<u64>::new_with_max(10 * clock::SECOND, 3).expect("valid bounds"));
    for histogram in &mut histograms {
        for function in &functions {
            let start = clock::now();
            call(&runtime, &sandbox, function, &payload);
            histogram.saturating_record(clock::now() - start);
        }
    }
    let row = |label: &str, histogram: &Histogram<u64>| {
        let quantiles =
            [0.5, 0.99, 0.999].map(|quantile| format!("{:.1}", histogram.value_at_quantile(quantile) as f64 / 1000.0));
        [label.to_owned()].into_iter().chain(quantiles).collect::<Vec<_>>()
    };
    let header = ["microseconds a call", "p50", "p99", "p99.9"].map(str::to_owned).to_vec();
    report::line(&report::table(&[header, row("cold", &histograms[0]), row("second call", &histograms[1])]))?;
    report::line(&format!(
        "memory: {} MB for the loaded functions, {} MB after each was called twice (aim: 500 MB)",
        (loaded - before) / 1024,
        (resident_kib() - before) / 1024
    ))?;
    Ok(())
}

/// The sample whose module is nearest to 128 KiB, with its input.
fn sample() -> (String, Vec<u8>, Vec<u8>) {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/functions");
    let samples =
        [("primes", None), ("wait", None), ("markdown", Some("input.md")), ("json-transform", Some("input.json"))];
    let read = |(name, input): (&str, Option<&str>)| {
        let wasm = std::fs::read(examples.join(name).join(format!("{name}.wasm"))).expect("a sample");
        let payload =
            input.map_or(b"0".to_vec(), |input| std::fs::read(examples.join(name).join(input)).expect("an input"));
        (name.to_owned(), wasm, payload)
    };
    samples.into_iter().map(read).min_by_key(|(_, wasm, _)| wasm.len().abs_diff(128 << 10)).expect("samples")
}

fn load(sandbox: &Sandbox, wasm: &[u8]) -> Vec<Function> {
    let load = |number: usize| {
        let name = format!("f{number}").parse().expect("a name");
        sandbox.load(&name, &distinct(wasm, number)).expect("loads")
    };
    (0..FUNCTIONS).map(load).collect()
}

/// The module with a custom section that holds its number.
fn distinct(wasm: &[u8], number: usize) -> Vec<u8> {
    let text = format!("{number:08}");
    let mut section = vec![0, 10, 1, b'n'];
    section.extend_from_slice(text.as_bytes());
    [wasm, &section].concat()
}

fn call(runtime: &Runtime, sandbox: &Sandbox, function: &Function, payload: &[u8]) {
    let run = runtime.block_on(sandbox.run(function, payload.to_vec().into(), Limits::default()));
    std::hint::black_box(run.expect("a free slot").outcome.expect("succeeds"));
}

fn resident_kib() -> u64 {
    let text = process::fact("/proc/self/status", "VmRSS");
    text.trim().trim_end_matches("kB").trim().parse().expect("kilobytes")
}
