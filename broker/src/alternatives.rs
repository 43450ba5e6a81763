//! What the same calls would have cost elsewhere, from the candidates in their receipts.
//!
//! Each answered call's receipt has the expected cost of every deployment at that moment. For
//! each venue these are summed: what the calls were expected to cost, had that venue run them
//! all. Excluded candidates count too, because their price stood. Known limitation: expected
//! costs are compared with expected costs; had a venue really run everything, its own
//! concurrency and cold starts would have been others.

use std::collections::BTreeMap;

use merit_store::record::{ReceiptRow, ReceiptStatus, SpendQuery};
use merit_store::{Store, StoreError};
use merit_units::Money;
use merit_wire::{AlternativeRow, AlternativesReport};

use crate::clock;
use crate::receipt::Detail;

/// Receipts read at a time: about 2 MB.
const PAGE: u32 = 2000;

/// Sums over receipts.
#[derive(Default)]
pub(crate) struct Alternatives {
    calls: u64,
    charged: Money,
    estimate: Money,
    venues: BTreeMap<String, Sum>,
}

#[derive(Default)]
struct Sum {
    calls: u64,
    cost: Money,
}

impl Alternatives {
    /// Sums the answered calls of a period. Reads the disk.
    ///
    /// # Errors
    /// When the database can't be read.
    pub(crate) fn sum(store: &Store, query: &SpendQuery) -> Result<Self, StoreError> {
        store.flush().wait()?;
        let (mut sums, mut after) = (Self::default(), None);
        loop {
            let page = store.receipts_between(query.from..query.to, after, PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(sums) };
            after = Some(*last);
            let asked = |row: &&ReceiptRow| {
                !matches!(row.status, ReceiptStatus::Refused | ReceiptStatus::Correction)
                    && row.venue.is_some()
                    && query.account.as_ref().is_none_or(|account| row.account == *account)
            };
            page.iter().map(|(_, row)| row).filter(asked).for_each(|row| sums.add(row));
        }
    }

    fn add(&mut self, row: &ReceiptRow) {
        let Ok(receipt) = Detail::of(row) else { return };
        self.calls += 1;
        self.charged += row.charge;
        self.estimate += row.estimate;
        for (venue, cost) in cheapest_by_venue(&receipt) {
            let sum = self.venues.entry(venue.to_owned()).or_default();
            sum.calls += 1;
            sum.cost += cost;
        }
    }

    /// As it is reported: venues that had a price for every call first, cheapest first.
    #[must_use]
    pub(crate) fn report(self, query: &SpendQuery) -> AlternativesReport {
        let mut venues: Vec<_> = self.venues.into_iter().collect();
        venues.sort_by_key(|(_, sum)| (std::cmp::Reverse(sum.calls), sum.cost));
        let row = |(venue, sum): (String, Sum)| AlternativeRow { venue, calls: sum.calls, cost: sum.cost.to_string() };
        AlternativesReport {
            from: clock::rfc3339(query.from),
            to: clock::rfc3339(query.to),
            calls: self.calls,
            charged: self.charged.to_string(),
            estimate: self.estimate.to_string(),
            venues: venues.into_iter().map(row).collect(),
        }
    }
}

/// The cheapest candidate of each venue that had a price.
fn cheapest_by_venue<'a>(receipt: &Detail<'a>) -> BTreeMap<&'a str, Money> {
    let mut cheapest: BTreeMap<&str, Money> = BTreeMap::new();
    for candidate in &receipt.candidates {
        let Some(cost) = candidate.cost_pico.map(Money::from_pico) else { continue };
        cheapest.entry(candidate.venue).and_modify(|least| *least = cost.min(*least)).or_insert(cost);
    }
    cheapest
}
