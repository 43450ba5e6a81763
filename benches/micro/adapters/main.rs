//! What one call through each adapter costs in CPU, beside the http adapter in the same run, and what the caches of
//! tokens and signing keys save. The goal: each under twice the http adapter.
//!
//! `cargo bench -p merit-benches --bench adapters`, with a word after `--` for the adapters whose names contain it; the
//! http adapter always runs, since the others are compared with it.
//!
//! The server is this program once more, as a process of its own: it answers every call at once in the form of the cloud
//! that is called, with the same bytes. So the CPU time of this process is the adapter's, its runtime and system calls
//! included. Adapters take turns, several rounds each. Everything a call has is on: signatures, tokens, meters, deadlines.
//!
//! Known limitation: clouds are reached by TLS, which every adapter pays alike, and which is not in here. CPU time is read
//! in ticks of 10 ms.

mod caches;
mod server;
mod venues;

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::HeaderValue;
use merit_load::cpu::{CpuTally, hundredths};
use merit_load::process::Process;
use merit_load::report;
use merit_venue::{Call, Target, Venue};
use tokio::time::Instant;

/// As in the broker.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Calls under way at once.
const CONCURRENCY: usize = 32;
/// Worker threads of the callers' runtime.
const THREADS: usize = 2;
/// Bytes of the payload and of the reply.
const PAYLOAD_BYTES: usize = 1024;
/// How often each adapter has its turn.
const ROUNDS: usize = 3;
/// How long a turn takes, and one that does not count.
const TURN: Duration = Duration::from_secs(2);
const WARM_UP: Duration = Duration::from_millis(300);

const HTTP: &str = "http";

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    if std::env::args().any(|argument| argument == server::SERVE) {
        return runtime.block_on(server::serve());
    }
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let (_server, address) = Process::start_listening(Command::new(std::env::current_exe()?).arg(server::SERVE))?;
    runtime.block_on(async {
        Box::pin(compare(address, &filter)).await?;
        caches::measure(address).await
    })
}

/// Gives the adapters their turns, and prints what they cost.
async fn compare(address: SocketAddr, filter: &str) -> anyhow::Result<()> {
    let mut venues = Box::pin(venues::all(address, u32::try_from(CONCURRENCY)?)).await?;
    venues.retain(|(name, _)| *name == HTTP || name.contains(filter));
    let mut tallies: Vec<CpuTally> = venues.iter().map(|_| CpuTally::default()).collect();
    for round in 0..=ROUNDS {
        // The first round only warms up.
        let length = if round == 0 { WARM_UP } else { TURN };
        for (tally, (name, venue)) in tallies.iter_mut().zip(&venues) {
            let turn = turn(venue, length).await.with_context(|| format!("calling by {name}"))?;
            if round > 0 {
                tally.add(&turn);
            }
        }
    }
    report::line(&format!(
        "POST of {PAYLOAD_BYTES} B, reply of {PAYLOAD_BYTES} B over loopback; {CONCURRENCY} callers on {THREADS} threads; \
         {ROUNDS} turns of {TURN:?} each; {}",
        report::machine()
    ))?;
    let header = ["adapter", "calls/s", "CPU us/call", "ratio to http"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let base = tallies[0].centi_us_per_call().max(1);
    for ((name, _), tally) in venues.iter().zip(&tallies) {
        let (rate, cost) = (tally.calls * 1_000_000 / tally.wall_us.max(1), tally.centi_us_per_call());
        rows.push(vec![(*name).to_owned(), rate.to_string(), hundredths(cost), hundredths(cost * 100 / base)]);
    }
    Ok(report::line(&report::table(&rows))?)
}

/// A call of `fn`. Its payload is JSON, which is all that some clouds take.
fn call() -> anyhow::Result<Call> {
    Ok(Call {
        invocation: "0199f0a2-7c1e-7fff-bfff-ffffffffffff".parse()?,
        attempt: 1,
        function: "bench".parse()?,
        target: Arc::new(Target::try_new("fn")?),
        payload: Bytes::from(format!("\"{}\"", "x".repeat(PAYLOAD_BYTES - 2))),
        content_type: Some(HeaderValue::from_static("application/json")),
        traceparent: Some(HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")),
        tracestate: None,
        deadline: Instant::now() + Duration::from_secs(10),
        lambda: None,
        http: None,
    })
}

/// Lets a venue be called, as often as can be, for that long.
async fn turn(venue: &Arc<dyn Venue>, length: Duration) -> anyhow::Result<CpuTally> {
    let begun = Instant::now();
    CpuTally::of((0..CONCURRENCY).map(|_| {
        let venue = Arc::clone(venue);
        async move {
            let (mut calls, prepared) = (0_u64, call()?);
            while begun.elapsed() < length {
                let call = Call { deadline: Instant::now() + Duration::from_secs(10), ..prepared.clone() };
                let reply = venue.invoke(call).await?;
                let (bytes, error) = (reply.payload.len(), reply.function_error);
                anyhow::ensure!(bytes == PAYLOAD_BYTES && error.is_none(), "a reply of {bytes} bytes, {error:?}");
                calls += 1;
            }
            anyhow::Ok(calls)
        }
    }))
    .await
}
