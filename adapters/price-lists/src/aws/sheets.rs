//! From offers to price sheets: for each region and architecture one for calls on demand and one with provisioned
//! concurrency, named as in the catalogue.
//!
//! The rounding, the sizes, egress and who shares the free grant are no part of an offer; they come from the
//! built-in sheet of the region, or from that of `us-east-1` for a region the catalogue does not have yet.

use merit_pricing::{Architecture, Catalogue, Meter, RevisedGrant, RevisedLine, Revision, Source};
use merit_units::{RegionId, SheetName};

use super::meters::{Priced, Tiers};
use super::{Offers, Region};
use crate::{Reading, SheetOffer};

/// Where a region is looked up that the catalogue does not have.
const TEMPLATE_REGION: &str = "us-east-1";

impl Offers {
    /// Every sheet the offers have prices for, in order of region. A meter they have no price for is left out of its
    /// sheet: whether that is right is for [`merit_pricing::Change`] to say.
    #[must_use]
    pub fn sheets(&self, reading: &Reading<'_>) -> Vec<SheetOffer> {
        let mut sheets = Vec::new();
        for (region, offered) in &self.regions {
            for architecture in [Architecture::X86_64, Architecture::Arm64] {
                let draft = Draft { offers: self, region, offered, architecture, reading };
                sheets.extend(draft.on_demand());
                sheets.extend(draft.provisioned());
            }
        }
        sheets
    }
}

struct Draft<'a> {
    offers: &'a Offers,
    region: &'a RegionId,
    offered: &'a Region,
    architecture: Architecture,
    reading: &'a Reading<'a>,
}

impl<'a> Draft<'a> {
    /// `None` where no function can run on this architecture.
    fn on_demand(&self) -> Option<SheetOffer> {
        let duration = self.price(Priced::Duration)?;
        let mut sheet = Lines::default();
        let grant = |priced| self.grant(priced);
        sheet.line(Meter::Request, self.shared_price(Priced::Request), grant(Priced::Request));
        sheet.line(Meter::GbSecond, Some(duration), grant(Priced::Duration));
        sheet.line(Meter::EphemeralGbSecond, self.shared_price(Priced::Storage), Ok(RevisedGrant::None));
        Some(self.finish("", sheet, None))
    }

    fn provisioned(&self) -> Option<SheetOffer> {
        let duration = self.price(Priced::ProvisionedDuration)?;
        let mut sheet = Lines::default();
        let none = || Ok(RevisedGrant::None);
        sheet.line(Meter::Request, self.shared_price(Priced::Request), none());
        sheet.line(Meter::GbSecond, Some(duration), none());
        sheet.line(Meter::EphemeralGbSecond, self.shared_price(Priced::Storage), none());
        let kept = self.price(Priced::ProvisionedKept).transpose();
        let kept = kept.map_err(|problem| sheet.problems.push(problem.to_owned())).unwrap_or_default();
        if let Some(kept) = kept {
            sheet.used.push(kept);
            if kept.steps.len() > 1 {
                sheet.problems.push("provisioned concurrency has tiers, which a sheet can't have yet".to_owned());
            }
        }
        let standing = kept.map(|kept| vec![(Meter::GbSecond, kept.steps[0].1)]).unwrap_or_default();
        Some(self.finish("/provisioned", sheet, Some(standing)))
    }

    fn price(&self, priced: Priced) -> Option<Result<&'a Tiers, &'a str>> {
        let offered = self.offered.get(&(priced, self.architecture))?;
        Some(offered.price.as_ref().map_err(String::as_str))
    }

    /// As [`Self::price`]; where arm64 has no product of its own, that of `x86_64` is meant.
    fn shared_price(&self, priced: Priced) -> Option<Result<&'a Tiers, &'a str>> {
        let plain = || Draft { architecture: Architecture::X86_64, ..*self }.price(priced);
        self.price(priced).or_else(plain)
    }

    /// A whole file has the free tier or there is none; pages come without.
    fn grant(&self, priced: Priced) -> Result<RevisedGrant, &'a str> {
        match self.offers.free.get(&priced) {
            Some(offered) => offered.price.as_ref().map(|free| RevisedGrant::Of(*free)).map_err(String::as_str),
            None if self.offers.whole => Ok(RevisedGrant::None),
            None => Ok(RevisedGrant::Keep),
        }
    }

    fn finish(&self, kind: &str, lines: Lines<'_>, standing: Option<Vec<(Meter, merit_units::Rate)>>) -> SheetOffer {
        let architecture = self.architecture;
        let name = format!("aws-lambda/{}/{architecture}{kind}", self.region);
        let name = SheetName::try_new(&name).expect("invariant: a region's name makes a sheet's name");
        let catalogue = Catalogue::builtin();
        let base = catalogue.get(name.as_str());
        let template = || catalogue.get(&format!("aws-lambda/{TEMPLATE_REGION}/{architecture}{kind}"));
        let known = base.is_some();
        let base = base.or_else(template).expect("invariant: the catalogue has the template's region");
        let mut problems = lines.problems;
        let foreign = lines.used.iter().find(|tiers| tiers.currency != base.currency());
        if let Some(tiers) = foreign {
            let (offered, own) = (tiers.currency, base.currency());
            problems.push(format!("its prices are in {offered}, and egress, which is not among them, is in {own}"));
        }
        if !problems.is_empty() {
            return SheetOffer { name, sheet: Err(problems) };
        }
        let mut notes = vec!["egress is no part of AWS's offer for Lambda: its price is the built-in one".to_owned()];
        if !known {
            notes.push(format!("the catalogue has no such region: the billing rule is that of {TEMPLATE_REGION}"));
        }
        let revision = Revision {
            name: name.clone(),
            currency: base.currency(),
            region: Some(self.region.clone()),
            architecture: Some(architecture),
            valid_from: lines.used.iter().filter_map(|tiers| tiers.effective).max(),
            source: self.source(),
            lines: lines.lines,
            without: lines.without,
            standing,
            notes,
        };
        let sheet = base.revised(&revision);
        SheetOffer { name, sheet: sheet.map_err(|errors| errors.mistakes.iter().map(ToString::to_string).collect()) }
    }

    fn source(&self) -> Source {
        let version = &self.offers.version;
        let published = self.offers.published.map(|day| format!(", published {day}")).unwrap_or_default();
        let title = format!("AWS Price List, AWSLambda offer version {version}{published}");
        Source::new("live_offer", title, Some(self.reading.url.to_owned()), self.reading.day)
    }
}

/// The lines of one sheet while they are gathered.
#[derive(Default)]
struct Lines<'a> {
    lines: Vec<RevisedLine>,
    without: Vec<Meter>,
    used: Vec<&'a Tiers>,
    problems: Vec<String>,
}

impl<'a> Lines<'a> {
    fn line(&mut self, meter: Meter, price: Option<Result<&'a Tiers, &str>>, grant: Result<RevisedGrant, &str>) {
        let grant = grant.map_err(|problem| self.problems.push(problem.to_owned()));
        match price {
            None => self.without.push(meter),
            Some(Err(problem)) => self.problems.push(problem.to_owned()),
            Some(Ok(tiers)) => {
                self.used.push(tiers);
                let grant = grant.unwrap_or(RevisedGrant::Keep);
                self.lines.push(RevisedLine { meter, tiers: tiers.steps.clone(), grant });
            }
        }
    }
}
