//! From what is on disk to a ledger that may be used: checkpoint, journal, expired holds.
//!
//! Nothing is deleted before the recovered state is committed, so a start that is itself interrupted
//! begins again from the same files.

use std::path::{Path, PathBuf};
use std::{fs, io};

use merit_ledger::{Ledger, Snapshot};
use merit_units::{AccountId, InvocationId, Timestamp, VenueId};
use rusqlite::{Connection, OptionalExtension};

use crate::journal::record::RECORD_BYTES;
use crate::journal::scan::{Scan, scan, segments};
use crate::journal::{Journal, create_segment, segment_path};
use crate::ledger::Books;
use crate::{OpenError, Options, checkpoint, schema};

/// What was found when the store was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Caller accounts known.
    pub accounts: usize,
    /// Journal records replayed since the last checkpoint; none after a clean stop.
    pub replayed: usize,
    /// Bytes of the journal's end that were cut off: records torn by a power cut, and never synced.
    pub cut_bytes: u64,
    /// Holds still open: calls that were running when the broker stopped.
    pub open_holds: usize,
    /// Holds voided because nobody settled them in time.
    pub voided: Vec<InvocationId>,
}

/// Which of the ledger's names `ledger_account.kind` stands for.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Caller = 0,
    Venue = 1,
}

/// Where a checkpoint leaves off.
#[derive(Clone, Copy)]
pub(crate) struct Position {
    pub(crate) segment: u64,
    pub(crate) sequence: u64,
}

/// Brings the ledger to where it was, voids what is due, and begins a new journal segment.
pub(crate) fn recover(
    paths: &Paths,
    connection: &mut Connection,
    now: Timestamp,
    options: &Options,
) -> Result<(Books, Recovered), OpenError> {
    let io = |source| OpenError::Io { action: "write", path: paths.journal.clone(), source };
    let found = segments(&paths.journal).map_err(io)?;
    let (mut ledger, position) = load_checkpoint(&paths.database, connection, options)?;
    let replay = match position {
        Some(Position { segment, sequence }) => scan(&paths.journal, segment, sequence)?,
        // A first start that was interrupted leaves a segment without records.
        None if !has_records(&paths.journal, &found).map_err(io)? => Scan::default(),
        None => return Err(OpenError::DatabaseMissing { dir: paths.dir.clone() }),
    };
    for command in &replay.commands {
        ledger.apply(command).map_err(|error| corrupt(&paths.database, error.to_string()))?;
    }
    if !ledger.conserved() {
        return Err(corrupt(&paths.database, "the ledger's accounts do not sum to zero".to_owned()));
    }
    let voided = ledger.expire(now);
    let recovered = Recovered {
        accounts: ledger.accounts().count(),
        replayed: replay.commands.len(),
        cut_bytes: replay.cut_bytes,
        open_holds: ledger.open_holds(),
        voided,
    };
    let segment = found.last().map_or(1, |last| last + 1);
    let position = Position { segment, sequence: replay.sequence };
    let file = create_segment(&paths.journal, segment).map_err(io)?;
    let journal = Journal::begin(file, segment, replay.sequence).map_err(io)?;
    journal.to_sync().sync().map_err(io)?;
    store_checkpoint(connection, position, &ledger.snapshot())
        .map_err(|error| schema::explain(&paths.database, &error))?;
    delete_segments_before(&paths.journal, segment).map_err(io)?;
    Ok((Books { ledger, journal }, recovered))
}

/// Whether any of the segments is longer than its header.
pub(crate) fn has_records(dir: &Path, segments: &[u64]) -> io::Result<bool> {
    for segment in segments {
        if fs::metadata(segment_path(dir, *segment))?.len() > RECORD_BYTES as u64 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The files of a store.
pub(crate) struct Paths {
    pub(crate) dir: PathBuf,
    pub(crate) database: PathBuf,
    pub(crate) journal: PathBuf,
}

impl Paths {
    pub(crate) fn of(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), database: dir.join("merit.db"), journal: dir.join("journal") }
    }
}

fn corrupt(path: &Path, detail: String) -> OpenError {
    OpenError::Corrupt { path: path.to_owned(), detail }
}

fn load_checkpoint(
    path: &Path,
    connection: &Connection,
    options: &Options,
) -> Result<(Ledger, Option<Position>), OpenError> {
    let refuse = |error: rusqlite::Error| schema::explain(path, &error);
    let accounts: Vec<AccountId> = names(path, connection, Kind::Caller, AccountId::try_new)?;
    let venues: Vec<VenueId> = names(path, connection, Kind::Venue, VenueId::try_new)?;
    let row: Option<(u64, u64, Vec<u8>)> = connection
        .query_row("SELECT segment, sequence, state FROM ledger_checkpoint", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()
        .map_err(refuse)?;
    let (mut ledger, position) = match row {
        None => (Ledger::new(options.settled_window), None),
        Some((segment, sequence, state)) => {
            let ledger = checkpoint::decode(&state, &accounts, &venues)
                .and_then(|snapshot| Ledger::restore(snapshot, options.settled_window))
                .ok_or_else(|| corrupt(path, "the ledger's checkpoint is unreadable".to_owned()))?;
            (ledger, Some(Position { segment, sequence }))
        }
    };
    // Accounts opened after the checkpoint, in the order of their numbers.
    for name in &accounts {
        ledger.open(name);
    }
    for name in &venues {
        ledger.open_venue(name);
    }
    Ok((ledger, position))
}

fn names<Name, E: std::fmt::Display>(
    path: &Path,
    connection: &Connection,
    kind: Kind,
    check: impl Fn(&str) -> Result<Name, E>,
) -> Result<Vec<Name>, OpenError> {
    let refuse = |error: rusqlite::Error| schema::explain(path, &error);
    let mut statement = connection
        .prepare("SELECT number, name FROM ledger_account WHERE kind = ?1 ORDER BY number")
        .map_err(refuse)?;
    let rows = statement
        .query_map([kind as u8], |row| Ok((row.get::<_, usize>(0)?, row.get::<_, String>(1)?)))
        .map_err(refuse)?;
    let mut names = Vec::new();
    for row in rows {
        let (number, name) = row.map_err(refuse)?;
        if number != names.len() {
            return Err(corrupt(path, format!("ledger account {} is missing", names.len())));
        }
        names.push(check(&name).map_err(|error| corrupt(path, error.to_string()))?);
    }
    Ok(names)
}

/// Commits the ledger's state as of the first record of a segment.
pub(crate) fn store_checkpoint(connection: &mut Connection, at: Position, snapshot: &Snapshot) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute(
        "INSERT OR REPLACE INTO ledger_checkpoint (id, segment, sequence, state) VALUES (1, ?1, ?2, ?3)",
        (at.segment, at.sequence, checkpoint::encode(snapshot)),
    )?;
    transaction.commit()
}

/// Deletes segments that a committed checkpoint covers.
pub(crate) fn delete_segments_before(dir: &Path, segment: u64) -> io::Result<()> {
    for old in segments(dir)?.into_iter().filter(|old| *old < segment) {
        fs::remove_file(segment_path(dir, old))?;
    }
    Ok(())
}
