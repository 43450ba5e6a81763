//! The sections `[server]`, `[store]`, `[secrets]` and `[log]`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use http::Uri;

use crate::reader::{Kind, Section};

/// The listener and its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where Merit listens.
    pub listen: SocketAddr,
    /// Connections open at once.
    pub max_connections: usize,
    /// Connections at once on which no request came yet with a key that holds.
    pub max_strangers: usize,
    /// Calls in progress at once; more are answered 503.
    pub max_in_flight: usize,
    /// Bytes a payload may have; larger ones are answered 413.
    pub max_payload_bytes: usize,
    /// Bytes a venue's reply may have.
    pub max_reply_bytes: usize,
    /// Bytes a venue's reply may have that is passed on while it arrives.
    pub max_streamed_bytes: usize,
    /// Bytes that path and query of a request of plain HTTP may have.
    pub max_url_bytes: usize,
    /// Bytes that names and values of its headers may have together.
    pub max_header_bytes: usize,
    /// Milliseconds a client has to send its request's headers.
    pub header_timeout_ms: u64,
    /// Milliseconds that what a refused client is still sending is read and thrown away.
    pub linger_ms: u64,
    /// Milliseconds that running calls have to end after SIGTERM.
    pub drain_timeout_ms: u64,
    /// Threads that serve calls; 0 takes one for each core.
    pub worker_threads: usize,
    /// Where venues that reply by a callback reach this broker.
    pub callback_url: Option<Uri>,
    /// Calls that wait for a callback at once.
    pub max_callbacks: usize,
}

impl Server {
    pub(crate) fn read(mut section: Section<'_, '_>) -> Self {
        Self {
            listen: section.value("listen", &[Kind::String], address),
            max_connections: section.number("max_connections", 1..=1_000_000),
            max_strangers: section.number("max_strangers", 1..=1_000_000),
            max_in_flight: section.number("max_in_flight", 1..=1_000_000),
            max_payload_bytes: section.number("max_payload_bytes", 1..=1 << 30),
            max_reply_bytes: section.number("max_reply_bytes", 1..=1 << 30),
            max_streamed_bytes: section.number("max_streamed_bytes", 1..=1 << 40),
            max_url_bytes: section.number("max_url_bytes", 1..=65_534),
            max_header_bytes: section.number("max_header_bytes", 1..=1 << 18),
            header_timeout_ms: section.number("header_timeout_ms", 10..=600_000),
            linger_ms: section.number("linger_ms", 0..=600_000),
            drain_timeout_ms: section.number("drain_timeout_ms", 0..=3_600_000),
            worker_threads: section.number("worker_threads", 0..=1024),
            callback_url: section.given("callback_url", &[Kind::String], crate::venue::url),
            max_callbacks: section.number("max_callbacks", 0..=1_000_000),
        }
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("must be an IP address and a port such as 127.0.0.1:8780, got `{text}`"))
}

/// The database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// The folder of the database and the journal; relative to the configuration file's folder.
    pub dir: PathBuf,
    /// Rows that are written in one commit at most.
    pub group_commit_rows: usize,
    /// Milliseconds a row waits for others to share its commit.
    pub group_commit_ms: u64,
    /// Rows that may wait to be written.
    pub queue: usize,
    /// Days that receipts are kept.
    pub receipts_retention_days: u32,
}

impl Store {
    pub(crate) fn read(mut section: Section<'_, '_>, folder: &Path) -> Self {
        Self {
            dir: folder.join(section.value("dir", &[Kind::String], path)),
            group_commit_rows: section.number("group_commit_rows", 1..=100_000),
            group_commit_ms: section.number("group_commit_ms", 1..=1000),
            queue: section.number("queue", 100..=10_000_000),
            receipts_retention_days: section.number("receipts_retention_days", 1..=3650),
        }
    }
}

/// Where the key is that encrypts secrets at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secrets {
    /// A file with the key; relative to the configuration file's folder. The environment's key comes before it.
    pub key_file: Option<PathBuf>,
}

impl Secrets {
    pub(crate) fn read(mut section: Section<'_, '_>, folder: &Path) -> Self {
        // The key itself is the environment's alone: not a setting, and not a misspelt one.
        section.also_known("MERIT_SECRETS_KEY");
        let file = |text: &str| Ok::<_, &str>(Some(text).filter(|text| !text.is_empty()).map(|text| folder.join(text)));
        Self { key_file: section.value("key_file", &[Kind::String], file) }
    }
}

pub(crate) fn path(text: &str) -> Result<PathBuf, &'static str> {
    if text.is_empty() { Err("must not be empty; write a path") } else { Ok(PathBuf::from(text)) }
}

/// What is logged and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The form of a line.
    pub format: LogFormat,
    /// The least severe level that is logged.
    pub level: LogLevel,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// How severe a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Something failed that should not.
    Error,
    /// Something needs attention.
    Warn,
    /// What an operator wants to know.
    Info,
    /// What a developer wants to know.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The level's word, as `tracing` reads it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl Log {
    pub(crate) fn read(mut section: Section<'_, '_>) -> Self {
        const LEVELS: [(&str, LogLevel); 5] = [
            ("error", LogLevel::Error),
            ("warn", LogLevel::Warn),
            ("info", LogLevel::Info),
            ("debug", LogLevel::Debug),
            ("trace", LogLevel::Trace),
        ];
        let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
        Self {
            format: section.value("format", &[Kind::String], |text| one_of(text, &formats)),
            level: section.value("level", &[Kind::String], |text| one_of(text, &LEVELS)),
        }
    }
}

/// The value that belongs to a word.
pub(crate) fn one_of<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let found = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let (last, first) = words.split_last().expect("invariant: there is something to choose from");
        let hint = crate::mistake::did_you_mean(text, words.iter().copied());
        format!("must be {} or {last}, got `{text}`{hint}", first.join(", "))
    })
}
