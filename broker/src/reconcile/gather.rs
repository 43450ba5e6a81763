//! What Merit charged for the calls on a bill, from their receipts, and what the bill makes of each.
//!
//! A bill has one sum for all calls of a service, whoever made them. Merit's share of it is that of its calls: each
//! is taken to have been billed the mean. Within that share each call has the part of it that it had by the own clock, so that
//! a long call stays dearer than a short one. What the new quantities of a call are charged is computed as its charge was:
//! by the sheet of its day, where the month stood, at that day's exchange rate; if the charge had been adjusted, the
//! correction is in proportion.
//!
//! Invariant: receipts are read and never changed. Known limitation: of a call that was tried at several venues, only the
//! last attempt has its quantities on the receipt; charges of the ones before it stay estimates.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use merit_pricing::{Meter, PriceSheet};
use merit_store::record::{ReceiptRow, ReceiptStatus};
use merit_store::{Store, StoreError};
use merit_units::{AccountId, DeploymentId, FunctionId, Money, Quantity, Timestamp, VenueId};

use super::bill::Bill;
use crate::Broker;
use crate::receipt::Detail;
use crate::reprice::AsCharged;

/// Receipts read at a time: about 2 MB.
const PAGE: u32 = 2000;

/// A bill and the deployments it is of.
pub(crate) struct Job {
    pub(crate) bill: Bill,
    pub(crate) places: Vec<Place>,
    /// Before and after, by account and place.
    pub(crate) accounts: BTreeMap<(AccountId, usize), (Money, Money)>,
    /// Calls whose sheet is not kept: they stay as they were charged.
    pub(crate) left: u64,
}

/// One deployment, with what its calls came to.
pub(crate) struct Place {
    pub(crate) function: FunctionId,
    pub(crate) deployment: DeploymentId,
    /// Calls that were charged by the own clock.
    pub(crate) calls: u64,
    /// By meter, in quanta: by the own clock, and by the bill.
    pub(crate) counted: BTreeMap<Meter, u128>,
    pub(crate) billed: BTreeMap<Meter, u128>,
}

impl Job {
    /// Merit's calls.
    pub(crate) fn calls(&self) -> u64 {
        self.places.iter().map(|place| place.calls).sum()
    }

    /// What Merit's calls come to by the bill, in quanta.
    fn share(&self, meter: Meter) -> Option<u128> {
        let billed = self.bill.billed.get(&meter)?.quanta();
        Some(part_of(billed, self.calls().into(), self.bill.calls.into()))
    }
}

/// Counts the calls of jobs that are of one period.
///
/// # Errors
/// When the database can't be read.
pub(crate) fn count(store: &Store, venue: &VenueId, jobs: &mut [Job]) -> Result<(), StoreError> {
    let Some(period) = jobs.first().map(|job| job.bill.period.clone()) else { return Ok(()) };
    let places = index(jobs);
    scan(store, venue, period, |row, detail| {
        let Some(&(job, at)) = place_of(&places, row) else { return };
        let place = &mut jobs[job].places[at];
        place.calls += 1;
        for (meter, quanta) in meters(detail) {
            *place.counted.entry(meter).or_default() += quanta;
        }
    })
}

/// Computes what the calls are charged by their bills. To be called with the same jobs after [`count`].
///
/// # Errors
/// When the database can't be read.
pub(crate) fn charge(broker: &Broker, venue: &VenueId, jobs: &mut [Job]) -> Result<(), StoreError> {
    let Some(period) = jobs.first().map(|job| job.bill.period.clone()) else { return Ok(()) };
    let places = index(jobs);
    let shares: Vec<Shares> = jobs.iter().map(Shares::of).collect();
    let mut sheets = HashMap::new();
    scan(&broker.store, venue, period, |row, detail| {
        let Some(&(job, at)) = place_of(&places, row) else { return };
        let before = detail.attempts.last().map_or(Money::ZERO, |attempt| Money::from_pico(attempt.charge_pico));
        let counted: Vec<(Meter, Quantity)> =
            meters(detail).map(|(meter, quanta)| (meter, Quantity::from_quanta(quanta))).collect();
        let billed = shares[job].bill(&counted);
        let after = sheet_of(broker, &mut sheets, row, detail)
            .and_then(|sheet| after(&sheet, detail, before, &counted, &billed));
        let job = &mut jobs[job];
        job.left += u64::from(after.is_none());
        let sums = job.accounts.entry((row.account.clone(), at)).or_default();
        (sums.0, sums.1) = (sums.0 + before, sums.1 + after.unwrap_or(before));
        for (meter, quantity) in billed {
            *job.places[at].billed.entry(meter).or_default() += quantity.quanta();
        }
    })
}

type Places = HashMap<(FunctionId, DeploymentId), (usize, usize)>;

fn index(jobs: &[Job]) -> Places {
    let places = jobs.iter().enumerate().flat_map(|(job, of)| of.places.iter().enumerate().map(move |at| (job, at)));
    places.map(|(job, (at, place))| ((place.function.clone(), place.deployment.clone()), (job, at))).collect()
}

