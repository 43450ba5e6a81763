//! Databases the broker must not touch: corrupt, foreign, or of a newer Merit. Each is refused with
//! what to do, and left as it was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::support::{Setup, Upstream, Worth, run_to_end, script};

/// Every file under a folder with its bytes.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(contents(&path));
        } else if !path.to_string_lossy().ends_with("-shm") {
            // That one is no data: an index into the log which every reader may make anew.
            files.insert(path.clone(), std::fs::read(&path).expect("a file"));
        }
    }
    files
}

/// A store that a broker has used and left, cleanly or not.
async fn used_store(cleanly: bool) -> Setup {
    let upstream = Upstream::start(script::echoes()).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]);
    let (mut broker, client) = setup.start_with_client().await;
    for _ in 0..20 {
        client.invoke("f", "x").await.expect(200);
    }
    // Answered when everything before it is synced.
    client.set_budget("default", "100").await;
    if cleanly {
        assert!(broker.stop().await.success());
    } else {
        broker.kill().await;
    }
    setup
}

/// Starts the broker, which must refuse with exit code 2, say all of `words`, and change nothing.
async fn refused(setup: &Setup, words: &[&str]) {
    let before = contents(&setup.store());
    let output = run_to_end(&mut setup.command()).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    for word in words {
        assert!(told.contains(word), "`{word}` in {told}");
    }
    let after = contents(&setup.store());
    let changed: Vec<_> =
        before.iter().filter(|(path, bytes)| after.get(*path) != Some(bytes)).map(|(path, _)| path).collect();
    assert!(changed.is_empty(), "changed: {changed:?}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let setup = used_store(true).await;
    std::fs::write(setup.store().join("merit.db"), "these are somebody's notes ".repeat(500)).expect("a file");
    refused(&setup, &["merit.db", "not a Merit database", "move it away"]).await;
}

#[tokio::test]
async fn a_damaged_database_is_refused_and_left_alone() {
    let setup = used_store(true).await;
    let path = setup.store().join("merit.db");
    let mut bytes = std::fs::read(&path).expect("the database");
    for page in bytes.chunks_mut(4096).skip(1) {
        page[..64].fill(0xAA);
    }
    std::fs::write(&path, bytes).expect("the database");
    refused(&setup, &["merit.db", "damaged", "backup"]).await;
}

#[tokio::test]
async fn another_programs_database_is_refused_and_left_alone() {
    let setup = used_store(true).await;
    let path = setup.store().join("merit.db");
    std::fs::remove_file(&path).expect("the database");
    let other = Connection::open(&path).expect("a database");
    other.execute_batch("PRAGMA application_id = 1234; CREATE TABLE songs (title TEXT);").expect("a table");
    other.close().expect("it can be closed");
    refused(&setup, &["merit.db", "not a Merit database", "move it away"]).await;
}

#[tokio::test]
async fn a_newer_merits_database_is_refused_and_left_alone() {
    let setup = used_store(true).await;
    let newer = Connection::open(setup.store().join("merit.db")).expect("the database");
    newer.pragma_update(None, "user_version", 9999).expect("a version");
    newer.pragma_update(None, "journal_mode", "delete").expect("one file");
    newer.close().expect("it can be closed");
    refused(&setup, &["merit.db", "newer", "9999"]).await;
}

#[tokio::test]
async fn a_journal_damaged_in_its_middle_is_refused_and_left_alone() {
    let setup = used_store(false).await;
    let journal = setup.store().join("journal");
    let segment = contents(&journal).into_iter().max_by_key(|(_, bytes)| bytes.len()).expect("a segment").0;
    let mut bytes = std::fs::read(&segment).expect("the segment");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8].fill(0xAA);
    std::fs::write(&segment, bytes).expect("the segment");
    refused(&setup, &["journal"]).await;
}

#[tokio::test]
async fn a_second_broker_on_the_same_store_is_refused_and_the_first_goes_on() {
    let upstream = Upstream::start(script::echoes()).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]);
    let (_broker, client) = setup.start_with_client().await;
    client.invoke("f", "x").await.expect(200);
    let output = run_to_end(&mut setup.command()).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("another"), "{told}");
    client.invoke("f", "x").await.expect(200);
    assert_eq!(client.budget("default").await.spent, "0.02");
}
