//! Whether a function's deployments are equal: grounds, sample calls, and deployments in quarantine.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// On what grounds a deployment is taken for equal to the others of its function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EqualView {
    /// `digest`, `samples`, `word` (an operator's), or `none`.
    pub by: String,
    /// Whose word it is, or who had the samples replayed: a key, or `merit.toml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// When they said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// How many samples it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<u32>,
}

/// A sample call to record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SampleSpec {
    /// The payload, in base64.
    pub payload: String,
    /// Its media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The right reply, in base64; when absent a deployment is called for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// The deployment that is called; the cheapest that may be when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
}

/// A recorded sample call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SampleView {
    /// Its number.
    pub number: u32,
    /// When it was recorded.
    pub at: String,
    /// The key it was recorded with.
    pub by: String,
    /// Whose reply it is; absent when the reply was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// The payload's media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The payload, in base64.
    pub payload: String,
    /// The right reply, in base64.
    pub reply: String,
    /// The function's own error, if the right reply is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A function's sample calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SampleList {
    /// The function.
    pub function: String,
    /// In order of number.
    pub samples: Vec<SampleView>,
}

/// How many samples were deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SamplesDeleted {
    /// How many.
    pub deleted: usize,
}

/// What came of replaying a function's samples against a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplayView {
    /// The function.
    pub function: String,
    /// The deployment.
    pub deployment: String,
    /// Whether every reply was equal, so that the deployment is proven equal by it.
    pub proven: bool,
    /// What the calls came to, in dollars.
    pub charge: String,
    /// Sample by sample.
    pub samples: Vec<ReplayedView>,
}

/// One sample, replayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplayedView {
    /// The sample's number.
    pub number: u32,
    /// `equal`, `differs`, `failed` (there was no reply) or `unknown` (the replies could not be compared).
    pub result: String,
    /// What differs, or what went wrong.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The invocation it was, whose receipt has the charge; absent when no call was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation: Option<String>,
}

/// A deployment in quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuarantineView {
    /// The function.
    pub function: String,
    /// The deployment.
    pub deployment: String,
    /// Since when.
    pub at: String,
    /// Why.
    pub why: String,
}

/// Every deployment in quarantine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuarantineList {
    /// In order of function and deployment.
    pub quarantined: Vec<QuarantineView>,
}

/// What is known of a deployment's replies that differed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuarantineDetail {
    /// The function.
    pub function: String,
    /// The deployment.
    pub deployment: String,
    /// Its quarantine, when it is in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantined: Option<QuarantineView>,
    /// Replies that differed, oldest first.
    pub divergences: Vec<DivergenceView>,
}

/// A reply that differed from another's, with both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DivergenceView {
    /// When.
    pub at: String,
    /// The caller's invocation.
    pub invocation: String,
    /// The shadow call.
    pub shadow: String,
    /// The deployment it was compared with.
    pub other: String,
    /// What differs.
    pub difference: String,
    /// The payload of both, in base64, as far as it is kept.
    pub payload: String,
    /// The reply of the other, in base64, as far as it is kept.
    pub given: String,
    /// Its own reply, in base64, as far as it is kept.
    pub reply: String,
}
