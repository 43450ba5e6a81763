//! `merit pool`: functions on your own machines behind a small HTTP door.
//!
//! `POST /{function}` runs a function on the body; the meters come back in headers. One that speaks HTTP itself
//! takes any method, and any path below its own. `GET /healthz` says whether it takes calls, `GET /functions`
//! what it can run. When a key is set, all but `/healthz` need it as a bearer token; when the pool has joined an
//! exchange, calls need the exchange's signature instead ([`Pool::signed`]).
//!
//! The parts: `config` (one file), `functions`, `engine` and `runner` (what runs), `schedule` (which instance runs which call;
//! pure) and `driver` (which carries that out), `price` (pure), `door`, `call`, `reply` and `sign` (the wire).
//!
//! Invariants:
//! - A call that has no place is refused before its body is read, and used nothing; with signatures, after its
//!   body was verified.
//! - What ran is metered in the reply, whether it succeeded or not.
//! - After the shutdown signal no connection is accepted; calls that run get [`PoolConfig::drain`] to end.
//!
//! WebAssembly is the feature `wasm`, on by default. Without it a folder with WebAssembly in it is a mistake.
//!
//! Known limitation: plain HTTP. Off this machine it belongs behind something that speaks TLS.

mod call;
mod config;
mod connection;
mod door;
mod driver;
#[cfg(feature = "wasm")]
mod engine;
mod functions;
#[cfg(any(test, not(feature = "wasm")))]
#[cfg_attr(feature = "wasm", expect(dead_code, reason = "its tests are run in the build that everybody makes"))]
mod no_engine;
mod offer;
mod price;
mod reply;
mod runner;
mod schedule;
mod sign;
mod unverified;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use door::Door;
use driver::Driver;
#[cfg(feature = "wasm")]
use engine::{Engine, EngineError};
use merit_linger::Lingering;
use merit_programs::Ranks;
#[cfg(not(feature = "wasm"))]
use no_engine::{Engine, EngineError};
use schedule::Rules;
use sign::Signer;

pub use config::{ConfigErrors, Join, Machine, Mistake, PoolConfig, Price, ProgramConfig, Schedule, TEMPLATE, Wasm};
pub use merit_programs::Finding;
pub use merit_wire::meter_header;
pub use offer::{Market, Offer};
pub use price::{LEVELS, PriceRule, Rates};
pub use reply::DEADLINE_MS;
pub use schedule::KeepAlive;
pub use sign::Secret;

/// Pause after a failed accept, which is mostly for want of file descriptors and would fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// What this machine has and lacks for the pool and its programs. Makes the cache folders, and nothing else.
#[must_use]
pub fn doctor(config: &PoolConfig) -> Vec<Finding> {
    let engine = Engine::check(config).map_err(|error| error.to_string());
    let memory = machine(config).map(drop);
    let own = |what: &str, checked: Result<(), String>| Finding {
        what: what.to_owned(),
        ok: checked.is_ok(),
        needed: true,
        how_to_get_it: checked.err().unwrap_or_default(),
    };
    let mut findings = Vec::new();
    if cfg!(feature = "wasm") {
        findings.push(own("address space and a cache for WebAssembly", engine));
    }
    findings.push(own("how much memory is free", memory.map_err(|error| error.to_string())));
    findings.extend(merit_programs::doctor(&functions::machine_config(config)));
    findings
}

/// Why a pool could not start.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// The engine could not be made.
    #[error("{0}")]
    Engine(String),
    /// The functions could not be loaded; all that is wrong, one a line.
    #[error("{}", .0.join("\n"))]
    Functions(Vec<String>),
    /// What the machine has could not be found out.
    #[error("failed to find out how much memory is free ({0}); set machine.memory_mb")]
    Memory(String),
}

/// A pool with its functions loaded.
pub struct Pool {
    door: Arc<Door>,
    #[cfg(feature = "wasm")]
    engine: Engine,
    market: Arc<Market>,
    connections: usize,
    linger: Duration,
    drain: Duration,
    /// Removed with the pool, also while threads of the sandbox are still ending.
    _ranks: Option<Arc<Ranks>>,
}

