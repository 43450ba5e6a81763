//! Opening, closing, and what is shared by all tables.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use merit_ledger::{AccountIndex, Ledger, VenueAccount};
use merit_units::{AccountId, Micros, Timestamp, VenueId};
use rusqlite::{Connection, OptionalExtension};

use crate::journal::scan::segments;
use crate::queue::Queue;
use crate::readers::Readers;
use crate::receipts::Names;
use crate::recovery::{Kind, Paths, Recovered, has_records, recover};
use crate::writer::{Health, Writer};
use crate::{Durable, DurableLedger, OpenError, StoreError, schema};

/// Sizes and waits. The defaults are what the broker uses; tests make them small.
#[derive(Clone, Debug)]
pub struct Options {
    /// Receipts that may wait for the writer before [`crate::QueueFull`]: about 20 MB of them.
    pub receipts_queued_max: usize,
    /// Writes with an answer that may wait before [`StoreError::Busy`].
    pub tasks_queued_max: usize,
    /// Receipts that are committed without waiting for more.
    pub group_rows: usize,
    /// How long the writer gathers receipts when nobody waits for an answer.
    pub group_wait: Duration,
    /// Journal bytes after which the ledger is checkpointed.
    pub segment_bytes: u64,
    /// Settled invocations remembered: [`Ledger::SETTLED_WINDOW`].
    pub settled_window: usize,
    /// How long the answer to an idempotency key is kept from its claim on: 24 hours.
    pub idempotency_kept: Micros,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            receipts_queued_max: 16_384,
            tasks_queued_max: 4096,
            group_rows: 1000,
            group_wait: Duration::from_millis(5),
            segment_bytes: 16 << 20,
            settled_window: Ledger::SETTLED_WINDOW,
            idempotency_kept: Micros::from_secs(24 * 3600),
        }
    }
}

/// The store. Clones share it; the last one dropped closes it, which waits for the writer to finish.
///
/// Methods that answer with a [`Durable`] and [`Self::enqueue_receipt`] never block. Those that answer at once with
/// rows read the disk and block: call them outside async code or in `spawn_blocking`.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    queue: Arc<Queue>,
    ledger: Arc<DurableLedger>,
    health: Arc<Health>,
    readers: Readers,
    /// Which start of the broker this is; tells idempotency keys claimed now from those of before.
    run: i64,
    idempotency_kept: Micros,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Held locked until the store is closed.
    _lock: File,
}

impl Store {
    /// Opens the store in `dir`, makes it when there is none, and recovers the ledger as of `now`.
    ///
    /// # Errors
    /// [`OpenError`]; then nothing that was there has been changed.
    pub fn open(dir: &Path, now: Timestamp) -> Result<(Self, Recovered), OpenError> {
        Self::open_with(dir, now, &Options::default())
    }

