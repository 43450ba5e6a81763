//! How old the prices are that something is billed by, and a warning when they are too old.
//!
//! What a feed confirmed is as old as its last word. What nobody confirms, a built-in sheet or one from a file, is as old
//! as the oldest of its prices: each has the day it was read. Sheets of providers that publish no list (Alibaba Cloud,
//! Tencent Cloud, Cloudflare) are kept up by hand, so their age is all that tells when somebody should look.
//!
//! Invariant: age is told and never stops a call by itself; that is what `market.price_stale_after_hours` is for.

use std::collections::BTreeMap;
use std::sync::Arc;

use merit_pricing::{Date, PriceSheet};
use merit_units::{Micros, SheetName, Timestamp};
use merit_wire::SheetAgeView;

use super::import::IMPORT;
use crate::Broker;
use crate::clock::rfc3339;

const DAY: Micros = Micros::from_secs(86_400);

impl Broker {
    /// The sheets of the catalogue that something is billed by, with the age of their prices.
    pub(crate) fn ages(&self, now: Timestamp) -> Vec<SheetAgeView> {
        let directory = self.directory.load();
        let sheets = directory.venues.values().flat_map(|venue| venue.sheets());
        let by_name: BTreeMap<SheetName, Arc<PriceSheet>> =
            sheets.filter_map(|prices| prices.sheet()).map(|sheet| (sheet.name().clone(), sheet)).collect();
        let ours = by_name.values().filter(|sheet| self.is_of_catalogue(sheet));
        ours.filter_map(|sheet| self.age(sheet, now)).collect()
    }

    /// What someone who is billed by this sheet should know; nothing when all is well.
    #[must_use]
    pub fn price_warning(&self, sheet: &PriceSheet, now: Timestamp) -> Option<String> {
        let old = || {
            let age = self.age(sheet, now).filter(|age| age.old && self.is_of_catalogue(sheet))?;
            Some(self.old_prices(&age))
        };
        self.catalog.warning(sheet.name().as_str()).or_else(old)
    }

    /// Whether this very sheet is the catalogue's, and no operator's of the same name.
    fn is_of_catalogue(&self, sheet: &PriceSheet) -> bool {
        self.catalog.find(sheet.name().as_str()).is_some_and(|known| std::ptr::eq(&raw const *known, sheet))
    }

    /// What is to be done about old prices.
    pub(crate) fn old_prices(&self, age: &SheetAgeView) -> String {
        let listed = self.configured_feeds().iter().any(|feed| feed.covers(&age.sheet));
        let remedy = if listed {
            "run `merit catalog refresh`"
        } else {
            "compare them with the provider's page and `merit catalog import` a sheet with newer ones"
        };
        format!("its prices are of {}, {} days ago: {remedy}", age.of, age.age_days)
    }

    fn age(&self, sheet: &PriceSheet, now: Timestamp) -> Option<SheetAgeView> {
        let state = self.catalog.state();
        let live = state.live.get(sheet.name()).filter(|live| !live.feed.starts_with(IMPORT));
        let read: Option<Date> = sheet.prices().map(|price| price.source.retrieved).min();
        let of = live.map_or_else(|| read.map(Date::start), |live| Some(live.confirmed_at))?;
        let age_days = now.since(of).get() / DAY.get();
        Some(SheetAgeView {
            sheet: sheet.name().to_string(),
            of: rfc3339(of)[..10].to_owned(),
            age_days,
            old: age_days > u64::from(self.settings.load().catalog.warn_after_days),
            source: sheet.source().title.clone(),
        })
    }
}
