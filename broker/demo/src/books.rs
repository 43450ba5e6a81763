//! Merit's books against those of the simulated clouds: what was charged for the calls at each
//! cloud, and what the cloud itself billed for them, by its own meters and its own sheet.
//!
//! Merit rounds each call to the picodollar and the clouds round their sum, so they may differ by
//! one picodollar a call. A call that is under way while its price is changed is charged by the sheet it
//! was quoted under here, and billed by the new one there; how much that can make is known, too. So is what was charged
//! at most for attempts before the one that answered: a refusal that leaves open whether the function ran is charged as
//! such a call is expected to cost, and belongs to the invocation; the cloud that refused it bills it or does not. The same
//! holds for every attempt of a call that no venue answered, as one that was under way when its cloud went away.
//! Anything beyond is a mistake in one of the books, except at a cloud that tells no meters with its replies: what is
//! charged there is an estimate, until its bill is imported and corrects it. Whether what is left is rounding is told, too.

use std::collections::BTreeMap;

use merit_units::{ExchangeRate, Money, Overflow};
use merit_wire::{AttemptView, SpendReport};

use crate::DemoError;
use crate::broker::{Answer, Broker};
use crate::calls::Call;
use crate::clouds::{Cloud, Clouds, Invoice};
use crate::config::EXAMPLE_USD_PER_CNY;
use crate::incident::{Incident, RAISED_PERCENT, What};

/// One cloud's books beside Merit's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// The cloud.
    pub(crate) venue: String,
    /// Calls Merit has charged for.
    pub(crate) calls: u64,
    /// Calls the cloud has billed.
    pub(crate) billed_calls: u64,
    /// What Merit charged, in dollars.
    pub(crate) charged: Money,
    /// What the cloud billed, in dollars.
    pub(crate) billed: Money,
    /// Its own currency.
    pub(crate) currency: String,
    /// How much rounding can make.
    pub(crate) rounding: Money,
    /// How much more calls under way at a change of price can make.
    pub(crate) under_way: Money,
    /// How much more attempts that may have run elsewhere, before the one that answered here, can make, or the other way
    /// round.
    pub(crate) in_doubt: Money,
    /// Attempts that may have run here, of calls that another venue answered, or none.
    pub(crate) attempts_in_doubt: u64,
    /// What the cloud's bill has corrected: below zero when its calls had been charged too much. Part of `charged`.
    pub(crate) corrected: Money,
    /// Whether the cloud tells no meters with a reply, so that Merit charged by its own clock.
    pub(crate) estimated: bool,
}

impl Comparison {
    /// By how much they differ.
    pub(crate) fn difference(&self) -> Money {
        let difference = self.charged - self.billed;
        if difference.is_negative() { -difference } else { difference }
    }

    /// Whether they agree, as far as they can: where charges are estimates, in the calls.
    pub(crate) fn agrees(&self) -> bool {
        let close = self.estimated || self.difference() <= self.rounding + self.under_way + self.in_doubt;
        (self.calls..=self.calls + self.attempts_in_doubt).contains(&self.billed_calls) && close
    }

    /// Whether nothing but rounding is left: of each call when it is charged and when it is corrected.
    pub(crate) fn is_exact(&self) -> bool {
        self.difference() <= self.rounding + self.rounding
    }

    /// By how many percent of the bill an estimate is off; `None` where nothing was billed.
    pub(crate) fn off_percent(&self) -> Option<f64> {
        let part = |money: Money| money.pico() as f64;
        (self.billed.pico() != 0).then(|| (part(self.charged) / part(self.billed) - 1.0) * 100.0)
    }

    /// What it takes beside rounding to explain the difference of books that agree; `None` when nothing.
    pub(crate) fn because(&self) -> Option<&'static str> {
        if !self.agrees() || self.estimated || self.difference() <= self.rounding {
            None
        } else if self.difference() <= self.rounding + self.under_way {
            Some("calls were under way at the change of price")
        } else {
            Some("attempts that may have run and gave no answer were charged")
        }
    }
}

