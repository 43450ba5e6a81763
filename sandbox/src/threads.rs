//! The threads that run guests: short calls in front, long ones behind them.
//!
//! Guests give way every millisecond, so none holds up another's turn on a thread. But a thread that computes without
//! end also holds a core, and the system lets it keep the core for some milliseconds while a call of 100 microseconds
//! waits. So a guest that has used [`SHORT`] of CPU time goes on on a second set of threads, which the system runs
//! behind all others of this machine: at full speed on an idle core, and never in the way of a short call.
//!
//! Known limitations: on a machine whose cores are all taken by short calls a long one gets about a tenth of a core's
//! share, the weight of its threads. And Linux lets even such a thread end its time slice on a core (3 ms) while a
//! short call that was woken there waits: on two cores the p99 of short calls beside an endless one falls from 7 to 4
//! times that of the same calls alone, and not to 1 (bench `pool`).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use merit_units::Micros;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use crate::Run;
use crate::observe::Observed;

/// CPU time after which a guest makes way for all that have used less.
const SHORT: Micros = Micros::from_millis(10);

/// How far behind the others the second set's threads are: a nice value, about a tenth of an ordinary thread's weight.
const NICE_BEHIND: i32 = 10;

/// Scheduler turns between looks at timers and wake-ups. Guests can spin for a whole millisecond
/// a turn, so the default of 61 turns would make deadlines late by as many milliseconds.
const EVENT_INTERVAL_TURNS: u32 = 4;

type Guest = Pin<Box<dyn Future<Output = Run> + Send>>;

/// Both sets of threads.
pub(crate) struct Threads {
    front: Runtime,
    behind: Runtime,
}

impl Threads {
    /// Starts `workers` threads of each.
    ///
    /// # Errors
    /// When the system does not give them.
    pub(crate) fn start(workers: usize) -> std::io::Result<Self> {
        let threads = |name| {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(workers).thread_name(name).event_interval(EVENT_INTERVAL_TURNS).enable_time();
            builder
        };
        let behind = threads("merit-guest-long").on_thread_start(step_behind).build()?;
        Ok(Self { front: threads("merit-guest").build()?, behind })
    }

    /// Runs a guest whose CPU time is seen in `observed`. It stops when the handle is aborted.
    pub(crate) fn run(
        &self,
        observed: Arc<Observed>,
        guest: impl Future<Output = Run> + Send + 'static,
    ) -> JoinHandle<Run> {
        let call = Call { stage: Stage::Short(Box::pin(guest)), observed, behind: self.behind.handle().clone() };
        self.front.spawn(call)
    }

    /// Ends without waiting for guests: the last handle may be dropped inside an async task.
    pub(crate) fn shutdown(self) {
        // Guests behind were begun in front, and their deadlines are timers there.
        self.behind.shutdown_background();
        self.front.shutdown_background();
    }
}

/// Makes the calling thread one that runs behind the others.
fn step_behind() {
    // Always allowed in this direction. Where it fails all the same, long calls compete as they always did.
    if let Err(error) = rustix::process::setpriority_process(None, NICE_BEHIND) {
        tracing::warn!(%error, "long calls run at the priority of short ones");
    }
}

/// A call, on whichever threads it is.
struct Call {
    stage: Stage,
    observed: Arc<Observed>,
    behind: Handle,
}

enum Stage {
    Short(Guest),
    Long(StopOnDrop),
}

impl Future for Call {
    type Output = Run;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Run> {
        let call = &mut *self;
        if let Stage::Short(guest) = &mut call.stage {
            if let Poll::Ready(run) = guest.as_mut().poll(context) {
                return Poll::Ready(run);
            }
            if call.observed.cpu() < SHORT {
                return Poll::Pending;
            }
            let guest = std::mem::replace(guest, Box::pin(std::future::pending()));
            call.stage = Stage::Long(StopOnDrop(call.behind.spawn(guest)));
        }
        match &mut call.stage {
            Stage::Long(long) => Pin::new(long).poll(context),
            Stage::Short(_) => Poll::Pending,
        }
    }
}

/// A guest nobody waits for any more is stopped.
pub(crate) struct StopOnDrop(pub(crate) JoinHandle<Run>);

impl Future for StopOnDrop {
    type Output = Run;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Run> {
        Pin::new(&mut self.0).poll(context).map(|ended| match ended {
            Ok(run) => run,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        })
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::{Limits, Usage};

    /// A guest that computes for `spin`, gives way, and ends with the name of the thread it is on then.
    async fn guest(observed: Arc<Observed>, spin: Duration) -> Run {
        observed.slice(|| while observed.cpu_of_slice() < spin {});
        tokio::task::yield_now().await;
        let log_tail = std::thread::current().name().unwrap_or_default().to_owned();
        let (wall, cpu, waited) = (observed.wall(), observed.cpu(), observed.waited());
        let usage = Usage { wall, cpu, waited, memory_peak: Limits::default().memory };
        Run { outcome: Ok(Bytes::new()), head: None, log_tail, usage }
    }

    #[tokio::test]
    async fn a_long_call_goes_on_behind_the_short_ones() {
        let threads = Threads::start(1).expect("threads");
        for (spin_ms, thread) in [(1, "merit-guest"), (15, "merit-guest-long")] {
            let observed = Arc::new(Observed::starting(&Limits::default()));
            let guest = guest(Arc::clone(&observed), Duration::from_millis(spin_ms));
            let run = StopOnDrop(threads.run(observed, guest)).await;
            assert_eq!(run.log_tail, thread, "after {spin_ms} ms");
        }
        let nice = threads.behind.spawn(async { rustix::process::getpriority_process(None) }).await.expect("no panic");
        assert!(nice.expect("known") >= NICE_BEHIND, "its threads are behind");
        threads.shutdown();
    }

    #[tokio::test]
    async fn a_long_call_ends_with_its_caller() {
        let threads = Threads::start(1).expect("threads");
        let (held, ended) = tokio::sync::oneshot::channel::<()>();
        let (tell, moved) = tokio::sync::oneshot::channel();
        let observed = Arc::new(Observed::starting(&Limits::default()));
        let long = guest(Arc::clone(&observed), Duration::from_millis(15));
        let endless = async move {
            let _held = held;
            tell.send(long.await.log_tail).expect("the test waits");
            std::future::pending().await
        };
        let call = StopOnDrop(threads.run(observed, endless));
        assert_eq!(moved.await.expect("it runs"), "merit-guest-long");
        drop(call);
        assert!(tokio::time::timeout(Duration::from_secs(20), ended).await.expect("it ends").is_err());
        threads.shutdown();
    }
}
