//! A function's fills, minute by minute in UTC.
//!
//! A candle is counted from the fills of its minute: it updates while the minute runs and is marked when it is over. A
//! minute without fills has no candle. A fill that comes after its minute was told as over counts in the next one.
//! Each change has a number, so that whoever tells candles knows which are news to its readers.
//!
//! Known limitation: they are counted in memory (`minutes`), so they begin with the broker's start. The candle of a
//! minute that was not counted whole says so.

use std::collections::VecDeque;

use merit_units::{Micros, Money, Timestamp};
use merit_wire::feed::{CandleView, FeedBody};

use crate::clock::rfc3339;

const MINUTE: Micros = Micros::from_secs(60);

/// Candles that a snapshot has: an hour.
const KEPT: usize = 60;

/// One minute.
#[derive(Clone, Debug)]
struct Candle {
    start: Timestamp,
    open: Money,
    high: Money,
    low: Money,
    close: Money,
    volume: u64,
    charged: Money,
    done: bool,
    partial: bool,
    /// The number of its last change.
    changed: u64,
}

/// The candles of one function.
#[derive(Debug)]
pub(super) struct Candles {
    /// Oldest first; only the last may not be done.
    kept: VecDeque<Candle>,
    /// The first minute that can still get fills, and whether some of its fills were missed.
    running: Timestamp,
    missed: bool,
    /// Changes so far.
    changes: u64,
    /// Nobody counts here any more.
    forgotten: bool,
}

impl Candles {
    /// Counting begins `now`; nothing was missed since `whole_since`.
    #[must_use]
    pub(super) fn since(now: Timestamp, whole_since: Timestamp) -> Self {
        let running = minute(now);
        Self { kept: VecDeque::new(), running, missed: running < whole_since, changes: 0, forgotten: false }
    }

    /// Counts a fill. Returns whether it could be: not when the candles were [forgotten](Self::forget).
    pub(super) fn count(&mut self, at: Timestamp, charge: Money) -> bool {
        if self.forgotten {
            return false;
        }
        self.turn(at);
        self.changes += 1;
        match self.kept.back_mut().filter(|last| !last.done) {
            Some(candle) => {
                candle.high = candle.high.max(charge);
                candle.low = candle.low.min(charge);
                candle.close = charge;
                candle.volume += 1;
                candle.charged += charge;
                candle.changed = self.changes;
            }
            None => self.open(charge),
        }
        true
    }

    /// Marks the candle of a minute that is over.
    pub(super) fn turn(&mut self, now: Timestamp) {
        let current = minute(now);
        if current <= self.running {
            return;
        }
        (self.running, self.missed) = (current, false);
        if let Some(candle) = self.kept.back_mut().filter(|last| !last.done) {
            self.changes += 1;
            (candle.done, candle.changed) = (true, self.changes);
        }
    }

    /// The candles that have changed after the change of that number.
    pub(super) fn changed_after(&self, told: u64) -> Option<FeedBody> {
        let candles: Vec<_> = self.kept.iter().filter(|candle| candle.changed > told).map(view).collect();
        (!candles.is_empty()).then_some(FeedBody::Candles { candles })
    }

    /// The number of the last change.
    pub(super) const fn changes(&self) -> u64 {
        self.changes
    }

    /// All that are kept.
    #[must_use]
    pub(super) fn whole(&self) -> FeedBody {
        FeedBody::Candles { candles: self.kept.iter().map(view).collect() }
    }

    /// Counts no more, if there was no fill for as long as candles are kept. Returns whether.
    pub(super) fn forget(&mut self, now: Timestamp) -> bool {
        let kept = Micros::from_secs(60 * KEPT as u64);
        self.forgotten = self.kept.back().is_none_or(|last| now.since(last.start) > kept);
        self.forgotten
    }

    fn open(&mut self, price: Money) {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(Candle {
            start: self.running,
            open: price,
            high: price,
            low: price,
            close: price,
            volume: 1,
            charged: price,
            done: false,
            partial: self.missed,
            changed: self.changes,
        });
    }
}

