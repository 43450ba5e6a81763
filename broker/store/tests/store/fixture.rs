//! Directories, receipts and short words.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use merit_ledger::{AccountIndex, HoldRequest, VenueAccount};
use merit_store::record::{ReceiptRow, ReceiptStatus};
use merit_store::{Options, Store};
use merit_units::{InvocationId, Micros, Money, Month, Timestamp};
use tempfile::TempDir;

pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);

/// All times.
pub(crate) const EVER: Range<Timestamp> = Timestamp::EPOCH..Timestamp::from_micros(u64::MAX);

pub(crate) fn open(dir: &Path) -> Store {
    Store::open(dir, NOW).unwrap().0
}

pub(crate) fn fresh() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    (dir, store)
}

/// Options with which the journal moves on after every `records` records.
pub(crate) fn segments_of(records: u64) -> Options {
    Options { segment_bytes: 64 * (records + 1), ..Options::default() }
}

pub(crate) fn month() -> Month {
    Month::try_new(2026, 11).unwrap()
}

pub(crate) fn id(number: u64) -> InvocationId {
    InvocationId::v7(NOW.micros() / 1000, u128::from(number))
}

pub(crate) fn pico(pico: i128) -> Money {
    Money::from_pico(pico)
}

/// The account `ada` and a venue.
pub(crate) fn cast(store: &Store) -> (AccountIndex, VenueAccount) {
    let ada = store.open_account(&"ada".parse().unwrap()).wait().unwrap();
    (ada, store.open_venue(&"aws-us-east-1".parse().unwrap()).wait().unwrap())
}

/// Holds one picodollar for each of some invocations.
pub(crate) fn hold(store: &Store, account: AccountIndex, numbers: impl Iterator<Item = u64>) {
    for number in numbers {
        let expires_at = NOW + Micros::from_secs(60);
        let request = HoldRequest { invocation: id(number), account, amount: pico(1), expires_at };
        store.ledger().hold(NOW, month(), &request).unwrap();
    }
}

pub(crate) fn held(store: &Store) -> i128 {
    store.ledger().balance(AccountIndex::new(0), month()).unwrap().held.pico()
}

/// What a killed process would leave behind: the files as they are now, without the lock.
pub(crate) fn as_if_killed(dir: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    fs::create_dir(copy.path().join("journal")).unwrap();
    for part in ["", "journal"] {
        for entry in fs::read_dir(dir.join(part)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                fs::copy(&path, copy.path().join(part).join(path.file_name().unwrap())).unwrap();
            }
        }
    }
    copy
}

/// The journal's segments, ascending.
pub(crate) fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(dir.join("journal")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Every file of a directory with its bytes, to show that nothing was changed.
pub(crate) fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for part in ["", "journal"] {
        let Ok(entries) = fs::read_dir(dir.join(part)) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
            let bytes = fs::read(&path).unwrap();
            // The shared-memory index, an empty log and the lock hold nothing that lasts.
            if !path.to_string_lossy().ends_with("-shm") && !bytes.is_empty() {
                files.push((path, bytes));
            }
        }
    }
    files.sort();
    files
}

pub(crate) fn receipt(number: u64) -> ReceiptRow {
    ReceiptRow {
        id: id(number),
        at: NOW + Micros::new(number),
        function: "thumbnail".parse().unwrap(),
        account: "ada".parse().unwrap(),
        key: "k1".parse().unwrap(),
        status: ReceiptStatus::Ok,
        venue: Some("aws-us-east-1".parse().unwrap()),
        deployment: Some("aws-us-east-1-512".parse().unwrap()),
        charge: pico(100),
        estimate: pico(90),
        explored: pico(3),
        estimated: false,
        duration: Micros::from_millis(12),
        overhead: Micros::new(150),
        tags: vec!["env=prod".parse().unwrap(), "team=search".parse().unwrap()],
        detail: br#"{"candidates":[]}"#.to_vec(),
    }
}
