//! Which price feeds there are, and when they are looked at.

use std::collections::BTreeSet;

use merit_config::Catalog;
use merit_units::{Currency, Micros, RegionId, Timestamp};

use super::RETRY_AFTER;
use super::list::Format;
use crate::Broker;
use crate::prices::Prices;
use crate::refusal::Refusal;

/// A price list somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// Its name, such as `aws-lambda/us-east-1` or `azure-functions`.
    pub name: String,
    /// Where it is; of several pages the first.
    pub url: String,
    /// What it is written in.
    pub format: Format,
}

const AWS_LAMBDA: &str = "aws-lambda";
/// How the address of AWS's index of regions ends.
const REGION_INDEX: &str = "/region_index.json";
const GOOGLE_RUN: &str = "google-run";
pub(super) const EXCHANGE_RATES: &str = "exchange-rates";
/// Answers nobody without a key; a mirror may.
const GOOGLE: &str = "https://cloudbilling.googleapis.com/";

impl Feed {
    /// Whether a sheet is to be found in this feed.
    pub(super) fn covers(&self, sheet: &str) -> bool {
        let within = |name: &str| sheet.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'));
        match self.format {
            Format::AwsOffers | Format::AwsRegions | Format::AwsProducts => within(&self.name),
            Format::AzureRetail => ["azure-consumption", "azure-flex", "azure-premium"].into_iter().any(within),
            Format::GoogleSkus => within(GOOGLE_RUN),
            Format::ExchangeRates => false,
        }
    }
}

impl Broker {
    /// The price feeds that are configured and that something is billed by.
    #[must_use]
    pub fn feeds(&self) -> Vec<Feed> {
        let (configured, in_use) = (self.configured_feeds(), self.sheets_in_use());
        let needed = |feed: &Feed| match feed.format {
            Format::ExchangeRates => !self.currencies_in_use().is_empty(),
            _ => feed.name == AWS_LAMBDA || in_use.iter().any(|sheet| feed.covers(sheet)),
        };
        configured.into_iter().filter(needed).collect()
    }

    /// The configured feeds of these names, whether anything is billed by them or not: of AWS any region.
    ///
    /// # Errors
    /// [`Refusal`] for a name that is no feed's, and for Google's without a key.
    pub fn feeds_named(&self, names: &[&str]) -> Result<Vec<Feed>, Refusal> {
        let configured = self.configured_feeds();
        if names.contains(&GOOGLE_RUN) && wants_key(&self.settings.load().catalog) {
            let why = "Google wants an API key: set catalog.google_api_key, or catalog.google_run_url to a mirror";
            return Err(Refusal::BadRequest(why.to_owned()));
        }
        let named = |name: &&str| {
            let known = configured.iter().find(|feed| feed.name == *name).cloned();
            known.or_else(|| self.aws_region_feed(name.strip_prefix(AWS_LAMBDA)?.strip_prefix('/')?)).ok_or_else(|| {
                let near = crate::venue::near(name, configured.iter().map(|feed| feed.name.as_str()));
                Refusal::Unknown { kind: "price feed", name: name.chars().take(80).collect(), near }
            })
        };
        names.iter().map(named).collect()
    }

    pub(super) fn configured_feeds(&self) -> Vec<Feed> {
        let settings = self.settings.load();
        let catalog = &settings.catalog;
        let mut feeds = Vec::new();
        match &catalog.aws_lambda_url {
            url if self.is_by_region(url.as_deref()) => {
                let in_use = self.sheets_in_use();
                let regions: BTreeSet<RegionId> = in_use.iter().filter_map(|sheet| aws_region(sheet)).collect();
                feeds.extend(regions.iter().filter_map(|region| self.aws_region_feed(region.as_str())));
            }
            Some(url) => {
                let format = if url.ends_with(REGION_INDEX) { Format::AwsRegions } else { Format::AwsOffers };
                feeds.push(Feed { name: AWS_LAMBDA.to_owned(), url: url.clone(), format });
            }
            None => {}
        }
        let mut add = |name: &str, url: &Option<String>, format| {
            feeds.extend(url.iter().map(|url| Feed { name: name.to_owned(), url: url.clone(), format }));
        };
        add("azure-functions", &catalog.azure_functions_url, Format::AzureRetail);
        if !wants_key(catalog) {
            add(GOOGLE_RUN, &catalog.google_run_url, Format::GoogleSkus);
        }
        add(EXCHANGE_RATES, &settings.exchange_rates.list_url, Format::ExchangeRates);
        feeds
    }

    fn aws_region_feed(&self, region: &str) -> Option<Feed> {
        let region = RegionId::try_new(region).ok()?;
        let settings = self.settings.load();
        let name = format!("{AWS_LAMBDA}/{region}");
        if let Some(api) = &settings.catalog.aws_products {
            return Some(Feed { name, url: api.url.clone(), format: Format::AwsProducts });
        }
        let url = settings.catalog.aws_lambda_url.as_ref().filter(|url| url.contains(Catalog::REGION))?;
        Some(Feed { name, url: url.replace(Catalog::REGION, region.as_str()), format: Format::AwsOffers })
    }

    /// Whether AWS is asked for one region at a time.
    fn is_by_region(&self, url: Option<&str>) -> bool {
        let by_file = url.is_some_and(|url| url.contains(Catalog::REGION));
        by_file || self.settings.load().catalog.aws_products.is_some()
    }

    /// The names of the sheets that something is billed by, or waits for.
    fn sheets_in_use(&self) -> BTreeSet<String> {
        let directory = self.directory.load();
        let sheets = directory.venues.values().flat_map(|venue| venue.sheets());
        let name = |prices: &Prices| prices.awaits().or_else(|| Some(prices.sheet()?.name().clone()));
        sheets.filter_map(|prices| name(&prices)).map(|name| name.to_string()).collect()
    }

    /// The currencies that something is billed in, dollars left out.
    pub(super) fn currencies_in_use(&self) -> BTreeSet<Currency> {
        let directory = self.directory.load();
        let sheets = directory.venues.values().flat_map(|venue| venue.sheets());
        let currencies = sheets.filter_map(|prices| prices.sheet()).map(|sheet| sheet.currency());
        currencies.filter(|currency| *currency != Currency::USD).collect()
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

/// The region of a sheet's or a feed's name.
pub(super) fn aws_region(name: &str) -> Option<RegionId> {
    let region = name.strip_prefix(AWS_LAMBDA)?.strip_prefix('/')?.split('/').next()?;
    RegionId::try_new(region).ok()
}

/// Whether Google itself is to be asked and there is no key for it.
fn wants_key(catalog: &Catalog) -> bool {
    let own = catalog.google_run_url.as_ref().is_some_and(|url| url.starts_with(GOOGLE));
    own && catalog.google_api_key.is_none()
}
