//! Which directories are opened, and which are refused with what to do, unchanged.

use std::fs;
use std::path::Path;

use merit_store::record::ReceiptStatus;
use merit_store::{OpenError, Recovered, Store};
use rusqlite::Connection;

use super::fixture::{EVER, NOW, as_if_killed, cast, contents, fresh, hold, open, pico, receipt, segments};

/// The refusal, after checking that it left every file as it was.
fn refusal(dir: &Path) -> OpenError {
    let before = contents(dir);
    let error = Store::open(dir, NOW).map(|_| ()).unwrap_err();
    assert!(contents(dir) == before, "refusing changed a file: {error}");
    error
}

/// A closed store with something in every part.
fn used() -> tempfile::TempDir {
    let (dir, store) = fresh();
    let (ada, _) = cast(&store);
    hold(&store, ada, 0..10);
    for number in 0..2000 {
        store.enqueue_receipt(receipt(number)).unwrap();
    }
    store.close().unwrap();
    dir
}

#[test]
fn a_new_directory_is_made_and_a_clean_stop_leaves_nothing_to_replay() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("state/merit");
    let (store, recovered) = Store::open(&inner, NOW).unwrap();
    assert_eq!(recovered, Recovered::default());
    let (ada, _) = cast(&store);
    hold(&store, ada, 0..3);
    store.close().unwrap();
    let (_, recovered) = Store::open(&inner, NOW).unwrap();
    assert_eq!(recovered, Recovered { accounts: 1, open_holds: 3, ..Recovered::default() });
}

#[test]
fn a_closed_database_is_one_file_also_after_queries() {
    let (dir, store) = fresh();
    cast(&store);
    assert_eq!(store.keys().unwrap().len(), 0);
    assert!(dir.path().join("merit.db-wal").exists());
    store.close().unwrap();
    assert!(!dir.path().join("merit.db-wal").exists());
}

#[test]
fn a_second_broker_is_kept_out_until_the_first_is_gone() {
    let (dir, store) = fresh();
    let error = Store::open(dir.path(), NOW).map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }));
    assert!(error.to_string().starts_with("another broker is using"), "{error}");
    let clone = store.clone();
    drop(store);
    assert!(Store::open(dir.path(), NOW).is_err(), "a clone keeps it open");
    drop(clone);
    open(dir.path());
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("merit.db"), "my shopping list, which is quite long and dear to me".repeat(100)).unwrap();
    fs::create_dir(dir.path().join("journal")).unwrap();
    let error = refusal(dir.path());
    assert!(error.to_string().contains("is not a Merit database (it is not an SQLite database)"), "{error}");
}

#[test]
fn another_programs_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let other = Connection::open(dir.path().join("merit.db")).unwrap();
    other.execute_batch("CREATE TABLE songs (title TEXT); PRAGMA user_version = 1").unwrap();
    drop(other);
    let error = refusal(dir.path());
    assert!(matches!(error, OpenError::Foreign { .. }));
    assert!(error.to_string().contains("application_id is 0x00000000, not 0x4d455254"), "{error}");
}

#[test]
fn a_newer_database_is_refused() {
    let dir = used();
    Connection::open(dir.path().join("merit.db")).unwrap().pragma_update(None, "user_version", 8).unwrap();
    let error = refusal(dir.path());
    assert!(matches!(error, OpenError::Newer { found: 8, known: 7, .. }));
    assert!(error.to_string().ends_with("run the Merit that wrote it, or a newer one"), "{error}");
}

#[test]
fn an_older_database_is_brought_up_to_date_and_keeps_what_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("merit.db");
    let older = Connection::open(&path).unwrap();
    older.execute_batch(include_str!("../../src/schema/1.sql")).unwrap();
    older
        .execute_batch(
            "PRAGMA application_id = 0x4D455254; PRAGMA user_version = 1; PRAGMA journal_mode = WAL;
             INSERT INTO api_key VALUES ('k1', zeroblob(32), 'ada', 'invoke', 'old', 5, NULL);
             INSERT INTO deployment VALUES ('thumbnail', 'd1', '{\"venue\":\"pool-dc1\",\"target\":\"t\"}'),
                ('thumbnail', 'odd', 'no JSON');
             INSERT INTO receipt VALUES (9, X'0000000F42407000800000000000002A', 1000000001, 'thumbnail', 'ada', 'k1',
                'function-error', 'pool-dc1', 'd1', 100, 90, 3, 1, 12000, 150, '', '{}');",
        )
        .unwrap();
    drop(older);
    let store = open(dir.path());
    let keys = store.keys().unwrap();
    assert_eq!((keys[0].note.as_str(), &keys[0].sealed_secret), ("old", &None));
    let (_, receipt) = store.receipts_between(EVER, None, 10).unwrap().remove(0);
    assert_eq!((receipt.function.as_str(), receipt.status), ("thumbnail", ReceiptStatus::FunctionError));
    assert_eq!((receipt.venue.unwrap().as_str(), receipt.charge), ("pool-dc1", pico(100)));
    let proofs = store.proofs().unwrap();
    let proof = (proofs[0].deployment.as_str(), proofs[0].venue.as_str(), proofs[0].target.as_str());
    assert_eq!((proofs.len(), proof), (1, ("d1", "pool-dc1", "t")), "who put it said that it is equal");
    store.close().unwrap();
    let version = |path: &Path| -> (u32, Vec<String>) {
        let connection = Connection::open(path).unwrap();
        let version = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        let mut tables = connection.prepare("SELECT name FROM sqlite_schema ORDER BY name").unwrap();
        (version, tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect())
    };
    let (new, fresh) = fresh();
    fresh.close().unwrap();
    assert_eq!(version(&path), version(&new.path().join("merit.db")), "as one that was never older");
    open(dir.path());
}

