//! The simulated clock: modelled time since the process started, faster than real time when time
//! is compressed. It starts at zero and knows no calendar; the books count hours by it.

use std::time::{SystemTime, UNIX_EPOCH};

use merit_units::{Micros, Timestamp};
use tokio::time::Instant;

use crate::config::TimeScale;

/// Hours of the books, from 0.
pub(crate) type Hour = u32;

const HOUR: u64 = 3_600_000_000;

#[derive(Clone, Copy, Debug)]
pub(crate) struct SimClock {
    started: Instant,
    scale: TimeScale,
}

impl SimClock {
    pub(crate) fn start(scale: TimeScale) -> Self {
        Self { started: Instant::now(), scale }
    }

    /// Modelled time since the start.
    pub(crate) fn now(&self) -> Timestamp {
        let real = Micros::from_std(self.started.elapsed());
        Timestamp::from_micros(self.scale.modelled(real).get())
    }

    /// The time of day, which the simulation knows for what it tells of times, and for whether a signature is too old.
    #[expect(clippy::disallowed_methods, reason = "this is the simulation's clock module")]
    pub(crate) fn time_of_day() -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(Micros::from_std(since).get())
    }

    /// The hour of the books that `at` falls in.
    pub(crate) fn hour(at: Timestamp) -> Hour {
        Hour::try_from(at.micros() / HOUR).unwrap_or(Hour::MAX)
    }

    /// When a modelled time that began at `from` is over in real time.
    pub(crate) fn real_end(&self, from: Instant, modelled: Micros) -> Instant {
        from.checked_add(self.scale.real(modelled).to_std()).unwrap_or(from)
    }
}
