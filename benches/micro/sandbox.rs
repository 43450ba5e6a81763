//! What a call of a WebAssembly function costs beside the function's own work.
//!
//! Each row is measured with the pooling allocator and, as the baseline, with the on-demand one,
//! in turns in the same run. The first row is wasmtime alone: a module without imports, from an
//! empty store to the drop, with epochs and a memory limit on. The others go through
//! [`Sandbox::run`], so they add WASI, the meters, the limits and the change of threads.

use std::hint::black_box;
use std::path::Path;

use bytes::Bytes;
use hdrhistogram::Histogram;
use merit_load::{clock, process, report};
use merit_sandbox::{Allocation, Function, Limits, Sandbox, SandboxConfig};
use tokio::runtime::{Builder, Runtime};
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, Linker, Module, PoolingAllocationConfig, Store, StoreLimits,
    StoreLimitsBuilder,
};

/// A tiny module: one page of memory, one function.
const TINY: &str = r#"(module (memory 1) (func (export "_start") (i32.store (i32.const 8) (i32.const 7))))"#;
/// How long each row is measured, in nanoseconds of calls.
const ROW_NANOS: u64 = 2 * clock::SECOND;
/// Calls before the measurement.
const WARM_UP: usize = 200;
/// Calls measured before the other allocator's turn.
const TURN: usize = 100;

/// One thing to measure, ready to be called again and again.
type Subject = Box<dyn FnMut()>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    report::line(&format!(
        "sandbox: one call at a time, {} s a row and allocator, in turns of {TURN} calls\n{}\n",
        ROW_NANOS / clock::SECOND,
        machine()
    ))?;
    let mut rows = vec![header()];
    rows.push(compare("wasmtime alone, tiny module", wasmtime_alone));
    rows.push(compare("Sandbox::run, tiny module", |a| sandboxed(a, &wat::parse_str(TINY).expect("valid"), "")));
    for (name, payload) in payloads() {
        let wasm = sample(&format!("{name}/{name}.wasm"));
        let label = format!("Sandbox::run, {name} ({} B in)", payload.len());
        rows.push(compare(&label, |allocation| sandboxed(allocation, &wasm, payload.clone())));
    }
    report::line(&report::table(&rows))?;
    Ok(())
}

/// The machine, and how busy it was when the bench began.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let cpu = process::fact("/proc/cpuinfo", "model name");
    let kernel = process::fact("/proc/sys/kernel/osrelease", "");
    let load = process::fact("/proc/loadavg", "");
    format!("{cores} cores ({cpu}), Linux {kernel}, load average before {load}")
}

/// The sample functions, from the least work to the most.
fn payloads() -> [(&'static str, Bytes); 5] {
    [
        ("wait", "0".into()),
        ("primes", "1000".into()),
        ("markdown", sample("markdown/input.md")),
        ("json-transform", sample("json-transform/input.json")),
        ("thumbnail", sample("thumbnail/input.jpg")),
    ]
}

fn header() -> Vec<String> {
    ["microseconds a call", "pooling p50", "p99", "p99.9", "on demand p50", "p99", "p99.9", "p50 ratio"]
        .map(str::to_owned)
        .to_vec()
}

fn sample(path: &str) -> Bytes {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/functions");
    std::fs::read(examples.join(path)).expect("a sample file").into()
}

fn compare(label: &str, subject: impl Fn(Allocation) -> Subject) -> Vec<String> {
    let mut subjects = [subject(Allocation::Pooling), subject(Allocation::OnDemand)];
    let mut histograms = [(); 2]
        .map(|()| Histogram::<u64>::new_with_max(10 * clock::SECOND, 3).expect("invariant: the bounds are valid"));
    for subject in &mut subjects {
        (0..WARM_UP).for_each(|_| subject());
    }
    let end = clock::now() + 2 * ROW_NANOS;
    while clock::now() < end {
        for (subject, histogram) in subjects.iter_mut().zip(&mut histograms) {
            turn(subject, histogram);
        }
    }
    let mut row = vec![label.to_owned()];
    for histogram in &histograms {
        row.extend([0.5, 0.99, 0.999].map(|quantile| micros(histogram.value_at_quantile(quantile))));
    }
    let [pooling, on_demand] = histograms.each_ref().map(|histogram| histogram.value_at_quantile(0.5));
    row.push(format!("{:.2}", on_demand as f64 / pooling as f64));
    row
}

fn turn(subject: &mut Subject, histogram: &mut Histogram<u64>) {
    for _ in 0..TURN {
        let start = clock::now();
        subject();
        histogram.saturating_record(clock::now() - start);
    }
}

fn micros(nanos: u64) -> String {
    format!("{:.2}", nanos as f64 / 1000.0)
}

fn wasmtime_alone(allocation: Allocation) -> Subject {
    let mut config = Config::new();
    config.epoch_interruption(true);
    if allocation == Allocation::Pooling {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_core_instances(8).total_memories(8).linear_memory_keep_resident(64 << 10);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    let engine = Engine::new(&config).expect("an engine");
    let module = Module::new(&engine, wat::parse_str(TINY).expect("valid")).expect("compiles");
    let pre = Linker::<StoreLimits>::new(&engine).instantiate_pre(&module).expect("links");
    Box::new(move || {
        let limits = StoreLimitsBuilder::new().memory_size(4 << 20).build();
        let mut store = Store::new(&engine, limits);
        store.limiter(|limits| limits);
        store.set_epoch_deadline(1000);
        let instance = pre.instantiate(&mut store).expect("instantiates");
        let start = instance.get_typed_func::<(), ()>(&mut store, "_start").expect("exported");
        start.call(&mut store, ()).expect("returns");
    })
}

fn sandboxed(allocation: Allocation, wasm: &[u8], payload: impl Into<Bytes>) -> Subject {
    let payload = payload.into();
    let config = SandboxConfig { slots: 8, allocation, ..SandboxConfig::default() };
    let sandbox = Sandbox::try_new(config).expect("a sandbox");
    let function = sandbox.load(&"sample".parse().expect("a name"), wasm).expect("loads");
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    Box::new(move || call(&runtime, &sandbox, &function, &payload))
}

fn call(runtime: &Runtime, sandbox: &Sandbox, function: &Function, payload: &Bytes) {
    let run = runtime.block_on(sandbox.run(function, payload.clone(), Limits::default()));
    black_box(run.expect("a free slot").outcome.expect("succeeds"));
}
