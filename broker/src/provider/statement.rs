//! What a provider earned in a month, fill by fill, from the receipts.
//!
//! An attempt that was charged is a fill, also one that failed and after which another venue answered. Who called is
//! not told. The ledger's own sum of the month stands beside it: it is kept longer than receipts are.
//!
//! Known limitation: receipts are kept for `store.receipts_retention_days`, and fills can be listed for as long; a million
//! receipts take some seconds, and so one statement is made at a time.

use std::collections::{BTreeMap, VecDeque};

use merit_store::record::ReceiptRow;
use merit_store::{Store, StoreError};
use merit_units::{Money, Month, Timestamp, VenueId};
use merit_wire::{FillView, StatementRow, StatementView};

use crate::clock;
use crate::receipt::{Attempt, Detail};

/// Receipts read at a time: about 2 MB.
const PAGE: u32 = 2000;

/// The sums of a statement.
pub(crate) struct Statement {
    venue: VenueId,
    month: Month,
    fills: u64,
    earned: Money,
    rows: BTreeMap<(String, String, String), (u64, Money)>,
    latest: VecDeque<FillView>,
    keep: usize,
}

impl Statement {
    /// Sums a month, and keeps the newest `keep` fills. Waits for the receipts queued before, then reads the disk.
    ///
    /// # Errors
    /// When the database can't be read.
    pub(crate) fn sum(
        store: &Store,
        venue: VenueId,
        (month, from, to): (Month, Timestamp, Timestamp),
        keep: usize,
    ) -> Result<Self, StoreError> {
        store.flush().wait()?;
        let mut sums =
            Self { venue, month, fills: 0, earned: Money::ZERO, rows: BTreeMap::new(), latest: VecDeque::new(), keep };
        let mut after = None;
        loop {
            let page = store.receipts_between(from..to, after, PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(sums) };
            after = Some(*last);
            page.iter().for_each(|(_, row)| sums.add(row));
        }
    }

    fn add(&mut self, row: &ReceiptRow) {
        let Ok(detail) = Detail::of(row) else { return };
        let own = |attempt: &&Attempt<'_>| attempt.venue == self.venue.as_str() && attempt.charge_pico > 0;
        let fills: Vec<&Attempt<'_>> = detail.attempts.iter().filter(own).collect();
        for attempt in fills {
            let charge = Money::from_pico(attempt.charge_pico);
            self.fills += 1;
            self.earned += charge;
            let day = clock::rfc3339(row.at).chars().take(10).collect();
            let key = (day, row.function.to_string(), attempt.deployment.to_owned());
            let sum = self.rows.entry(key).or_default();
            (sum.0, sum.1) = (sum.0 + 1, sum.1 + charge);
            if self.keep == 0 {
                continue;
            }
            if self.latest.len() == self.keep {
                self.latest.pop_back();
            }
            self.latest.push_front(FillView {
                invocation: row.id.to_string(),
                at: clock::rfc3339(row.at),
                function: row.function.to_string(),
                deployment: attempt.deployment.to_owned(),
                result: attempt.result.to_owned(),
                charge: charge.to_string(),
                estimated: attempt.estimated,
            });
        }
    }

    /// As it is told, with what the ledger has posted, and from when on receipts are kept if that is within the month.
    pub(crate) fn view(self, posted: Option<Money>, complete_from: Option<Timestamp>) -> StatementView {
        let row = |((day, function, deployment), (fills, earned)): (_, (u64, Money))| StatementRow {
            day,
            function,
            deployment,
            fills,
            earned: earned.to_string(),
        };
        StatementView {
            venue: self.venue.to_string(),
            month: self.month.to_string(),
            fills: self.fills,
            earned: self.earned.to_string(),
            posted: posted.map(|posted| posted.to_string()),
            complete_from: complete_from.map(clock::rfc3339),
            rows: self.rows.into_iter().map(row).collect(),
            latest: self.latest.into(),
        }
    }
}
