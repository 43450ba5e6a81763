//! Receipts: every decision explained.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AppliedView, AttemptView};

/// What happened to one invocation, why, and what it cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptView {
    /// The invocation.
    pub id: String,
    /// When it was admitted.
    pub at: String,
    /// `sample`, `replay` or `shadow` for a call that Merit made of itself; absent for a caller's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What was called.
    pub function: String,
    /// Who pays.
    pub account: String,
    /// The key it was called with.
    pub key: String,
    /// `ok`, `function-error`, `refused` or `failed`.
    pub status: String,
    /// The venue that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub venue: Option<String>,
    /// The deployment that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// What was expected when the deployment was chosen, in dollars.
    pub estimate: String,
    /// What was charged over all attempts, in dollars.
    pub charge: String,
    /// Whether any part of the charge is estimated because a venue told no meters.
    pub estimated: bool,
    /// What the billed attempt used.
    pub meters: Vec<MeterView>,
    /// What the billed attempt would have been charged without adjustments, in dollars; absent when none held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_charge: Option<String>,
    /// What adjustments did to its charge, in the order in which they were applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adjustments: Vec<AppliedView>,
    /// From admission to reply, in milliseconds.
    pub duration_ms: f64,
    /// Merit's own share of it, in microseconds.
    pub overhead_us: u64,
    /// Whether the deployment was chosen to keep its profile fresh instead of for its price.
    pub explored: bool,
    /// Whether every deployment within the terms was unwell, and the least bad was used rather than none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub least_bad: bool,
    /// Labels the caller gave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// What was tried, in order.
    pub attempts: Vec<AttemptView>,
    /// Every deployment of the function at that moment: its price, or why it was excluded.
    pub candidates: Vec<CandidateView>,
    /// The last error, when there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The caller's invocation whose reply this one is compared with, for a shadow call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadows: Option<String>,
    /// The event this was a delivery of, when it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
}

/// A charge computed again, by the sheet it was charged by and where the month stood then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RepricedView {
    /// The invocation.
    pub id: String,
    /// What its billed attempt was charged, in dollars.
    pub charge: String,
    /// What the same quantities come to, in dollars; absent when that can't be said.
    pub repriced: Option<String>,
    /// Whether the two are the same to the picodollar.
    pub same: bool,
    /// Why they differ, or why it can't be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The sheet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// Its sequence number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// Where its prices were read, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Its currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Dollars for one unit of the currency, as they were then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<String>,
    /// Each billed quantity.
    #[serde(default)]
    pub lines: Vec<RepricedLine>,
    /// What adjustments did to the charge, and do to it again; commitments cover of what the lines come to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adjustments: Vec<AppliedView>,
}

/// One billed quantity of a charge computed again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RepricedLine {
    /// The meter, such as `gb_second`.
    pub meter: String,
    /// How much, as an exact decimal.
    pub quantity: String,
    /// How much of it the free grant covered.
    pub free: String,
    /// How much of it packages covered; absent when none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepaid: Option<String>,
    /// What it comes to after discounts, in dollars, rounded by itself.
    pub charge: String,
}

/// A billed quantity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MeterView {
    /// The meter, such as `gb_second`.
    pub meter: String,
    /// How much, as an exact decimal.
    pub quantity: String,
}

/// A deployment as it stood when the decision was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CandidateView {
    /// Where.
    pub venue: String,
    /// Which deployment there.
    pub deployment: String,
    /// Expected cost, in dollars; absent when it had no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<String>,
    /// Why it was not eligible; absent when it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded: Option<String>,
}
