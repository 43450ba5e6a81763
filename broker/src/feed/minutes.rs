//! The candles of every function that has fills, counted as the fills come, read or not.
//!
//! Invariants: a fill is counted before its call's receipt is written, once, or its minute is marked as partial; no
//! more functions are counted than `feed.max_candle_functions`, besides those that are read, each with an hour of
//! candles (7 KB). A function without fills for an hour is forgotten.
//!
//! Cost on the way of a call: a look-up without a lock, and a lock that only calls of the same function, and its
//! readers ten times a second, take for some tens of nanoseconds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use merit_units::{FunctionId, Money, Timestamp};

use super::candles::Candles;

/// The candles of a function, shared by calls and readers.
#[derive(Debug)]
pub(super) struct Minutes(Mutex<Candles>);

impl Minutes {
    pub(super) fn candles(&self) -> MutexGuard<'_, Candles> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The candles of all functions.
pub(super) struct AllMinutes {
    by_function: papaya::HashMap<FunctionId, Arc<Minutes>>,
    /// Since when every fill was counted, in microseconds.
    whole_since: AtomicU64,
}

impl AllMinutes {
    /// Fills are counted from now on.
    pub(super) fn since(now: Timestamp) -> Self {
        Self { by_function: papaya::HashMap::new(), whole_since: AtomicU64::new(now.micros()) }
    }

    /// Counts a fill, unless as many functions as `max` says are counted already.
    pub(super) fn count(&self, function: &FunctionId, at: Timestamp, charge: Money, max: impl Fn() -> usize) {
        let known = self.by_function.pin();
        if known.get(function).is_some_and(|minutes| minutes.candles().count(at, charge)) {
            return;
        }
        if known.len() >= max() {
            self.whole_since.fetch_max(at.micros(), Ordering::Relaxed);
            return;
        }
        // What was just forgotten can't be counted in, and is gone in a moment.
        while !self.of(function, at).candles().count(at, charge) {
            std::hint::spin_loop();
        }
    }

    /// The candles of a function, counted from now on if they were not yet.
    pub(super) fn of(&self, function: &FunctionId, now: Timestamp) -> Arc<Minutes> {
        let whole_since = Timestamp::from_micros(self.whole_since.load(Ordering::Relaxed));
        let begin = || Arc::new(Minutes(Mutex::new(Candles::since(now, whole_since))));
        Arc::clone(self.by_function.pin().get_or_insert_with(function.clone(), begin))
    }

    /// Forgets functions that had no fill for an hour and are not read.
    pub(super) fn sweep(&self, now: Timestamp) {
        let known = self.by_function.pin();
        known.retain(|_, minutes| {
            let is_read = Arc::strong_count(minutes) > 1;
            is_read || !minutes.candles().forget(now)
        });
    }
}

#[cfg(test)]
mod tests {
    use merit_units::Micros;
    use merit_wire::feed::FeedBody;

    use super::*;
    use crate::testing::START;

    fn name(text: &str) -> FunctionId {
        FunctionId::try_new(text).unwrap()
    }

    /// Volume of each candle, and whether it is partial.
    fn told(all: &AllMinutes, function: &str) -> Vec<(u64, bool)> {
        let minutes = all.of(&name(function), START);
        let FeedBody::Candles { candles } = minutes.candles().whole() else { panic!("candles") };
        candles.iter().map(|candle| (candle.volume, candle.partial)).collect()
    }

    #[test]
    fn fills_are_counted_without_readers_and_no_more_functions_than_allowed() {
        let (all, charge) = (AllMinutes::since(START + Micros::from_secs(10)), Money::from_pico(5));
        for second in [11, 12, 61] {
            all.count(&name("a"), START + Micros::from_secs(second), charge, || 1);
        }
        assert_eq!(told(&all, "a"), [(2, true), (1, false)], "the broker started within the first minute");
        all.count(&name("b"), START + Micros::from_secs(62), charge, || 1);
        assert_eq!(all.by_function.len(), 1);
        // Once there is room, what was left out is told.
        all.count(&name("b"), START + Micros::from_secs(63), charge, || 2);
        all.count(&name("b"), START + Micros::from_secs(121), charge, || 2);
        assert_eq!(told(&all, "b"), [(1, true), (1, false)]);
    }

    #[test]
    fn what_is_idle_for_an_hour_is_forgotten_unless_somebody_reads_it() {
        let (all, charge) = (AllMinutes::since(START), Money::from_pico(5));
        for function in ["idle", "read", "busy"] {
            all.count(&name(function), START, charge, || 9);
        }
        let reader = all.of(&name("read"), START);
        let later = START + Micros::from_secs(3700);
        all.count(&name("busy"), later, charge, || 9);
        all.sweep(later);
        let mut left: Vec<String> = all.by_function.pin().keys().map(ToString::to_string).collect();
        left.sort_unstable();
        assert_eq!(left, ["busy", "read"]);
        drop(reader);
        all.sweep(later);
        assert_eq!(all.by_function.len(), 1);
    }
}
