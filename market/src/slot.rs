//! The live state of one deployment: the room it has left and how well it is.
//!
//! A slot outlives books: asks come and go with prices, calls in flight do not. What a
//! decision reads is in atomics, so deciding takes no lock; what is learned from results
//! is behind a mutex that only reporting a result takes. Each atomic is complete in
//! itself and guards no other memory, therefore every access is relaxed.
//!
//! Invariants: `in_flight` never exceeds the cap it was entered under, and every entry is
//! left exactly once, by [`Reservation`]'s drop.
//!
//! Known limitation: a decision may act on a state that changed a few nanoseconds ago.

mod capacity;
mod health;
#[cfg(test)]
mod tests;
mod venue;
mod window;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use merit_units::{Micros, Timestamp};

use self::capacity::{Capacity, LearnedCap};
use self::health::{Health, Phase, Published};
use crate::Config;
use crate::config::{WHOLE_PPM, ramp_ppm};

pub use self::venue::VenueSlots;
use self::window::Taken;
pub use self::window::WindowCaps;

/// What came of an attempt, as far as its venue is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation {
    /// It ran and answered.
    Ok,
    /// The guest's own code failed. The venue did its part: for health this is a success.
    FunctionError,
    /// The venue refused it for want of room (429). Lowers the cap; says nothing about health.
    Throttled {
        /// For how long the venue asked to be left alone.
        retry_after: Option<Micros>,
    },
    /// The venue can't add instances as fast as calls come. Pauses the deployment for a moment and lowers no cap: there
    /// is room for more, only later. Says nothing about health.
    Burst {
        /// For how long the venue asked to be left alone.
        retry_after: Option<Micros>,
    },
    /// The venue failed it: no connection, 5xx, a malformed answer.
    Failed,
    /// Nobody knows whether it ran: timed out or cut off. For health this is a failure.
    Unknown,
}

/// How well a deployment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HealthState {
    /// Takes traffic.
    Healthy,
    /// Ended probation and takes a share of traffic that grows to all of it.
    Recovering {
        /// When it began.
        since: Timestamp,
    },
    /// Takes none, unless there is nothing better.
    Ejected {
        /// When probation begins.
        until: Timestamp,
    },
    /// Takes a trickle that must succeed.
    Probation,
}

/// How much room a deployment has, for operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Room {
    /// Calls in flight through this broker.
    pub in_flight: u32,
    /// Calls allowed in flight: the configured concurrency or the learned cap, if lower.
    pub cap: u32,
    /// Whether the cap was learned from throttling and is below the configured concurrency.
    pub learned: bool,
    /// No calls before this time, because the venue asked for it; in the past when it did not.
    pub paused_until: Timestamp,
}

/// Live state of one deployment, shared by all books it is in.
#[derive(Debug)]
pub struct Slot {
    capacity: Capacity,
    /// [`Published`], packed.
    health: AtomicU64,
    /// When the next call may go to it on probation, in microseconds of [`Timestamp`].
    next_probe: AtomicU64,
    /// Until when the venue asked to be left alone, in the same.
    paused_until: AtomicU64,
    /// What each of its calls takes of its venue's memory.
    memory_mb: AtomicU64,
    venue: Arc<VenueSlots>,
    learned: Mutex<Learned>,
}

#[derive(Debug)]
struct Learned {
    cap: LearnedCap,
    health: Health,
}

/// How a slot stands towards one call, as far as health goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fitness {
    Sound,
    /// Recovering, and this call's draw is not within the share it takes.
    HeldBack,
    /// On probation, and the next call of the trickle is due.
    ProbeDue,
    OnProbation {
        next_probe: Timestamp,
    },
    Ejected {
        until: Timestamp,
    },
}

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoom {
    Paused { until: Timestamp },
    Full { in_flight: u32, cap: u32 },
    VenueFull { in_flight: u32, cap: u32 },
    MemoryFull { in_use_mb: u64, quota_mb: u64 },
    WindowFull { until: Timestamp },
}

impl Slot {
    /// A deployment allowed `concurrency` calls in flight (`u32::MAX`: no limit) at a venue.
    #[must_use]
    pub fn new(concurrency: u32, venue: Arc<VenueSlots>) -> Self {
        Self {
            capacity: Capacity::new(concurrency),
            health: AtomicU64::new(Published::Healthy.pack()),
            next_probe: AtomicU64::new(0),
            paused_until: AtomicU64::new(0),
            memory_mb: AtomicU64::new(0),
            venue,
            learned: Mutex::new(Learned { cap: LearnedCap::new(concurrency), health: Health::default() }),
        }
    }

