//! Whether an instance runs in front of others or behind them.
//!
//! Each call, and the start, brings an instance [`SHORT`] of CPU time in front. When it has used that, its control group
//! is made an idle one (`cpu.idle`): it has a free core to itself, and makes way for whatever else wants to run. The
//! program's next call comes back in front, and so does its next instance, unless the last call was long.
//!
//! Invariants:
//! - An instance behind goes on, however busy the machine: when it got less than a tenth of a core for
//!   [`PATIENCE`], it comes back in front for [`AGAIN`] of CPU time.
//!
//! Known limitation: without a control group of that kind (Linux 5.15) all instances are in front.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::cgroup::Group;
use crate::meter::Meter;

/// CPU time in front that a call or a start brings: what WebAssembly has too.
const SHORT: Duration = Duration::from_millis(10);
/// How often CPU time is looked at while a call runs or an instance starts.
const LOOK: Duration = Duration::from_millis(10);
/// How often it is looked at otherwise: for what a program does after its reply.
const LOOK_BETWEEN: Duration = Duration::from_secs(1);
/// Over what time an instance behind may be starved.
const PATIENCE: Duration = Duration::from_millis(100);
/// The share of a core, as a divisor, below which it is.
const SHARE: u32 = 10;
/// CPU time in front of an instance that was.
const AGAIN: Duration = Duration::from_millis(10);

/// Whether the last call of a program was a long one.
#[derive(Debug, Default)]
pub(crate) struct Habit(AtomicBool);

impl Habit {
    /// Whether it was.
    pub(crate) fn is_long(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn learn(&self, long: bool) {
        self.0.store(long, Ordering::Relaxed);
    }
}

/// Where an instance stands.
#[derive(Debug)]
pub(crate) struct Standing {
    group: Arc<Group>,
    meter: Arc<Meter>,
    habit: Arc<Habit>,
    place: Mutex<Place>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In front until it has used so much since its start.
    Front { until: Duration },
    /// Behind, and what it had used at a moment.
    Behind { at: Instant, used: Duration },
}

impl Place {
    /// Where it is to be, after `used` since its start.
    fn look(self, used: Duration, now: Instant) -> Self {
        match self {
            Self::Front { until } if used < until => self,
            Self::Front { .. } => Self::Behind { at: now, used },
            Self::Behind { at, .. } if now.saturating_duration_since(at) < PATIENCE => self,
            Self::Behind { at, used: before } => {
                let wanted = now.saturating_duration_since(at) / SHARE;
                if used.saturating_sub(before) < wanted {
                    Self::Front { until: used + AGAIN }
                } else {
                    Self::Behind { at: now, used }
                }
            }
        }
    }

    const fn is_behind(self) -> bool {
        matches!(self, Self::Behind { .. })
    }
}

impl Standing {
    /// Of an instance whose program is about to start.
    pub(crate) fn new(group: Arc<Group>, meter: Arc<Meter>, habit: Arc<Habit>) -> Self {
        let used = meter.cpu().to_std();
        let place = if group.is_behind() {
            Place::Behind { at: Instant::now(), used }
        } else {
            Place::Front { until: used + SHORT }
        };
        Self { group, meter, habit, place: Mutex::new(place) }
    }

    /// A call begins, one of `calls`, when the instance has used so much.
    pub(crate) fn begin(&self, used: Duration, calls: u32) {
        if !self.habit.is_long() {
            self.go(|_| Place::Front { until: used + SHORT * calls });
        }
    }

    /// A call has ended that used so much.
    pub(crate) fn end(&self, used: Duration) {
        if used < SHORT {
            self.habit.learn(false);
        }
    }

    /// Looks at what the instance uses while a call runs, and learns from it; has no end.
    pub(crate) async fn watch_call(&self) -> Infallible {
        self.keep_looking(LOOK, true).await
    }

    /// Looks at it while the instance starts, which tells nothing of its calls; has no end.
    pub(crate) async fn watch_start(&self) -> Infallible {
        self.keep_looking(LOOK, false).await
    }

    /// Looks at it between calls; has no end.
    pub(crate) async fn watch_between(&self) -> Infallible {
        self.keep_looking(LOOK_BETWEEN, false).await
    }

    async fn keep_looking(&self, every: Duration, learns: bool) -> Infallible {
        if !self.group.can_stand_behind() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(every).await;
            let (used, now) = (self.meter.cpu().to_std(), Instant::now());
            self.go(|place| {
                let next = place.look(used, now);
                if learns && next.is_behind() && !place.is_behind() {
                    self.habit.learn(true);
                }
                next
            });
        }
    }

    fn go(&self, next: impl FnOnce(Place) -> Place) {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, after) = (*place, next(*place));
        *place = after;
        if before.is_behind() != after.is_behind() {
            self.group.stand(after.is_behind());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn what_uses_much_goes_behind_and_what_is_starved_there_comes_back_for_a_while() {
        let start = Instant::now();
        let front = Place::Front { until: SHORT };
        assert_eq!(front.look(9 * MS, start), front);
        let behind = front.look(10 * MS, start);
        assert_eq!(behind, Place::Behind { at: start, used: 10 * MS });
        // It has a core to itself, or a share of one: it stays.
        assert_eq!(behind.look(200 * MS, start + 99 * MS), behind);
        let (now, used) = (start + 100 * MS, 20 * MS);
        assert_eq!(behind.look(used, now), Place::Behind { at: now, used });
        // It got next to nothing: it comes back, and goes again when it has used what it was given.
        let again = behind.look(19 * MS, now);
        assert_eq!(again, Place::Front { until: 29 * MS });
        assert!(again.look(29 * MS, now + MS).is_behind());
    }
}
