//! Starts processes from one thread that never ends.
//!
//! A process that asks to die with its parent dies with the *thread* that started it (`prctl(2)`,
//! `PR_SET_PDEATHSIG`), and a runtime's threads come and go. This one goes with the process only.

use std::io;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

use tokio::sync::oneshot;

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
