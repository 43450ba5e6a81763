//! What happened, in figures: all of them measured in this run.

use std::time::Duration;

use merit_units::Money;
use merit_wire::{AlternativesReport, SpendReport};
use serde::Serialize;
use serde_json::{Value, json};

use crate::books::Comparison;
use crate::calls::{Call, Sums};
use crate::config::POOL;
use crate::format::saving;
use crate::incident::{Incident, Moved, RAISED_PERCENT, What};
use crate::sample::SAMPLES;

/// Failures that are shown.
const FAILURES_SHOWN: usize = 5;

/// How the saving is found.
pub(crate) const METHOD: &str = "the receipt of every answered call holds what the call was expected to cost at each \
    venue at that moment (the price sheet in force x the learned use of the function there). For each cloud these are \
    summed over all calls, as if it alone had run them, also while its price was raised or it was down; the smallest \
    sum is compared with what was charged in fact.";

/// Everything that is reported at the end.
#[derive(Debug)]
pub(crate) struct Report {
    /// How long calls were sent.
    pub(crate) length: Duration,
    /// Calls of the tour before, which are in the books but not in the other figures.
    pub(crate) tour_calls: u64,
    /// All calls of the load.
    pub(crate) calls: Vec<Call>,
    /// What was done to the market, with what became of the traffic.
    pub(crate) incidents: Vec<(Incident, Moved)>,
    /// What was charged, and would have been elsewhere.
    pub(crate) saving: Saving,
    /// Calls at once that the pool would have needed to run everything, on average.
    pub(crate) pool_needed: f64,
    /// Calls at once it can run.
    pub(crate) pool_slots: u32,
    /// Merit's books beside the clouds'.
    pub(crate) books: Vec<Comparison>,
}

/// What was charged, and what the same calls were expected to cost at each venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Saving {
    /// Calls compared.
    pub(crate) calls: u64,
    /// Charged in fact.
    pub(crate) charged: Money,
    /// Expected of the venues that were chosen.
    pub(crate) expected: Money,
    /// Of what was charged, what was paid to keep profiles fresh.
    pub(crate) exploration: Money,
    /// Venues that had a price for every call, the cheapest first. The pool is among them.
    pub(crate) venues: Vec<(String, Money)>,
}

impl Saving {
    /// From the broker's reports on the load.
    pub(crate) fn of(report: &AlternativesReport, spend: &SpendReport) -> Self {
        let money = |text: &str| text.parse::<Money>().unwrap_or_default();
        let whole = report.venues.iter().filter(|row| row.calls == report.calls);
        let mut venues: Vec<(String, Money)> = whole.map(|row| (row.venue.clone(), money(&row.cost))).collect();
        venues.sort_by_key(|(_, cost)| *cost);
        Self {
            calls: report.calls,
            charged: money(&report.charged),
            expected: money(&report.estimate),
            exploration: spend.rows.iter().map(|row| money(&row.explored)).sum(),
            venues,
        }
    }

    /// The cheapest venue that could have run everything: the pool has not the slots for it.
    pub(crate) fn best(&self) -> Option<&(String, Money)> {
        self.venues.iter().find(|(venue, _)| venue != POOL)
    }

    /// What was saved against that, as a share of it.
    pub(crate) fn share(&self) -> Option<f64> {
        saving(self.charged, self.best()?.1)
    }
}

impl Report {
    /// Sums over all calls.
    pub(crate) fn sums(&self) -> Sums {
        Sums::of(&self.calls)
    }

    /// Sums over the calls of one function.
    pub(crate) fn of_function(&self, function: usize) -> Sums {
        Sums::of(self.calls.iter().filter(|call| call.function == function))
    }

    /// Why the first few failed calls failed.
    pub(crate) fn failures(&self) -> Vec<String> {
        let failed = self.calls.iter().filter_map(|call| match &call.answer {
            crate::broker::Answer::Failed(reason) => Some((call, reason)),
            crate::broker::Answer::Replied { .. } => None,
        });
        let told =
            failed.map(|(call, reason)| format!("{} {}: {reason}", at(call.planned), SAMPLES[call.function].name));
        told.take(FAILURES_SHOWN).collect()
    }

