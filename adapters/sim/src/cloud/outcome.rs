//! How a call ended, in no protocol's words.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use merit_pricing::Usage;
use serde_json::json;

use crate::config::FunctionSize;
use crate::controls::Controls;

/// How a call ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It ran and is billed.
    Ran(Answer),
    /// It did not run and is not billed.
    Refused(Refusal),
    /// Nothing will ever be answered. It did not run.
    Silence,
    /// The connection is to be cut. It did not run.
    Cut,
}

/// What came of a call that ran.
#[derive(Debug)]
pub(crate) struct Answer {
    /// What the cloud says the call used, and bills.
    pub(crate) usage: Usage,
    /// What the function was given.
    pub(crate) size: FunctionSize,
    /// The function's reply, or its failure.
    pub(crate) result: Result<Bytes, FunctionFailure>,
    /// How the reply may be spoilt on the way.
    pub(crate) controls: Arc<Controls>,
}

/// An error of the function itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FunctionFailure {
    pub(crate) kind: String,
    pub(crate) message: String,
}

impl FunctionFailure {
    /// The kind of a call that was ended for taking too long.
    pub(crate) const TIMEOUT: &str = "Timeout";

    /// The JSON that providers answer instead of a reply. It is what leaves the cloud, so it is billed as egress.
    pub(crate) fn body(&self) -> Bytes {
        json!({ "errorType": self.kind, "errorMessage": self.message }).to_string().into()
    }
}

/// Why a call did not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The cloud is down.
    Down,
    /// Too many calls at once.
    Throttled {
        in_flight: u32,
        limit: u32,
        /// Whether the limit is the function's own, and not the cloud's.
        reserved: bool,
        retry_after: Duration,
    },
    /// No such function.
    UnknownFunction(String),
    /// The payload is larger than the provider takes.
    PayloadTooLarge { limit: usize },
    /// The platform failed, at the rate it was told to.
    Platform,
    /// This machine could not run it.
    Machine(String),
}
