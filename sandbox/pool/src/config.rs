//! A pool's configuration: one file, all of its mistakes reported at once.
//!
//! `pool.toml` beside this crate's sources is the commented template and says every default; a test holds the two
//! together. Programs have a file of their own in their folder (`function`).

mod function;
mod reader;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use merit_units::{MemoryMb, Micros, Money, parse_vcpu};

use crate::price::PriceRule;
use crate::schedule::KeepAlive;
pub use function::ProgramConfig;
pub use reader::{ConfigErrors, Mistake};
use reader::{Reader, Table};

/// The commented template, which is also what holds without a file.
pub const TEMPLATE: &str = include_str!("../pool.toml");

/// Milliseconds one call may take: the longest that AWS Lambda allows.
const TIMEOUT_MS: std::ops::RangeInclusive<u64> = 1..=900_000;
/// Bytes of a payload or reply.
const BYTES: std::ops::RangeInclusive<u64> = 1..=1 << 30;

/// Connections, in all and of strangers.
const CONNECTIONS: std::ops::RangeInclusive<u64> = 1..=100_000;

/// A pool's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// Where calls are taken.
    pub listen: SocketAddr,
    /// Directory of functions: `<name>.wasm`, `<name>/<name>.wasm` or `<name>/function.toml`.
    pub functions: PathBuf,
    /// Where compiled WebAssembly is kept between starts.
    pub cache: Option<PathBuf>,
    /// Calls at once; those beyond wait or are answered 429.
    pub concurrency: u32,
    /// The largest payload in bytes; more is answered 413.
    pub payload_bytes: usize,
    /// Bytes of payloads that may be held before their signatures are verified.
    pub unverified_bytes: usize,
    /// Connections at once; more wait in the listener's queue.
    pub connections: usize,
    /// Connections at once on which no request was allowed yet; beyond, the stillest is closed.
    pub strangers: usize,
    /// The same of one address, or of one network of IPv6.
    pub strangers_per_address: usize,
    /// How long such a connection may take over a request's head.
    pub stranger_idle: Duration,
    /// How long what a refused client is still sending is read and thrown away.
    pub linger: Duration,
    /// How long calls may go on after the shutdown signal.
    pub drain: Duration,
    /// The bearer token callers need; `None` lets everyone in who can reach the port.
    pub key: Option<String>,
    /// What each call of WebAssembly may use. A request's deadline can only shorten the wall time.
    pub wasm: Wasm,
    /// The machine.
    pub machine: Machine,
    /// How calls wait and instances are kept.
    pub schedule: Schedule,
    /// How the price rises.
    pub price: Price,
    /// The exchange this pool joins.
    pub join: Option<Join>,
}

/// What one call of WebAssembly may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wasm {
    /// Linear memory.
    pub memory: MemoryMb,
    /// Wall time from start to end, waiting included.
    pub wall: Micros,
    /// CPU time.
    pub cpu: Micros,
    /// Bytes of the reply.
    pub output_bytes: usize,
}

/// What the machine has and costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Dollars an hour.
    pub price_per_hour: Money,
    /// Memory that functions may have together, in MB; `None` takes what is free at the start.
    pub memory_mb: Option<u64>,
    /// CPUs in thousandths; `None` takes all.
    pub vcpu_milli: Option<u32>,
    /// How many times its memory may be promised, in percent.
    pub overcommit_percent: u32,
}

/// How calls wait and instances are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Calls of one function that may wait.
    pub queue: usize,
    /// How long a call waits at most.
    pub queue_wait: Micros,
    /// How long an idle instance is kept.
    pub keep_alive: KeepAlive,
}

/// The figures of the price rule that are not the machine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// How much of the machine's price its memory carries, in percent.
    pub memory_share_percent: u32,
    /// The price of an idle pool, in percent of what it costs.
    pub floor_percent: u32,
    /// The price of a full pool.
    pub ceiling_percent: u32,
    /// How busy the pool may be before the price rises.
    pub knee_percent: u32,
    /// How long a price stands at least.
    pub step: Micros,
}

