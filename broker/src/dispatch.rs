//! The third stage: run the call, at the next deployment in merit order if the first one fails.
//!
//! Precedence after a failed attempt: an attempt that ran or may have run is never repeated
//! unless the function is idempotent; then the number of attempts, the deadline, the retry
//! budget, the terms and the money each may end it. What remains is tried.
//!
//! A [`Flight`] is settled exactly once. If its future is dropped, because the client went away
//! or the broker was told to stop, `Drop` settles it: the running attempt counts as unknown.

pub mod streaming;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use merit_market::{Observation, Pick, Reservation};
use merit_pricing::{Share, Usage};
use merit_units::{Micros, Money};
use merit_venue::{Call, ErrorKind, HttpHead, LambdaContext, MeterBasis, Outcome, Reply, VenueError};
use tokio::time::Instant;

use crate::Broker;
use crate::admit::Admitted;
use crate::clock::Stopwatch;
use crate::equivalence::shadow;
use crate::function::{Seat, View};
use crate::provider::{Provider, fills};
use crate::publish;
use crate::quote::{Exclusions, Quoted};
use crate::receipt::Kind;
use crate::settle::{self, Bill};
use crate::venue::VenueEntry;

/// One attempt that has ended.
#[derive(Debug)]
pub struct Attempt {
    /// Its row in the book.
    pub row: usize,
    /// `ok`, `function-error` or the kind of failure.
    pub result: &'static str,
    /// What it meant for money.
    pub outcome: Outcome,
    /// What the venue said.
    pub message: String,
    /// How long it took.
    pub duration: Micros,
    /// What it is charged.
    pub bill: Bill,
}

/// How an invocation ended.
#[derive(Debug)]
pub enum Ending {
    /// The function replied, well or with an error of its own.
    Replied(Box<Reply>),
    /// No attempt succeeded.
    Failed(Failed),
    /// Nobody waited for the end.
    Abandoned,
}

/// How the running attempt ended.
struct Landed {
    result: &'static str,
    outcome: Outcome,
    message: String,
    observation: Observation,
    cost: Cost,
}

/// What an attempt is charged by.
enum Cost {
    Nothing,
    Told(Usage, MeterBasis),
    Expected,
}

/// Why no attempt succeeded.
#[derive(Clone, Copy, Debug)]
pub struct Failed {
    /// Whether the same request may be sent again without running the function twice.
    pub retryable: bool,
    /// Whether it was the deadline that ended it.
    pub deadline: bool,
}

struct Running {
    row: usize,
    stopwatch: Stopwatch,
    reservation: Reservation,
    /// Its place on an instance that others may share.
    seat: Option<Seat>,
}

/// An invocation on its way: what it has cost so far, and what is running now.
pub struct Flight {
    /// The broker.
    pub broker: Arc<Broker>,
    /// What was admitted.
    pub admitted: Box<Admitted>,
    /// The book it was matched in.
    pub view: Arc<View>,
    /// The row first chosen.
    pub chosen: usize,
    /// Whether it was chosen to learn.
    pub explored: bool,
    /// Whether every deployment within the terms was unwell, and this the least bad.
    pub least_bad: bool,
    /// Why each row was excluded when the choice was made.
    pub exclusions: Exclusions,
    /// Attempts that have ended.
    pub attempts: Vec<Attempt>,
    /// The caller's terms, with what was tried.
    pub(crate) terms: merit_market::Terms,
    deadline: Instant,
    running: Option<Running>,
    settled: bool,
}

/// Runs the call to its end and settles it.
pub async fn dispatch(quoted: Quoted) -> settle::Settled {
    let (mut flight, first) = Flight::of(quoted);
    let mut next = Some(first);
    let mut ending = Ending::Failed(Failed { retryable: false, deadline: false });
    let mut shadowed = None;
    while let Some((row, reservation)) = next.take() {
        match flight.attempt(row, reservation).await {
            Ok(reply) => {
                shadowed = shadow::of(&flight, &reply).map(|job| (Arc::clone(&flight.broker), job));
                ending = Ending::Replied(Box::new(reply));
                break;
            }
            Err(error) => match flight.next_after(&error) {
                Ok(pick) => next = Some(pick),
                Err(failed) => ending = Ending::Failed(failed),
            },
        }
    }
    let settled = flight.settle(ending);
    if let Some((broker, job)) = shadowed {
        broker.shadow(job);
    }
    settled
}

