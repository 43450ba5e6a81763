//! The messages of `/v1/feed`: market data over a WebSocket.
//!
//! `docs/FEED.md` describes each with the recipe for a local book. Readers ignore message types and fields that they do
//! not know, so that both may be added; the broker refuses what it does not know, so that nothing is misunderstood.

use serde::{Deserialize, Serialize};

/// Levels that a book's checksum covers.
pub const CHECKSUM_LEVELS: usize = 10;

/// In place of a function's name, on channels that allow it: all of them.
pub const EVERY_FUNCTION: &str = "*";

/// Codes of the WebSocket close frame, besides those of RFC 6455. Its reason is the word in the name.
pub mod close_code {
    /// `going_away`: the broker shuts down. RFC 6455's own.
    pub const GOING_AWAY: u16 = 1001;
    /// `protocol_error`: what was sent is no WebSocket. RFC 6455's own.
    pub const PROTOCOL_ERROR: u16 = 1002;
    /// `message_too_large`: over `feed.max_message_bytes`. RFC 6455's own.
    pub const MESSAGE_TOO_LARGE: u16 = 1009;
    /// `slow_reader`: messages waited until their queue was full.
    pub const SLOW_READER: u16 = 4001;
    /// `key_revoked`: the key the connection was opened with is not good any more.
    pub const KEY_REVOKED: u16 = 4002;
}

/// What is told on one subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedChannel {
    /// A function's asks with the room at each.
    Book,
    /// Its fills.
    Tape,
    /// Its fills, minute by minute.
    Candles,
}

impl FeedChannel {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Book => "book",
            Self::Tape => "tape",
            Self::Candles => "candles",
        }
    }
}

/// What a reader wants to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedAction {
    /// A snapshot, and then updates. Once more: a new snapshot.
    Subscribe,
    /// No more of it.
    Unsubscribe,
}

/// A message of a reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedRequest {
    /// What is wanted.
    #[serde(rename = "type")]
    pub action: FeedAction,
    /// Of which channel.
    pub channel: FeedChannel,
    /// Of which functions; the tape alone knows `*`, all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<String>,
    /// Of which classes: every function whose own `class` is one of them, now and later.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// A number of the reader's choice that is in the answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
}

/// A message of the broker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FeedMessage {
    /// The first one, once.
    Welcome {
        /// Milliseconds between two heartbeats.
        heartbeat_ms: u64,
        /// Updates a second that a subscription gets at most.
        updates_per_second: u32,
        /// Subscriptions that the connection may have.
        max_subscriptions: usize,
    },
    /// All that there is; the answer to a subscription.
    Snapshot(FeedData),
    /// What has changed since `prev_seq`.
    Update(FeedData),
    /// Every second, whatever else is sent.
    Heartbeat {
        /// When it was sent.
        at: String,
        /// The last `seq` that was sent of each subscription.
        standing: Vec<StandingView>,
    },
    /// A subscription has ended, as was asked for or because there is nothing to tell any more.
    Unsubscribed {
        /// The request's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        /// The channel.
        channel: FeedChannel,
        /// The function.
        function: String,
        /// `asked`, `function_removed` or `left_class`.
        reason: String,
    },
    /// The functions of a class that was subscribed to, at first and whenever they change.
    Class {
        /// The request's, at first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        /// The channel.
        channel: FeedChannel,
        /// The class.
        class: String,
        /// All of its functions, in order of name.
        functions: Vec<String>,
    },
    /// A request was refused. The connection and its other subscriptions stand.
    Error {
        /// The request's, when it could be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        /// A stable word, such as `unknown_function`.
        reason: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// Of a kind that is newer than this program.
    #[serde(other)]
    Unknown,
}

/// The data of a snapshot or an update.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeedData {
    /// In a snapshot: the request's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// Of which function; `*` where all were asked for.
    pub function: String,
    /// Counts the updates of this channel and function.
    pub seq: u64,
    /// In an update: the `seq` of what it follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev_seq: Option<u64>,
    /// When it was made.
    pub at: String,
    /// What is told.
    #[serde(flatten)]
    pub body: FeedBody,
}

/// What a snapshot or an update tells, by channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "channel", rename_all = "snake_case")]
pub enum FeedBody {
    /// A book.
    Book {
        /// In a snapshot all levels, in order; in an update those that changed.
        levels: Vec<LevelView>,
        /// CRC32 of [`checksum_text`] of the whole book.
        checksum: u32,
    },
    /// Fills.
    Tape {
        /// In the order they came.
        fills: Vec<FillView>,
        /// Fills since `prev_seq` that the broker was too busy to tell.
        lost: u64,
    },
    /// Candles.
    Candles {
        /// In the order of time; an update has those that changed, whole.
        candles: Vec<CandleView>,
    },
}

impl FeedBody {
    /// Its channel.
    #[must_use]
    pub const fn channel(&self) -> FeedChannel {
        match self {
            Self::Book { .. } => FeedChannel::Book,
            Self::Tape { .. } => FeedChannel::Tape,
            Self::Candles { .. } => FeedChannel::Candles,
        }
    }
}

