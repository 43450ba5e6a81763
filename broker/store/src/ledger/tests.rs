//! A journal that cannot be written: a full disk, played by `/dev/full`.

use std::fs::File;
use std::path::Path;

use merit_ledger::{AccountIndex, Budget, HoldRequest, Ledger, VenueAccount};
use merit_units::{InvocationId, Money, Month, Timestamp};
use tempfile::TempDir;

use super::{Books, DurableLedger};
use crate::journal::scan::scan;
use crate::journal::{Journal, create_segment};
use crate::queue::Queue;
use crate::{HoldError, Options};

const ADA: AccountIndex = AccountIndex::new(0);
const VENUE: VenueAccount = VenueAccount::new(0);
const NOW: Timestamp = Timestamp::from_micros(1);

fn month() -> Month {
    Month::try_new(2026, 11).unwrap()
}

fn id(number: u128) -> InvocationId {
    InvocationId::from_bits(number)
}

fn empty() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.open(&"ada".parse().unwrap());
    ledger.open_venue(&"pool".parse().unwrap());
    ledger
}

/// A ledger with a journal of its own, without a writer thread.
fn on_disk() -> (TempDir, DurableLedger) {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::begin(create_segment(dir.path(), 1).unwrap(), 1, 0).unwrap();
    let queue = Queue::new(&Options::default());
    (dir, DurableLedger::new(Books { ledger: empty(), journal }, queue.into()))
}

fn hold(ledger: &DurableLedger, number: u128) -> Result<(), HoldError> {
    let expires_at = Timestamp::from_micros(100);
    let request = HoldRequest { invocation: id(number), account: ADA, amount: Money::from_pico(10), expires_at };
    ledger.hold(NOW, month(), &request).map(drop)
}

/// What a restart would make of the journal.
fn replayed(dir: &Path) -> Ledger {
    let mut ledger = empty();
    let scan = scan(dir, 1, 0).unwrap();
    assert_eq!(scan.cut_bytes, 0);
    for command in &scan.commands {
        ledger.apply(command).unwrap();
    }
    ledger
}

#[test]
fn with_a_full_disk_nothing_new_is_held_and_nothing_spent_is_forgotten() {
    let (dir, ledger) = on_disk();
    for number in 1..=4 {
        hold(&ledger, number).unwrap();
    }
    let disk = ledger.lock().journal.exchange_file(File::options().write(true).open("/dev/full").unwrap());
    assert!(matches!(hold(&ledger, 5), Err(HoldError::Unwritten(_))));
    assert!(matches!(ledger.raise(id(1), Money::from_pico(20)), Err(HoldError::Unwritten(_))));
    assert!(ledger.set_budget(ADA, Budget::UNLIMITED).wait().is_err());
    assert_eq!(ledger.open_holds(), 4, "a hold that was not written was not taken");
    ledger.post(id(1), Money::from_pico(7), VENUE).unwrap();
    ledger.post_attempt(id(2), 0, Money::from_pico(1), VENUE).unwrap();
    ledger.void(id(3)).unwrap();
    assert_eq!(ledger.expire(Timestamp::from_micros(100)), [id(2), id(4)]);
    assert_eq!(ledger.earned(VENUE, month()), Some(Money::from_pico(8)));
    assert_eq!(replayed(dir.path()).open_holds(), 4, "none of it is in the journal yet");

    ledger.lock().journal.exchange_file(disk);
    hold(&ledger, 6).unwrap();
    assert_eq!(replayed(dir.path()).snapshot(), ledger.lock().ledger.snapshot(), "what was owed is written first");
    assert!(ledger.conserved());
}

#[test]
fn a_write_that_was_cut_short_is_written_over() {
    let (dir, ledger) = on_disk();
    hold(&ledger, 1).unwrap();
    let path = crate::journal::segment_path(dir.path(), 1);
    let length = std::fs::metadata(&path).unwrap().len();
    ledger.lock().journal.exchange_file(File::options().write(true).open("/dev/full").unwrap());
    hold(&ledger, 2).unwrap_err();
    // The disk took a part of the record before it was full.
    let disk = File::options().append(true).open(&path).unwrap();
    std::io::Write::write_all(&mut &disk, &[0xAB; 20]).unwrap();
    ledger.lock().journal.exchange_file(File::options().write(true).open(&path).unwrap());
    hold(&ledger, 2).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), length + 64);
    assert_eq!(replayed(dir.path()).open_holds(), 2);
}

#[test]
fn refusals_and_repeats_write_nothing() {
    let (dir, ledger) = on_disk();
    hold(&ledger, 1).unwrap();
    ledger.post(id(1), Money::from_pico(7), VENUE).unwrap();
    let sequence = ledger.lock().journal.sequence();
    assert!(matches!(hold(&ledger, 1), Err(HoldError::Rejected(_))));
    ledger.post(id(1), Money::from_pico(7), VENUE).unwrap();
    ledger.void(id(1)).unwrap_err();
    assert_eq!(ledger.lock().journal.sequence(), sequence);
    assert_eq!(replayed(dir.path()).snapshot(), ledger.lock().ledger.snapshot());
}
