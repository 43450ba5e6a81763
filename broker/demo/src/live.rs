//! The figures while the load runs.
//!
//! What each call would have cost elsewhere is read from the books once a second here, so the
//! saving shown is about right; the final one is summed from the receipts.

use std::collections::BTreeMap;
use std::time::Duration;

use merit_units::Money;
use merit_wire::BookView;

use crate::DemoError;
use crate::broker::Broker;
use crate::calls::{Call, Calls, Sums, ratio};
use crate::format::{latency, percent, rounded, saving};
use crate::sample::SAMPLES;
use crate::screen::{Lean, table};

/// How far back the venue shares and prices look.
const RECENT: Duration = Duration::from_secs(3);

/// Venues shown for each function; the others are summed.
const VENUES_SHOWN: usize = 3;

/// And the share it takes to be shown.
const SHARE_SHOWN: f64 = 0.02;

/// Running sums of what the calls so far would have cost at each venue.
#[derive(Default)]
pub(crate) struct Live {
    /// Venues that have not the slots to run everything.
    small: Vec<String>,
    /// Calls that are in the sums.
    counted: usize,
    elsewhere: [BTreeMap<String, Money>; SAMPLES.len()],
}

impl Live {
    /// Nothing yet; `small` venues have not the slots to run everything.
    pub(crate) fn new(small: Vec<String>) -> Self {
        Self { small, ..Self::default() }
    }

    /// Brings the sums up to date with the books as they stand.
    ///
    /// # Errors
    /// When the broker does not answer as it should.
    pub(crate) async fn update(&mut self, broker: &Broker, calls: &Calls) -> Result<(), DemoError> {
        let mut counts = [0_i128; SAMPLES.len()];
        {
            let all = calls.all();
            all[self.counted..]
                .iter()
                .filter(|call| call.replied().is_some())
                .for_each(|call| counts[call.function] += 1);
            self.counted = all.len();
        }
        for ((sample, count), elsewhere) in SAMPLES.iter().zip(counts).zip(&mut self.elsewhere) {
            if count > 0 {
                add(elsewhere, &broker.book(sample.name).await?, count);
            }
        }
        Ok(())
    }

    /// The venue at which all calls so far would have cost the least. The small ones do not count: with their few slots
    /// they could not have run them all.
    fn best(&self) -> Option<(&str, Money)> {
        let mut totals: BTreeMap<&str, (usize, Money)> = BTreeMap::new();
        let called = self.elsewhere.iter().filter(|venues| !venues.is_empty()).count();
        for (venue, cost) in self.elsewhere.iter().flatten().filter(|(venue, _)| !self.small.contains(*venue)) {
            let total = totals.entry(venue).or_default();
            *total = (total.0 + 1, total.1 + *cost);
        }
        let whole = totals.into_iter().filter(|(_, (functions, _))| *functions == called);
        whole.map(|(venue, (_, cost))| (venue, cost)).min_by_key(|(_, cost)| *cost)
    }

    /// The live part of the screen.
    pub(crate) fn lines(&self, calls: &[Call], now: Duration, length: Duration) -> Vec<String> {
        let best = self.best();
        let mut lines = vec![self.head(calls, now, length, "   ")];
        let rows = (0..SAMPLES.len()).map(|function| self.row(calls, function, now, best)).collect();
        lines.extend(table(HEADINGS, rows));
        lines
    }

    /// The same for output that is no terminal: fewer columns, and none cut off.
    pub(crate) fn plain_lines(&self, calls: &[Call], now: Duration, length: Duration) -> Vec<String> {
        let best = self.best();
        let head = self.head(calls, now, length, "\n  ");
        let rows = (0..SAMPLES.len()).map(|function| {
            let [name, price, p50, p95, _, _, _] = self.row(calls, function, now, best);
            [name, price, p50, p95, stacked(&recent(calls, function, now))]
        });
        let [function, price, p50, p95, _, _, place] = HEADINGS;
        std::iter::once(head).chain(table([function, price, p50, p95, place], rows.collect())).collect()
    }

    /// How it goes in all; `wide` stands before what makes the line a long one.
    fn head(&self, calls: &[Call], now: Duration, length: Duration, wide: &str) -> String {
        let all = Sums::of(calls);
        let saved = self.best().and_then(|(venue, cost)| Some((venue, saving(all.charged, cost)?)));
        let time = if now <= length {
            format!("{:.0} of {} s", now.as_secs_f64(), length.as_secs())
        } else {
            "waiting for the last replies".to_owned()
        };
        let saved = saved
            .map_or(String::new(), |(venue, share)| format!("{wide}about {} less than {venue} alone", percent(share)));
        format!("{time}   {} calls, {} failed   spent {}{saved}", all.calls, all.failed, rounded(all.charged, 7))
    }

    fn row(&self, calls: &[Call], function: usize, now: Duration, best: Option<(&str, Money)>) -> [String; 7] {
        let all = Sums::of(calls.iter().filter(|call| call.function == function));
        let recent = recent(calls, function, now);
        let saved = best
            .and_then(|(venue, _)| self.elsewhere[function].get(venue))
            .and_then(|cost| saving(all.charged, *cost))
            .map_or("-".to_owned(), percent);
        [
            SAMPLES[function].name.to_owned(),
            recent.per_million().map_or("-".to_owned(), |price| rounded(price, 3)),
            latency(recent.latency(50)),
            latency(recent.latency(95)),
            rounded(all.charged, 7),
            saved,
            shares(&recent),
        ]
    }
}