impl Flight {
    /// A flight that has not begun, and where it goes first.
    fn of(quoted: Quoted) -> (Self, (usize, Reservation)) {
        let Quoted { broker, admitted, view, pick, exclusions, terms, deadline } = quoted;
        let Pick { row, reservation, explored, least_bad, .. } = pick;
        let flight = Self {
            broker,
            admitted,
            view,
            chosen: row,
            explored,
            least_bad,
            exclusions,
            attempts: Vec::with_capacity(1),
            terms,
            deadline,
            running: None,
            settled: false,
        };
        (flight, (row, reservation))
    }

    async fn attempt(&mut self, row: usize, reservation: Reservation) -> Result<Reply, VenueError> {
        let (venue, call) = self.begin(row, reservation);
        let result = venue.adapter.invoke(call).await;
        match &result {
            Ok(reply) => self.land_reply(reply),
            Err(error) => self.land_error(error),
        }
        result
    }

    /// Makes the attempt the running one; what is to be called, and with what.
    fn begin(&mut self, row: usize, reservation: Reservation) -> (Arc<VenueEntry>, Call) {
        let deployment = self.view.deployment(row);
        let call = Call {
            invocation: self.admitted.id,
            attempt: u8::try_from(self.attempts.len() + 1).unwrap_or(u8::MAX),
            function: self.admitted.function.id.clone(),
            target: Arc::clone(&deployment.target),
            payload: self.admitted.payload.clone(),
            content_type: self.admitted.headers.content_type.clone(),
            traceparent: self.admitted.headers.traceparent.clone(),
            tracestate: self.admitted.headers.tracestate.clone(),
            deadline: self.deadline.min(Instant::now() + self.admitted.function.timeout.to_std()),
            lambda: self.admitted.headers.lambda.clone(),
            http: self.admitted.headers.http.clone(),
        };
        let venue = Arc::clone(&deployment.venue);
        self.terms.mark_tried(row);
        let seat = deployment.sit_down(self.view.prices(row));
        self.running = Some(Running { row, stopwatch: Stopwatch::start(), reservation, seat });
        (venue, call)
    }

    /// Records the end of the running attempt.
    fn land(&mut self, landed: Landed) -> &Attempt {
        let Running { row, stopwatch, mut reservation, .. } =
            self.running.take().expect("invariant: an attempt is running when one lands");
        let settings = self.broker.settings.load();
        reservation.observe(landed.observation, self.broker.clock.now(), &settings.market);
        let bill = match landed.cost {
            Cost::Nothing => Bill::nothing(),
            Cost::Told(usage, basis) => self.view.bill(row, &usage, basis),
            Cost::Expected => self.view.expected_bill(row),
        };
        let Landed { result, outcome, message, observation, .. } = landed;
        let duration = stopwatch.elapsed();
        reservation.charged(bill.charge.pico_saturating_i64());
        if let Some(provider) = &self.view.deployment(row).venue.provider {
            self.tell_provider(provider, row, result, observation, &bill, duration);
        }
        self.view.deployment(row).venue.metrics.attempt(result, duration, bill.charge);
        self.attempts.push(Attempt { row, result, outcome, message, duration, bill });
        self.attempts.last().expect("invariant: one was just pushed")
    }

    #[cold]
    fn tell_provider(
        &self,
        provider: &Provider,
        row: usize,
        result: &'static str,
        observation: Observation,
        bill: &Bill,
        took: Micros,
    ) {
        let deployment = self.view.deployment(row);
        let landed = fills::Landed {
            invocation: self.admitted.id,
            function: &self.admitted.function.id,
            deployment,
            result,
            observation,
            quoted: self.view.cost(row),
            charged: bill.charge,
            expected: self.view.book.asks()[row].latency_p50,
            took,
        };
        provider.landed(&self.broker, &deployment.venue, &landed);
    }

    /// What was used, with the share of its instance that the running attempt had.
    fn shared(&self, usage: Usage) -> Usage {
        let seat = self.running.as_ref().and_then(|running| running.seat.as_ref());
        Usage { share: seat.map_or(Share::WHOLE, |seat| seat.share(Instant::now())), ..usage }
    }

    fn land_reply(&mut self, reply: &Reply) {
        let (result, message, observation) = match &reply.function_error {
            None => ("ok", String::new(), Observation::Ok),
            Some(error) => ("function-error", format!("{}: {}", error.kind, error.message), Observation::FunctionError),
        };
        let (usage, basis) = (self.shared(reply.usage), reply.meters);
        let cost = Cost::Told(usage, basis);
        let Attempt { row, duration, .. } =
            *self.land(Landed { result, outcome: Outcome::Ran, message, observation, cost });
        settle::learn(self, row, &usage, basis, duration);
        if let Some(digest) = &reply.digest {
            self.broker.ran(&self.admitted.function, self.view.deployment(row), digest);
        }
    }

