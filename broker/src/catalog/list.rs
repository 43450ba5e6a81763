//! The formats of price lists: how each one's pages become sheets.
//!
//! Reading a format is its provider's own business (`merit_venue_aws_lambda::offers`, `merit_price_lists`); here they
//! are brought to one shape.

use merit_price_lists::azure::RetailPrices;
use merit_price_lists::google::CloudSkus;
use merit_price_lists::rates::RateList;
use merit_price_lists::{ListError, SheetOffer};
use merit_pricing::{Date, PriceSheet};
use merit_units::SheetName;
use merit_venue_aws_lambda::offers::{OfferError, Offers, Reading};

use super::feeds::Feed;

/// What a price list is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// AWS's offer file.
    AwsOffers,
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
    Products(Offers),
    Retail(RetailPrices),
    Skus(CloudSkus),
    Rates(Option<RateList>),
}

/// Where the next page is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// At this address.
    Link(String),
    /// At the first address, with this as `pageToken`.
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
                *offers = Offers::read_file(bytes, today).map_err(|error: OfferError| error.to_string())?;
                Ok(None)
            }
            Self::Products(offers) => {
                let next = offers.read_page(bytes, today).map_err(|error: OfferError| error.to_string())?;
                Ok(next.map(Next::Token))
            }
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
            Self::Products(offers) if offers.is_empty() => Err(OfferError::Empty.to_string()),
            Self::Offers(offers) | Self::Products(offers) => {
                let sheets = offers.sheets(&Reading { url: &feed.url, day: today });
                let sheets = sheets.into_iter().map(|offer| (offer.name, offer.sheet)).collect();
                Ok(Read { version: offers.version().to_owned(), sheets, rates: None })
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
