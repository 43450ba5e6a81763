//! `merit pool`: functions on this machine.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use merit_cli::Exit;
use merit_pool::{Pool, PoolConfig};
use merit_sandbox::{Limits, SandboxConfig};
use merit_units::{MemoryMb, Micros};
use tokio::net::TcpListener;

use super::{Failure, announce, runtime, stop_signal, usage};

#[derive(Args)]
pub(crate) struct PoolArgs {
    /// The functions to run: a directory of NAME.wasm or NAME/NAME.wasm
    #[arg(long, value_name = "DIR")]
    functions: PathBuf,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8791")]
    listen: SocketAddr,
    /// Calls at once; more are answered 429
    #[arg(long, value_name = "N", default_value_t = 32)]
    concurrency: u32,
    /// Memory of one call in MB
    #[arg(long, value_name = "MB", default_value_t = 128)]
    memory_mb: u64,
    /// Milliseconds one call may take
    #[arg(long, value_name = "MS", default_value_t = 30_000)]
    timeout_ms: u64,
    /// The bearer token that callers need
    #[arg(long, env = "MERIT_POOL_KEY", hide_env_values = true, value_name = "KEY")]
    key: Option<String>,
    /// Where compiled functions are kept between starts
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

pub(crate) fn pool(args: PoolArgs) -> Result<Exit, Failure> {
    let memory = MemoryMb::try_new(args.memory_mb).map_err(usage)?;
    let wall = Micros::from_millis(args.timeout_ms);
    let config = PoolConfig {
        sandbox: SandboxConfig { cache_dir: args.cache, memory_max: memory, ..SandboxConfig::default() },
        limits: Limits { memory, wall, cpu: wall, ..Limits::default() },
        concurrency: args.concurrency,
        key: args.key,
        ..PoolConfig::new(args.functions)
    };
    let pool = Pool::try_new(config).map_err(usage)?;
    runtime()?.block_on(async {
        let listener = TcpListener::bind(args.listen).await.with_context(|| format!("listening on {}", args.listen))?;
        announce(listener.local_addr()?);
        pool.serve(listener, stop_signal()).await;
        Ok::<_, Failure>(())
    })?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use merit_pool as pool;
    use merit_venue::meter_header as read;

    /// The sandbox may not import the adapters' interface, so it states the names itself.
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
