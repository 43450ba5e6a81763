//! Journals as a kill, a power cut or a bad disk leave them.

use std::fs;
use std::path::Path;

use merit_store::{OpenError, Recovered, Store};
use merit_units::Micros;
use tempfile::TempDir;

use super::fixture::{NOW, as_if_killed, cast, fresh, held, hold, id, open, pico, segments, segments_of};

const RECORD: usize = 64;

/// A killed store with `synced` holds known to be on disk and `unsynced` behind them, in one segment.
fn killed(synced: u64, unsynced: u64) -> TempDir {
    let (dir, store) = fresh();
    let (ada, _) = cast(&store);
    hold(&store, ada, 0..synced);
    store.flush().wait().unwrap();
    hold(&store, ada, synced..synced + unsynced);
    // The writer syncs by itself meanwhile: a copy with more marks in it is taken again until it is as wanted.
    as_if_killed(dir.path())
}

fn recover(dir: &Path) -> (Store, Recovered) {
    let (store, recovered) = Store::open(dir, NOW).unwrap();
    assert!(store.ledger().conserved());
    (store, recovered)
}

fn last_segment(dir: &Path) -> (std::path::PathBuf, Vec<u8>) {
    let path = segments(dir).pop().unwrap();
    let bytes = fs::read(&path).unwrap();
    (path, bytes)
}

#[test]
fn a_kill_loses_nothing_that_was_answered() {
    let dir = killed(50, 50);
    let (store, recovered) = recover(dir.path());
    assert_eq!((recovered.replayed, recovered.open_holds, recovered.cut_bytes), (100, 100, 0));
    assert_eq!(held(&store), 100);
    drop(store);
    assert_eq!(recover(dir.path()).1.replayed, 0, "the first start made a checkpoint");
}

#[test]
fn a_torn_last_record_is_cut_off() {
    for torn_bytes in [1, 31, 63] {
        let dir = killed(50, 0);
        let (path, mut bytes) = last_segment(dir.path());
        // What a power cut may leave of a hold that was never answered.
        bytes.extend_from_within(RECORD..RECORD + torn_bytes);
        fs::write(&path, bytes).unwrap();
        let (store, recovered) = recover(dir.path());
        assert_eq!((recovered.replayed, recovered.cut_bytes), (50, torn_bytes as u64));
        assert_eq!(held(&store), 50);
    }
}

#[test]
fn zeros_at_the_end_are_cut_off() {
    let dir = killed(50, 0);
    let (path, mut bytes) = last_segment(dir.path());
    bytes.extend([0; 3 * RECORD + 10]);
    fs::write(&path, bytes).unwrap();
    let (store, recovered) = recover(dir.path());
    assert_eq!((recovered.replayed, recovered.cut_bytes), (50, 3 * RECORD as u64 + 10));
    assert_eq!(held(&store), 50);
}

#[test]
fn a_journal_cut_anywhere_recovers_what_is_before_the_cut() {
    let whole = killed(20, 0);
    let (path, bytes) = last_segment(whole.path());
    for length in (0..bytes.len()).step_by(37) {
        let dir = as_if_killed(whole.path());
        let path = dir.path().join("journal").join(path.file_name().unwrap());
        fs::write(&path, &bytes[..length]).unwrap();
        let (store, recovered) = recover(dir.path());
        let records = (length / RECORD).saturating_sub(1).min(20);
        assert_eq!(recovered.replayed, records, "cut at byte {length}");
        assert_eq!(held(&store), i128::try_from(records).unwrap());
    }
}

#[test]
fn a_flipped_bit_in_what_was_on_disk_is_refused() {
    let whole = killed(50, 0);
    let (path, bytes) = last_segment(whole.path());
    // Record 51 is the mark that tells that the 50 before it are on disk.
    for record in [1, 2, 25, 49] {
        let dir = as_if_killed(whole.path());
        let path = dir.path().join("journal").join(path.file_name().unwrap());
        let mut damaged = bytes.clone();
        damaged[record * RECORD + 50] ^= 4;
        fs::write(&path, &damaged).unwrap();
        let error = Store::open(dir.path(), NOW).map(|_| ()).unwrap_err();
        let offset = (record * RECORD) as u64;
        assert!(matches!(&error, OpenError::JournalCorrupt { offset: at, .. } if *at == offset), "{error}");
        assert!(error.to_string().contains(&format!("truncate -s {offset}")), "{error}");
        assert_eq!(fs::read(&path).unwrap(), damaged, "left for the person to look at");
        // What the message offers works.
        fs::write(&path, &damaged[..record * RECORD]).unwrap();
        let (store, _) = recover(dir.path());
        assert_eq!(held(&store), i128::try_from(record).unwrap() - 1);
    }
}

#[test]
fn damage_among_what_was_never_synced_is_cut_off() {
    let dir = killed(20, 0);
    let (path, mut bytes) = last_segment(dir.path());
    let synced = bytes.len();
    // After a power cut pages may be on disk out of order: a hole, and a sound record that claims nothing before it.
    bytes.extend([0; RECORD]);
    let mut later = [0; RECORD];
    let records = u64::try_from(synced / RECORD - 1).unwrap();
    later[12..16].copy_from_slice(&2_u32.to_le_bytes());
    later[16..24].copy_from_slice(&(records + 1).to_le_bytes());
    let crc = crc32fast::hash(&later[4..]);
    later[..4].copy_from_slice(&crc.to_le_bytes());
    bytes.extend(later);
    fs::write(&path, &bytes).unwrap();
    let (store, recovered) = recover(dir.path());
    assert_eq!((held(&store), recovered.cut_bytes), (20, 2 * RECORD as u64));
    drop(store);

    // The same record, claiming that what is missing had been on disk.
    let dir = killed(20, 0);
    let (path, mut whole) = last_segment(dir.path());
    later[12..16].copy_from_slice(&0_u32.to_le_bytes());
    let crc = crc32fast::hash(&later[4..]);
    later[..4].copy_from_slice(&crc.to_le_bytes());
    whole.extend([0; RECORD]);
    whole.extend(later);
    fs::write(&path, whole).unwrap();
    assert!(matches!(Store::open(dir.path(), NOW).map(|_| ()).unwrap_err(), OpenError::JournalCorrupt { .. }));
}

