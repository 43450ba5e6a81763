//! The commands that are processes of their own: `serve`, `sim`, `pool` and `demo`.
//!
//! Each of the servers prints one line on stdout when it takes connections, `listening on
//! http://ADDRESS`, so that a parent process can wait for it and learn the port.

#[cfg(feature = "demo")]
mod demo;
#[cfg(feature = "pool")]
mod pool;
mod serve;
#[cfg(feature = "sim")]
mod sim;

use std::io::{self, Write as _};
use std::net::SocketAddr;

use merit_cli::Exit;
use merit_config::{Log, LogFormat, LogLevel};
use tracing_subscriber::EnvFilter;

#[cfg(feature = "demo")]
pub(crate) use demo::{DemoArgs, demo};
#[cfg(feature = "pool")]
pub(crate) use pool::{PoolArgs, pool};
pub(crate) use serve::{ServeArgs, serve};
#[cfg(feature = "sim")]
pub(crate) use sim::{SimArgs, sim};

/// Why a command failed, and the code it ends with.
pub(crate) struct Failure {
    pub(crate) error: anyhow::Error,
    pub(crate) exit: Exit,
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error: error.into(), exit: Exit::Failed }
    }
}

/// A mistake in the command line, a file or the configuration.
fn usage(error: impl Into<anyhow::Error>) -> Failure {
    Failure { error: error.into(), exit: Exit::Usage }
}

/// Data for whoever reads stdout.
fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

fn announce(address: SocketAddr) {
    let mut out = io::stdout().lock();
    // A parent that does not listen loses nothing.
    drop(writeln!(out, "listening on http://{address}").and_then(|()| out.flush()));
}

fn start_log(log: &Log) {
    let level = match log.level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    let filter = EnvFilter::new(level);
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    match log.format {
        LogFormat::Json => subscriber.json().init(),
        LogFormat::Text => subscriber.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).init(),
    }
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// Completes at SIGTERM or Ctrl-C.
#[cfg(any(feature = "sim", feature = "pool"))]
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