fn place_of<'a>(places: &'a Places, row: &ReceiptRow) -> Option<&'a (usize, usize)> {
    places.get(&(row.function.clone(), row.deployment.clone()?))
}

/// Every call at a venue in a period that was charged by the own clock.
fn scan(
    store: &Store,
    venue: &VenueId,
    period: Range<Timestamp>,
    mut each: impl FnMut(&ReceiptRow, &Detail<'_>),
) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let page = store.receipts_between(period.clone(), after, PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = Some(*last);
        let here = |row: &&ReceiptRow| row.venue.as_ref() == Some(venue) && row.status != ReceiptStatus::Correction;
        for row in page.iter().map(|(_, row)| row).filter(here) {
            let Ok(detail) = Detail::of(row) else { continue };
            let own_clock = detail.attempts.last().is_some_and(|attempt| attempt.estimated);
            if own_clock && !detail.meters.is_empty() {
                each(row, &detail);
            }
        }
    }
}

fn meters<'a>(detail: &'a Detail<'_>) -> impl Iterator<Item = (Meter, u128)> + 'a {
    detail.meters.iter().filter_map(|meter| Some((meter.meter.parse().ok()?, meter.quanta)))
}

/// For each meter of a bill what Merit's calls come to by it and what they came to by the own clock, in quanta.
struct Shares {
    of: BTreeMap<Meter, (u128, u128)>,
    calls: u64,
}

impl Shares {
    fn of(job: &Job) -> Self {
        let counted = |meter: &Meter| job.places.iter().filter_map(|place| place.counted.get(meter)).sum();
        let of = job.bill.billed.keys().filter_map(|meter| Some((*meter, (job.share(*meter)?, counted(meter)))));
        Self { of: of.collect(), calls: job.calls() }
    }

    /// What a call that came to `counted` by the own clock comes to by the bill.
    fn bill(&self, counted: &[(Meter, Quantity)]) -> Vec<(Meter, Quantity)> {
        let billed = counted.iter().map(|(meter, quantity)| {
            let quanta = match self.of.get(meter) {
                None => quantity.quanta(),
                Some((share, 0)) => share / u128::from(self.calls.max(1)),
                Some((share, all)) => part_of(*share, quantity.quanta(), *all),
            };
            (*meter, Quantity::from_quanta(quanta))
        });
        billed.collect()
    }
}

/// `whole` times `part` through `of`, rounded down. What does not fit loses its last digits: 2^-60 of it.
pub(super) fn part_of(whole: u128, part: u128, of: u128) -> u128 {
    let too_long = (whole.max(1).ilog2() + part.max(1).ilog2() + 2).saturating_sub(u128::BITS);
    let (part, of) = (part >> too_long, (of >> too_long).max(1));
    whole.checked_mul(part).map_or(whole / of * part, |product| product / of)
}

type Sheets = HashMap<(Box<str>, u64), Option<Arc<PriceSheet>>>;

/// The sheet that a call was charged by.
fn sheet_of(broker: &Broker, sheets: &mut Sheets, row: &ReceiptRow, detail: &Detail<'_>) -> Option<Arc<PriceSheet>> {
    let priced = detail.priced.as_ref()?;
    let found = sheets.entry((priced.sheet.into(), priced.seq)).or_insert_with(|| {
        let found = broker.sheet_of(row, priced);
        found.inspect_err(|error| tracing::warn!(%error, sheet = priced.sheet, "can't be read")).ok().flatten()
    });
    found.clone()
}

/// What a call is charged for `billed`, which was charged `before` for `counted`.
fn after(
    sheet: &PriceSheet,
    detail: &Detail<'_>,
    before: Money,
    counted: &[(Meter, Quantity)],
    billed: &[(Meter, Quantity)],
) -> Option<Money> {
    let as_charged = AsCharged::of(sheet, detail, detail.priced.as_ref()?).ok()?;
    let was = as_charged.dollars(counted).ok()?;
    let is = as_charged.beyond_the_grant_it_was_in(counted, billed).dollars(billed).ok()?;
    if was == before || was == Money::ZERO {
        return Some(is);
    }
    before.checked_mul(is.pico()).ok().map(|product| Money::from_pico(product.pico() / was.pico()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_what_does_not_fit_is_nearly_right() {
        assert_eq!(part_of(1_000, 3, 7), 428);
        assert_eq!(part_of(0, 3, 7), 0);
        let (whole, part, of) = (10_u128.pow(24), 10_u128.pow(18), 10_u128.pow(25));
        let right = 10_u128.pow(17);
        assert!(part_of(whole, part, of).abs_diff(right) < right / 1_000_000_000, "{}", part_of(whole, part, of));
    }

    #[test]
    fn parts_add_up_to_the_whole_but_for_a_quantum_each() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..1_000 {
            let whole = random.u128(0..1 << 60);
            let parts: Vec<u128> = (0..random.usize(1..20)).map(|_| random.u128(1..1 << 50)).collect();
            let of: u128 = parts.iter().sum();
            let sum: u128 = parts.iter().map(|part| part_of(whole, *part, of)).sum();
            assert!(sum <= whole && sum + parts.len() as u128 >= whole, "{whole} {parts:?}");
        }
    }
}