    /// [`Self::open`] with other sizes and waits.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(dir: &Path, now: Timestamp, options: &Options) -> Result<(Self, Recovered), OpenError> {
        let paths = Paths::of(dir);
        fs::create_dir_all(dir).map_err(io("create", dir))?;
        let lock = lock(dir)?;
        fs::create_dir_all(&paths.journal).map_err(io("create", &paths.journal))?;
        let journal = segments(&paths.journal).map_err(io("read", &paths.journal))?;
        let orphaned = !paths.database.exists() && has_records(&paths.journal, &journal).map_err(io("read", dir))?;
        if orphaned {
            return Err(OpenError::DatabaseMissing { dir: dir.to_owned() });
        }
        let mut connection = schema::open(&paths.database)?;
        let (books, recovered) = recover(&paths, &mut connection, now, options)?;
        let refuse = |error: rusqlite::Error| schema::explain(&paths.database, &error);
        schema::bring_up_to_date(&mut connection).map_err(refuse)?;
        schema::accept(&connection).map_err(refuse)?;
        let run = next_run(&connection).map_err(refuse)?;
        let queue = Arc::new(Queue::new(options));
        let ledger = Arc::new(DurableLedger::new(books, Arc::clone(&queue)));
        let health = Arc::new(Health::default());
        let writer = Writer {
            queue: Arc::clone(&queue),
            ledger: Arc::clone(&ledger),
            health: Arc::clone(&health),
            connection,
            names: Names::default(),
            journal_dir: paths.journal.clone(),
            segment_bytes: options.segment_bytes,
            checkpoint_owed: false,
            begun: None,
        };
        let thread = std::thread::Builder::new().name("merit-store".to_owned()).spawn(move || writer.run());
        let writer = Mutex::new(Some(thread.map_err(io("start the writer of", dir))?));
        let readers = Readers::new(paths.database);
        let idempotency_kept = options.idempotency_kept;
        let inner = Inner { queue, ledger, health, readers, run, idempotency_kept, writer, _lock: lock };
        Ok((Self { inner: Arc::new(inner) }, recovered))
    }

    /// The accounts, holds and postings.
    #[must_use]
    pub fn ledger(&self) -> &Arc<DurableLedger> {
        &self.inner.ledger
    }

    /// Opens a caller's account without limits, or finds it when it is open already.
    pub fn open_account(&self, name: &AccountId) -> Durable<AccountIndex> {
        if let Some(account) = self.inner.ledger.account(name.as_str()) {
            return Durable::ready(Ok(account));
        }
        let (name, ledger) = (name.clone(), Arc::clone(&self.inner.ledger));
        let row = name.as_str().to_owned();
        self.write_then(
            move |connection| account_number(connection, Kind::Caller, &row).map(AccountIndex::new),
            move |index| {
                let opened = ledger.lock().ledger.open(&name);
                assert_eq!(opened, *index, "invariant: ledger and database number accounts alike");
            },
        )
    }

    /// Opens a venue's account, or finds it when it is open already.
    pub fn open_venue(&self, name: &VenueId) -> Durable<VenueAccount> {
        if let Some(venue) = self.inner.ledger.venue(name.as_str()) {
            return Durable::ready(Ok(venue));
        }
        let (name, ledger) = (name.clone(), Arc::clone(&self.inner.ledger));
        let row = name.as_str().to_owned();
        self.write_then(
            move |connection| account_number(connection, Kind::Venue, &row).map(VenueAccount::new),
            move |index| {
                let opened = ledger.lock().ledger.open_venue(&name);
                assert_eq!(opened, *index, "invariant: ledger and database number venues alike");
            },
        )
    }

    /// Answers when everything queued before, and the journal, is on disk.
    pub fn flush(&self) -> Durable<()> {
        self.write(|_| Ok(()))
    }

    /// What the last group could not write, while that lasts. The broker is not ready meanwhile.
    #[must_use]
    pub fn trouble(&self) -> Option<StoreError> {
        self.inner.health.trouble()
    }

    /// Writes everything, checkpoints the ledger and closes. Clones of the store answer
    /// [`StoreError::Closed`] from now on. Blocks until done.
    ///
    /// # Errors
    /// What could not be written.
    pub fn close(self) -> Result<(), StoreError> {
        self.inner.stop();
        self.trouble().map_or(Ok(()), Err)
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.inner.queue
    }

    pub(crate) fn run(&self) -> i64 {
        self.inner.run
    }

    pub(crate) fn idempotency_kept(&self) -> Micros {
        self.inner.idempotency_kept
    }

    /// Queues a write and answers after its commit.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Durable<T> {
        self.write_then(run, |_| ())
    }

    fn write_then<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
        after: impl FnOnce(&T) + Send + 'static,
    ) -> Durable<T> {
        self.inner.queue.push(run, after)
    }

    /// Reads what is committed; blocks meanwhile.
    pub(crate) fn read<T>(&self, query: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.inner.readers.read(query)
    }
}

impl Inner {
    fn stop(&self) {
        self.queue.close();
        self.readers.close_idle();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer
            && writer.join().is_err()
        {
            self.health.report(StoreError::Closed);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { action, path, source }
}

/// Keeps a second broker out. The lock goes with the process, however it ends.
fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("merit.lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(io("create", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { dir: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(io("lock", &path)(source)),
    }
}

fn next_run(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row(
        "INSERT INTO meta (name, value) VALUES ('run', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1
         RETURNING value",
        [],
        |row| row.get(0),
    )
}

/// The number of an account, which is given now when it has none.
fn account_number(connection: &Connection, kind: Kind, name: &str) -> Result<u32, StoreError> {
    let known = connection
        .prepare_cached("SELECT number FROM ledger_account WHERE kind = ?1 AND name = ?2")?
        .query_row((kind as u8, name), |row| row.get(0))
        .optional()?;
    if let Some(number) = known {
        return Ok(number);
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO ledger_account (kind, number, name)
         SELECT ?1, COALESCE(MAX(number) + 1, 0), ?2 FROM ledger_account WHERE kind = ?1 RETURNING number",
    )?;
    Ok(insert.query_row((kind as u8, name), |row| row.get(0))?)
}
