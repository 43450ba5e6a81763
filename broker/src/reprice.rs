//! An old charge computed again: the quantities of its receipt, by the sheet it was charged by, where the month stood then
//! and at that day's exchange rate, with what adjustments did to it. The arithmetic is the charge's own
//! (`PriceSheet::charge`). That packages and commitments covered what they did is taken from the receipt.
//!
//! The sheet is looked up by the name and the number that the receipt has: among those put at the venue, in the catalogue's
//! history, among the built-in ones, and in force at the venue. Invariant: what can't be computed says why, and is never
//! guessed at.
//!
//! Known limitation: a built-in sheet that no feed ever replaced is not in the history; after an upgrade of Merit the new
//! one is taken for it, and the difference told. Rates that a provider offered are not kept. Only the attempt that the
//! receipt has meters of is computed, which is the last one.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use merit_pricing::{Catalogue, Meter, Position, PriceSheet, RepriceError};
use merit_store::StoreError;
use merit_store::record::ReceiptRow;
use merit_units::{Exact, ExchangeRate, Money, Quantity, SheetName};
use merit_wire::{RepricedLine, RepricedView};

use crate::receipt::{Applied, Detail, DetailError, Priced, What};
use crate::{Broker, adjustments};

/// History entries that are looked through for a sheet.
const HISTORY: u32 = 100_000;

/// Why a receipt could not even be read.
#[derive(Debug, thiserror::Error)]
pub enum RepriceFailure {
    /// Its detail.
    #[error("the receipt's detail is unreadable: {0}")]
    Detail(#[from] DetailError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Broker {
    /// Computes the charge of a receipt again. Reads the disk.
    ///
    /// # Errors
    /// When the receipt or the history can't be read. That a charge can't be computed is no error: the answer says why.
    pub fn reprice(&self, receipt: &ReceiptRow) -> Result<RepricedView, RepriceFailure> {
        let detail = Detail::of(receipt)?;
        let charge = Money::from_pico(detail.attempts.last().map_or(0, |attempt| attempt.charge_pico));
        let mut view = RepricedView {
            id: receipt.id.to_string(),
            charge: charge.to_string(),
            repriced: None,
            same: false,
            why: None,
            sheet: None,
            seq: None,
            source: None,
            currency: None,
            usd: None,
            lines: Vec::new(),
            adjustments: Vec::new(),
        };
        let Some(priced) = &detail.priced else {
            let why = "the receipt does not say by what it was charged: nothing was billed, nobody told what was used, or \
                       it is older than this could be asked";
            return Ok(RepricedView { why: Some(why.to_owned()), ..view });
        };
        view.adjustments = applied(&detail).iter().map(adjustments::applied).collect();
        (view.sheet, view.seq) = (Some(priced.sheet.to_owned()), Some(priced.seq));
        let Some(sheet) = self.sheet_of(receipt, priced)? else {
            let why = format!("the sheet {} with number {} is not kept", priced.sheet, priced.seq);
            return Ok(RepricedView { why: Some(why), ..view });
        };
        view.source = Some(format!("{}, {}", sheet.source().title, sheet.source().retrieved));
        view.currency = Some(sheet.currency().to_string());
        match lines(&sheet, &detail, priced) {
            Err(problem) => view.why = Some(problem),
            Ok((rate, lines, sum)) => {
                (view.usd, view.lines, view.repriced) = (Some(rate.to_string()), lines, Some(sum.to_string()));
                view.same = sum == charge;
                let differs = "the sheet that is kept under this name and number has other prices than the one it was \
                               charged by";
                view.why = (!view.same).then(|| differs.to_owned());
            }
        }
        Ok(view)
    }

    /// The sheet that a receipt was charged by, where it is kept. Reads the disk.
    ///
    /// # Errors
    /// When the history can't be read.
    pub(crate) fn sheet_of(
        &self,
        receipt: &ReceiptRow,
        priced: &Priced<'_>,
    ) -> Result<Option<Arc<PriceSheet>>, StoreError> {
        let is_it = |sheet: &PriceSheet| sheet.name().as_str() == priced.sheet && sheet.seq() == priced.seq;
        let parsed = |body: &str| PriceSheet::parse_toml(body).ok().filter(is_it).map(Arc::new);
        if let Some(venue) = &receipt.venue {
            let put = self.store.sheet_history(venue, HISTORY)?;
            if let Some(sheet) = put.iter().filter(|row| row.seq == priced.seq).find_map(|row| parsed(&row.body)) {
                return Ok(Some(sheet));
            }
        }
        let Ok(name) = SheetName::try_new(priced.sheet) else { return Ok(None) };
        let rows = self.store.catalog_history(&name, HISTORY)?;
        let of_catalogue = rows.iter().filter(|row| row.seq == priced.seq).find_map(|row| parsed(&row.body));
        let built_in = || Catalogue::builtin().get(priced.sheet).filter(|sheet| is_it(sheet)).cloned();
        let in_force = || {
            let directory = self.directory.load();
            let venue = directory.venues.get(receipt.venue.as_ref()?)?;
            venue.sheets().into_iter().filter_map(|prices| prices.sheet()).find(|sheet| is_it(sheet))
        };
        Ok(of_catalogue.or_else(built_in).or_else(in_force))
    }
}

/// How a charge was made of its quantities.
#[derive(Clone)]
pub(crate) struct AsCharged<'a> {
    /// With the discounts that held.
    sheet: Cow<'a, PriceSheet>,
    rate: ExchangeRate,
    positions: Vec<Position>,
    applied: &'a [Applied<'a>],
}

