//! What a price change of one venue costs the broker when a thousand functions use that venue: from the PUT of the
//! sheet to its answer, which comes when every book it touches is rebuilt, and the CPU time it takes. Each time a
//! quote of the function put last shows that the new price is what calls are matched with.

use std::fmt::Write as _;

use anyhow::{Context, ensure};
use clap::Parser;
use hdrhistogram::Histogram;
use merit_load::client::Client;
use merit_load::functions;
use merit_load::merit::{self, Merit};
use merit_load::process::{self, Process};
use merit_load::{clock, report};
use serde_json::Value;

/// Measures price changes.
#[derive(Parser)]
struct Args {
    /// Functions that use the venue.
    #[arg(long, default_value_t = 1_000)]
    functions: u32,
    /// Deployments of each, one a venue.
    #[arg(long, default_value_t = 8)]
    deployments: usize,
    /// Price changes.
    #[arg(long, default_value_t = 200)]
    changes: u32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let (_upstream, address) = Process::start_server("upstream", &[])?;
    let merit = Merit::start(address, args.deployments).await?;
    functions::put(&merit, args.functions, args.deployments).await?;
    let last = format!("f{}", args.functions - 1);
    let mut quotes = Client::new(merit.request("POST", &format!("v1/functions/{last}/quotes"), b"{}")?, 1);
    let mut took = Histogram::<u64>::new(3)?;
    let mut cpu_us = 0;
    for change in 0..args.changes {
        let before = cost_of(&mut quotes, "own-0").await?;
        let sheet = merit::sheet(if change % 2 == 0 { "0.00002" } else { "0.00001" }, change + 2);
        let mut put = Client::new(merit.request("PUT", "v1/venues/own-0/price-sheet", sheet.as_bytes())?, 1);
        let (began, used) = (clock::now(), process::cpu_us(merit.id())?);
        let (status, reply) = put.once().await?;
        took.record(clock::now() - began)?;
        cpu_us += process::cpu_us(merit.id())? - used;
        ensure!(status == 200, "the sheet was refused: {status} {}", String::from_utf8_lossy(&reply));
        let after = cost_of(&mut quotes, "own-0").await?;
        ensure!(before != after, "the price of {last} is {after} as before: the change was not seen");
    }
    print(&args, &took, cpu_us)
}

/// What a quote says a call at `venue` costs.
async fn cost_of(quotes: &mut Client, venue: &str) -> anyhow::Result<String> {
    let (status, body) = quotes.once().await?;
    let text = String::from_utf8_lossy(&body).into_owned();
    let reply: Value = serde_json::from_slice(&body).with_context(|| format!("{status} {text}"))?;
    let asks = reply["asks"].as_array().with_context(|| format!("no asks in {text}"))?;
    let ask = asks.iter().find(|ask| ask["venue"] == venue).with_context(|| format!("no {venue} in {text}"))?;
    Ok(ask["cost"].as_str().with_context(|| format!("no cost in {text}"))?.to_owned())
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn print(args: &Args, took: &Histogram<u64>, cpu_us: u64) -> anyhow::Result<()> {
    let (version, build) = (env!("CARGO_PKG_VERSION"), report::build());
    let mut text = format!("price changes of merit {version}, {build}\n{}\n", report::machine());
    let Args { functions, deployments, changes } = args;
    writeln!(text, "{functions} functions of {deployments} deployments use the venue; {changes} changes, one by one")?;
    let ms = |share: f64| took.value_at_quantile(share) as f64 / 1e6;
    writeln!(
        text,
        "from PUT to answer: p50 {:.2} ms  p99 {:.2} ms  max {:.2} ms (goal: 10 ms)",
        ms(0.5),
        ms(0.99),
        ms(1.0)
    )?;
    write!(text, "CPU: {:.2} ms a change (goal: 2 ms)", cpu_us as f64 / 1e3 / f64::from(args.changes))?;
    Ok(report::line(&text)?)
}
