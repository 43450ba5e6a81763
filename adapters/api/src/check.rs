//! What a look at a venue finds, step by step: could a call be made there now?

use std::fmt;

/// What came of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StepResult {
    /// It is as it should be.
    Ok,
    /// It is not, and calls fail by it.
    Failed,
    /// There is no such thing at this venue, or a step before it failed.
    None,
}

impl StepResult {
    /// The stable word: `ok`, `failed` or `none`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::None => "none",
        }
    }
}

impl fmt::Display for StepResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// One step of a look at a venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is looked at, in a word or two: `credentials`, `name`, `connection`, `tls`, `dry invocation`.
    pub name: &'static str,
    /// What came of it.
    pub result: StepResult,
    /// What was found, without any secret.
    pub found: String,
    /// What to do about it; empty unless it failed.
    pub todo: String,
}

impl Step {
    /// A step that is as it should be.
    #[must_use]
    pub fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, result: StepResult::Ok, found: found.into(), todo: String::new() }
    }

    /// A step that calls fail by.
    #[must_use]
    pub fn failed(name: &'static str, found: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { name, result: StepResult::Failed, found: found.into(), todo: todo.into() }
    }

    /// A step there is not, and why.
    #[must_use]
    pub fn none(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, result: StepResult::None, found: found.into(), todo: String::new() }
    }
}
