//! `merit demo`: the exchange at work on this machine, in half a minute.
//!
//! It starts the simulated clouds, a pool and a broker as processes of their own, calls every
//! function a few times at every venue, and then sends a mixed load of real inputs. In mid-run the
//! leading cloud raises its prices, and later the then leading one dies. Everything reported is
//! measured in the run, and Merit's charges are compared with the clouds' own bills.
//!
//! The parts, in the order they are needed: `sample` (functions and inputs, embedded), `children`
//! (the processes), `clouds` and `config` (the market), `broker` (the client), `load`, `incident`,
//! `live` (the table), `saving`, `books` and `report` (the figures), `story` and `hints` (the words),
//! `screen`. `stage` sets up, `show` runs.
//!
//! Known limitation: everything shares this machine's cores, so with too high a rate the pool's
//! functions, which are metered by the clock, look slower and dearer than they are.

mod bills;
mod books;
mod broker;
mod calls;
mod children;
mod clouds;
mod config;
mod error;
mod format;
mod hints;
mod incident;
mod live;
mod load;
mod peer;
mod report;
mod sample;
mod saving;
mod screen;
mod show;
mod stage;
mod story;

use std::path::PathBuf;

use tokio::signal::unix::{Signal, SignalKind, signal};

pub use clouds::{Cloud, Clouds};
pub use config::Plan;
pub use error::DemoError;
pub use sample::{SAMPLES, Sample};
pub use screen::Output;

use children::Children;
use screen::{Screen, Style};
use stage::Stage;

/// How to run the demo.
#[derive(Clone, Debug)]
pub struct Options {
    /// The binary whose commands are started.
    pub program: PathBuf,
    /// How the person called it, for the hints.
    pub called: String,
    /// Where the broker is to listen, if nobody does, such as `127.0.0.1:8780`.
    pub listen: String,
    /// Where the commands look for a broker when nothing else is said.
    pub looked_at: String,
    /// The day, such as `2026-11-21`.
    pub today: String,
    /// Seconds that calls are sent, at least 1.
    pub seconds: u64,
    /// Calls a second on average, at least 1.
    pub rate: u32,
    /// Calls of the tour at each deployment, at least 1.
    pub tour: u32,
    /// Calls the pool runs at once, at least 1.
    pub pool_slots: u32,
    /// Whether to end after the report instead of keeping the broker up.
    pub once: bool,
}

/// How the demo ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every call was answered and the books agree.
    Well,
    /// Calls failed, or the books do not agree.
    Badly,
    /// A signal ended it before there was a report.
    Interrupted,
}

/// Runs the demo to its end. Whatever that is, the processes it started are gone by then.
///
/// # Errors
/// [`DemoError`] when it can't go on.
pub async fn run(options: &Options, output: Output) -> Result<Ended, DemoError> {
    let mut signals = Signals::listen()?;
    let folder = tempfile::Builder::new().prefix("merit-demo-").tempdir();
    let folder = folder.map_err(DemoError::io("making a temporary folder"))?;
    let mut children = Children::new(options.program.clone(), folder.path());
    let mut screen = Screen::new(output);
    let shown = tokio::select! {
        shown = perform(options, folder.path(), &mut children, &mut screen) => shown,
        () = signals.any() => Ok(Ended::Interrupted),
    };
    let ended = match shown {
        Ok(ended) if ended != Ended::Interrupted && !options.once => {
            tokio::select! {
                error = children.any_ends() => Err(error),
                () = signals.any() => Ok(ended),
            }
        }
        other => other,
    };
    children.stop().await;
    if matches!(ended, Ok(Ended::Interrupted)) {
        screen.say(Style::Event, "stopped: the clouds, the pool and the broker are gone")?;
    }
    ended
}

async fn perform(
    options: &Options,
    folder: &std::path::Path,
    children: &mut Children,
    screen: &mut Screen,
) -> Result<Ended, DemoError> {
    screen.say(Style::Heading, "merit demo: every call to the cheapest healthy venue")?;
    let stage = Stage::set(options, folder, children, screen).await?;
    let report = tokio::select! {
        report = show::show(options, &stage, screen) => report?,
        error = children.any_ends() => return Err(error),
    };
    show::tell(options, &stage, &report, screen)?;
    Ok(if report.is_good() { Ended::Well } else { Ended::Badly })
}

/// Whatever asks a process to end.
struct Signals([Signal; 3]);

impl Signals {
    fn listen() -> Result<Self, DemoError> {
        let listen = |kind| signal(kind).map_err(DemoError::io("listening for signals"));
        Ok(Self([listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?, listen(SignalKind::hangup())?]))
    }

    async fn any(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
