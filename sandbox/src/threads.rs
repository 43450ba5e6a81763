//! The threads that run guests: short calls in front, long ones behind them.
//!
//! Guests give way every millisecond, so none holds up another's turn on a thread. But a thread that computes without
//! end also holds a core, and the system lets it keep the core for some milliseconds while a call of 100 microseconds
//! waits. So a guest that has used [`SHORT`] of CPU time goes on on a second set of threads of the policy `SCHED_IDLE`:
//! any other thread of this machine that wakes up takes the core from them at once. The next call of a function whose
//! last was long goes there after its first millisecond ([ADR 33](../../docs/adr/0033-long-calls-run-behind.md)).
//!
//! Invariants:
//! - A guest behind goes on, however busy the machine: when its thread was without a core for [`STARVED`], the guest
//!   comes back in front for [`AGAIN`] of CPU time.
//! - A call ends in time, also when its guest has no core to notice its deadline on: then it is answered from in front.
//!
//! Known limitation: on a machine whose cores are all taken by others without a pause, a long call gets about a
//! twentieth of a core.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use merit_units::Micros;
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::observe::Observed;
use crate::{OnThread, Run};

/// CPU time after which a guest makes way for all that have used less.
const SHORT: Micros = Micros::from_millis(10);
/// How long a thread behind may be kept from a core in one turn of a guest, which is a millisecond of CPU time.
const STARVED: Duration = Duration::from_millis(50);
/// CPU time in front of a guest that was starved.
const AGAIN: Micros = Micros::from_millis(20);
/// How long after its deadline a guest behind may take to notice it.
const LATE: Duration = Duration::from_millis(20);

/// Scheduler turns between looks at timers and wake-ups. Guests can spin for a whole millisecond
/// a turn, so the default of 61 turns would make deadlines late by as many milliseconds.
const EVENT_INTERVAL_TURNS: u32 = 4;

type Guest = Pin<Box<dyn Future<Output = Run> + Send>>;

/// Both sets of threads.
pub(crate) struct Threads {
    front: Runtime,
    behind: Runtime,
}

/// Whether the last call of a function was a long one.
#[derive(Debug, Default)]
pub(crate) struct Habit(AtomicBool);

impl Habit {
    /// CPU time a call may use in front.
    fn allowance(&self) -> Micros {
        if self.0.load(Ordering::Relaxed) { Micros::ZERO } else { SHORT }
    }

    fn learn(&self, cpu: Micros) {
        let long = cpu >= SHORT;
        // Mostly it is what it was, and then no other core's copy need be thrown away.
        if self.0.load(Ordering::Relaxed) != long {
            self.0.store(long, Ordering::Relaxed);
        }
    }
}

impl Threads {
    /// Starts `workers` threads of each; those behind do `on_long` first.
    ///
    /// # Errors
    /// When the system does not give them.
    pub(crate) fn start(workers: usize, on_long: Option<OnThread>) -> std::io::Result<Self> {
        let threads = |name| {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(workers).thread_name(name).event_interval(EVENT_INTERVAL_TURNS).enable_time();
            builder
        };
        let begin = move || {
            step_behind();
            on_long.iter().for_each(OnThread::act);
        };
        let behind = threads("merit-guest-long").on_thread_start(begin).build()?;
        Ok(Self { front: threads("merit-guest").build()?, behind })
    }

    /// Runs a guest that is seen in `observed`, of a function with this habit. It stops when the handle is aborted.
    pub(crate) fn run(
        &self,
        observed: Arc<Observed>,
        habit: Arc<Habit>,
        guest: impl Future<Output = Run> + Send + 'static,
    ) -> StopOnDrop<Run> {
        let stage = Stage::Front { guest: Box::pin(guest), until: habit.allowance() };
        let call = Call { stage, late: None, observed, habit, behind: self.behind.handle().clone() };
        StopOnDrop(self.front.spawn(call))
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
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    // Always allowed in this direction. Where it fails all the same, long calls compete with short ones.
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle) {
        tracing::warn!(?error, "long calls run at the priority of short ones");
    }
}

/// A call, on whichever threads it is.
struct Call {
    stage: Stage,
    /// From when on a guest behind is given up.
    late: Option<Pin<Box<Sleep>>>,
    observed: Arc<Observed>,
    habit: Arc<Habit>,
    behind: Handle,
}

enum Stage {
    /// In front until it has used so much CPU time.
    Front {
        guest: Guest,
        until: Micros,
    },
    Behind(StopOnDrop<Leg>),
}

impl Future for Call {
    type Output = Run;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Run> {
        let call = &mut *self;
        let ended = call.go_on(context);
        // That it is long is known before it ends; that it was short, only then.
        if ended.is_ready() || call.observed.cpu() >= SHORT {
            call.habit.learn(call.observed.cpu());
        }
        ended
    }
}

impl Call {
    fn go_on(&mut self, context: &mut Context<'_>) -> Poll<Run> {
        loop {
            match &mut self.stage {
                Stage::Front { guest, until } => {
                    if let Poll::Ready(run) = guest.as_mut().poll(context) {
                        return Poll::Ready(run);
                    }
                    if self.observed.cpu() < *until {
                        return Poll::Pending;
                    }
                    let guest = std::mem::replace(guest, Box::pin(std::future::pending()));
                    let leg = Behind { guest: Some(guest), observed: Arc::clone(&self.observed) };
                    self.stage = Stage::Behind(StopOnDrop(self.behind.spawn(leg)));
                    self.late.get_or_insert_with(|| Box::pin(sleep_until(self.observed.deadline() + LATE)));
                }
                Stage::Behind(leg) => match Pin::new(leg).poll(context) {
                    Poll::Ready(Leg::Ended(run)) => return Poll::Ready(run),
                    Poll::Ready(Leg::Starved(guest)) => {
                        let until = self.observed.cpu().saturating_add(AGAIN);
                        self.stage = Stage::Front { guest, until };
                    }
                    Poll::Pending => {
                        let late = self.late.as_mut().is_some_and(|late| late.as_mut().poll(context).is_ready());
                        return if late { Poll::Ready(self.observed.timed_out()) } else { Poll::Pending };
                    }
                },
            }
        }
    }
}

/// A guest on the threads behind, until it ends or was starved.
struct Behind {
    /// `None` once it is handed back.
    guest: Option<Guest>,
    observed: Arc<Observed>,
}

enum Leg {
    Ended(Run),
    Starved(Guest),
}

impl Future for Behind {
    type Output = Leg;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Leg> {
        let leg = &mut *self;
        let guest = leg.guest.as_mut().expect("invariant: it is polled until it was handed back");
        let (began, used) = (Instant::now(), leg.observed.cpu());
        if let Poll::Ready(run) = guest.as_mut().poll(context) {
            return Poll::Ready(Leg::Ended(run));
        }
        let used = leg.observed.cpu().saturating_sub(used).to_std();
        match leg.guest.take_if(|_| began.elapsed().saturating_sub(used) >= STARVED) {
            Some(guest) => Poll::Ready(Leg::Starved(guest)),
            None => Poll::Pending,
        }
    }
}

/// A guest nobody waits for any more is stopped.
pub(crate) struct StopOnDrop<T>(JoinHandle<T>);

impl<T> Future for StopOnDrop<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.0).poll(context).map(|ended| match ended {
            Ok(ended) => ended,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        })
    }
}

impl<T> Drop for StopOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests;
