//! Azure's Retail Prices API: the meters of the service Functions, by region and plan.
//!
//! It answers in pages, each with the link of the next. A row is one price of one meter in one region from one volume on,
//! so a free grant and tiers are several rows of one meter (`tierMinimumUnits`). Executions are counted in tens, the
//! Premium plan in hours, everything else in GB-seconds. The API is public and needs no key
//! (<https://learn.microsoft.com/rest/api/cost-management/retail-prices/azure-retail-prices>, read 2026-11-21).
//!
//! Invariants: rows that have ended, or have not begun, are no prices; of two that have begun the later one holds; rows
//! of other services, reservations and prices for developers are passed over. Known limitation: egress is billed by
//! another service (Bandwidth), so it stays as the built-in sheet has it.

mod meters;
#[cfg(any(test, feature = "samples"))]
pub mod sample;
mod sheets;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;

use merit_pricing::Date;
use merit_units::{Currency, Quantity, Rate, RegionId};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{ListError, day, shown};
use meters::Priced;

/// The prices of all pages read so far.
#[derive(Clone, Debug, Default)]
pub struct RetailPrices {
    regions: BTreeMap<RegionId, BTreeMap<Priced, Rows>>,
    rows: usize,
}

/// The rows of one meter in one region.
#[derive(Clone, Debug, Default)]
struct Rows {
    /// By the volume each begins at, with the day it holds from.
    steps: BTreeMap<Quantity, (Option<Date>, Rate)>,
    currency: Option<Currency>,
    /// The first thing that was not understood.
    problem: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page<'a> {
    #[serde(borrow)]
    items: Vec<Row<'a>>,
    #[serde(default)]
    next_page_link: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    #[serde(borrow, default)]
    currency_code: Cow<'a, str>,
    #[serde(borrow)]
    tier_minimum_units: &'a RawValue,
    #[serde(borrow)]
    retail_price: &'a RawValue,
    #[serde(borrow, default)]
    arm_region_name: Cow<'a, str>,
    #[serde(borrow, default)]
    effective_start_date: Cow<'a, str>,
    #[serde(borrow, default)]
    effective_end_date: Option<Cow<'a, str>>,
    #[serde(borrow)]
    meter_name: Cow<'a, str>,
    #[serde(borrow)]
    product_name: Cow<'a, str>,
    #[serde(borrow)]
    service_name: Cow<'a, str>,
    #[serde(borrow)]
    unit_of_measure: Cow<'a, str>,
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
}

const WANTED: &str = "a page of Azure Retail Prices (JSON)";

impl RetailPrices {
    /// Adds one page. Returns the link of the next page, if there is one; whether it leads where it should is for the
    /// caller to check.
    ///
    /// # Errors
    /// [`ListError`] when it is not such a page. A meter that is not understood is no error here, but one of its sheet.
    pub fn read_page(&mut self, bytes: &[u8], today: Date) -> Result<Option<String>, ListError> {
        let page: Page<'_> =
            serde_json::from_slice(bytes).map_err(|error| ListError::unreadable(WANTED, bytes, &error))?;
        page.items.iter().for_each(|row| self.add(row, today));
        Ok(page.next_page_link.filter(|link| !link.is_empty()))
    }

    /// To be called after the last page.
    ///
    /// # Errors
    /// [`ListError::Empty`] when no price of Functions was on any page.
    pub fn check(&self) -> Result<(), ListError> {
        if self.regions.is_empty() {
            Err(ListError::Empty("no price of Azure Functions in any region"))
        } else {
            Ok(())
        }
    }

    /// The regions with a price, in order of name.
    pub fn regions(&self) -> impl Iterator<Item = &RegionId> {
        self.regions.keys()
    }

    /// How many rows were prices of Functions.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    fn add(&mut self, row: &Row<'_>, today: Date) {
        let Some(priced) = Priced::of(&row.service_name, &row.product_name, &row.meter_name) else { return };
        let (from, until) = (day(&row.effective_start_date), row.effective_end_date.as_deref().and_then(day));
        let over = until.is_some_and(|until| until <= today) || from.is_some_and(|from| from > today);
        if over || !matches!(row.kind.as_ref(), "" | "Consumption") {
            return;
        }
        // Zones and `Global` have no name of their own in the first column that Merit could match.
        let Ok(region) = RegionId::try_new(&row.arm_region_name) else { return };
        self.rows += 1;
        let rows = self.regions.entry(region).or_default().entry(priced).or_default();
        if let Err(problem) = rows.add(row, priced, from) {
            rows.problem.get_or_insert(format!("{}: {problem}", priced.word()));
        }
    }
}

impl Rows {
    fn add(&mut self, row: &Row<'_>, priced: Priced, from: Option<Date>) -> Result<(), String> {
        let (start, rate) = priced.step(&row.unit_of_measure, row.tier_minimum_units, row.retail_price)?;
        let code = &row.currency_code;
        let currency: Currency = code.parse().map_err(|_| format!("the currency `{}` is not known", shown(code)))?;
        if self.currency.replace(currency).is_some_and(|former| former != currency) {
            return Err("it is priced in two currencies".to_owned());
        }
        match self.steps.get(&start) {
            Some((known, price)) if *known == from && *price != rate => {
                Err(format!("it has two prices from {start} on, {price} and {rate}"))
            }
            Some((known, _)) if *known >= from => Ok(()),
            _ => {
                self.steps.insert(start, (from, rate));
                Ok(())
            }
        }
    }
}
