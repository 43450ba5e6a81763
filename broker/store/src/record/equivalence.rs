//! Rows about whether a function's deployments are equal.

use merit_units::{DeploymentId, FunctionId, InvocationId, Timestamp};

/// On what grounds a deployment is taken for equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProofKind {
    /// An operator said so.
    Word,
    /// It answered sample calls as it should.
    Samples,
}

impl ProofKind {
    /// As it is stored.
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        [Self::Word, Self::Samples].into_iter().find(|kind| kind.code() == code)
    }
}

/// A proof that a deployment is equal, and what it was given for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofRow {
    /// The function.
    pub function: FunctionId,
    /// The deployment.
    pub deployment: DeploymentId,
    /// What kind it is; a deployment has one of each at most.
    pub kind: ProofKind,
    /// Who gave it: a key, or what the broker was given it by.
    pub by: String,
    /// When; the epoch when that is not known.
    pub at: Timestamp,
    /// The venue it was at.
    pub venue: String,
    /// Where its venue found it.
    pub target: String,
    /// The digest it had, if any was known.
    pub digest: Option<String>,
    /// How many samples it answered.
    pub samples: u32,
}

/// A call that is recorded, with the reply that is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleRow {
    /// The function.
    pub function: FunctionId,
    /// Grows with each sample of the function; 0 gets the next one.
    pub number: u32,
    /// When it was recorded.
    pub at: Timestamp,
    /// Who recorded it.
    pub by: String,
    /// Whose reply it is; none when the reply was given.
    pub deployment: Option<DeploymentId>,
    /// The payload's media type.
    pub content_type: Option<String>,
    /// The payload.
    pub payload: Vec<u8>,
    /// The reply.
    pub reply: Vec<u8>,
    /// The function's own error, if the reply is one.
    pub error: Option<String>,
}

/// A deployment whose replies differed too often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineRow {
    /// The function.
    pub function: FunctionId,
    /// The deployment.
    pub deployment: DeploymentId,
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub why: String,
}

/// A reply that differed from another's, with both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DivergenceRow {
    /// The function.
    pub function: FunctionId,
    /// The deployment it counts against.
    pub deployment: DeploymentId,
    /// Grows with each; 0 gets the next one.
    pub number: u32,
    /// When.
    pub at: Timestamp,
    /// The caller's invocation.
    pub invocation: InvocationId,
    /// The shadow call.
    pub shadow: InvocationId,
    /// The deployment it was compared with.
    pub other: DeploymentId,
    /// What differs.
    pub difference: String,
    /// The payload both were called with, as far as it is kept.
    pub payload: Vec<u8>,
    /// The reply of the other, as far as it is kept.
    pub given: Vec<u8>,
    /// Its own reply, as far as it is kept.
    pub reply: Vec<u8>,
}
