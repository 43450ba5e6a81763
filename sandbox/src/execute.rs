//! One call from instantiation to the meters.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use merit_units::{MemoryMb, Micros};
use tokio::time::timeout_at;
use wasmtime::{Store, Trap};
use wasmtime_wasi::I32Exit;

use crate::compile::{Code, Command, Compiled};
use crate::error::Stop;
use crate::guest::{COPY_AT_ONCE, Guest, MemoryGate};
use crate::observe::Observed;
use crate::{GuestError, Limits, handler};

/// A call that ran.
#[derive(Clone, Debug)]
pub struct Run {
    /// What it wrote to standard output or as its response's body, or how it failed.
    pub outcome: Result<Bytes, GuestError>,
    /// The head of a component's response, when it has one.
    pub head: Option<Head>,
    /// The last 4 KB it wrote to standard error.
    pub log_tail: String,
    /// What it used, success or not.
    pub usage: Usage,
}

/// The head of a component's response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
}

/// What one call used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// From when it was given to the guests' threads to its end, waiting included.
    pub wall: Micros,
    /// CPU time of the threads that ran it.
    pub cpu: Micros,
    /// Of the wall time, what the function itself waited, for a clock or for input. What remains after this
    /// and the CPU time was spent waiting for its turn on a crowded machine.
    pub waited: Micros,
    /// The largest linear memory it had, rounded up to whole MB.
    pub memory_peak: MemoryMb,
}

/// Runs one call to its end, by the deadline it is observed with. To be called on the guests' own threads.
pub(crate) async fn execute(
    compiled: Arc<Compiled>,
    request: Request<Bytes>,
    limits: Limits,
    observed: Arc<Observed>,
) -> Run {
    let deadline = observed.deadline();
    let memory = MemoryGate::new(limits.memory.bytes(), Arc::clone(&observed));
    let ended = match &compiled.code {
        Code::Command(command) => {
            let guest = Guest::new(request.into_body(), memory, Arc::clone(&observed));
            let call = async { call(command, guest).await.map(|()| None) };
            metered(&observed, timeout_at(deadline, call)).await
        }
        Code::Handler(handler) => {
            // Several times the size of a command's, and copied at every layer it is awaited through.
            let call = Box::pin(handler::call(handler, request, memory, &observed));
            metered(&observed, timeout_at(deadline, call)).await
        }
    };
    let log_tail = observed.log.lock().unwrap_or_else(PoisonError::into_inner).text();
    let (failure, head) = match ended {
        Ok(Ok(head)) => (None, head),
        Ok(Err(error)) => (classify(&error, &observed, &limits, &log_tail), None),
        Err(_elapsed) => (Some(GuestError::Timeout { limit: limits.wall }), None),
    };
    let outcome = match failure {
        Some(failure) => Err(failure),
        None => Ok(observed.output.lock().unwrap_or_else(PoisonError::into_inner).take().into()),
    };
    Run { outcome, head, log_tail, usage: observed.usage() }
}

async fn call(command: &Command, guest: Guest) -> wasmtime::Result<()> {
    let mut store = Store::new(command.engine(), guest);
    store.limiter(|guest| &mut guest.memory);
    store.set_hostcall_fuel(COPY_AT_ONCE);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|store| Ok(store.data().observed.tick()?));
    let start = command.instantiate(&mut store).await?;
    start.call_async(&mut store, ()).await
}

/// Measures the CPU time of every slice of a guest.
async fn metered<F: Future>(observed: &Observed, guest: F) -> F::Output {
    let mut guest = pin!(guest);
    poll_fn(|context| observed.slice(|| guest.as_mut().poll(context))).await
}

/// Why a guest ended with an error; `None` when it was a plain exit with status 0.
fn classify(error: &wasmtime::Error, observed: &Observed, limits: &Limits, log_tail: &str) -> Option<GuestError> {
    match error.downcast_ref::<Stop>() {
        Some(Stop::Wall) => return Some(GuestError::Timeout { limit: limits.wall }),
        Some(Stop::Cpu) => return Some(GuestError::CpuLimit { limit: limits.cpu }),
        Some(Stop::Output) => return Some(GuestError::OutputLimit { limit: limits.output_bytes }),
        Some(Stop::NoResponse) | None => {}
    }
    let exit = error.downcast_ref::<I32Exit>();
    if exit.is_some_and(|exit| exit.0 == 0) {
        return None;
    }
    if observed.memory_refused.load(Ordering::Relaxed) {
        return Some(GuestError::MemoryLimit { limit: limits.memory });
    }
    Some(match (exit, error.downcast_ref::<Trap>()) {
        (Some(exit), _) => GuestError::Exit { code: exit.0, message: last_line(log_tail) },
        (None, Some(trap)) => GuestError::Trap { message: trap_message(*trap) },
        (None, None) => GuestError::Trap { message: error.root_cause().to_string() },
    })
}

fn trap_message(trap: Trap) -> String {
    let message = trap.to_string();
    message.strip_prefix("wasm trap: ").map_or_else(|| message.clone(), str::to_owned)
}

fn last_line(log_tail: &str) -> String {
    log_tail.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
}
