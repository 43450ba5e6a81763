//! Opening the database file: ours, sound and of a known format, or not at all.
//!
//! Each format is a step from the one before it (`schema/N.sql`). A new database takes all the steps and an older
//! one those it lacks, in one transaction, so that both end the same; an older Merit then refuses it.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::OpenError;

/// `MERT`, in the header of every Merit database (`PRAGMA application_id`).
pub(crate) const APPLICATION_ID: u32 = 0x4D45_5254;

/// The format written here (`PRAGMA user_version`).
pub(crate) const FORMAT: u32 = 7;

/// The steps: the first makes format 1 of an empty database, each of the others a format of the one before.
const STEPS: [&str; FORMAT as usize] = [
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
    include_str!("schema/5.sql"),
    include_str!("schema/6.sql"),
    include_str!("schema/7.sql"),
];

/// Receipts are checked page by page at start up to this size of the database; beyond it that would take
/// seconds, and only the other tables are.
const FULL_CHECK_BYTES: u64 = 256 << 20;

const STATEMENTS_CACHED: usize = 64;

/// Opens the database for writing, or makes it when there is none.
pub(crate) fn open(path: &Path) -> Result<Connection, OpenError> {
    let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let refuse = |error: rusqlite::Error| explain(path, &error);
    if size > 0 {
        // Read-only: even closing a writable connection moves pages from the log into the database.
        let look = open_reader(path).map_err(refuse)?;
        check_identity(path, &look)?;
        check_soundness(path, &look, size)?;
    }
    let mut connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(refuse)?;
    configure(&connection).map_err(refuse)?;
    let found = user_version(&connection).map_err(refuse)?;
    if found == 0 {
        take_steps(&mut connection, found).map_err(refuse)?;
    }
    Ok(connection)
}

/// Opens the database for queries.
pub(crate) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    Ok(connection)
}

fn check_identity(path: &Path, connection: &Connection) -> Result<(), OpenError> {
    let refuse = |error: rusqlite::Error| explain(path, &error);
    let application_id: u32 = connection
        .pragma_query_value(None, "application_id", |row| row.get::<_, i32>(0))
        .map_err(refuse)?
        .cast_unsigned();
    let format = user_version(connection).map_err(refuse)?;
    match (application_id, format) {
        (APPLICATION_ID, 1..=FORMAT) => Ok(()),
        (APPLICATION_ID, found) => Err(OpenError::Newer { path: path.to_owned(), found, known: FORMAT }),
        // The database of a Merit that was stopped while making it: no table yet.
        (0, 0) if is_empty(connection).map_err(refuse)? => Ok(()),
        (other, _) => {
            let found = format!("its application_id is {other:#010x}, not {APPLICATION_ID:#010x}");
            Err(OpenError::Foreign { path: path.to_owned(), found })
        }
    }
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT COUNT(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}

fn user_version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    // Until the ledger is recovered the start may still be refused, and must leave every file as it was.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A commit is on disk. With a thousand rows a commit this costs as much as NORMAL (measured).
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Pages move from the log into the database in pieces of 16 MB: fewer, longer writes than the default 4.
    connection.pragma_update(None, "wal_autocheckpoint", 4096)?;
    connection.pragma_update(None, "cache_size", -16_384)
}

/// From now on a closed database is one file: its log is moved into it.
pub(crate) fn accept(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map(drop)
}

/// Brings a database of an earlier format to this one. Only once the start is sure: one that is refused leaves every
/// file as it was.
pub(crate) fn bring_up_to_date(connection: &mut Connection) -> rusqlite::Result<()> {
    let found = user_version(connection)?;
    if found < FORMAT { take_steps(connection, found) } else { Ok(()) }
}

fn take_steps(connection: &mut Connection, found: u32) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for step in &STEPS[found as usize..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()
}

fn check_soundness(path: &Path, connection: &Connection, size: u64) -> Result<(), OpenError> {
    let refuse = |error: rusqlite::Error| explain(path, &error);
    let tables = if size <= FULL_CHECK_BYTES { vec![None] } else { small_tables(connection).map_err(refuse)? };
    for table in tables {
        let check =
            table.map_or_else(|| "PRAGMA quick_check(1)".to_owned(), |name| format!("PRAGMA quick_check({name})"));
        let verdict: String = connection.query_row(&check, [], |row| row.get(0)).map_err(refuse)?;
        if verdict != "ok" {
            return Err(OpenError::Corrupt { path: path.to_owned(), detail: verdict });
        }
    }
    Ok(())
}

fn small_tables(connection: &Connection) -> rusqlite::Result<Vec<Option<String>>> {
    let mut names = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'receipt'")?;
    names.query_map([], |row| row.get(0))?.collect()
}

/// What `SQLite`'s refusal to open means for the person who started the broker.
pub(crate) fn explain(path: &Path, error: &rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::Foreign { path, found: "it is not an SQLite database".to_owned() },
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::DiskFull) => {
            OpenError::Io { action: "open", path, source: std::io::Error::other(error.to_string()) }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            OpenError::Locked { dir: path.parent().map_or_else(|| path.clone(), Path::to_owned) }
        }
        _ => OpenError::Corrupt { path, detail: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kill shows nothing of it: what a dead process wrote stays with the system. Only a lost machine would.
    #[test]
    fn a_commit_is_on_disk_before_it_is_answered() {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join("merit.db")).unwrap();
        configure(&connection).unwrap();
        let text = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, String>(0)).unwrap();
        let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!((text("journal_mode").as_str(), number("synchronous")), ("wal", 2), "2 is FULL");
    }
}
