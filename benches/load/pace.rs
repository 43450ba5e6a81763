//! The pacer: tells, to a few microseconds, when planned sends are due.
//!
//! An async runtime's own timers tick in milliseconds, which would add up to one to every latency.
//! The kernel's interval timer does not: each expiry is one planned send, and reading it returns
//! how many are due, so none is lost when the generator was busy.

use std::io;
use std::os::fd::OwnedFd;

use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::clock::{self, SECOND};

/// Send times planned at a constant rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// When the plan begins, on [`clock::now`]'s clock. The first send is one interval later.
    pub(crate) start: u64,
    /// Nanoseconds between two sends.
    pub(crate) interval: u64,
    /// How many sends.
    pub(crate) sends: u64,
}

impl Plan {
    /// `rate` sends a second for `seconds`, beginning in 10 milliseconds so that everyone is ready. The rate is not 0.
    pub(crate) fn beginning_soon(rate: u64, seconds: u64) -> Self {
        Self { start: clock::now() + SECOND / 100, interval: SECOND / rate, sends: rate * seconds }
    }

    /// When the send of this index, from 0, is planned.
    pub(crate) const fn planned(&self, index: u64) -> u64 {
        self.start + (index + 1) * self.interval
    }
}

/// A running plan.
#[derive(Debug)]
pub(crate) struct Pacer {
    timer: AsyncFd<OwnedFd>,
    left: u64,
}

impl Pacer {
    /// Arms the timer.
    ///
    /// # Errors
    /// When the system has no timer to give.
    #[expect(deprecated, reason = "its successor is unsafe; an OwnedFd keeps the promise that it asks for")]
    pub(crate) fn start(plan: &Plan) -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let times =
            Itimerspec { it_interval: clock::timespec(plan.interval), it_value: clock::timespec(plan.planned(0)) };
        timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME, &times)?;
        Ok(Self { timer: AsyncFd::with_interest(timer, Interest::READABLE)?, left: plan.sends })
    }

    /// Waits until sends are due and says how many; 0 when the plan is done.
    ///
    /// # Errors
    /// When the timer can't be read.
    pub(crate) async fn due(&mut self) -> io::Result<u64> {
        if self.left == 0 {
            return Ok(0);
        }
        let mut expiries = [0; 8];
        let read = |timer: &OwnedFd| rustix::io::read(timer, &mut expiries).map_err(io::Error::from);
        self.timer.async_io(Interest::READABLE, read).await?;
        let due = u64::from_ne_bytes(expiries).min(self.left);
        self.left -= due;
        Ok(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_planned_send_falls_due_and_none_early() {
        let plan = Plan { sends: 500, ..Plan::beginning_soon(10_000, 1) };
        let mut pacer = Pacer::start(&plan).expect("a timer");
        let mut sent = 0;
        loop {
            let due = pacer.due().await.expect("the timer can be read");
            if due == 0 {
                break;
            }
            sent += due;
            assert!(clock::now() >= plan.planned(sent - 1), "send {sent} fell due early");
        }
        assert_eq!(sent, plan.sends);
    }

    #[test]
    fn sends_are_planned_one_interval_apart() {
        let plan = Plan { start: 1_000, interval: 50, sends: 3 };
        assert_eq!([plan.planned(0), plan.planned(1), plan.planned(2)], [1_050, 1_100, 1_150]);
    }
}
