//! Quotes of a provider under load: so many a second, each a new price of one of a thousand offers, in one session.
//!
//! Besides them one offer is a probe: its price changes every so often, and a caller asks for a quote of its function
//! again and again until it has the new price. A latency is the time from the probe's planned sending until then, so it
//! has all that waits in front of it, the rebuilding of books, and the caller's own round trip in it.
//!
//! Then the venue's kill switch is turned on, as often as told, while the quotes go on: from the sending of the order until a
//! caller's quote no longer has the venue.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Parser;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use hdrhistogram::Histogram;
use merit_load::client::Client;
use merit_load::merit::{self, Merit};
use merit_load::process::{self, Process};
use merit_load::{clock, functions, report};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

/// Between two bursts of quotes.
const TICK: Duration = Duration::from_millis(1);

/// Measures quotes.
#[derive(Parser)]
struct Args {
    /// Quotes a second.
    #[arg(long, default_value_t = 20_000)]
    rate: u64,
    /// Functions, with one offer each.
    #[arg(long, default_value_t = 1_000)]
    functions: u32,
    /// Seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Milliseconds between two probes.
    #[arg(long, default_value_t = 50)]
    probe_ms: u64,
    /// How often the kill switch is turned on; a venue may turn it off 60 times a minute.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=50))]
    kills: u64,
}

/// Between two turns of the kill switch.
const BETWEEN_TURNS: Duration = Duration::from_millis(100);

const VENUE: &str = "[venues.quoted]\nkind = \"provider\"\nregion = \"here\"\noffers = [\"*\"]\nvouch = true\ntrial_calls = 0\n\
                     private_addresses = true\n";

type Socket = WebSocketStream<TcpStream>;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let (_upstream, address) = Process::start_server("upstream", &[])?;
    let merit = Merit::start_with(address, 1, VENUE).await?;
    functions::put(&merit, args.functions, 1).await?;
    let (mut sink, stream) = connect(&merit, address).await?.split();
    let acked = Arc::new(AtomicU64::new(0));
    let reading = tokio::spawn(read(stream, Arc::clone(&acked)));
    let mut seq = 2;
    for function in 0..args.functions {
        seq += 1;
        send(&mut sink, &quote(seq, function, 0)).await?;
    }
    sink.flush().await?;
    wait_for(&acked, seq).await?;
    let used = process::cpu_us(merit.id())?;
    let (sent, seen) = load(&args, &merit, &mut sink, seq).await?;
    wait_for(&acked, seq + sent).await.context("not all quotes were acknowledged")?;
    let used = process::cpu_us(merit.id())? - used;
    let stopped = kill(&args, &merit, &mut sink, seq + sent).await?;
    reading.abort();
    print(&args, sent, &seen, &stopped, used)
}

/// Turns the kill switch on and off while quotes come at the rate. How long each turning on took, in nanoseconds.
async fn kill(
    args: &Args,
    merit: &Merit,
    sink: &mut SplitSink<Socket, Message>,
    from: u64,
) -> anyhow::Result<Histogram<u64>> {
    let order =
        |on: bool| merit.request("PUT", "v1/venues/quoted/kill-switch", json!({"on": on}).to_string().as_bytes());
    let (mut on, mut off) = (Client::new(order(true)?, 1), Client::new(order(false)?, 1));
    let mut prober = Client::new(merit.request("POST", "v1/functions/f0/quotes", b"{}")?, 1);
    let kills = args.kills;
    let switching = tokio::spawn(async move {
        let mut stopped = Histogram::<u64>::new(3)?;
        for _ in 0..kills {
            tokio::time::sleep(BETWEEN_TURNS).await;
            let began = clock::now();
            turned(&mut on).await?;
            while cost(&mut prober).await?.is_some() {
                ensure!(clock::now() < began + 5_000_000_000, "a venue was matched 5 s after it was killed");
            }
            stopped.record(clock::now() - began)?;
            turned(&mut off).await?;
            while cost(&mut prober).await?.is_none() {}
        }
        anyhow::Ok(stopped)
    });
    let mut quotes = Quotes { sent: 0, from, functions: args.functions };
    let (began, mut ticks) = (clock::now(), tokio::time::interval(TICK));
    while !switching.is_finished() {
        ticks.tick().await;
        quotes.send_until((clock::now() - began) * args.rate / 1_000_000_000, sink).await?;
        sink.flush().await?;
    }
    switching.await?
}

