//! A long seeded stream of operations, good and bad, through both ledgers at once.
//!
//! After every operation both gave the same answer, money is conserved and no hard budget is overspent; every
//! hundred operations the whole states are equal, and so is a ledger that replays the commands from a snapshot.

use crate::naive::NaiveLedger;
use crate::{AccountIndex, Budget, Command, HoldRequest, Ledger, VenueAccount};
use merit_units::{InvocationId, Money, Timestamp};

use super::books::{Books, at, cents, id, month, sides_agree};

const ROUNDS: u64 = 25;
const OPERATIONS: u64 = 10_000;
/// Small, so that repeats hit settled, forgotten and open invocations alike.
const STREAM_WINDOW: usize = 64;
const ACCOUNTS: u32 = 6;
const VENUES: u32 = 4;

#[derive(Clone, Copy, Debug)]
enum Operation {
    Hold(HoldRequest, u8),
    Raise(InvocationId, Money),
    PostAttempt(InvocationId, u8, Money, VenueAccount),
    Post(InvocationId, Money, VenueAccount),
    Void(InvocationId),
    Correct(InvocationId, AccountIndex, u8, Money, VenueAccount),
    SetBudget(AccountIndex, Budget),
    Expire,
}

struct Workload {
    random: fastrand::Rng,
    now: u64,
    newest: u64,
}

impl Workload {
    fn next(&mut self) -> Operation {
        self.now += self.random.u64(0..3);
        match self.random.u32(0..100) {
            0..40 => self.hold(),
            40..50 => Operation::Raise(self.invocation(), self.amount(20)),
            50..60 => Operation::PostAttempt(self.invocation(), self.random.u8(0..34), self.amount(6), self.venue()),
            60..84 => Operation::Post(self.invocation(), self.amount(10), self.venue()),
            84..91 => Operation::Void(self.invocation()),
            91..94 => self.correct(),
            94..97 => Operation::SetBudget(self.account(), Budget { hard: self.limit(), soft: self.limit() }),
            _ => Operation::Expire,
        }
    }

    fn hold(&mut self) -> Operation {
        let repeated = self.random.u32(0..10) == 0;
        let invocation = if repeated {
            self.invocation()
        } else {
            self.newest += 1;
            id(u128::from(self.newest))
        };
        let expires_at = at((self.now + self.random.u64(0..200)).saturating_sub(3));
        let request = HoldRequest { invocation, account: self.account(), amount: self.amount(12), expires_at };
        // Months pass, and the clock is now and then a little behind.
        let month = 1 + (self.now / 4000).min(11).saturating_sub(u64::from(self.random.u32(0..20) == 0));
        Operation::Hold(request, u8::try_from(month).unwrap())
    }

    fn correct(&mut self) -> Operation {
        let amount = self.amount(8);
        let amount = if self.random.bool() { -amount } else { amount };
        let month = u8::try_from(1 + (self.now / 4000).min(11)).unwrap();
        Operation::Correct(self.invocation(), self.account(), month, amount, self.venue())
    }

    /// A recent one mostly, sometimes one long forgotten or never seen.
    fn invocation(&mut self) -> InvocationId {
        let back = if self.random.u32(0..10) == 0 { self.random.u64(0..400) } else { self.random.u64(0..40) };
        id(u128::from((self.newest + 2).saturating_sub(back)))
    }

    fn amount(&mut self, cents_max: i128) -> Money {
        match self.random.u32(0..200) {
            0 => Money::from_pico(-1),
            1 => Ledger::MAX_AMOUNT + Money::from_pico(1),
            2..10 => Money::ZERO,
            _ => Money::from_pico(self.random.i128(0..cents(cents_max).pico())),
        }
    }

    fn limit(&mut self) -> Option<Money> {
        (self.random.u32(0..4) > 0).then(|| cents(self.random.i128(0..2000)))
    }

    fn account(&mut self) -> AccountIndex {
        AccountIndex::new(self.random.u32(0..=ACCOUNTS))
    }

    fn venue(&mut self) -> VenueAccount {
        VenueAccount::new(self.random.u32(0..=VENUES))
    }
}

