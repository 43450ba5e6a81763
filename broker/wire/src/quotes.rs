//! Asks, books and quotes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ExclusionView;

/// The expected all-in cost of one call at one deployment now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AskView {
    /// Where.
    pub venue: String,
    /// Which deployment there.
    pub deployment: String,
    /// Expected cost of one call, in dollars.
    pub cost: String,
    /// Cost plus the priced risk and waiting by which asks are ranked, in dollars.
    pub score: String,
    /// Median latency in milliseconds.
    pub latency_ms_p50: f64,
    /// 95th percentile of latency in milliseconds.
    pub latency_ms_p95: f64,
    /// `billed` (by the provider's bill), `measured`, `borrowed` (scaled from a sibling: a guess) or `assumed` (nothing is known: a guess).
    pub basis: String,
    /// Calls the estimate rests on.
    pub samples: u64,
    /// Calls it can take at once.
    pub capacity: u32,
    /// Calls running there now.
    pub in_flight: u32,
    /// `healthy`, `ejected` or `probation`.
    pub health: String,
    /// The price sheet.
    pub sheet: String,
    /// The region.
    pub region: String,
    /// The isolation class: `wasm`, `namespace`, `gvisor`, `microvm` or `provider`.
    pub isolation: String,
    /// The architecture.
    pub architecture: String,
    /// Expected cost without adjustments, in dollars; absent when none hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_cost: Option<String>,
    /// The adjustments that hold for it, in words with what is left of them; absent when none do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adjustments: Vec<String>,
    /// How its price comes about, as its provider says; absent when nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<serde_json::Value>,
}

/// All asks of a function, in merit order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BookView {
    /// The function.
    pub function: String,
    /// Counts the book's changes.
    pub version: u64,
    /// Cheapest first.
    pub asks: Vec<AskView>,
    /// Deployments that are ineligible for everybody, with the reason.
    pub excluded: Vec<ExclusionView>,
}

/// What to quote for; every field may be absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuoteRequest {
    /// Most dollars one call may be expected to cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_price: Option<String>,
    /// Venues allowed; a leading `!` excludes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub venues: Vec<String>,
    /// Regions allowed; a leading `!` excludes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<String>,
    /// Isolation classes allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub isolation: Vec<String>,
    /// Architectures allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub architecture: Vec<String>,
    /// Dollars a second of waiting is worth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_of_time: Option<String>,
    /// Highest 95th percentile of latency in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_latency_ms: Option<u64>,
}

/// Asks that meet the terms, in merit order, and the others with reasons.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QuoteView {
    /// The function.
    pub function: String,
    /// Until when the asks are expected to stand.
    pub expires_at: String,
    /// Cheapest first.
    pub asks: Vec<AskView>,
    /// Why the others are not eligible.
    pub excluded: Vec<ExclusionView>,
}
