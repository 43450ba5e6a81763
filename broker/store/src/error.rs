//! What can go wrong, for the person who starts the broker and for the broker itself.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use merit_ledger::Rejection;

/// Why a directory was not opened. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file or directory could not be used.
    #[error("cannot {action} {}: {source}; check that the directory exists, is writable and has space", path.display())]
    Io {
        /// What was tried, such as `create`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has it open.
    #[error("another broker is using {}; stop it, or give this one a directory of its own", dir.display())]
    Locked {
        /// The directory.
        dir: PathBuf,
    },
    /// The database is not Merit's.
    #[error("{} is not a Merit database ({found}); move it away or give Merit another directory", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it seems to be.
        found: String,
    },
    /// Written by a later Merit.
    #[error("{} has format {found} and this Merit knows up to {known}; run the Merit that wrote it, or a newer one", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// The database is damaged.
    #[error(
        "{} is damaged ({detail}); keep a copy of the directory, then restore the whole directory from a backup, \
         or recover what is readable with `sqlite3 merit.db .recover`", path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where.
        detail: String,
    },
    /// The journal is damaged before its end: money that was held or spent cannot be read.
    #[error(
        "{} is damaged at byte {offset} ({detail}), and later records are sound; keep a copy of the directory, then \
         restore the whole directory from a backup, or accept the loss of everything after that point: cut the \
         file with `truncate -s {offset}` and delete the journal files with higher numbers", path.display()
    )]
    JournalCorrupt {
        /// The segment.
        path: PathBuf,
        /// Where the first unreadable record begins.
        offset: u64,
        /// What is wrong there.
        detail: String,
    },
    /// A journal segment that the database refers to is gone.
    #[error(
        "{} is missing; restore the whole directory from a backup, or accept the loss of what it held by \
         creating an empty file of that name", path.display()
    )]
    JournalMissing {
        /// The segment.
        path: PathBuf,
    },
    /// There is a journal and no database it belongs to.
    #[error(
        "{} has journal files and no merit.db; restore the whole directory from a backup, or move the journal \
         away to begin with empty accounts", dir.display()
    )]
    DatabaseMissing {
        /// The directory.
        dir: PathBuf,
    },
}

/// Why the store did not do what it was asked while running.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Too much is waiting to be written; ask again shortly.
    #[error("the store's queue is full; ask again shortly")]
    Busy,
    /// The store is closed, or its writer has ended.
    #[error("the store is closed")]
    Closed,
    /// `SQLite` refused.
    #[error("the database refused: {0}; check the disk's space and health")]
    Database(Arc<rusqlite::Error>),
    /// The journal could not be written or synced.
    #[error("the journal cannot be written: {0}; check the disk's space and health")]
    Journal(Arc<io::Error>),
    /// A stored row does not have the form the store writes.
    #[error("a stored {what} is unreadable: {detail}")]
    Unreadable {
        /// The kind of row.
        what: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The query asks for too much.
    #[error("a spend report has at most {max} groupings, and {found} were asked", max = crate::record::SpendQuery::MAX_GROUPS)]
    TooManyGroups {
        /// How many were asked.
        found: usize,
    },
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        Self::Journal(Arc::new(error))
    }
}

/// Why a hold was not taken.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HoldError {
    /// The ledger refused.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// It could not be written, so it was not taken.
    #[error(transparent)]
    Unwritten(StoreError),
}
