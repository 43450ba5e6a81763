//! The processes of the demo: the simulated clouds, the pool and the broker, all this same binary.
//!
//! Invariant: they end with the demo: at its end, at a signal, at an error and at a panic, because
//! whoever drops [`Children`] kills them. They are in process groups of their own, so that Ctrl-C
//! reaches the demo alone, which stops them in its own time.
//!
//! Known limitation: when the demo itself is ended by SIGKILL, nobody is left to stop them.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::DemoError;

/// Time to compile the functions on a slow machine.
const READY_WITHIN: Duration = Duration::from_mins(2);

/// What the servers print when they take connections.
const READY: &str = "listening on ";

/// Lines of a log that are shown when something went wrong.
const LOG_LINES: usize = 12;

/// The running processes.
pub(crate) struct Children {
    program: PathBuf,
    folder: PathBuf,
    stop: watch::Sender<bool>,
    running: JoinSet<(&'static str, std::io::Result<ExitStatus>)>,
}

impl Children {
    /// None yet; they will be `program`, and log into `folder`.
    pub(crate) fn new(program: PathBuf, folder: &Path) -> Self {
        Self { program, folder: folder.to_owned(), stop: watch::Sender::new(false), running: JoinSet::new() }
    }

    /// Starts `merit NAME ARGS` and waits until it takes connections. Returns its URL.
    ///
    /// # Errors
    /// [`DemoError::Process`] when it ends or takes too long.
    pub(crate) async fn start(
        &mut self,
        name: &'static str,
        args: &[OsString],
        env: Option<(&str, &str)>,
    ) -> Result<String, DemoError> {
        let log = self.log(name);
        let failed = |what: String| DemoError::Process { name, what, log: tail(&log) };
        let stderr = File::create(&log).map_err(DemoError::io(format!("making {}", log.display())))?;
        let mut command = Command::new(&self.program);
        command.arg(name).args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        for (variable, _) in std::env::vars_os().filter(|(variable, _)| is_ours(variable)) {
            command.env_remove(variable);
        }
        command.envs(env).process_group(0).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| failed(format!("cannot be started: {error}")))?;
        let stdout = child.stdout.take().expect("invariant: stdout is piped");
        let mut lines = BufReader::new(stdout).lines();
        let first = timeout(READY_WITHIN, lines.next_line()).await;
        let url = match first {
            Ok(Ok(Some(line))) => line.strip_prefix(READY).map(str::to_owned).ok_or(format!("said `{line}`")),
            Ok(Ok(None)) => Err("ended before it took connections".to_owned()),
            Ok(Err(error)) => Err(format!("cannot be read: {error}")),
            Err(_) => Err(format!("took no connections within {} s", READY_WITHIN.as_secs())),
        };
        let url = url.map_err(failed)?;
        self.running.spawn(keep(name, child, lines, self.stop.subscribe()));
        Ok(url)
    }

    /// Completes when one of them ends by itself.
    pub(crate) async fn any_ends(&mut self) -> DemoError {
        let Some(Ok((name, status))) = self.running.join_next().await else { std::future::pending().await };
        let what = status.map_or_else(|error| error.to_string(), |status| format!("ended by itself ({status})"));
        DemoError::Process { name, what, log: tail(&self.log(name)) }
    }

    /// Ends all of them and waits until they are gone.
    pub(crate) async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.running.join_next().await.is_some() {}
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }
}

/// Waits for the process to end, and ends it when told to.
async fn keep(
    name: &'static str,
    mut child: Child,
    // Held open, so that the process never finds its output closed.
    _lines: Lines<BufReader<ChildStdout>>,
    mut stop: watch::Receiver<bool>,
) -> (&'static str, std::io::Result<ExitStatus>) {
    let told = async { drop(stop.wait_for(|stop| *stop).await) };
    let ended = tokio::select! {
        status = child.wait() => Some(status),
        () = told => None,
    };
    let status = match ended {
        Some(status) => status,
        None => match child.start_kill() {
            Ok(()) => child.wait().await,
            Err(error) => Err(error),
        },
    };
    (name, status)
}

/// Settings of whoever started the demo are not the demo's: its broker has a configuration of its own.
fn is_ours(variable: &std::ffi::OsStr) -> bool {
    variable.to_str().is_some_and(|name| name.starts_with("MERIT_"))
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(LOG_LINES);
    lines[from..].iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Starts a shell script, which stands for a command of `merit` as the shell stands for `merit`. The script
    /// is read by it: a program that was only just written can't always be executed.
    async fn started(folder: &Path, script: &str) -> (Children, Result<String, DemoError>) {
        let path = folder.join("server");
        std::fs::write(&path, script).unwrap();
        let mut children = Children::new(PathBuf::from("/bin/sh"), folder);
        let name = Box::leak(path.display().to_string().into_boxed_str());
        let url = children.start(name, &[folder.into()], None).await;
        (children, url)
    }

    #[tokio::test]
    async fn a_server_is_ready_when_it_says_so_and_is_gone_after_stop() {
        let folder = tempfile::tempdir().unwrap();
        let script = "echo $$ > $1/pid; echo listening on http://127.0.0.1:1; exec sleep 1000";
        let (children, url) = started(folder.path(), script).await;
        assert_eq!(url.unwrap(), "http://127.0.0.1:1");
        let pid = std::fs::read_to_string(folder.path().join("pid")).unwrap();
        let process = PathBuf::from(format!("/proc/{}", pid.trim()));
        assert!(process.exists());
        children.stop().await;
        assert!(!process.exists(), "it is ended and waited for");
    }

    #[tokio::test]
    async fn a_server_that_ends_is_reported_with_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let (_, url) = started(folder.path(), "echo the port is taken >&2; exit 1").await;
        let message = url.unwrap_err().to_string();
        assert!(message.contains("server` ended before it took connections"), "{message}");
        assert!(message.contains("the port is taken"), "{message}");
    }

    #[tokio::test]
    async fn a_server_that_ends_later_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (mut children, url) = started(folder.path(), "echo listening on http://127.0.0.1:1; exit 3").await;
        url.unwrap();
        let message = children.any_ends().await.to_string();
        assert!(message.contains("exit status: 3"), "{message}");
    }
}
