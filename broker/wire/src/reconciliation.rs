//! What providers billed beside what was charged for it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a provider billed for one service in one period, and what that corrected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReconciliationView {
    /// The venue.
    pub venue: String,
    /// The service as the bill names it.
    pub resource: String,
    /// The beginning of the period, inclusive.
    pub from: String,
    /// Its end, exclusive.
    pub to: String,
    /// When it was imported.
    pub at: String,
    /// The key it was imported with.
    pub by: String,
    /// Calls that Merit had charged by its own clock.
    pub calls: u64,
    /// Calls on the bill; others may call the same service.
    pub billed_calls: u64,
    /// Calls whose sheet is not kept any more: they stay as they were charged.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left: u64,
    /// What those calls had been charged, in dollars.
    pub charged: String,
    /// What the bill makes of them, in dollars.
    pub billed: String,
    /// The difference, which is posted: below zero when they had been charged too much. In dollars.
    pub corrected: String,
    /// The same by deployment.
    pub deployments: Vec<ReconciledDeployment>,
    /// The same by account, with the receipt of each correction.
    pub accounts: Vec<ReconciledAccount>,
    /// Whether the same figures had been imported before, so that nothing has changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub already: bool,
}

/// One deployment of a service on a bill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReconciledDeployment {
    /// The function.
    pub function: String,
    /// Its deployment.
    pub deployment: String,
    /// Calls that Merit had charged by its own clock.
    pub calls: u64,
    /// What they had been charged, in dollars.
    pub charged: String,
    /// What the bill makes of them, in dollars.
    pub billed: String,
    /// Whether calls are expected to be billed as on this bill from now on; not when a later bill is known.
    pub learned: bool,
}

/// One account's share of a correction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReconciledAccount {
    /// Whose calls they were.
    pub account: String,
    /// The function.
    pub function: String,
    /// Its deployment.
    pub deployment: String,
    /// What was posted, in dollars: below zero when it was given back.
    pub corrected: String,
    /// The receipt of it.
    pub receipt: String,
    /// Why it could not be posted, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// What came of a bill that was imported, or what was imported before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReconciliationList {
    /// The venue.
    pub venue: String,
    /// Whether nothing was posted or learned, for it was only asked what would be.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// The sum of what was posted now, in dollars.
    pub corrected: String,
    /// One for each service and period.
    pub reconciliations: Vec<ReconciliationView>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
