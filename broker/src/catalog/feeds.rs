//! Which price feeds there are, and how each one's file becomes sheets.

use std::collections::BTreeSet;

use merit_config::Catalog;
use merit_pricing::{Date, PriceSheet};
use merit_units::{Micros, RegionId, SheetName, Timestamp};
use merit_venue_aws_lambda::offers::{Offers, Reading};

use super::RETRY_AFTER;
use crate::Broker;

/// A file of prices somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// Its name, such as `aws-lambda/us-east-1`; names of its sheets begin with it.
    pub name: String,
    /// Where it is.
    pub url: String,
}

/// What a feed's file says.
pub(super) struct Read {
    pub(super) version: String,
    pub(super) sheets: Vec<(SheetName, Result<PriceSheet, Vec<String>>)>,
}

const AWS_LAMBDA: &str = "aws-lambda";

impl Feed {
    /// Reads a file of this feed. Takes tens of milliseconds for a large one.
    pub(super) fn read(&self, bytes: &[u8], today: Date) -> Result<Read, String> {
        let offers = Offers::read_file(bytes, today).map_err(|error| error.to_string())?;
        let sheets = offers.sheets(&Reading { url: &self.url, day: today });
        let sheets = sheets.into_iter().map(|offer| (offer.name, offer.sheet)).collect();
        Ok(Read { version: offers.version().to_owned(), sheets })
    }

    /// Whether a sheet is to be found in this feed.
    pub(super) fn covers(&self, sheet: &str) -> bool {
        sheet.strip_prefix(self.name.as_str()).is_some_and(|rest| rest.starts_with('/'))
    }
}

impl Broker {
    /// The price feeds, as they are configured and needed now.
    #[must_use]
    pub fn feeds(&self) -> Vec<Feed> {
        let settings = self.settings.load();
        let Some(url) = &settings.catalog.aws_lambda_url else { return Vec::new() };
        if !url.contains(Catalog::REGION) {
            return vec![Feed { name: AWS_LAMBDA.to_owned(), url: url.clone() }];
        }
        let regions = self.regions_in_use(AWS_LAMBDA);
        let feed = |region: &RegionId| Feed {
            name: format!("{AWS_LAMBDA}/{region}"),
            url: url.replace(Catalog::REGION, region.as_str()),
        };
        regions.iter().map(feed).collect()
    }

    /// The regions of one provider's sheets that something is billed by.
    fn regions_in_use(&self, provider: &str) -> BTreeSet<RegionId> {
        let directory = self.directory.load();
        let sheets = directory.venues.values().flat_map(|venue| venue.sheets());
        let names = sheets.filter_map(|prices| prices.sheet()).map(|sheet| sheet.name().clone());
        names.filter_map(|name| region_of(name.as_str(), provider)).collect()
    }

    /// The feeds to look at now: never when the configuration has no schedule.
    #[must_use]
    pub fn due_feeds(&self, now: Timestamp) -> Vec<Feed> {
        let every = Micros::from_secs(self.settings.load().catalog.refresh_hours * 3600);
        if every == Micros::default() {
            return Vec::new();
        }
        let state = self.catalog.state();
        let is_due = |feed: &Feed| {
            let Some(known) = state.feeds.get(&feed.name).filter(|known| known.url == feed.url) else { return true };
            let wait = if known.problem.is_some() { every.min(RETRY_AFTER) } else { every };
            now.since(Timestamp::from_micros(known.checked_at)) >= wait
        };
        self.feeds().into_iter().filter(is_due).collect()
    }
}

fn region_of(sheet: &str, provider: &str) -> Option<RegionId> {
    let region = sheet.strip_prefix(provider)?.strip_prefix('/')?.split('/').next()?;
    RegionId::try_new(region).ok()
}
