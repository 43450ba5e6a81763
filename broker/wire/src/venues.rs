//! Venues and their prices.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::AdjustmentView;

/// A venue as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VenueView {
    /// Its name.
    pub name: String,
    /// The adapter, such as `http`.
    pub kind: String,
    /// The region.
    pub region: String,
    /// The isolation class.
    pub isolation: String,
    /// Its price sheet.
    pub sheet: Option<String>,
    /// The sheet's sequence number: it grows with each change.
    pub sheet_seq: u64,
    /// Where the prices are from.
    pub sheet_source: Option<String>,
    /// When they were retrieved.
    pub sheet_retrieved: Option<String>,
    /// What is wrong with how its prices are kept up: newer ones are held, or their feed fails. Absent when nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_warning: Option<String>,
    /// How far its trial is, such as `12 of 100 calls, 0 failed`; absent when it is over, or it is no provider's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<String>,
    /// Quotes as a share of charges, in percent, 100 at most: a provider that charges more than it quotes has less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub honesty_percent: Option<f64>,
    /// What is agreed with its provider besides the price list; absent when nothing is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adjustments: Vec<AdjustmentView>,
    /// What instances cost that are kept there whether calls come or not. It is committed and not spent by calls: no charge
    /// and no spend has it. Absent when none are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub committed: Vec<CommittedView>,
    /// Why nothing can run there now; absent when it is eligible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ineligible: Option<String>,
    /// Deployments there.
    pub deployments: u32,
    /// Calls running there now.
    pub in_flight: u32,
}

/// What the kept instances of one deployment cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommittedView {
    /// The function.
    pub function: String,
    /// Its deployment.
    pub deployment: String,
    /// Instances that are kept.
    pub instances: u32,
    /// Dollars for a month of 730 hours in which no call comes, by the sheet in force and today's exchange rate; absent when
    /// that can't be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub month_usd: Option<String>,
    /// The sheet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// Why it can't be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// All venues.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VenueList {
    /// In order of name.
    pub venues: Vec<VenueView>,
}

/// What a look at a venue found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VenueCheckView {
    /// The venue.
    pub venue: String,
    /// Its kind.
    pub kind: String,
    /// Whether no step failed.
    pub well: bool,
    /// What was looked at, in order.
    pub steps: Vec<StepView>,
}

/// One step of a look at a venue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepView {
    /// What is looked at.
    pub step: String,
    /// `ok`, `failed`, or `none`: there is no such thing, or it was not come to.
    pub result: String,
    /// What was found.
    pub found: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub todo: String,
}

/// The answer to a new price sheet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PriceChangeView {
    /// The venue.
    pub venue: String,
    /// The sheet now in force.
    pub sheet: String,
    /// Its sequence number.
    pub seq: u64,
    /// Functions whose books were rebuilt.
    pub functions: u64,
}
