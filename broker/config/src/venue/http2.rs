//! How HTTP/2 is spoken with a venue's servers, where they offer it.

use std::str::FromStr;

use crate::reader::{Kind, Section};

/// Many calls on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2 {
    /// The most calls at once on one connection.
    pub calls: u32,
    /// Bytes of one call's reply that may come before they are read.
    pub window_bytes: u32,
    /// Milliseconds after which a connection with calls on it is asked for a sign of life.
    pub ping_ms: u64,
    /// Milliseconds it has to give one.
    pub ping_timeout_ms: u64,
}

/// `None`: it is not asked for.
pub(super) fn read(section: &mut Section<'_, '_>, by_default: bool) -> Option<Http2> {
    let wanted = section.given("http2", &[Kind::Boolean], bool::from_str);
    let http2 = Http2 {
        calls: section.number_or("http2_calls", 1..=1000, 100),
        window_bytes: section.number_or("http2_window_bytes", 16_384..=16_777_216, 262_144),
        ping_ms: section.number_or("http2_ping_ms", 1000..=3_600_000, 30_000),
        ping_timeout_ms: section.number_or("http2_ping_timeout_ms", 1000..=600_000, 15_000),
    };
    wanted.unwrap_or_else(|| section.fall_back("http2", by_default)).then_some(http2)
}