/// The exchange a pool joins.
#[derive(Clone, PartialEq, Eq)]
pub struct Join {
    /// Where it is.
    pub url: String,
    /// The venue this pool is there.
    pub venue: String,
    /// The provider's key.
    pub key: Option<String>,
    /// Where the exchange reaches this pool; `None` stands for the address it listens on.
    pub endpoint: Option<String>,
    /// How long an offer stands without being renewed.
    pub ttl: Duration,
}

impl Join {
    /// To an exchange, as a venue, with what holds for the rest.
    #[must_use]
    pub const fn new(url: String, venue: String, key: Option<String>) -> Self {
        Self { url, venue, key, endpoint: None, ttl: Duration::from_secs(5) }
    }
}

impl std::fmt::Debug for Join {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut f = f.debug_struct("Join");
        f.field("url", &self.url).field("venue", &self.venue).field("endpoint", &self.endpoint);
        f.field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

impl PoolConfig {
    /// What holds without a file, for a directory of functions: 32 calls at once, 6 MB payloads, no key,
    /// 10 s to drain.
    #[must_use]
    pub fn new(functions: PathBuf) -> Self {
        let text = Self::parse("", Path::new("the defaults")).expect("invariant: no text has no mistake");
        Self { functions, ..text }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every mistake, also when it can't be read.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let message = format!("cannot be read: {error}; name another with --config");
            ConfigErrors(vec![Mistake { file: path.to_owned(), line: 0, key: String::new(), message }])
        })?;
        Self::parse(&text, path)
    }

    /// Reads a configuration's text. `path` names it in mistakes, and relative paths are taken from its folder.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every mistake.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigErrors> {
        let mut reader = Reader::new(path, text);
        let config = reader.parse().map(|document| {
            let mut root = reader.root(&document);
            let config = read(&mut reader, &mut root, path.parent().unwrap_or(Path::new("")));
            reader.finish(&root);
            config
        });
        match config {
            Some(config) if reader.mistakes.is_empty() => Ok(config),
            _ => Err(ConfigErrors(reader.mistakes)),
        }
    }

    /// The price rule for a machine of this memory and these CPUs.
    #[must_use]
    pub const fn price_rule(&self, memory_mb: u64, vcpu_milli: u32) -> PriceRule {
        let Price { memory_share_percent, floor_percent, ceiling_percent, knee_percent, step } = self.price;
        PriceRule {
            machine_per_hour: self.machine.price_per_hour,
            memory_mb,
            vcpu_milli,
            memory_share_percent,
            floor_percent,
            ceiling_percent,
            knee_percent,
            step,
        }
    }
}

fn read<'t>(reader: &mut Reader<'t>, root: &mut Table<'_, 't>, folder: &Path) -> PoolConfig {
    let path = |text: &str| Ok::<_, String>(folder.join(text));
    let mut pool = reader.section(root, "pool");
    let mut config = PoolConfig {
        listen: reader
            .text(&mut pool, "listen", |text| text.parse().map_err(|_| format!("`{text}` is no address with a port")))
            .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8791))),
        functions: reader.text(&mut pool, "functions", path).unwrap_or_else(|| folder.join("functions")),
        cache: reader.text(&mut pool, "cache", path),
        concurrency: reader.number(&mut pool, "concurrency", 1..=10_000, 32),
        payload_bytes: reader.number(&mut pool, "payload_bytes", BYTES, 6 << 20),
        unverified_bytes: reader.number(&mut pool, "unverified_bytes", BYTES, 128 << 20),
        connections: reader.number(&mut pool, "connections", CONNECTIONS, 4096),
        strangers: reader.number(&mut pool, "strangers", CONNECTIONS, 1024),
        strangers_per_address: reader.number(&mut pool, "strangers_per_address", CONNECTIONS, 256),
        stranger_idle: Duration::from_millis(reader.number(&mut pool, "stranger_idle_ms", 10..=90_000, 10_000)),
        linger: Duration::from_millis(reader.number(&mut pool, "linger_ms", 0..=600_000, 2000)),
        drain: Duration::from_millis(reader.number(&mut pool, "drain_ms", 0..=3_600_000, 10_000)),
        key: reader.text(&mut pool, "key", |text| Ok::<_, String>(text.to_owned())),
        wasm: wasm(reader, root),
        machine: machine(reader, root),
        schedule: schedule(reader, root),
        price: price(reader, root),
        join: None,
    };
    if config.strangers >= config.connections {
        let all = config.connections;
        reader.mistake_at(
            &pool,
            "strangers",
            format!("must be below connections, {all}: they would keep all others out"),
        );
    }
    reader.finish(&pool);
    config.join = join(reader, root);
    config
}

