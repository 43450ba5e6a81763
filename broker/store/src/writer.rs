//! The one thread that writes: syncs the journal, commits groups, checkpoints the ledger.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use merit_ledger::Snapshot;
use rusqlite::Connection;

use crate::journal::{ToSync, create_segment};
use crate::queue::{Group, Queue};
use crate::recovery::{Position, delete_segments_before, store_checkpoint};
use crate::{DurableLedger, StoreError, receipts};

/// After a failed commit the disk gets this long before the next try.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Tries to commit the last group before its receipts are given up.
const LAST_TRIES: u32 = 3;

/// What went wrong last and still does.
#[derive(Default)]
pub(crate) struct Health {
    trouble: Mutex<Option<StoreError>>,
}

impl Health {
    pub(crate) fn trouble(&self) -> Option<StoreError> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn report(&self, error: StoreError) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    fn note(&self, outcome: &Result<(), StoreError>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = outcome.clone().err();
    }
}

pub(crate) struct Writer {
    pub(crate) queue: Arc<Queue>,
    pub(crate) ledger: Arc<DurableLedger>,
    pub(crate) health: Arc<Health>,
    pub(crate) connection: Connection,
    pub(crate) names: receipts::Names,
    pub(crate) journal_dir: PathBuf,
    pub(crate) segment_bytes: u64,
    /// The journal could not be synced, or a segment was begun without a checkpoint: nothing is told to be on disk
    /// until the whole state is.
    pub(crate) checkpoint_owed: bool,
    /// The segment that was begun without it.
    pub(crate) begun: Option<Begun>,
}

impl Writer {
    pub(crate) fn run(mut self) {
        let _end = End(Arc::clone(&self.queue));
        let mut last_tries = LAST_TRIES;
        loop {
            let group = self.queue.next_group();
            let last = group.last;
            let written = self.write(group);
            let failed = written.is_err();
            self.health.note(&written);
            if last && (!failed || last_tries == 0) {
                break;
            }
            if failed {
                last_tries -= u32::from(last);
                self.queue.pause(RETRY_PAUSE);
                // So that it is tried again even when nothing else comes.
                self.queue.mark_journal();
            }
        }
        if let Err(error) = self.checkpoint() {
            self.health.report(error);
        }
    }

    fn write(&mut self, group: Group) -> Result<(), StoreError> {
        let synced = if self.checkpoint_owed { self.checkpoint() } else { self.sync_journal() };
        let committed = self.commit(group, &synced);
        synced?;
        committed?;
        if self.ledger.lock().journal.bytes() >= self.segment_bytes {
            self.checkpoint()?;
        }
        Ok(())
    }

    /// Puts the journal's records on disk, and a record behind them that says so.
    fn sync_journal(&mut self) -> Result<(), StoreError> {
        if !self.queue.take_journal_mark() {
            return Ok(());
        }
        let to_sync = {
            let mut books = self.ledger.lock();
            let paid = books.journal.pay();
            // What is still owed is tried again with the next group.
            self.checkpoint_owed = paid.is_err();
            paid?;
            books.journal.to_sync()
        };
        // After a failed sync the kernel may forget what it could not write; the same sync would succeed next time.
        self.checkpoint_owed = true;
        to_sync.sync()?;
        self.checkpoint_owed = false;
        self.ledger.lock().journal.mark()?;
        Ok(())
    }

    /// Commits a group in one transaction and answers its tasks.
    fn commit(&mut self, group: Group, synced: &Result<(), StoreError>) -> Result<(), StoreError> {
        let Group { receipts, mut tasks, .. } = group;
        if receipts.is_empty() && tasks.is_empty() {
            self.queue.committed();
            return Ok(());
        }
        let mut outcomes = Vec::with_capacity(tasks.len());
        let committed = transaction(&self.connection, |connection| {
            receipts::insert(connection, &mut self.names, &receipts)?;
            for task in &mut tasks {
                outcomes.push(in_savepoint(connection, || task.run(connection))?);
            }
            Ok(())
        });
        if committed.is_ok() {
            self.queue.committed();
        } else {
            self.names.clear();
            self.queue.put_back();
        }
        let written = committed.clone().and_then(|()| synced.clone());
        // Before anybody is answered, so that an answer and the health agree.
        self.health.note(&written);
        let outcomes = outcomes.into_iter().map(Some).chain(std::iter::repeat_with(|| None));
        for (task, outcome) in tasks.into_iter().zip(outcomes) {
            let outcome = written.clone().and_then(|()| outcome.unwrap_or(Ok(())));
            task.finish(outcome);
        }
        committed
    }

    /// Begins a new journal segment and puts the ledger's state at its beginning into the database.
    fn checkpoint(&mut self) -> Result<(), StoreError> {
        self.checkpoint_owed = true;
        let begun = match self.begun.take() {
            Some(begun) => begun,
            None => self.begin_segment()?,
        };
        if let Err(error) = store_checkpoint(&mut self.connection, begun.position, &begun.snapshot) {
            self.begun = Some(begun);
            return Err(error.into());
        }
        begun.before.covered();
        self.checkpoint_owed = false;
        delete_segments_before(&self.journal_dir, begun.position.segment)?;
        Ok(())
    }

    /// Under the ledger's lock only the state is copied and the file exchanged.
    fn begin_segment(&self) -> Result<Begun, StoreError> {
        let segment = self.ledger.lock().journal.segment() + 1;
        let file = create_segment(&self.journal_dir, segment)?;
        let mut books = self.ledger.lock();
        books.journal.rotate(file, segment)?;
        let position = Position { segment, sequence: books.journal.sequence() };
        Ok(Begun { position, snapshot: books.ledger.snapshot(), before: books.journal.to_sync() })
    }
}

/// A segment whose checkpoint is not stored yet. The state at its beginning stays right while records follow.
pub(crate) struct Begun {
    position: Position,
    snapshot: Snapshot,
    /// All records before it, which the checkpoint stands for.
    before: ToSync,
}

/// Tells those who wait that the writer has ended, also when it panics.
struct End(Arc<Queue>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

fn transaction(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let done = work(connection).and_then(|()| Ok(connection.prepare_cached("COMMIT")?.execute([])?));
    if done.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    done.map(|_| ())
}

/// Runs one task of a group so that its failure undoes only itself. The outer result is the connection's.
fn in_savepoint(
    connection: &Connection,
    work: impl FnOnce() -> Result<(), StoreError>,
) -> Result<Result<(), StoreError>, StoreError> {
    connection.prepare_cached("SAVEPOINT task")?.execute([])?;
    let outcome = work();
    if outcome.is_err() {
        connection.prepare_cached("ROLLBACK TO task")?.execute([])?;
    }
    connection.prepare_cached("RELEASE task")?.execute([])?;
    Ok(outcome)
}
