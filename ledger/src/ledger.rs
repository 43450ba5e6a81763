//! The ledger itself: accounts, open holds, and the rules by which money moves.
//!
//! Files: this one has the state and what can be read of it; `decide.rs` the rules and their refusals;
//! `apply.rs` the effects; `restore.rs` snapshots.
//!
//! Complexity: every operation is a few hash lookups, whatever the number of accounts, holds and months
//! kept. [`Ledger::expire`] walks the open holds, and only when one may be due. Maps by invocation use a fast
//! seeded hash: ids are the broker's own random numbers, and each call looks itself up about ten times.

mod apply;
mod decide;
mod restore;

use std::collections::HashMap;

use merit_units::{AccountId, InvocationId, Money, Month, Timestamp, VenueId};

use crate::months::Months;
use crate::settled::Settled;
use crate::{AccountIndex, Balance, Budget, HoldState, VenueAccount};

/// A map that every call looks itself up in.
pub(crate) type ByInvocation<T> = HashMap<InvocationId, T, foldhash::fast::RandomState>;

/// Accounts, holds and postings of one currency, US dollars.
#[derive(Clone, Debug)]
pub struct Ledger {
    accounts: Vec<Account>,
    account_names: HashMap<AccountId, AccountIndex>,
    venues: Vec<Venue>,
    venue_names: HashMap<VenueId, VenueAccount>,
    holds: ByInvocation<Hold>,
    settled: Settled,
    /// No open hold expires before this.
    earliest_expiry: Timestamp,
}

#[derive(Clone, Debug)]
struct Account {
    name: AccountId,
    budget: Budget,
    /// Money in less money out, over all time: never positive for a caller.
    balance: Money,
    months: Months,
}

#[derive(Clone, Debug)]
struct Venue {
    name: VenueId,
    /// Money in less money out, over all time: never negative for a venue.
    balance: Money,
    months: Months,
}

#[derive(Clone, Copy, Debug)]
struct Hold {
    account: AccountIndex,
    month: Month,
    asked: Money,
    held: Money,
    expires_at: Timestamp,
    attempts: u32,
}

impl Hold {
    fn state(&self, invocation: InvocationId) -> HoldState {
        let Self { account, month, asked, held, expires_at, attempts } = *self;
        HoldState { invocation, account, month, asked, held, expires_at, attempts }
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new(Self::SETTLED_WINDOW)
    }
}

impl Ledger {
    /// The largest amount of one hold or charge: a quarter of a million dollars. It keeps the charges of all attempts
    /// of an invocation, [`Self::MAX_ATTEMPT`] and the last, inside `i64` picodollars.
    pub const MAX_AMOUNT: Money = Money::from_units(250_000);
    /// The largest correction of one account's charges, up or down: nine million dollars, inside `i64` picodollars.
    pub const MAX_CORRECTION: Money = Money::from_units(9_000_000);
    /// The largest monthly budget: a trillion dollars.
    pub const MAX_BUDGET: Money = Money::from_units(1_000_000_000_000);
    /// The highest attempt number; attempts count from 0.
    pub const MAX_ATTEMPT: u8 = 31;
    /// Settled invocations remembered by default: about 12 MB, and two seconds at 30,000 calls a second.
    pub const SETTLED_WINDOW: usize = 65_536;
    /// Months whose figures are kept apart: a year to compare with, and the current one.
    pub const MONTHS_KEPT: usize = 13;

    /// An empty ledger that remembers the last `settled_window` settled invocations (at least one).
    #[must_use]
    pub fn new(settled_window: usize) -> Self {
        Self {
            accounts: Vec::new(),
            account_names: HashMap::new(),
            venues: Vec::new(),
            venue_names: HashMap::new(),
            holds: ByInvocation::default(),
            settled: Settled::new(settled_window),
            earliest_expiry: Timestamp::from_micros(u64::MAX),
        }
    }

