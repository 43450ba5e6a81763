//! The section `[providers]`: what holds for every venue of kind `provider`.

use crate::reader::Section;

/// What providers are held to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Providers {
    /// Offers that a venue may have at once.
    pub max_offers: usize,
    /// Offers of one venue that a function takes at once.
    pub max_offers_per_function: usize,
    /// Bytes that a frame of a session, or a mass quote by REST, may have.
    pub max_message_bytes: usize,
    /// Quotes a second that a venue's provider may send.
    pub max_quotes_per_second: u32,
    /// Changes a minute of a venue's endpoint, price sheet and caps, and of its switch being turned off.
    pub max_changes_per_minute: u32,
    /// The longest an offer may stand without being sent again, in milliseconds.
    pub max_ttl_ms: u64,
    /// Milliseconds between two heartbeats of a session; three without a frame end it.
    pub heartbeat_ms: u64,
    /// Percent that a price may fall below its five-minute mean by itself.
    pub band_fall_percent: u32,
    /// Percent that a price may rise above its five-minute mean by itself.
    pub band_rise_percent: u32,
    /// Calls of a trial; 0: there is none.
    pub trial_calls: u64,
}

impl Providers {
    pub(crate) fn read(mut section: Section<'_, '_>) -> Self {
        Self {
            max_offers: section.number("max_offers", 1..=1_000_000),
            max_offers_per_function: section.number("max_offers_per_function", 1..=128),
            max_message_bytes: section.number("max_message_bytes", 1024..=1 << 28),
            max_quotes_per_second: section.number("max_quotes_per_second", 1..=10_000_000),
            max_changes_per_minute: section.number("max_changes_per_minute", 1..=1_000_000),
            max_ttl_ms: section.number("max_ttl_ms", 1000..=86_400_000),
            heartbeat_ms: section.number("heartbeat_ms", 100..=60_000),
            band_fall_percent: section.number("band_fall_percent", 0..=100),
            band_rise_percent: section.number("band_rise_percent", 0..=1_000_000),
            trial_calls: section.number("trial_calls", 0..=1_000_000),
        }
    }
}
