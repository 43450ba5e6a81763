//! The last stage: the receipt, the metrics, and the words for whoever did not get a reply.

use std::sync::Arc;

use merit_ledger::Posted;
use merit_pricing::{AdjustmentKind, Balance};
use merit_store::record::{ReceiptRow, ReceiptStatus};
use merit_units::{InvocationId, Money};
use merit_venue::Outcome;

use crate::Broker;
use crate::admit::Admitted;
use crate::dispatch::{Attempt, Ending, Failed, Flight};
use crate::feed::Fill;
use crate::receipt::{self, Candidate, Detail, Meter, What};
use crate::refusal::Refusal;
use crate::settle::Totals;

/// What the caller is told when there is no reply.
#[must_use]
pub fn refusal(flight: &Flight, ending: &Ending, totals: &Totals) -> Option<Refusal> {
    let attempts = || flight.attempts.iter().map(|attempt| attempt_of(flight, attempt).view()).collect();
    match *ending {
        Ending::Replied(_) => None,
        Ending::Failed(Failed { retryable, deadline: true }) => {
            Some(Refusal::DeadlinePassed { attempts: attempts(), waited: totals.duration, retryable })
        }
        Ending::Failed(Failed { retryable, deadline: false }) => {
            let last = flight.attempts.last().map_or("no attempt was made", |attempt| &attempt.message);
            Some(Refusal::VenuesFailed { attempts: attempts(), last: last.to_owned(), retryable })
        }
        Ending::Abandoned => Some(Refusal::BadRequest("the client went away".to_owned())),
    }
}

/// Writes the receipt of a flight and counts it.
pub fn publish(flight: &Flight, ending: &Ending, totals: &Totals, refusal: Option<&Refusal>) {
    let status = match ending {
        Ending::Replied(reply) if reply.function_error.is_some() => ReceiptStatus::FunctionError,
        Ending::Replied(_) => ReceiptStatus::Ok,
        Ending::Failed(_) | Ending::Abandoned => ReceiptStatus::Failed,
    };
    flight.broker.metrics.invocation(status.word(), totals.duration, totals.overhead, totals.explored);
    count_fills(flight);
    let detail = detail_of(flight, refusal);
    let answered = flight.attempts.last().filter(|_| matches!(ending, Ending::Replied(_)));
    let deployment = answered.map(|attempt| flight.view.deployment(attempt.row));
    let row = ReceiptRow {
        venue: deployment.map(|deployment| deployment.venue.id.clone()),
        deployment: deployment.map(|deployment| deployment.id.clone()),
        charge: totals.charge,
        estimate: totals.estimate,
        explored: totals.explored,
        estimated: totals.estimated,
        duration: totals.duration,
        overhead: totals.overhead,
        ..row(&flight.admitted, status, detail)
    };
    store(&flight.broker, row);
}

/// Counts the attempts that ran, or may have, in candles, and puts them on the tape when somebody reads it.
fn count_fills(flight: &Flight) {
    let (broker, function) = (&flight.broker, &flight.admitted.function);
    let (at, listened) = (broker.clock.now(), broker.feed.wants_fills());
    for attempt in flight.attempts.iter().filter(|attempt| attempt.outcome != Outcome::NotStarted) {
        let charge = attempt.bill.charge;
        broker.feed.count(&function.id, at, charge, || broker.settings.load().feed.max_candle_functions);
        if listened {
            let lost = broker.feed.record(&Fill {
                at,
                function: Arc::clone(function),
                deployment: Arc::clone(flight.view.deployment(attempt.row)),
                charge,
                estimated: attempt.bill.basis.is_estimated(),
            });
            broker.metrics.feed.fills_lost.inc_by(lost);
        }
    }
}

/// Writes the receipt of a call that was admitted and found no place or no money.
pub fn refused(broker: &Broker, admitted: &Admitted, refusal: &Refusal) {
    let status = ReceiptStatus::Refused;
    let (duration, message) = (admitted.stopwatch.elapsed(), refusal.to_string());
    broker.metrics.invocation(status.word(), duration, duration, Money::ZERO);
    let detail = Detail { error: Some(&message), event: event_of(admitted), ..Detail::default() };
    let row = ReceiptRow { duration, overhead: duration, ..row(admitted, status, detail.encode()) };
    store(broker, row);
}

/// Tells the operator when a soft budget is passed, or a charge was above its hold.
pub fn posted(broker: &Broker, admitted: &Admitted, posted: &Posted) {
    if posted.crossed_soft {
        broker.metrics.soft_budget_passed.inc();
        tracing::warn!(account = %admitted.key.account.id, month = %posted.month, "the soft budget is passed");
    }
    if posted.overrun > Money::ZERO {
        broker.metrics.hold_overruns.inc();
        tracing::warn!(
            invocation = %admitted.id, overrun = %posted.overrun,
            "a venue charged more than the ceiling of its own sheet"
        );
    }
}

fn store(broker: &Broker, row: ReceiptRow) {
    if broker.store.enqueue_receipt(row).is_err() {
        broker.metrics.receipts_dropped.inc();
    }
}