/// Compares the books of every cloud. `spend` is grouped by venue and holds every call there was.
///
/// # Errors
/// When a cloud does not answer as it should.
pub(crate) async fn compare(
    broker: &Broker,
    clouds: &Clouds,
    spend: &SpendReport,
    all_calls: &[Call],
    incidents: &[Incident],
) -> Result<Vec<Comparison>, DemoError> {
    let charged = charged(spend);
    let doubts = doubts(broker, all_calls).await?;
    let mut all = Vec::with_capacity(clouds.all.len());
    for cloud in &clouds.all {
        let invoice = clouds.invoice(&cloud.name).await?;
        let (calls, charged, corrected) = charged.get(cloud.name.as_str()).copied().unwrap_or_default();
        let mut comparison =
            comparison(cloud, &invoice, (calls, charged), &straddling(all_calls, incidents, &cloud.name))?;
        let (attempts, charges) = doubts.get(&cloud.name).copied().unwrap_or_default();
        comparison.in_doubt = repeated(all_calls, &cloud.name) + charges;
        comparison.attempts_in_doubt = attempts;
        comparison.corrected = corrected;
        all.push(comparison);
    }
    Ok(all)
}

/// Calls, what they were charged, and the part of it that a bill corrected, by venue.
fn charged(spend: &SpendReport) -> BTreeMap<&str, (u64, Money, Money)> {
    let row = |row: &merit_wire::SpendRow| {
        let corrected = row.corrected.as_deref().map_or(Some(Money::ZERO), |text| text.parse().ok());
        Some((row.calls - row.failed, row.charge.parse().ok()?, corrected?))
    };
    spend.rows.iter().filter_map(|own| Some((own.group.get("venue")?.as_str(), row(own)?))).collect()
}

fn comparison(
    cloud: &Cloud,
    invoice: &Invoice,
    (calls, charged): (u64, Money),
    straddling: &[Money],
) -> Result<Comparison, DemoError> {
    let refuse = |reason: String| DemoError::Request { request: format!("the invoice of {}", cloud.name), reason };
    if let Some(unbilled) = &invoice.unbilled {
        return Err(refuse(format!("calls ran and could not be billed: {unbilled}")));
    }
    let own = invoice.charges()?;
    let billed = dollars(own, &cloud.currency).map_err(|Overflow| refuse(format!("{own} is too large")))?;
    // At most the whole difference of the two prices for each call under way.
    let factor = i128::from(RAISED_PERCENT - 100);
    let under_way = straddling.iter().map(|charge| Money::from_pico(charge.pico() * factor / 100)).sum();
    Ok(Comparison {
        venue: cloud.name.clone(),
        calls,
        billed_calls: invoice.calls,
        charged,
        billed,
        currency: cloud.currency.clone(),
        rounding: Money::from_pico(i128::from(calls) + 1),
        under_way,
        in_doubt: Money::ZERO,
        attempts_in_doubt: 0,
        corrected: Money::ZERO,
        estimated: !cloud.tells_meters(),
    })
}

/// An amount in dollars, at the rate the broker was given.
fn dollars(amount: Money, currency: &str) -> Result<Money, Overflow> {
    if currency != "CNY" {
        return Ok(amount);
    }
    let rate: ExchangeRate = EXAMPLE_USD_PER_CNY.parse().expect("invariant: the example is a rate");
    let nano = i128::try_from(rate.nano()).map_err(|_| Overflow)?;
    Ok(Money::from_pico(amount.checked_mul(nano)?.pico() / 1_000_000_000))
}

/// Charges of the calls that were under way at a venue while its price was being changed.
fn straddling(calls: &[Call], incidents: &[Incident], venue: &str) -> Vec<Money> {
    let changes = incidents.iter().filter(|incident| incident.what == What::Raised && incident.venue == venue);
    let during = |call: &&Call, change: &Incident| call.planned <= change.until && call.ended >= change.from;
    let found = changes.flat_map(|change| calls.iter().filter(move |call| during(call, change)));
    found.filter_map(Call::replied).filter(|(at, _)| *at == venue).map(|(_, charge)| charge).collect()
}

