//! One simulated cloud, whatever protocol it is reached by: admission, an instance, the real
//! execution, the modelled time, the bill.
//!
//! Invariants: a call that ran is billed exactly once, also when its caller has hung up or its
//! reply is spoilt on the way; a call that did not run is never billed. Slots and instances come
//! back however a call ends.

mod admission;
mod outcome;
mod remembered;
mod run;
mod waiting;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use merit_cloud_wire::fc::AsyncTask;
use tokio::sync::watch;
use tokio::time::Instant;

pub(crate) use admission::Counts;
pub(crate) use outcome::{Answer, FunctionFailure, Outcome, Refusal};
pub(crate) use remembered::Remembered;

use crate::books::Books;
use crate::clock::SimClock;
use crate::config::{CloudConfig, FunctionConfig};
use crate::controls::{Controls, Outage, Patch};
use crate::executor::Executor;
use crate::model::Model;
use crate::protocol::azure::Doing;
use admission::State;
use waiting::Waiting;

/// One simulated cloud.
pub(crate) struct Cloud {
    pub(crate) config: CloudConfig,
    model: Model,
    seed: u64,
    clock: SimClock,
    executor: Arc<dyn Executor>,
    controls: watch::Sender<Arc<Controls>>,
    state: Mutex<State>,
    books: Mutex<Books>,
    requests: AtomicU64,
    waiting: Waiting,
    /// What Durable Functions have started, where the cloud speaks Azure's protocols.
    pub(crate) instances: Remembered<Doing>,
    /// What was called asynchronously, where the cloud speaks Function Compute's.
    pub(crate) tasks: Remembered<AsyncTask>,
}

impl Cloud {
    /// Opens the cloud, with no instance warm.
    pub(crate) fn open(
        config: CloudConfig,
        model: Model,
        seed: u64,
        clock: SimClock,
        executor: Arc<dyn Executor>,
    ) -> Self {
        let books = Books::open(Arc::clone(&config.sheet), config.past_grant);
        let state = State::new(&config, &model);
        let controls = watch::Sender::new(Arc::new(Controls::default()));
        Self {
            config,
            model,
            seed,
            clock,
            executor,
            controls,
            state: Mutex::new(state),
            books: Mutex::new(books),
            requests: AtomicU64::new(0),
            waiting: Waiting::default(),
            instances: Remembered::default(),
            tasks: Remembered::default(),
        }
    }

    /// The controls in force.
    pub(crate) fn controls(&self) -> Arc<Controls> {
        Arc::clone(&self.controls.borrow())
    }

    /// Changes the controls; later calls see all of the change.
    pub(crate) fn control(&self, patch: &Patch) {
        let mut books = self.books();
        let next = patch.apply(&self.controls());
        if next.price_percent != books.price_percent() {
            books.reprice(next.price_percent);
        }
        if patch.cold_all {
            self.state().evict_all();
        }
        self.controls.send_replace(Arc::new(next));
        self.waiting.one_ended();
    }

    /// How the cloud is down, if it is. Asked before a payload is read.
    pub(crate) fn outage(&self) -> Option<Outcome> {
        match self.controls.borrow().outage {
            Outage::None => None,
            Outage::Refuse => Some(Outcome::Refused(Refusal::Down)),
            Outage::Reset => Some(Outcome::Cut),
            Outage::Hang => Some(Outcome::Silence),
        }
    }

    /// The largest payload it takes.
    pub(crate) fn request_bytes(&self) -> usize {
        self.config.provider.entry().request_bytes
    }

    /// Plays one call to its end and bills it.
    ///
    /// A reply of more than `most_reply` bytes is a failure of the function.
    pub(crate) async fn invoke(self: &Arc<Self>, function: &str, payload: Bytes, most_reply: usize) -> Outcome {
        let controls = self.controls();
        let arrived = Instant::now();
        let admitted = match admission::admit(self, function, &controls) {
            Ok(admitted) => admitted,
            Err(refusal) => return Outcome::Refused(refusal),
        };
        // In a task of its own: clouds go on running, and billing, when the caller hangs up.
        let call = tokio::spawn(run::run(admitted, payload, most_reply, arrived, controls));
        call.await.unwrap_or_else(|_| Outcome::Refused(Refusal::Machine("the executor panicked".to_owned())))
    }

    /// The function listed in the configuration under this name.
    pub(crate) fn listed(&self, name: &str) -> Option<&FunctionConfig> {
        self.config.functions.iter().find(|function| function.name.as_str() == name)
    }

    /// The functions the executor knows beside the listed ones.
    pub(crate) fn unlisted(&self) -> Vec<String> {
        self.executor.functions().into_iter().filter(|name| self.listed(name).is_none()).collect()
    }

    /// An id for the next request, the same in every run of a seed.
    pub(crate) fn request_id(&self) -> String {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let bits = admission::seeded(self, "request id", number).u128(..);
        let [a, b, c, d, e] = [bits >> 96, bits >> 80 & 0xffff, bits >> 64 & 0xfff, bits >> 48 & 0xfff, bits];
        format!("{a:08x}-{b:04x}-4{c:03x}-8{d:03x}-{:012x}", e & 0xffff_ffff_ffff)
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is going on.
    pub(crate) fn counts(&self) -> Counts {
        self.state().counts()
    }
}
