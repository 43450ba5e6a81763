//! Market data: what readers at `/v1/feed` are told, and who tells it.
//!
//! A *topic* is a channel of a function. It lives while somebody reads it: the first subscription makes it and starts
//! its producer ([`produce`]), which looks at the market, makes each update once and hands the same bytes to the bounded
//! queue of every reader ([`topic`]). The door (`doors::feed`) moves what is in a reader's queue into its WebSocket.
//!
//! Invariants: a reader gets a topic's snapshot and then every update since, in order, or is closed; no producer waits
//! for a reader, and no call waits for a producer ([`fills`]). Candles are counted whether they are read or not
//! ([`minutes`]).
//!
//! Known limitation: `seq` begins anew when a topic does. A snapshot says where.

mod book;
mod candles;
mod fills;
mod minutes;
mod produce;
mod reader;
#[cfg(test)]
mod tests;
mod topic;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use merit_units::{FunctionId, KeyId, Money, Timestamp};
use merit_wire::feed::{EVERY_FUNCTION, FeedChannel};
use tokio::sync::watch;

use crate::Broker;
use crate::function::Function;
use crate::keys::Key;
use crate::refusal::Refusal;

pub use fills::Fill;
pub use reader::{Closing, Frame, Mark, Queue, Reader};
pub(crate) use topic::LEFT_CLASS;

use fills::Taps;
use minutes::AllMinutes;
use topic::Topic;

/// What readers are held to.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Updates of a topic a second.
    pub updates_per_second: u32,
    /// Messages that may wait for one reader.
    pub max_queued: usize,
    /// How long the network may take none of what is written to a reader.
    pub write_timeout: Duration,
    /// Connections open at once.
    pub max_connections: usize,
    /// Connections of one key.
    pub max_connections_per_key: usize,
    /// Subscriptions of one connection.
    pub max_subscriptions: usize,
    /// Bytes of a reader's message.
    pub max_message_bytes: usize,
    /// Functions whose fills are counted in candles.
    pub max_candle_functions: usize,
}

impl Limits {
    /// The least time between two updates of a topic.
    fn interval(&self) -> Duration {
        Duration::from_secs(1) / self.updates_per_second.max(1)
    }
}

/// What names a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The channel.
    pub channel: FeedChannel,
    /// The function; none stands for all of them.
    pub function: Option<FunctionId>,
}

impl Name {
    /// The function, as messages have it.
    #[must_use]
    pub fn function(&self) -> &str {
        self.function.as_ref().map_or(EVERY_FUNCTION, FunctionId::as_str)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.channel.as_str(), self.function())
    }
}

/// Everything that is read at `/v1/feed`.
pub struct Feed {
    /// Never locked on the way of a call.
    topics: Mutex<BTreeMap<Name, Arc<Topic>>>,
    taps: Taps,
    minutes: AllMinutes,
    seats: Mutex<Seats>,
    closing: watch::Sender<bool>,
}

#[derive(Default)]
struct Seats {
    taken: usize,
    by_key: BTreeMap<KeyId, usize>,
}

/// A connection's place among those that are allowed; dropping it gives it back.
pub struct Seat {
    broker: Arc<Broker>,
    /// Whose it is.
    pub key: Arc<Key>,
}

impl Feed {
    /// A feed that nobody reads yet. Fills are counted in candles from now on.
    #[must_use]
    pub fn since(now: Timestamp) -> Self {
        let (topics, taps, seats) = (Mutex::default(), Taps::default(), Mutex::default());
        Self { topics, taps, minutes: AllMinutes::since(now), seats, closing: watch::Sender::new(false) }
    }

    /// Whether anybody listens to fills.
    #[inline]
    #[must_use]
    pub fn wants_fills(&self) -> bool {
        self.taps.are_open()
    }

    /// Gives a fill to whoever listens to its function. Returns to how many it could not be given.
    pub fn record(&self, fill: &Fill) -> u64 {
        self.taps.record(fill)
    }

    /// Counts a fill in its function's candles. `max`: functions that may have some.
    pub(crate) fn count(&self, function: &FunctionId, at: Timestamp, charge: Money, max: impl Fn() -> usize) {
        self.minutes.count(function, at, charge, max);
    }

    /// Forgets the candles of functions that had no fill for an hour.
    pub(crate) fn sweep(&self, now: Timestamp) {
        self.minutes.sweep(now);
    }