    fn land_error(&mut self, error: &VenueError) {
        let cost = match (error.outcome, error.usage) {
            (Outcome::NotStarted, _) => Cost::Nothing,
            (Outcome::Ran, Some(usage)) => Cost::Told(self.shared(usage), error.meters),
            // It may have run: charge what such a call is expected to cost, and say that it is an estimate.
            (Outcome::Ran | Outcome::Unknown, _) => Cost::Expected,
        };
        let (result, message) = (error.kind.word(), error.message.clone());
        let observation = settle::observation(error);
        self.land(Landed { result, outcome: error.outcome, message, observation, cost });
    }

    /// The next deployment to try, or how the invocation ends.
    fn next_after(&mut self, error: &VenueError) -> Result<(usize, Reservation), Failed> {
        let is_own = self.admitted.kind != Kind::Call;
        let may_repeat = !is_own && (error.outcome == Outcome::NotStarted || self.admitted.function.idempotent);
        let deadline = error.kind == ErrorKind::Timeout && Instant::now() >= self.deadline;
        let ended = Failed { retryable: may_repeat, deadline };
        let broker = &self.broker;
        let settings = broker.settings.load();
        if !may_repeat
            || Instant::now() >= self.deadline
            || self.attempts.len() >= settings.max_attempts
            || !broker.retry_budget.take()
        {
            return Err(ended);
        }
        let now = broker.clock.now();
        let Ok(pick) = self.view.book.decide(&self.terms, now, fastrand::u64(..)) else { return Err(ended) };
        let ceiling = self.view.ceiling(pick.row);
        self.post_attempt(self.attempts.len() - 1);
        match self.broker.ledger.raise(self.admitted.id, ceiling) {
            Ok(_) => Ok((pick.row, pick.reservation)),
            Err(error) => {
                tracing::info!(invocation = %self.admitted.id, %error, "no money for a retry");
                Err(ended)
            }
        }
    }

    /// Posts the charge of an attempt that failed, so that the hold covers only what is still to come.
    pub(crate) fn post_attempt(&mut self, number: usize) {
        let attempt = &mut self.attempts[number];
        if attempt.bill.charge == Money::ZERO {
            return;
        }
        let venue = self.view.deployment(attempt.row).venue.ledger_account;
        let number = u8::try_from(number).expect("invariant: attempts are bounded by the configuration");
        match self.broker.ledger.post_attempt(self.admitted.id, number, attempt.bill.charge, venue) {
            Ok(posted) => {
                attempt.bill.posted = true;
                publish::posted(&self.broker, &self.admitted, &posted);
            }
            Err(rejection) => {
                tracing::error!(invocation = %self.admitted.id, %rejection, "an attempt's charge could not be posted");
            }
        }
    }

    fn settle(mut self, ending: Ending) -> settle::Settled {
        self.settled = true;
        settle::settle(&mut self, ending)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        self.settled = true;
        if self.running.is_some() {
            let message = "the client went away before the venue answered".to_owned();
            // Nothing is known of the venue by this: it counts neither for nor against it.
            let (observation, cost) = (Observation::FunctionError, Cost::Expected);
            self.land(Landed { result: "abandoned", outcome: Outcome::Unknown, message, observation, cost });
        }
        settle::settle(self, Ending::Abandoned);
    }
}

/// Headers of a request that are passed on to the venue.
#[derive(Clone, Debug, Default)]
pub struct PassedOn {
    /// The payload's media type.
    pub content_type: Option<HeaderValue>,
    /// W3C trace context.
    pub traceparent: Option<HeaderValue>,
    /// Its vendor part.
    pub tracestate: Option<HeaderValue>,
    /// What only the Lambda-compatible door takes in.
    pub lambda: Option<Arc<LambdaContext>>,
    /// The request, where it came by the door of plain HTTP.
    pub http: Option<Arc<HttpHead>>,
}

impl PassedOn {
    /// With the trace context of these headers.
    #[must_use]
    pub fn traced(content_type: Option<HeaderValue>, headers: &HeaderMap) -> Self {
        const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
        const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
        let (traceparent, tracestate) = (headers.get(TRACEPARENT).cloned(), headers.get(TRACESTATE).cloned());
        Self { content_type, traceparent, tracestate, lambda: None, http: None }
    }
}

impl Bill {
    /// Nothing was used.
    #[must_use]
    pub fn nothing() -> Self {
        Self {
            charge: Money::ZERO,
            metered: None,
            month: None,
            adjusted: None,
            basis: MeterBasis::Reported,
            posted: false,
        }
    }
}
