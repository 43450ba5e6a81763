//! What can go wrong, apart by what it means.
//!
//! [`PrepareError`] and [`StartError`] are for operators: no call has run. [`Failure`] is for callers:
//! the call ran, or may have. Only [`Failure::is_fatal`] says whether the instance is of further use.

use std::path::PathBuf;

use bytes::Bytes;
use merit_units::{MemoryMb, Micros};

/// Why a machine can't run programs, or one can't be made ready.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A setting of the program is not possible.
    #[error("program `{program}`: {what}")]
    Setting {
        /// Its name.
        program: String,
        /// What is wrong, and what to do.
        what: String,
    },
    /// Its code can't be used.
    #[error("{path}: {what}", path = path.display())]
    Source {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, and what to do.
        what: String,
    },
    /// The machine lacks something.
    #[error("{what}; `merit pool doctor` lists what this machine lacks")]
    Machine {
        /// What is missing, and how to get it.
        what: String,
    },
}

/// Why an instance did not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The isolation could not be set up: the machine's fault, not the program's.
    #[error("failed to start `{program}` isolated: {what}")]
    Isolation {
        /// Its name.
        program: String,
        /// What failed, and what to do.
        what: String,
    },
    /// The program failed before it could take a call.
    #[error("`{program}` did not get ready: {failure}{}", after_log(log))]
    Init {
        /// Its name.
        program: String,
        /// How it failed.
        failure: Failure,
        /// The end of what it wrote to its standard output and error.
        log: String,
    },
}

impl StartError {
    /// A stable word for programs, such as `InitTimeout`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Isolation { .. } => "IsolationFailed",
            Self::Init { failure: Failure::Timeout { .. }, .. } => "InitTimeout",
            Self::Init { .. } => "InitFailed",
        }
    }
}

/// Why a call has no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The program said so itself. It may take further calls.
    #[error("the function reported {error_type}")]
    Reported {
        /// `Lambda-Runtime-Function-Error-Type`, or `Unhandled`.
        error_type: String,
        /// The error document as the program wrote it.
        payload: Bytes,
    },
    /// It did not answer in time, and was killed.
    #[error("the function did not answer within {limit}; make it faster or raise its timeout")]
    Timeout {
        /// The time it had.
        limit: Micros,
    },
    /// It needed more memory than it has, and was killed.
    #[error("the function needs more than its {limit} of memory; use less or raise its memory size")]
    OutOfMemory {
        /// The memory it had.
        limit: MemoryMb,
    },
    /// It ended without answering.
    #[error("the function's program exited with {status} before it answered")]
    Exited {
        /// `status 1`, `signal 9`.
        status: String,
    },
    /// Its reply is larger than it may be.
    #[error("the function's reply is larger than {limit} bytes; reply with less or raise `reply_bytes`")]
    ReplyTooLarge {
        /// Bytes it may have.
        limit: u64,
    },
    /// It broke the protocol it is called by.
    #[error("the function's program {0}")]
    Protocol(Violation),
    /// The instance was ended in the middle of the call: stopped, or killed for another of its calls.
    #[error("the instance was ended in the middle of the call")]
    CutOff,
    /// The instance had ended before the call reached the program; the call did not run.
    #[error("the instance has ended; start another")]
    Ended,
}

impl Failure {
    /// A stable word for programs, such as `Timeout`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Reported { .. } => "FunctionError",
            Self::Timeout { .. } => "Timeout",
            Self::OutOfMemory { .. } => "OutOfMemory",
            Self::Exited { .. } => "ExitStatus",
            Self::ReplyTooLarge { .. } => "ReplyTooLarge",
            Self::Protocol(violation) => violation.kind(),
            Self::CutOff => "CutOff",
            Self::Ended => "InstanceEnded",
        }
    }

    /// Whether the instance has been killed for it and must be replaced.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        !matches!(self, Self::Reported { .. })
    }

    /// Whether the call surely did not run, so that it may be given to another instance.
    #[must_use]
    pub const fn is_not_started(&self) -> bool {
        matches!(self, Self::Ended)
    }
}

/// How a program can break the protocol it is called by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// It answered a call that it had answered before.
    #[error("answered a call twice")]
    AnsweredTwice,
    /// It answered a call that it was not given.
    #[error("answered call `{0}`, which it was not given")]
    WrongId(String),
    /// It asked for the next call without having answered the one it had.
    #[error("asked for another call before it answered the one it had")]
    NotAnswered,
    /// A reply ended before the length it announced, or its connection was cut.
    #[error("broke off its reply: {0}")]
    BrokenReply(String),
    /// It sent what is not HTTP, or more than the length it announced.
    #[error("sent what can't be read as HTTP: {0}")]
    NotHttp(String),
    /// It does not take connections on its port any more.
    #[error("does not take connections on its port: {0}")]
    NotListening(String),
}

impl Violation {
    /// A stable word for programs, such as `AnsweredTwice`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::AnsweredTwice => "AnsweredTwice",
            Self::WrongId(_) => "WrongRequestId",
            Self::NotAnswered => "NotAnswered",
            Self::BrokenReply(_) => "BrokenReply",
            Self::NotHttp(_) => "NotHttp",
            Self::NotListening(_) => "NotListening",
        }
    }
}

fn after_log(log: &str) -> String {
    if log.is_empty() { String::new() } else { format!("; its log ends: {log}") }
}
