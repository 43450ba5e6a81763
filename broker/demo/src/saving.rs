//! What was charged, beside what the same calls were expected to cost had one venue run them all.

use merit_units::Money;
use merit_wire::{AlternativesReport, SpendReport};
use serde_json::{Value, json};

use crate::format::saving;

/// How the saving is found.
pub(crate) const METHOD: &str = "the receipt of every answered call holds what the call was expected to cost at each \
    venue at that moment (the price sheet in force x the learned use of the function there). For each cloud these are \
    summed over all calls, as if it alone had run them, also while its price was raised or it was down; the smallest \
    sum is compared with what was charged in fact.";

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
    /// Venues that had a price for every call, the cheapest first.
    pub(crate) venues: Vec<(String, Money)>,
    /// Those that have not the slots to run everything, and how many they have.
    pub(crate) small: Vec<(String, u32)>,
}

impl Saving {
    /// From the broker's reports on the load.
    pub(crate) fn of(report: &AlternativesReport, spend: &SpendReport, small: Vec<(String, u32)>) -> Self {
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
            small,
        }
    }

    /// The cheapest venue that could have run everything.
    pub(crate) fn best(&self) -> Option<&(String, Money)> {
        self.venues.iter().find(|(venue, _)| !self.is_small(venue))
    }

    /// Whether a venue has not the slots to run everything.
    pub(crate) fn is_small(&self, venue: &str) -> bool {
        self.small.iter().any(|(small, _)| small == venue)
    }

    /// What was saved against that, as a share of it.
    pub(crate) fn share(&self) -> Option<f64> {
        saving(self.charged, self.best()?.1)
    }

    /// The figures for programs.
    pub(crate) fn to_json(&self) -> Value {
        let Self { calls, charged, expected, exploration, venues, small } = self;
        let small: Vec<Value> = small.iter().map(|(venue, slots)| json!({ "venue": venue, "slots": slots })).collect();
        let best = self.best();
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
            "saved_share": self.share(),
            "venues": rows,
            "too_small": small,
            "method": METHOD,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::config::POOL;
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
            corrected: None,
            estimated: None,
            estimate: String::new(),
            explored: explored.to_owned(),
        };
        let rows = vec![explored("0.0000001"), explored("0.0000002")];
        let (from, to, total) = <(String, String, String)>::default();
        let spend = SpendReport { from, to, total, rows, beyond_calls: Vec::new() };
        Saving::of(&report, &spend, vec![(POOL.to_owned(), 1)])
    }

    #[test]
    fn the_saving_is_against_the_cheapest_cloud_that_had_a_price_for_every_call() {
        let saving = saving();
        assert_eq!(saving.best().map(|(venue, _)| venue.as_str()), Some("a"));
        assert_eq!(saving.share(), Some(0.25));
        assert_eq!(saving.exploration.to_string(), "0.0000003");
        assert_eq!(saving.venues.len(), 3, "c lacks a call");
    }
}