#[test]
fn full_segments_are_checkpointed_and_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open_with(dir.path(), NOW, &segments_of(100)).unwrap();
    let (ada, venue) = cast(&store);
    for round in 0..20 {
        hold(&store, ada, round * 100..round * 100 + 100);
        store.flush().wait().unwrap();
    }
    for number in 0..1000 {
        store.ledger().post(id(number), pico(1), venue).unwrap();
    }
    store.flush().wait().unwrap();
    assert_eq!(store.trouble().map(|error| error.to_string()), None);
    assert!(segments(dir.path()).len() <= 2, "{:?}", segments(dir.path()));
    let killed = as_if_killed(dir.path());
    let (store, recovered) = recover(killed.path());
    assert!(recovered.replayed < 1100, "{recovered:?}");
    let balance = store.ledger().balance(ada, super::fixture::month()).unwrap();
    assert_eq!((balance.spent, balance.held), (pico(1000), pico(1000)));
    assert_eq!(store.ledger().post(id(999), pico(1), venue).unwrap().charge, pico(1), "still known to be settled");
}

#[test]
fn a_checkpoint_that_fails_is_tried_again_while_the_journal_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open_with(dir.path(), NOW, &segments_of(100)).unwrap();
    let (ada, _) = cast(&store);
    let other = rusqlite::Connection::open(dir.path().join("merit.db")).unwrap();
    other.execute_batch("ALTER TABLE ledger_checkpoint RENAME TO hidden").unwrap();
    hold(&store, ada, 0..200);
    while store.trouble().is_none() {
        std::thread::yield_now();
    }
    for round in 2..6 {
        hold(&store, ada, round * 100..round * 100 + 100);
        assert!(store.flush().wait().is_err(), "nothing is told to be on disk meanwhile");
    }
    assert!(segments(dir.path()).len() <= 2, "no new segment with each try: {:?}", segments(dir.path()));
    let killed = as_if_killed(dir.path());
    other.execute_batch("ALTER TABLE hidden RENAME TO ledger_checkpoint").unwrap();
    while store.flush().wait().is_err() {}
    assert_eq!(store.trouble().map(|error| error.to_string()), None);
    drop(store);
    assert_eq!(held(&recover(dir.path()).0), 600);

    let other = rusqlite::Connection::open(killed.path().join("merit.db")).unwrap();
    other.execute_batch("ALTER TABLE hidden RENAME TO ledger_checkpoint").unwrap();
    drop(other);
    assert_eq!(held(&recover(killed.path()).0), 600, "nor does a kill in the middle of it lose anything");
}

#[test]
fn a_missing_segment_is_refused_and_an_empty_one_accepted() {
    let dir = killed(5, 5);
    let (path, _) = last_segment(dir.path());
    fs::remove_file(&path).unwrap();
    let error = Store::open(dir.path(), NOW).map(|_| ()).unwrap_err();
    assert!(matches!(&error, OpenError::JournalMissing { path: missing } if *missing == path), "{error}");
    assert!(error.to_string().contains("creating an empty file of that name"), "{error}");
    fs::write(&path, "").unwrap();
    assert_eq!(held(&recover(dir.path()).0), 0, "as the message says, what it held is lost");
}

#[test]
fn segments_left_over_from_before_the_checkpoint_are_ignored() {
    let dir = killed(5, 0);
    let (old, bytes) = last_segment(dir.path());
    drop(open(dir.path()));
    fs::write(&old, bytes).unwrap();
    let (store, recovered) = recover(dir.path());
    assert_eq!((held(&store), recovered.replayed), (5, 0));
    assert!(!old.exists(), "and deleted");
}

#[test]
fn an_expired_hold_is_voided_at_the_start_and_its_late_charge_posted() {
    let dir = killed(3, 0);
    let later = NOW + Micros::from_secs(60);
    let (store, recovered) = Store::open(dir.path(), later).unwrap();
    assert_eq!(recovered.voided, [id(0), id(1), id(2)]);
    assert_eq!((recovered.open_holds, held(&store)), (0, 0));
    let venue = store.ledger().venue("aws-us-east-1").unwrap();
    let killed_again = {
        assert!(store.ledger().post(id(1), pico(1), venue).unwrap().late);
        as_if_killed(dir.path())
    };
    let (store, _) = Store::open(killed_again.path(), later).unwrap();
    assert_eq!(store.ledger().earned(venue, super::fixture::month()), Some(pico(1)));
    assert!(store.ledger().conserved());
}

#[test]
fn budgets_survive() {
    let (dir, store) = fresh();
    let (ada, _) = cast(&store);
    let budget = merit_ledger::Budget { hard: Some(pico(7)), soft: Some(pico(0)) };
    store.ledger().set_budget(ada, budget).wait().unwrap().unwrap();
    let nobody = merit_ledger::AccountIndex::new(9);
    assert!(store.ledger().set_budget(nobody, budget).wait().unwrap().is_err());
    let (store, _) = recover(as_if_killed(dir.path()).path());
    assert_eq!(store.ledger().balance(ada, super::fixture::month()).unwrap().budget, budget);
}