#[test]
fn a_newer_journal_is_refused() {
    let (dir, store) = fresh();
    let (ada, _) = cast(&store);
    hold(&store, ada, 0..3);
    store.flush().wait().unwrap();
    let killed = as_if_killed(dir.path());
    let segment = segments(killed.path()).pop().unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    bytes[8] = 2;
    let crc = crc32fast::hash(&bytes[..60]);
    bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    fs::write(&segment, bytes).unwrap();
    assert!(matches!(refusal(killed.path()), OpenError::Newer { found: 2, known: 1, .. }));
}

#[test]
fn a_truncated_database_is_refused() {
    let dir = used();
    let path = dir.path().join("merit.db");
    let bytes = fs::read(&path).unwrap();
    for share in [3, 2] {
        fs::write(&path, &bytes[..bytes.len() / share]).unwrap();
        let error = refusal(dir.path());
        assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains("restore the whole directory from a backup"), "{error}");
    }
}

#[test]
fn a_database_damaged_in_the_middle_is_refused() {
    let dir = used();
    let path = dir.path().join("merit.db");
    let sound = fs::read(&path).unwrap();
    assert!(sound.len() > 40 * 4096, "there are pages to damage");
    for page in (1..40).step_by(3) {
        let mut damaged = sound.clone();
        // The head of a page: its kind, free space and cell count.
        damaged[page * 4096..page * 4096 + 16].fill(0xA5);
        fs::write(&path, damaged).unwrap();
        assert!(matches!(refusal(dir.path()), OpenError::Corrupt { .. }), "page {page}");
    }
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let dir = used();
    let database = Connection::open(dir.path().join("merit.db")).unwrap();
    let mut state: Vec<u8> = database.query_row("SELECT state FROM ledger_checkpoint", [], |row| row.get(0)).unwrap();
    state[40] ^= 1;
    database.execute("UPDATE ledger_checkpoint SET state = ?1", [state]).unwrap();
    drop(database);
    let error = refusal(dir.path());
    assert!(error.to_string().contains("the ledger's checkpoint is unreadable"), "{error}");
}

#[test]
fn a_lost_account_is_refused() {
    let dir = used();
    let database = Connection::open(dir.path().join("merit.db")).unwrap();
    database.execute("DELETE FROM ledger_account", []).unwrap();
    drop(database);
    assert!(matches!(refusal(dir.path()), OpenError::Corrupt { .. }));
}

#[test]
fn a_journal_without_its_database_is_refused() {
    let (dir, store) = fresh();
    let (ada, _) = cast(&store);
    hold(&store, ada, 0..3);
    let killed = as_if_killed(dir.path());
    for name in ["merit.db", "merit.db-wal", "merit.db-shm"] {
        fs::remove_file(killed.path().join(name)).unwrap();
    }
    let error = refusal(killed.path());
    assert!(matches!(error, OpenError::DatabaseMissing { .. }), "{error}");
    assert!(!killed.path().join("merit.db").exists(), "no empty database is put in its place");
}

#[test]
fn a_first_start_that_was_interrupted_is_begun_again() {
    let (dir, store) = fresh();
    let killed = as_if_killed(dir.path());
    drop(store);
    for name in ["merit.db", "merit.db-wal", "merit.db-shm"] {
        fs::remove_file(killed.path().join(name)).unwrap();
    }
    let store = open(killed.path());
    cast(&store);
    // Or the database was made and nothing put into it.
    let empty = tempfile::tempdir().unwrap();
    let database = Connection::open(empty.path().join("merit.db")).unwrap();
    database.pragma_update(None, "journal_mode", "WAL").unwrap();
    drop(database);
    cast(&open(empty.path()));
}

#[test]
fn a_directory_that_cannot_be_written_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "in the way").unwrap();
    // Nobody, not even root, makes files in these two.
    for path in [file.as_path(), Path::new("/proc/self")] {
        let error = Store::open(path, NOW).map(|_| ()).unwrap_err();
        assert!(matches!(error, OpenError::Io { action: "create", .. }), "{error:?}");
        assert!(error.to_string().contains("check that the directory exists, is writable and has space"), "{error}");
    }
}
