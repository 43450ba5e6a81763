//! How much Merit adds to a call: Merit and a bare pass-through before the same upstream, measured
//! in turns in one run. First the most calls a second each can do; then, at half of what Merit can
//! do, the latency each adds to a direct call.

use clap::Parser;
use merit_load::client::Client;
use merit_load::merit::Merit;
use merit_load::process::Process;
use merit_load::report;
use merit_load::request::Request;
use merit_load::sample::{Disturbance, Sample, Target, median};

/// Compares Merit under load with a bare pass-through.
#[derive(Parser)]
struct Args {
    /// Rounds; in each, every target has its turn.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds that are counted in a turn.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Seconds before them.
    #[arg(long, default_value_t = 2)]
    warm_up_s: u64,
    /// Keep-alive connections of the generator.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Bytes of the payload and of the reply.
    #[arg(long, default_value_t = 1024)]
    payload_bytes: usize,
    /// Calls a second of the second part; half of Merit's own saturation when absent.
    #[arg(long)]
    rate: Option<u64>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let reply = format!("--reply-bytes={}", args.payload_bytes);
    let (upstream, address) = Process::start_server("upstream", &[reply])?;
    let (passthrough, passing) = Process::start_server("passthrough", &[format!("--upstream={address}")])?;
    let merit = Merit::start(address, 1).await?;

    let payload = vec![b'x'; args.payload_bytes];
    let client = |request| Client::new(request, args.connections);
    let post = |address| Request::new("POST", &format!("http://{address}/echo"), &[], &payload);
    let mut targets = [
        Target::new("direct", client(post(address)?), upstream.id()),
        Target::new("pass-through", client(post(passing)?), passthrough.id()),
        Target::new("merit", client(merit.invocation(&payload)?), merit.id()),
    ];
    for target in &mut targets {
        let (status, body) = target.client.once().await?;
        let text = String::from_utf8_lossy(&body);
        anyhow::ensure!(status == 200 && body.len() == args.payload_bytes, "{}: {status} {text}", target.name);
    }

    let disturbance = Disturbance::watch(targets.iter().map(|target| target.pid).collect())?;
    turns(&args, 0, &mut targets).await?;
    let most = median(targets[2].saturated.iter().map(|sample| sample.tally.rate()));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is small and positive")]
    let rate = args.rate.unwrap_or((most / 2.0) as u64).max(1);
    turns(&args, rate, &mut targets).await?;
    print(&args, rate, &targets)?;
    report::line(&format!("\nother processes took {:.0} % of the cores meanwhile", disturbance.percent()?))?;
    Ok(())
}

/// Every target has its turn in every round, first the one, then the other way round.
async fn turns(args: &Args, rate: u64, targets: &mut [Target]) -> anyhow::Result<()> {
    for round in 1..=args.rounds {
        for target in targets.iter_mut() {
            target.round(rate, args.warm_up_s, args.seconds).await?;
        }
        targets.reverse();
        report::progress(&format!("round {round} of {} at {rate} calls/s (0: saturated)", args.rounds))?;
    }
    targets.sort_by_key(|target| ["direct", "pass-through", "merit"].iter().position(|name| *name == target.name));
    Ok(())
}

fn print(args: &Args, rate: u64, targets: &[Target; 3]) -> anyhow::Result<()> {
    let Args { rounds, seconds, warm_up_s, connections, payload_bytes, .. } = args;
    let (version, build) = (env!("CARGO_PKG_VERSION"), report::build());
    report::line(&format!("merit {version} and a bare hyper pass-through, {build}"))?;
    report::line(&report::machine())?;
    report::line(&format!(
        "POST {payload_bytes} B, reply {payload_bytes} B, {connections} connections, {rounds} rounds of {seconds} s \
         after {warm_up_s} s, in turns; medians of the rounds"
    ))?;
    report::line(&format!("\nsaturated (closed loop)\n{}", report::table(&saturated(targets))))?;
    report::line(&format!(
        "\n{rate} calls/s (open loop, microseconds from the planned send time)\n{}",
        report::table(&paced(targets))
    ))?;
    report::line(&format!("\n{}", report::table(&verdicts(targets))))?;
    Ok(())
}

fn row(cells: impl IntoIterator<Item = String>) -> Vec<String> {
    cells.into_iter().collect()
}

fn head(cells: &[&str]) -> Vec<String> {
    row(cells.iter().map(|cell| (*cell).to_owned()))
}

fn of(samples: &[Sample], figure: impl Fn(&Sample) -> f64) -> f64 {
    median(samples.iter().map(figure))
}

fn saturated(targets: &[Target]) -> Vec<Vec<String>> {
    let mut rows = vec![head(&["", "calls/s", "least", "most", "CPU us a call"])];
    for Target { name, saturated, .. } in targets {
        let rates = || saturated.iter().map(|sample| sample.tally.rate());
        let (least, most) = (rates().fold(f64::INFINITY, f64::min), rates().fold(0.0, f64::max));
        let figures = [of(saturated, |s| s.tally.rate()), least, most].map(|rate| format!("{rate:.0}"));
        let cpu = format!("{:.1}", of(saturated, |s| s.cpu_us));
        rows.push(row([(*name).to_owned()].into_iter().chain(figures).chain([cpu])));
    }
    rows
}

/// What a target adds to a direct call of the same round, in microseconds.
fn added(targets: &[Target], target: &Target, share: f64) -> f64 {
    let pairs = target.paced.iter().zip(&targets[0].paced);
    median(pairs.map(|(through, direct)| through.tally.micros(share) - direct.tally.micros(share)))
}

fn paced(targets: &[Target]) -> Vec<Vec<String>> {
    const SHARES: [f64; 5] = [0.5, 0.9, 0.99, 0.999, 1.0];
    let names =
        ["", "p50", "p90", "p99", "p99.9", "max", "added p50", "added p99", "CPU us a call", "generator late p99"];
    let mut rows = vec![head(&names)];
    for target in targets {
        let shares = SHARES.map(|share| of(&target.paced, |sample| sample.tally.micros(share)));
        let adds = [0.5, 0.99].map(|share| added(targets, target, share));
        let figures = shares.into_iter().chain(adds).map(|us| format!("{us:.0}"));
        let cpu = format!("{:.1}", of(&target.paced, |sample| sample.cpu_us));
        let late = format!("{:.0}", of(&target.paced, |sample| sample.tally.late_micros(0.99)));
        rows.push(row([target.name.to_owned()].into_iter().chain(figures).chain([cpu, late])));
    }
    rows
}

/// Merit's figures as multiples of the pass-through's, beside what they should be.
fn verdicts(targets: &[Target; 3]) -> Vec<Vec<String>> {
    let [_, passthrough, merit] = targets;
    let rate = |target: &Target| of(&target.saturated, |sample| sample.tally.rate());
    let add = |target: &Target, share| added(targets, target, share);
    let figures = [
        ("throughput", rate(merit) / rate(passthrough), "at least 0.60"),
        ("added p50", add(merit, 0.5) / add(passthrough, 0.5), "at most 1.5"),
        ("added p99", add(merit, 0.99) / add(passthrough, 0.99), "at most 2"),
    ];
    let mut rows = vec![head(&["merit / pass-through", "", "goal"])];
    rows.extend(figures.map(|(name, ratio, goal)| row([name.to_owned(), format!("{ratio:.2}"), goal.to_owned()])));
    rows
}
