//! Which instance runs which call, and when instances are started and stopped.
//!
//! A pure core: it is told what happened and when, and answers with [`Action`]s for its driver to carry
//! out. Time is a parameter, in microseconds since any moment, so that a day passes in a test's blink.
//!
//! The policy:
//! - A call goes to the most recently used instance with room, so that what is too many grows old.
//! - Without one it waits, in the order of arrival and not past its deadline; a new instance is started for
//!   each call that waits, as far as memory admits. The call goes to whichever instance is free first.
//! - Memory is admitted up to a bound. When a call waits for memory, idle instances make room, those of least
//!   value first: initialisation time x arrival rate / memory, what it costs to have them no more.
//! - Instances are started ahead of calls when the offered load (arrival rate x duration, in calls at once)
//!   asks for more, by the square root rule of Halfin and Whitt (load + its root), into free memory only.
//! - An idle instance is stopped after its function's keep-alive (`arrivals`).
//!
//! Invariants: what is admitted never exceeds [`Rules::memory`]; an instance never has more calls than its
//! concurrency; every call that arrived ends in exactly one of [`Action::Run`] and [`Action::Refuse`], unless it
//! was withdrawn first.
//!
//! Known limitation: a function of large instances may wait while small ones take the memory that is freed,
//! until its calls' time to wait is over.

mod arrivals;
mod function;
mod place;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod time;

use std::collections::{BTreeMap, BTreeSet};

use merit_units::Micros;

pub use arrivals::KeepAlive;
use function::Function;
pub(crate) use function::Shape;

/// One call, as the driver numbers them.
pub(crate) type CallId = u64;
/// One instance, numbered in the order of their starts.
pub(crate) type InstanceId = u64;
/// A function's place in the list the scheduler was made with.
pub(crate) type FunctionIndex = usize;

/// What the scheduler is held to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Bytes that instances may have together.
    pub(crate) memory: u64,
    /// Calls that run at once.
    pub(crate) calls: u32,
    /// Calls of one function that may wait beside those for which an instance is being started.
    pub(crate) queue: usize,
    /// How long a call waits at most.
    pub(crate) queue_wait: Micros,
    /// The bounds of what is learned.
    pub(crate) keep_alive: KeepAlive,
}

/// What the driver is to do, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start an instance, and tell how that went.
    Start {
        /// Which.
        instance: InstanceId,
        /// Of which function.
        function: FunctionIndex,
    },
    /// Run a call, and tell when it has ended.
    Run {
        /// Which.
        call: CallId,
        /// Where. An instance that is not kept has never been started.
        instance: InstanceId,
        /// Of which function.
        function: FunctionIndex,
        /// The initialisation this call waited for, if it is its instance's first.
        cold: Option<Micros>,
    },
    /// End an instance that runs nothing.
    Stop {
        /// Which.
        instance: InstanceId,
    },
    /// Answer a call without running it.
    Refuse {
        /// Which.
        call: CallId,
        /// Why.
        why: Refused,
    },
}

/// Why a call was not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// Nothing was free and as many calls wait as may.
    #[error("everything is busy and the queue is full; try again after a moment")]
    QueueFull,
    /// It waited as long as it may.
    #[error("nothing was free in the time the call may wait; try again after a moment")]
    Expired,
    /// The instance that was started for it did not come up.
    #[error("the function's instance did not start; see the pool's log")]
    StartFailed,
}

struct Waiting {
    call: CallId,
    until: Micros,
}

enum State {
    Starting,
    Ready {
        /// The initialisation, until the first call has it.
        init: Option<Micros>,
        used: Micros,
    },
}

struct Instance {
    function: FunctionIndex,
    calls: u32,
    /// It can run no more calls than those it has.
    gone: bool,
    state: State,
}

impl Instance {
    const fn idle_since(&self) -> Option<Micros> {
        match self.state {
            State::Ready { used, .. } if self.calls == 0 => Some(used),
            _ => None,
        }
    }
}

/// How busy the pool is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// Calls that run.
    pub(crate) running: u32,
    /// Calls that wait.
    pub(crate) waiting: usize,
    /// Calls that may run at once.
    pub(crate) calls: u32,
    /// Bytes admitted.
    pub(crate) memory: u64,
    /// Bytes that instances may have together.
    pub(crate) memory_max: u64,
    /// Instances there are, starting ones included.
    pub(crate) instances: usize,
}