    /// Changes the configured concurrency; what was learned stays if it is lower.
    pub fn set_concurrency(&self, concurrency: u32) {
        let mut learned = self.learned();
        learned.cap.configure(concurrency);
        self.capacity.set_cap(learned.cap.effective());
    }

    /// Changes what each of its calls takes of its venue's memory, which counts where that has a quota.
    pub fn set_memory_mb(&self, memory_mb: u64) {
        self.memory_mb.store(memory_mb, Relaxed);
    }

    /// The account-wide state of its venue.
    #[must_use]
    pub fn venue(&self) -> &Arc<VenueSlots> {
        &self.venue
    }

    /// The room it has.
    #[must_use]
    pub fn room(&self) -> Room {
        Room {
            in_flight: self.capacity.in_flight(),
            cap: self.capacity.cap(),
            learned: self.learned().cap.is_learned(),
            paused_until: Timestamp::from_micros(self.paused_until.load(Relaxed)),
        }
    }

    /// How well it is.
    #[must_use]
    pub fn health(&self, now: Timestamp, config: &Config) -> HealthState {
        match self.published() {
            Published::Recovering { since } if ramp_ppm(config.ramp_ppm_per_second, now.since(since)) < WHOLE_PPM => {
                HealthState::Recovering { since }
            }
            Published::Healthy | Published::Recovering { .. } => HealthState::Healthy,
            Published::Out { until } if now < until => HealthState::Ejected { until },
            Published::Out { .. } => HealthState::Probation,
        }
    }

    /// The learned probability that an attempt fails at the venue, in ppm: a mean over
    /// roughly the last 32 attempts, function errors and throttling not counted.
    #[must_use]
    pub fn fail_ppm(&self) -> u32 {
        self.learned().health.fail_ppm()
    }

    /// Takes one place here and at the venue for a call that is charged `ceiling_pico` at most, or `None` when either
    /// is full, or the venue's memory or its window of time is.
    ///
    /// Health and a pause asked for by the venue are not looked at; [`crate::Book::decide`] does.
    #[must_use]
    pub fn reserve(self: &Arc<Self>, now: Timestamp, ceiling_pico: i64) -> Option<Reservation> {
        if !self.capacity.enter() {
            return None;
        }
        if !self.venue.capacity.enter() {
            self.capacity.leave();
            return None;
        }
        let Some(memory_mb) = self.venue.memory.enter(self.memory_mb.load(Relaxed)) else {
            self.capacity.leave();
            self.venue.capacity.leave();
            return None;
        };
        let Ok(taken) = self.venue.windows.enter(ceiling_pico, now) else {
            self.capacity.leave();
            self.venue.capacity.leave();
            self.venue.memory.leave(memory_mb);
            return None;
        };
        Some(Reservation { slot: Arc::clone(self), begun: now, memory_mb, taken })
    }

    /// Learns from an attempt's result, as if it had begun just now.
    ///
    /// [`Reservation::observe`] is better where there is one: it knows when the attempt began.
    pub fn observe(&self, observation: Observation, now: Timestamp, config: &Config) {
        self.observe_begun(now, observation, now, config);
    }

    fn observe_begun(&self, begun: Timestamp, observation: Observation, now: Timestamp, config: &Config) {
        match observation {
            Observation::Ok | Observation::FunctionError => self.succeeded(begun, now, config),
            Observation::Failed | Observation::Unknown => self.failed(begun, now, config),
            Observation::Throttled { retry_after } => self.throttled(begun, retry_after, now, config),
            Observation::Burst { retry_after } => self.pause(retry_after.unwrap_or(config.burst_pause), now, config),
        }
    }

    fn succeeded(&self, begun: Timestamp, now: Timestamp, config: &Config) {
        let mut learned = self.learned();
        let phase = learned.health.observe(begun, true, now, config);
        self.publish(phase);
        if learned.cap.grow(self.capacity.in_flight(), now, config) {
            self.capacity.set_cap(learned.cap.effective());
        }
        drop(learned);
        self.venue.succeeded(now, config);
    }

    fn failed(&self, begun: Timestamp, now: Timestamp, config: &Config) {
        let mut learned = self.learned();
        let phase = learned.health.observe(begun, false, now, config);
        self.publish(phase);
    }

