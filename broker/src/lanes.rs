//! The threads that serve calls: lanes, each with an event loop of its own and connections that stay.
//!
//! A runtime whose threads share their work wakes a second thread for much of what one alone would
//! have done at once, and at the rates of a call's two messages these wake-ups cost more than they
//! spread (docs/adr/0019-lanes.md). Here a connection is served where it was put, and so is the venue's
//! connection that its calls use. What takes longer than a call, the control API, runs on the shared
//! runtime instead, so that it holds up no lane.
//!
//! Known limitation: connections are put where the fewest are, not where the least is to do.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use merit_venue::lane;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The lanes of a broker, at least one.
pub struct Lanes(Vec<Lane>);

struct Lane {
    handle: Handle,
    connections: Arc<AtomicUsize>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A place on a lane, for one connection.
pub(crate) struct Place {
    pub(crate) lane: Handle,
    connections: Arc<AtomicUsize>,
}

impl Lanes {
    /// Starts `count` lanes; 0 takes one for each core.
    ///
    /// # Errors
    /// When a thread or its event loop can't be made.
    pub fn start(count: usize) -> io::Result<Self> {
        let count = if count > 0 { count } else { std::thread::available_parallelism()?.get() };
        (1..=count).map(Lane::start).collect::<io::Result<_>>().map(Self)
    }

    /// A place on the lane with the fewest connections.
    pub(crate) fn place(&self) -> Place {
        let fewest = self.0.iter().min_by_key(|lane| lane.connections.load(Ordering::Relaxed));
        let lane = fewest.expect("invariant: there is at least one lane");
        lane.connections.fetch_add(1, Ordering::Relaxed);
        Place { lane: lane.handle.clone(), connections: Arc::clone(&lane.connections) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lane {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let serve = move || {
            lane::become_lane(number);
            // An error is as good as the word: the sender is gone.
            drop(runtime.block_on(stopped));
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name(format!("merit-lane-{number}")).spawn(serve)?;
        Ok(Self { handle, connections: Arc::default(), stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A lane that panicked has said so; there is nothing left to stop.
            drop(thread.join());
        }
    }
}

/// Runs `work` on the shared runtime, and ends it when the caller goes away.
pub(crate) async fn aside<T: Send + 'static>(shared: &Handle, work: impl Future<Output = T> + Send + 'static) -> T {
    let mut one = tokio::task::JoinSet::new();
    one.spawn_on(work, shared);
    match one.join_next().await.expect("invariant: one was spawned") {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The shared runtime is shutting down, and this lane with it.
            Err(_) => std::future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_go_where_the_fewest_are() {
        let lanes = Lanes::start(2).expect("two threads");
        let count = |lane: usize| lanes.0[lane].connections.load(Ordering::Relaxed);
        let (one, _two, _three) = (lanes.place(), lanes.place(), lanes.place());
        assert_eq!((count(0), count(1)), (2, 1));
        drop(one);
        assert_eq!((count(0), count(1)), (1, 1));
    }

    #[tokio::test]
    async fn each_lane_is_a_thread_that_knows_its_number() {
        let lanes = Lanes::start(2).expect("two threads");
        let places = [lanes.place(), lanes.place()];
        for (number, place) in (1..).zip(&places) {
            let (shared, known) = (Handle::current(), lane::current);
            let there = place.lane.spawn(async move { (known(), aside(&shared, async move { known() }).await) });
            assert_eq!(there.await.expect("no panic"), (number, 0), "work set aside runs on no lane");
        }
    }

    #[tokio::test]
    async fn work_set_aside_ends_with_its_caller() {
        let (held, ended) = oneshot::channel::<()>();
        let work = async move {
            let _held = held;
            std::future::pending::<()>().await;
        };
        let shared = Handle::current();
        let mut waiting = Box::pin(aside(&shared, work));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        tokio::task::yield_now().await;
        drop(waiting);
        assert!(ended.await.is_err(), "its future was dropped");
    }
}