fn wasm<'t>(reader: &mut Reader<'t>, root: &mut Table<'_, 't>) -> Wasm {
    let mut table = reader.section(root, "wasm");
    let memory = reader.number(&mut table, "memory_mb", 1..=4096, 128);
    let wall = Micros::from_millis(reader.number(&mut table, "timeout_ms", TIMEOUT_MS, 30_000));
    let output_bytes = reader.number(&mut table, "reply_bytes", BYTES, 6 << 20);
    reader.finish(&table);
    let memory = MemoryMb::try_new(memory).expect("invariant: the range is of memory sizes");
    Wasm { memory, wall, cpu: wall, output_bytes }
}

fn machine<'t>(reader: &mut Reader<'t>, root: &mut Table<'_, 't>) -> Machine {
    let mut table = reader.section(root, "machine");
    let price = |text: &str| match text.parse::<Money>() {
        Ok(price) if price > Money::ZERO => Ok(price),
        Ok(_) => Err("must be above 0: a pool that costs nothing would get every call".to_owned()),
        Err(error) => Err(format!("`{text}` {error}")),
    };
    let vcpu = |text: &str| if text == "0" { Ok(None) } else { parse_vcpu(text).map(Some) };
    let machine = Machine {
        price_per_hour: reader.text(&mut table, "price_per_hour", price).unwrap_or(Money::from_pico(100_000_000_000)),
        memory_mb: Some(reader.number(&mut table, "memory_mb", 0..=1 << 30, 0)).filter(|memory| *memory > 0),
        vcpu_milli: reader.text(&mut table, "vcpu", vcpu).flatten(),
        overcommit_percent: reader.number(&mut table, "overcommit_percent", 100..=1000, 100),
    };
    reader.finish(&table);
    machine
}

fn schedule<'t>(reader: &mut Reader<'t>, root: &mut Table<'_, 't>) -> Schedule {
    const KEEP_ALIVE_MS: std::ops::RangeInclusive<u64> = 100..=86_400_000;
    let mut table = reader.section(root, "schedule");
    let schedule = Schedule {
        queue: reader.number(&mut table, "queue", 0..=100_000, 16),
        queue_wait: Micros::from_millis(reader.number(&mut table, "queue_wait_ms", TIMEOUT_MS, 2000)),
        keep_alive: KeepAlive {
            min: Micros::from_millis(reader.number(&mut table, "keep_alive_min_ms", KEEP_ALIVE_MS, 1000)),
            max: Micros::from_millis(reader.number(&mut table, "keep_alive_max_ms", KEEP_ALIVE_MS, 600_000)),
        },
    };
    if schedule.keep_alive.min > schedule.keep_alive.max {
        reader.mistake_at(&table, "keep_alive_min_ms", "must not be above keep_alive_max_ms");
    }
    reader.finish(&table);
    schedule
}

fn price<'t>(reader: &mut Reader<'t>, root: &mut Table<'_, 't>) -> Price {
    let mut table = reader.section(root, "price");
    let price = Price {
        memory_share_percent: reader.number(&mut table, "memory_share_percent", 0..=100, 50),
        floor_percent: reader.number(&mut table, "floor_percent", 1..=100_000, 100),
        ceiling_percent: reader.number(&mut table, "ceiling_percent", 1..=100_000, 200),
        knee_percent: reader.number(&mut table, "knee_percent", 0..=99, 50),
        step: Micros::from_millis(reader.number(&mut table, "step_ms", 100..=60_000, 1000)),
    };
    if price.floor_percent > price.ceiling_percent {
        reader.mistake_at(&table, "floor_percent", "must not be above ceiling_percent");
    }
    reader.finish(&table);
    price
}

