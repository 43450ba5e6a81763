//! One interface over both ledgers, and short words for what the tests say.

use crate::naive::NaiveLedger;
use crate::{
    AccountIndex, Balance, Budget, Held, HoldRequest, Ledger, Posted, Rejection, Snapshot, VenueAccount, Voided,
};
use merit_units::{AccountId, InvocationId, Money, Month, Timestamp, VenueId};

/// Settled invocations remembered in the suite: few, so that forgetting is tested too.
pub(crate) const WINDOW: usize = 8;

macro_rules! books {
    ($($(#[$doc:meta])* fn $name:ident(&mut self $(, $arg:ident: $type:ty)*) -> $out:ty;)*) => {
        /// A ledger under test.
        pub(crate) trait Books {
            $($(#[$doc])* fn $name(&mut self $(, $arg: $type)*) -> $out;)*
            fn balance_of(&self, account: AccountIndex, month: Month) -> Option<Balance>;
            fn state(&self) -> Snapshot;
            fn sums_up(&self) -> bool;
        }

        impl Books for Ledger {
            $(fn $name(&mut self $(, $arg: $type)*) -> $out { self.$name($($arg),*) })*
            fn balance_of(&self, account: AccountIndex, month: Month) -> Option<Balance> { self.balance(account, month) }
            fn state(&self) -> Snapshot { self.snapshot() }
            fn sums_up(&self) -> bool { self.conserved() }
        }

        impl Books for NaiveLedger {
            $(fn $name(&mut self $(, $arg: $type)*) -> $out { self.$name($($arg),*) })*
            fn balance_of(&self, account: AccountIndex, month: Month) -> Option<Balance> { self.balance(account, month) }
            fn state(&self) -> Snapshot { self.snapshot() }
            // It derives every figure from the same lists, so only the two sides can differ.
            fn sums_up(&self) -> bool { sides_agree(&self.snapshot()) }
        }
    };
}

books! {
    fn open(&mut self, name: &AccountId) -> AccountIndex;
    fn open_venue(&mut self, name: &VenueId) -> VenueAccount;
    fn hold(&mut self, now: Timestamp, month: Month, request: &HoldRequest) -> Result<Held, Rejection>;
    fn raise(&mut self, invocation: InvocationId, to: Money) -> Result<Held, Rejection>;
    fn post_attempt(&mut self, invocation: InvocationId, attempt: u8, charge: Money, venue: VenueAccount) -> Result<Posted, Rejection>;
    fn post(&mut self, invocation: InvocationId, charge: Money, venue: VenueAccount) -> Result<Posted, Rejection>;
    fn void(&mut self, invocation: InvocationId) -> Result<Voided, Rejection>;
    fn correct(&mut self, correction: InvocationId, account: AccountIndex, month: Month, amount: Money, venue: VenueAccount) -> Result<Posted, Rejection>;
    fn set_budget(&mut self, account: AccountIndex, budget: Budget) -> Result<(), Rejection>;
    fn expire(&mut self, now: Timestamp) -> Vec<InvocationId>;
}

/// What callers spent is what venues earned.
pub(crate) fn sides_agree(state: &Snapshot) -> bool {
    let spent: Money = state.accounts.iter().flat_map(|account| &account.months).map(|month| month.posted).sum();
    let earned: Money = state.venues.iter().flat_map(|venue| &venue.months).map(|month| month.posted).sum();
    spent == earned
}

pub(crate) fn cents(cents: i128) -> Money {
    Money::from_pico(cents * Money::PICO_PER_UNIT / 100)
}

pub(crate) fn at(second: u64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

pub(crate) fn id(number: u128) -> InvocationId {
    InvocationId::from_bits(number)
}

pub(crate) fn month(month: u8) -> Month {
    Month::try_new(2026, month).expect("a month of the calendar")
}

pub(crate) const fn hard(limit: Money) -> Budget {
    Budget { hard: Some(limit), soft: None }
}

/// A request that expires at second 100.
pub(crate) fn request(number: u128, account: AccountIndex, amount: Money) -> HoldRequest {
    HoldRequest { invocation: id(number), account, amount, expires_at: at(100) }
}

/// An account `ada` and a venue, the cast of most tests.
pub(crate) fn cast(books: &mut impl Books) -> (AccountIndex, VenueAccount) {
    (books.open(&"ada".parse().expect("a name")), books.open_venue(&"aws-us-east-1".parse().expect("a name")))
}
