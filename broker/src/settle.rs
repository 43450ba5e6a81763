//! The fourth stage: what happened becomes a charge, a lesson and a receipt.
//!
//! Settling never waits and never fails the caller: the function has run. It happens once for
//! every flight, also for one whose caller went away.

use std::sync::Arc;

use merit_market::Observation;
use merit_pricing::{Metered, MonthToDate, Usage};
use merit_units::{Micros, Money};
use merit_venue::{ErrorKind, MeterBasis, Outcome, Reply, VenueError};

use crate::admit::Admitted;
use crate::dispatch::{Attempt, Ending, Flight};
use crate::function::Deployment;
use crate::prices::{AdjustedBill, Charged};
use crate::publish;
use crate::refusal::Refused;

/// What one attempt is charged, and what for.
#[derive(Clone, Debug)]
pub struct Bill {
    /// In dollars.
    pub charge: Money,
    /// The billed quantities.
    pub metered: Option<Metered>,
    /// Where the month stood before it.
    pub month: Option<MonthToDate>,
    /// What adjustments did to it, where some hold.
    pub adjusted: Option<Box<AdjustedBill>>,
    /// Who measured them.
    pub basis: MeterBasis,
    /// Whether the ledger has it already.
    pub posted: bool,
}

impl Bill {
    /// That charge for these quantities, not posted yet.
    #[must_use]
    pub fn of(charged: Charged, metered: Option<Metered>, basis: MeterBasis) -> Self {
        let Charged { charge, month, adjusted } = charged;
        Self { charge, metered, month, adjusted, basis, posted: false }
    }
}

/// A settled invocation: what the caller gets.
pub enum Settled {
    /// The function's reply.
    Replied(Box<Replied>),
    /// Why there is none.
    Refused(Refused),
}

/// A reply with the figures of its headers.
pub struct Replied {
    /// What the function said.
    pub reply: Reply,
    /// The invocation, for the reply's headers.
    pub account: ReplyAccount,
}

/// The figures a reply carries in its headers.
pub struct ReplyAccount {
    /// The invocation.
    pub invocation: merit_units::InvocationId,
    /// The deployment that answered.
    pub deployment: Arc<Deployment>,
    /// Charged over all attempts.
    pub charge: Money,
    /// Attempts made.
    pub attempts: usize,
    /// Merit's own share of the time.
    pub overhead: Micros,
    /// From admission to reply.
    pub duration: Micros,
}

/// The sums of a flight that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Totals {
    /// Charged over all attempts.
    pub charge: Money,
    /// Whether any part of it is an estimate.
    pub estimated: bool,
    /// Expected when the deployment was chosen.
    pub estimate: Money,
    /// What learning cost beyond the cheapest eligible ask.
    pub explored: Money,
    /// From admission to reply.
    pub duration: Micros,
    /// Merit's own share of it.
    pub overhead: Micros,
}

/// Posts or voids, counts, writes the receipt, and makes the caller's answer.
pub fn settle(flight: &mut Flight, ending: Ending) -> Settled {
    let totals = totals(flight);
    post(flight);
    let refusal = publish::refusal(flight, &ending, &totals);
    publish::publish(flight, &ending, &totals, refusal.as_ref());
    refresh_crossed_prices(flight);
    match (ending, refusal) {
        (Ending::Replied(reply), _) => {
            Settled::Replied(Box::new(Replied { reply: *reply, account: account(flight, &totals) }))
        }
        (_, Some(refusal)) => {
            Settled::Refused(Refused { refusal: Box::new(refusal), invocation: Some(flight.admitted.id) })
        }
        (_, None) => unreachable!("invariant: whatever is not a reply is a refusal"),
    }
}

/// Teaches the profile and the deployment's health what a call that ran used.
pub fn learn(flight: &Flight, row: usize, usage: &Usage, basis: MeterBasis, latency: Micros) {
    let now = flight.broker.clock.now();
    let deployment = flight.view.deployment(row);
    if basis == MeterBasis::Refused {
        tracing::warn!(venue = %deployment.venue.id, deployment = %deployment.id, "the venue told meters that cannot be true");
    }
    flight.admitted.function.learn(&flight.broker, deployment, usage, latency, now);
}

/// What a failure says about the deployment's health and room.
#[must_use]
pub fn observation(error: &VenueError) -> Observation {
    match (error.kind, error.outcome) {
        (ErrorKind::Throttled, _) => Observation::Throttled { retry_after: error.retry_after.map(Micros::from_std) },
        (ErrorKind::Burst, _) => Observation::Burst { retry_after: error.retry_after.map(Micros::from_std) },
        // The payload is at fault, not the venue.
        (ErrorKind::PayloadTooLarge | ErrorKind::PayloadRefused | ErrorKind::ReplyTooLarge, _) => {
            Observation::FunctionError
        }
        (_, Outcome::Unknown) => Observation::Unknown,
        _ => Observation::Failed,
    }
}

fn totals(flight: &Flight) -> Totals {
    let duration = flight.admitted.stopwatch.elapsed();
    let at_venues = flight.attempts.iter().fold(Micros::ZERO, |sum, attempt| sum.saturating_add(attempt.duration));
    let charged = |attempt: &&Attempt| attempt.bill.charge > Money::ZERO;
    let estimate = flight.view.cost(flight.chosen);
    Totals {
        charge: flight.attempts.iter().map(|attempt| attempt.bill.charge).sum(),
        estimated: flight.attempts.iter().filter(charged).any(|attempt| attempt.bill.basis.is_estimated()),
        estimate,
        explored: if flight.explored {
            estimate.saturating_sub_to_zero(flight.view.cheapest(&flight.exclusions))
        } else {
            Money::ZERO
        },
        duration,
        overhead: duration.saturating_sub(at_venues),
    }
}

/// Posts what was not posted yet and releases the rest of the hold.
fn post(flight: &mut Flight) {
    let (broker, invocation) = (Arc::clone(&flight.broker), flight.admitted.id);
    let last = flight.attempts.len().checked_sub(1);
    for number in 0..flight.attempts.len() {
        if !flight.attempts[number].bill.posted && Some(number) != last {
            flight.post_attempt(number);
        }
    }
    let outcome = match last.map(|last| &flight.attempts[last]) {
        Some(attempt) if attempt.bill.charge > Money::ZERO && !attempt.bill.posted => {
            let venue = flight.view.deployment(attempt.row).venue.ledger_account;
            broker.ledger.post(invocation, attempt.bill.charge, venue).map(Some)
        }
        _ => broker.ledger.void(invocation).map(|_| None),
    };
    match outcome {
        Ok(Some(posted)) => publish::posted(&broker, &flight.admitted, &posted),
        Ok(None) => {}
        Err(rejection) => {
            tracing::error!(%invocation, %rejection, "a charge could not be posted; it is in the receipt")
        }
    }
}

/// A charge that crossed into another grant or tier changes every ask under that sheet.
fn refresh_crossed_prices(flight: &Flight) {
    if flight.attempts.iter().any(|attempt| flight.view.deployment(attempt.row).prices.has_crossed()) {
        flight.broker.refresh_prices(flight.broker.clock.now());
    }
}

fn account(flight: &Flight, totals: &Totals) -> ReplyAccount {
    let Admitted { id, .. } = *flight.admitted;
    let row = flight.attempts.last().map_or(flight.chosen, |attempt| attempt.row);
    let deployment = flight.view.deployment(row);
    ReplyAccount {
        invocation: id,
        deployment: Arc::clone(deployment),
        charge: totals.charge,
        attempts: flight.attempts.len(),
        overhead: totals.overhead,
        duration: totals.duration,
    }
}
