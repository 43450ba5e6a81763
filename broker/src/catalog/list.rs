//! The formats of price lists: how each one's pages become sheets.
//!
//! Reading a format is its provider's own business (`merit_price_lists`); here they are brought to one shape.

use merit_price_lists::aws::{Offers, region_files};
use merit_price_lists::azure::RetailPrices;
use merit_price_lists::google::CloudSkus;
use merit_price_lists::rates::RateList;
use merit_price_lists::{ListError, SheetOffer};
use merit_pricing::{Date, PriceSheet};
use merit_units::SheetName;

use super::feeds::Feed;

/// What a price list is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// AWS's offer file.
    AwsOffers,
    /// AWS's index of regions, and the offer file of each of them.
    AwsRegions,
    /// Pages of AWS's `GetProducts`.
    AwsProducts,
    /// Pages of Azure's Retail Prices.
    AzureRetail,
    /// Pages of Google's Cloud Billing Catalog.
    GoogleSkus,
    /// A list of exchange rates.
    ExchangeRates,
}

/// What a feed's list says.
pub(super) struct Read {
    pub(super) version: String,
    pub(super) sheets: Vec<(SheetName, Result<PriceSheet, Vec<String>>)>,
    /// Of a list of exchange rates; it has no sheets.
    pub(super) rates: Option<RateList>,
}

/// A list while its pages are read.
pub(super) enum List {
    Offers(Offers),
    Regions(Regions),
    Products(Offers),
    Retail(RetailPrices),
    Skus(CloudSkus),
    Rates(Option<RateList>),
}

/// The offers of regions, file by file.
#[derive(Default)]
pub(super) struct Regions {
    read: Vec<Offers>,
    /// Addresses that are still to be asked, the next one last; nothing before the index is read.
    left: Option<Vec<String>>,
}

impl Regions {
    fn add(&mut self, bytes: &[u8], today: Date) -> Result<Option<Next>, ListError> {
        match &mut self.left {
            None => {
                let mut files = region_files(bytes)?;
                files.reverse();
                self.left = Some(files);
            }
            Some(_) => self.read.push(Offers::read_file(bytes, today)?),
        }
        Ok(self.left.as_mut().and_then(Vec::pop).map(Next::Link))
    }
}

/// Where the next page is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// At this address.
    Link(String),
    /// At the first address, with this as `pageToken`; of `GetProducts` as `NextToken`.
    Token(String),
}

impl Format {
    /// Whether the list is one file, which a server can compare with the one that is known.
    pub(super) const fn is_one_file(self) -> bool {
        matches!(self, Self::AwsOffers | Self::ExchangeRates)
    }

    pub(super) fn list(self) -> List {
        match self {
            Self::AwsOffers => List::Offers(Offers::default()),
            Self::AwsRegions => List::Regions(Regions::default()),
            Self::AwsProducts => List::Products(Offers::default()),
            Self::AzureRetail => List::Retail(RetailPrices::default()),
            Self::GoogleSkus => List::Skus(CloudSkus::default()),
            Self::ExchangeRates => List::Rates(None),
        }
    }
}

impl List {
    /// Adds a page. Takes tens of milliseconds for a large one.
    pub(super) fn add(&mut self, bytes: &[u8], today: Date) -> Result<Option<Next>, String> {
        let told = |error: ListError| error.to_string();
        match self {
            Self::Offers(offers) => {
                *offers = Offers::read_file(bytes, today).map_err(told)?;
                Ok(None)
            }
            Self::Regions(regions) => regions.add(bytes, today).map_err(told),
            Self::Products(offers) => Ok(offers.read_page(bytes, today).map_err(told)?.map(Next::Token)),
            Self::Retail(prices) => Ok(prices.read_page(bytes, today).map_err(told)?.map(Next::Link)),
            Self::Skus(skus) => Ok(skus.read_page(bytes, today).map_err(told)?.map(Next::Token)),
            Self::Rates(rates) => {
                *rates = Some(RateList::read(bytes).map_err(told)?);
                Ok(None)
            }
        }
    }

    /// The sheets of all pages. `digest` names the version of a list that has none.
    pub(super) fn finish(self, feed: &Feed, today: Date, digest: String) -> Result<Read, String> {
        let told = |error: ListError| error.to_string();
        let reading = merit_price_lists::Reading { url: &feed.url, day: today };
        let read = |version: String, sheets: Vec<SheetOffer>| {
            let sheets = sheets.into_iter().map(|offer| (offer.name, offer.sheet)).collect();
            Ok(Read { version, sheets, rates: None })
        };
        match self {
            Self::Offers(offers) | Self::Products(offers) => {
                offers.check().map_err(told)?;
                read(offers.version().to_owned(), offers.sheets(&reading))
            }
            Self::Regions(regions) => {
                let sheets = regions.read.iter().flat_map(|offers| offers.sheets(&reading));
                read(digest, sheets.collect())
            }
            Self::Retail(prices) => {
                prices.check().map_err(told)?;
                read(digest, prices.sheets(&reading))
            }
            Self::Skus(skus) => {
                skus.check().map_err(told)?;
                read(digest, skus.sheets(&reading))
            }
            Self::Rates(rates) => {
                let version = rates.as_ref().map_or(digest, |list| format!("of {}", list.date));
                Ok(Read { version, sheets: Vec::new(), rates })
            }
        }
    }
}
