//! From SKUs to price sheets: one for each tier, as the catalogue has them, and one for each region.

use merit_pricing::{Catalogue, Meter, PriceSheet, RevisedGrant, RevisedLine, Revision, Source};
use merit_units::{RegionId, SheetName};

use super::sku::{Priced, Tier};
use super::{CloudSkus, Offered};
use crate::{Reading, SheetOffer};

const LINES: [(Meter, Priced); 4] = [
    (Meter::Request, Priced::Calls),
    (Meter::VcpuSecond, Priced::Vcpu),
    (Meter::GibSecond, Priced::Memory),
    (Meter::EgressGb, Priced::Egress),
];

impl Tier {
    const ALL: [Self; 2] = [Self::One, Self::Two];

    const fn sheet(self) -> &'static str {
        match self {
            Self::One => "google-run/tier1",
            Self::Two => "google-run/tier2",
        }
    }
}

impl CloudSkus {
    /// Every sheet there are prices for: the tiers, then the regions in order. A meter without a price is left out of
    /// its sheet, except for egress, which stays as it was where no SKU is for the region's own continent.
    #[must_use]
    pub fn sheets(&self, reading: &Reading<'_>) -> Vec<SheetOffer> {
        let priced = |tier: &Tier| self.tiers.contains_key(&(*tier, Priced::Vcpu));
        let tiers = Tier::ALL.into_iter().filter(priced).map(|tier| {
            let price = |priced| self.tiers.get(&(tier, priced));
            Draft { skus: self, tier, region: None, reading, price: &price }.finish()
        });
        let regions = self.regions.iter().filter_map(|(region, prices)| {
            let (tier, _) = prices.get(&Priced::Vcpu)?;
            let tier = tier.unwrap_or(Tier::One);
            // What holds everywhere names no region.
            let price = |priced| match priced {
                Priced::Calls => self.tiers.get(&(tier, priced)),
                _ => prices.get(&priced).map(|(_, offered)| offered),
            };
            Some(Draft { skus: self, tier, region: Some(region), reading, price: &price }.finish())
        });
        tiers.chain(regions).collect()
    }

    /// How many thousandths of the free seconds a second of this tier takes: its price in thousandths of tier 1's.
    fn weight(&self, tier: Tier, priced: Priced) -> Option<u32> {
        let rate = |tier| Some(self.tiers.get(&(tier, priced))?.as_ref().ok()?.ladder.first().atto());
        let (own, first) = (rate(tier)?, rate(Tier::One)?);
        u32::try_from(own.checked_mul(1000)?.checked_div(first)?).ok().filter(|weight| *weight > 0)
    }
}

struct Draft<'a> {
    skus: &'a CloudSkus,
    tier: Tier,
    region: Option<&'a RegionId>,
    reading: &'a Reading<'a>,
    price: &'a dyn Fn(Priced) -> Option<&'a Offered>,
}

/// What is gathered of a sheet.
#[derive(Default)]
struct Parts {
    lines: Vec<RevisedLine>,
    without: Vec<Meter>,
    problems: Vec<String>,
    notes: Vec<String>,
}

impl Draft<'_> {
    fn finish(&self) -> SheetOffer {
        let region = self.region.map(RegionId::as_str);
        let name = region.map_or_else(|| self.tier.sheet().to_owned(), |region| format!("google-run/{region}"));
        let name = SheetName::try_new(&name).expect("invariant: a region's name makes a sheet's name");
        let catalogue = Catalogue::builtin();
        let base = catalogue.get(name.as_str()).or_else(|| catalogue.get(self.tier.sheet()));
        let base = base.expect("invariant: the catalogue has both tiers");
        let parts = self.gather(base);
        if !parts.problems.is_empty() {
            return SheetOffer { name, sheet: Err(parts.problems) };
        }
        let revision = Revision {
            name: name.clone(),
            currency: base.currency(),
            region: self.region.cloned().or_else(|| base.region().cloned()),
            architecture: base.architecture(),
            valid_from: None,
            source: self.source(),
            lines: parts.lines,
            without: parts.without,
            standing: None,
            notes: parts.notes,
        };
        let sheet = base.revised(&revision);
        SheetOffer { name, sheet: sheet.map_err(|errors| errors.mistakes.iter().map(ToString::to_string).collect()) }
    }

    fn gather(&self, base: &PriceSheet) -> Parts {
        let mut parts = Parts::default();
        parts.notes.push(
            "the free vCPU- and GiB-seconds are no part of Google's list: they are the built-in ones, from the pricing page"
                .to_owned(),
        );
        for (meter, priced) in LINES {
            let price = match (self.price)(priced) {
                Some(Ok(price)) => price,
                Some(Err(problem)) => {
                    parts.problems.push(problem.clone());
                    continue;
                }
                None if priced == Priced::Egress => {
                    parts
                        .notes
                        .push("the list has no egress within this region's continent: it is the built-in one".into());
                    continue;
                }
                None => {
                    parts.without.push(meter);
                    continue;
                }
            };
            if price.currency != base.currency() {
                let (own, foreign) = (base.currency(), price.currency);
                parts.problems.push(format!(
                    "{} are priced in {foreign}, and what is not in the list is in {own}; take currencyCode={foreign} \
                     out of catalog.google_run_url",
                    priced.word()
                ));
                continue;
            }
            let Some(grant) = self.grant(meter, priced, price.ladder.free, base) else {
                parts.problems.push(format!("{} are free at first, which the catalogue does not know", priced.word()));
                continue;
            };
            parts.lines.push(RevisedLine { meter, tiers: price.ladder.tiers.clone(), grant });
        }
        parts
    }

    /// What is free of a meter. Nothing when the list gives what nobody here can be given.
    fn grant(
        &self,
        meter: Meter,
        priced: Priced,
        free: Option<merit_units::Quantity>,
        base: &PriceSheet,
    ) -> Option<RevisedGrant> {
        let known = base.grants().any(|(granted, _)| granted == meter);
        match (priced, free) {
            (_, Some(_)) if !known => None,
            (Priced::Calls | Priced::Egress, Some(free)) => Some(RevisedGrant::Of(free)),
            (Priced::Calls | Priced::Egress, None) => Some(RevisedGrant::None),
            (Priced::Vcpu | Priced::Memory, Some(_)) => None,
            (Priced::Vcpu | Priced::Memory, None) => {
                Some(self.skus.weight(self.tier, priced).map_or(RevisedGrant::Keep, RevisedGrant::Weighing))
            }
        }
    }

    fn source(&self) -> Source {
        let latest = self.skus.latest.map(|day| format!(", prices as of {day}")).unwrap_or_default();
        let title = format!("Cloud Billing Catalog, service Cloud Run{latest}");
        Source::new("live_catalog", title, Some(self.reading.url.to_owned()), self.reading.day)
    }
}
