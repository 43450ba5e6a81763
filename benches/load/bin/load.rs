//! The load generator by itself, for any HTTP server on this machine.

use clap::Parser;
use merit_load::client::Client;
use merit_load::request::Request;
use merit_load::{process, report};

/// Sends the same POST again and again and prints how long the replies took.
#[derive(Parser)]
struct Args {
    /// Where to, such as http://127.0.0.1:8780/v1/functions/echo/invocations.
    url: String,
    /// Calls a second, at planned times; 0 sends as fast as the connections allow.
    #[arg(long, default_value_t = 1000)]
    rate: u64,
    /// Keep-alive connections.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Bytes of the payload.
    #[arg(long, default_value_t = 1024)]
    payload_bytes: usize,
    /// A header, `name: value`; may be repeated.
    #[arg(long)]
    header: Vec<String>,
    /// Seconds before counting begins.
    #[arg(long, default_value_t = 2)]
    warm_up_s: u64,
    /// Seconds that are counted; at most an hour.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// A process whose CPU time per call is printed.
    #[arg(long)]
    pid: Option<u32>,
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let request = Request::post(&args.url, &args.header, args.payload_bytes)?;
    let mut client = Client::new(request, args.connections);
    client.run(args.rate, args.warm_up_s).await?;
    let before = args.pid.map(process::cpu_us).transpose()?;
    let tally = client.run(args.rate, args.seconds).await?;
    let late = tally.late_micros(0.99);
    report::line(&format!("{}\n{}", report::machine(), args.url))?;
    report::line(&format!("calls/s {:.0}  failed {:?}  generator late p99 {late:.0} us", tally.rate(), tally.errors))?;
    let shares = [0.5, 0.9, 0.99, 0.999, 1.0].map(|share| format!("p{} {:.0}", share * 100.0, tally.micros(share)));
    report::line(&format!("latency in us from the planned send time: {}", shares.join("  ")))?;
    if let (Some(pid), Some(before)) = (args.pid, before) {
        let used = process::cpu_us(pid)? - before;
        let each = used as f64 / (tally.latency.len() as f64).max(1.0);
        report::line(&format!("CPU of process {pid}: {each:.1} us a call"))?;
    }
    Ok(())
}
