//! A running program that takes calls.
//!
//! Invariants:
//! - It ends once, for one reason: a failure that is fatal, [`Instance::stop`], or being dropped. Then all
//!   its processes are killed, and nothing of it is left.
//! - A call that has not ended in time is one whose instance is killed at that moment, not later.
//! - A program of the Runtime API has one call at a time; others wait for their turn, within their own time.
//!
//! Known limitation: a call that is dropped by its caller before it ended has an instance in mid-call, which
//! is of no use; a program of the Runtime API is killed for it.

mod start;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use merit_units::Micros;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;
use tokio::time::{Instant as Moment, timeout};

use crate::cage::Cage;
use crate::call::Answered;
use crate::ending::Ending;
use crate::http_program::HttpDoor;
use crate::log::Log;
use crate::meter::{Meter, Running};
use crate::prepared::Prepared;
use crate::runtime_api::{Desk, Work};
use crate::standing::Standing;
use crate::{Failure, Init, Invocation, Machine, Part, Ran, StartError, Usage, processes};

/// How long programs that asked to be told of the end have for it; AWS Lambda's figure with external extensions.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long a broken connection may be ahead of the end of its program.
const SETTLE: Duration = Duration::from_millis(200);

/// A running program that takes calls.
#[derive(Debug)]
pub struct Instance {
    prepared: Arc<Prepared>,
    cage: Cage,
    ending: Arc<Ending>,
    meter: Arc<Meter>,
    standing: Arc<Standing>,
    door: Door,
    /// Calls at once.
    places: Semaphore,
    log: Log,
    /// Until the first call took it.
    init: Mutex<Option<Init>>,
    /// Held for its end.
    _tasks: Tasks,
}

/// How calls reach the program.
#[derive(Debug)]
enum Door {
    RuntimeApi(Arc<Desk>),
    Http(HttpDoor),
}

/// Ends what works for an instance when it is dropped.
#[derive(Debug, Default)]
struct Tasks(Vec<AbortHandle>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

impl Instance {
    /// Starts a program and waits until it can take a call, at most its `init_timeout`.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left of it then.
    pub async fn start(machine: &Machine, prepared: &Arc<Prepared>) -> Result<Self, StartError> {
        start::start(machine, prepared).await
    }

    /// Runs a call, waiting for a place first. Parts of the reply go to `parts` as they come, if it is given.
    ///
    /// Must be driven to its end: dropped before, a program of the Runtime API is killed.
    pub async fn invoke(&self, invocation: Invocation, parts: Option<mpsc::Sender<Part>>) -> Ran {
        let limit = invocation.timeout.min(self.prepared.program.limits.timeout);
        let deadline = Moment::now() + limit.to_std();
        let not_run = |failure| Ran { outcome: Err(failure), usage: Usage::default() };
        let place = tokio::select! {
            biased;
            _ = self.ending.ended() => return not_run(Failure::Ended),
            place = self.places.acquire() => place,
            () = tokio::time::sleep_until(deadline) => return not_run(Failure::Timeout { limit }),
        };
        if place.is_err() {
            return not_run(Failure::Ended);
        }
        let init = self.init.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (running, begun) = (self.meter.begin(), Moment::now());
        self.standing.begin(running.begun_at(), running.calls());
        let call = Call { instance: self, running, begun, handed: AtomicBool::new(false), ended: false };
        let outcome = call.run(invocation, parts, deadline, limit).await;
        call.end(outcome, init)
    }

    /// Whether it takes calls.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.ending.reason().is_none()
    }

    /// Why it ended, as soon as it has.
    pub async fn ended(&self) -> Failure {
        self.ending.ended().await
    }

    /// Calls it takes at once.
    #[must_use]
    pub fn concurrency(&self) -> u32 {
        self.prepared.concurrency()
    }

    /// The program it runs.
    #[must_use]
    pub fn prepared(&self) -> &Arc<Prepared> {
        &self.prepared
    }

    /// The last 4 KiB it wrote to its standard output and error.
    #[must_use]
    pub fn log_tail(&self) -> String {
        self.log.tail()
    }

    /// The memory its processes hold now, in bytes; what several share is counted once.
    #[must_use]
    pub fn memory_held(&self) -> u64 {
        self.meter.look()
    }

    /// Ends it: tells extensions, or an HTTP program by `SIGTERM`, gives them two seconds, kills what is left, and
    /// waits until nothing is.
    pub async fn stop(self) {
        if self.is_alive() {
            self.say_farewell().await;
        }
        self.ending.end(Failure::Ended);
        self.cage.bury().await;
    }

    async fn say_farewell(&self) {
        let told = match &self.door {
            Door::RuntimeApi(desk) => desk.shut_down(start::unix_ms(Micros::from_std(FAREWELL))),
            Door::Http(_) => processes::children(self.cage.pid()).into_iter().any(processes::terminate),
        };
        if told {
            let _ = timeout(FAREWELL, self.ending.ended()).await;
        }
    }
}

