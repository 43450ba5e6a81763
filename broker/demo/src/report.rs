//! What happened, in figures: all of them measured in this run.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::bills::Bill;
use crate::books::Comparison;
use crate::calls::{Call, Sums};
use crate::incident::{Incident, Moved, RAISED_PERCENT, What};
use crate::sample::SAMPLES;
use crate::saving::Saving;

/// Failures that are shown.
const FAILURES_SHOWN: usize = 5;

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
    /// The bills of the clouds that tell no meters, for the tour and for the load.
    pub(crate) bills: [Vec<Bill>; 2],
    /// Merit's books beside the clouds'.
    pub(crate) books: Vec<Comparison>,
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
            crate::broker::Answer::Failed { reason, .. } => Some((call, reason)),
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
            crate::broker::Answer::Failed { .. } => None,
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
            "saving": self.saving.to_json(),
            "pool_slots_needed": self.pool_needed,
            "bills": { "tour": bills_json(&self.bills[0]), "load": bills_json(&self.bills[1]) },
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
        "corrected": comparison.corrected.to_string(),
        "difference": comparison.difference().to_string(),
        "explained_by_rounding": comparison.rounding.to_string(),
        "explained_by_calls_under_way_at_a_price_change": comparison.under_way.to_string(),
        "agrees": comparison.agrees(),
    })
}

fn bills_json(bills: &[Bill]) -> Value {
    let bill = |bill: &Bill| {
        json!({
            "venue": bill.venue,
            "calls": bill.calls,
            "charged": bill.charged.to_string(),
            "billed": bill.billed.to_string(),
            "off_percent": bill.off_percent(),
        })
    };
    bills.iter().map(bill).collect()
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
    use crate::saving::tests::saving;

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
            bills: [Vec::new(), Vec::new()],
            books: Vec::new(),
        }
    }

    #[test]
    fn a_failed_call_or_a_missing_receipt_is_not_good() {
        assert!(report().is_good());
        let mut failed = report();
        failed.calls[1].answer = Answer::failed("502: gone".to_owned());
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
