//! The room a venue has for all its deployments together: account-wide concurrency.
//!
//! A throttling answer does not say whose limit was met. One deployment's own limit must
//! not halve the whole venue, so the venue's cap follows only when two deployments are
//! throttled shortly one after the other.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use merit_units::Timestamp;

use super::Room;
use super::capacity::{Capacity, LearnedCap};
use crate::Config;

/// Live state of one venue, shared by the slots of its deployments.
#[derive(Debug)]
pub struct VenueSlots {
    pub(super) capacity: Capacity,
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