fn row(admitted: &Admitted, status: ReceiptStatus, detail: Vec<u8>) -> ReceiptRow {
    ReceiptRow {
        id: admitted.id,
        at: admitted.at,
        function: admitted.function.id.clone(),
        account: admitted.key.account.id.clone(),
        key: admitted.key.id.clone(),
        status,
        venue: None,
        deployment: None,
        charge: Money::ZERO,
        estimate: Money::ZERO,
        explored: Money::ZERO,
        estimated: false,
        duration: merit_units::Micros::ZERO,
        overhead: merit_units::Micros::ZERO,
        tags: admitted.stated.tags.clone(),
        detail,
    }
}

fn detail_of(flight: &Flight, refusal: Option<&Refusal>) -> Vec<u8> {
    let last = flight.attempts.last();
    let metered = last.and_then(|attempt| attempt.bill.metered);
    let meters = metered.iter().flat_map(|metered| metered.iter());
    let function_error = last.map(|attempt| attempt.message.as_str()).filter(|message| !message.is_empty());
    let error = refusal.map(ToString::to_string);
    Detail {
        meters: meters.map(|(meter, quantity)| Meter { meter: meter.name(), quanta: quantity.quanta() }).collect(),
        explored: flight.explored,
        least_bad: flight.least_bad,
        attempts: flight.attempts.iter().map(|attempt| attempt_of(flight, attempt)).collect(),
        candidates: flight.view.book.merit_order().map(|row| candidate_of(flight, row)).collect(),
        error: error.as_deref().or(function_error),
        event: event_of(&flight.admitted),
        kind: flight.admitted.kind,
        priced: last.and_then(|attempt| priced_of(flight, attempt)),
        adjusted: last.and_then(|attempt| adjusted_of(flight, attempt)),
    }
    .encode()
}

/// What the charge can be computed from again.
fn priced_of<'a>(flight: &'a Flight, attempt: &Attempt) -> Option<receipt::Priced<'a>> {
    let prices = flight.view.prices(attempt.row);
    let (sheet, mut billed, month) = (prices.sheet()?, attempt.bill.metered?, attempt.bill.month?);
    // What packages covered stands in no tier.
    for taken in attempt.bill.adjusted.iter().flat_map(|adjusted| &adjusted.taken) {
        if let (Some(meter), Balance::Units(covered)) = (taken.meter, taken.amount) {
            let rest = billed.get(meter).saturating_sub(covered);
            billed = billed.with(meter, rest).expect("invariant: what is covered is billed");
        }
    }
    let positions = sheet.positions(&billed, &month);
    Some(receipt::Priced {
        sheet: sheet.name().as_str(),
        seq: sheet.seq(),
        usd_nano: prices.rate()?.nano(),
        positions: positions.map(|at| (at.grant_left.quanta(), at.tier_used.quanta())).collect(),
    })
}

/// What adjustments did to the charge.
fn adjusted_of<'a>(flight: &'a Flight, attempt: &'a Attempt) -> Option<receipt::Adjusted<'a>> {
    let bill = attempt.bill.adjusted.as_deref()?;
    let adjustments = flight.view.prices(attempt.row).adjustments()?;
    let applied = adjustments.iter().filter_map(|adjustment| {
        let taken = || bill.taken.iter().find(|taken| taken.adjustment == adjustment.name).map(|taken| taken.amount);
        let what = match &adjustment.kind {
            AdjustmentKind::Discount { off_ppm, meters } => {
                What::Discount { off_ppm: *off_ppm, meters: meters.iter().map(|meter| meter.name()).collect() }
            }
            AdjustmentKind::Package { meter, .. } => match taken()? {
                Balance::Units(covered) => What::Package { meter: meter.name(), quanta: covered.quanta() },
                Balance::Money(_) => return None,
            },
            AdjustmentKind::Commitment { currency, .. } => match taken()? {
                Balance::Money(covered) => {
                    let (atto, quanta) = covered.parts();
                    What::Commitment { currency: currency.as_str(), atto, quanta }
                }
                Balance::Units(_) => return None,
            },
        };
        Some(receipt::Applied { name: adjustment.name.as_str(), what })
    });
    Some(receipt::Adjusted { list_pico: bill.list.pico(), applied: applied.collect() })
}

fn event_of(admitted: &Admitted) -> Option<u128> {
    admitted.event.map(InvocationId::bits)
}

fn attempt_of<'a>(flight: &'a Flight, attempt: &'a Attempt) -> receipt::Attempt<'a> {
    let deployment = flight.view.deployment(attempt.row);
    receipt::Attempt {
        venue: deployment.venue.id.as_str(),
        deployment: deployment.id.as_str(),
        result: attempt.result,
        outcome: attempt.outcome.word(),
        message: &attempt.message,
        duration_us: attempt.duration.get(),
        charge_pico: attempt.bill.charge.pico(),
        estimated: attempt.bill.basis.is_estimated(),
    }
}

fn candidate_of(flight: &Flight, row: usize) -> Candidate<'_> {
    let deployment = flight.view.deployment(row);
    let priced = flight.view.book.asks()[row].why_ineligible().is_none();
    Candidate {
        venue: deployment.venue.id.as_str(),
        deployment: deployment.id.as_str(),
        cost_pico: priced.then(|| flight.view.cost(row).pico()),
        excluded: flight.exclusions[row],
    }
}
