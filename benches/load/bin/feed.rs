//! Market data under load: readers who keep a book by the recipe while its prices change faster than updates are told.
//!
//! Each reader checks sequence and checksum of every update; at the end all of them must stand where the broker stands.
//! A latency is the time from when an update was made (its `at`) until a reader has read and checked it.
//!
//! Known limitation: all readers are one process, which shares the machine's cores with the broker, so the slowest
//! reader's latency includes the others' work.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, anyhow, bail, ensure};
use clap::Parser;
use hdrhistogram::Histogram;
use merit_cli::feed::{Feed, LocalBook, Step};
use merit_load::client::Client;
use merit_load::merit::{self, Merit};
use merit_load::process::{self, Process};
use merit_load::{clock, report};
use merit_wire::feed::{FeedChannel, FeedMessage};
use tokio::task::JoinSet;

/// Measures market data.
#[derive(Parser)]
struct Args {
    /// Readers of one book.
    #[arg(long, default_value_t = 200)]
    readers: usize,
    /// Deployments of the function, one a venue.
    #[arg(long, default_value_t = 8)]
    deployments: usize,
    /// Price changes a second; the broker tells at most ten updates of them.
    #[arg(long, default_value_t = 20)]
    changes: u64,
    /// Seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// What a reader has seen.
struct Seen {
    first: u64,
    last: u64,
    updates: u64,
    latency_us: Histogram<u64>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let (_upstream, address) = Process::start_server("upstream", &[])?;
    let merit = Merit::start(address, args.deployments).await?;
    let over = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for _ in 0..args.readers {
        let feed = Feed::open(&merit.globals()).await.map_err(|error| anyhow!(error))?;
        readers.spawn(read(feed, Arc::clone(&over)));
    }
    let cpu = process::cpu_us(merit.id())?;
    let changes = change_prices(&args, &merit).await?;
    let cpu = process::cpu_us(merit.id())? - cpu;
    over.store(true, Ordering::Relaxed);
    let mut seen = Vec::new();
    while let Some(reader) = readers.join_next().await {
        seen.push(reader??);
    }
    print(&args, &seen, changes, cpu)
}

/// Puts another price of one venue in force at an even pace. Returns how often.
async fn change_prices(args: &Args, merit: &Merit) -> anyhow::Result<u64> {
    let mut changes = 0;
    let mut pace = tokio::time::interval(std::time::Duration::from_secs(1) / u32::try_from(args.changes)?);
    let end = clock::now() + args.seconds * clock::SECOND;
    while clock::now() < end {
        pace.tick().await;
        changes += 1;
        let rate = format!("0.0000{}", 1000 + changes % 1000);
        let sheet = merit::sheet(&rate, u32::try_from(changes)? + 1);
        let mut put = Client::new(merit.request("PUT", "v1/venues/own-0/price-sheet", sheet.as_bytes())?, 1);
        let (status, reply) = put.once().await?;
        ensure!(status == 200, "the sheet was refused: {status} {}", String::from_utf8_lossy(&reply));
    }
    Ok(changes)
}

/// Reads until it is over and a heartbeat shows that nothing is missing.
async fn read(mut feed: Feed, over: Arc<AtomicBool>) -> anyhow::Result<Seen> {
    feed.subscribe(FeedChannel::Book, &[merit::FUNCTION]).await.map_err(|error| anyhow!(error))?;
    let mut book = LocalBook::new(merit::FUNCTION);
    let mut seen = Seen { first: 0, last: 0, updates: 0, latency_us: Histogram::new(3)? };
    loop {
        // Asked before the message is read: what was told before it was over comes before the heartbeat.
        let last = over.load(Ordering::Relaxed);
        let message = feed.next().await.map_err(|error| anyhow!(error))?;
        let step = book.apply(&message).context("an update was lost")?;
        match &message {
            FeedMessage::Snapshot(data) => seen.first = data.seq,
            FeedMessage::Update(data) if step == Step::Changed => {
                seen.updates += 1;
                seen.latency_us.record(since(&data.at)?)?;
            }
            FeedMessage::Heartbeat { .. } if last => break,
            FeedMessage::Error { message, .. } => bail!("{message}"),
            _ => {}
        }
    }
    seen.last = book.seq().context("there was no snapshot")?;
    Ok(seen)
}

/// Microseconds since a time of today (UTC), RFC 3339.
fn since(at: &str) -> anyhow::Result<u64> {
    const DAY: u64 = 86_400_000_000;
    let time = at.get(11..).and_then(|rest| rest.strip_suffix('Z')).with_context(|| format!("{at} is no time"))?;
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut micros = 0;
    for part in clock.split(':') {
        micros = micros * 60 + part.parse::<u64>()?;
    }
    let micros = micros * 1_000_000 + format!("{fraction:0<6.6}").parse::<u64>()?;
    Ok((clock::unix_micros() % DAY + DAY - micros) % DAY)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn print(args: &Args, seen: &[Seen], changes: u64, cpu_us: u64) -> anyhow::Result<()> {
    let last = seen.iter().map(|seen| seen.last).max().context("no readers")?;
    let missing: u64 = seen.iter().map(|seen| last - seen.first - seen.updates).sum();
    let updates: u64 = seen.iter().map(|seen| seen.updates).sum();
    let mut latency_us = Histogram::<u64>::new(3)?;
    for seen in seen {
        latency_us.add(&seen.latency_us)?;
    }
    let (version, build) = (env!("CARGO_PKG_VERSION"), report::build());
    let mut text = format!("market data of merit {version}, {build}\n{}\n", report::machine());
    let Args { readers, deployments, seconds, .. } = args;
    writeln!(text, "{readers} readers of a book of {deployments} levels, {changes} price changes in {seconds} s")?;
    let each = updates as f64 / *readers as f64 / *seconds as f64;
    writeln!(text, "updates: {each:.1} a second and reader, {missing} missing (goal: 10 a second, none missing)")?;
    let ms = |share: f64| latency_us.value_at_quantile(share) as f64 / 1e3;
    writeln!(
        text,
        "from made to read: p50 {:.2} ms  p99 {:.2} ms  p99.9 {:.2} ms  max {:.2} ms",
        ms(0.5),
        ms(0.99),
        ms(0.999),
        ms(1.0)
    )?;
    write!(text, "CPU of the broker: {:.1} % of a core", cpu_us as f64 / 1e4 / *seconds as f64)?;
    report::line(&text)?;
    ensure!(missing == 0, "{missing} updates are missing");
    Ok(())
}