    /// A call that was repeated elsewhere, to be explained; otherwise the last one.
    pub(crate) fn telling_call(&self) -> Option<&str> {
        let repeated = self.calls.iter().find(|call| call.was_repeated());
        match &repeated.or(self.calls.last())?.answer {
            crate::broker::Answer::Replied { invocation, .. } => Some(invocation),
            crate::broker::Answer::Failed(_) => None,
        }
    }

    /// Whether Merit's books and the clouds' agree.
    pub(crate) fn books_agree(&self) -> bool {
        self.books.iter().all(Comparison::agrees)
    }

    /// Whether all went as it should.
    pub(crate) fn is_good(&self) -> bool {
        let sums = self.sums();
        sums.calls > 0 && sums.failed == 0 && self.books_agree() && self.saving.calls == sums.calls
    }
}

impl Serialize for Report {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let sums = self.sums();
        json!({
            "seconds": self.length.as_secs_f64(),
            "good": self.is_good(),
            "tour_calls": self.tour_calls,
            "calls": sums.calls,
            "failed": sums.failed,
            "repeated": self.calls.iter().filter(|call| call.was_repeated()).count(),
            "failures": self.failures(),
            "functions": (0..SAMPLES.len()).map(|function| self.function_json(function)).collect::<Vec<_>>(),
            "incidents": self.incidents.iter().map(incident_json).collect::<Vec<_>>(),
            "saving": self.saving_json(),
            "books_agree": self.books_agree(),
            "books": self.books.iter().map(comparison_json).collect::<Vec<_>>(),
        })
        .serialize(serializer)
    }
}

impl Report {
    fn function_json(&self, function: usize) -> Value {
        let sums = self.of_function(function);
        let ms = |percent| sums.latency(percent).map(|time| time.as_secs_f64() * 1000.0);
        let venues: Vec<Value> =
            sums.venues.iter().map(|(venue, calls)| json!({ "venue": venue, "calls": calls })).collect();
        json!({
            "function": SAMPLES[function].name,
            "calls": sums.calls,
            "failed": sums.failed,
            "charged": sums.charged.to_string(),
            "price_per_million": sums.per_million().map(|price| price.to_string()),
            "latency_ms_p50": ms(50),
            "latency_ms_p95": ms(95),
            "venues": venues,
        })
    }

    fn saving_json(&self) -> Value {
        let Saving { calls, charged, expected, exploration, venues } = &self.saving;
        let best = self.saving.best();
        let rows: Vec<Value> =
            venues.iter().map(|(venue, cost)| json!({ "venue": venue, "cost": cost.to_string() })).collect();
        json!({
            "calls": calls,
            "charged": charged.to_string(),
            "expected": expected.to_string(),
            "exploration": exploration.to_string(),
            "best_single_venue": best.map(|(venue, _)| venue),
            "best_single_venue_cost": best.map(|(_, cost)| cost.to_string()),
            "saved": best.map(|(_, cost)| (*cost - *charged).to_string()),
            "saved_share": self.saving.share(),
            "venues": rows,
            "pool_slots": self.pool_slots,
            "pool_slots_needed": self.pool_needed,
            "method": METHOD,
        })
    }
}

fn incident_json((incident, moved): &(Incident, Moved)) -> Value {
    let gained: Vec<Value> =
        moved.gained.iter().map(|(venue, gain)| json!({ "venue": venue, "share": gain })).collect();
    json!({
        "what": match incident.what {
            What::Raised => format!("price raised to {RAISED_PERCENT} %"),
            What::Killed => "killed".to_owned(),
        },
        "venue": incident.venue,
        "at_s": incident.from.as_secs_f64(),
        "in_force_after_ms": (incident.until - incident.from).as_secs_f64() * 1000.0,
        "share_before": moved.before,
        "share_after": moved.after,
        "four_fifths_moved_within_s": moved.within.map(|time| time.as_secs_f64()),
        "gained": gained,
        "calls_repeated": moved.repeated,
    })
}

