//! Warm instances of one function: who takes a call, who starts cold, who is evicted.
//!
//! A call takes the most recently used instance with a free slot; without one a new instance
//! starts cold. An idle instance is evicted at a whole multiple of the keep-alive period, drawn
//! when it becomes idle: the measured containers left in halves every period.
//!
//! Times are those of the simulated clock. Finding an instance is O(1) but for the moments when
//! some expire, which cost one pass over all of them.

use std::collections::HashMap;

use merit_units::{Micros, Timestamp};

use super::KeepAlive;

/// One instance, unique within its function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct InstanceId(u64);

/// The instances of one function.
#[derive(Debug)]
pub(crate) struct Instances {
    keep_alive: KeepAlive,
    slots: u32,
    next: u64,
    alive: HashMap<InstanceId, Instance>,
    /// Those with a free slot, the last used at the end.
    open: Vec<InstanceId>,
    /// No idle instance expires before this.
    next_expiry: Timestamp,
}

#[derive(Debug)]
struct Instance {
    in_use: u32,
    /// Only of meaning while nothing is in use.
    expires: Timestamp,
}

/// No keep-alive goes beyond this many periods; the chance of it is below one in a thousand million.
const MOST_PERIODS: u64 = 30;

impl Instances {
    /// None yet; each will take `slots` calls at once.
    pub(crate) fn new(keep_alive: KeepAlive, slots: u32) -> Self {
        let next_expiry = Timestamp::from_micros(u64::MAX);
        Self { keep_alive, slots: slots.max(1), next: 0, alive: HashMap::new(), open: Vec::new(), next_expiry }
    }

    /// Takes a slot; `true` when its instance had to start for it.
    pub(crate) fn take(&mut self, now: Timestamp) -> (InstanceId, bool) {
        self.evict(now);
        let (id, cold) = match self.open.pop() {
            Some(id) => (id, false),
            None => (self.start(now), true),
        };
        let instance = self.alive.get_mut(&id).expect("invariant: open instances are alive");
        instance.in_use += 1;
        if instance.in_use < self.slots {
            self.open.push(id);
        }
        (id, cold)
    }

    /// Gives a slot back. An instance evicted by force in the meantime is gone already.
    pub(crate) fn give_back(&mut self, id: InstanceId, now: Timestamp, rng: &mut fastrand::Rng) {
        let Some(instance) = self.alive.get_mut(&id) else { return };
        if instance.in_use == self.slots {
            self.open.push(id);
        }
        instance.in_use -= 1;
        if instance.in_use == 0 {
            instance.expires = now + idle_time(self.keep_alive, rng);
            self.next_expiry = self.next_expiry.min(instance.expires);
        }
    }

    /// Evicts all, busy ones as soon as they are done: every next call is cold.
    pub(crate) fn evict_all(&mut self) {
        self.alive.clear();
        self.open.clear();
    }

    /// How many there are, busy and idle.
    pub(crate) fn alive(&self) -> usize {
        self.alive.len()
    }

    fn start(&mut self, now: Timestamp) -> InstanceId {
        let id = InstanceId(self.next);
        self.next += 1;
        self.alive.insert(id, Instance { in_use: 0, expires: now });
        id
    }

    fn evict(&mut self, now: Timestamp) {
        if now < self.next_expiry {
            return;
        }
        self.alive.retain(|_, instance| instance.in_use > 0 || instance.expires > now);
        self.open.retain(|id| self.alive.contains_key(id));
        let idle = self.alive.values().filter(|instance| instance.in_use == 0);
        self.next_expiry = idle.map(|instance| instance.expires).min().unwrap_or(Timestamp::from_micros(u64::MAX));
    }
}

fn idle_time(keep_alive: KeepAlive, rng: &mut fastrand::Rng) -> Micros {
    let mut periods = 1;
    while periods < MOST_PERIODS && rng.u32(0..1_000_000) < keep_alive.survival_ppm {
        periods += 1;
    }
    Micros::new(keep_alive.period.get().saturating_mul(periods))
}
