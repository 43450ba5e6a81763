//! What the money costs in memory: a hold and its posting, beside the naive ledger in the same run.
//!
//! `cargo bench -p merit-benches --bench ledger`; the figure to stay above: 500,000 hold-and-post pairs a second,
//! that is, under 2 us a pair. The naive ledger is measured while it is nearly empty, which flatters it: it slows
//! down with everything that ever happened.
//!
//! Known limitation: one thread. In the broker a lock is around the ledger, and the journal's write is under it
//! (see the bench `store`).

use std::hint::black_box;

use divan::Bencher;
use divan::counter::ItemsCount;
use merit_ledger::naive::NaiveLedger;
use merit_ledger::{AccountIndex, Budget, HoldRequest, Ledger, VenueAccount};
use merit_load::report;
use merit_units::{AccountId, InvocationId, Money, Month, Timestamp, VenueId};

const ACCOUNTS: u32 = 100;
/// Calls that run at once, and so holds that are open.
const RUNNING: u64 = 1_000;
const NOW: Timestamp = Timestamp::from_micros(1_763_719_200_000_000);
const EXPIRY: Timestamp = Timestamp::from_micros(1_763_720_200_000_000);
const CEILING: Money = Money::from_pico(400_000_000);
const CHARGE: Money = Money::from_pico(2_000_000);

fn main() {
    report::conditions(
        "a hold and its posting in memory; one thread, 100 accounts, 1,000 holds open; goal: 500,000 pairs a second; the baseline is the \
         naive ledger, nearly empty",
    );
    divan::main();
}

fn month() -> Month {
    Month::try_new(2025, 11).expect("a month")
}

/// As the broker makes them: a time, then random bits.
fn invocation(number: u64) -> InvocationId {
    InvocationId::v7(1_763_719_200_000 + number / 30, u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060))
}

fn request(number: u64) -> HoldRequest {
    let account = AccountIndex::new(u32::try_from(number % u64::from(ACCOUNTS)).expect("few accounts"));
    HoldRequest { invocation: invocation(number), account, amount: CEILING, expires_at: EXPIRY }
}

fn account(number: u32) -> AccountId {
    AccountId::try_new(&format!("account-{number}")).expect("a name")
}

const VENUE: VenueAccount = VenueAccount::new(0);
const BUDGET: Budget = Budget { hard: Some(Ledger::MAX_BUDGET), soft: Some(Money::from_units(1_000)) };

fn venue() -> VenueId {
    VenueId::try_new("aws-us-east-1").expect("a name")
}

/// Accounts with budgets, and the holds of the calls that run.
fn ledger(running: u64) -> Ledger {
    let mut ledger = Ledger::default();
    ledger.open_venue(&venue());
    for number in 0..ACCOUNTS {
        let index = ledger.open(&account(number));
        ledger.set_budget(index, BUDGET).expect("in range");
    }
    for number in 0..running {
        ledger.hold(NOW, month(), &request(number)).expect("within budget");
    }
    ledger
}

/// The next call's number, with as many calls settled before it as the ledger remembers: from then on each
/// settlement also forgets one.
fn settle_a_window(ledger: &mut Ledger) -> u64 {
    let end = RUNNING + Ledger::SETTLED_WINDOW as u64;
    for number in RUNNING..end {
        ledger.hold(NOW, month(), &request(number)).expect("within budget");
        ledger.post(invocation(number - RUNNING), CHARGE, VENUE).expect("held");
    }
    end
}

/// One call begins and the oldest that runs ends. Long samples, so that growth of the tables is in them.
#[divan::bench(sample_count = 100, sample_size = 2_000)]
fn hold_and_post(bencher: Bencher<'_, '_>) {
    let mut ledger = ledger(RUNNING);
    let mut number = settle_a_window(&mut ledger);
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        black_box(ledger.hold(NOW, month(), black_box(&request(number)))).expect("within budget");
        black_box(ledger.post(invocation(number - RUNNING), CHARGE, VENUE)).expect("held");
        number += 1;
    });
    assert!(ledger.conserved(), "money is conserved");
}

/// The same, with an attempt that was charged and a raise for the retry in between.
#[divan::bench(sample_count = 100, sample_size = 2_000)]
fn hold_charge_raise_and_post(bencher: Bencher<'_, '_>) {
    let mut ledger = ledger(RUNNING);
    let mut number = settle_a_window(&mut ledger);
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        let ending = invocation(number - RUNNING);
        black_box(ledger.hold(NOW, month(), black_box(&request(number)))).expect("within budget");
        black_box(ledger.post_attempt(ending, 0, CHARGE, VENUE)).expect("held");
        black_box(ledger.raise(ending, CEILING)).expect("within budget");
        black_box(ledger.post(ending, CHARGE, VENUE)).expect("held");
        number += 1;
    });
}

/// What the once-a-second walk costs when a hold is due but most are not.
#[divan::bench(args = [1_000, 10_000])]
fn expire_one_of(bencher: Bencher<'_, '_>, running: u64) {
    let ledger = ledger(running);
    let due = HoldRequest { expires_at: Timestamp::from_micros(NOW.micros() + 1), ..request(running) };
    let with_due = || {
        let mut ledger = ledger.clone();
        ledger.hold(NOW, month(), &due).expect("within budget");
        ledger
    };
    bencher.with_inputs(with_due).bench_local_refs(|ledger| {
        assert_eq!(ledger.expire(due.expires_at).len(), 1);
    });
}

/// What a checkpoint copies while the broker's lock is held: a full memory of settled invocations.
#[divan::bench]
fn snapshot(bencher: Bencher<'_, '_>) {
    let mut ledger = ledger(RUNNING);
    settle_a_window(&mut ledger);
    bencher.bench_local(|| black_box(ledger.snapshot()));
}

/// The naive ledger after 1,000 calls, with as many running: it is rebuilt before it has seen many more.
#[divan::bench(sample_count = 20, sample_size = 20)]
fn naive_hold_and_post(bencher: Bencher<'_, '_>) {
    let mut ledger = NaiveLedger::new(Ledger::SETTLED_WINDOW);
    ledger.open_venue(&venue());
    for number in 0..ACCOUNTS {
        let index = ledger.open(&account(number));
        ledger.set_budget(index, BUDGET).expect("in range");
    }
    for number in 0..2 * RUNNING {
        ledger.hold(NOW, month(), &request(number)).expect("within budget");
        if number >= RUNNING {
            ledger.post(invocation(number - RUNNING), CHARGE, VENUE).expect("held");
        }
    }
    let mut number = 2 * RUNNING;
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        black_box(ledger.hold(NOW, month(), black_box(&request(number)))).expect("within budget");
        black_box(ledger.post(invocation(number - RUNNING), CHARGE, VENUE)).expect("held");
        number += 1;
    });
}
