//! What calls use, by the instance's control group or, without one, by `/proc`.
//!
//! CPU time belongs to the instance; calls at once share it. Whenever a call begins or ends, what was used
//! since the last time is divided by the calls that ran meanwhile, and each is charged that much. So the
//! calls' shares add up to what the instance used while any ran. What it uses while none runs is nobody's.
//!
//! Known limitations: a program is not frozen between calls. The peak of memory is the instance's, not the
//! call's, where calls run at once; with version 2 of control groups it is the highest since the start.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use merit_units::Micros;

use crate::cgroup::Group;
use crate::processes::Tree;

/// The meter of an instance.
#[derive(Debug)]
pub(crate) struct Meter {
    pid: i32,
    group: Arc<Group>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// CPU time when it was last read, in nanoseconds.
    read: u64,
    /// What a call is charged that has run from the start, in nanoseconds.
    share: u64,
    running: u64,
    /// The most memory seen, where no group keeps it.
    peak: u64,
}

impl State {
    fn advance(&mut self, now: u64) {
        let used = now.saturating_sub(self.read);
        self.read = self.read.max(now);
        if let Some(each) = used.checked_div(self.running) {
            self.share += each;
        }
    }
}

impl Meter {
    /// Of the instance whose first process this is.
    pub(crate) fn new(pid: i32, group: Arc<Group>) -> Self {
        Self { pid, group, state: Mutex::default() }
    }

    /// CPU time since the start.
    pub(crate) fn cpu(&self) -> Micros {
        Micros::new(self.cpu_nanos() / 1000)
    }

    /// Whether the kernel killed a process for want of memory.
    pub(crate) fn out_of_memory(&self) -> bool {
        self.group.killed_for_memory()
    }

    /// Looks at the memory held now, in bytes; without a control group somebody must, every now and then.
    pub(crate) fn look(&self) -> u64 {
        let held = Tree::of(self.pid).memory_bytes;
        let mut state = self.lock();
        state.peak = state.peak.max(held);
        held
    }

    /// Begins a call.
    pub(crate) fn begin(self: &Arc<Self>) -> Running {
        let now = self.cpu_nanos();
        let mut state = self.lock();
        state.advance(now);
        if state.running == 0 {
            state.peak = 0;
            self.group.reset_peak();
        }
        state.running += 1;
        let (share, calls) = (state.share, state.running);
        drop(state);
        Running { meter: Arc::clone(self), share, begun_at: now, calls }
    }

    fn cpu_nanos(&self) -> u64 {
        self.group.cpu_nanos().unwrap_or_else(|| Tree::of(self.pid).cpu_nanos)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that is metered until this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    meter: Arc<Meter>,
    share: u64,
    /// CPU time of the instance when it began, in nanoseconds.
    begun_at: u64,
    calls: u64,
}

impl Running {
    /// CPU time of the instance when it began.
    pub(crate) const fn begun_at(&self) -> Duration {
        Duration::from_nanos(self.begun_at)
    }

    /// Calls that ran when it began, with it.
    pub(crate) fn calls(&self) -> u32 {
        u32::try_from(self.calls).unwrap_or(u32::MAX)
    }

    /// CPU time of the call so far, and the peak of memory in bytes.
    pub(crate) fn used(&self) -> (Micros, u64) {
        let now = self.meter.cpu_nanos();
        let cpu = {
            let mut state = self.meter.lock();
            state.advance(now);
            Micros::new((state.share - self.share) / 1000)
        };
        let peak = self.meter.group.memory_peak().unwrap_or_else(|| {
            self.meter.look();
            self.meter.lock().peak
        });
        (cpu, peak)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let now = self.meter.cpu_nanos();
        let mut state = self.meter.lock();
        state.advance(now);
        state.running -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::State;

    #[test]
    fn calls_at_once_share_what_is_used_while_they_run() {
        let mut state = State::default();
        state.advance(1_000); // Before any call: nobody's.
        state.running = 1;
        let first = state.share;
        state.advance(4_000); // Alone: 3,000.
        state.running = 2;
        let second = state.share;
        state.advance(14_000); // Two: 5,000 each.
        let first_used = state.share - first;
        state.running = 1;
        state.advance(15_000); // The second alone: 1,000.
        let second_used = state.share - second;
        assert_eq!((first_used, second_used), (8_000, 6_000));
        assert_eq!(first_used + second_used, 15_000 - 1_000);
    }

    #[test]
    fn a_reading_that_falls_back_is_nothing_used() {
        let mut state = State { running: 1, ..State::default() };
        state.advance(5_000);
        state.advance(0); // Its processes are gone.
        assert_eq!((state.share, state.read), (5_000, 5_000));
    }
}