    fn throttled(&self, begun: Timestamp, retry_after: Option<Micros>, now: Timestamp, config: &Config) {
        if let Some(pause) = retry_after {
            self.pause(pause, now, config);
        }
        let mut learned = self.learned();
        if learned.cap.halve(self.capacity.in_flight(), begun, now) {
            self.capacity.set_cap(learned.cap.effective());
        }
        drop(learned);
        self.venue.throttled(std::ptr::from_ref(self).addr(), begun, now, config);
    }

    fn pause(&self, pause: Micros, now: Timestamp, config: &Config) {
        let until = now + pause.min(config.throttle_pause_max);
        self.paused_until.fetch_max(until.micros(), Relaxed);
    }

    fn publish(&self, phase: Phase) {
        let packed = phase.published().pack();
        if self.health.load(Relaxed) != packed {
            self.health.store(packed, Relaxed);
        }
    }

    pub(crate) fn fitness(&self, now: Timestamp, luck_ppm: u32, ramp_ppm_per_second: u32) -> Fitness {
        match self.published() {
            Published::Healthy => Fitness::Sound,
            Published::Recovering { since } => {
                let taken = ramp_ppm(ramp_ppm_per_second, now.since(since));
                if luck_ppm < taken { Fitness::Sound } else { Fitness::HeldBack }
            }
            Published::Out { until } if now < until => Fitness::Ejected { until },
            Published::Out { .. } => {
                let next_probe = Timestamp::from_micros(self.next_probe.load(Relaxed));
                if now < next_probe { Fitness::OnProbation { next_probe } } else { Fitness::ProbeDue }
            }
        }
    }

    pub(crate) fn no_room(&self, now: Timestamp, ceiling_pico: i64) -> Option<NoRoom> {
        let until = Timestamp::from_micros(self.paused_until.load(Relaxed));
        if now < until {
            return Some(NoRoom::Paused { until });
        }
        if let Some((in_flight, cap)) = self.capacity.full() {
            return Some(NoRoom::Full { in_flight, cap });
        }
        if let Some((in_flight, cap)) = self.venue.capacity.full() {
            return Some(NoRoom::VenueFull { in_flight, cap });
        }
        if let Some((in_use_mb, quota_mb)) = self.venue.memory.full(self.memory_mb.load(Relaxed)) {
            return Some(NoRoom::MemoryFull { in_use_mb, quota_mb });
        }
        self.venue.windows.full_until(ceiling_pico, now).map(|until| NoRoom::WindowFull { until })
    }

    /// Takes the call of the probation trickle that is due; one caller wins.
    pub(crate) fn claim_probe(&self, now: Timestamp, interval: Micros) -> bool {
        let due = self.next_probe.load(Relaxed);
        let next = (now + interval).micros();
        due <= now.micros() && self.next_probe.compare_exchange(due, next, Relaxed, Relaxed).is_ok()
    }

    fn published(&self) -> Published {
        Published::unpack(self.health.load(Relaxed))
    }

    fn learned(&self) -> MutexGuard<'_, Learned> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One place taken at a deployment and at its venue; dropping it gives both back.
///
/// Dropped unobserved it says nothing about the deployment: a caller that hung up is
/// nobody's failure.
#[derive(Debug)]
pub struct Reservation {
    slot: Arc<Slot>,
    begun: Timestamp,
    /// Its part of the venue's memory.
    memory_mb: u64,
    /// Its part of the venue's window of time, until it is charged.
    taken: Option<Taken>,
}

impl Reservation {
    /// The deployment it is at.
    #[must_use]
    pub fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// Learns from the attempt's result. Results of attempts that began before the last
    /// change of state they could speak about (ejection, a halved cap) are old news.
    pub fn observe(&self, observation: Observation, now: Timestamp, config: &Config) {
        self.slot.observe_begun(self.begun, observation, now, config);
    }

    /// The call was sent, and charged this much in picodollars: what a venue's cap on spend held beyond it is free
    /// again. A reservation that is dropped without was never used, and counts towards no cap.
    pub fn charged(&mut self, pico: i64) {
        if let Some(taken) = self.taken.take() {
            taken.charged(pico);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(taken) = self.taken.take() {
            taken.give_back();
        }
        self.slot.capacity.leave();
        self.slot.venue.capacity.leave();
        self.slot.venue.memory.leave(self.memory_mb);
    }
}
