//! What providers' invoices come to beyond the charges of calls: the month's fee of a plan, and the hours of a function
//! that are rounded up ([`merit_pricing::PriceSheet::beyond_hour`]).
//!
//! No call has a part in it that could be told, so it is in no charge, no row of spend and no budget; it is told beside them, by
//! sheet, billing account and month (docs/adr/0040).
//!
//! Invariant: receipts are read and never changed. Known limitation: of calls that were tried at several venues only the
//! last attempt has its quantities on the receipt; hours are rounded up at the list's rates; and calls that others make at
//! the same account are not known, so an hour may have been rounded up less.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use merit_pricing::{Meter, Position, PriceSheet};
use merit_store::StoreError;
use merit_store::record::ReceiptRow;
use merit_units::{DeploymentId, Exact, ExchangeRate, FunctionId, Money, Month, Quantity, Rate, Timestamp};
use merit_wire::BeyondCallsRow;

use crate::Broker;
use crate::clock::{month_of, months_bounds};
use crate::receipt::Detail;
use crate::reprice::AsCharged;
use crate::venue::VenueEntry;

/// Receipts read at a time: about 2 MB.
const PAGE: u32 = 2000;

const HOUR_US: u64 = 3_600_000_000;

/// A month of a sheet at a billing account.
type Key = (Month, Box<str>, Box<str>);

#[derive(Default)]
struct Sum {
    venues: BTreeSet<String>,
    fee: Option<Money>,
    hours: BTreeMap<HourKey, Hour>,
}

/// An hour of a function at a venue.
type HourKey = (u64, FunctionId, Option<DeploymentId>);

/// What ran in it.
struct Hour {
    sheet: Arc<PriceSheet>,
    rate: ExchangeRate,
    used: BTreeMap<Meter, u128>,
    charged: Exact,
    after: Vec<Position>,
}

/// What every sheet's invoices add in a period. Reads the disk.
///
/// # Errors
/// When the database can't be read.
pub(crate) fn beyond_calls(broker: &Broker, period: &Range<Timestamp>) -> Result<Vec<BeyondCallsRow>, StoreError> {
    let mut sums = BTreeMap::new();
    for venue in broker.directory.load().venues.values() {
        let in_force: Vec<_> = venue.sheets().iter().map(|prices| prices.in_force()).collect();
        for prices in &in_force {
            if let (Some(sheet), Some(rate)) = (prices.sheet(), prices.rate()) {
                fees(broker, venue, sheet, rate, period, &mut sums)?;
            }
        }
        if in_force.iter().any(|prices| prices.sheet().is_some_and(PriceSheet::bills_hours)) {
            hours(broker, venue, period, &mut sums)?;
        }
    }
    Ok(sums.into_iter().filter_map(|(key, sum)| row(key, sum)).collect())
}

/// The fee of each month of the period in which the venue was called, and of this one.
fn fees(
    broker: &Broker,
    venue: &VenueEntry,
    sheet: &PriceSheet,
    rate: ExchangeRate,
    period: &Range<Timestamp>,
    sums: &mut BTreeMap<Key, Sum>,
) -> Result<(), StoreError> {
    if sheet.base_fee() == Rate::FREE {
        return Ok(());
    }
    let fee = sheet.base_fee().times(Quantity::from_units(1)).and_then(|fee| fee.to_usd(rate)).unwrap_or(Money::MAX);
    let mut due = BTreeSet::new();
    let this = months_bounds(month_of(broker.clock.now()));
    if period.start < this.1 && this.0 < period.end {
        due.insert(month_of(this.0));
    }
    let mut rest = period.clone();
    while let Some((_, called)) = broker.store.receipts_of_venue(&venue.id, rest.clone(), None, 1)?.first() {
        due.insert(month_of(called.at));
        rest.start = months_bounds(month_of(called.at)).1;
    }
    for month in due {
        let key = (month, venue.billing_account.clone(), sheet.name().as_str().into());
        let sum: &mut Sum = sums.entry(key).or_default();
        sum.venues.insert(venue.id.to_string());
        sum.fee = Some(fee);
    }
    Ok(())
}

