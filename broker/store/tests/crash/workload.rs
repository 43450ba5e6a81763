//! What the killed process does, and what the test that kills it computes beside: operation `number` of a
//! `seed` is always the same.

use merit_ledger::{AccountIndex, Budget, HoldRequest, Rejection, VenueAccount};
use merit_units::{InvocationId, Money, Month, Timestamp};

/// Caller accounts, and venues, that take part.
pub(crate) const ACCOUNTS: u32 = 3;
pub(crate) const VENUES: u32 = 2;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    Hold(HoldRequest),
    Raise(InvocationId, Money),
    PostAttempt(InvocationId, u8, Money, VenueAccount),
    Post(InvocationId, Money, VenueAccount),
    Void(InvocationId),
    SetBudget(AccountIndex, Budget),
}

/// What both ledgers can do, the durable one of the child and the plain one of the test. Whether it was accepted.
pub(crate) trait Books {
    fn hold(&mut self, request: &HoldRequest) -> bool;
    fn raise(&mut self, invocation: InvocationId, to: Money) -> bool;
    fn post_attempt(
        &mut self,
        id: InvocationId,
        attempt: u8,
        charge: Money,
        venue: VenueAccount,
    ) -> Result<(), Rejection>;
    fn post(&mut self, invocation: InvocationId, charge: Money, venue: VenueAccount) -> Result<(), Rejection>;
    fn void(&mut self, invocation: InvocationId) -> Result<(), Rejection>;
    fn set_budget(&mut self, account: AccountIndex, budget: Budget);
}

/// Performs an operation; refusals are part of the workload.
pub(crate) fn perform(books: &mut impl Books, operation: Operation) -> bool {
    match operation {
        Operation::Hold(request) => books.hold(&request),
        Operation::Raise(invocation, to) => books.raise(invocation, to),
        Operation::PostAttempt(invocation, attempt, charge, venue) => {
            books.post_attempt(invocation, attempt, charge, venue).is_ok()
        }
        Operation::Post(invocation, charge, venue) => books.post(invocation, charge, venue).is_ok(),
        Operation::Void(invocation) => books.void(invocation).is_ok(),
        Operation::SetBudget(account, budget) => {
            books.set_budget(account, budget);
            true
        }
    }
}

pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);
pub(crate) const EXPIRY: Timestamp = Timestamp::from_micros(2_000_000_000);

pub(crate) fn month() -> Month {
    Month::try_new(2026, 11).expect("a month of the calendar")
}

/// The invocation that hold number `number` of a seed is for.
pub(crate) fn invocation(seed: u64, number: u64) -> InvocationId {
    // In order of seed and number, as the test compares them.
    InvocationId::v7(
        NOW.micros() / 1000 + seed * 100 + number / 1000,
        u128::from(seed) << 12 | u128::from(number % 1000),
    )
}

/// Operation `number`, counted from 0.
pub(crate) fn operation(seed: u64, number: u64) -> Operation {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ number.wrapping_mul(0xD1B5_4A32_D192_ED03));
    let account = AccountIndex::new(random.below(ACCOUNTS));
    let venue = VenueAccount::new(random.below(VENUES));
    let amount = Money::from_pico(i128::from(random.below(1_000_000)));
    let earlier = invocation(seed, number.saturating_sub(u64::from(random.below(60))));
    match random.below(100) {
        0..50 => {
            let invocation = invocation(seed, number);
            Operation::Hold(HoldRequest { invocation, account, amount, expires_at: EXPIRY })
        }
        50..58 => Operation::Raise(earlier, amount),
        58..64 => Operation::PostAttempt(earlier, u8::try_from(random.below(4)).unwrap_or(0), amount, venue),
        64..88 => Operation::Post(earlier, amount, venue),
        88..98 => Operation::Void(earlier),
        _ => {
            let hard = Money::from_pico(i128::from(random.below(2_000_000_000)));
            Operation::SetBudget(account, Budget { hard: Some(hard), soft: None })
        }
    }
}

/// Splitmix64: seeded, and the same in both processes.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        u32::try_from((mixed ^ (mixed >> 31)) % u64::from(bound)).unwrap_or(0)
    }
}