    /// Readers go away from now on, and are told so.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Completes when readers are to go away.
    pub(crate) fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut closing = self.closing.subscribe();
        async move { drop(closing.wait_for(|closing| *closing).await) }
    }

    /// Connections open now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.seats().taken
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn topics(&self) -> MutexGuard<'_, BTreeMap<Name, Arc<Topic>>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a topic without readers out. Returns whether it is out.
    fn retire(&self, topic: &Arc<Topic>) -> bool {
        let mut topics = self.topics();
        let is_it = topics.get(topic.name()).is_some_and(|known| Arc::ptr_eq(known, topic));
        if is_it && !topic.is_read() {
            topics.remove(topic.name());
            self.taps.close(topic.name());
            return true;
        }
        !is_it
    }

    /// Takes a reader out of a topic, which tells it.
    pub fn unsubscribe(&self, reader: &Arc<Reader>, name: &Name, id: Option<u64>) {
        self.take_out(reader, name);
        reader.send(topic::unsubscribed(name, id, topic::ASKED));
    }

    /// Takes a reader out of a topic, and tells it why.
    pub(crate) fn leave_for(&self, reader: &Arc<Reader>, name: &Name, why: &str) {
        self.take_out(reader, name);
        reader.send(topic::unsubscribed(name, None, why));
    }

    fn take_out(&self, reader: &Arc<Reader>, name: &Name) {
        let topic = self.topics().get(name).cloned();
        if let Some(topic) = topic {
            topic.leave(reader);
        }
    }

    /// Takes a reader out of everything.
    pub fn leave(&self, reader: &Arc<Reader>) {
        let topics: Vec<_> = self.topics().values().cloned().collect();
        for topic in topics {
            topic.leave(reader);
        }
    }
}

impl Seat {
    /// A place for one more connection of a key.
    ///
    /// # Errors
    /// [`Refusal::TooManyReaders`], or [`Refusal::Draining`].
    pub fn take(broker: &Arc<Broker>, key: Arc<Key>) -> Result<Self, Refusal> {
        if broker.is_draining() {
            return Err(Refusal::Draining);
        }
        let limits = broker.settings.load().feed;
        let mut seats = broker.feed.seats();
        let full = |scope, limit, named| Err(Refusal::TooManyReaders { scope, limit, named });
        if seats.taken >= limits.max_connections {
            return full("broker", limits.max_connections, "feed.max_connections");
        }
        let own = seats.by_key.entry(key.id.clone()).or_default();
        if *own >= limits.max_connections_per_key {
            return full("key", limits.max_connections_per_key, "feed.max_connections_per_key");
        }
        *own += 1;
        seats.taken += 1;
        broker.metrics.feed.connections.set(i64::try_from(seats.taken).unwrap_or(i64::MAX));
        drop(seats);
        Ok(Self { broker: Arc::clone(broker), key })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.broker.feed.seats();
        seats.taken -= 1;
        if let Some(own) = seats.by_key.get_mut(&self.key.id) {
            *own -= 1;
            if *own == 0 {
                seats.by_key.remove(&self.key.id);
            }
        }
        self.broker.metrics.feed.connections.set(i64::try_from(seats.taken).unwrap_or(i64::MAX));
    }
}

/// Gives a reader a topic's snapshot, and every update from then on.
///
/// # Errors
/// [`Refusal::UnknownFunction`].
pub fn subscribe(broker: &Arc<Broker>, reader: &Arc<Reader>, name: &Name, id: Option<u64>) -> Result<(), Refusal> {
    let function = name.function.as_ref().map(|id| broker.functions.get(id.as_str())).transpose()?;
    let mut topics = broker.feed.topics();
    let topic = match topics.get(name) {
        Some(topic) => Arc::clone(topic),
        None => {
            let topic = start(broker, name, function.as_deref());
            topics.insert(name.clone(), Arc::clone(&topic));
            topic
        }
    };
    topic.join(reader, id, broker.clock.now());
    Ok(())
}

/// A topic with its producer.
fn start(broker: &Arc<Broker>, name: &Name, function: Option<&Function>) -> Arc<Topic> {
    let topic = Arc::new(Topic::new(name.clone(), function, broker));
    match name.channel {
        FeedChannel::Book => drop(tokio::spawn(produce::book(Arc::clone(broker), Arc::clone(&topic)))),
        FeedChannel::Tape => {
            let fills = broker.feed.taps.open(name);
            drop(tokio::spawn(produce::fills(Arc::clone(broker), Arc::clone(&topic), fills)));
        }
        FeedChannel::Candles => drop(tokio::spawn(produce::candles(Arc::clone(broker), Arc::clone(&topic)))),
    }
    topic
}
