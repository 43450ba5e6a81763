//! Calls in flight, how many are allowed, and what throttling teaches about that.
//!
//! Additive increase, multiplicative decrease, as TCP does (RFC 5681): a throttling answer
//! halves the cap, at most once per flight of calls, and growth is by small steps while
//! the cap is in use. A cap that grew back to the configured concurrency is forgotten.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use merit_units::Timestamp;

use crate::Config;
use crate::config::WHOLE_PPM;

/// A counter of calls in flight that does not pass its cap.
#[derive(Debug)]
pub(super) struct Capacity {
    in_flight: AtomicU32,
    cap: AtomicU32,
}

impl Capacity {
    pub(super) fn new(cap: u32) -> Self {
        Self { in_flight: AtomicU32::new(0), cap: AtomicU32::new(cap) }
    }

    pub(super) fn enter(&self) -> bool {
        let cap = self.cap();
        self.in_flight.fetch_update(Relaxed, Relaxed, |calls| (calls < cap).then(|| calls + 1)).is_ok()
    }

    pub(super) fn leave(&self) {
        let before = self.in_flight.fetch_sub(1, Relaxed);
        debug_assert!(before > 0, "invariant: a reservation is given back once");
    }

    /// Calls in flight and the cap, when there is no room.
    pub(super) fn full(&self) -> Option<(u32, u32)> {
        let (in_flight, cap) = (self.in_flight(), self.cap());
        (in_flight >= cap).then_some((in_flight, cap))
    }

    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    pub(super) fn cap(&self) -> u32 {
        self.cap.load(Relaxed)
    }

    pub(super) fn set_cap(&self, cap: u32) {
        self.cap.store(cap, Relaxed);
    }
}

/// The cap as configured and as learned.
#[derive(Clone, Copy, Debug)]
pub(super) struct LearnedCap {
    configured: u32,
    learned: Option<u32>,
    /// When it was last halved, if ever.
    halved_at: Option<Timestamp>,
    /// When it last changed.
    changed_at: Timestamp,
}

impl LearnedCap {
    pub(super) fn new(configured: u32) -> Self {
        Self { configured, learned: None, halved_at: None, changed_at: Timestamp::EPOCH }
    }

    pub(super) fn configure(&mut self, configured: u32) {
        self.configured = configured;
        self.learned = self.learned.filter(|&learned| learned < configured);
    }

    pub(super) fn effective(&self) -> u32 {
        self.learned.map_or(self.configured, |learned| learned.min(self.configured))
    }

    pub(super) fn is_learned(&self) -> bool {
        self.learned.is_some()
    }

    /// Halves the cap, or what is in flight if that is lower; never below one call, so that
    /// there is a way back. A throttled call begun before the last halving tells nothing
    /// new. Returns whether the cap changed.
    pub(super) fn halve(&mut self, in_flight: u32, begun: Timestamp, now: Timestamp) -> bool {
        if self.halved_at.is_some_and(|halved_at| begun <= halved_at) {
            return false;
        }
        self.learned = Some((self.effective().min(in_flight) / 2).max(1)).filter(|&cap| cap < self.configured);
        self.halved_at = Some(now);
        self.changed_at = now;
        true
    }

    /// Grows a learned cap by one step if it is time and at least half of it is in use:
    /// success below that proves nothing about the cap. Returns whether it changed.
    pub(super) fn grow(&mut self, in_flight: u32, now: Timestamp, config: &Config) -> bool {
        let Some(cap) = self.learned else { return false };
        if now.since(self.changed_at) < config.cap_grow_every || in_flight < cap / 2 {
            return false;
        }
        let step = u64::from(cap) * u64::from(config.cap_grow_ppm) / u64::from(WHOLE_PPM);
        let grown = u32::try_from(u64::from(cap) + step.max(1)).unwrap_or(u32::MAX);
        self.learned = Some(grown).filter(|&grown| grown < self.configured);
        self.changed_at = now;
        true
    }
}
