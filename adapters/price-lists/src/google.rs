//! Google's Cloud Billing Catalog: the SKUs of Cloud Run, by tier and region.
//!
//! It answers in pages, each with a token for the next. A SKU has regions, and a price as `units` and `nanos` of a
//! currency for one unit of usage, by the volume each begins at. There is one SKU for all regions of a tier, or one for a
//! region. The API wants a key (<https://cloud.google.com/billing/docs/reference/rest/v1/services.skus>, read
//! 2026-11-21).
//!
//! Not in the SKUs are the free vCPU- and GiB-seconds: Google gives them as a discount worth their price in tier 1. They
//! stay as the built-in sheet has them, from the pricing page, and in tier 2 a second takes as many of them as its price is
//! times that of tier 1. Free requests and free egress are in the SKUs, as a first tier at zero.
//!
//! Invariants: of prices by time the latest that has begun holds; two SKUs that disagree about one region are an error of
//! its sheet. SKUs of jobs, of worker pools, of GPUs and of functions of the first generation are passed over.
//! Known limitation: what kept instances cost while they idle, and billing by instance (CPU always allocated), are not read:
//! those prices stay as they are built in, with their own source.

#[cfg(any(test, feature = "samples"))]
pub mod sample;
mod sheets;
mod sku;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use merit_pricing::Date;
use merit_units::{Currency, RegionId};
use serde::Deserialize;

use crate::ListError;
use crate::ladder::Ladder;
use sku::{Priced, Sku, Tier, Where};

/// The prices of all pages read so far.
#[derive(Clone, Debug, Default)]
pub struct CloudSkus {
    /// Of each tier, whatever the region.
    tiers: BTreeMap<(Tier, Priced), Offered>,
    /// Of each region, with the tier it is said to be in.
    regions: BTreeMap<RegionId, BTreeMap<Priced, (Option<Tier>, Offered)>>,
    /// The latest day a price holds from.
    latest: Option<Date>,
    skus: usize,
}

/// A price, or why it is none.
type Offered = Result<Price, String>;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Price {
    currency: Currency,
    ladder: Ladder,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    /// Left out when there is none, as Google writes its lists.
    #[serde(borrow, default)]
    skus: Vec<Sku<'a>>,
    #[serde(borrow, default)]
    next_page_token: Option<Cow<'a, str>>,
}

const WANTED: &str = "a page of Google's Cloud Billing Catalog (JSON)";

impl CloudSkus {
    /// Adds one page. Returns the token to ask for the next page with, if there is one.
    ///
    /// # Errors
    /// [`ListError`] when it is not such a page. A SKU that is not understood is no error here, but one of its sheets.
    pub fn read_page(&mut self, bytes: &[u8], today: Date) -> Result<Option<String>, ListError> {
        let page: Page<'_> =
            serde_json::from_slice(bytes).map_err(|error| ListError::unreadable(WANTED, bytes, &error))?;
        page.skus.iter().for_each(|sku| self.add(sku, today));
        Ok(page.next_page_token.filter(|token| !token.is_empty()).map(Cow::into_owned))
    }

    /// To be called after the last page.
    ///
    /// # Errors
    /// [`ListError::Empty`] when no price of Cloud Run was on any page.
    pub fn check(&self) -> Result<(), ListError> {
        if self.skus == 0 { Err(ListError::Empty("no price of Cloud Run in any region")) } else { Ok(()) }
    }

    /// The regions with a price, in order of name.
    pub fn regions(&self) -> impl Iterator<Item = &RegionId> {
        self.regions.keys()
    }

    /// How many SKUs were prices of Cloud Run.
    #[must_use]
    pub fn skus(&self) -> usize {
        self.skus
    }

    fn add(&mut self, sku: &Sku<'_>, today: Date) {
        let Some((priced, place)) = Priced::of(sku) else { return };
        let Some((from, offered)) = sku.offered(priced, today) else { return };
        self.skus += 1;
        self.latest = self.latest.max(from);
        let tiers: &[Tier] = match place {
            Where::Tier(Tier::One) | Where::RegionsOfTierOne => &[Tier::One],
            Where::Tier(Tier::Two) => &[Tier::Two],
            Where::Everywhere => &[Tier::One, Tier::Two],
            Where::Regions => &[],
        };
        for tier in tiers {
            merge(self.tiers.entry((*tier, priced)), &offered, "differs between the regions of the tier", priced);
        }
        let own = match place {
            Where::Tier(tier) => Some(tier),
            _ => None,
        };
        for region in sku.regions().filter_map(|region| RegionId::try_new(region).ok()) {
            match self.regions.entry(region).or_default().entry(priced) {
                Entry::Vacant(free) => drop(free.insert((own, offered.clone()))),
                Entry::Occupied(mut known) if known.get().1 != offered => {
                    let both = known.get().0 != own;
                    let why = if both { "is that of both tiers, which differ" } else { "differs between two SKUs" };
                    known.get_mut().1 = Err(format!("the price of {} {why}", priced.word()));
                }
                Entry::Occupied(_) => {}
            }
        }
    }
}

/// Two SKUs for one thing must agree.
fn merge(known: Entry<'_, (Tier, Priced), Offered>, offered: &Offered, why: &str, priced: Priced) {
    match known {
        Entry::Vacant(free) => drop(free.insert(offered.clone())),
        Entry::Occupied(mut known) if known.get() != offered => {
            *known.get_mut() = Err(format!("the price of {} {why}", priced.word()));
        }
        Entry::Occupied(_) => {}
    }
}
