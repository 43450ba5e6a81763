//! What is known of a running guest from outside: CPU time, waiting time, memory, output, log.
//!
//! It outlives the guest, so that a call that was cut off is metered like any other.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use merit_units::{MemoryMb, Micros};
use tokio::time::Instant;
use wasmtime::UpdateDeadline;

use crate::error::Stop;
use crate::stream::{Output, Tail};
use crate::{GuestError, Limits, Run, Usage};

pub(crate) struct Observed {
    started: Instant,
    deadline: Instant,
    limit: Micros,
    cpu_limit_ns: u64,
    /// CPU time of the slices that have ended.
    cpu_ns: AtomicU64,
    /// The thread's CPU clock when the present slice began.
    slice_started_ns: AtomicU64,
    /// Time between slices in which the guest waited for something, and not for its turn.
    waited_ns: AtomicU64,
    /// When the last slice ended.
    slice_ended: Mutex<Option<Instant>>,
    /// Whether it ended because others were to have their turn.
    gave_way: AtomicBool,
    pub(crate) memory_peak: AtomicU64,
    pub(crate) memory_refused: AtomicBool,
    pub(crate) output: Mutex<Output>,
    pub(crate) log: Mutex<Tail>,
}

impl Observed {
    /// Of a call that starts now.
    pub(crate) fn starting(limits: &Limits) -> Self {
        let started = Instant::now();
        Self {
            started,
            deadline: started + limits.wall.to_std(),
            limit: limits.wall,
            cpu_limit_ns: limits.cpu.get().saturating_mul(1000),
            cpu_ns: AtomicU64::new(0),
            slice_started_ns: AtomicU64::new(0),
            waited_ns: AtomicU64::new(0),
            slice_ended: Mutex::new(None),
            gave_way: AtomicBool::new(false),
            memory_peak: AtomicU64::new(0),
            memory_refused: AtomicBool::new(false),
            output: Mutex::new(Output::new(limits.output_bytes)),
            log: Mutex::new(Tail::default()),
        }
    }

    /// Runs one slice of a guest, from one giving-way to the next, on this thread's CPU clock.
    pub(crate) fn slice<T>(&self, slice: impl FnOnce() -> T) -> T {
        self.count_gap();
        self.slice_started_ns.store(thread_cpu_ns(), Ordering::Relaxed);
        let result = slice();
        self.cpu_ns.fetch_add(self.slice_ns(), Ordering::Relaxed);
        *self.slice_ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        result
    }

    /// Counts the time since the last slice as waited, unless the guest had only given way.
    fn count_gap(&self) {
        let ended = self.slice_ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended.filter(|_| !self.gave_way.swap(false, Ordering::Relaxed)) {
            let waited = u64::try_from(ended.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.waited_ns.fetch_add(waited, Ordering::Relaxed);
        }
    }

    /// Called by the guest's thread at every tick: go on after giving way, or stop.
    pub(crate) fn tick(&self) -> Result<UpdateDeadline, Stop> {
        if Instant::now() >= self.deadline {
            return Err(Stop::Wall);
        }
        if self.cpu_ns.load(Ordering::Relaxed) + self.slice_ns() >= self.cpu_limit_ns {
            return Err(Stop::Cpu);
        }
        self.gave_way.store(true, Ordering::Relaxed);
        Ok(UpdateDeadline::Yield(1))
    }

    /// When the call's wall time is over.
    pub(crate) const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Time since it started.
    pub(crate) fn wall(&self) -> Micros {
        Micros::from_std(self.started.elapsed())
    }

    /// CPU time used so far, without a slice that is running.
    pub(crate) fn cpu(&self) -> Micros {
        Micros::from_std(Duration::from_nanos(self.cpu_ns.load(Ordering::Relaxed)))
    }

    /// Time waited so far, without a wait that goes on.
    pub(crate) fn waited(&self) -> Micros {
        Micros::from_std(Duration::from_nanos(self.waited_ns.load(Ordering::Relaxed)))
    }

    /// What it used so far.
    pub(crate) fn usage(&self) -> Usage {
        let memory_peak = MemoryMb::from_bytes_ceil(self.memory_peak.load(Ordering::Relaxed));
        Usage { wall: self.wall(), cpu: self.cpu(), waited: self.waited(), memory_peak }
    }

    /// The end of a call that did not notice its deadline.
    pub(crate) fn timed_out(&self) -> Run {
        let log_tail = self.log.lock().unwrap_or_else(PoisonError::into_inner).text();
        Run { outcome: Err(GuestError::Timeout { limit: self.limit }), head: None, log_tail, usage: self.usage() }
    }

    /// CPU time of the slice that is running, on its own thread.
    #[cfg(test)]
    pub(crate) fn cpu_of_slice(&self) -> Duration {
        Duration::from_nanos(self.slice_ns())
    }

    fn slice_ns(&self) -> u64 {
        thread_cpu_ns().saturating_sub(self.slice_started_ns.load(Ordering::Relaxed))
    }
}

/// CPU time of the calling thread in nanoseconds.
fn thread_cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    // Both parts of a CPU clock are never negative, and 2^64 nanoseconds are 584 years.
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}