fn minute(at: Timestamp) -> Timestamp {
    Timestamp::from_micros(at.micros() - at.micros() % MINUTE.get())
}

fn view(candle: &Candle) -> CandleView {
    CandleView {
        start: rfc3339(candle.start),
        open: candle.open.to_string(),
        high: candle.high.to_string(),
        low: candle.low.to_string(),
        close: candle.close.to_string(),
        volume: candle.volume,
        charged: candle.charged.to_string(),
        done: candle.done,
        partial: candle.partial,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::START;

    fn dollars(text: &str) -> Money {
        text.parse().unwrap()
    }

    /// Candles since the start, of which nothing was missed.
    fn whole() -> Candles {
        Candles::since(START, START)
    }

    /// What has changed since `told`, which is moved on.
    fn changed(candles: &Candles, told: &mut u64) -> Vec<CandleView> {
        let news = candles.changed_after(std::mem::replace(told, candles.changes()));
        match news {
            Some(FeedBody::Candles { candles }) => candles,
            None => Vec::new(),
            Some(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_minute_of_fills_is_a_candle() {
        let (mut candles, mut told) = (whole(), 0);
        assert_eq!(changed(&candles, &mut told), []);
        for (second, charge) in [(1, "0.3"), (2, "0.5"), (3, "0.1"), (59, "0.2")] {
            assert!(candles.count(START + Micros::from_secs(second), dollars(charge)));
        }
        let running = changed(&candles, &mut told);
        insta::assert_snapshot!(serde_json::to_string(&running).unwrap(), @r#"[{"start":"2026-11-21T10:44:00Z","open":"0.3","high":"0.5","low":"0.1","close":"0.2","volume":4,"charged":"1.1","done":false,"partial":false}]"#);
        assert_eq!(changed(&candles, &mut told), [], "nothing is told twice");
        candles.turn(START + Micros::from_secs(60));
        let over = changed(&candles, &mut told);
        assert_eq!(over, [CandleView { done: true, ..running[0].clone() }]);
    }

    #[test]
    fn what_comes_late_counts_in_the_next_minute() {
        let mut candles = whole();
        candles.count(START, dollars("1"));
        candles.turn(START + Micros::from_secs(61));
        candles.count(START + Micros::from_secs(59), dollars("2"));
        let both = changed(&candles, &mut 0);
        let shown: Vec<_> = both.iter().map(|candle| (candle.start.as_str(), candle.volume, candle.done)).collect();
        assert_eq!(shown, [("2026-11-21T10:44:00Z", 1, true), ("2026-11-21T10:45:00Z", 1, false)]);
    }

    #[test]
    fn a_minute_that_was_not_seen_whole_says_so() {
        let halfway = START + Micros::from_secs(30);
        let mut candles = Candles::since(START + Micros::from_secs(31), halfway);
        candles.count(START + Micros::from_secs(31), dollars("1"));
        candles.count(START + Micros::from_secs(61), dollars("1"));
        let partial: Vec<bool> = changed(&candles, &mut 0).iter().map(|candle| candle.partial).collect();
        assert_eq!(partial, [true, false]);
    }

    #[test]
    fn an_hour_is_kept_and_minutes_without_fills_have_none() {
        let mut candles = whole();
        for number in 0..100 {
            candles.count(START + Micros::from_secs(number * 120), dollars("1"));
        }
        let FeedBody::Candles { candles: kept } = candles.whole() else { panic!("candles") };
        assert_eq!(kept.len(), KEPT);
        assert_eq!(kept[0].start, rfc3339(START + Micros::from_secs(40 * 120)));
        let last = START + Micros::from_secs(99 * 120);
        assert!(!candles.forget(last + Micros::from_secs(3600)));
        assert!(candles.forget(last + Micros::from_secs(3601)));
        assert!(!candles.count(last + Micros::from_secs(3602), dollars("1")), "it is counted anew elsewhere");
    }
}