/// Charges of the calls that a venue answered after another attempt.
fn repeated(calls: &[Call], venue: &str) -> Money {
    let repeated = calls.iter().filter(|call| call.was_repeated()).filter_map(Call::replied);
    repeated.filter(|(at, _)| *at == venue).map(|(_, charge)| charge).sum()
}

/// Attempts that may have run at a venue and gave no answer, and what they were charged, by venue.
async fn doubts(broker: &Broker, calls: &[Call]) -> Result<Doubts, DemoError> {
    let mut doubts = Doubts::new();
    for call in calls {
        match &call.answer {
            Answer::Failed { attempts, .. } => doubt_unanswered(&mut doubts, attempts),
            Answer::Replied { invocation, .. } if call.was_repeated() => {
                let receipt = broker.receipt(invocation).await?;
                doubt(&mut doubts, receipt.attempts.split_last().map_or(&[], |(_, before)| before));
            }
            Answer::Replied { .. } => {}
        }
    }
    Ok(doubts)
}

type Doubts = BTreeMap<String, (u64, Money)>;

/// Adds those of these attempts that may have run.
fn doubt(doubts: &mut Doubts, attempts: &[AttemptView]) {
    for attempt in attempts.iter().filter(|attempt| attempt.outcome != "not-started") {
        let (count, charges) = doubts.entry(attempt.venue.clone()).or_default();
        *count += 1;
        *charges += charge_of(attempt);
    }
}

/// Adds the attempts of a call that none of them answered. What they were charged is in the books of the last one's venue.
fn doubt_unanswered(doubts: &mut Doubts, attempts: &[AttemptView]) {
    doubt(doubts, attempts);
    let Some((last, before)) = attempts.split_last() else { return };
    let elsewhere: Money = before.iter().filter(|attempt| attempt.venue != last.venue).map(charge_of).sum();
    if elsewhere > Money::ZERO {
        doubts.entry(last.venue.clone()).or_default().1 += elsewhere;
    }
}