/// The answer as text, for comparing and for the message when they differ.
fn perform(books: &mut impl Books, operation: Operation, now: Timestamp) -> String {
    match operation {
        Operation::Hold(request, number) => format!("{:?}", books.hold(now, month(number), &request)),
        Operation::Raise(invocation, to) => format!("{:?}", books.raise(invocation, to)),
        Operation::PostAttempt(invocation, attempt, charge, venue) => {
            format!("{:?}", books.post_attempt(invocation, attempt, charge, venue))
        }
        Operation::Post(invocation, charge, venue) => format!("{:?}", books.post(invocation, charge, venue)),
        Operation::Void(invocation) => format!("{:?}", books.void(invocation)),
        Operation::Correct(correction, account, number, amount, venue) => {
            format!("{:?}", books.correct(correction, account, month(number), amount, venue))
        }
        Operation::SetBudget(account, budget) => format!("{:?}", books.set_budget(account, budget)),
        Operation::Expire => format!("{:?}", books.expire(now)),
    }
}

/// What the operation would write to a journal.
fn commands(ledger: &Ledger, operation: Operation, now: Timestamp) -> Vec<Command> {
    let one = match operation {
        Operation::Hold(request, number) => ledger.decide_hold(now, month(number), &request).map(|it| it.command),
        Operation::Raise(invocation, to) => ledger.decide_raise(invocation, to).map(|it| it.command),
        Operation::PostAttempt(invocation, attempt, charge, venue) => {
            ledger.decide_post_attempt(invocation, attempt, charge, venue).map(|it| it.command)
        }
        Operation::Post(invocation, charge, venue) => {
            ledger.decide_post(invocation, charge, venue).map(|it| it.command)
        }
        Operation::Void(invocation) => ledger.decide_void(invocation).map(|it| it.command),
        Operation::Correct(correction, account, number, amount, venue) => {
            ledger.decide_correct(correction, account, month(number), amount, venue).map(|it| it.command)
        }
        Operation::SetBudget(account, budget) => ledger.decide_set_budget(account, budget).map(|it| it.command),
        Operation::Expire => return ledger.clone().decide_expire(now),
    };
    one.ok().flatten().into_iter().collect()
}

fn open_all(books: &mut impl Books) {
    for number in 0..ACCOUNTS {
        books.open(&format!("account-{number}").parse().unwrap());
    }
    for number in 0..VENUES {
        books.open_venue(&format!("venue-{number}").parse().unwrap());
    }
}

#[test]
fn a_long_stream_leaves_both_ledgers_alike() {
    let (mut accepted, mut refused) = (0_u64, 0_u64);
    for seed in 0..ROUNDS {
        let mut workload = Workload { random: fastrand::Rng::with_seed(seed), now: 1, newest: 0 };
        let mut fast = Ledger::new(STREAM_WINDOW);
        let mut naive = NaiveLedger::new(STREAM_WINDOW);
        open_all(&mut fast);
        open_all(&mut naive);
        let mut replayed = fast.clone();
        for number in 0..OPERATIONS {
            let operation = workload.next();
            let now = at(workload.now);
            for command in commands(&fast, operation, now) {
                replayed.apply(&command).unwrap();
            }
            let answer = perform(&mut fast, operation, now);
            assert_eq!(answer, perform(&mut naive, operation, now), "seed {seed}, operation {number}: {operation:?}");
            assert!(fast.conserved(), "seed {seed}, operation {number}: {operation:?}");
            let counter = if answer.starts_with("Err") { &mut refused } else { &mut accepted };
            *counter += 1;
            if number % 100 == 0 {
                let state = fast.snapshot();
                assert_eq!(state, naive.snapshot(), "seed {seed}, operation {number}");
                assert_eq!(state, replayed.snapshot(), "seed {seed}, operation {number}: replay");
                assert!(sides_agree(&state));
                replayed = Ledger::restore(state, STREAM_WINDOW).unwrap();
                assert!(replayed.conserved());
            }
        }
    }
    assert_eq!(accepted + refused, ROUNDS * OPERATIONS);
    assert!(accepted > ROUNDS * OPERATIONS / 3 && refused > ROUNDS * OPERATIONS / 10, "{accepted} {refused}");
}