/// The scheduler.
pub(crate) struct Scheduler {
    rules: Rules,
    functions: Vec<Function>,
    instances: BTreeMap<InstanceId, Instance>,
    /// Functions with calls that wait, by how long the first of them does.
    waiting: BTreeSet<(u64, FunctionIndex)>,
    memory: u64,
    /// Bytes of instances that run calls.
    memory_busy: u64,
    running: u32,
    next: u64,
    busy: Busy,
}

/// How busy the pool was, summed over time.
#[derive(Clone, Copy, Debug, Default)]
struct Busy {
    /// Parts per million of the pool x microseconds.
    sum: u128,
    until: Micros,
}

impl Scheduler {
    /// A scheduler for functions of these shapes.
    pub(crate) fn new(rules: Rules, shapes: impl IntoIterator<Item = Shape>) -> Self {
        Self {
            rules,
            functions: shapes.into_iter().map(Function::new).collect(),
            instances: BTreeMap::new(),
            waiting: BTreeSet::new(),
            memory: 0,
            memory_busy: 0,
            running: 0,
            next: 0,
            busy: Busy::default(),
        }
    }

    /// A call came, whose caller waits until `deadline`.
    pub(crate) fn arrive(
        &mut self,
        now: Micros,
        function: FunctionIndex,
        call: CallId,
        deadline: Micros,
        actions: &mut Vec<Action>,
    ) {
        let until = deadline.min(now.saturating_add(self.rules.queue_wait));
        self.functions[function].arrived(now, self.rules.keep_alive);
        self.enqueue(function, Waiting { call, until });
        self.place(now, actions);
        let this = &mut self.functions[function];
        let waits = this.queue.back().is_some_and(|(_, last)| last.call == call);
        if waits && this.queue.len() > self.rules.queue.saturating_add(this.room_starting()) {
            self.withdraw(function, call);
            actions.push(Action::Refuse { call, why: Refused::QueueFull });
        }
    }

    /// A call that waits is waited for no more. Says whether it still waited.
    pub(crate) fn withdraw(&mut self, function: FunctionIndex, call: CallId) -> bool {
        let queue = &mut self.functions[function].queue;
        let Some(at) = queue.iter().position(|(_, waiting)| waiting.call == call) else { return false };
        let first = queue.front().map(|(order, _)| *order);
        queue.remove(at);
        self.reindex(function, first);
        true
    }

    /// An instance came up.
    pub(crate) fn started(&mut self, now: Micros, instance: InstanceId, init: Micros, actions: &mut Vec<Action>) {
        let Some(this) = self.instances.get_mut(&instance) else { return };
        this.state = State::Ready { init: Some(init), used: now };
        let function = &mut self.functions[this.function];
        function.starting -= 1;
        function.init.note(init);
        self.place(now, actions);
    }

    /// An instance did not come up: the call that waited longest for it is told.
    pub(crate) fn start_failed(&mut self, now: Micros, instance: InstanceId, actions: &mut Vec<Action>) {
        let Some(function) = self.remove(instance) else { return };
        self.functions[function].start_failed(now);
        let queue = &mut self.functions[function].queue;
        if let Some((order, waiting)) = queue.pop_front() {
            self.reindex(function, Some(order));
            actions.push(Action::Refuse { call: waiting.call, why: Refused::StartFailed });
        }
        self.place(now, actions);
    }

    /// A call ended after `took`. `gone` says that its instance can run no other.
    pub(crate) fn ended(
        &mut self,
        now: Micros,
        instance: InstanceId,
        took: Micros,
        gone: bool,
        actions: &mut Vec<Action>,
    ) {
        self.count_busy(now);
        let Some(this) = self.instances.get_mut(&instance) else { return };
        this.calls -= 1;
        if this.calls == 0 {
            self.memory_busy -= self.functions[this.function].shape.memory;
        }
        this.gone |= gone;
        if let State::Ready { used, .. } = &mut this.state {
            *used = now;
        }
        self.running -= 1;
        let function = &mut self.functions[this.function];
        function.ended(now, took);
        let kept = function.shape.kept;
        // One that others still run in ends with the last of them.
        if this.calls == 0 && (this.gone || !kept) {
            self.remove(instance);
            if kept {
                actions.push(Action::Stop { instance });
            }
        }
        self.place(now, actions);
    }

