//! Carries out what the scheduler decides: starts and stops instances, and hands calls their places.
//!
//! Invariants: the scheduler is told of every end, also of calls whose callers hung up (a [`Lease`] that is
//! dropped tells it) and of starts that failed; no lock is held over an await point.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use merit_units::Micros;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::runner::{Instance, Runner};
use crate::schedule::{Action, CallId, FunctionIndex, InstanceId, Load, Refused, Rules, Scheduler};

/// The longest time between two looks at what lies idle and what is to be started ahead.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The scheduler at work.
pub(crate) struct Driver {
    functions: Vec<Arc<dyn Runner>>,
    core: Mutex<Core>,
    begun: Instant,
    /// Something waits that did not before.
    changed: Notify,
}

struct Core {
    scheduler: Scheduler,
    waiting: BTreeMap<CallId, oneshot::Sender<Result<Lease, Refused>>>,
    instances: BTreeMap<InstanceId, Arc<dyn Instance>>,
    next_call: CallId,
}

/// A place for one call. Dropping it before [`Lease::end`] gives the call up.
pub(crate) struct Lease {
    driver: Arc<Driver>,
    id: InstanceId,
    number: CallId,
    /// What runs the call.
    pub(crate) instance: Arc<dyn Instance>,
    /// The initialisation the call waited for, if it is its instance's first.
    pub(crate) cold: Option<Micros>,
    since: Instant,
    ended: bool,
}

impl Lease {
    /// A number no other call of this pool has.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// The call ended. `gone` says that its instance can run no other.
    pub(crate) fn end(mut self, gone: bool) {
        self.ended = true;
        self.driver.ended(self.id, self.since, gone);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.ended {
            // What a call that was given up left behind in its instance is not known.
            self.driver.ended(self.id, self.since, true);
        }
    }
}

/// What could not be handed over and must be dropped after the lock is.
type Leftovers = Vec<Result<Lease, Refused>>;

impl Driver {
    pub(crate) fn new(rules: Rules, functions: Vec<Arc<dyn Runner>>) -> Arc<Self> {
        let scheduler = Scheduler::new(rules, functions.iter().map(|function| function.shape()));
        let core = Core { scheduler, waiting: BTreeMap::new(), instances: BTreeMap::new(), next_call: 0 };
        Arc::new(Self { functions, core: Mutex::new(core), begun: Instant::now(), changed: Notify::new() })
    }

    /// Waits for a place for a call of `function`, not past `deadline`.
    ///
    /// # Errors
    /// [`Refused`] when there is none in time.
    pub(crate) async fn enter(self: &Arc<Self>, function: FunctionIndex, deadline: Instant) -> Result<Lease, Refused> {
        let (sender, receiver) = oneshot::channel();
        let call = self.act(|core, now, actions| {
            core.next_call += 1;
            let call = core.next_call;
            core.waiting.insert(call, sender);
            core.scheduler.arrive(now, function, call, self.micros(deadline), actions);
            call
        });
        let _withdrawn = Withdrawal { driver: self, function, call };
        // The sender is dropped without a word only by a withdrawal, which is this future's own.
        receiver.await.unwrap_or(Err(Refused::Expired))
    }

    /// Refuses what waited too long, stops what lay idle too long and starts what will be needed; for ever.
    pub(crate) async fn keep_time(self: Arc<Self>) {
        loop {
            let next = self.core().scheduler.next_tick().map(|at| self.begun + at.to_std());
            let latest = Instant::now() + LOOK_EVERY;
            drop(timeout_at(next.unwrap_or(latest).min(latest), self.changed.notified()).await);
            // Not one to be told of what waits: it would wake itself for as long as anything does.
            self.decide(|core, now, actions| core.scheduler.tick(now, actions));
        }
    }

    /// How busy the pool is.
    pub(crate) fn load(&self) -> Load {
        self.core().scheduler.load()
    }

    /// What [`Scheduler::busy_sum`] tells now, and the time.
    pub(crate) fn busy(&self) -> (u128, Micros) {
        let now = self.micros(Instant::now());
        (self.core().scheduler.busy_sum(now), now)
    }

    /// Calls of a function that can run at once as things stand.
    pub(crate) fn slots(&self, function: FunctionIndex) -> u32 {
        self.core().scheduler.slots(function)
    }

    /// Stops all instances and waits until they are gone. No call may come after that.
    pub(crate) async fn stop(&self) {
        let instances = std::mem::take(&mut self.core().instances);
        futures_util::future::join_all(instances.into_values().map(Instance::stop)).await;
    }

    fn ended(self: &Arc<Self>, instance: InstanceId, since: Instant, gone: bool) {
        let took = Micros::from_std(since.elapsed());
        self.act(|core, now, actions| core.scheduler.ended(now, instance, took, gone, actions));
    }

    /// Tells the scheduler something and carries out what it decides; who keeps time is told when calls wait.
    fn act<T>(self: &Arc<Self>, tell: impl FnOnce(&mut Core, Micros, &mut Vec<Action>) -> T) -> T {
        let (told, waiting) = self.decide(tell);
        if waiting {
            self.changed.notify_one();
        }
        told
    }