/// A call that runs.
struct Call<'a> {
    instance: &'a Instance,
    running: Running,
    begun: Moment,
    /// The program has it.
    handed: AtomicBool,
    ended: bool,
}

impl Call<'_> {
    async fn run(
        &self,
        invocation: Invocation,
        parts: Option<mpsc::Sender<Part>>,
        deadline: Moment,
        limit: Micros,
    ) -> Result<Answered, Failure> {
        let instance = self.instance;
        let answered = async {
            match &instance.door {
                Door::RuntimeApi(desk) => {
                    let left = Micros::from_std(deadline.saturating_duration_since(Moment::now()));
                    let handed = desk.hand(work(invocation, left), parts).await;
                    self.handed.store(true, Ordering::Relaxed);
                    match handed.0.await {
                        Ok(result) => result,
                        // Broken off; the reason is on its way.
                        Err(_) => Err(self.ended_for(instance.ending.ended().await)),
                    }
                }
                Door::Http(door) => {
                    self.handed.store(true, Ordering::Relaxed);
                    match door.call(&invocation.http, invocation.payload, parts.as_ref()).await {
                        // A program that ends takes its connections along; its end is the better name for it.
                        Err(failure @ Failure::Protocol(_)) => Err(timeout(SETTLE, instance.ending.ended())
                            .await
                            .map_or(failure, |end| self.ended_for(end))),
                        other => other,
                    }
                }
            }
        };
        tokio::select! {
            biased;
            result = answered => result,
            failure = instance.ending.ended() => Err(self.ended_for(failure)),
            () = tokio::time::sleep_until(deadline) => Err(Failure::Timeout { limit }),
            never = instance.standing.watch_call() => match never {},
        }
    }

    /// What the end of the instance means for this call.
    fn ended_for(&self, failure: Failure) -> Failure {
        if !self.handed.load(Ordering::Relaxed) {
            return Failure::Ended;
        }
        match (&self.instance.door, failure) {
            (_, Failure::Ended) => Failure::CutOff,
            // What all calls of an instance have in common.
            (_, failure @ (Failure::Exited { .. } | Failure::OutOfMemory { .. })) => failure,
            // A call that is alone is the cause of it; one of several may not be.
            (Door::RuntimeApi(_), failure) => failure,
            (Door::Http(_), _) => Failure::CutOff,
        }
    }

    /// Meters the call, and ends the instance if it is of no further use.
    fn end(mut self, outcome: Result<Answered, Failure>, init: Option<Init>) -> Ran {
        self.ended = true;
        let (cpu, memory_peak_bytes) = self.running.used();
        self.instance.standing.end(cpu.to_std());
        let wall = Micros::from_std(self.begun.elapsed());
        let outcome = outcome.map_err(|failure| self.instance.end_for(failure));
        let bytes_out = match &outcome {
            Ok(answered) => answered.bytes,
            Err(Failure::Reported { payload, .. }) => u64::try_from(payload.len()).unwrap_or(u64::MAX),
            Err(_) => 0,
        };
        let outcome = outcome.map(|answered| answered.reply);
        Ran { outcome, usage: Usage { wall, cpu, memory_peak_bytes, bytes_out, init } }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if !self.ended && matches!(self.instance.door, Door::RuntimeApi(_)) {
            self.instance.ending.end(Failure::Ended);
        }
    }
}

impl Instance {
    /// Ends the instance for a fatal failure, and names what may lie behind it.
    fn end_for(&self, failure: Failure) -> Failure {
        if !failure.is_fatal() {
            return failure;
        }
        let behind = start::behind(failure, &self.meter, &self.prepared);
        self.ending.end(behind.clone());
        behind
    }
}

fn work(invocation: Invocation, left: Micros) -> Work {
    let Invocation { id, payload, client_context, trace_id, .. } = invocation;
    Work { id, payload, deadline_ms: start::unix_ms(left), client_context, trace_id }
}
