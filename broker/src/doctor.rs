//! A look at a venue, step by step, for `merit venues doctor`: what its adapter finds on the way there, then its prices.
//!
//! It runs no function and changes nothing, unless it is asked to (`invocation`, [ADR 30]). What it finds never holds a
//! secret: adapters name what is wrong with one.
//!
//! [ADR 30]: ../../docs/adr/0030-a-doctor-invokes-when-asked.md

mod invocation;

use std::sync::Arc;
use std::time::Duration;

use merit_market::Ineligible;
use merit_pricing::PriceSheet;
use merit_units::{Currency, KeyId, Timestamp};
use merit_venue::{Step, StepResult, Target};

use crate::Broker;
use crate::venue::VenueEntry;

/// For all steps of an adapter together.
const PATIENCE: Duration = Duration::from_secs(60);

const SWITCHES: &str = "switches";
const REACHED: &str = "reachability";
const SHEET: &str = "price sheet";
const RATE: &str = "exchange rate";

impl Broker {
    /// Looks at a venue; for whom it also calls the functions there, if it is to.
    pub async fn look_at(self: &Arc<Self>, venue: &VenueEntry, invoke: Option<&KeyId>) -> Vec<Step> {
        let mut steps = vec![switches(venue)];
        match tokio::time::timeout(PATIENCE, venue.adapter.check(self.targets_at(venue))).await {
            Ok(found) if found.is_empty() => {
                let kind = venue.adapter.kind();
                let why = venue.adapter.unready();
                steps.push(why.map_or_else(
                    || Step::none(REACHED, format!("venues of kind {kind} have no way to look")),
                    |why| Step::failed(REACHED, &*why, "see what it says"),
                ));
            }
            Ok(mut found) => {
                if invoke.is_none() {
                    found.iter_mut().for_each(point_to_invocations);
                }
                steps.extend(found);
            }
            Err(_) => {
                let found = format!("the look did not end within {} s", PATIENCE.as_secs());
                steps.push(Step::failed(REACHED, found, "see whether the venue answers at all"));
            }
        }
        let now = self.clock.now();
        steps.extend(self.prices(venue, now));
        if let Some(by) = invoke {
            if is_well(&steps) {
                steps.extend(self.invocations(venue, by).await);
            } else {
                steps.push(Step::none("invocation", "not made while a step has failed"));
            }
        }
        steps
    }

    /// What the deployments there are called by, each once.
    fn targets_at(&self, venue: &VenueEntry) -> Vec<Arc<Target>> {
        let functions = venue.functions();
        let functions = functions.iter().filter_map(|name| self.functions.find(name.as_str()));
        let places = functions.flat_map(|function| function.places());
        let mut targets: Vec<_> =
            places.filter(|place| place.venue.id == venue.id).map(|place| Arc::clone(&place.target)).collect();
        targets.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        targets.dedup();
        targets
    }

    fn prices(&self, venue: &VenueEntry, now: Timestamp) -> [Step; 2] {
        let in_force = venue.prices.in_force();
        let Some(sheet) = in_force.sheet() else {
            if let Some(why) = self.why_unpriced(&in_force) {
                let todo = "bring its prices, as it says; calls go there as soon as they are in force";
                return [Step::failed(SHEET, why, todo), Step::none(RATE, "there is no price sheet")];
            }
            let todo =
                "name one with `sheet` in merit.toml (`merit catalog list`), or put one with `merit venues price set`";
            return [Step::failed(SHEET, "there is none", todo), Step::none(RATE, "there is no price sheet")];
        };
        let source = sheet.source();
        let told = format!("{} (seq {}), retrieved {}", sheet.name(), sheet.seq(), source.retrieved);
        let why = in_force.ineligible(now);
        let prices = match (why, self.catalog.warning(sheet.name().as_str())) {
            (Some(Ineligible::StalePrice), _) => {
                let todo =
                    "refresh it with `merit catalog refresh`, put it again, or raise market.price_stale_after_hours";
                Step::failed(SHEET, format!("{told}: it is stale"), todo)
            }
            (Some(why), _) if why != Ineligible::NoExchangeRate => {
                let why = merit_market::Exclusion::from(why);
                Step::failed(SHEET, format!("{told}: {why}"), "put a price sheet that applies now")
            }
            (_, Some(warning)) => Step::ok(SHEET, format!("{told}; {warning}")),
            _ => Step::ok(SHEET, told),
        };
        [prices, self.exchange_rate(sheet, why == Some(Ineligible::NoExchangeRate))]
    }

    fn exchange_rate(&self, sheet: &PriceSheet, missing: bool) -> Step {
        let currency = sheet.currency();
        if currency == Currency::USD {
            return Step::none(RATE, "its prices are in dollars");
        }
        let settings = self.settings.load();
        let known = settings.exchange_rates.rates.get(&currency);
        let days = settings.exchange_rates.stale_after_days;
        let date = known.map(|dated| crate::clock::rfc3339(dated.date)[..10].to_owned());
        match (missing, date) {
            (false, Some(date)) => Step::ok(RATE, format!("{currency} of {date}")),
            (false, None) => Step::ok(RATE, format!("there is one for {currency}")),
            (true, None) => {
                let todo = format!("add `{currency} = {{ usd = \"...\", date = \"...\" }}` to [exchange_rates]");
                Step::failed(RATE, format!("there is none for {currency}"), todo)
            }
            (true, Some(date)) => {
                let todo = "write a newer one into [exchange_rates]";
                Step::failed(RATE, format!("{currency} of {date} is older than {days} days"), todo)
            }
        }
    }
}

/// Where nothing shows that a call would be taken, says how to find out.
fn point_to_invocations(step: &mut Step) {
    if step.name == Step::DRY && step.result == StepResult::None {
        step.found.push_str("; `--invoke` makes one real call of each function there");
    }
}

/// Whether somebody has switched it off.
fn switches(venue: &VenueEntry) -> Step {
    if venue.is_disabled() {
        return Step::failed(SWITCHES, "it was taken out of the configuration", "add it again");
    }
    let killed = venue.provider.iter().flat_map(|provider| provider.kill_view().killed).next();
    match killed {
        Some(switch) => {
            let found = format!("the {}'s kill switch is on: {}", switch.by, switch.why);
            Step::failed(SWITCHES, found, format!("turn it off with `merit venues kill {} --off`", venue.id))
        }
        None => Step::ok(SWITCHES, "nobody has switched it off"),
    }
}

/// Whether calls could be made.
#[must_use]
pub(crate) fn is_well(steps: &[Step]) -> bool {
    steps.iter().all(|step| step.result != StepResult::Failed)
}
