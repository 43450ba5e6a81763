//! What a cloud bills: its own meters, by its own sheet, kept apart from whatever its callers count.
//!
//! Two figures are kept. `charges` is the sum of what each call is charged at its point of the
//! month; `invoice` prices the summed meters the way the provider's invoice does, with whatever it
//! rounds per function and hour, grants from the start of the month, and the base fee. A new price
//! opens a new period; what a period adds to the invoice is the invoice of everything up to its
//! end less that of everything before it, both at its prices.
//!
//! Amounts are in the sheet's currency. Hours are those of the simulated clock.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use merit_pricing::{MeterError, Metered, MonthToDate, PriceSheet, Size, Usage};
use merit_units::{Exact, FunctionId, Money, Overflow};
use serde_json::{Value, json};

use crate::clock::Hour;

type Line = (Hour, FunctionId);

/// The books of one cloud for one month.
#[derive(Debug)]
pub(crate) struct Books {
    list: Arc<PriceSheet>,
    past_grant: bool,
    month: MonthToDate,
    /// The last one is open.
    periods: Vec<Period>,
    /// Calls that ran and can't be billed, with what is wrong with the last one.
    unbilled: Option<(u64, String)>,
}

/// A stretch of time with one price.
#[derive(Debug)]
struct Period {
    sheet: Arc<PriceSheet>,
    price_percent: u32,
    lines: BTreeMap<Line, Sum>,
    charges: Exact,
}

#[derive(Clone, Copy, Debug)]
struct Sum {
    calls: u64,
    metered: Metered,
}

/// Why a call can't be billed.
#[derive(Debug, thiserror::Error)]
enum BillError {
    #[error(transparent)]
    Meter(#[from] MeterError),
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

impl Books {
    /// Opens the month, with its free grants used up or not.
    pub(crate) fn open(sheet: Arc<PriceSheet>, past_grant: bool) -> Self {
        let month = if past_grant { MonthToDate::past_grant(&sheet) } else { MonthToDate::month_start(&sheet) };
        let periods = vec![Period::open(Arc::clone(&sheet), 100)];
        Self { list: sheet, past_grant, month, periods, unbilled: None }
    }

    /// Bills one call.
    pub(crate) fn bill(&mut self, hour: Hour, function: &FunctionId, size: &Size, usage: &Usage) {
        if let Err(error) = self.try_bill(hour, function, size, usage) {
            tracing::warn!(%error, %function, "failed to bill a call");
            self.unbilled.get_or_insert_default().0 += 1;
            self.unbilled.get_or_insert_default().1 = error.to_string();
        }
    }

    fn try_bill(&mut self, hour: Hour, function: &FunctionId, size: &Size, usage: &Usage) -> Result<(), BillError> {
        let period = self.periods.last_mut().expect("invariant: one period is open");
        let metered = period.sheet.meter(size, usage)?;
        let charge = period.sheet.charge(&metered, &self.month)?;
        self.month.add(&metered)?;
        period.charges = period.charges.checked_add(charge)?;
        match period.lines.get_mut(&(hour, function.clone())) {
            Some(sum) => {
                sum.metered = sum.metered.checked_add(&metered)?;
                sum.calls += 1;
            }
            None => {
                period.lines.insert((hour, function.clone()), Sum { calls: 1, metered });
            }
        }
        Ok(())
    }

    /// Bills by the list prices times this percentage from now on. Each change has the next sequence number.
    pub(crate) fn reprice(&mut self, price_percent: u32) {
        self.list = Arc::new(self.list.scaled(100));
        self.periods.push(Period::open(Arc::new(self.list.scaled(price_percent)), price_percent));
    }

    /// Prices in percent of the list's.
    pub(crate) fn price_percent(&self) -> u32 {
        self.current().price_percent
    }

    /// The sheet now billed by.
    pub(crate) fn sheet(&self) -> &Arc<PriceSheet> {
        &self.current().sheet
    }

    /// Calls billed.
    pub(crate) fn calls(&self) -> u64 {
        self.periods.iter().flat_map(|period| period.lines.values()).map(|sum| sum.calls).sum()
    }

    /// The month so far.
    ///
    /// # Errors
    /// When an amount does not fit.
    pub(crate) fn invoice(&self, cloud: &str) -> Result<Value, String> {
        self.try_invoice(cloud).map_err(|error| format!("failed to sum the invoice: {error}"))
    }

    fn try_invoice(&self, cloud: &str) -> Result<Value, Overflow> {
        let mut invoiced = Money::ZERO;
        let mut charged = Exact::ZERO;
        let mut periods = Vec::new();
        for (index, period) in self.periods.iter().enumerate() {
            let added = self.added_by(index)?;
            invoiced = invoiced.checked_add(added)?;
            charged = charged.checked_add(period.charges)?;
            periods.push(period.json(added)?);
        }
        Ok(json!({
            "cloud": cloud,
            "price_sheet": self.list.name().as_str(),
            "currency": self.list.currency().as_str(),
            "past_grant": self.past_grant,
            "calls": self.calls(),
            "charges": charged.round_half_even()?.to_string(),
            "invoice": invoiced.to_string(),
            "unbilled": self.unbilled.as_ref().map(|(calls, error)| json!({ "calls": calls, "error": error })),
            "periods": periods,
        }))
    }

    /// What a period adds to the invoice. The first brings the base fee.
    fn added_by(&self, index: usize) -> Result<Money, Overflow> {
        let sheet = &self.periods[index].sheet;
        let invoice = |periods: &[Period]| {
            let lines = periods.iter().flat_map(|period| &period.lines);
            let usage = lines.map(|((hour, function), sum)| ((u64::from(*hour), function), sum.metered));
            sheet.invoice(usage)?.round_half_even()
        };
        let until_its_end = invoice(&self.periods[..=index])?;
        if index == 0 { Ok(until_its_end) } else { Ok(until_its_end - invoice(&self.periods[..index])?) }
    }

    fn current(&self) -> &Period {
        self.periods.last().expect("invariant: one period is open")
    }
}

impl Period {
    fn open(sheet: Arc<PriceSheet>, price_percent: u32) -> Self {
        Self { sheet, price_percent, lines: BTreeMap::new(), charges: Exact::ZERO }
    }

    fn json(&self, invoice: Money) -> Result<Value, Overflow> {
        let mut total: Option<Metered> = None;
        for sum in self.lines.values() {
            total = Some(total.map_or(Ok(sum.metered), |total| total.checked_add(&sum.metered))?);
        }
        let lines = self.lines.iter().map(|((hour, function), sum)| {
            json!({ "hour": hour, "function": function.as_str(), "calls": sum.calls, "billed": quantities(&sum.metered) })
        });
        Ok(json!({
            "price_percent": self.price_percent,
            "charges": self.charges.round_half_even()?.to_string(),
            "invoice": invoice.to_string(),
            "billed": total.as_ref().map(quantities),
            "functions": lines.collect::<Vec<_>>(),
        }))
    }
}

/// Meters with their quantities as decimal strings.
fn quantities(metered: &Metered) -> Value {
    metered
        .iter()
        .map(|(meter, quantity)| (meter.name().to_owned(), quantity.to_string().into()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
