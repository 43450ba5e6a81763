//! One reader: a bounded queue of messages that are shared with all others who get them.

use std::sync::{Arc, OnceLock};

use axum::extract::ws::Utf8Bytes;
use merit_wire::feed::{FeedMessage, close_code};
use tokio::sync::{Notify, mpsc};

use super::Name;

/// A message with what sending it means for the reader's subscriptions.
#[derive(Clone, Debug)]
pub struct Frame {
    /// As it is sent: the same bytes for everyone.
    pub text: Utf8Bytes,
    /// What it belongs to.
    pub mark: Option<(Arc<Name>, Mark)>,
}

/// Where a subscription stands when a frame was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// At this `seq`.
    At(u64),
    /// It has ended.
    Ended,
}

impl Frame {
    /// A message that belongs to no subscription.
    #[must_use]
    pub fn new(message: &FeedMessage) -> Self {
        Self { text: text(message), mark: None }
    }

    /// A message of a subscription.
    #[must_use]
    pub fn of(name: Arc<Name>, mark: Mark, message: &FeedMessage) -> Self {
        Self { text: text(message), mark: Some((name, mark)) }
    }
}

fn text(message: &FeedMessage) -> Utf8Bytes {
    serde_json::to_string(message).expect("invariant: a message is serialisable").into()
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// The reader has gone.
    Gone,
    /// The broker goes.
    GoingAway,
    /// Messages waited until there was no room for more.
    SlowReader,
    /// The key was revoked.
    KeyRevoked,
    /// What was sent is no WebSocket.
    ProtocolError,
    /// What was sent is too large.
    MessageTooLarge,
}

impl Closing {
    /// A stable word: the close frame's reason, and the metric's label.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::GoingAway => "going_away",
            Self::SlowReader => "slow_reader",
            Self::KeyRevoked => "key_revoked",
            Self::ProtocolError => "protocol_error",
            Self::MessageTooLarge => "message_too_large",
        }
    }

    /// The close frame's code; none where there is nobody to tell.
    #[must_use]
    pub const fn code(self) -> Option<u16> {
        match self {
            Self::Gone => None,
            Self::GoingAway => Some(close_code::GOING_AWAY),
            Self::SlowReader => Some(close_code::SLOW_READER),
            Self::KeyRevoked => Some(close_code::KEY_REVOKED),
            Self::ProtocolError => Some(close_code::PROTOCOL_ERROR),
            Self::MessageTooLarge => Some(close_code::MESSAGE_TOO_LARGE),
        }
    }
}

/// Where a connection takes its messages from.
pub type Queue = mpsc::Receiver<Frame>;

/// A reader as producers see it.
#[derive(Debug)]
pub struct Reader {
    queue: mpsc::Sender<Frame>,
    closing: OnceLock<Closing>,
    closed: Notify,
}

impl Reader {
    /// A reader that at most so many messages wait for.
    #[must_use]
    pub fn new(max_queued: usize) -> (Arc<Self>, Queue) {
        let (sender, queue) = mpsc::channel(max_queued);
        (Arc::new(Self { queue: sender, closing: OnceLock::new(), closed: Notify::new() }), queue)
    }

    /// Puts a message into its queue. A reader without room for it is closed. Returns whether it is still there.
    pub fn send(&self, frame: Frame) -> bool {
        match self.queue.try_send(frame) {
            Ok(()) => self.closing.get().is_none(),
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.close(Closing::SlowReader);
                false
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        }
    }

    /// Ends the connection. The first reason stands.
    pub fn close(&self, why: Closing) {
        self.closing.get_or_init(|| why);
        self.closed.notify_one();
    }

    /// Completes when the connection is to end.
    pub async fn closing(&self) -> Closing {
        loop {
            if let Some(why) = self.closing.get() {
                return *why;
            }
            self.closed.notified().await;
        }
    }
}
