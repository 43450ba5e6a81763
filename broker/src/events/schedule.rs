//! Which event is delivered next: fair between lanes, and each lane within its bounds.
//!
//! A lane is a function, or the URL of a destination. Lanes with something due take turns, so one with a long backlog
//! delays the others by one delivery a turn; and each has at most so many deliveries at once, so a slow one leaves
//! room. A lane whose venues are in trouble pauses as a whole: ten thousand events would fail as the first did.
//!
//! Invariant: a lane stands in the agenda, among the ready ones, or nowhere (nothing waits, or it is at its bound).
//! Pure: the time is a parameter. Each operation costs the logarithm of what waits.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use merit_units::{InvocationId, Micros, Timestamp};

/// A lane's first pause; each further one in a row lasts twice as long.
const FIRST_PAUSE: Micros = Micros::from_millis(100);
/// Its longest pause.
const LONGEST_PAUSE: Micros = Micros::from_secs(10);

/// A function's name or a destination's URL.
pub(super) type LaneName = Arc<str>;

/// What a delivery showed of its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LaneHealth {
    /// It takes deliveries.
    Well,
    /// Nothing is known.
    Unknown,
    /// Any other delivery would have failed as well.
    Trouble,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Listed {
    No,
    Agenda(Timestamp),
    Ready,
}

struct Lane {
    waiting: BTreeSet<(Timestamp, InvocationId)>,
    running: usize,
    /// Pauses in a row.
    pauses: u32,
    paused_until: Timestamp,
    listed: Listed,
}

/// What waits in memory.
#[derive(Default)]
pub(super) struct Schedule {
    lanes: HashMap<LaneName, Lane>,
    agenda: BTreeSet<(Timestamp, LaneName)>,
    ready: VecDeque<LaneName>,
    running: usize,
}

impl Schedule {
    /// Lets an event wait until it is due.
    pub(super) fn push(&mut self, lane: &LaneName, due_at: Timestamp, id: InvocationId, bound: usize) {
        let entry = self.lanes.entry(Arc::clone(lane)).or_insert_with(|| Lane {
            waiting: BTreeSet::new(),
            running: 0,
            pauses: 0,
            paused_until: Timestamp::EPOCH,
            listed: Listed::No,
        });
        entry.waiting.insert((due_at, id));
        self.list(lane, bound);
    }

    /// Takes an event out that is not to be delivered after all. Whether it waited.
    pub(super) fn remove(&mut self, lane: &str, due_at: Timestamp, id: InvocationId) -> bool {
        self.lanes.get_mut(lane).is_some_and(|lane| lane.waiting.remove(&(due_at, id)))
    }

    /// The next event that is due, which is running from now on.
    pub(super) fn take(&mut self, now: Timestamp, bound: usize) -> Option<(LaneName, InvocationId)> {
        while let Some((at, _)) = self.agenda.first()
            && *at <= now
        {
            let (_, name) = self.agenda.pop_first()?;
            if let Some(lane) = self.lanes.get_mut(&name) {
                lane.listed = Listed::Ready;
            }
            self.ready.push_back(name);
        }
        while let Some(name) = self.ready.pop_front() {
            let Some(lane) = self.lanes.get_mut(&name) else { continue };
            lane.listed = Listed::No;
            let due = lane.waiting.first().is_some_and(|(at, _)| *at <= now) && lane.paused_until <= now;
            let taken = if due && lane.running < bound { lane.waiting.pop_first() } else { None };
            if taken.is_some() {
                lane.running += 1;
                self.running += 1;
            }
            self.list(&name, bound);
            if let Some((_, id)) = taken {
                return Some((name, id));
            }
        }
        None
    }

    /// A delivery has ended.
    pub(super) fn end(&mut self, name: &LaneName, health: LaneHealth, now: Timestamp, bound: usize) {
        self.running = self.running.saturating_sub(1);
        let Some(lane) = self.lanes.get_mut(name) else { return };
        lane.running = lane.running.saturating_sub(1);
        match health {
            LaneHealth::Well => lane.pauses = 0,
            LaneHealth::Unknown => {}
            // Deliveries that were under way together count as one.
            LaneHealth::Trouble if lane.paused_until > now => {}
            LaneHealth::Trouble => {
                let pause = FIRST_PAUSE.get().saturating_mul(1 << lane.pauses.min(20)).min(LONGEST_PAUSE.get());
                lane.paused_until = now + Micros::new(pause);
                lane.pauses += 1;
            }
        }
        self.list(name, bound);
    }

    /// Deliveries under way.
    pub(super) const fn running(&self) -> usize {
        self.running
    }

    /// When the next lane has something due; none when nothing waits for its time.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        if self.ready.is_empty() { self.agenda.first().map(|(at, _)| *at) } else { Some(Timestamp::EPOCH) }
    }

    /// Puts a lane where it belongs.
    fn list(&mut self, name: &LaneName, bound: usize) {
        let Some(lane) = self.lanes.get_mut(name) else { return };
        if lane.listed == Listed::Ready {
            return;
        }
        let next = lane.waiting.first().filter(|_| lane.running < bound).map(|(at, _)| (*at).max(lane.paused_until));
        if let Listed::Agenda(at) = lane.listed {
            if next == Some(at) {
                return;
            }
            self.agenda.remove(&(at, Arc::clone(name)));
        }
        lane.listed = next.map_or(Listed::No, Listed::Agenda);
        match next {
            Some(at) => {
                self.agenda.insert((at, Arc::clone(name)));
            }
            // Forgotten with its pause, once nothing is left of it.
            None if lane.waiting.is_empty() && lane.running == 0 => {
                self.lanes.remove(name);
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests;
