//! A reader's WebSocket: what it asks for goes to [`crate::feed`], and what is in its queue is written.
//!
//! Reading, writing and the reasons to end run beside each other in one task. A write that the network does not take
//! holds up nothing but this reader: its queue fills, or the time for writing runs out, and the connection is closed as
//! that of a slow reader.
//!
//! Known limitation: the key travels in the `Authorization` header, which a web page can't set on a WebSocket.

mod classes;
mod request;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use merit_wire::feed::{FeedMessage, StandingView};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite;

use self::classes::Followed;
use crate::Broker;
use crate::clock::rfc3339;
use crate::feed::{Closing, Frame, Mark, Name, Queue, Reader, Seat};
use crate::keys::Key;

/// Between two heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Messages written before they are flushed: one system call for what came together.
const BATCH: usize = 32;

type Sink = SplitSink<WebSocket, Message>;

/// One connection.
struct Session {
    broker: Arc<Broker>,
    key: Arc<Key>,
    reader: Arc<Reader>,
    write_timeout: Duration,
    /// What it is subscribed to, and the last `seq` that was written.
    standing: Mutex<BTreeMap<Arc<Name>, Option<u64>>>,
    followed: Mutex<Followed>,
}

/// Serves a reader until either end closes.
pub(super) async fn serve(broker: Arc<Broker>, seat: Seat, socket: WebSocket) {
    let limits = broker.settings.load().feed;
    let (reader, queue) = Reader::new(limits.max_queued);
    reader.send(Frame::new(&FeedMessage::Welcome {
        heartbeat_ms: u64::try_from(HEARTBEAT.as_millis()).unwrap_or(u64::MAX),
        updates_per_second: limits.updates_per_second,
        max_subscriptions: limits.max_subscriptions,
    }));
    let (key, standing, followed) = (Arc::clone(&seat.key), Mutex::default(), Mutex::default());
    let session = Session { broker, key, reader, write_timeout: limits.write_timeout, standing, followed };
    let (mut sink, mut stream) = socket.split();
    let why = tokio::select! {
        biased;
        why = session.reader.closing() => why,
        () = session.broker.feed.closed() => Closing::GoingAway,
        why = session.write(&mut sink, queue) => why,
        why = session.read(&mut stream) => why,
    };
    session.broker.feed.leave(&session.reader);
    session.broker.metrics.feed.closed(why.word());
    tracing::debug!(key = %session.key.id, why = why.word(), "a reader's connection ends");
    // Whoever takes longer to hear it is cut.
    drop(timeout(limits.write_timeout, close(why, &mut sink, &mut stream)).await);
}

impl Session {
    /// Writes what waits, and a heartbeat every second.
    async fn write(&self, sink: &mut Sink, mut queue: Queue) -> Closing {
        let mut heartbeats = interval(HEARTBEAT);
        heartbeats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeats.reset();
        loop {
            let mut batch = Vec::with_capacity(BATCH);
            let texts: Vec<Utf8Bytes> = tokio::select! {
                count = queue.recv_many(&mut batch, BATCH) => match count {
                    0 => return Closing::Gone,
                    _ => batch.into_iter().map(|frame| self.note(frame)).collect(),
                },
                _ = heartbeats.tick() => {
                    self.follow_classes();
                    match self.heartbeat() {
                        ControlFlow::Continue(text) => vec![text],
                        ControlFlow::Break(why) => return why,
                    }
                }
            };
            let written = async {
                for text in texts {
                    sink.feed(Message::Text(text)).await?;
                }
                sink.flush().await
            };
            match timeout(self.write_timeout, written).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Closing::Gone,
                Err(_) => return Closing::SlowReader,
            }
        }
    }

    /// Notes where a frame takes its subscription.
    fn note(&self, frame: Frame) -> Utf8Bytes {
        match frame.mark {
            Some((name, Mark::At(seq))) => drop(self.standing().insert(name, Some(seq))),
            Some((name, Mark::Ended)) => drop(self.standing().remove(&name)),
            None => {}
        }
        frame.text
    }

    fn heartbeat(&self) -> ControlFlow<Closing, Utf8Bytes> {
        if !self.broker.keys.is_good(&self.key.id) {
            return ControlFlow::Break(Closing::KeyRevoked);
        }
        let standing = self.standing();
        let view = |(name, seq): (&Arc<Name>, &Option<u64>)| {
            Some(StandingView { channel: name.channel, function: name.function().to_owned(), seq: (*seq)? })
        };
        let standing = standing.iter().filter_map(view).collect();
        let message = FeedMessage::Heartbeat { at: rfc3339(self.broker.clock.now()), standing };
        ControlFlow::Continue(Frame::new(&message).text)
    }

    /// Does what the reader asks for.
    async fn read(&self, stream: &mut SplitStream<WebSocket>) -> Closing {
        while let Some(message) = stream.next().await {
            match message {
                Ok(Message::Text(text)) => self.answer(&text),
                Ok(Message::Binary(_)) => self.refuse(None, "bad_message", "send JSON as text, not as binary"),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(Message::Close(_)) => return Closing::Gone,
                Err(error) => return why_unreadable(error),
            }
        }
        Closing::Gone
    }

    /// Refuses a request.
    fn refuse(&self, id: Option<u64>, reason: &str, message: impl Into<String>) {
        let (reason, message) = (reason.to_owned(), message.into());
        self.reader.send(Frame::new(&FeedMessage::Error { id, reason, message }));
    }

    fn followed(&self) -> MutexGuard<'_, Followed> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn standing(&self) -> MutexGuard<'_, BTreeMap<Arc<Name>, Option<u64>>> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn why_unreadable(error: axum::Error) -> Closing {
    match error.into_inner().downcast_ref::<tungstenite::Error>() {
        Some(tungstenite::Error::Capacity(_)) => Closing::MessageTooLarge,
        Some(tungstenite::Error::Protocol(protocol)) => match protocol {
            tungstenite::error::ProtocolError::ResetWithoutClosingHandshake => Closing::Gone,
            _ => Closing::ProtocolError,
        },
        Some(tungstenite::Error::Utf8(_)) => Closing::ProtocolError,
        _ => Closing::Gone,
    }
}

/// Says why, and waits for the other end to have heard it.
async fn close(why: Closing, sink: &mut Sink, stream: &mut SplitStream<WebSocket>) {
    let frame = why.code().map(|code| CloseFrame { code, reason: Utf8Bytes::from_static(why.word()) });
    if sink.send(Message::Close(frame)).await.is_ok() {
        while let Some(Ok(_)) = stream.next().await {}
    }
}
