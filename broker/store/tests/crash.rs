//! A process is killed with SIGKILL at random moments, and nothing it was answered is lost.
//!
//! The child prints each operation once it was answered. After the kill the store must stand as after all of these,
//! or one more: the one that was under way.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "crash/workload.rs"]
mod workload;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use merit_ledger::{AccountIndex, Balance, Budget, HoldRequest, HoldState, Ledger, Rejection, VenueAccount};
use merit_store::{Recovered, Store};
use merit_units::{InvocationId, Money};

use workload::{ACCOUNTS, Books, EXPIRY, NOW, VENUES, invocation, month, operation, perform};

const KILLS: u64 = 30;

impl Books for Ledger {
    fn hold(&mut self, request: &HoldRequest) -> bool {
        Ledger::hold(self, NOW, month(), request).is_ok()
    }

    fn raise(&mut self, invocation: InvocationId, to: Money) -> bool {
        Ledger::raise(self, invocation, to).is_ok()
    }

    fn post_attempt(
        &mut self,
        id: InvocationId,
        attempt: u8,
        charge: Money,
        venue: VenueAccount,
    ) -> Result<(), Rejection> {
        Ledger::post_attempt(self, id, attempt, charge, venue).map(drop)
    }

    fn post(&mut self, invocation: InvocationId, charge: Money, venue: VenueAccount) -> Result<(), Rejection> {
        Ledger::post(self, invocation, charge, venue).map(drop)
    }

    fn void(&mut self, invocation: InvocationId) -> Result<(), Rejection> {
        Ledger::void(self, invocation).map(drop)
    }

    fn set_budget(&mut self, account: AccountIndex, budget: Budget) {
        Ledger::set_budget(self, account, budget).unwrap();
    }
}

/// How far the child came: operations it printed, and the last flush.
#[derive(Debug, Default, PartialEq)]
struct Progress {
    done: u64,
    flushed: Option<u64>,
}

/// Runs the child, kills it once it printed `lines` lines, and reads what else it had printed by then.
fn run_and_kill(dir: &Path, seed: u64, lines: u64) -> Progress {
    let mut child = Command::new(env!("CARGO_BIN_EXE_merit-store-crash-child"))
        .arg(dir)
        .arg(seed.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut progress = Progress::default();
    let mut printed = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut read = 0;
    while let Some(Ok(line)) = printed.next() {
        match line.split_once(' ').unwrap() {
            ("done", number) => progress.done = number.parse::<u64>().unwrap() + 1,
            (_, number) => progress.flushed = Some(number.parse().unwrap()),
        }
        read += 1;
        if read == lines {
            child.kill().unwrap();
        }
    }
    assert!(!child.wait().unwrap().success(), "the child runs until it is killed");
    assert!(read >= lines, "the child came as far as line {lines}");
    progress
}

/// What can be asked of both ledgers.
#[derive(Debug, PartialEq)]
struct Standing {
    balances: Vec<Balance>,
    earned: Vec<Money>,
    holds: Vec<HoldState>,
}

fn standing(
    balance: impl Fn(AccountIndex) -> Balance,
    earned: impl Fn(VenueAccount) -> Money,
    holds: Vec<HoldState>,
) -> Standing {
    Standing {
        balances: (0..ACCOUNTS).map(|number| balance(AccountIndex::new(number))).collect(),
        earned: (0..VENUES).map(|number| earned(VenueAccount::new(number))).collect(),
        holds,
    }
}

fn of_model(ledger: &Ledger) -> Standing {
    let earned = |venue| ledger.earned(venue, month()).unwrap();
    standing(|account| ledger.balance(account, month()).unwrap(), earned, ledger.snapshot().holds)
}

fn of_store(store: &Store, seed: u64, operations: u64) -> Standing {
    let ledger = store.ledger();
    // Holds of this seed and of the earlier generations in the same directory.
    let all = (0..=seed).flat_map(|seed| (0..operations).map(move |number| invocation(seed, number)));
    let holds: Vec<_> = all.filter_map(|invocation| ledger.open_hold(invocation)).collect();
    assert_eq!(holds.len(), ledger.open_holds(), "no hold that nobody took");
    let earned = |venue| ledger.earned(venue, month()).unwrap();
    standing(|account| ledger.balance(account, month()).unwrap(), earned, holds)
}

fn reopen(dir: &Path) -> (Store, Recovered) {
    let (store, recovered) = Store::open(dir, NOW).unwrap();
    assert!(store.ledger().conserved());
    assert_eq!(recovered.cut_bytes, 0, "a killed process tears no record that it was answered");
    (store, recovered)
}

#[test]
fn a_killed_process_loses_no_hold_and_no_budget() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(8780);
    let mut model = Ledger::default();
    for number in 0..ACCOUNTS {
        model.open(&format!("account-{number}").parse().unwrap());
    }
    for number in 0..VENUES {
        model.open_venue(&format!("venue-{number}").parse().unwrap());
    }
    let mut longest = 0;
    let mut replayed = 0;
    for seed in 0..KILLS {
        let lines = random.u64(1..1500);
        let progress = run_and_kill(dir.path(), seed, lines);
        for number in 0..progress.done {
            perform(&mut model, operation(seed, number));
        }
        longest = longest.max(progress.done + 1);
        let (store, recovered) = reopen(dir.path());
        replayed += recovered.replayed;
        let found = of_store(&store, seed, longest);
        if found != of_model(&model) {
            perform(&mut model, operation(seed, progress.done));
            assert_eq!(found, of_model(&model), "kill {seed} after {progress:?}");
        }
        for number in 0..=progress.flushed.unwrap_or(0).min(progress.done.saturating_sub(1)) {
            let found = store.receipt(invocation(seed, number)).unwrap();
            assert!(found.is_some() || progress.flushed.is_none(), "receipt {number} was flushed");
        }
    }
    assert!(replayed > 0, "some kill left records to replay");
    expired_holds_are_voided_at_the_next_start(dir.path(), &of_model(&model));
}

fn expired_holds_are_voided_at_the_next_start(dir: &Path, before: &Standing) {
    assert!(!before.holds.is_empty());
    let (store, recovered) = Store::open(dir, EXPIRY).unwrap();
    let open: Vec<_> = before.holds.iter().map(|hold| hold.invocation).collect();
    assert_eq!(recovered.voided, open);
    assert_eq!(store.ledger().open_holds(), 0);
    for (number, earlier) in (0..ACCOUNTS).zip(&before.balances) {
        let balance = store.ledger().balance(AccountIndex::new(number), month()).unwrap();
        assert_eq!((balance.spent, balance.held), (earlier.spent, Money::ZERO));
    }
    assert!(store.ledger().conserved());
}
