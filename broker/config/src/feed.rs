//! The section `[feed]`: market data, and what its readers are held to.

use crate::reader::Section;

/// Market data, and what its readers are held to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// Updates of one channel and function a second.
    pub updates_per_second: u32,
    /// Messages that may wait for one reader.
    pub max_queued: usize,
    /// Milliseconds that one message may take to be handed to the network.
    pub write_timeout_ms: u64,
    /// Connections open at once.
    pub max_connections: usize,
    /// Connections of one key.
    pub max_connections_per_key: usize,
    /// Subscriptions of one connection.
    pub max_subscriptions: usize,
    /// Bytes that a reader's message may have.
    pub max_message_bytes: usize,
    /// Functions whose fills are counted in candles at once.
    pub max_candle_functions: usize,
}

impl Feed {
    pub(crate) fn read(mut section: Section<'_, '_>) -> Self {
        Self {
            updates_per_second: section.number("updates_per_second", 1..=1000),
            max_queued: section.number("max_queued", 16..=100_000),
            write_timeout_ms: section.number("write_timeout_ms", 100..=600_000),
            max_connections: section.number("max_connections", 0..=1_000_000),
            max_connections_per_key: section.number("max_connections_per_key", 0..=1_000_000),
            max_subscriptions: section.number("max_subscriptions", 1..=100_000),
            max_message_bytes: section.number("max_message_bytes", 1024..=16_777_216),
            max_candle_functions: section.number("max_candle_functions", 0..=1_000_000),
        }
    }
}
