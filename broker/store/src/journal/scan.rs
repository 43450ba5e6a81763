//! Reading the journal back at start.

use std::path::{Path, PathBuf};
use std::{fs, io};

use merit_ledger::Command;

use super::record::{Damage, Entry, FORMAT, HeaderDamage, RECORD_BYTES, Record, SegmentHeader};
use super::segment_path;
use crate::OpenError;

/// What the journal says.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) commands: Vec<Command>,
    /// The number the next record gets.
    pub(crate) sequence: u64,
    /// Bytes behind the last sound record that were cut off: records that were never synced to disk.
    pub(crate) cut_bytes: u64,
}

/// Where the first unreadable record is.
struct Bad {
    path: PathBuf,
    offset: u64,
    sequence: u64,
    detail: String,
}

struct Scanner {
    scan: Scan,
    bad: Option<Bad>,
}

/// The numbers of the segments in the directory, ascending.
pub(crate) fn segments(dir: &Path) -> io::Result<Vec<u64>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".log")).and_then(|stem| stem.parse().ok());
        segments.extend::<Option<u64>>(number);
    }
    segments.sort_unstable();
    Ok(segments)
}

/// Reads all records from number `sequence` on, which is the first of segment `first`.
///
/// # Errors
/// When a segment is missing, from a later format, or damaged where it was known to be on disk.
pub(crate) fn scan(dir: &Path, first: u64, sequence: u64) -> Result<Scan, OpenError> {
    let io = |path: &Path, source| OpenError::Io { action: "read", path: path.to_owned(), source };
    let mut scanner = Scanner { scan: Scan { sequence, ..Scan::default() }, bad: None };
    let segments = segments(dir).map_err(|source| io(dir, source))?;
    let mut expected = first;
    for segment in segments.into_iter().filter(|segment| *segment >= first) {
        if segment != expected {
            break;
        }
        let path = segment_path(dir, segment);
        let bytes = fs::read(&path).map_err(|source| io(&path, source))?;
        scanner.segment(&path, segment, &bytes)?;
        expected += 1;
    }
    let last = segments_after(dir, expected).map_err(|source| io(dir, source))?;
    if expected == first || last {
        return Err(OpenError::JournalMissing { path: segment_path(dir, expected) });
    }
    Ok(scanner.scan)
}

fn segments_after(dir: &Path, segment: u64) -> io::Result<bool> {
    Ok(segments(dir)?.last().is_some_and(|last| *last > segment))
}

impl Scanner {
    fn segment(&mut self, path: &Path, segment: u64, bytes: &[u8]) -> Result<(), OpenError> {
        let (chunks, rest) = bytes.as_chunks::<RECORD_BYTES>();
        match chunks.first().map(SegmentHeader::decode) {
            Some(Ok(header)) if header.segment == segment && header.sequence == self.scan.sequence => {}
            Some(Ok(header)) => {
                self.damaged(path, 0, format!("it says it is segment {} from {}", header.segment, header.sequence));
            }
            Some(Err(HeaderDamage::Newer(found))) => return Err(newer(path, found)),
            Some(Err(HeaderDamage::Damaged)) => self.damaged(path, 0, "its header is unreadable".to_owned()),
            None => self.damaged(path, 0, "it has no header".to_owned()),
        }
        for (position, chunk) in chunks.iter().enumerate().skip(1) {
            self.record(path, (position * RECORD_BYTES) as u64, chunk)?;
        }
        if !rest.is_empty() {
            self.damaged(path, (chunks.len() * RECORD_BYTES) as u64, "a record is cut short".to_owned());
            self.scan.cut_bytes += rest.len() as u64;
        }
        Ok(())
    }

    fn record(&mut self, path: &Path, offset: u64, chunk: &[u8; RECORD_BYTES]) -> Result<(), OpenError> {
        match Record::decode(chunk) {
            Err(Damage::Unknown) => return Err(newer(path, FORMAT + 1)),
            Err(Damage::Checksum) => self.damaged(path, offset, "a record's checksum does not match".to_owned()),
            Ok(record) if self.bad.is_none() && record.sequence == self.scan.sequence => {
                self.scan.sequence += 1;
                if let Entry::Command(command) = record.entry {
                    self.scan.commands.push(command);
                }
                return Ok(());
            }
            Ok(record) => {
                self.damaged(path, offset, format!("record {} is missing", self.scan.sequence));
                self.refuse_if_synced(&record)?;
            }
        }
        self.scan.cut_bytes += RECORD_BYTES as u64;
        Ok(())
    }

    /// Remembers the first damage.
    fn damaged(&mut self, path: &Path, offset: u64, detail: String) {
        let sequence = self.scan.sequence;
        self.bad.get_or_insert_with(|| Bad { path: path.to_owned(), offset, sequence, detail });
    }

    /// A sound record behind the damage may tell that what is damaged had been on disk.
    fn refuse_if_synced(&self, later: &Record) -> Result<(), OpenError> {
        match &self.bad {
            Some(bad) if later.sequence.saturating_sub(u64::from(later.unsynced)) > bad.sequence => {
                Err(OpenError::JournalCorrupt {
                    path: bad.path.clone(),
                    offset: bad.offset,
                    detail: bad.detail.clone(),
                })
            }
            _ => Ok(()),
        }
    }
}

fn newer(path: &Path, found: u32) -> OpenError {
    OpenError::Newer { path: path.to_owned(), found, known: FORMAT }
}
