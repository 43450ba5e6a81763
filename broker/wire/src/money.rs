//! Spend, budgets and keys.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Limits on an account's spend in each calendar month (UTC).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BudgetSpec {
    /// Calls that could pass this are refused, in dollars; absent means no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hard: Option<String>,
    /// Passing this raises a warning and a metric, in dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft: Option<String>,
}

/// An account's budget and how much of it is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BudgetView {
    /// Whose.
    pub account: String,
    /// The month, such as `2026-11`.
    pub month: String,
    /// The hard limit, in dollars.
    pub hard: Option<String>,
    /// The soft limit, in dollars.
    pub soft: Option<String>,
    /// Charged this month, in dollars.
    pub spent: String,
    /// Held for calls that are running, in dollars.
    pub held: String,
    /// What can still be held under the hard limit, in dollars.
    pub available: Option<String>,
}

/// Spend between two times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SpendReport {
    /// From, inclusive.
    pub from: String,
    /// To, exclusive.
    pub to: String,
    /// The sum over all rows, in dollars.
    pub total: String,
    /// One row a group and step, in order of time and then charge.
    pub rows: Vec<SpendRow>,
    /// What providers' invoices come to beyond the charges of calls. It is in no row and not in the total, and only told
    /// to who may see every account's spend and asked for no single one's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beyond_calls: Vec<BeyondCallsRow>,
}

/// What a sheet's invoice of one month comes to beyond the charges of calls, as far as Merit can tell: a cost, not a charge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BeyondCallsRow {
    /// The calendar month (UTC), such as `2026-11`. Of one that the period does not have whole, hours outside are left out.
    pub month: String,
    /// The venues that are billed by it.
    pub venues: Vec<String>,
    /// The billing account; absent for that of venues that name none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub billing_account: String,
    /// The price sheet.
    pub sheet: String,
    /// The plan's fee for the month, in dollars; absent where there is none. Due in whole, once for all its venues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee: Option<String>,
    /// What hours of functions come to beyond their calls, in dollars: rounded up, or to the least for an hour. Absent
    /// where hours are not rounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<String>,
    /// How many hours of functions these are.
    #[serde(default)]
    pub function_hours: u64,
}

/// One group of a spend report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SpendRow {
    /// The start of the step; absent without steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The values grouped by, such as `{"function": "thumbnail"}`.
    pub group: BTreeMap<String, String>,
    /// Invocations.
    pub calls: u64,
    /// Those that failed or were refused by every venue.
    pub failed: u64,
    /// What was charged, in dollars, with what providers' bills have corrected.
    pub charge: String,
    /// The part of it that providers' bills have corrected: below zero when calls had been charged too much. Absent when
    /// nothing was corrected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrected: Option<String>,
    /// The part of it that is estimates: charges of calls whose venue tells no meters or not all, as they were before they
    /// were corrected. What venues told is `charge` less this and less `corrected`. Absent when nothing was estimated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated: Option<String>,
    /// What was expected when the deployments were chosen, in dollars.
    pub estimate: String,
    /// What exploration cost beyond the cheapest eligible ask, in dollars.
    pub explored: String,
}

/// A key to be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeySpec {
    /// The account that pays for its calls; made when it does not exist.
    pub account: String,
    /// `invoke`, `finance`, `provider`, `admin`; at least one.
    pub roles: Vec<String>,
    /// The venues it acts for; a key with the role `provider` needs at least one, and no other has any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub venues: Vec<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Whether it signs requests, as clients of AWS do, instead of being sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub aws: bool,
}

/// A key that was just made. Its secret is shown this once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct KeyCreated {
    /// Its public part; the access key id of a key that signs requests.
    pub id: String,
    /// The whole key, to be sent as `Authorization: Bearer ...`, of which only the hash is stored. The secret access
    /// key of a key that signs requests, which is stored encrypted.
    pub secret: String,
    /// Who pays.
    pub account: String,
    /// What it may do.
    pub roles: Vec<String>,
    /// The venues it acts for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub venues: Vec<String>,
    /// Whether it signs requests, as clients of AWS do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub aws: bool,
}

/// A key without its secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct KeyView {
    /// Its public part.
    pub id: String,
    /// Who pays.
    pub account: String,
    /// What it may do.
    pub roles: Vec<String>,
    /// The venues it acts for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub venues: Vec<String>,
    /// What it is for.
    pub note: String,
    /// When it was made.
    pub created_at: String,
    /// When it was revoked, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<String>,
    /// Whether it signs requests, as clients of AWS do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub aws: bool,
}

/// All keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct KeyList {
    /// In order of creation.
    pub keys: Vec<KeyView>,
}

/// What the calls between two times cost, and what they were expected to cost had one venue run them all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AlternativesReport {
    /// From, inclusive.
    pub from: String,
    /// To, exclusive.
    pub to: String,
    /// Calls that were answered and compared.
    pub calls: u64,
    /// What they were charged, in dollars.
    pub charged: String,
    /// What was expected for the deployments that were chosen, in dollars.
    pub estimate: String,
    /// One row a venue, cheapest first; those that could have run every call before the others.
    pub venues: Vec<AlternativeRow>,
}

/// One venue of an [`AlternativesReport`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AlternativeRow {
    /// The venue.
    pub venue: String,
    /// How many of the calls it had a price for.
    pub calls: u64,
    /// The sum of its cheapest expected costs at the moment of each of those calls, in dollars.
    pub cost: String,
}