impl<'a> AsCharged<'a> {
    /// As the receipt has it, by the sheet it was charged by.
    ///
    /// # Errors
    /// What is wrong with its exchange rate or its adjustments.
    pub(crate) fn of(sheet: &'a PriceSheet, detail: &'a Detail<'a>, priced: &Priced<'_>) -> Result<Self, String> {
        // Nanodollars as the decimal they are written as.
        let rate = format!("{}.{:09}", priced.usd_nano / 1_000_000_000, priced.usd_nano % 1_000_000_000);
        let rate: ExchangeRate = rate.parse().map_err(|error| format!("its exchange rate {rate} {error}"))?;
        let positions = priced.positions.iter().map(|(grant_left, tier_used)| Position {
            grant_left: Quantity::from_quanta(*grant_left),
            tier_used: Quantity::from_quanta(*tier_used),
        });
        let applied = applied(detail);
        Ok(Self { sheet: discounted(sheet, applied)?, rate, positions: positions.collect(), applied })
    }

    /// Of a grant a position has no more than the call took: where that was all of the call, more of it is taken to
    /// have been covered, too.
    pub(crate) fn beyond_the_grant_it_was_in(&self, was: &[(Meter, Quantity)], is: &[(Meter, Quantity)]) -> Self {
        let mut more = self.clone();
        for (position, (was, is)) in more.positions.iter_mut().zip(was.iter().zip(is)) {
            if position.grant_left > Quantity::ZERO && position.grant_left >= was.1 {
                position.grant_left = position.grant_left.max(is.1);
            }
        }
        more
    }

    /// What quantities are charged. Packages and commitments cover what they covered, and no more.
    ///
    /// # Errors
    /// When they can't be.
    pub(crate) fn dollars(&self, quantities: &[(Meter, Quantity)]) -> Result<Money, RepriceError> {
        Ok(self.after_commitments(quantities)?.to_usd(self.rate)?)
    }

    /// The same in the sheet's currency.
    ///
    /// # Errors
    /// When they can't be.
    pub(crate) fn after_commitments(&self, quantities: &[(Meter, Quantity)]) -> Result<Exact, RepriceError> {
        Ok(self.exact(quantities)?.saturating_sub(committed(self.applied)))
    }

    /// Dollars for one unit of the sheet's currency on its day.
    pub(crate) const fn rate(&self) -> ExchangeRate {
        self.rate
    }

    /// Where each line stood when the quantities had been counted. Of a grant that had as much as they took, there is taken
    /// to have been more.
    pub(crate) fn positions_after(&self, quantities: &[(Meter, Quantity)]) -> Vec<Position> {
        let after = |(at, (_, quantity)): (&Position, &(Meter, Quantity))| {
            let covered = at.grant_left.min(*quantity);
            let more = covered == *quantity && covered > Quantity::ZERO;
            let billable = quantity.saturating_sub(covered);
            Position {
                grant_left: if more { Quantity::MAX } else { Quantity::ZERO },
                tier_used: at.tier_used.checked_add(billable).unwrap_or(Quantity::MAX),
            }
        };
        self.positions.iter().zip(quantities).map(after).collect()
    }

