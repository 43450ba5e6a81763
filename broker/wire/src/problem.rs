//! Errors, as RFC 9457 problem documents.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An RFC 9457 problem document (`application/problem+json`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A stable URI reference that names the kind of problem, such as `/problems/budget-exhausted`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened and what to do about it.
    pub detail: String,
    /// The request, for the log; the invocation's id once there is one.
    pub request_id: String,
    /// Whether the same request may succeed later without double charge.
    pub retryable: bool,
    /// What was tried, when venues failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<AttemptView>,
    /// Why each deployment was not eligible.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclusions: Vec<ExclusionView>,
    /// The budget that was exhausted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetRefusal>,
    /// Names that resemble the one that was not found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near: Vec<String>,
}

/// One try at one deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AttemptView {
    /// Where.
    pub venue: String,
    /// Which deployment there.
    pub deployment: String,
    /// `ok`, `function-error`, or the venue's failure, such as `throttled` or `connect`.
    pub result: String,
    /// `not-started`, `ran` or `unknown`: what it means for money.
    pub outcome: String,
    /// What the venue said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// How long the attempt took, in milliseconds.
    pub duration_ms: f64,
    /// What it was charged, in dollars.
    pub charge: String,
    /// Whether the charge is estimated because the venue told no meters.
    pub estimated: bool,
}

/// A deployment that could not take the call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExclusionView {
    /// Where.
    pub venue: String,
    /// Which deployment there.
    pub deployment: String,
    /// A stable word such as `over-max-price` or `no-price`.
    pub reason: String,
    /// The reason in words, with the figures.
    pub detail: String,
}

/// The budget that refused a hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BudgetRefusal {
    /// Whose.
    pub account: String,
    /// The month, such as `2026-11`.
    pub month: String,
    /// The hard limit, in dollars.
    pub budget: String,
    /// Charged this month.
    pub spent: String,
    /// Held for calls that are running.
    pub held: String,
    /// What this call needed held.
    pub needed: String,
}
