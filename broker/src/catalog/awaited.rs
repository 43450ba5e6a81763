//! Sheets of regions that are not built in: what is billed by one waits until a price feed or an import brings it.
//!
//! Invariant: nothing is priced meanwhile, and whoever looks is told what to do.

use merit_units::{SheetName, Timestamp, VenueId};

use crate::Broker;
use crate::prices::{InForce, NewSheet};

impl Broker {
    /// The catalogue's sheet of this name, or none yet and that it is waited for.
    pub(crate) fn sheet_named(&self, venue: &VenueId, name: &SheetName, now: Timestamp) -> NewSheet {
        let known = self.catalog.find(name.as_str());
        let awaits = known.is_none().then(|| name.clone());
        NewSheet { awaits, ..self.new_sheet(venue, known, now) }
    }

    /// Puts in force what has come while venues were made, and says what is still waited for.
    pub(crate) fn settle_awaited(&self) {
        let directory = self.directory.load_full();
        let prices =
            directory.venues.values().flat_map(|venue| venue.sheets().into_iter().map(move |one| (venue, one)));
        for (venue, name) in prices.filter_map(|(venue, prices)| Some((venue, prices.awaits()?))) {
            match self.catalog.find(name.as_str()) {
                Some(sheet) => drop(self.put_catalog_sheet(None, &sheet, self.clock.now())),
                None => {
                    tracing::warn!(venue = %venue.id, why = self.awaited(&name), "is ineligible until it has prices")
                }
            }
        }
    }

    /// Why something has no price, and what is to be done, when it waits for a sheet.
    pub(crate) fn why_unpriced(&self, in_force: &InForce) -> Option<String> {
        in_force.awaits().map(|name| self.awaited(name))
    }

    /// The sheets that are waited for, each once.
    pub(crate) fn awaited_sheets(&self) -> Vec<String> {
        let directory = self.directory.load();
        let sheets = directory.venues.values().flat_map(|venue| venue.sheets());
        let mut names: Vec<SheetName> = sheets.filter_map(|prices| prices.awaits()).collect();
        names.sort_unstable();
        names.dedup();
        names.iter().map(|name| self.awaited(name)).collect()
    }

    fn awaited(&self, name: &SheetName) -> String {
        let state = self.catalog.state();
        if let Some(held) = state.held.get(name) {
            let reasons = held.reasons.join("; ");
            let accept =
                held.sheet.as_ref().map(|_| format!("; accept them with `merit catalog refresh --accept {name}`"));
            return format!("the prices of {name} are held: {reasons}{}", accept.unwrap_or_default());
        }
        let import = "`merit catalog import FILE`";
        let feed = self.configured_feeds().into_iter().find(|feed| feed.covers(name.as_str()));
        let known = feed.as_ref().and_then(|feed| state.feeds.get(&feed.name));
        let problem = known.and_then(|known| known.problem.as_ref());
        let hint = match (feed, problem) {
            (None, _) => format!(
                "no price feed is configured for it: set its address or key under [catalog], or bring a file with {import}"
            ),
            (Some(feed), Some(problem)) => {
                format!("its price feed {} fails: {problem}; mend it, or bring a file with {import}", feed.name)
            }
            (Some(feed), None) if known.is_some_and(|known| known.confirmed_at > 0) => format!(
                "its price feed {} has none for it: see that its region is written as the provider writes it, or bring a \
                 file with {import}",
                feed.name
            ),
            (Some(feed), None) => format!(
                "run `merit catalog refresh {}`, set catalog.refresh_hours, or bring a file with {import}",
                feed.name
            ),
        };
        format!("the prices of {name} are not built in and not known yet: {hint}")
    }
}