impl Pool {
    /// Makes the engine and loads the functions. Blocks until all are compiled.
    ///
    /// # Errors
    /// [`PoolError`] with all that is wrong.
    pub fn try_new(config: &PoolConfig) -> Result<Self, PoolError> {
        let ranks = Ranks::take();
        let made = Engine::try_new(config, ranks.as_ref());
        let engine = made.map_err(|error: EngineError| PoolError::Engine(error.to_string()))?;
        let functions = functions::load(config, &engine)?;
        let (memory_mb, vcpu_milli) = machine(config)?;
        let rules = Rules {
            memory: (memory_mb << 20).saturating_mul(config.machine.overcommit_percent.into()) / 100,
            calls: config.concurrency,
            queue: config.schedule.queue,
            queue_wait: config.schedule.queue_wait,
            keep_alive: config.schedule.keep_alive,
        };
        let runners = functions.iter().map(|function| Arc::clone(&function.runner)).collect();
        let driver = Driver::new(rules, runners);
        let market = Arc::new(Market::new(config.price_rule(memory_mb, vcpu_milli), Arc::clone(&driver), &functions));
        Ok(Self {
            door: Arc::new(Door::new(functions, driver, config)),
            #[cfg(feature = "wasm")]
            engine,
            market,
            connections: config.connections,
            linger: config.linger,
            drain: config.drain,
            _ranks: ranks,
        })
    }

    /// Takes calls with the signature of `secret` only, and signs its replies. `clock` tells seconds since 1970.
    ///
    /// # Panics
    /// When it serves already.
    #[must_use]
    pub fn signed(mut self, secret: Secret, clock: fn() -> u64) -> Self {
        let door = Arc::get_mut(&mut self.door).expect("invariant: it does not serve yet");
        door.signer = Some(Signer::new(secret));
        door.clock = clock;
        self
    }

    /// The engine of WebAssembly.
    #[cfg(feature = "wasm")]
    #[must_use]
    pub const fn sandbox(&self) -> &merit_sandbox::Sandbox {
        self.engine.sandbox()
    }

    /// What the pool has to offer, while it serves.
    #[must_use]
    pub fn market(&self) -> Arc<Market> {
        Arc::clone(&self.market)
    }

    /// Serves until `shutdown` completes and running calls have ended, or had their time.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let time = tokio::spawn(Arc::clone(&self.door.driver).keep_time());
        let (stop, stopping) = watch::channel(false);
        let (mut connections, linger) = (JoinSet::new(), connection::linger(self.connections, self.linger));
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = listener.accept(), if connections.len() < self.connections => match accepted {
                    Ok((stream, from)) => {
                        // Replies are written whole, so waiting to fill a packet only delays them.
                        stream.set_nodelay(true).ok();
                        let (door, stream) = (Arc::clone(&self.door), Lingering::new(stream, Arc::clone(&linger)));
                        connections.spawn(connection::serve(door, stream, from.ip(), stopping.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "failed to accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
        drop(listener);
        self.door.close();
        stop.send_replace(true);
        let ended = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(self.drain, ended).await.is_err() {
            tracing::warn!(calls = connections.len(), "calls were cut off at the end of the drain time");
            connections.shutdown().await;
        }
        time.abort();
        self.door.driver.stop().await;
    }
}

/// Loads the functions and serves them until `shutdown` completes.
///
/// # Errors
/// [`PoolError`] when the pool can't start; connections wait in the listener's queue until it has.
///
/// # Panics
/// When compiling panics, which would be a bug of the compiler.
pub async fn serve(
    listener: TcpListener,
    config: PoolConfig,
    shutdown: impl Future<Output = ()>,
) -> Result<(), PoolError> {
    let pool = tokio::task::spawn_blocking(move || Pool::try_new(&config))
        .await
        .expect("invariant: loading does not panic")?;
    pool.serve(listener, shutdown).await;
    Ok(())
}

/// Memory in MB and thousandths of a vCPU that functions may have: as configured, or what there is.
fn machine(config: &PoolConfig) -> Result<(u64, u32), PoolError> {
    let memory_mb = match config.machine.memory_mb {
        Some(memory) => memory,
        None => free_memory_mb().map_err(PoolError::Memory)?,
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let all = u32::try_from(cores).unwrap_or(u32::MAX).saturating_mul(1000);
    Ok((memory_mb, config.machine.vcpu_milli.unwrap_or(all)))
}

fn free_memory_mb() -> Result<u64, String> {
    let text = std::fs::read_to_string("/proc/meminfo").map_err(|error| error.to_string())?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kilobytes.map(|kilobytes| kilobytes / 1024).ok_or_else(|| "/proc/meminfo tells no MemAvailable".to_owned())
}
