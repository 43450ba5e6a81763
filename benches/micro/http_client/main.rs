//! What one call through an HTTP client costs in CPU: the pool of `merit-venue-http`, hyper's bare
//! connections, hyper-util's legacy client and reqwest, against the same bare hyper server; and what
//! one through AWS's SDK costs: `merit-venue-aws-lambda`, and the bare SDK as its documentation says
//! to make it. The server answers as Lambda does, with a REPORT line, which only the adapter reads.
//!
//! `cargo bench -p merit-benches --bench http_client -- venue` measures the two adapters alone.
//!
//! Every client sends the same headers and payload, waits under a timeout and reads the whole
//! reply. They take turns in one run, several rounds each, because figures of two different runs
//! on a shared machine can't be compared. The server is a process of its own, so the CPU time of
//! this process is the client's, its runtime and system calls included.
//!
//! Known limitation: client and server share the machine, so calls a second are lower than with a
//! server elsewhere; CPU time a call is the figure to compare. It is read in ticks of 10 ms.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use merit_load::cpu::{CpuTally, hundredths};
use merit_load::process::Process;
use merit_load::report;
use tokio::time::Instant;

mod aws;
mod clients;

use clients::Client;

/// As in the broker.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The clients, in the order of their turns; the first is what the others are compared with.
const NAMES: [&str; 6] = [
    "merit-venue-http",
    "hyper conn, a task each",
    "hyper-util legacy",
    "reqwest",
    "merit-venue-aws-lambda",
    "aws-sdk-lambda, bare",
];

/// Calls under way at once.
const CONCURRENCY: usize = 32;
/// Worker threads of the client's runtime.
const THREADS: usize = 2;
/// Bytes of the payload and of the reply.
const PAYLOAD_BYTES: usize = 1024;
/// How often each client has its turn.
const ROUNDS: usize = 3;
/// How long a turn takes, and one that does not count.
const TURN: Duration = Duration::from_secs(3);
const WARM_UP: Duration = Duration::from_millis(300);

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    let reply = ["--lambda", "--reply-bytes", &PAYLOAD_BYTES.to_string()];
    let (_server, address) = Process::start_listening(Command::new(env!("CARGO_BIN_EXE_upstream")).args(reply))?;
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let tallies = runtime.block_on(measure(address, &filter.unwrap_or_default()))?;
    print(&tallies)
}

/// Gives the clients whose names contain `filter` their turns.
async fn measure(address: SocketAddr, filter: &str) -> anyhow::Result<[CpuTally; 6]> {
    let payload = Bytes::from(vec![b'x'; PAYLOAD_BYTES]);
    let merit = Arc::new(clients::Merit::new(address, CONCURRENCY)?);
    let conn = Arc::new(clients::Conn::new(address)?);
    let legacy = Arc::new(clients::Legacy::new(address)?);
    let reqwest = Arc::new(clients::Reqwest::new(address)?);
    let lambda = Arc::new(aws::Lambda::new(address, CONCURRENCY).await?);
    let sdk = Arc::new(aws::Sdk::new(address));
    let mut tallies: [CpuTally; 6] = Default::default();
    for round in 0..=ROUNDS {
        // The first round only warms up.
        let length = if round == 0 { WARM_UP } else { TURN };
        for (tally, name) in tallies.iter_mut().zip(NAMES).filter(|(_, name)| name.contains(filter)) {
            let turn = match name {
                "merit-venue-http" => turn(&merit, &payload, length).await?,
                "hyper conn, a task each" => turn(&conn, &payload, length).await?,
                "hyper-util legacy" => turn(&legacy, &payload, length).await?,
                "reqwest" => turn(&reqwest, &payload, length).await?,
                "merit-venue-aws-lambda" => turn(&lambda, &payload, length).await?,
                _ => turn(&sdk, &payload, length).await?,
            };
            if round > 0 {
                tally.add(&turn);
            }
        }
    }
    Ok(tallies)
}

/// Lets a client make calls, as many as it can, for that long.
async fn turn<C: Client>(client: &Arc<C>, payload: &Bytes, length: Duration) -> anyhow::Result<CpuTally> {
    let begun = Instant::now();
    CpuTally::of((0..CONCURRENCY).map(|_| {
        let (client, payload) = (Arc::clone(client), payload.clone());
        async move {
            let mut calls = 0_u64;
            while begun.elapsed() < length {
                let reply = client.call(payload.clone()).await?;
                anyhow::ensure!(reply == PAYLOAD_BYTES, "a reply of {reply} bytes");
                calls += 1;
            }
            anyhow::Ok(calls)
        }
    }))
    .await
}

fn print(tallies: &[CpuTally]) -> anyhow::Result<()> {
    report::line(&format!(
        "POST of {PAYLOAD_BYTES} B, reply of {PAYLOAD_BYTES} B over loopback; {CONCURRENCY} callers on {THREADS} threads; \
         {ROUNDS} turns of {TURN:?} each; {}",
        report::machine()
    ))?;
    let header = ["client", "calls/s", "CPU us/call", "ratio"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let base = tallies[0].centi_us_per_call().max(1);
    for (name, tally) in NAMES.iter().zip(tallies) {
        let (rate, cost) = (tally.calls * 1_000_000 / tally.wall_us.max(1), tally.centi_us_per_call());
        rows.push(vec![(*name).to_owned(), rate.to_string(), hundredths(cost), hundredths(cost * 100 / base)]);
    }
    Ok(report::line(&report::table(&rows))?)
}