/// Where a subscription stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingView {
    /// The channel.
    pub channel: FeedChannel,
    /// The function.
    pub function: String,
    /// The last one sent.
    pub seq: u64,
}

/// One level of a book: a deployment with what a call costs there and how many more it takes now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelView {
    /// The deployment, which names the level.
    pub deployment: String,
    /// Where it is.
    pub venue: String,
    /// The price of one call: what it is expected to cost, in dollars.
    pub cost: String,
    /// Calls it would take now.
    pub free: u32,
    /// Calls it can run at once; 0 when the level is gone.
    pub capacity: u32,
    /// Of a level that is gone though its deployment exists: why, in the words of exclusions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// An attempt that was filled, without anything of who asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FillView {
    /// When it ended.
    pub at: String,
    /// What ran.
    pub function: String,
    /// Where.
    pub venue: String,
    /// Which deployment there.
    pub deployment: String,
    /// The price of the fill: what the call was charged there, in dollars.
    pub charge: String,
    /// Whether the charge is estimated because the venue told no meters.
    pub estimated: bool,
    /// How large the deployment is.
    pub size: SizeView,
}

/// The size of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SizeView {
    /// Configured memory.
    pub memory_mb: u64,
    /// Configured vCPUs, where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vcpu: Option<String>,
    /// `x86_64` or `arm64`.
    pub architecture: String,
}

/// A function's fills of one minute. Prices are charges of one fill, in dollars.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandleView {
    /// The minute's first moment.
    pub start: String,
    /// The first price.
    pub open: String,
    /// The highest.
    pub high: String,
    /// The lowest.
    pub low: String,
    /// The last.
    pub close: String,
    /// Fills.
    pub volume: u64,
    /// What they come to.
    pub charged: String,
    /// Whether the minute is over: it does not change any more.
    pub done: bool,
    /// Whether fills of the minute are missing: it had begun when counting began, or the broker was too busy.
    pub partial: bool,
}

/// The text that a book's checksum is of: `deployment:cost:free:capacity` of the first ten levels, as they were sent,
/// with `|` between. The levels stand in the book's order: by cost, and then by the bytes of the deployment's name.
pub fn checksum_text<'a>(levels: impl IntoIterator<Item = &'a LevelView>) -> String {
    let text = |level: &LevelView| {
        let LevelView { deployment, cost, free, capacity, .. } = level;
        format!("{deployment}:{cost}:{free}:{capacity}")
    };
    levels.into_iter().take(CHECKSUM_LEVELS).map(text).collect::<Vec<_>>().join("|")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(deployment: &str, free: u32) -> LevelView {
        let (venue, cost) = ("pool-dc1".to_owned(), "0.0000021".to_owned());
        LevelView { deployment: deployment.to_owned(), venue, cost, free, capacity: 32, why: None }
    }

    #[test]
    fn messages_are_read_as_they_are_written() {
        let data = FeedData {
            id: None,
            function: "thumbnail".to_owned(),
            seq: 8,
            prev_seq: Some(7),
            at: "2026-11-21T10:44:00Z".to_owned(),
            body: FeedBody::Book { levels: vec![level("pool-128", 31)], checksum: u32::MAX },
        };
        let message = FeedMessage::Update(data);
        let text = serde_json::to_string(&message).expect("JSON");
        assert_eq!(
            text,
            r#"{"type":"update","function":"thumbnail","seq":8,"prev_seq":7,"at":"2026-11-21T10:44:00Z","channel":"book","levels":[{"deployment":"pool-128","venue":"pool-dc1","cost":"0.0000021","free":31,"capacity":32}],"checksum":4294967295}"#
        );
        assert_eq!(serde_json::from_str::<FeedMessage>(&text).expect("a message"), message);
        let newer = r#"{"type":"halt","function":"thumbnail"}"#;
        assert_eq!(serde_json::from_str::<FeedMessage>(newer).expect("a message"), FeedMessage::Unknown);
    }

    #[test]
    fn a_request_that_is_not_understood_is_refused() {
        let wrong = |text: &str| serde_json::from_str::<FeedRequest>(text).expect_err("wrong").to_string();
        let class = wrong(r#"{"type":"subscribe","channel":"book","functions":["a"],"class":"python3.13"}"#);
        assert!(class.starts_with("unknown field `class`"), "{class}");
        let channel = wrong(r#"{"type":"subscribe","channel":"trades","functions":["a"]}"#);
        assert!(
            channel.starts_with("unknown variant `trades`, expected one of `book`, `tape`, `candles`"),
            "{channel}"
        );
        let both = r#"{"type":"subscribe","channel":"book","classes":["images"],"id":1}"#;
        let request: FeedRequest = serde_json::from_str(both).expect("a request");
        assert_eq!(serde_json::to_string(&request).expect("JSON"), both);
    }

    #[test]
    fn the_checksum_is_of_the_first_ten_levels() {
        let levels: Vec<_> = (0..12).map(|number| level(&format!("d{number:02}"), number)).collect();
        let text = checksum_text(&levels);
        assert!(text.starts_with("d00:0.0000021:0:32|d01:0.0000021:1:32|"), "{text}");
        assert!(text.ends_with("|d09:0.0000021:9:32"), "{text}");
        assert_eq!(checksum_text([]), "");
    }
}
