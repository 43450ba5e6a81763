//! What is in force, what is held, what is known of each feed; and how it comes back after a restart.

use std::collections::BTreeMap;
use std::sync::Arc;

use merit_pricing::PriceSheet;
use merit_store::record::{CatalogHeldRow, CatalogSheetRow};
use merit_store::{Store, StoreError};
use merit_units::{SheetName, Timestamp};
use serde::{Deserialize, Serialize};

use super::LiveCatalog;
use super::fetch::Validators;
use super::rates::{self, Rates};

/// Everything at one moment; replaced whole.
#[derive(Clone, Default)]
pub struct State {
    /// Sheets that feeds put in force.
    pub live: BTreeMap<SheetName, Live>,
    /// What waits for a person.
    pub held: BTreeMap<SheetName, Held>,
    /// Feeds by name.
    pub feeds: BTreeMap<String, FeedState>,
    /// Dollars for other currencies, as a list last had them.
    pub(super) rates: Rates,
}

/// A sheet that a feed put in force.
#[derive(Clone)]
pub struct Live {
    /// The sheet.
    pub sheet: Arc<PriceSheet>,
    /// Since when.
    pub since: Timestamp,
    /// When its feed last said the same.
    pub confirmed_at: Timestamp,
    /// From where.
    pub feed: String,
}

/// Prices that wait for a person.
#[derive(Clone)]
pub struct Held {
    /// The sheet, if there is a usable one.
    pub sheet: Option<Arc<PriceSheet>>,
    /// Since when.
    pub at: Timestamp,
    /// From where.
    pub feed: String,
    /// Why.
    pub reasons: Vec<String>,
}

/// What is known of a feed. Times are microseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FeedState {
    /// Where it was fetched.
    pub url: String,
    /// What the server would compare.
    pub validators: Validators,
    /// The version of the prices last read.
    pub version: String,
    /// When it was last asked.
    pub checked_at: u64,
    /// When it was last asked with success; 0 when never.
    pub confirmed_at: u64,
    /// Why the last look failed.
    pub problem: Option<String>,
    /// Of a list of exchange rates: each currency's dollars and the day's beginning.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rates: BTreeMap<String, (String, u64)>,
}

impl LiveCatalog {
    /// Takes up what was stored. What can't be read any more is left out, and said so.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn load(&self, store: &Store) -> Result<(), StoreError> {
        let mut state = State::default();
        for row in store.catalog_sheets()? {
            match PriceSheet::parse_toml(&row.body) {
                Ok(sheet) => drop(state.live.insert(row.name.clone(), Live::of(row, sheet))),
                Err(errors) => tracing::error!(sheet = %row.name, %errors, "a stored live sheet is left out"),
            }
        }
        for row in store.catalog_held()? {
            state.held.insert(row.name.clone(), Held::of(row));
        }
        for (feed, text) in store.catalog_feeds()? {
            match serde_json::from_str(&text) {
                Ok(known) => {
                    let known: FeedState = known;
                    state.rates.extend(rates::stored(&known));
                    state.feeds.insert(feed, known);
                }
                Err(error) => tracing::error!(feed, %error, "what was known of a price feed is left out"),
            }
        }
        self.state.store(Arc::new(state));
        Ok(())
    }
}

impl Live {
    fn of(row: CatalogSheetRow, sheet: PriceSheet) -> Self {
        let CatalogSheetRow { since, confirmed_at, feed, .. } = row;
        Self { sheet: Arc::new(sheet), since, confirmed_at, feed }
    }
}

impl Held {
    fn of(row: CatalogHeldRow) -> Self {
        let sheet = row.body.as_deref().and_then(|body| PriceSheet::parse_toml(body).ok());
        let reasons = serde_json::from_str(&row.reasons).unwrap_or_else(|_| vec![row.reasons.clone()]);
        Self { sheet: sheet.map(Arc::new), at: row.at, feed: row.feed, reasons }
    }
}