    /// Tells the scheduler something and carries out what it decides; also whether calls wait then.
    fn decide<T>(self: &Arc<Self>, tell: impl FnOnce(&mut Core, Micros, &mut Vec<Action>) -> T) -> (T, bool) {
        let mut actions = Vec::new();
        let mut leftovers = Leftovers::new();
        let told = {
            let mut core = self.core();
            let told = tell(&mut core, self.micros(Instant::now()), &mut actions);
            for action in actions {
                self.carry_out(action, &mut core, &mut leftovers);
            }
            (told, !core.waiting.is_empty())
        };
        drop(leftovers);
        told
    }

    fn carry_out(self: &Arc<Self>, action: Action, core: &mut Core, leftovers: &mut Leftovers) {
        match action {
            Action::Start { instance, function } => {
                tokio::spawn(Arc::clone(self).start(instance, function));
            }
            Action::Run { call, instance: id, function, cold } => {
                let instance = self.functions[function].fresh().or_else(|| core.instances.get(&id).cloned());
                let instance = instance.expect("invariant: what is kept was started before it runs a call");
                let lease = Lease {
                    driver: Arc::clone(self),
                    id,
                    number: call,
                    instance,
                    cold,
                    since: Instant::now(),
                    ended: false,
                };
                leftovers.extend(hand(core, call, Ok(lease)));
            }
            Action::Stop { instance } => {
                if let Some(instance) = core.instances.remove(&instance) {
                    tokio::spawn(instance.stop());
                }
            }
            Action::Refuse { call, why } => leftovers.extend(hand(core, call, Err(why))),
        }
    }

    async fn start(self: Arc<Self>, id: InstanceId, function: FunctionIndex) {
        let since = Instant::now();
        match self.functions[function].start().await {
            Ok(instance) => {
                let init = Micros::from_std(since.elapsed());
                self.act(|core, now, actions| {
                    core.instances.insert(id, instance);
                    core.scheduler.started(now, id, init, actions);
                });
            }
            Err(error) => {
                tracing::warn!(error, "an instance did not start");
                self.act(|core, now, actions| core.scheduler.start_failed(now, id, actions));
            }
        }
    }

    fn micros(&self, at: Instant) -> Micros {
        Micros::from_std(at.saturating_duration_since(self.begun))
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands a call its place or refusal; gives it back when nobody waits for it any more.
fn hand(core: &mut Core, call: CallId, what: Result<Lease, Refused>) -> Option<Result<Lease, Refused>> {
    match core.waiting.remove(&call) {
        Some(sender) => sender.send(what).err(),
        None => Some(what),
    }
}

/// Takes a call out of the queue when its caller stops waiting.
struct Withdrawal<'a> {
    driver: &'a Arc<Driver>,
    function: FunctionIndex,
    call: CallId,
}

impl Drop for Withdrawal<'_> {
    fn drop(&mut self) {
        let mut core = self.driver.core();
        if core.waiting.remove(&self.call).is_some() {
            core.scheduler.withdraw(self.function, self.call);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;

    use futures_util::FutureExt as _;
    use futures_util::future::BoxFuture;
    use merit_units::MemoryMb;

    use super::*;
    use crate::schedule::{KeepAlive, Shape};

    /// A program whose instances never come up.
    struct NeverReady;

    impl Runner for NeverReady {
        fn shape(&self) -> Shape {
            Shape { memory: 1 << 20, concurrency: 1, instances: 1, kept: true }
        }
        fn isolation(&self) -> &'static str {
            "namespace"
        }
        fn memory(&self) -> MemoryMb {
            MemoryMb::try_new(1).expect("a size")
        }
        fn timeout(&self) -> Micros {
            Micros::from_secs(1)
        }
        fn speaks_http(&self) -> bool {
            false
        }
        fn describe(&self) -> serde_json::Value {
            serde_json::Value::Null
        }
        fn fresh(&self) -> Option<Arc<dyn Instance>> {
            None
        }
        fn start(&self) -> BoxFuture<'_, Result<Arc<dyn Instance>, String>> {
            std::future::pending().boxed()
        }
    }

    #[tokio::test]
    async fn who_keeps_time_sleeps_while_a_call_waits_for_a_start() {
        let queue_wait = Micros::from_secs(60);
        let keep_alive = KeepAlive { min: Micros::from_secs(1), max: Micros::from_secs(2) };
        let rules = Rules { memory: 1 << 30, calls: 1, queue: 1, queue_wait, keep_alive };
        let driver = Driver::new(rules, vec![Arc::new(NeverReady)]);
        let (mut keeping, mut awake) = (pin!(Arc::clone(&driver).keep_time()), Duration::ZERO);
        let keeping = poll_fn(|context| {
            let begun = Instant::now();
            let polled = keeping.as_mut().poll(context);
            awake += begun.elapsed();
            polled
        });
        let refused = tokio::select! {
            placed = driver.enter(0, Instant::now() + Duration::from_millis(300)) => placed.err(),
            () = keeping => None,
        };
        assert_eq!(refused, Some(Refused::Expired));
        assert!(awake < Duration::from_millis(150), "it was awake for {awake:?} of 300 ms");
    }
}