/// The hours of each function there in the period.
fn hours(
    broker: &Broker,
    venue: &VenueEntry,
    period: &Range<Timestamp>,
    sums: &mut BTreeMap<Key, Sum>,
) -> Result<(), StoreError> {
    let mut sheets: BTreeMap<(Box<str>, u64), Option<Arc<PriceSheet>>> = BTreeMap::new();
    let mut after = None;
    loop {
        let page = broker.store.receipts_of_venue(&venue.id, period.clone(), after, PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = Some(*last);
        for (_, receipt) in &page {
            let Ok(detail) = Detail::of(receipt) else { continue };
            let Some(priced) = &detail.priced else { continue };
            let sheet = match sheets.entry((priced.sheet.into(), priced.seq)) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => unknown.insert(broker.sheet_of(receipt, priced)?),
            };
            let Some(sheet) = sheet.as_ref().filter(|sheet| sheet.bills_hours()) else { continue };
            let key = (month_of(receipt.at), venue.billing_account.clone(), sheet.name().as_str().into());
            add(sums.entry(key).or_default(), venue, receipt, &detail, sheet);
        }
    }
}

/// Adds a call to its hour.
fn add(sum: &mut Sum, venue: &VenueEntry, receipt: &ReceiptRow, detail: &Detail<'_>, sheet: &Arc<PriceSheet>) {
    let quantities: Option<Vec<(Meter, Quantity)>> = detail
        .meters
        .iter()
        .map(|meter| Some((meter.meter.parse().ok()?, Quantity::from_quanta(meter.quanta))))
        .collect();
    let as_charged = detail.priced.as_ref().and_then(|priced| AsCharged::of(sheet, detail, priced).ok());
    let (Some(quantities), Some(as_charged)) = (quantities, as_charged) else { return };
    let Ok(charged) = as_charged.after_commitments(&quantities) else { return };
    sum.venues.insert(venue.id.to_string());
    let key = (receipt.at.micros() / HOUR_US, receipt.function.clone(), receipt.deployment.clone());
    let hour = sum.hours.entry(key).or_insert_with(|| Hour {
        sheet: Arc::clone(sheet),
        rate: as_charged.rate(),
        used: BTreeMap::new(),
        charged: Exact::ZERO,
        after: Vec::new(),
    });
    for (meter, quantity) in &quantities {
        *hour.used.entry(*meter).or_default() += quantity.quanta();
    }
    hour.charged = hour.charged.checked_add(charged).unwrap_or(hour.charged);
    (hour.sheet, hour.rate, hour.after) =
        (Arc::clone(sheet), as_charged.rate(), as_charged.positions_after(&quantities));
}

impl Hour {
    /// Dollars that it is billed beyond its calls.
    fn beyond(&self) -> Option<Money> {
        let used: Vec<(Meter, Quantity)> =
            self.used.iter().map(|(meter, quanta)| (*meter, Quantity::from_quanta(*quanta))).collect();
        let beyond = self.sheet.beyond_hour(&used, self.charged, &self.after).ok()?;
        beyond.to_usd(self.rate).ok()
    }
}

fn row((month, billing_account, sheet): Key, sum: Sum) -> Option<BeyondCallsRow> {
    let rounded: Money = sum.hours.values().filter_map(Hour::beyond).sum();
    let hours = (!sum.hours.is_empty()).then(|| rounded.to_string());
    (sum.fee.is_some() || hours.is_some()).then(|| BeyondCallsRow {
        month: month.to_string(),
        venues: sum.venues.into_iter().collect(),
        billing_account: billing_account.into(),
        sheet: sheet.into(),
        fee: sum.fee.map(|fee| fee.to_string()),
        hours,
        function_hours: sum.hours.len() as u64,
    })
}

#[cfg(test)]
mod tests;
