//! What the scheduler keeps of one function.

use std::collections::VecDeque;

use merit_units::Micros;

use super::Waiting;
use super::arrivals::{IdleTimes, KeepAlive, Mean, Rate};

/// Offered load, in calls at once, below which nothing is started ahead: the keep-alive does for rare calls.
const LEAST_LOAD: f64 = 0.5;

/// How long nothing is started ahead after an instance did not come up.
const FAILED_FOR: Micros = Micros::from_secs(30);

/// What a function's instances are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Bytes that are admitted for each instance.
    pub(crate) memory: u64,
    /// Calls one instance runs at once, 1 or more.
    pub(crate) concurrency: u32,
    /// Instances there may be at once, 1 or more.
    pub(crate) instances: u32,
    /// Whether instances outlive a call. Those of WebAssembly don't: a fresh one takes microseconds.
    pub(crate) kept: bool,
}

pub(super) struct Function {
    pub(super) shape: Shape,
    /// Calls that wait, each with its place in the order of all arrivals.
    pub(super) queue: VecDeque<(u64, Waiting)>,
    pub(super) running: u32,
    pub(super) instances: usize,
    pub(super) starting: usize,
    pub(super) init: Mean,
    pub(super) idle: IdleTimes,
    rate: Rate,
    duration: Mean,
    idle_since: Option<Micros>,
    failed: Option<Micros>,
}

impl Function {
    pub(super) fn new(shape: Shape) -> Self {
        Self {
            shape,
            queue: VecDeque::new(),
            running: 0,
            instances: 0,
            starting: 0,
            init: Mean::default(),
            idle: IdleTimes::new(),
            rate: Rate::default(),
            duration: Mean::default(),
            idle_since: None,
            failed: None,
        }
    }

    pub(super) fn arrived(&mut self, now: Micros, bounds: KeepAlive) {
        self.rate.note(now);
        if let Some(since) = self.idle_since.take() {
            self.idle.note(now.saturating_sub(since), bounds);
        }
    }

    pub(super) fn ended(&mut self, now: Micros, took: Micros) {
        self.running -= 1;
        self.duration.note(took);
        if self.running == 0 && self.queue.is_empty() {
            self.idle_since = Some(now);
        }
    }

    pub(super) fn start_failed(&mut self, now: Micros) {
        self.failed = Some(now);
    }

    /// What does not come up is tried again for calls only, for a while.
    pub(super) fn may_start_ahead(&self, now: Micros) -> bool {
        self.failed.is_none_or(|failed| now.saturating_sub(failed) > FAILED_FOR)
    }

    /// Calls that starting instances will have room for.
    pub(super) fn room_starting(&self) -> usize {
        self.starting.saturating_mul(self.shape.concurrency as usize)
    }

    /// What it would cost to have an idle instance no more: microseconds of initialisation, by how often they
    /// would be waited for, for each byte that it frees.
    pub(super) fn value(&self, now: Micros) -> f64 {
        // Until one has started, an initialisation of a second is assumed.
        let init = self.init.us().unwrap_or(1e6);
        init * self.rate.per_us(now) / self.shape.memory.max(1) as f64
    }

    /// Instances the offered load asks for.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float saturates, and is not negative"
    )]
    pub(super) fn wanted(&self, now: Micros) -> usize {
        let load = self.rate.per_us(now) * self.duration.us().unwrap_or(0.0);
        if load < LEAST_LOAD {
            return 0;
        }
        let instances = (load + load.sqrt()) / f64::from(self.shape.concurrency.max(1));
        (instances.ceil() as usize).min(self.shape.instances as usize)
    }
}