async fn turned(order: &mut Client) -> anyhow::Result<()> {
    let (status, body) = order.once().await?;
    ensure!(status == 200, "the switch was not turned: {status} {}", String::from_utf8_lossy(&body));
    Ok(())
}

/// Quotes of all functions but the first, by turns.
struct Quotes {
    sent: u64,
    from: u64,
    functions: u32,
}

impl Quotes {
    async fn send_until(&mut self, due: u64, sink: &mut SplitSink<Socket, Message>) -> anyhow::Result<()> {
        while self.sent < due {
            self.sent += 1;
            let function = 1 + u32::try_from(self.sent % u64::from(self.functions - 1))?;
            send(sink, &quote(self.from + self.sent, function, self.sent)).await?;
        }
        Ok(())
    }
}

async fn connect(merit: &Merit, upstream: std::net::SocketAddr) -> anyhow::Result<Socket> {
    let url = format!("ws://{}/v1/venues/quoted/session", merit.address());
    let mut request = url.into_client_request()?;
    request.headers_mut().insert("authorization", format!("Bearer {}", merit.key()).parse()?);
    let stream = TcpStream::connect(merit.address()).await?;
    stream.set_nodelay(true)?;
    let (mut socket, _) = client_async(request, stream).await?;
    let sheet = merit::sheet("0.00001", 1).replace("\"plain\"", "\"quoted\"");
    let secret = format!("whsec_{}", "A".repeat(32));
    for frame in [
        json!({"type": "endpoint", "seq": 1, "url": format!("http://{upstream}/"), "secret": secret}),
        json!({"type": "price_sheet", "seq": 2, "sheet": sheet}),
    ] {
        socket.send(Message::text(frame.to_string())).await?;
    }
    Ok(socket)
}

/// A quote within the band: prices move by a thousandth at a time.
fn quote(seq: u64, function: u32, step: u64) -> String {
    let price = format!("0.00001{:03}", step % 1000);
    json!({"type": "quote", "seq": seq, "offer": {
        "id": format!("o{function}"), "function": format!("f{function}"), "target": "/echo", "memory_mb": 128,
        "slots": 8, "ttl_ms": 60_000, "prices": {"gb_second": price},
    }})
    .to_string()
}

async fn send(sink: &mut SplitSink<Socket, Message>, text: &str) -> anyhow::Result<()> {
    Ok(sink.feed(Message::text(text)).await?)
}

/// Reads acknowledgements; anything refused or held ends the run.
async fn read(mut stream: SplitStream<Socket>, acked: Arc<AtomicU64>) -> anyhow::Result<()> {
    while let Some(message) = stream.next().await {
        let Message::Text(text) = message? else { continue };
        let frame: Value = serde_json::from_str(&text)?;
        match frame["type"].as_str() {
            Some("ack") if frame.get("held").is_none() && frame.get("rejected").is_none() => {
                acked.store(frame["seq"].as_u64().context("no seq")?, Ordering::Relaxed);
            }
            Some("ack" | "reject" | "bye") => bail!("not taken: {text}"),
            _ => {}
        }
    }
    Ok(())
}

async fn wait_for(acked: &AtomicU64, seq: u64) -> anyhow::Result<()> {
    let waiting = async {
        while acked.load(Ordering::Relaxed) < seq {
            tokio::time::sleep(TICK).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), waiting).await;
    waited.with_context(|| format!("{} of {seq} frames were acknowledged", acked.load(Ordering::Relaxed)))
}