const HEADINGS: [(&str, Lean); 7] = [
    ("function", Lean::Left),
    ("a million", Lean::Right),
    ("p50", Lean::Right),
    ("p95", Lean::Right),
    ("spent", Lean::Right),
    ("saved", Lean::Right),
    // The last, because it is the longest, and a narrow terminal cuts it off.
    ("where it ran in the last 3 s", Lean::Left),
];

/// The last calls of a function.
fn recent(calls: &[Call], function: usize, now: Duration) -> Sums {
    Sums::of(calls.iter().filter(|call| call.function == function && call.ended + RECENT >= now))
}

/// The venues with their shares, most first, the last of them summed.
fn shares(sums: &Sums) -> String {
    shared(sums).join(", ")
}

/// The same one below the other, for tables that nothing cuts off.
pub(crate) fn stacked(sums: &Sums) -> String {
    shared(sums).join("\n")
}

fn shared(sums: &Sums) -> Vec<String> {
    if sums.venues.is_empty() {
        return vec!["-".to_owned()];
    }
    let worth_a_name = |(venue, _): &&(String, u64)| sums.share(venue) >= SHARE_SHOWN;
    let shown: Vec<&(String, u64)> = sums.venues.iter().take(VENUES_SHOWN).take_while(worth_a_name).collect();
    let others: u64 = sums.venues[shown.len()..].iter().map(|(_, count)| count).sum();
    let shown = shown.into_iter().map(|(venue, _)| format!("{venue} {}", percent(sums.share(venue))));
    let others = (others > 0).then(|| format!("others {}", percent(ratio(others, sums.calls - sums.failed))));
    shown.chain(others).collect()
}

/// Adds what `count` calls cost by the cheapest ask of each venue.
fn add(elsewhere: &mut BTreeMap<String, Money>, book: &BookView, count: i128) {
    let mut cheapest: BTreeMap<&str, Money> = BTreeMap::new();
    for ask in &book.asks {
        let Ok(cost) = ask.cost.parse::<Money>() else { continue };
        cheapest.entry(&ask.venue).and_modify(|least| *least = cost.min(*least)).or_insert(cost);
    }
    for (venue, cost) in cheapest {
        *elsewhere.entry(venue.to_owned()).or_default() += cost.checked_mul(count).unwrap_or(Money::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::tests::call;
    use crate::config::POOL;

    #[test]
    fn shares_beyond_the_first_venues_are_summed() {
        let mut calls: Vec<Call> = (0..6).map(|at| call(0, at, "a", 1)).collect();
        calls.extend(["b", "b", "c", "d"].map(|venue| call(0, 9, venue, 1)));
        assert_eq!(shares(&Sums::of(&calls)), "a 60 %, b 20 %, c 10 %, others 10 %");
        calls.extend((0..90).map(|at| call(0, at, "a", 1)));
        assert_eq!(shares(&Sums::of(&calls)), "a 96 %, b 2 %, others 2 %", "c and d are not worth a name");
        assert_eq!(shares(&Sums::of(&[])), "-");
    }

    #[test]
    fn the_best_single_venue_must_have_had_a_price_for_every_function() {
        let mut live = Live::new(vec![POOL.to_owned()]);
        let costs = |pairs: &[(&str, i64)]| -> BTreeMap<String, Money> {
            pairs.iter().map(|(venue, units)| ((*venue).to_owned(), Money::from_units(*units))).collect()
        };
        live.elsewhere[0] = costs(&[("a", 1), ("b", 5), (POOL, 0)]);
        live.elsewhere[1] = costs(&[("b", 5), ("c", 20), (POOL, 0)]);
        assert_eq!(live.best(), Some(("b", Money::from_units(10))), "a and c lack a function, the pool does not count");
    }

    #[test]
    fn the_lines_show_what_ran_lately_and_what_was_spent_in_all() {
        let mut live = Live::default();
        live.elsewhere[1].insert("a".to_owned(), Money::from_pico(4_000_000));
        let calls = [call(1, 0, "b", 1_500_000), call(1, 8_000, "a", 500_000)];
        let lines = live.lines(&calls, Duration::from_secs(9), Duration::from_secs(30));
        assert_eq!(lines[0], "9 of 30 s   2 calls, 0 failed   spent $0.0000020   about 50 % less than a alone");
        let markdown = lines.iter().find(|line| line.contains("markdown")).unwrap();
        let cells: Vec<&str> = markdown.split_whitespace().collect();
        assert_eq!(cells, ["markdown", "$0.500", "100", "ms", "100", "ms", "$0.0000020", "50", "%", "a", "100", "%"]);
        let plain = live.plain_lines(&calls, Duration::from_secs(9), Duration::from_secs(30));
        assert_eq!(plain[0], "9 of 30 s   2 calls, 0 failed   spent $0.0000020\n  about 50 % less than a alone");
        assert!(plain.iter().any(|line| line.ends_with("100 ms  a 100 %")), "{plain:?}");
    }
}
