//! The clock by which guests give way: one thread that advances the engine's epoch.
//!
//! It ticks every millisecond while guests run and for a moment after, then sleeps until the
//! next call, so that an idle sandbox wakes nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wasmtime::Engine;

/// How often guests give way and have their limits checked.
const TICK: Duration = Duration::from_millis(1);
/// Idle ticks before the thread sleeps: waking it costs a system call, so it stays for a steady trickle of calls.
const LINGER_TICKS: u32 = 100;

pub(crate) struct Ticker {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    running: AtomicUsize,
    asleep: AtomicBool,
    stop: AtomicBool,
}

impl Ticker {
    pub(crate) fn start(engine: Engine) -> std::io::Result<Self> {
        let state = Arc::new(State::default());
        let theirs = Arc::clone(&state);
        let thread = thread::Builder::new().name("merit-epoch".into()).spawn(move || tick(&engine, &theirs))?;
        Ok(Self { state, thread: Some(thread) })
    }

    /// Keeps the epoch advancing until the guard is dropped.
    pub(crate) fn keep_ticking(&self) -> Ticking<'_> {
        self.state.running.fetch_add(1, Ordering::SeqCst);
        if self.state.asleep.load(Ordering::SeqCst) {
            self.wake();
        }
        Ticking(&self.state.running)
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::SeqCst);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by its own thread.
            thread.join().ok();
        }
    }
}

/// One running guest.
pub(crate) struct Ticking<'a>(&'a AtomicUsize);

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn tick(engine: &Engine, state: &State) {
    let mut idle = 0;
    while !state.stop.load(Ordering::SeqCst) {
        thread::sleep(TICK);
        engine.increment_epoch();
        idle = if state.running.load(Ordering::SeqCst) == 0 { idle + 1 } else { 0 };
        if idle > LINGER_TICKS {
            sleep_until_woken(state);
            idle = 0;
        }
    }
}

/// `asleep` is set before `running` is read, and a runner does the reverse: one of them sees the other.
fn sleep_until_woken(state: &State) {
    state.asleep.store(true, Ordering::SeqCst);
    while state.running.load(Ordering::SeqCst) == 0 && !state.stop.load(Ordering::SeqCst) {
        thread::park();
    }
    state.asleep.store(false, Ordering::SeqCst);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(condition: impl Fn() -> bool) {
        while !condition() {
            thread::yield_now();
        }
    }

    #[test]
    fn sleeps_when_idle_and_wakes_for_a_guest() {
        let ticker = Ticker::start(Engine::default()).expect("a thread");
        let asleep = || ticker.state.asleep.load(Ordering::SeqCst);
        for _ in 0..3 {
            until(asleep);
            let guest = ticker.keep_ticking();
            until(|| !asleep());
            drop(guest);
        }
    }

    #[test]
    fn ends_when_dropped_awake_or_asleep() {
        drop(Ticker::start(Engine::default()).expect("a thread"));
        let ticker = Ticker::start(Engine::default()).expect("a thread");
        until(|| ticker.state.asleep.load(Ordering::SeqCst));
        drop(ticker);
    }
}
