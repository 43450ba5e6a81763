//! The room a venue has for all its deployments together: account-wide concurrency.
//!
//! A throttling answer does not say whose limit was met. One deployment's own limit must
//! not halve the whole venue, so the venue's cap follows only when two deployments are
//! throttled shortly one after the other.
//!
//! A venue's kill switch, its trial and its caps are here too, and not in books: they hold for the very next decision.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use merit_units::Timestamp;

use super::Room;
use super::capacity::{Capacity, LearnedCap, MemoryQuota};
use super::window::{CappedWindows, WindowCaps};
use crate::Config;

/// Nothing is sent there: a kill switch is on.
const STOPPED: u8 = 1;
/// It takes no more than [`Config::trial_ppm`] of a function's calls.
const ON_TRIAL: u8 = 2;

/// Live state of one venue, shared by the slots of its deployments.
#[derive(Debug)]
pub struct VenueSlots {
    pub(super) capacity: Capacity,
    /// [`STOPPED`] and [`ON_TRIAL`].
    flags: AtomicU8,
    pub(super) windows: CappedWindows,
    pub(super) memory: MemoryQuota,
    /// Whether a cap is learned: results need the mutex only then.
    has_learned: AtomicBool,
    learned: Mutex<Learned>,
}

#[derive(Debug)]
struct Learned {
    cap: LearnedCap,
    /// Which slot was last throttled, by its address, and when.
    last_throttled: Option<(usize, Timestamp)>,
}

impl VenueSlots {
    /// A venue allowing `concurrency` calls in flight in all (`u32::MAX`: no limit).
    #[must_use]
    pub fn new(concurrency: u32) -> Self {
        Self {
            capacity: Capacity::new(concurrency),
            flags: AtomicU8::new(0),
            windows: CappedWindows::default(),
            memory: MemoryQuota::none(),
            has_learned: AtomicBool::new(false),
            learned: Mutex::new(Learned { cap: LearnedCap::new(concurrency), last_throttled: None }),
        }
    }

    /// Changes the configured concurrency; what was learned stays if it is lower.
    pub fn set_concurrency(&self, concurrency: u32) {
        let mut learned = self.learned();
        learned.cap.configure(concurrency);
        self.publish(&learned.cap);
    }

    /// The room it has. A venue is never paused; its deployments are.
    #[must_use]
    pub fn room(&self) -> Room {
        Room {
            in_flight: self.capacity.in_flight(),
            cap: self.capacity.cap(),
            learned: self.has_learned.load(Relaxed),
            paused_until: Timestamp::EPOCH,
        }
    }

    /// Stops it, or lets it go on. Every decision from now on knows, whatever book it is made in.
    pub fn set_stopped(&self, stopped: bool) {
        self.set_flag(STOPPED, stopped);
    }

    /// Whether it was stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.flags.load(Relaxed) & STOPPED != 0
    }

    /// Puts it on trial, or ends its trial.
    pub fn set_on_trial(&self, on_trial: bool) {
        self.set_flag(ON_TRIAL, on_trial);
    }

    /// Whether it is on trial.
    #[must_use]
    pub fn is_on_trial(&self) -> bool {
        self.flags.load(Relaxed) & ON_TRIAL != 0
    }

    /// Changes what it takes in one window of time. What was taken in the running one counts.
    pub fn set_window_caps(&self, caps: Option<WindowCaps>, now: Timestamp) {
        self.windows.set(caps, now);
    }

    /// Changes the memory that all calls in flight there may take together, each that of its function.
    pub fn set_memory_quota_mb(&self, quota_mb: Option<u64>) {
        self.memory.set(quota_mb);
    }

    /// The memory of the calls in flight, as far as a quota has it counted.
    #[must_use]
    pub fn memory_in_use_mb(&self) -> u64 {
        self.memory.in_use_mb()
    }

    /// Whether neither a switch nor its trial keeps a call with that luck away.
    #[inline]
    pub(crate) fn admits(&self, explore_ppm: u32, trial_ppm: u32) -> bool {
        let flags = self.flags.load(Relaxed);
        flags == 0 || flags & STOPPED == 0 && explore_ppm < trial_ppm
    }

    /// Stopped, on trial, and its running window.
    #[cfg(test)]
    pub(crate) fn gate(&self) -> (bool, bool, Option<(Timestamp, u64, i64)>) {
        (self.is_stopped(), self.is_on_trial(), self.windows.state())
    }

    fn set_flag(&self, flag: u8, on: bool) {
        if on {
            self.flags.fetch_or(flag, Relaxed)
        } else {
            self.flags.fetch_and(!flag, Relaxed)
        };
    }

    pub(super) fn throttled(&self, slot: usize, begun: Timestamp, now: Timestamp, config: &Config) {
        let mut learned = self.learned();
        let second = learned
            .last_throttled
            .is_some_and(|(other, at)| other != slot && now.since(at) <= config.throttle_venue_window);
        learned.last_throttled = Some((slot, now));
        if second && learned.cap.halve(self.capacity.in_flight(), begun, now) {
            self.publish(&learned.cap);
        }
    }

    pub(super) fn succeeded(&self, now: Timestamp, config: &Config) {
        if !self.has_learned.load(Relaxed) {
            return;
        }
        let mut learned = self.learned();
        if learned.cap.grow(self.capacity.in_flight(), now, config) {
            self.publish(&learned.cap);
        }
    }

    fn publish(&self, cap: &LearnedCap) {
        self.capacity.set_cap(cap.effective());
        self.has_learned.store(cap.is_learned(), Relaxed);
    }

    fn learned(&self) -> MutexGuard<'_, Learned> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
