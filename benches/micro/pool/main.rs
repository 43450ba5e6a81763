//! A pool: what WebAssembly costs in it (`functions`), and what a hostile function costs its neighbours (`neighbours`).
//!
//! `cargo bench --bench pool -- neighbours` runs one of them.
//!
//! Both parts call real pools through their doors on loopback: the first in this process, the second in one of its own.
//! Known limitation: client, pools and functions share the cores, so the first part has one call at a time, and the
//! second compares turns of one run.

mod functions;
mod neighbours;
mod serving;

use anyhow::Context as _;
use merit_load::{process, report};

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == serving::SERVE) {
        let folder = arguments.next().context("a pool of which folder?")?;
        return runtime.block_on(serving::serve(&neighbours::config(folder.as_ref())));
    }
    report::line(&format!(
        "pool: {}; load average before {}\n{}\n",
        report::build(),
        process::fact("/proc/loadavg", ""),
        report::machine()
    ))?;
    // Cargo itself passes `--bench`.
    let named: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let wanted = |part: &str| named.is_empty() || named.iter().any(|name| name == part);
    if wanted("functions") {
        runtime.block_on(functions::measure())?;
    }
    if wanted("neighbours") {
        // One thread: what is measured should wait for nobody here.
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(neighbours::measure())?;
    }
    Ok(())
}
