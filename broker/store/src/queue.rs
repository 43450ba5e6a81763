//! The bounded queue in front of the writer, and how it gathers groups.
//!
//! A push takes one short lock and, at most once per group, one wake-up. A group is everything that
//! waits: at once when somebody waits for an answer, else after 5 ms or a thousand receipts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use merit_units::InvocationId;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::record::ReceiptRow;
use crate::{Durable, Options, StoreError};

/// The receipt that found no room. The receipts queue is full because the disk is slower than the calls;
/// the calls' money is safe in the journal.
#[derive(Debug, thiserror::Error)]
#[error("the queue of receipts is full")]
pub struct QueueFull(pub Box<ReceiptRow>);

/// A write with an answer.
pub(crate) trait Task: Send {
    /// Inside the transaction.
    fn run(&mut self, connection: &Connection) -> Result<(), StoreError>;
    /// After the commit, or after it failed.
    fn finish(self: Box<Self>, outcome: Result<(), StoreError>);
}

struct Write<T, Run, After> {
    run: Option<Run>,
    after: After,
    answer: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, Run, After> Task for Write<T, Run, After>
where
    T: Send,
    Run: FnOnce(&Connection) -> Result<T, StoreError> + Send,
    After: FnOnce(&T) + Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let run = self.run.take().ok_or(StoreError::Closed)?;
        self.answer = Some(run(connection)?);
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { after, answer, reply, .. } = *self;
        let answer = outcome.and_then(|()| answer.ok_or(StoreError::Closed));
        if let Ok(answer) = &answer {
            after(answer);
        }
        // Nobody may be waiting any more; the write stands all the same.
        drop(reply.send(answer));
    }
}

/// One group to commit.
pub(crate) struct Group {
    pub(crate) receipts: Arc<[Arc<ReceiptRow>]>,
    pub(crate) tasks: Vec<Box<dyn Task>>,
    /// Nothing comes after this group.
    pub(crate) last: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Waiting {
    /// The writer is at work and looks again by itself.
    #[default]
    No,
    /// It sleeps until anything comes.
    Anything,
    /// It gathers a group and wants a task or a full group.
    Group,
}

#[derive(Default)]
struct State {
    receipts: Vec<Arc<ReceiptRow>>,
    committing: Option<Arc<[Arc<ReceiptRow>]>>,
    tasks: Vec<Box<dyn Task>>,
    waiting: Waiting,
    closed: bool,
}

pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    /// The journal has records that are not synced.
    journal_dirty: AtomicBool,
    receipts_max: usize,
    tasks_max: usize,
    group_rows: usize,
    group_wait: Duration,
}

impl Queue {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            state: Mutex::default(),
            wake: Condvar::new(),
            journal_dirty: AtomicBool::new(false),
            receipts_max: options.receipts_queued_max,
            tasks_max: options.tasks_queued_max,
            group_rows: options.group_rows,
            group_wait: options.group_wait,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push_receipt(&self, row: ReceiptRow) -> Result<(), QueueFull> {
        let mut state = self.lock();
        let committing = state.committing.as_ref().map_or(0, |rows| rows.len());
        if state.closed || state.receipts.len() + committing >= self.receipts_max {
            return Err(QueueFull(Box::new(row)));
        }
        state.receipts.push(Arc::new(row));
        let wanted = match state.waiting {
            Waiting::No => false,
            Waiting::Anything => true,
            Waiting::Group => state.receipts.len() >= self.group_rows,
        };
        self.wake_if(wanted, state);
        Ok(())
    }

    /// Queues a write; `after` runs on the writer's thread once it is committed, before the answer is given.
    pub(crate) fn push<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
        after: impl FnOnce(&T) + Send + 'static,
    ) -> Durable<T> {
        let (reply, receiver) = oneshot::channel();
        let mut state = self.lock();
        if state.closed {
            return Durable::ready(Err(StoreError::Closed));
        }
        if state.tasks.len() >= self.tasks_max {
            return Durable::ready(Err(StoreError::Busy));
        }
        state.tasks.push(Box::new(Write { run: Some(run), after, answer: None, reply }));
        let wanted = state.waiting != Waiting::No;
        self.wake_if(wanted, state);
        Durable::waiting(receiver)
    }

    fn wake_if(&self, wanted: bool, mut state: MutexGuard<'_, State>) {
        if wanted {
            // One wake-up is enough until the writer waits again.
            state.waiting = Waiting::No;
            drop(state);
            self.wake.notify_one();
        }
    }

    /// Tells the writer that the journal needs a sync.
    pub(crate) fn mark_journal(&self) {
        if !self.journal_dirty.swap(true, Ordering::AcqRel) {
            let state = self.lock();
            let wanted = state.waiting == Waiting::Anything;
            self.wake_if(wanted, state);
        }
    }

    /// Whether the journal was marked since the last call.
    pub(crate) fn take_journal_mark(&self) -> bool {
        self.journal_dirty.swap(false, Ordering::AcqRel)
    }

    /// Takes nothing more in; the writer ends after the group that holds what is queued now.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        self.wake_if(true, state);
    }

    /// The writer has ended: whoever waits learns that nothing more is written.
    pub(crate) fn abandon(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.tasks.clear();
    }

    /// A receipt that is not committed yet.
    pub(crate) fn find(&self, id: InvocationId) -> Option<Arc<ReceiptRow>> {
        let state = self.lock();
        let committing = state.committing.iter().flat_map(|rows| rows.iter());
        state.receipts.iter().chain(committing).find(|row| row.id == id).cloned()
    }

    /// Receipts that are not committed yet.
    pub(crate) fn receipts_queued(&self) -> usize {
        let state = self.lock();
        state.receipts.len() + state.committing.as_ref().map_or(0, |rows| rows.len())
    }

    /// Waits for work and takes all of it.
    pub(crate) fn next_group(&self) -> Group {
        let idle = |state: &mut State| {
            let work = !state.receipts.is_empty() || !state.tasks.is_empty() || state.closed;
            let sleep = !work && !self.journal_dirty.load(Ordering::Acquire);
            state.waiting = if sleep { Waiting::Anything } else { Waiting::No };
            sleep
        };
        let state = self.wake.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        let gathering = |state: &mut State| {
            let gather = state.tasks.is_empty() && state.receipts.len() < self.group_rows && !state.closed;
            state.waiting = if gather { Waiting::Group } else { Waiting::No };
            gather
        };
        let (mut state, _) =
            self.wake.wait_timeout_while(state, self.group_wait, gathering).unwrap_or_else(PoisonError::into_inner);
        state.waiting = Waiting::No;
        let receipts: Arc<[_]> = std::mem::take(&mut state.receipts).into();
        state.committing = Some(Arc::clone(&receipts));
        Group { receipts, tasks: std::mem::take(&mut state.tasks), last: state.closed }
    }

    /// The group's receipts are on disk.
    pub(crate) fn committed(&self) {
        self.lock().committing = None;
    }

    /// The group's receipts are not on disk: they are first in the next group.
    pub(crate) fn put_back(&self) {
        let mut state = self.lock();
        if let Some(rows) = state.committing.take() {
            let later = std::mem::take(&mut state.receipts);
            state.receipts = rows.iter().cloned().chain(later).collect();
        }
    }

    /// Sleeps for `length`, or less when the store is closed.
    pub(crate) fn pause(&self, length: Duration) {
        let state = self.lock();
        drop(self.wake.wait_timeout_while(state, length, |state| !state.closed));
    }
}