/// Quotes at the rate, and probes. How many were sent, and when each probe was seen, in nanoseconds.
async fn load(
    args: &Args,
    merit: &Merit,
    sink: &mut SplitSink<Socket, Message>,
    from: u64,
) -> anyhow::Result<(u64, Histogram<u64>)> {
    let (planned, probes) = unbounded_channel::<u64>();
    let prober = Client::new(merit.request("POST", "v1/functions/f0/quotes", b"{}")?, 1);
    let probing = tokio::spawn(probe(prober, probes));
    let mut quotes = Quotes { sent: 0, from, functions: args.functions };
    let (began, mut probed) = (clock::now(), 0_u64);
    let mut ticks = tokio::time::interval(TICK);
    while clock::now() - began < args.seconds * 1_000_000_000 {
        ticks.tick().await;
        let elapsed = clock::now() - began;
        if elapsed / (args.probe_ms * 1_000_000) > probed {
            probed = elapsed / (args.probe_ms * 1_000_000);
            quotes.sent += 1;
            send(sink, &quote(from + quotes.sent, 0, probed)).await?;
            planned.send(began + probed * args.probe_ms * 1_000_000)?;
        }
        quotes.send_until(elapsed * args.rate / 1_000_000_000, sink).await?;
        sink.flush().await?;
    }
    drop(planned);
    Ok((quotes.sent, probing.await??))
}

/// Waits for each planned price to be in the book.
async fn probe(mut prober: Client, mut planned: UnboundedReceiver<u64>) -> anyhow::Result<Histogram<u64>> {
    let mut seen = Histogram::<u64>::new(3)?;
    let began = clock::now();
    let mut last = loop {
        if let Some(cost) = cost(&mut prober).await? {
            break cost;
        }
        ensure!(clock::now() < began + 10_000_000_000, "the venue was not ready after 10 s");
    };
    while let Some(at) = planned.recv().await {
        loop {
            let cost = cost(&mut prober).await?.context("the offer left the book")?;
            if cost != last {
                last = cost;
                seen.record(clock::now() - at)?;
                break;
            }
            ensure!(clock::now() < at + 5_000_000_000, "a quote was not in the book after 5 s");
        }
    }
    Ok(seen)
}

/// What a call is expected to cost at the quoting venue, if one would be matched there.
async fn cost(prober: &mut Client) -> anyhow::Result<Option<String>> {
    let (status, body) = prober.once().await?;
    let text = String::from_utf8_lossy(&body).into_owned();
    ensure!(status == 200, "a quote was refused: {status} {text}");
    let quote: Value = serde_json::from_slice(&body)?;
    let ask = quote["asks"].as_array().into_iter().flatten().find(|ask| ask["venue"] == "quoted");
    Ok(ask.and_then(|ask| ask["cost"].as_str()).map(str::to_owned))
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn print(args: &Args, sent: u64, seen: &Histogram<u64>, stopped: &Histogram<u64>, cpu_us: u64) -> anyhow::Result<()> {
    let (version, build) = (env!("CARGO_PKG_VERSION"), report::build());
    let mut text = format!("quotes of a provider, merit {version}, {build}\n{}\n", report::machine());
    let (rate, functions) = (sent / args.seconds, args.functions);
    writeln!(text, "{rate} quotes a second in one session for {functions} offers; {} probes", seen.len())?;
    let ms = |of: &Histogram<u64>, share: f64| of.value_at_quantile(share) as f64 / 1e6;
    let three = |of| format!("p50 {:.2} ms  p99 {:.2} ms  max {:.2} ms", ms(of, 0.5), ms(of, 0.99), ms(of, 1.0));
    writeln!(text, "from sending to book: {} (goal: 10 ms)", three(seen))?;
    writeln!(text, "from the kill switch to no match, {} times: {} (goal: 100 ms)", stopped.len(), three(stopped))?;
    write!(text, "CPU: {:.1} us a quote", cpu_us as f64 / sent as f64)?;
    Ok(report::line(&text)?)
}
