//! Calls in flight, how many are allowed, and what throttling teaches about that.
//!
//! Additive increase, multiplicative decrease, as TCP does (RFC 5681): a throttling answer
//! halves the cap, at most once per flight of calls, and growth is by small steps while
//! the cap is in use. A cap that grew back to the configured concurrency is forgotten.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

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

/// The memory of all calls in flight, where it has a quota; without one nothing is counted.
#[derive(Debug)]
pub(super) struct MemoryQuota {
    in_use_mb: AtomicU64,
    /// `u64::MAX`: none.
    quota_mb: AtomicU64,
}

impl MemoryQuota {
    pub(super) fn none() -> Self {
        Self { in_use_mb: AtomicU64::new(0), quota_mb: AtomicU64::new(u64::MAX) }
    }

    /// Calls that were let in without a quota are not counted under a new one.
    pub(super) fn set(&self, quota_mb: Option<u64>) {
        self.quota_mb.store(quota_mb.unwrap_or(u64::MAX), Relaxed);
    }

    /// What is to be given back, or `None` when there is no room for as much.
    pub(super) fn enter(&self, memory_mb: u64) -> Option<u64> {
        let quota_mb = self.quota_mb.load(Relaxed);
        if quota_mb == u64::MAX {
            return Some(0);
        }
        let more = |in_use: u64| in_use.checked_add(memory_mb).filter(|in_use| *in_use <= quota_mb);
        self.in_use_mb.fetch_update(Relaxed, Relaxed, more).ok().map(|_| memory_mb)
    }

    pub(super) fn leave(&self, memory_mb: u64) {
        if memory_mb > 0 {
            let before = self.in_use_mb.fetch_sub(memory_mb, Relaxed);
            debug_assert!(before >= memory_mb, "invariant: what was taken is given back once");
        }
    }

    /// What is in use and the quota, when there is no room for as much.
    pub(super) fn full(&self, memory_mb: u64) -> Option<(u64, u64)> {
        let quota_mb = self.quota_mb.load(Relaxed);
        if quota_mb == u64::MAX {
            return None;
        }
        let in_use_mb = self.in_use_mb.load(Relaxed);
        (in_use_mb.saturating_add(memory_mb) > quota_mb).then_some((in_use_mb, quota_mb))
    }

    pub(super) fn in_use_mb(&self) -> u64 {
        self.in_use_mb.load(Relaxed)
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
