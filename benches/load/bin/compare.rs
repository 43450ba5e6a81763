//! How much Merit adds to a call: Merit and a bare pass-through before the same upstream, measured
//! in turns in one run. First the most calls a second each can do; then, at half of what Merit can
//! do, the latency each adds to a direct call; then what the pass-through adds at half of what it can do itself.

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
    let rate = args.rate.unwrap_or_else(|| half(&targets[2]));
    turns(&args, rate, &mut targets).await?;
    let same = Paced::take(rate, &mut targets);
    let own_rate = half(&targets[1]);
    turns(&args, own_rate, &mut targets[..2]).await?;
    let own = Paced::take(own_rate, &mut targets[..2]);
    print(&args, &targets, &same, &own)?;
    report::line(&format!("\nother processes took {:.0} % of the cores meanwhile", disturbance.percent()?))?;
    Ok(())
}

/// Samples at one rate: a direct call's, the pass-through's, and Merit's where it had turns.
struct Paced {
    rate: u64,
    of: Vec<(&'static str, Vec<Sample>)>,
}

impl Paced {
    fn take(rate: u64, targets: &mut [Target]) -> Self {
        let of = targets.iter_mut().map(|target| (target.name, std::mem::take(&mut target.paced)));
        Self { rate, of: of.collect() }
    }

    /// What a target adds to a direct call of the same round, in microseconds.
    fn added(&self, target: usize, share: f64) -> f64 {
        let pairs = self.of[target].1.iter().zip(&self.of[0].1);
        median(pairs.map(|(through, direct)| through.tally.micros(share) - direct.tally.micros(share)))
    }
}

/// Half of what a target can do, in calls a second.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is small and positive")]
fn half(target: &Target) -> u64 {
    ((of(&target.saturated, |sample| sample.tally.rate()) / 2.0) as u64).max(1)
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

fn print(args: &Args, targets: &[Target; 3], same: &Paced, own: &Paced) -> anyhow::Result<()> {
    let Args { rounds, seconds, warm_up_s, connections, payload_bytes, .. } = args;
    let (version, build) = (env!("CARGO_PKG_VERSION"), report::build());
    report::line(&format!("merit {version} and a bare hyper pass-through, {build}"))?;
    report::line(&report::machine())?;
    report::line(&format!(
        "POST {payload_bytes} B, reply {payload_bytes} B, {connections} connections, {rounds} rounds of {seconds} s \
         after {warm_up_s} s, in turns; medians of the rounds"
    ))?;
    report::line(&format!("\nsaturated (closed loop)\n{}", report::table(&saturated(targets))))?;
    for part in [same, own] {
        report::line(&format!(
            "\n{} calls/s (open loop, microseconds from the planned send time)\n{}",
            part.rate,
            report::table(&paced(part))
        ))?;
    }
    report::line(&format!("\n{}", report::table(&verdicts(targets, same, own))))?;
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

fn paced(part: &Paced) -> Vec<Vec<String>> {
    const SHARES: [f64; 5] = [0.5, 0.9, 0.99, 0.999, 1.0];
    let names =
        ["", "p50", "p90", "p99", "p99.9", "max", "added p50", "added p99", "CPU us a call", "generator late p99"];
    let mut rows = vec![head(&names)];
    for (at, (name, samples)) in part.of.iter().enumerate() {
        let shares = SHARES.map(|share| of(samples, |sample| sample.tally.micros(share)));
        let adds = [0.5, 0.99].map(|share| part.added(at, share));
        let figures = shares.into_iter().chain(adds).map(|us| format!("{us:.0}"));
        let cpu = format!("{:.1}", of(samples, |sample| sample.cpu_us));
        let late = format!("{:.0}", of(samples, |sample| sample.tally.late_micros(0.99)));
        rows.push(row([(*name).to_owned()].into_iter().chain(figures).chain([cpu, late])));
    }
    rows
}

/// Merit's figures as multiples of the pass-through's, beside what they should be.
fn verdicts(targets: &[Target; 3], same: &Paced, own: &Paced) -> Vec<Vec<String>> {
    let [_, passthrough, merit] = targets;
    let rate = |target: &Target| of(&target.saturated, |sample| sample.tally.rate());
    let at_same = |share| same.added(2, share) / same.added(1, share);
    let at_own = |share| same.added(2, share) / own.added(1, share);
    let figures = [
        ("throughput", rate(merit) / rate(passthrough), "at least 0.60"),
        ("added p50, both at half of merit's saturation", at_same(0.5), "at most 1.5"),
        ("added p99", at_same(0.99), "at most 2"),
        ("added p50, each at half of its own saturation", at_own(0.5), "at most 1.5"),
        ("added p99", at_own(0.99), "at most 2"),
    ];
    let mut rows = vec![head(&["merit / pass-through", "", "goal"])];
    rows.extend(figures.map(|(name, ratio, goal)| row([name.to_owned(), format!("{ratio:.2}"), goal.to_owned()])));
    rows
}