    /// Time passed: calls that waited too long are refused, instances are started ahead or stopped.
    pub(crate) fn tick(&mut self, now: Micros, actions: &mut Vec<Action>) {
        self.expire(now, actions);
        self.reap(now, actions);
        self.start_ahead(now, actions);
        self.place(now, actions);
    }

    /// When the next call is to be refused or instance stopped, if nothing else happens.
    pub(crate) fn next_tick(&self) -> Option<Micros> {
        let expiring = self.functions.iter().flat_map(|function| function.queue.iter().map(|(_, w)| w.until));
        let stopping = self.instances.values().filter_map(|instance| {
            let kept = self.functions[instance.function].idle.keep_alive(self.rules.keep_alive);
            Some(instance.idle_since()?.saturating_add(kept))
        });
        expiring.chain(stopping).min()
    }

    /// How busy the pool is.
    pub(crate) fn load(&self) -> Load {
        Load {
            running: self.running,
            waiting: self.functions.iter().map(|function| function.queue.len()).sum(),
            calls: self.rules.calls,
            memory: self.memory,
            memory_max: self.rules.memory,
            instances: self.instances.len(),
        }
    }

    /// Parts per million of the pool (of its calls or of its memory, whichever is more) that were busy, times the
    /// microseconds they were, since the beginning: the difference of two readings by the time between them is the mean.
    pub(crate) fn busy_sum(&mut self, now: Micros) -> u128 {
        self.count_busy(now);
        self.busy.sum
    }

    fn count_busy(&mut self, now: Micros) {
        let share = |part: u64, whole: u64| u128::from(part) * 1_000_000 / u128::from(whole.max(1));
        let calls = share(self.running.into(), self.rules.calls.into());
        let memory = share(self.memory_busy, self.rules.memory);
        self.busy.sum += calls.max(memory) * u128::from(now.saturating_sub(self.busy.until).get());
        self.busy.until = self.busy.until.max(now);
    }

    /// Calls of a function that can run at once as things stand: its own that run, and what is left for more.
    pub(crate) fn slots(&self, function: FunctionIndex) -> u32 {
        let this = &self.functions[function];
        let Shape { memory, concurrency, instances, .. } = this.shape;
        let busy = self.instances.values().filter(|i| i.function == function && i.calls > 0).count() as u64;
        let free = (self.rules.memory.saturating_sub(self.memory) + self.idle_memory()) / memory.max(1);
        let most = (busy + free).min(instances.into()).saturating_mul(concurrency.into());
        let calls = self.rules.calls - self.running + this.running;
        u32::try_from(most).unwrap_or(u32::MAX).min(calls)
    }

    /// Bytes of instances that run nothing, and so could be had by others.
    fn idle_memory(&self) -> u64 {
        let idle = self.instances.values().filter(|instance| instance.idle_since().is_some());
        idle.map(|instance| self.functions[instance.function].shape.memory).sum()
    }

    /// Instances of a function, starting ones included.
    #[cfg(test)]
    pub(crate) fn instances_of(&self, function: FunctionIndex) -> usize {
        self.functions[function].instances
    }

    fn enqueue(&mut self, function: FunctionIndex, waiting: Waiting) {
        let order = self.next;
        self.next += 1;
        let queue = &mut self.functions[function].queue;
        if queue.is_empty() {
            self.waiting.insert((order, function));
        }
        queue.push_back((order, waiting));
    }

    /// Keeps the index of waiting functions right after the queue of one has lost calls; its first was `first`.
    fn reindex(&mut self, function: FunctionIndex, first: Option<u64>) {
        let now_first = self.functions[function].queue.front().map(|(order, _)| *order);
        if now_first == first {
            return;
        }
        match first {
            Some(first) => drop(self.waiting.remove(&(first, function))),
            None => self.waiting.retain(|(_, other)| *other != function),
        }
        if let Some(order) = now_first {
            self.waiting.insert((order, function));
        }
    }
}
