//! `merit pool`: functions on your own machines behind a small HTTP door.
//!
//! `POST /{function}` runs a function on the body; the meters come back in headers. `GET /healthz`
//! says whether it takes calls, `GET /functions` what it can run. When a key is set, all but
//! `/healthz` need it as a bearer token.
//!
//! Invariants:
//! - A call over [`PoolConfig::concurrency`] is refused before its body is read, and used nothing.
//! - What ran is metered in the reply, whether it succeeded or not.
//! - After the shutdown signal no connection is accepted; calls that run get [`PoolConfig::drain`] to end.
//!
//! Known limitation: plain HTTP. Off this machine it belongs behind something that speaks TLS.

mod call;
mod door;
mod reply;

use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use door::Door;
use merit_sandbox::{DirectoryError, Limits, Sandbox, SandboxConfig, SandboxError};

pub use reply::{DEADLINE_MS, meter_header};

/// Connections held at once; more wait in the listener's queue.
const CONNECTIONS_MAX: usize = 4096;
/// How long a connection may take over its next request's head, idle time included.
const IDLE: Duration = Duration::from_secs(90);
/// Pause after a failed accept, which is mostly for want of file descriptors and would fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// What a pool runs and how much of it.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// The engine's size. It gets at least [`Self::concurrency`] slots.
    pub sandbox: SandboxConfig,
    /// Directory of modules: `<name>.wasm` or `<name>/<name>.wasm`.
    pub functions: PathBuf,
    /// What each call may use. A request's deadline can only shorten the wall time.
    pub limits: Limits,
    /// Calls at once; more are answered 429.
    pub concurrency: u32,
    /// The largest payload in bytes; more is answered 413.
    pub payload_bytes: usize,
    /// The bearer token callers need; `None` lets everyone in who can reach the port.
    pub key: Option<String>,
    /// How long calls may go on after the shutdown signal.
    pub drain: Duration,
}

impl PoolConfig {
    /// A pool for a directory: 32 calls at once, 6 MB payloads, no key, 10 s to drain.
    #[must_use]
    pub fn new(functions: PathBuf) -> Self {
        Self {
            sandbox: SandboxConfig::default(),
            functions,
            limits: Limits::default(),
            concurrency: 32,
            payload_bytes: 6 << 20,
            key: None,
            drain: Duration::from_secs(10),
        }
    }
}

/// Why a pool could not start.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// The engine could not be made.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The functions could not be loaded; all that is wrong, one a line.
    #[error("{}", lines(.0))]
    Functions(Vec<DirectoryError>),
}

/// A pool with its functions loaded.
pub struct Pool {
    door: Arc<Door>,
    drain: Duration,
}

impl Pool {
    /// Makes the engine and loads the functions. Blocks until all are compiled.
    ///
    /// # Errors
    /// [`PoolError`] with all that is wrong.
    pub fn try_new(mut config: PoolConfig) -> Result<Self, PoolError> {
        config.sandbox.slots = config.sandbox.slots.max(config.concurrency);
        let sandbox = Sandbox::try_new(config.sandbox.clone())?;
        sandbox.load_dir(&config.functions).map_err(PoolError::Functions)?;
        Ok(Self { drain: config.drain, door: Arc::new(Door::new(sandbox, config)) })
    }

    /// The engine, to load more functions while it serves.
    #[must_use]
    pub fn sandbox(&self) -> &Sandbox {
        self.door.sandbox()
    }

    /// Serves until `shutdown` completes and running calls have ended, or had their time.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let (stop, stopping) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                    Ok((stream, _)) => drop(connections.spawn(connection(Arc::clone(&self.door), stream, stopping.clone()))),
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
        }
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
    let pool =
        tokio::task::spawn_blocking(|| Pool::try_new(config)).await.expect("invariant: loading does not panic")?;
    pool.serve(listener, shutdown).await;
    Ok(())
}

async fn connection(door: Arc<Door>, stream: TcpStream, mut stopping: watch::Receiver<bool>) {
    // Replies are written whole, so waiting to fill a packet only delays them.
    stream.set_nodelay(true).ok();
    let service = service_fn(move |request| {
        let door = Arc::clone(&door);
        async move { Ok::<_, std::convert::Infallible>(door.handle(request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(IDLE);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let stopped = async move { drop(stopping.wait_for(|stop| *stop).await) };
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = stopped => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

fn lines(errors: &[DirectoryError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