    /// Opens a caller's account without limits, or finds it when it is open already.
    pub fn open(&mut self, name: &AccountId) -> AccountIndex {
        if let Some(index) = self.account_names.get(name) {
            return *index;
        }
        let index = AccountIndex::at(self.accounts.len());
        self.account_names.insert(name.clone(), index);
        let account =
            Account { name: name.clone(), budget: Budget::UNLIMITED, balance: Money::ZERO, months: Months::default() };
        self.accounts.push(account);
        index
    }

    /// Opens a venue's account, or finds it when it is open already.
    pub fn open_venue(&mut self, name: &VenueId) -> VenueAccount {
        if let Some(index) = self.venue_names.get(name) {
            return *index;
        }
        let index = VenueAccount::at(self.venues.len());
        self.venue_names.insert(name.clone(), index);
        self.venues.push(Venue { name: name.clone(), balance: Money::ZERO, months: Months::default() });
        index
    }

    /// A caller's account by name.
    #[must_use]
    pub fn account(&self, name: &str) -> Option<AccountIndex> {
        self.account_names.get(name).copied()
    }

    /// A venue's account by name.
    #[must_use]
    pub fn venue(&self, name: &str) -> Option<VenueAccount> {
        self.venue_names.get(name).copied()
    }

    /// The name of a caller's account.
    #[must_use]
    pub fn account_name(&self, account: AccountIndex) -> Option<&AccountId> {
        self.accounts.get(account.position()).map(|account| &account.name)
    }

    /// The name of a venue's account.
    #[must_use]
    pub fn venue_name(&self, venue: VenueAccount) -> Option<&VenueId> {
        self.venues.get(venue.position()).map(|venue| &venue.name)
    }

    /// All caller accounts in order of opening.
    pub fn accounts(&self) -> impl Iterator<Item = (AccountIndex, &AccountId)> {
        self.accounts.iter().enumerate().map(|(position, account)| (AccountIndex::at(position), &account.name))
    }

    /// An account's budget and how much of the month's is gone; `None` when the account is not open.
    #[must_use]
    pub fn balance(&self, account: AccountIndex, month: Month) -> Option<Balance> {
        self.accounts.get(account.position()).map(|account| account.balance_of(month))
    }

    /// What a venue earned in a month; `None` when its account is not open.
    #[must_use]
    pub fn earned(&self, venue: VenueAccount, month: Month) -> Option<Money> {
        let venue = self.venues.get(venue.position())?;
        Some(venue.months.get(month).map_or(Money::ZERO, |figures| figures.posted))
    }

    /// The invocation's hold, while it is open.
    #[must_use]
    pub fn open_hold(&self, invocation: InvocationId) -> Option<HoldState> {
        self.holds.get(&invocation).map(|hold| hold.state(invocation))
    }

    /// How many holds are open.
    #[must_use]
    pub fn open_holds(&self) -> usize {
        self.holds.len()
    }

    /// Whether no money was made or lost: balances sum to zero, each agrees with its months, and what is
    /// held in each account and month is the sum of its open holds. Walks everything; for tests and checks.
    #[must_use]
    pub fn conserved(&self) -> bool {
        let callers: Money = self.accounts.iter().map(|account| account.balance).sum();
        let venues: Money = self.venues.iter().map(|venue| venue.balance).sum();
        let mut held: HashMap<(AccountIndex, Month), Money> = HashMap::new();
        for hold in self.holds.values() {
            *held.entry((hold.account, hold.month)).or_default() += hold.held;
        }
        callers + venues == Money::ZERO
            && self.accounts.iter().all(|account| account.balance == -account.months.total())
            && self.venues.iter().all(|venue| venue.balance == venue.months.total())
            && self.accounts.iter().enumerate().all(|(position, account)| {
                account.months.kept.iter().all(|figures| {
                    figures.held == held.remove(&(AccountIndex::at(position), figures.month)).unwrap_or_default()
                })
            })
            && held.is_empty()
    }
}

impl Account {
    fn balance_of(&self, month: Month) -> Balance {
        let (spent, held) =
            self.months.get(month).map_or((Money::ZERO, Money::ZERO), |figures| (figures.posted, figures.held));
        Balance { budget: self.budget, spent, held }
    }
}
