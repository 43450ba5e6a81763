//! The state of an instance that speaks the Runtime API.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, oneshot};

use super::extensions::Extensions;
use crate::call::Answered;
use crate::ending::Ending;
use crate::{Failure, Part, Violation};

/// Ids of answered calls that are remembered, to tell a second answer from an invented one.
const REMEMBERED: usize = 16;

/// A call as the program gets it.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) id: String,
    pub(crate) payload: Bytes,
    /// When it must be answered, in Unix milliseconds.
    pub(crate) deadline_ms: u64,
    pub(crate) client_context: Option<String>,
    pub(crate) trace_id: Option<String>,
}

/// A call that has been handed to the program.
#[derive(Debug)]
pub(crate) struct Handed(pub(crate) oneshot::Receiver<Result<Answered, Failure>>);

/// Who asks, which call is out, what was answered.
#[derive(Debug)]
pub(crate) struct Desk {
    state: Mutex<State>,
    changed: Notify,
    ending: Arc<Ending>,
    /// The function's name.
    pub(super) function: Arc<str>,
    /// What it reads as its handler.
    pub(super) handler: String,
    /// The largest reply.
    pub(super) reply_bytes: u64,
}

#[derive(Debug, Default)]
struct State {
    /// It has asked for its first call.
    ready: bool,
    poller: Option<oneshot::Sender<Work>>,
    out: Option<Out>,
    answered: VecDeque<String>,
    extensions: Extensions,
}

/// The call that is out.
#[derive(Debug)]
struct Out {
    id: String,
    answer: oneshot::Sender<Result<Answered, Failure>>,
    parts: Option<mpsc::Sender<Part>>,
    /// Its answer is being read.
    answering: bool,
}

impl Desk {
    /// Of an instance that has not asked yet.
    pub(crate) fn new(ending: Arc<Ending>, function: Arc<str>, handler: String, reply_bytes: u64) -> Self {
        Self { state: Mutex::default(), changed: Notify::new(), ending, function, handler, reply_bytes }
    }

    /// Waits until the program, and its extensions, have asked for their first call.
    pub(crate) async fn ready(&self) {
        self.when(|state| (state.poller.is_some() && state.extensions.all_asked()).then_some(())).await;
        self.lock().ready = true;
    }

    /// Hands a call over as soon as the program asks.
    pub(crate) async fn hand(&self, work: Work, parts: Option<mpsc::Sender<Part>>) -> Handed {
        let mut work = Some(work);
        let answer = self.when(|state| {
            let poller = state.poller.take()?;
            let (answer, answered) = oneshot::channel();
            let taken = work.take()?;
            let id = taken.id.clone();
            let told = state.extensions.invoke(&taken, &self.function);
            match poller.send(taken) {
                Ok(()) => {
                    state.out = Some(Out { id, answer, parts: parts.clone(), answering: false });
                    state.extensions.tell(told);
                    Some(answered)
                }
                // It hung up meanwhile; the next one who asks gets it.
                Err(back) => {
                    work = Some(back);
                    None
                }
            }
        });
        Handed(answer.await)
    }

    /// The program asks for a call.
    pub(super) fn ask(&self) -> oneshot::Receiver<Work> {
        let (poller, work) = oneshot::channel();
        let mut state = self.lock();
        if state.out.is_some() {
            drop(state);
            self.violated(Violation::NotAnswered);
            return work;
        }
        state.poller = Some(poller);
        drop(state);
        self.changed.notify_waiters();
        work
    }

    /// The program begins to answer a call.
    pub(super) fn answering(self: &Arc<Self>, id: &str) -> Result<Answering, Violation> {
        let mut state = self.lock();
        let known = state.answered.iter().any(|answered| answered == id);
        let violation = match &mut state.out {
            Some(out) if out.id == id && !out.answering => {
                out.answering = true;
                let parts = out.parts.take();
                return Ok(Answering { desk: Arc::clone(self), parts, done: false });
            }
            Some(out) if out.id == id => Violation::AnsweredTwice,
            _ if known => Violation::AnsweredTwice,
            _ => Violation::WrongId(id.chars().take(64).collect()),
        };
        drop(state);
        self.violated(violation.clone());
        Err(violation)
    }

    /// The program says that it can't start. `false` when it has already.
    pub(super) fn init_error(&self, error_type: String, payload: Bytes) -> bool {
        if self.lock().ready {
            return false;
        }
        self.ending.end(Failure::Reported { error_type, payload });
        true
    }

    /// The program broke the protocol.
    pub(super) fn violated(&self, violation: Violation) {
        self.ending.end(Failure::Protocol(violation));
    }

    /// An extension failed, and its instance with it.
    pub(super) fn extension_failed(&self, error_type: String, payload: Bytes) {
        self.ending.end(Failure::Reported { error_type, payload });
    }

    /// Does something with the extensions. Registering ends when the instance is ready.
    pub(super) fn extensions<T>(&self, work: impl FnOnce(&mut Extensions, bool) -> T) -> T {
        let mut state = self.lock();
        let open = !state.ready;
        let done = work(&mut state.extensions, open);
        drop(state);
        self.changed.notify_waiters();
        done
    }

    /// Tells extensions that the end is near; whether there are any that asked to be told.
    pub(crate) fn shut_down(&self, deadline_ms: u64) -> bool {
        self.extensions(|extensions, _| extensions.shut_down(deadline_ms))
    }

    /// Waits until something can be had of the state.
    async fn when<T>(&self, mut get: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            if let Some(got) = get(&mut self.lock()) {
                return got;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer that is being read; dropped unfinished, it was broken off.
#[derive(Debug)]
pub(super) struct Answering {
    desk: Arc<Desk>,
    /// Where its parts go as they come.
    pub(super) parts: Option<mpsc::Sender<Part>>,
    done: bool,
}

impl Answering {
    /// The call has ended.
    pub(super) fn finish(mut self, result: Result<Answered, Failure>) {
        self.done = true;
        let mut state = self.desk.lock();
        if let Some(out) = state.out.take() {
            state.answered.push_front(out.id);
            state.answered.truncate(REMEMBERED);
            // A caller who has gone doesn't hear it.
            let _ = out.answer.send(result);
        }
    }

    /// The program failed to finish its answer.
    pub(super) fn broken(mut self, why: String) {
        self.done = true;
        self.desk.violated(Violation::BrokenReply(why));
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        if !self.done {
            self.desk.violated(Violation::BrokenReply("its connection was cut".to_owned()));
        }
    }
}
