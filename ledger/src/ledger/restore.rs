//! Snapshots: the state as plain values, and a ledger from them.

use merit_units::{Money, Timestamp};

use super::{Account, Hold, Ledger, Venue};
use crate::months::{Figures, Months};
use crate::settled::Settled;
use crate::{AccountIndex, AccountState, MonthState, Snapshot, VenueAccount, VenueState};

impl Ledger {
    /// Everything the ledger knows.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut holds: Vec<_> = self.holds.iter().map(|(invocation, hold)| hold.state(*invocation)).collect();
        holds.sort_unstable_by_key(|hold| hold.invocation);
        Snapshot {
            accounts: self
                .accounts
                .iter()
                .map(|Account { name, budget, months, .. }| AccountState {
                    name: name.clone(),
                    budget: *budget,
                    earlier: months.earlier,
                    months: posted(months),
                })
                .collect(),
            venues: self
                .venues
                .iter()
                .map(|Venue { name, months, .. }| VenueState {
                    name: name.clone(),
                    earlier: months.earlier,
                    months: posted(months),
                })
                .collect(),
            holds,
            settled: self.settled.iter().copied().collect(),
        }
    }

    /// A ledger in the state of a snapshot, remembering the last `settled_window` settled invocations.
    ///
    /// The result is whatever the snapshot says: check [`Self::conserved`] when it comes from outside.
    /// `None` when a hold or settlement names an account that the snapshot does not have.
    #[must_use]
    pub fn restore(snapshot: Snapshot, settled_window: usize) -> Option<Self> {
        let mut ledger = Self::new(settled_window);
        for AccountState { name, budget, earlier, months } in snapshot.accounts {
            let months = figures(earlier, months);
            let balance = -months.total();
            let index = AccountIndex::at(ledger.accounts.len());
            ledger.account_names.insert(name.clone(), index);
            ledger.accounts.push(Account { name, budget, balance, months });
        }
        for VenueState { name, earlier, months } in snapshot.venues {
            let months = figures(earlier, months);
            let balance = months.total();
            let index = VenueAccount::at(ledger.venues.len());
            ledger.venue_names.insert(name.clone(), index);
            ledger.venues.push(Venue { name, balance, months });
        }
        ledger.settled = Settled::new(settled_window);
        for settled in snapshot.settled {
            ledger.account_name(settled.account)?;
            ledger.settled.remember(settled);
        }
        ledger.holds.reserve(snapshot.holds.len());
        for hold in snapshot.holds {
            let account = ledger.accounts.get_mut(hold.account.position())?;
            account.months.entry(hold.month).held += hold.held;
            ledger.earliest_expiry = Timestamp::min(ledger.earliest_expiry, hold.expires_at);
            let invocation = hold.invocation;
            let crate::HoldState { account, month, asked, held, expires_at, attempts, .. } = hold;
            ledger.holds.insert(invocation, Hold { account, month, asked, held, expires_at, attempts });
        }
        Some(ledger)
    }
}

fn posted(months: &Months) -> Vec<MonthState> {
    let spent = months.kept.iter().filter(|figures| figures.posted != Money::ZERO);
    spent.map(|figures| MonthState { month: figures.month, posted: figures.posted }).collect()
}

fn figures(earlier: Money, months: Vec<MonthState>) -> Months {
    let kept = months.into_iter().map(|MonthState { month, posted }| Figures { month, posted, held: Money::ZERO });
    Months { earlier, kept: kept.collect() }
}