    /// What they cost before commitments, in the sheet's currency.
    fn exact(&self, quantities: &[(Meter, Quantity)]) -> Result<Exact, RepriceError> {
        let paid =
            |(meter, quantity): &(Meter, Quantity)| (*meter, quantity.saturating_sub(prepaid(self.applied, *meter)));
        self.sheet.charge_at(quantities.iter().map(paid), &self.positions)
    }
}

type Computed = (ExchangeRate, Vec<RepricedLine>, Money);

fn lines(sheet: &PriceSheet, detail: &Detail<'_>, priced: &Priced<'_>) -> Result<Computed, String> {
    let as_charged = AsCharged::of(sheet, detail, priced)?;
    let quantities = detail.meters.iter().map(|meter| {
        let name = meter.meter.parse::<Meter>().map_err(|error| error.to_string())?;
        Ok((name, Quantity::from_quanta(meter.quanta)))
    });
    let quantities: Vec<(Meter, Quantity)> = quantities.collect::<Result<_, String>>()?;
    let told = |error: RepriceError| format!("it can't be computed: {error}");
    let sum = as_charged.dollars(&quantities).map_err(told)?;
    let line = |(number, quantity): (usize, &(Meter, Quantity))| {
        let free = as_charged.positions.get(number).map_or(Quantity::ZERO, |at| at.grant_left.min(quantity.1));
        let prepaid = prepaid(as_charged.applied, quantity.0);
        let charge = as_charged.exact(&[*quantity]).and_then(|exact| Ok(exact.to_usd(as_charged.rate)?));
        Ok(RepricedLine {
            meter: quantity.0.to_string(),
            quantity: quantity.1.to_string(),
            free: free.to_string(),
            prepaid: (prepaid > Quantity::ZERO).then(|| prepaid.to_string()),
            charge: charge.map_err(told)?.to_string(),
        })
    };
    let lines = quantities.iter().enumerate().map(line).collect::<Result<_, String>>()?;
    Ok((as_charged.rate, lines, sum))
}

/// What adjustments did to the charge.
fn applied<'a>(detail: &'a Detail<'a>) -> &'a [Applied<'a>] {
    detail.adjusted.as_ref().map_or(&[], |adjusted| &adjusted.applied)
}

/// The sheet with the discounts of a receipt taken off, in their order.
fn discounted<'a>(sheet: &'a PriceSheet, applied: &[Applied<'_>]) -> Result<Cow<'a, PriceSheet>, String> {
    applied.iter().try_fold(Cow::Borrowed(sheet), |sheet, applied| match &applied.what {
        What::Discount { off_ppm, meters } => {
            let meters: Result<Vec<Meter>, _> = meters.iter().map(|meter| meter.parse::<Meter>()).collect();
            Ok(Cow::Owned(sheet.into_owned().discounted(*off_ppm, &meters.map_err(|error| error.to_string())?)))
        }
        What::Package { .. } | What::Commitment { .. } => Ok(sheet),
    })
}

/// How much of a meter packages covered.
fn prepaid(applied: &[Applied<'_>], meter: Meter) -> Quantity {
    let covered = applied.iter().filter_map(|applied| match applied.what {
        What::Package { meter: own, quanta } if own == meter.name() => Some(Quantity::from_quanta(quanta)),
        _ => None,
    });
    covered.fold(Quantity::ZERO, |sum, more| sum.checked_add(more).unwrap_or(Quantity::MAX))
}

/// How much commitments covered.
fn committed(applied: &[Applied<'_>]) -> Exact {
    let covered = applied.iter().filter_map(|applied| match applied.what {
        What::Commitment { atto, quanta, .. } => Exact::from_parts(atto, quanta).ok(),
        _ => None,
    });
    covered.fold(Exact::ZERO, |sum, more| sum.checked_add(more).unwrap_or(sum))
}