fn join<'t>(reader: &mut Reader<'t>, root: &mut Table<'_, 't>) -> Option<Join> {
    let mut table = reader.section(root, "join");
    if !table.is_there() {
        return None;
    }
    let web = |text: &str| {
        let is_web = text.starts_with("http://") || text.starts_with("https://");
        if is_web { Ok(text.to_owned()) } else { Err(format!("`{text}` is no URL; write http://... or https://...")) }
    };
    let plain = |text: &str| Ok::<_, String>(text.to_owned());
    let (url, venue) = (reader.text(&mut table, "url", web), reader.text(&mut table, "venue", plain));
    let key = reader.text(&mut table, "key", plain);
    let endpoint = reader.text(&mut table, "endpoint", web);
    let ttl = Duration::from_millis(reader.number(&mut table, "ttl_ms", 1000..=60_000, 5000));
    for missing in ["url", "venue"] {
        if !table.has(missing) {
            reader.mistake_at(&table, missing, "is missing; it is required to join");
        }
    }
    reader.finish(&table);
    Some(Join { key, endpoint, ttl, ..Join::new(url?, venue?, None) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<PoolConfig, ConfigErrors> {
        PoolConfig::parse(text, Path::new("etc/pool.toml"))
    }

    fn mistakes(text: &str) -> String {
        parse(text).expect_err("a mistake").to_string()
    }

    #[test]
    fn the_template_is_what_holds_without_a_file() {
        assert_eq!(parse(TEMPLATE), parse(""));
        // With what is commented out it is still right.
        let settings = TEMPLATE.lines().map(|line| match line.strip_prefix("# ") {
            Some(text)
                if text.starts_with('[') || text.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')) =>
            {
                text
            }
            _ => line,
        });
        let all = settings.collect::<Vec<_>>().join("\n");
        let join = parse(&all).expect("no mistake").join.expect("a section to join");
        assert_eq!((join.venue.as_str(), join.ttl), ("pool-dc1", Duration::from_secs(5)));
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        let text = "[pool]\nlisten = \"here\"\nconcurency = 3\n[machine]\nprice_per_hour = \"0\"\nvcpu = \"many\"\n\
                    [price]\nfloor_percent = 300\n[join]\nurl = \"ftp://x\"\n[pol]\n";
        insta::assert_snapshot!(mistakes(text), @r"
        etc/pool.toml:2: pool.listen: `here` is no address with a port
        etc/pool.toml:5: machine.price_per_hour: must be above 0: a pool that costs nothing would get every call
        etc/pool.toml:6: machine.vcpu: must be 0.001 to 1024 with at most three decimals, got `many`
        etc/pool.toml:8: price.floor_percent: must not be above ceiling_percent
        etc/pool.toml:3: pool.concurency: unknown key; did you mean `concurrency`?
        etc/pool.toml:10: join.url: `ftp://x` is no URL; write http://... or https://...
        etc/pool.toml:9: join.venue: is missing; it is required to join
        etc/pool.toml:11: pol: unknown key; did you mean `pool`?
        ");
    }

    #[test]
    fn numbers_keep_to_their_ranges() {
        for (text, said) in [
            ("[pool]\nconcurrency = 0", "1 to 10000"),
            ("[pool]\nconcurrency = \"32\"", "1 to 10000"),
            ("[pool]\nconnections = 1024", "must be below connections, 1024"),
            ("[wasm]\nmemory_mb = 5000", "1 to 4096"),
            ("[machine]\novercommit_percent = 99", "100 to 1000"),
            ("[schedule]\nkeep_alive_min_ms = 700000", "must not be above"),
            ("[price]\nknee_percent = 100", "0 to 99"),
            ("pool = 3", "must be a section"),
            ("[pool", ""),
        ] {
            let told = mistakes(text);
            assert!(told.contains(said) && told.lines().count() == 1, "{text}: {told}");
        }
    }

    #[test]
    fn a_key_is_not_shown() {
        let text = "[join]\nurl = \"http://x\"\nvenue = \"v\"\nkey = \"mrt_secret\"";
        let config = parse(text).expect("no mistake");
        assert_eq!(config.join.as_ref().and_then(|join| join.key.as_deref()), Some("mrt_secret"));
        assert!(!format!("{:?}", config.join).contains("mrt_secret"));
    }
}
