//! What can go wrong with a call, apart by what it means for money.
//!
//! [`NotStarted`] used nothing and may be tried elsewhere. [`GuestError`] is the function's own
//! failure: it ran, it is metered, and it would fail the same way elsewhere.

use merit_units::{MemoryMb, Micros};

/// A call that did not start and used nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotStarted {
    /// All slots are taken.
    #[error("all {slots} slots are taken; try again, or raise `slots`")]
    Busy {
        /// How many there are.
        slots: u32,
    },
    /// No function of that name is loaded.
    #[error("no function `{name}` is loaded{}", did_you_mean(near))]
    UnknownFunction {
        /// What was asked for, cut to 80 characters.
        name: String,
        /// Loaded functions with similar names.
        near: Vec<String>,
    },
}

/// The function failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuestError {
    /// It did something WebAssembly forbids: an access out of bounds, `unreachable`, endless recursion.
    #[error("the function trapped: {message}; its log may say where")]
    Trap {
        /// What it did.
        message: String,
    },
    /// It ran longer than its wall time.
    #[error("the function did not end within {limit}; make it faster or raise its timeout")]
    Timeout {
        /// The time it had.
        limit: Micros,
    },
    /// It used more CPU time than it may.
    #[error("the function used its {limit} of CPU time; make it faster or raise its CPU limit")]
    CpuLimit {
        /// The CPU time it had.
        limit: Micros,
    },
    /// It was refused memory, and failed.
    #[error("the function needs more than its {limit} of memory; use less or raise its memory size")]
    MemoryLimit {
        /// The memory it had.
        limit: MemoryMb,
    },
    /// It wrote more than a reply may hold.
    #[error("the function replied with more than {limit} bytes; reply with less or raise the limit")]
    OutputLimit {
        /// Bytes it could write.
        limit: usize,
    },
    /// It ended with a status other than 0, which is how a command says that it failed.
    #[error("the function exited with status {code}{}", after_colon(message))]
    Exit {
        /// The status.
        code: i32,
        /// The last line it wrote to standard error; may be empty.
        message: String,
    },
}

impl GuestError {
    /// A stable word for programs, such as `Timeout`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Trap { .. } => "Trap",
            Self::Timeout { .. } => "Timeout",
            Self::CpuLimit { .. } => "CpuLimit",
            Self::MemoryLimit { .. } => "MemoryLimit",
            Self::OutputLimit { .. } => "OutputLimit",
            Self::Exit { .. } => "ExitStatus",
        }
    }
}

/// Why the host stopped a guest; travels through wasmtime as the cause of its error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    #[error("wall time used up")]
    Wall,
    #[error("CPU time used up")]
    Cpu,
    #[error("output limit reached")]
    Output,
    #[error("it ended without a response; set one by response-outparam")]
    NoResponse,
}

fn after_colon(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

fn did_you_mean(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; did you mean `{}`?", near.join("` or `")) }
}
