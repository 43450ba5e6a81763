//! What a provider tells: where it is reached, what it offers, what it takes at most, and when to stop.
//!
//! What comes in has no unknown keys. Prices are decimal strings in the currency of the venue's price sheet; what
//! was earned is in dollars.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a provider can run now, at what price, and for how long it says so.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OfferSpec {
    /// Its name, unique at the venue; at most 56 letters, digits, `-`, `_` and `.`.
    pub id: String,
    /// The function it runs. Either this or `class`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The class it runs: every function whose own `class` is this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The path below the endpoint's URL that runs it; `{function}` stands for the function's name.
    pub target: String,
    /// `wasm`, `namespace`, `gvisor`, `microvm` or `provider`; the venue's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<String>,
    /// `x86_64` or `arm64`; the venue's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// Memory in MB.
    pub memory_mb: u64,
    /// vCPUs as a decimal, such as `0.5`, for sheets that bill them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vcpu: Option<String>,
    /// Calls it takes at once through this broker: all of them, not how many more. 0 to 1,000,000.
    pub slots: u32,
    /// Rates in place of those of the venue's sheet, by meter: decimal strings, one rate whatever the volume.
    /// Rounding, minimums and grants stay the sheet's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub prices: BTreeMap<String, String>,
    /// How the price comes about, in words or figures of the provider's own; shown with the offer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<serde_json::Value>,
    /// Milliseconds from its arrival that it stands without being sent again.
    pub ttl_ms: u64,
}

/// A mass quote: the offers that take the place of all there were.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OffersSpec {
    /// All of them; none cancels all.
    pub offers: Vec<OfferSpec>,
}

/// What came of offers that were sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OffersTaken {
    /// How many were taken; those held are among them.
    pub accepted: u32,
    /// Taken, but out of the market until confirmed or until the band reaches them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<OfferReason>,
    /// Taken, but no function is called by them now: there is none of that name or class (`no_function`), or it has as
    /// many offers and deployments as it may have (`function_full`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub idle: Vec<OfferReason>,
    /// Not taken. A former offer of the same id stays as it was; after a mass quote it is gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<OfferReason>,
}

/// Why one offer was held or not taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OfferReason {
    /// The offer.
    pub id: String,
    /// A stable word, such as `price_fell` or `bad_price`.
    pub reason: String,
    /// What is wrong, and what to do.
    pub message: String,
}

/// An offer as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OfferView {
    /// What was sent.
    #[serde(flatten)]
    pub offer: OfferSpec,
    /// `live`, `held`, `expired`, `cancelled` or `killed`.
    pub state: String,
    /// Why it is not live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When it was last sent.
    pub at: String,
    /// When it expires, or did.
    pub expires_at: String,
    /// The functions it is an ask of now.
    pub functions: u32,
}

/// A venue's offers, and what holds for all of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OfferList {
    /// The venue.
    pub venue: String,
    /// Whether a session is open.
    pub connected: bool,
    /// Where calls are sent; absent until the provider says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Switches that are on: while one is, nothing runs there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub killed: Vec<KilledView>,
    /// What it takes at most.
    pub caps: CapsSpec,
    /// In order of id; those that ended within the last ten minutes too.
    pub offers: Vec<OfferView>,
}

/// Where a provider's functions are called.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointSpec {
    /// An http or https URL; offers' targets are paths below it.
    pub url: String,
    /// What both ends sign with: `whsec_` and the base64 of 24 to 64 random bytes.
    pub secret: String,
}

impl std::fmt::Debug for EndpointSpec {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EndpointSpec").field("url", &self.url).finish_non_exhaustive()
    }
}

/// What a provider takes at most. A value that is absent is no cap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CapsSpec {
    /// Calls at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Milliseconds of a window, for the next two: 1,000 to 86,400,000; a minute when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_ms: Option<u64>,
    /// Calls begun in one window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    /// Dollars that the calls begun in one window may be charged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spend: Option<String>,
}

/// A kill switch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KillSpec {
    /// Whether nothing is to be sent there.
    pub on: bool,
    /// Why, for whoever asks.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// A kill switch that is on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct KilledView {
    /// Who turned it on: `provider` or `operator`. Only they turn it off.
    pub by: String,
    /// Why.
    pub why: String,
    /// Since when.
    pub at: String,
}

/// A venue's kill switches after a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct KillView {
    /// Those that are on.
    pub killed: Vec<KilledView>,
}

/// What a provider earned in a month.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StatementView {
    /// The venue.
    pub venue: String,
    /// The month, such as `2026-11`, in UTC.
    pub month: String,
    /// Calls that were charged.
    pub fills: u64,
    /// The sum of the charges, in dollars.
    pub earned: String,
    /// What was posted to the venue's account in the month, by the ledger, which keeps sums for longer than receipts;
    /// absent when it keeps that month's no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posted: Option<String>,
    /// Calls before this are left out of all but `posted`: their receipts have been deleted. Absent when all are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete_from: Option<String>,
    /// By day, function and deployment, in that order.
    pub rows: Vec<StatementRow>,
    /// The newest fills, newest first: as many as were asked for.
    pub latest: Vec<FillView>,
}

/// One line of a statement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StatementRow {
    /// The day, in UTC.
    pub day: String,
    /// The function.
    pub function: String,
    /// The deployment: for an offer, `VENUE.OFFER`.
    pub deployment: String,
    /// Calls that were charged.
    pub fills: u64,
    /// The sum of the charges, in dollars.
    pub earned: String,
}

/// One call that a provider ran. Who called is not told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FillView {
    /// The invocation.
    pub invocation: String,
    /// When it was admitted.
    pub at: String,
    /// The function.
    pub function: String,
    /// The deployment.
    pub deployment: String,
    /// `ok`, `function-error` or the kind of failure.
    pub result: String,
    /// What it was charged, in dollars.
    pub charge: String,
    /// Whether the charge is an estimate, for want of meters that can be true.
    pub estimated: bool,
}
