//! Starts processes from one thread that never ends.
//!
//! A process that asks to die with its parent dies with the *thread* that started it (`prctl(2)`,
//! `PR_SET_PDEATHSIG`), and a runtime's threads come and go. This one goes with the process only.
//!
//! It runs behind the pool's other threads, and what it starts inherits that: a program that computes without end
//! keeps neither the pool from answering nor a WebAssembly function from its microseconds.

use std::io;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

use tokio::sync::oneshot;

/// How far behind: a nice value, about a tenth of an ordinary thread's weight.
const NICE_BEHIND: i32 = 10;

struct Job {
    command: Command,
    started: oneshot::Sender<io::Result<Child>>,
}

/// Starts a process.
pub(crate) async fn spawn(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<Sender<Job>> = OnceLock::new();
    let (started, result) = oneshot::channel();
    let gone = || io::Error::other("the thread that starts processes died");
    SPAWNER.get_or_init(run).send(Job { command, started }).map_err(|_| gone())?;
    result.await.map_err(|_| gone())?
}

fn run() -> Sender<Job> {
    let (jobs, queue) = channel::<Job>();
    let work = move || {
        // Always allowed in this direction. Where it fails all the same, programs compete as they always did.
        if let Err(error) = rustix::process::setpriority_process(None, NICE_BEHIND) {
            tracing::warn!(%error, "programs run at the priority of the pool itself");
        }
        for Job { mut command, started } in queue {
            if let Err(Ok(mut child)) = started.send(command.spawn()) {
                // Nobody waits for it any more.
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    };
    std::thread::Builder::new()
        .name("merit-spawner".to_owned())
        .spawn(work)
        .expect("invariant: a process that serves can start a thread");
    jobs
}
