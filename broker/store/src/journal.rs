//! The journal: an append-only record of every accepted ledger command since the last checkpoint.
//!
//! A record is one `write` of 64 bytes, so it is in the system's page cache before the command takes effect and
//! a killed process loses nothing. The writer thread syncs records to disk in groups. Segments
//! are files of about 16 MB; when one is full the ledger is checkpointed into the database and older
//! segments are deleted.
//!
//! Records are numbered through all segments, and each tells how many before it were not yet known to be
//! on disk. So after a power cut, damage among records that were never synced (cut off, as promised) is told
//! apart from damage to records that were (refused).

pub(crate) mod record;
pub(crate) mod scan;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use merit_ledger::Command;

use record::{Entry, RECORD_BYTES, Record, SegmentHeader};

/// The path of a segment in the journal's directory.
pub(crate) fn segment_path(dir: &Path, segment: u64) -> PathBuf {
    dir.join(format!("{segment:010}.log"))
}

/// Creates a segment's file, empty, and makes its name durable.
pub(crate) fn create_segment(dir: &Path, segment: u64) -> io::Result<File> {
    let file = OpenOptions::new().create(true).truncate(true).write(true).open(segment_path(dir, segment))?;
    File::open(dir)?.sync_all()?;
    Ok(file)
}

/// The writing end. Its owner's lock puts records in the order in which their commands take effect.
#[derive(Debug)]
pub(crate) struct Journal {
    file: Arc<File>,
    segment: u64,
    /// The number of the next record.
    sequence: u64,
    /// Bytes written to this segment, without the rest of a failed write.
    bytes: u64,
    /// A write failed half-way: the file may end in a part of a record.
    torn: bool,
    /// Records below this number are known to be on disk.
    synced: Arc<AtomicU64>,
    /// Commands that have taken effect and could not be written yet.
    owed: Vec<Command>,
}

impl Journal {
    /// Begins a segment whose first record will be `sequence`.
    pub(crate) fn begin(file: File, segment: u64, sequence: u64) -> io::Result<Self> {
        (&file).write_all(&SegmentHeader { segment, sequence }.encode())?;
        Ok(Self {
            file: Arc::new(file),
            segment,
            sequence,
            bytes: RECORD_BYTES as u64,
            torn: false,
            synced: Arc::new(AtomicU64::new(sequence)),
            owed: Vec::new(),
        })
    }

    /// Goes on in a new segment. What is owed need not be written: it is part of the checkpoint that follows.
    pub(crate) fn rotate(&mut self, file: File, segment: u64) -> io::Result<()> {
        (&file).write_all(&SegmentHeader { segment, sequence: self.sequence }.encode())?;
        (self.file, self.segment, self.bytes, self.torn) = (Arc::new(file), segment, RECORD_BYTES as u64, false);
        self.owed.clear();
        Ok(())
    }

    /// Writes a command. What was owed is written before it.
    pub(crate) fn append(&mut self, command: &Command) -> io::Result<()> {
        self.pay()?;
        self.write(Entry::Command(*command))
    }

    /// Writes a command that has taken effect whether it can be written or not: a charge, whose money is spent.
    pub(crate) fn append_or_owe(&mut self, command: &Command) {
        if self.append(command).is_err() {
            self.owed.push(*command);
        }
    }

    /// Writes what is owed.
    pub(crate) fn pay(&mut self) -> io::Result<()> {
        while let Some(command) = self.owed.first().copied() {
            self.write(Entry::Command(command))?;
            self.owed.remove(0);
        }
        Ok(())
    }

    /// Writes a record that only tells how far the journal is synced.
    pub(crate) fn mark(&mut self) -> io::Result<()> {
        self.write(Entry::Mark)
    }

    fn write(&mut self, entry: Entry) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.bytes)?;
            io::Seek::seek(&mut &*self.file, io::SeekFrom::Start(self.bytes))?;
            self.torn = false;
        }
        let unsynced = self.sequence.saturating_sub(self.synced.load(Ordering::Acquire));
        let record = Record { sequence: self.sequence, unsynced: u32::try_from(unsynced).unwrap_or(u32::MAX), entry };
        self.torn = true;
        (&*self.file).write_all(&record.encode())?;
        self.torn = false;
        self.bytes += RECORD_BYTES as u64;
        self.sequence += 1;
        Ok(())
    }

    /// Plays a disk that fails, or one that works again.
    #[cfg(test)]
    pub(crate) fn exchange_file(&mut self, file: File) -> File {
        let old = std::mem::replace(&mut self.file, Arc::new(file));
        Arc::into_inner(old).expect("invariant: no sync is under way in these tests")
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn segment(&self) -> u64 {
        self.segment
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// What must be synced for all records so far to be on disk.
    pub(crate) fn to_sync(&self) -> ToSync {
        ToSync { file: Arc::clone(&self.file), sequence: self.sequence, synced: Arc::clone(&self.synced) }
    }
}

/// A sync to be done without the journal's lock.
pub(crate) struct ToSync {
    file: Arc<File>,
    sequence: u64,
    synced: Arc<AtomicU64>,
}

impl ToSync {
    /// Syncs, and lets later records tell so.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()?;
        self.covered();
        Ok(())
    }

    /// The records are on disk, here or as part of a checkpoint.
    pub(crate) fn covered(&self) {
        self.synced.fetch_max(self.sequence, Ordering::AcqRel);
    }
}
