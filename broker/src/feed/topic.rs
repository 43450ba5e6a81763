//! One topic: what was told last, and who is told.
//!
//! Invariant: joining and publishing take turns, so a snapshot is followed by exactly the updates made after it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use merit_units::Timestamp;
use merit_wire::feed::{FeedBody, FeedChannel, FeedData, FeedMessage};

use super::book::{self, Ladder};
use super::minutes::Minutes;
use super::{Fill, Frame, Mark, Name, Reader};
use crate::Broker;
use crate::clock::rfc3339;
use crate::function::Function;

/// Why a subscription ended: the reader asked for it.
pub(super) const ASKED: &str = "asked";
/// Why a subscription ended: there is no such function any more.
pub(super) const REMOVED: &str = "function_removed";

/// Why a subscription ended: the function is not of the class any more that it was subscribed to by.
pub(crate) const LEFT_CLASS: &str = "left_class";

/// Fills that a tape's snapshot has.
const RECENT_FILLS: usize = 50;

/// Fills in one message: about 250 kB.
pub(super) const FILLS_A_MESSAGE: usize = 1000;

/// A channel of a function, while somebody reads it.
pub(super) struct Topic {
    name: Arc<Name>,
    inner: Mutex<Inner>,
}

struct Inner {
    seq: u64,
    state: State,
    readers: Vec<Arc<Reader>>,
}

/// What a snapshot is made of.
enum State {
    Book(Ladder),
    Tape(VecDeque<Fill>),
    /// And the number of the last change that was told.
    Candles(Arc<Minutes>, u64),
}

impl Topic {
    pub(super) fn new(name: Name, function: Option<&Function>, broker: &Broker) -> Self {
        let now = broker.clock.now();
        let state = match name.channel {
            FeedChannel::Book => {
                let mut ladder = Ladder::default();
                if let Some(function) = function {
                    ladder.step(book::levels(&function.view(), now, &broker.settings.load().market));
                }
                State::Book(ladder)
            }
            FeedChannel::Tape => State::Tape(VecDeque::new()),
            FeedChannel::Candles => {
                let function = name.function.as_ref().expect("invariant: candles are of one function");
                let minutes = broker.feed.minutes.of(function, now);
                let told = minutes.candles().changes();
                State::Candles(minutes, told)
            }
        };
        Self { name: Arc::new(name), inner: Mutex::new(Inner { seq: 1, state, readers: Vec::new() }) }
    }

    pub(super) fn name(&self) -> &Name {
        &self.name
    }

    pub(super) fn is_read(&self) -> bool {
        !self.inner().readers.is_empty()
    }

    /// A snapshot for a reader, and every update from then on.
    pub(super) fn join(&self, reader: &Arc<Reader>, id: Option<u64>, now: Timestamp) {
        let mut inner = self.inner();
        let body = match &inner.state {
            State::Book(ladder) => ladder.whole(),
            State::Tape(recent) => FeedBody::Tape { fills: recent.iter().map(Fill::view).collect(), lost: 0 },
            State::Candles(minutes, _) => minutes.candles().whole(),
        };
        let function = self.name.function().to_owned();
        let data = FeedData { id, function, seq: inner.seq, prev_seq: None, at: rfc3339(now), body };
        let snapshot = Frame::of(Arc::clone(&self.name), Mark::At(inner.seq), &FeedMessage::Snapshot(data));
        let there = reader.send(snapshot);
        inner.readers.retain(|other| !Arc::ptr_eq(other, reader));
        if there {
            inner.readers.push(Arc::clone(reader));
        }
    }

    pub(super) fn leave(&self, reader: &Arc<Reader>) {
        self.inner().readers.retain(|other| !Arc::ptr_eq(other, reader));
    }

    /// The book stands like this now. Returns whether that was news.
    pub(super) fn book(&self, levels: Vec<book::Level>, broker: &Broker, now: Timestamp) -> bool {
        let mut inner = self.inner();
        let State::Book(ladder) = &mut inner.state else { return false };
        let body = ladder.step(levels);
        let is_news = body.is_some();
        if let Some(body) = body {
            self.publish(&mut inner, body, broker, now);
        }
        is_news
    }

    /// These fills have come, and so many could not be taken in.
    pub(super) fn fills(&self, fills: Vec<Fill>, lost: u64, broker: &Broker, now: Timestamp) -> bool {
        let mut inner = self.inner();
        let body = match &mut inner.state {
            State::Book(_) | State::Candles(..) => None,
            State::Tape(recent) => {
                let is_news = !fills.is_empty() || lost > 0;
                let views = fills.iter().map(Fill::view).collect();
                recent.extend(fills);
                recent.drain(..recent.len().saturating_sub(RECENT_FILLS));
                is_news.then_some(FeedBody::Tape { fills: views, lost })
            }
        };
        let is_news = body.is_some();
        if let Some(body) = body {
            self.publish(&mut inner, body, broker, now);
        }
        is_news
    }

    /// Tells the candles that have changed. A reader who joined in between hears some again, which changes nothing.
    pub(super) fn candles(&self, broker: &Broker, now: Timestamp) {
        let mut inner = self.inner();
        let State::Candles(minutes, told) = &mut inner.state else { return };
        let body = {
            let mut candles = minutes.candles();
            candles.turn(now);
            candles.changed_after(std::mem::replace(told, candles.changes()))
        };
        if let Some(body) = body {
            self.publish(&mut inner, body, broker, now);
        }
    }

    /// There is nothing to tell any more.
    pub(super) fn end(&self) {
        let readers = std::mem::take(&mut self.inner().readers);
        let last = unsubscribed(&self.name, None, REMOVED);
        for reader in readers {
            reader.send(last.clone());
        }
    }

    /// Makes the update once and hands it to everyone; whoever has no room for it is out.
    fn publish(&self, inner: &mut Inner, body: FeedBody, broker: &Broker, now: Timestamp) {
        let channel = body.channel();
        let prev_seq = Some(inner.seq);
        inner.seq += 1;
        let function = self.name.function().to_owned();
        let data = FeedData { id: None, function, seq: inner.seq, prev_seq, at: rfc3339(now), body };
        let update = Frame::of(Arc::clone(&self.name), Mark::At(inner.seq), &FeedMessage::Update(data));
        inner.readers.retain(|reader| reader.send(update.clone()));
        broker.metrics.feed.update(channel.as_str(), inner.readers.len());
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last message of a subscription.
pub(super) fn unsubscribed(name: &Name, id: Option<u64>, reason: &str) -> Frame {
    let (channel, function) = (name.channel, name.function().to_owned());
    let message = FeedMessage::Unsubscribed { id, channel, function, reason: reason.to_owned() };
    Frame::of(Arc::new(name.clone()), Mark::Ended, &message)
}
