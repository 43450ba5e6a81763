//! What the Lambda-compatible door costs beside the native one: the same broker and upstream, called through both
//! doors in turns. First the most calls a second each can do; then, at half of what the native door can do, the
//! latency of each.
//!
//! The signature is made ahead, once a round, so that the generator does the same work for both doors. Like botocore's,
//! it declares no hash of the payload, which is the dearer way to verify: the payload is hashed while it comes.

use clap::Parser;
use merit_load::client::Client;
use merit_load::merit::Merit;
use merit_load::process::Process;
use merit_load::report;
use merit_load::sample::{Disturbance, Sample, Target, median};

/// Compares the Lambda-compatible door under load with the native one.
#[derive(Parser)]
struct Args {
    /// Rounds; in each, both doors have their turn.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds that are counted in a turn.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=120))]
    seconds: u64,
    /// Seconds before them.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(0..=60))]
    warm_up_s: u64,
    /// Keep-alive connections of the generator.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Bytes of the payload and of the reply.
    #[arg(long, default_value_t = 1024)]
    payload_bytes: usize,
}

const NATIVE: &str = "native";
const LAMBDA: &str = "lambda";

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let (upstream, address) = Process::start_server("upstream", &[format!("--reply-bytes={}", args.payload_bytes)])?;
    let merit = Merit::start(address, 1).await?;
    let key = merit.aws_key().await?;
    let payload = vec![b'x'; args.payload_bytes];
    let mut targets = [
        Target::new(NATIVE, Client::new(merit.invocation(&payload)?, args.connections), merit.id()),
        Target::new(LAMBDA, Client::new(merit.lambda_invocation(&key, &payload)?, args.connections), merit.id()),
    ];
    for target in &mut targets {
        let (status, body) = target.client.once().await?;
        let text = String::from_utf8_lossy(&body);
        anyhow::ensure!(status == 200 && body.len() == args.payload_bytes, "{}: {status} {text}", target.name);
    }
    let disturbance = Disturbance::watch(vec![upstream.id(), merit.id()])?;
    let mut rate = 0;
    for part in ["saturated", "paced"] {
        for round in 1..=args.rounds {
            for target in &mut targets {
                if target.name == LAMBDA {
                    target.client.send(merit.lambda_invocation(&key, &payload)?);
                }
                target.round(rate, args.warm_up_s, args.seconds).await?;
            }
            targets.reverse();
            report::progress(&format!("{part}: round {round} of {}", args.rounds))?;
        }
        targets.sort_by_key(|target| target.name != NATIVE);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is small and positive")]
        {
            rate = (of(&targets[0].saturated, |sample| sample.tally.rate()) / 2.0).max(1.0) as u64;
        }
    }
    print(&args, rate, &targets)?;
    report::line(&format!("\nother processes took {:.0} % of the cores meanwhile", disturbance.percent()?))?;
    Ok(())
}

fn of(samples: &[Sample], figure: impl Fn(&Sample) -> f64) -> f64 {
    median(samples.iter().map(figure))
}

fn print(args: &Args, rate: u64, targets: &[Target; 2]) -> anyhow::Result<()> {
    let Args { rounds, seconds, warm_up_s, connections, payload_bytes } = args;
    report::line(&format!("merit {}, both doors, {}", env!("CARGO_PKG_VERSION"), report::build()))?;
    report::line(&report::machine())?;
    report::line(&format!(
        "POST {payload_bytes} B, reply {payload_bytes} B, {connections} connections, {rounds} rounds of {seconds} s \
         after {warm_up_s} s, in turns; medians of the rounds; latency at {rate} calls/s\n"
    ))?;
    let head = ["door", "calls/s", "CPU us a call", "p50 us", "p99 us", "CPU us a call, paced"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for target in targets {
        let figures = [
            of(&target.saturated, |sample| sample.tally.rate()),
            of(&target.saturated, |sample| sample.cpu_us),
            of(&target.paced, |sample| sample.tally.micros(0.5)),
            of(&target.paced, |sample| sample.tally.micros(0.99)),
            of(&target.paced, |sample| sample.cpu_us),
        ];
        let shown = figures.iter().map(|figure| format!("{figure:.1}"));
        rows.push(std::iter::once(target.name.to_owned()).chain(shown).collect());
    }
    report::line(&report::table(&rows))?;
    let [native, lambda] = targets;
    let rate = |target: &Target| of(&target.saturated, |sample| sample.tally.rate());
    report::line(&format!("\nlambda / native throughput: {:.2} (goal: at least 0.85)", rate(lambda) / rate(native)))?;
    Ok(())
}