fn charge_of(attempt: &AttemptView) -> Money {
    attempt.charge.parse().unwrap_or(Money::ZERO)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::calls::tests::call;

    fn cloud(currency: &str) -> Cloud {
        let text = serde_json::json!({ "name": "a", "price_sheet": "", "currency": currency, "architecture": "",
            "memory_mb": 1, "vcpu_milli": null, "concurrency": 1 });
        serde_json::from_value(text).unwrap()
    }

    fn invoice(calls: u64, charges: &str) -> Invoice {
        Invoice { calls, charges: charges.to_owned(), unbilled: None, periods: Vec::new() }
    }

    fn compared(currency: &str, invoice: &Invoice, charged: &str, straddling: &[Money]) -> Comparison {
        comparison(&cloud(currency), invoice, (10, charged.parse().unwrap()), straddling).unwrap()
    }

    #[test]
    fn books_agree_to_a_picodollar_a_call() {
        assert!(compared("USD", &invoice(10, "0.000001"), "0.00000100001", &[]).agrees());
        assert!(!compared("USD", &invoice(10, "0.000001"), "0.0000010001", &[]).agrees());
        assert!(!compared("USD", &invoice(9, "0.000001"), "0.000001", &[]).agrees(), "a call is missing");
    }

    #[test]
    fn yuan_are_compared_at_the_rate_the_broker_has() {
        let compared = compared("CNY", &invoice(10, "0.00001"), "0.000001405", &[]);
        assert_eq!(compared.billed, "0.000001405".parse().unwrap());
        assert!(compared.agrees());
    }

    #[test]
    fn calls_under_way_at_a_change_of_price_may_be_billed_by_either() {
        let (before, after) = ("0.000001", "0.000004");
        assert!(!compared("USD", &invoice(10, after), before, &[]).agrees());
        let under_way = compared("USD", &invoice(10, after), before, &[before.parse().unwrap()]);
        assert_eq!(under_way.because(), Some("calls were under way at the change of price"));
    }

    #[test]
    fn attempts_in_doubt_explain_no_more_than_their_calls_were_charged() {
        let mut apart = compared("USD", &invoice(10, "0.000001"), "0.0000012", &[]);
        assert!(!apart.agrees());
        apart.in_doubt = "0.0000003".parse().unwrap();
        assert_eq!(apart.because(), Some("attempts that may have run and gave no answer were charged"));
        apart.in_doubt = "0.0000001".parse().unwrap();
        assert!(!apart.agrees() && apart.because().is_none());
    }

    #[test]
    fn a_cloud_may_bill_attempts_that_may_have_run_there_and_no_more() {
        let mut billed = compared("USD", &invoice(11, "0.0000011"), "0.000001", &[]);
        billed.in_doubt = "0.0000001".parse().unwrap();
        assert!(!billed.agrees(), "a call too many");
        billed.attempts_in_doubt = 1;
        assert!(billed.agrees());
        let fewer = Comparison { billed_calls: 9, ..billed };
        assert!(!fewer.agrees(), "a call is missing");
    }

    #[test]
    fn attempts_of_a_call_that_nobody_answered_are_in_doubt_where_they_may_have_run() {
        let attempt = |venue: &str, outcome: &str, charge: &str| AttemptView {
            venue: venue.to_owned(),
            deployment: venue.to_owned(),
            result: "connection-cut".to_owned(),
            outcome: outcome.to_owned(),
            message: String::new(),
            duration_ms: 1.0,
            charge: charge.to_owned(),
            estimated: true,
        };
        let attempts =
            vec![attempt("a", "unknown", "0.3"), attempt("b", "not-started", "0"), attempt("c", "ran", "0.5")];
        let mut doubts = Doubts::new();
        doubt_unanswered(&mut doubts, &attempts);
        let dollars = |text: &str| text.parse::<Money>().unwrap();
        let expected = [("a", 1, "0.3"), ("c", 1, "0.8")];
        let expected = expected.map(|(venue, count, charge)| (venue.to_owned(), (count, dollars(charge))));
        assert_eq!(doubts, Doubts::from(expected), "one was never begun; all is charged where it was tried last");
    }

    #[test]
    fn only_calls_that_begin_before_a_change_and_end_after_it_are_under_way() {
        let change = Incident {
            what: What::Raised,
            venue: "a".to_owned(),
            from: Duration::from_secs(10),
            until: Duration::from_millis(10_020),
        };
        // Each takes 100 ms.
        let calls = [
            call(0, 9_800, "a", 1),
            call(0, 9_910, "a", 2),
            call(0, 9_910, "b", 4),
            call(0, 10_015, "a", 8),
            call(0, 10_500, "a", 16),
        ];
        assert_eq!(straddling(&calls, std::slice::from_ref(&change), "a"), [2, 8].map(Money::from_pico));
        let killed = Incident { what: What::Killed, ..change };
        assert_eq!(straddling(&calls, &[killed], "a"), []);
    }

    #[test]
    fn where_no_meters_are_told_only_the_calls_have_to_agree() {
        let google = Cloud {
            google: Some(crate::clouds::GoogleProject { region: "us-central1".to_owned(), project: "p".to_owned() }),
            ..cloud("USD")
        };
        let compared = |calls: u64| {
            comparison(&google, &invoice(calls, "0.000001"), (10, "0.0000012".parse().unwrap()), &[]).unwrap()
        };
        assert!(compared(10).agrees() && compared(10).because().is_none());
        assert_eq!(compared(10).off_percent().map(f64::round), Some(20.0));
        assert!(!compared(9).agrees(), "a call is missing");
    }

    #[test]
    fn what_could_not_be_billed_is_said() {
        let broken = Invoice { unbilled: Some(serde_json::json!({ "calls": 1 })), ..invoice(1, "1") };
        let error = comparison(&cloud("USD"), &broken, (1, Money::ZERO), &[]).unwrap_err();
        assert!(error.to_string().contains("could not be billed"), "{error}");
    }
}
