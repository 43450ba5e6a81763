//! One thread that starts processes, and never ends.
//!
//! A process that asks to die with its parent dies with the *thread* that started it (`prctl(2)`,
//! `PR_SET_PDEATHSIG`), and a runtime's threads come and go. This one goes with the process only. What is done on it
//! may block for milliseconds, which a runtime's threads may not.

use std::io;
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// Does something on that thread. What nobody waits for any more is dropped when it is done.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    static SPAWNER: OnceLock<Sender<Job>> = OnceLock::new();
    let (done, result) = oneshot::channel();
    let gone = || io::Error::other("the thread that starts processes died");
    let job: Job = Box::new(move || drop(done.send(work())));
    SPAWNER.get_or_init(start).send(job).map_err(|_| gone())?;
    result.await.map_err(|_| gone())
}

fn start() -> Sender<Job> {
    let (jobs, queue) = channel::<Job>();
    std::thread::Builder::new()
        .name("merit-spawner".to_owned())
        .spawn(move || queue.into_iter().for_each(|job| job()))
        .expect("invariant: a process that serves can start a thread");
    jobs
}
