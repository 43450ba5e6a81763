//! The bills of the clouds that tell no meters, imported as an operator would: what each of them billed since the last
//! time, function by function, as the lines that `merit venues reconcile` takes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use merit_units::Money;
use merit_wire::ReconciliationList;

use crate::DemoError;
use crate::clouds::{Invoice, InvoiceLine};
use crate::stage::Stage;

/// What only the cloud can measure; the rest Merit counts itself.
const OF_RUN: [&str; 4] = ["gb_second", "vcpu_second", "gib_second", "cpu_ms"];

/// Decimals of a quantity in a bill.
const NANO: u128 = 1_000_000_000;

/// What was on the bills so far, by cloud and function.
#[derive(Default)]
pub(crate) struct Bills {
    so_far: BTreeMap<(String, String), Used>,
}

/// Calls, and billionths of a unit by meter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Used {
    calls: u64,
    meters: BTreeMap<String, u128>,
}

/// A cloud's bill beside what its calls had been charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bill {
    /// The cloud.
    pub(crate) venue: String,
    /// Merit's calls on it.
    pub(crate) calls: u64,
    /// What they had been charged, in dollars.
    pub(crate) charged: Money,
    /// What they were billed, in dollars.
    pub(crate) billed: Money,
}

impl Bill {
    /// By how many percent of the bill the charges were off.
    pub(crate) fn off_percent(&self) -> Option<f64> {
        (self.billed.pico() != 0).then(|| (self.charged.pico() as f64 / self.billed.pico() as f64 - 1.0) * 100.0)
    }
}

impl Bills {
    /// Imports what the clouds that tell no meters have billed since the last time, which was `from`. Both times are
    /// RFC 3339.
    ///
    /// # Errors
    /// When a cloud or the broker does not answer as it should.
    pub(crate) async fn import(&mut self, stage: &Stage, from: &str, to: &str) -> Result<Vec<Bill>, DemoError> {
        let mut imported = Vec::new();
        for cloud in stage.clouds.all.iter().filter(|cloud| !cloud.tells_meters()) {
            let invoice = stage.clouds.invoice(&cloud.name).await?;
            let Some(csv) = self.csv(&cloud.name, &invoice, from, to)? else { continue };
            imported.push(bill(&stage.broker.reconcile(&cloud.name, csv).await?));
        }
        Ok(imported)
    }

    /// The lines of one cloud; none when nothing was billed since.
    fn csv(&mut self, cloud: &str, invoice: &Invoice, from: &str, to: &str) -> Result<Option<String>, DemoError> {
        let mut lines = String::new();
        for (function, used) in sums(cloud, invoice)? {
            let before = self.so_far.insert((cloud.to_owned(), function.clone()), used.clone()).unwrap_or_default();
            if used.calls == before.calls {
                continue;
            }
            let mut line = |meter: &str, quantity: String| {
                writeln!(lines, "{from},{to},{function},{meter},{quantity}").expect("invariant: a string takes all");
            };
            line("request", (used.calls - before.calls).to_string());
            for (meter, nano) in &used.meters {
                let more = nano - before.meters.get(meter).copied().unwrap_or_default();
                line(meter, format!("{}.{:09}", more / NANO, more % NANO));
            }
        }
        let header = "ChargePeriodStart,ChargePeriodEnd,ResourceId,SkuMeter,ConsumedQuantity\n";
        Ok((!lines.is_empty()).then(|| format!("{header}{lines}")))
    }
}

fn bill(list: &ReconciliationList) -> Bill {
    let sum = |of: fn(&merit_wire::ReconciliationView) -> &String| {
        list.reconciliations.iter().filter_map(|view| of(view).parse::<Money>().ok()).sum()
    };
    Bill {
        venue: list.venue.clone(),
        calls: list.reconciliations.iter().map(|view| view.calls).sum(),
        charged: sum(|view| &view.charged),
        billed: sum(|view| &view.billed),
    }
}

/// What a cloud has billed by function, over all hours and prices.
fn sums(cloud: &str, invoice: &Invoice) -> Result<BTreeMap<String, Used>, DemoError> {
    let mut sums: BTreeMap<String, Used> = BTreeMap::new();
    let lines = invoice.periods.iter().flat_map(|period| &period.functions);
    for InvoiceLine { function, calls, billed } in lines {
        let used = sums.entry(function.clone()).or_default();
        used.calls += calls;
        for (meter, quantity) in billed.iter().filter(|(meter, _)| OF_RUN.contains(&meter.as_str())) {
            let refuse = || DemoError::Request {
                request: format!("the invoice of {cloud}"),
                reason: format!("`{quantity}` is no quantity"),
            };
            *used.meters.entry(meter.clone()).or_default() += nano(quantity).ok_or_else(refuse)?;
        }
    }
    Ok(sums)
}

/// A decimal in billionths, cut.
fn nano(text: &str) -> Option<u128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    Some(whole.parse::<u128>().ok()? * NANO + digits.parse::<u128>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invoice(calls: u64, seconds: &str) -> Invoice {
        let line = serde_json::json!({ "function": "markdown", "calls": calls,
            "billed": { "request": calls.to_string(), "vcpu_second": seconds, "egress_gb": "1" } });
        let periods = serde_json::json!([{ "functions": [line] }]);
        let text = serde_json::json!({ "calls": calls, "charges": "1", "unbilled": null, "periods": periods });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn a_bill_has_what_was_billed_since_the_last_one() {
        let mut bills = Bills::default();
        let csv = bills.csv("a", &invoice(6, "0.12"), "then", "now").unwrap().expect("something was billed");
        let lines: Vec<&str> = csv.lines().skip(1).collect();
        assert_eq!(lines, ["then,now,markdown,request,6", "then,now,markdown,vcpu_second,0.120000000"]);
        let csv = bills.csv("a", &invoice(7, "0.1333333333333"), "now", "later").unwrap().expect("one more");
        assert!(csv.ends_with("now,later,markdown,request,1\nnow,later,markdown,vcpu_second,0.013333333\n"), "{csv}");
        assert_eq!(bills.csv("a", &invoice(7, "0.1333333333333"), "later", "last").unwrap(), None);
    }
}
