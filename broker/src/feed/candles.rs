//! A function's fills, minute by minute in UTC.
//!
//! A candle is counted from the fills of its minute: it updates while the minute runs and is marked when it is over. A
//! minute without fills has no candle. A fill that comes after its minute was told as over counts in the next one.
//!
//! Known limitation: counting begins with the first subscription, so the first candle may be partial, and says so.

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
}

/// The candles of one function.
#[derive(Debug)]
pub(super) struct Candles {
    /// Oldest first; only the last may not be done.
    kept: VecDeque<Candle>,
    /// The first minute that can still get fills, and whether some of its fills were missed.
    running: Timestamp,
    missed: bool,
    /// How many at the end have changed since they were told.
    news: usize,
}

impl Candles {
    /// Counting begins now.
    #[must_use]
    pub(super) fn since(now: Timestamp) -> Self {
        let running = minute(now);
        Self { kept: VecDeque::new(), running, missed: running < now, news: 0 }
    }

    /// Counts a fill.
    pub(super) fn count(&mut self, at: Timestamp, charge: Money) {
        self.turn(at);
        match self.kept.back_mut().filter(|last| !last.done) {
            Some(candle) => {
                candle.high = candle.high.max(charge);
                candle.low = candle.low.min(charge);
                candle.close = charge;
                candle.volume += 1;
                candle.charged += charge;
                self.news = self.news.max(1);
            }
            None => self.open(charge),
        }
    }

    /// Some fills of the running minute were lost.
    pub(super) fn missed(&mut self) {
        self.missed = true;
        if let Some(candle) = self.kept.back_mut().filter(|last| !last.done) {
            candle.partial = true;
            self.news = self.news.max(1);
        }
    }

    /// Marks the candle of a minute that is over.
    pub(super) fn turn(&mut self, now: Timestamp) {
        let current = minute(now);
        if current <= self.running {
            return;
        }
        (self.running, self.missed) = (current, false);
        if let Some(candle) = self.kept.back_mut().filter(|last| !last.done) {
            candle.done = true;
            self.news = self.news.max(1);
        }
    }

    /// What has changed since this was last asked.
    pub(super) fn changed(&mut self) -> Option<FeedBody> {
        let news = std::mem::take(&mut self.news).min(self.kept.len());
        let candles = self.kept.range(self.kept.len() - news..).map(view).collect::<Vec<_>>();
        (!candles.is_empty()).then_some(FeedBody::Candles { candles })
    }

    /// All that are kept.
    #[must_use]
    pub(super) fn whole(&self) -> FeedBody {
        FeedBody::Candles { candles: self.kept.iter().map(view).collect() }
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
        });
        self.news += 1;
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

    fn changed(candles: &mut Candles) -> Vec<CandleView> {
        match candles.changed() {
            Some(FeedBody::Candles { candles }) => candles,
            None => Vec::new(),
            Some(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_minute_of_fills_is_a_candle() {
        let mut candles = Candles::since(START);
        assert_eq!(changed(&mut candles), []);
        for (second, charge) in [(1, "0.3"), (2, "0.5"), (3, "0.1"), (59, "0.2")] {
            candles.count(START + Micros::from_secs(second), dollars(charge));
        }
        let running = changed(&mut candles);
        insta::assert_snapshot!(serde_json::to_string(&running).unwrap(), @r#"[{"start":"2026-11-21T10:44:00Z","open":"0.3","high":"0.5","low":"0.1","close":"0.2","volume":4,"charged":"1.1","done":false,"partial":false}]"#);
        assert_eq!(changed(&mut candles), [], "nothing is told twice");
        candles.turn(START + Micros::from_secs(60));
        let over = changed(&mut candles);
        assert_eq!(over, [CandleView { done: true, ..running[0].clone() }]);
    }

    #[test]
    fn what_comes_late_counts_in_the_next_minute() {
        let mut candles = Candles::since(START);
        candles.count(START, dollars("1"));
        candles.turn(START + Micros::from_secs(61));
        candles.count(START + Micros::from_secs(59), dollars("2"));
        let both = changed(&mut candles);
        let shown: Vec<_> = both.iter().map(|candle| (candle.start.as_str(), candle.volume, candle.done)).collect();
        assert_eq!(shown, [("2026-11-21T10:44:00Z", 1, true), ("2026-11-21T10:45:00Z", 1, false)]);
    }

    #[test]
    fn a_minute_that_was_not_seen_whole_says_so() {
        let mut candles = Candles::since(START + Micros::from_secs(30));
        candles.count(START + Micros::from_secs(31), dollars("1"));
        candles.count(START + Micros::from_secs(61), dollars("1"));
        let partial: Vec<bool> = changed(&mut candles).iter().map(|candle| candle.partial).collect();
        assert_eq!(partial, [true, false]);
        candles.missed();
        assert!(changed(&mut candles)[0].partial);
    }

    #[test]
    fn an_hour_is_kept_and_minutes_without_fills_have_none() {
        let mut candles = Candles::since(START);
        for number in 0..100 {
            candles.count(START + Micros::from_secs(number * 120), dollars("1"));
        }
        let FeedBody::Candles { candles: kept } = candles.whole() else { panic!("candles") };
        assert_eq!(kept.len(), KEPT);
        assert_eq!(kept[0].start, rfc3339(START + Micros::from_secs(40 * 120)));
    }
}