fn comparison_json(comparison: &Comparison) -> Value {
    json!({
        "venue": comparison.venue,
        "calls": comparison.calls,
        "billed_calls": comparison.billed_calls,
        "charged": comparison.charged.to_string(),
        "billed": comparison.billed.to_string(),
        "difference": comparison.difference().to_string(),
        "explained_by_rounding": comparison.rounding.to_string(),
        "explained_by_calls_under_way_at_a_price_change": comparison.under_way.to_string(),
        "agrees": comparison.agrees(),
    })
}

/// A point in time since the start of the load.
pub(crate) fn at(time: Duration) -> String {
    format!("{:>5.1} s", time.as_secs_f64())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::broker::Answer;
    use crate::calls::tests::call;
    use merit_wire::{AlternativeRow, SpendRow};

    pub(crate) fn saving() -> Saving {
        let row =
            |venue: &str, calls, cost: &str| AlternativeRow { venue: venue.to_owned(), calls, cost: cost.to_owned() };
        let report = AlternativesReport {
            from: String::new(),
            to: String::new(),
            calls: 2,
            charged: "0.000003".to_owned(),
            estimate: "0.0000029".to_owned(),
            venues: vec![row("b", 2, "0.000008"), row("a", 2, "0.000004"), row(POOL, 2, "0.000001"), row("c", 1, "0")],
        };
        let explored = |explored: &str| SpendRow {
            at: None,
            group: std::collections::BTreeMap::new(),
            calls: 1,
            failed: 0,
            charge: String::new(),
            estimate: String::new(),
            explored: explored.to_owned(),
        };
        let rows = vec![explored("0.0000001"), explored("0.0000002")];
        let spend = SpendReport { from: String::new(), to: String::new(), total: String::new(), rows };
        Saving::of(&report, &spend)
    }

    pub(crate) fn report() -> Report {
        let calls = vec![call(0, 1_000, "a", 1_000_000), call(1, 2_000, "b", 2_000_000)];
        let incident = Incident {
            what: What::Raised,
            venue: "a".to_owned(),
            from: Duration::from_millis(1_500),
            until: Duration::from_millis(1_512),
        };
        let moved = Moved::measure(&calls, &incident, Duration::from_secs(3));
        let incidents = vec![(incident, moved)];
        let length = Duration::from_secs(3);
        Report {
            length,
            tour_calls: 8,
            calls,
            incidents,
            saving: saving(),
            pool_needed: 1.5,
            pool_slots: 1,
            books: Vec::new(),
        }
    }

    #[test]
    fn the_saving_is_against_the_cheapest_cloud_that_had_a_price_for_every_call() {
        let saving = saving();
        assert_eq!(saving.best().map(|(venue, _)| venue.as_str()), Some("a"));
        assert_eq!(saving.share(), Some(0.25));
        assert_eq!(saving.exploration.to_string(), "0.0000003");
        assert_eq!(saving.venues.len(), 3, "c lacks a call");
    }

    #[test]
    fn a_failed_call_or_a_missing_receipt_is_not_good() {
        assert!(report().is_good());
        let mut failed = report();
        failed.calls[1].answer = Answer::Failed("502: gone".to_owned());
        assert!(!failed.is_good());
        assert_eq!(failed.failures(), ["  2.0 s markdown: 502: gone"]);
        let mut lost = report();
        lost.saving.calls = 1;
        assert!(!lost.is_good());
    }

    #[test]
    fn programs_get_every_figure() {
        let value = serde_json::to_value(report()).unwrap();
        assert_eq!(value["good"], true);
        assert_eq!(value["calls"], 2);
        assert_eq!(value["saving"]["best_single_venue"], "a");
        assert_eq!(value["saving"]["saved"], "0.000001");
        assert_eq!(value["functions"][1]["price_per_million"], "2");
        assert_eq!(value["incidents"][0]["what"], "price raised to 400 %");
    }
}
