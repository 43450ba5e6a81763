//! What accounts have agreed on with their providers besides the price lists.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An adjustment as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AdjustmentView {
    /// Its name.
    pub name: String,
    /// `discount`, `commitment` or `package`.
    pub kind: String,
    /// In words, such as `500 USD committed a month`.
    pub words: String,
    /// The venues it is for.
    pub venues: Vec<String>,
    /// The first day it holds, in UTC.
    pub from: String,
    /// The first day it holds no more; absent when it has no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// `in-force`, `ahead` or `ended`.
    pub state: String,
    /// How much was agreed on: percent off, money committed, units of a meter prepaid.
    pub amount: String,
    /// Its unit: `%`, a currency or a meter.
    pub unit: String,
    /// The meters that a discount is for; absent when it is for all, or it is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub meters: Vec<String>,
    /// Whether a commitment or a package begins anew each month; absent when it does not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub monthly: bool,
    /// What of it others use than calls through Merit; absent for a discount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_elsewhere: Option<String>,
    /// What calls through Merit have used of it: this month, when it begins anew each month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<String>,
    /// What is left of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
}

/// What an adjustment did to a charge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AppliedView {
    /// Its name.
    pub name: String,
    /// `discount`, `commitment` or `package`.
    pub kind: String,
    /// How much: percent off, money of a commitment, units of a package's meter.
    pub amount: String,
    /// Its unit: `%`, a currency or a meter.
    pub unit: String,
    /// The meters whose rates are lowered; absent when all are, or it is no discount.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub meters: Vec<String>,
}
