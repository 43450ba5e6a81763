//! Live prices: what price feeds put in force, what is held, and since when.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::AdjustmentView;

/// Live prices as they stand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CatalogView {
    /// Hours between two looks at the feeds; 0: only when asked to.
    pub refresh_hours: u64,
    /// Where prices come from, in order of name.
    pub feeds: Vec<FeedView>,
    /// The sheets that feeds put in force, in order of name.
    pub sheets: Vec<LiveSheetView>,
    /// What waits for a person, in order of name.
    pub held: Vec<HeldSheetView>,
    /// The sheets of the catalogue that something is billed by, with the age of their prices.
    #[serde(default)]
    pub ages: Vec<SheetAgeView>,
    /// Dollars for other currencies: those that are configured, and those that something is billed in.
    #[serde(default)]
    pub rates: Vec<ExchangeRateView>,
    /// What is agreed with providers besides their price lists, in order of name.
    #[serde(default)]
    pub adjustments: Vec<AdjustmentView>,
    /// What a person should know, in one line each; empty when all is well.
    pub warnings: Vec<String>,
}

/// How old a sheet's prices are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SheetAgeView {
    /// The sheet.
    pub sheet: String,
    /// The day they are of: when their feed last said the same, or when the oldest of them was read.
    pub of: String,
    /// Days since then.
    pub age_days: u64,
    /// Whether that is more than `catalog.warn_after_days`.
    pub old: bool,
    /// The document they were read in.
    pub source: String,
}

/// Dollars for one unit of another currency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExchangeRateView {
    /// The currency.
    pub currency: String,
    /// Dollars for one unit; absent when no rate is known.
    pub usd: Option<String>,
    /// The day it held.
    pub date: Option<String>,
    /// Where it is from: `merit.toml`, or the feed's name.
    pub from: Option<String>,
    /// Whether it is too old, or there is none: venues billed in it are ineligible.
    pub stale: bool,
}

/// A price feed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FeedView {
    /// Its name, such as `aws-lambda/us-east-1`.
    pub feed: String,
    /// Where it is fetched.
    pub url: String,
    /// The version of the prices it had when it was last read.
    pub version: String,
    /// When it was last asked.
    pub checked_at: String,
    /// When it was last asked and answered with prices that could be read, or that nothing has changed.
    pub confirmed_at: Option<String>,
    /// Why the last look failed; absent when it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A sheet that a feed put in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LiveSheetView {
    /// The sheet.
    pub sheet: String,
    /// Its sequence number.
    pub seq: u64,
    /// Which feed it is from.
    pub feed: String,
    /// Since when it is in force.
    pub since: String,
    /// When its feed last said the same.
    pub confirmed_at: String,
    /// Seconds since then.
    pub age_seconds: u64,
    /// The document it was read in.
    pub source: String,
}

/// Prices that wait for a person. Those in force stay in force meanwhile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HeldSheetView {
    /// The sheet.
    pub sheet: String,
    /// Which feed they are from.
    pub feed: String,
    /// Since when.
    pub since: String,
    /// Why, every reason.
    pub reasons: Vec<String>,
    /// Whether they can be put in force; without a usable sheet they can't.
    pub acceptable: bool,
    /// What they would change.
    pub differences: Vec<PriceDifference>,
}

/// One price that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PriceDifference {
    /// Which, such as `gb_second above 6000000000`.
    pub what: String,
    /// What it was; absent when there was none.
    pub from: Option<String>,
    /// What it becomes; absent when it ends.
    pub to: Option<String>,
}

/// What a look at the feeds came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CatalogRefreshView {
    /// Each feed with what came of it: `not modified`, `read`, or why it failed.
    pub feeds: Vec<FeedOutcomeView>,
    /// Sheets that came into force.
    pub put: Vec<String>,
    /// Sheets in force that were confirmed.
    pub confirmed: u64,
    /// Sheets held.
    pub held: Vec<String>,
}

/// What a look at one feed came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FeedOutcomeView {
    /// The feed.
    pub feed: String,
    /// Whether its prices could be read or had not changed.
    pub ok: bool,
    /// What happened.
    pub outcome: String,
}

/// Which held prices to put in force.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CatalogAccept {
    /// The sheets; none means all that are held and can be.
    #[serde(default)]
    pub sheets: Vec<String>,
}

/// The sheets that a name had in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CatalogHistory {
    /// The sheet.
    pub sheet: String,
    /// Newest first; empty when no feed has put one in force.
    pub entries: Vec<CatalogHistoryEntry>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CatalogHistoryEntry {
    /// Its sequence number.
    pub seq: u64,
    /// Since when it was in force; absent for the built-in one.
    pub since: Option<String>,
    /// Until when; absent while it is.
    pub until: Option<String>,
    /// Which feed it was from; `built-in` for the first.
    pub feed: String,
    /// The key of the person who put it in force; absent when it came by itself.
    pub accepted_by: Option<String>,
    /// What it changed.
    pub differences: Vec<PriceDifference>,
}
