//! From rows to price sheets: for each region one for each plan that is priced there, named as in the catalogue.

use merit_pricing::{Catalogue, Meter, PriceSheet, RevisedGrant, RevisedLine, Revision, Source};
use merit_units::{Currency, Rate, RegionId, SheetName};

use super::meters::Priced;
use super::{RetailPrices, Rows};
use crate::ladder::Ladder;
use crate::{Reading, SheetOffer};

/// Where a region is looked up that the catalogue does not have.
const TEMPLATE_REGION: &str = "eastus";

/// A plan: the sheet's name around the region, its lines, and what is kept whether it is used or not.
struct Plan {
    before: &'static str,
    after: &'static str,
    lines: &'static [(Meter, Priced)],
    kept: &'static [(Meter, Priced)],
    /// Whether the plan has a free grant, which the list then has too.
    granted: bool,
}

const PLANS: [Plan; 4] = [
    Plan {
        before: "azure-consumption/",
        after: "",
        lines: &[(Meter::Request, Priced::Calls), (Meter::GbSecond, Priced::Time)],
        kept: &[],
        granted: true,
    },
    Plan {
        before: "azure-flex/",
        after: "",
        lines: &[(Meter::Request, Priced::FlexCalls), (Meter::GbSecond, Priced::FlexTime)],
        kept: &[],
        granted: true,
    },
    Plan {
        before: "azure-flex/",
        after: "/always-ready",
        lines: &[(Meter::Request, Priced::ReadyCalls), (Meter::GbSecond, Priced::ReadyTime)],
        kept: &[(Meter::GbSecond, Priced::ReadyKept)],
        granted: false,
    },
    Plan {
        before: "azure-premium/",
        after: "",
        // Its instances are billed by the lines of its calls, for as long as they live.
        lines: &[(Meter::VcpuSecond, Priced::PremiumVcpu), (Meter::GibSecond, Priced::PremiumMemory)],
        kept: &[],
        granted: false,
    },
];

impl RetailPrices {
    /// Every sheet there are prices for, in order of region. A meter without a price is left out of its sheet: whether
    /// that is right is for [`merit_pricing::Change`] to say.
    #[must_use]
    pub fn sheets(&self, reading: &Reading<'_>) -> Vec<SheetOffer> {
        let each = self.regions.iter().flat_map(|(region, meters)| {
            PLANS.iter().filter_map(move |plan| {
                let priced = plan.lines.iter().chain(plan.kept).any(|(_, priced)| meters.contains_key(priced));
                let template = template(plan, region)?;
                priced
                    .then(|| Draft { region, plan, reading, template, prices: &|priced| meters.get(&priced) }.finish())
            })
        });
        each.collect()
    }
}

fn name(plan: &Plan, region: &str) -> String {
    format!("{}{region}{}", plan.before, plan.after)
}

/// The built-in sheet of the region, or of the template's; none for a plan that the catalogue does not have.
fn template(plan: &Plan, region: &RegionId) -> Option<(&'static PriceSheet, bool)> {
    let catalogue = Catalogue::builtin();
    let own = catalogue.get(&name(plan, region.as_str())).map(|sheet| (&**sheet, true));
    own.or_else(|| Some((catalogue.get(&name(plan, TEMPLATE_REGION))?, false)))
}

struct Draft<'a> {
    region: &'a RegionId,
    plan: &'static Plan,
    reading: &'a Reading<'a>,
    template: (&'static PriceSheet, bool),
    prices: &'a dyn Fn(Priced) -> Option<&'a Rows>,
}

/// What is gathered of a sheet.
#[derive(Default)]
struct Parts {
    lines: Vec<RevisedLine>,
    without: Vec<Meter>,
    standing: Vec<(Meter, Rate)>,
    currencies: Vec<Currency>,
    problems: Vec<String>,
}

impl Draft<'_> {
    fn finish(&self) -> SheetOffer {
        let (base, known) = self.template;
        let sheet_name = SheetName::try_new(&name(self.plan, self.region.as_str()))
            .expect("invariant: a region's name makes a sheet's name");
        let mut parts = Parts::default();
        self.gather(&mut parts);
        if let Some(foreign) = parts.currencies.iter().find(|currency| **currency != base.currency()) {
            let own = base.currency();
            parts.problems.push(format!(
                "its prices are in {foreign}, and egress, which is not among them, is in {own}; ask for \
                 currencyCode='{own}' in catalog.azure_functions_url"
            ));
        }
        if !parts.problems.is_empty() {
            return SheetOffer { name: sheet_name, sheet: Err(parts.problems) };
        }
        let mut notes =
            vec!["egress is no part of Azure's list for Functions: its price is the built-in one".to_owned()];
        if !known {
            notes.push(format!(
                "the catalogue has no such region: the billing rule and the egress are those of {TEMPLATE_REGION}"
            ));
        }
        let revision = Revision {
            name: sheet_name.clone(),
            currency: base.currency(),
            region: Some(self.region.clone()),
            architecture: base.architecture(),
            valid_from: None,
            source: self.source(),
            lines: parts.lines,
            without: parts.without,
            standing: (!self.plan.kept.is_empty()).then_some(parts.standing),
            notes,
        };
        let sheet = base.revised(&revision);
        let sheet = sheet.map_err(|errors| errors.mistakes.iter().map(ToString::to_string).collect());
        SheetOffer { name: sheet_name, sheet }
    }

    fn gather(&self, parts: &mut Parts) {
        for (meter, priced) in self.plan.lines {
            match self.ladder(*priced, parts) {
                None => parts.without.push(*meter),
                Some(Err(problem)) => parts.problems.push(problem),
                Some(Ok(ladder)) => {
                    let grant = match ladder.free {
                        Some(free) if self.plan.granted => RevisedGrant::Of(free),
                        // A grant where none is known would be given to nobody, and dropped in silence.
                        Some(_) => {
                            parts
                                .problems
                                .push(format!("{} is free at first, which the plan is not known for", priced.word()));
                            continue;
                        }
                        None => RevisedGrant::None,
                    };
                    parts.lines.push(RevisedLine { meter: *meter, tiers: ladder.tiers, grant });
                }
            }
        }
        for (meter, priced) in self.plan.kept {
            match self.ladder(*priced, parts) {
                None => {}
                Some(Ok(ladder)) if ladder.tiers.len() == 1 && ladder.free.is_none() => {
                    parts.standing.push((*meter, ladder.first()));
                }
                Some(Ok(_)) => {
                    parts.problems.push(format!("{} has tiers, which a sheet can't have yet", priced.word()));
                }
                Some(Err(problem)) => parts.problems.push(problem),
            }
        }
    }

    fn ladder(&self, priced: Priced, parts: &mut Parts) -> Option<Result<Ladder, String>> {
        let rows = (self.prices)(priced)?;
        parts.currencies.extend(rows.currency);
        if let Some(problem) = &rows.problem {
            return Some(Err(problem.clone()));
        }
        let steps = rows.steps.iter().map(|(start, (_, rate))| (*start, *rate)).collect();
        Some(Ladder::of(&steps).map_err(|problem| format!("{} {problem}", priced.word())))
    }

    fn source(&self) -> Source {
        let title = format!("Azure Retail Prices API, service Functions, region {}", self.region);
        Source::new("live_retail", title, Some(self.reading.url.to_owned()), self.reading.day)
    }
}
