//! The seam behind which functions really run.
//!
//! `merit sim` wires it to the WebAssembly sandbox; tests put scripted functions there. The
//! simulated clouds model how long a call *would* take; what it computes is real.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use merit_units::{MemoryMb, Micros};
use tokio::time::Instant;

/// Runs functions by name on this machine.
pub trait Executor: Send + Sync + 'static {
    /// The names of the functions it can run, for clouds that list them.
    fn functions(&self) -> Vec<String>;

    /// Runs `function` on `payload` with at most `memory`, until `deadline` at the latest.
    ///
    /// The future is driven in a task of its own and is not dropped when the caller hangs up.
    ///
    /// # Errors
    /// [`ExecuteError`] when the function is unknown, fails, or could not be run here.
    fn execute(
        &self,
        function: &str,
        payload: Bytes,
        memory: MemoryMb,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Executed, ExecuteError>>;
}

/// What a function that ran to its end gave back and used on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// The reply.
    pub output: Bytes,
    /// What it used.
    pub usage: MachineUsage,
}

/// What a call used on this machine, before a cloud's model is laid over it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MachineUsage {
    /// Processor time.
    pub cpu: Micros,
    /// Time from start to end as on an idle machine. Where it exceeds `cpu` the function is taken to
    /// have waited, so an executor leaves out the time a call only waited for its turn.
    pub wall: Micros,
    /// The most memory the function held, without any runtime around it; `None` when not measured.
    pub memory_peak: Option<MemoryMb>,
}

/// Why a function gave no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to execute: {kind}: {message}")]
pub struct ExecuteError {
    /// What went wrong.
    pub kind: ExecuteErrorKind,
    /// In words, for the caller.
    pub message: String,
    /// What it used before it failed; clouds bill it.
    pub usage: MachineUsage,
}

/// The kinds of failure, which clouds bill and answer differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecuteErrorKind {
    /// No function has this name. Nothing ran and nothing is billed.
    UnknownFunction,
    /// The function itself failed, with the kind it is reported as, such as `Trap` or `Timeout`.
    /// It ran and is billed.
    Function(String),
    /// This machine could not run it, such as for want of memory. Nothing is billed.
    Machine,
}

impl std::fmt::Display for ExecuteErrorKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::UnknownFunction => "unknown function",
            Self::Function(kind) => kind,
            Self::Machine => "machine failure",
        })
    }
}
