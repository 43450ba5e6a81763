//! `merit pool`: functions on this machine, called by their URL or joined to an exchange.

mod provider;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use merit::clock::{Clock, rfc3339};
use merit_cli::Exit;
use merit_join::Exchange;
use merit_pool::{Join, Pool, PoolConfig, Secret};
use merit_units::{MemoryMb, Micros};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::{Failure, announce, runtime, start_log, stop_signal, usage};
use provider::PoolProvider;

/// Microseconds of a second.
const SECOND_US: u64 = 1_000_000;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct PoolArgs {
    #[command(subcommand)]
    action: Option<PoolAction>,
    /// The configuration; `merit pool config` prints a commented one. Other options override it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The functions to run: a directory of NAME.wasm or NAME/NAME.wasm
    #[arg(long, value_name = "DIR", required_unless_present = "config")]
    functions: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:8791]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Calls at once; more are answered 429 [default: 32]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    concurrency: Option<u32>,
    /// Memory of one call of WebAssembly in MB [default: 128]
    #[arg(long, value_name = "MB")]
    memory_mb: Option<u64>,
    /// Milliseconds one call of WebAssembly may take [default: 30000]
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<u64>,
    /// The exchange to join, such as http://127.0.0.1:8780: calls then come from there only
    #[arg(long, value_name = "URL", requires = "venue")]
    join: Option<String>,
    /// The venue this pool is at the exchange
    #[arg(long, value_name = "NAME", requires = "join")]
    venue: Option<String>,
    /// The provider's key for joining (also MERIT_PROVIDER_KEY); without joining, the bearer token that callers need
    /// (also MERIT_POOL_KEY)
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Where the exchange reaches this pool; the address it listens on without it
    #[arg(long, value_name = "URL", requires = "join")]
    endpoint: Option<String>,
    /// Where compiled functions are kept between starts
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

#[derive(Subcommand)]
enum PoolAction {
    /// Print the configuration with every setting, its default and what it means
    Config,
    /// Say what this machine lacks to run functions, and how to get it
    Doctor {
        /// The pool's configuration
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

pub(crate) fn pool(args: PoolArgs) -> Result<Exit, Failure> {
    match args.action {
        Some(PoolAction::Config) => {
            super::print(merit_pool::TEMPLATE)?;
            return Ok(Exit::Ok);
        }
        Some(PoolAction::Doctor { config }) => return doctor(config.as_deref()),
        None => {}
    }
    let config = config(args)?;
    start_log(&merit_config::Config::default().log);
    let pool = Pool::try_new(&config).map_err(usage)?;
    runtime()?.block_on(serve(pool, config))?;
    Ok(Exit::Ok)
}

/// One line a finding, those that are missing with what to do. Fails when something is needed and not there.
fn doctor(config: Option<&Path>) -> Result<Exit, Failure> {
    let config = match config {
        Some(path) => PoolConfig::load(path).map_err(usage)?,
        None => PoolConfig::new(PathBuf::new()),
    };
    let findings = merit_pool::doctor(&config);
    let mut text = String::new();
    for finding in &findings {
        let state = match (finding.ok, finding.needed) {
            (true, _) => "ok      ",
            (false, true) => "missing ",
            (false, false) => "without ",
        };
        text.push_str(&format!("{state}{}\n", finding.what));
        if !finding.ok {
            text.push_str(&format!("        {}\n", finding.how_to_get_it));
        }
    }
    super::print(&text)?;
    let is_missing = findings.iter().any(|finding| finding.needed && !finding.ok);
    Ok(if is_missing { Exit::Failed } else { Exit::Ok })
}

async fn serve(pool: Pool, config: PoolConfig) -> Result<(), Failure> {
    let listener = TcpListener::bind(config.listen).await.with_context(|| format!("listening on {}", config.listen))?;
    let address = listener.local_addr()?;
    let Some(join) = config.join else {
        announce(address);
        pool.serve(listener, stop_signal()).await;
        return Ok(());
    };
    let key = join.key.clone().ok_or_else(|| usage(anyhow!("joining needs a key: --key, or MERIT_PROVIDER_KEY")))?;
    let exchange = Exchange { url: join.url.clone(), venue: join.venue.clone(), key };
    let secret = Secret::random();
    let day = rfc3339(Clock::system().now())[..10].to_owned();
    let provider = PoolProvider::new(pool.market(), &join, address, &secret, &day);
    let pool = pool.signed(secret, || Clock::system().now().micros() / SECOND_US);
    announce(address);
    let (withdrawn, drain) = oneshot::channel::<()>();
    let publishing = async {
        merit_join::run(&exchange, &provider, stop_signal()).await;
        // The pool takes calls until its offers are gone, and drains then.
        withdrawn.send(()).ok();
    };
    tokio::join!(publishing, pool.serve(listener, async { drop(drain.await) }));
    Ok(())
}

/// The file's settings, or the defaults, with the options' over them.
fn config(args: PoolArgs) -> Result<PoolConfig, Failure> {
    let from_file = args.config.is_some();
    let mut config = match &args.config {
        Some(path) => PoolConfig::load(path).map_err(usage)?,
        None => PoolConfig::new(PathBuf::new()),
    };
    config.functions = args.functions.unwrap_or(config.functions);
    config.listen = args.listen.unwrap_or(config.listen);
    config.concurrency = args.concurrency.unwrap_or(config.concurrency);
    config.cache = args.cache.or(config.cache);
    if let Some(memory) = args.memory_mb {
        config.wasm.memory = MemoryMb::try_new(memory).map_err(usage)?;
    }
    if let Some(millis) = args.timeout_ms {
        config.wasm.wall = Micros::from_millis(millis);
        config.wasm.cpu = config.wasm.wall;
    }
    if let (Some(url), Some(venue)) = (args.join, args.venue) {
        let former = config.join.take().unwrap_or_else(|| Join::new(String::new(), String::new(), None));
        config.join = Some(Join { url, venue, ..former });
    }
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    match &mut config.join {
        Some(join) => {
            join.key = args.key.or_else(|| variable("MERIT_PROVIDER_KEY")).or(join.key.take());
            join.endpoint = args.endpoint.or(join.endpoint.take());
        }
        None => {
            config.key = args.key.or_else(|| variable("MERIT_POOL_KEY")).or(config.key);
            if !from_file {
                // Called by its URL it has one caller, who is told at once when there is no room and has others
                // to ask; and it is as large as its options say.
                config.schedule.queue = 0;
                let memory = u64::from(config.wasm.memory.megabytes());
                config.machine.memory_mb = Some(memory * u64::from(config.concurrency));
            }
        }
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use merit_pool as pool;
    use merit_venue::meter_header as read;

    /// The pool may not import the adapters' interface, where the same names stand for who reads them.
    #[test]
    fn a_pool_uses_the_header_names_the_broker_reads() {
        assert_eq!(pool::DEADLINE_MS, read::DEADLINE_MS);
        assert_eq!(pool::meter_header::DURATION_US, read::DURATION_US);
        assert_eq!(pool::meter_header::INIT_US, read::INIT_US);
        assert_eq!(pool::meter_header::CPU_US, read::CPU_US);
        assert_eq!(pool::meter_header::MEMORY_MB, read::MEMORY_MB);
        assert_eq!(pool::meter_header::FUNCTION_ERROR, read::FUNCTION_ERROR);
    }
}
