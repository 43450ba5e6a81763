//! How much memory Merit takes: idle, with ten thousand functions of eight deployments each, and
//! over a million calls, where it should stay flat. Printed, not judged.

use clap::Parser;
use merit_load::client::Client;
use merit_load::functions;
use merit_load::merit::Merit;
use merit_load::process::{self, Process};
use merit_load::report;

/// Measures Merit's memory.
#[derive(Parser)]
struct Args {
    /// Functions to put.
    #[arg(long, default_value_t = 10_000)]
    functions: u32,
    /// Deployments of each, one a venue.
    #[arg(long, default_value_t = 8)]
    deployments: usize,
    /// Calls to make.
    #[arg(long, default_value_t = 1_000_000)]
    calls: u64,
    /// Keep-alive connections.
    #[arg(long, default_value_t = 32)]
    connections: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let (_upstream, address) = Process::start_server("upstream", &[])?;
    let merit = Merit::start(address, args.deployments).await?;
    let (version, build) = (env!("CARGO_PKG_VERSION"), report::build());
    report::line(&format!("memory of merit {version} (RSS), {build}\n{}", report::machine()))?;
    let mut rows = vec![point(&merit, "idle")?];
    functions::put(&merit, args.functions, args.deployments).await?;
    rows.push(point(&merit, &format!("with {} functions of {} deployments", args.functions, args.deployments))?);
    let mut client = Client::new(merit.invocation(&[b'x'; 1024])?, args.connections);
    // About ten points on the way show whether it grows.
    let tenth = (args.calls / 10).max(1);
    let (mut done, mut next) = (0, tenth);
    while done < args.calls {
        let tally = client.saturate(1).await;
        anyhow::ensure!(tally.failed() == 0, "calls failed: {:?}", tally.errors);
        done += tally.latency.len();
        if done >= next {
            rows.push(point(&merit, &format!("after {done} calls"))?);
            next = done - done % tenth + tenth;
        }
    }
    report::line(&report::table(&rows))?;
    Ok(())
}

fn point(merit: &Merit, when: &str) -> anyhow::Result<Vec<String>> {
    let mib = process::rss_kib(merit.id())? / 1024;
    Ok(vec![when.to_owned(), format!("{mib} MiB")])
}
