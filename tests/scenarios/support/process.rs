//! Processes of the `merit` binary, which end with the test.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::sync::Once;
use std::time::Duration;

use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process, setrlimit};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::wait::{PATIENCE, until};

/// A server of the `merit` binary that takes connections.
pub(crate) struct Process {
    child: Child,
    /// Kept open: a server that writes into a closed pipe would see an error.
    _stdout: BufReader<ChildStdout>,
    address: SocketAddr,
    log: PathBuf,
}

/// `merit` with these arguments and none of the tester's own settings.
pub(crate) fn merit_command(args: &[&str]) -> Command {
    raise_file_limit();
    let mut command = Command::new(binary());
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MERIT_")) {
        command.env_remove(name);
    }
    command
}

/// Runs a command that ends by itself.
pub(crate) async fn run_to_end(command: &mut Command) -> Output {
    let ended = timeout(PATIENCE, command.stdout(Stdio::piped()).stderr(Stdio::piped()).output()).await;
    ended.expect("the command ends by itself").expect("the command can be started")
}

impl Process {
    /// Starts a server and waits until it says where it listens. Its log is written to `log`.
    ///
    /// # Panics
    /// With its log when it does not come up.
    pub(crate) async fn start(command: Command, log: &Path) -> Self {
        Self::start_within(PATIENCE, command, log).await
    }

    /// [`Self::start`] with its own patience.
    ///
    /// # Panics
    /// With its log when it does not come up.
    pub(crate) async fn start_within(patience: Duration, mut command: Command, log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log).expect("the log can be written");
        let mut child = command.stdout(Stdio::piped()).stderr(file).spawn().expect("the merit binary can be started");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut line = String::new();
        let read = timeout(patience, stdout.read_line(&mut line)).await;
        let address = line.trim_end().strip_prefix("listening on http://").and_then(|at| at.parse().ok());
        let Some(address) = address else {
            panic!("no server came up: {read:?}, {line:?}\n{}", read_log(log));
        };
        Self { child, _stdout: stdout, address, log: log.to_owned() }
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(id.expect("it is running"), signal).expect("it can be signalled");
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended().await
    }

    /// Kills it with SIGKILL, which it can't notice.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let ended = timeout(PATIENCE, self.child.wait()).await;
        ended.unwrap_or_else(|_| panic!("it does not end\n{}", self.log())).expect("it can be waited for")
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        read_log(&self.log)
    }

    /// Waits for words in its log.
    pub(crate) async fn logged(&self, words: &str) {
        until(&format!("`{words}` in the log"), async || self.log().contains(words).then_some(())).await;
    }
}

fn read_log(log: &Path) -> String {
    std::fs::read_to_string(log).unwrap_or_default()
}

fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    // target/debug/deps/scenarios-0123456789abcdef
    let binary = test.ancestors().nth(2).expect("a test lies in target/*/deps").join("merit");
    assert!(binary.exists(), "{} is missing; run `make build` first", binary.display());
    binary
}

/// A thousand callers need more files than many systems allow at first. Children inherit the limit.
fn raise_file_limit() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit).expect("a soft limit can be raised to the hard one");
    });
}
