//! One SKU: what it is the price of, where, and its rates by volume.

use std::borrow::Cow;
use std::collections::BTreeMap;

use merit_pricing::Date;
use merit_units::{Currency, Quantity, Rate};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Offered, Price};
use crate::ladder::Ladder;
use crate::{day, number, shown};

/// What a SKU is the price of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Priced {
    Calls,
    Vcpu,
    Memory,
    /// To the internet, within the region's own continent.
    Egress,
}

/// The two groups of regions, the second dearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tier {
    One,
    Two,
}

/// Where a SKU holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    Tier(Tier),
    Everywhere,
    Regions,
    /// In its regions, and as the sheet of tier 1 has it.
    RegionsOfTierOne,
}

/// The region of SKUs that hold everywhere.
const GLOBAL: &str = "global";
const EGRESS: &str = "Cloud Run Network Internet Data Transfer Out ";
const BY_REQUEST: &str = "(Request-based billing)";

impl Priced {
    /// The word for people.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Calls => "requests",
            Self::Vcpu => "vCPU-seconds",
            Self::Memory => "GiB-seconds",
            Self::Egress => "egress",
        }
    }

    const fn unit(self) -> &'static str {
        match self {
            Self::Calls => "count",
            Self::Vcpu => "s",
            Self::Memory => "GiBy.s",
            Self::Egress => "GiBy",
        }
    }

    /// By the description, which is all that tells them apart: `Services CPU Tier 2 (Request-based billing)`, with or
    /// without `in europe-west1` behind.
    pub(super) fn of(sku: &Sku<'_>) -> Option<(Self, Where)> {
        if sku.category.usage_type != "OnDemand" {
            return None;
        }
        let description = sku.description.split_whitespace().collect::<Vec<_>>().join(" ");
        if description == "Requests" {
            return Some((Self::Calls, Where::Everywhere));
        }
        if let Some((from, to)) = description.strip_prefix(EGRESS).and_then(|way| way.split_once(" to ")) {
            let place = if from == "North America" { Where::RegionsOfTierOne } else { Where::Regions };
            return (from == to).then_some((Self::Egress, place));
        }
        let (what, rest) = description.strip_prefix("Services ")?.split_once(BY_REQUEST)?;
        let place = rest.trim_start();
        if !place.is_empty() && !place.starts_with("in ") {
            return None;
        }
        let what = what.trim_end();
        let (what, tier) = what.strip_suffix(" Tier 2").map_or((what, Tier::One), |what| (what, Tier::Two));
        match what {
            "CPU" => Some((Self::Vcpu, Where::Tier(tier))),
            "Memory" => Some((Self::Memory, Where::Tier(tier))),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sku<'a> {
    #[serde(borrow, default)]
    description: Cow<'a, str>,
    #[serde(borrow, default)]
    category: Category<'a>,
    #[serde(borrow, default)]
    service_regions: Vec<Cow<'a, str>>,
    #[serde(borrow, default)]
    pricing_info: Vec<Pricing<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Category<'a> {
    #[serde(borrow, default)]
    usage_type: Cow<'a, str>,
}

/// A price by time.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pricing<'a> {
    #[serde(borrow, default)]
    effective_time: Cow<'a, str>,
    #[serde(borrow)]
    pricing_expression: Expression<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Expression<'a> {
    #[serde(borrow, rename = "usageUnit")]
    unit: Cow<'a, str>,
    #[serde(borrow, default)]
    tiered_rates: Vec<Step<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Step<'a> {
    /// Zeros are left out, as Google writes its numbers.
    #[serde(borrow, default)]
    start_usage_amount: Option<&'a RawValue>,
    #[serde(borrow)]
    unit_price: Amount<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Amount<'a> {
    #[serde(borrow, default)]
    currency_code: Cow<'a, str>,
    #[serde(borrow, default)]
    units: Option<&'a RawValue>,
    #[serde(default)]
    nanos: i64,
}

const NANOS_PER_UNIT: i64 = 1_000_000_000;
const ATTO_PER_NANO: u128 = 1_000_000_000;

impl Sku<'_> {
    /// The regions it names; none for one that holds everywhere.
    pub(super) fn regions(&self) -> impl Iterator<Item = &str> {
        self.service_regions.iter().map(AsRef::as_ref).filter(|region| *region != GLOBAL)
    }

    /// The price that holds on `today` with the day it holds from; nothing when none has begun.
    pub(super) fn offered(&self, priced: Priced, today: Date) -> Option<(Option<Date>, Offered)> {
        let begun = self.pricing_info.iter().filter(|info| day(&info.effective_time).is_none_or(|day| day <= today));
        let latest = begun.max_by_key(|info| day(&info.effective_time))?;
        let price = latest.pricing_expression.price(priced);
        Some((day(&latest.effective_time), price.map_err(|problem| format!("{}: {problem}", priced.word()))))
    }
}

impl Expression<'_> {
    fn price(&self, priced: Priced) -> Offered {
        if self.unit != priced.unit() {
            return Err(format!("the unit is `{}`, and `{}` is known for it", shown(&self.unit), priced.unit()));
        }
        let mut steps: BTreeMap<Quantity, Rate> = BTreeMap::new();
        let mut currency = None;
        for step in &self.tiered_rates {
            let start = step.start_usage_amount.map_or(Ok(Quantity::ZERO), number::quantity)?;
            let amount = &step.unit_price;
            let code = &amount.currency_code;
            let own: Currency = code.parse().map_err(|_| format!("the currency `{}` is not known", shown(code)))?;
            if currency.replace(own).is_some_and(|former| former != own) {
                return Err("it is priced in two currencies".to_owned());
            }
            let rate = amount.rate()?;
            if steps.insert(start, rate).is_some_and(|former| former != rate) {
                return Err(format!("it has two prices from {start} on"));
            }
        }
        let currency = currency.ok_or("it has no price")?;
        Ok(Price { currency, ladder: Ladder::of(&steps).map_err(|problem| format!("it {problem}"))? })
    }
}

impl Amount<'_> {
    fn rate(&self) -> Result<Rate, String> {
        let whole = self.units.map_or(Ok(Rate::FREE), number::rate)?;
        let nanos = u64::try_from(self.nanos).ok().filter(|_| self.nanos < NANOS_PER_UNIT);
        let nanos = nanos.ok_or_else(|| format!("the price has {} nanos; 0 to 999999999 are usual", self.nanos))?;
        let atto = whole.atto().checked_add(u128::from(nanos) * ATTO_PER_NANO);
        atto.map(Rate::from_atto).ok_or_else(|| "the price is too large".to_owned())
    }
}
