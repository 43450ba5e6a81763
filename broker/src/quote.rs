//! The second stage: match the order with the book, reserve the place, hold the money.
//!
//! The hold is the ceiling of the chosen ask, the most that call can be charged there, so a
//! hard budget can't be overspent by calls running at once (docs/adr/0005).

use std::fmt::Write as _;
use std::ops::Index;
use std::sync::Arc;

use merit_ledger::{HoldRequest, Rejection};
use merit_market::{Book, Exclusion, NoPick, Pick, Terms};
use merit_store::HoldError;
use merit_units::{FunctionId, Micros, Timestamp};
use merit_wire::ExclusionView;
use tokio::time::Instant;

use crate::Broker;
use crate::admit::Admitted;
use crate::clock;
use crate::function::{Deployment, View};
use crate::publish;
use crate::refusal::Refusal;
use crate::terms::OrderKind;

/// How long a hold outlives its call's deadline before it is voided: time for the last posting.
const HOLD_GRACE: Micros = Micros::from_secs(30);

/// A resting order looks again at least this often: room is given back without notice.
const REST_POLL: std::time::Duration = std::time::Duration::from_millis(20);

/// Why each row of a book was excluded, by row; `None` for those that would have done.
#[derive(Debug)]
pub struct Exclusions(Vec<Option<&'static str>>);

impl Exclusions {
    pub(crate) fn of(book: &Book, terms: &Terms, now: Timestamp) -> Self {
        let mut words = vec![None; book.asks().len()];
        for (row, verdict) in book.verdicts(terms, now) {
            words[row] = verdict.err().map(|exclusion| exclusion.word());
        }
        Self(words)
    }
}

impl Index<usize> for Exclusions {
    type Output = Option<&'static str>;
    fn index(&self, row: usize) -> &Self::Output {
        &self.0[row]
    }
}

/// A call with its place and its money.
pub struct Quoted {
    /// The broker.
    pub broker: Arc<Broker>,
    /// What was admitted.
    pub admitted: Box<Admitted>,
    /// The book it was matched in.
    pub view: Arc<View>,
    /// Where it goes first.
    pub pick: Pick,
    /// Why each row was excluded.
    pub exclusions: Exclusions,
    /// The caller's terms, names resolved.
    pub terms: Terms,
    /// When the caller stops waiting.
    pub deadline: Instant,
}

/// Finds the place and the money.
///
/// # Errors
/// [`Refusal::MalformedTerms`] for names nobody has, [`Refusal::NoEligibleVenue`], [`Refusal::BudgetExhausted`].
pub async fn quote(broker: Arc<Broker>, admitted: Box<Admitted>) -> Result<Quoted, Refusal> {
    let value_of_time = admitted.stated.value_of_time.unwrap_or(admitted.function.value_of_time);
    let mut terms = broker.directory.load().resolve(&admitted.stated, value_of_time.pico_saturating_i64())?;
    let wait = {
        let settings = broker.settings.load();
        broker.retry_budget.earn(&settings.market);
        admitted.stated.deadline.unwrap_or(settings.default_timeout).min(settings.max_timeout)
    };
    let deadline = Instant::now() + wait.to_std();
    let matched = match admitted.stated.kind {
        OrderKind::Market | OrderKind::Limit => decide(&broker, &admitted, &mut terms),
        OrderKind::Rest => rest(&broker, &admitted, &mut terms, deadline).await,
    };
    let (view, pick, exclusions) = match matched {
        Ok(matched) => matched,
        Err(refusal) => {
            publish::refused(&broker, &admitted, &refusal);
            return Err(refusal);
        }
    };
    let hold = HoldRequest {
        invocation: admitted.id,
        account: admitted.key.account.ledger,
        amount: view.ceiling(pick.row),
        expires_at: admitted.at + wait + HOLD_GRACE,
    };
    if let Err(error) = broker.ledger.hold(admitted.at, clock::month_of(admitted.at), &hold) {
        let refusal = no_money(&admitted, error);
        publish::refused(&broker, &admitted, &refusal);
        return Err(refusal);
    }
    Ok(Quoted { broker, admitted, view, pick, exclusions, terms, deadline })
}

/// Whether some deployment would take the call now, without taking its room or holding its money.
///
/// # Errors
/// As [`quote`], but for money.
pub(crate) fn check(broker: &Broker, admitted: &Admitted) -> Result<(), Refusal> {
    let value_of_time = admitted.stated.value_of_time.unwrap_or(admitted.function.value_of_time);
    let terms = broker.directory.load().resolve(&admitted.stated, value_of_time.pico_saturating_i64())?;
    let (view, now) = (admitted.function.view(), broker.clock.now());
    if view.book.verdicts(&terms, now).any(|(_, verdict)| verdict.is_ok()) {
        return Ok(());
    }
    let function = admitted.function.id.clone();
    let exclusions = exclusion_views(&function, &view, &terms, now);
    Err(Refusal::NoEligibleVenue { function, exclusions })
}

fn no_money(admitted: &Admitted, error: HoldError) -> Refusal {
    match error {
        HoldError::Rejected(Rejection::BudgetExhausted { month, budget, spent, held, needed, .. }) => {
            let account = admitted.key.account.id.clone();
            Refusal::BudgetExhausted { account, month, budget, spent, held, needed }
        }
        other => Refusal::Internal(format!("the money for the call could not be held: {other}")),
    }
}

type Matched = (Arc<View>, Pick, Exclusions);

/// Finds the place. The terms are told which rows of the book can't take the call.
fn decide(broker: &Broker, admitted: &Admitted, terms: &mut Terms) -> Result<Matched, Refusal> {
    let view = admitted.function.view();
    if admitted.headers.http.is_some() {
        terms.unfit = view.without_plain_http();
    }
    let now = broker.clock.now();
    let exclusions = Exclusions::of(&view.book, terms, now);
    match view.book.decide(terms, now, fastrand::u64(..)) {
        Ok(pick) => Ok((view, pick, exclusions)),
        Err(NoPick::NoAsks | NoPick::NoneEligible | NoPick::AllTried | NoPick::AtCapacity) => {
            Err(Refusal::NoEligibleVenue {
                function: admitted.function.id.clone(),
                exclusions: exclusion_views(&admitted.function.id, &view, terms, now),
            })
        }
    }
}

/// Waits until an ask meets the terms, or the deadline passes.
async fn rest(broker: &Broker, admitted: &Admitted, terms: &mut Terms, deadline: Instant) -> Result<Matched, Refusal> {
    loop {
        let changed = admitted.function.changed.notified();
        let refusal = match decide(broker, admitted, terms) {
            Ok(matched) => return Ok(matched),
            Err(refusal) => refusal,
        };
        if Instant::now() >= deadline {
            return Err(refusal);
        }
        let until = deadline.min(Instant::now() + REST_POLL);
        tokio::select! {
            () = changed => {}
            () = tokio::time::sleep_until(until) => {}
        }
    }
}

/// What an operator can do about a deployment that nothing proves equal.
fn not_proven(function: &FunctionId, deployment: &Deployment) -> String {
    let (venue, name) = (&deployment.venue.id, &deployment.id);
    let mut detail = format!(
        "nothing proves it equal to the function's other deployments: give your word with `merit functions vouch {function} \
         {name}`, or replay samples with `merit functions samples replay {function} {name}`"
    );
    if deployment.offer.is_some() {
        write!(detail, "; `vouch = true` in [venues.{venue}] is your word for all that its provider offers")
            .expect("invariant: writing to a string succeeds");
    }
    detail
}

/// Every deployment that could not take a call with these terms, in merit order, with the reason.
#[must_use]
pub fn exclusion_views(function: &FunctionId, view: &View, terms: &Terms, now: Timestamp) -> Vec<ExclusionView> {
    view.book
        .verdicts(terms, now)
        .filter_map(|(row, verdict)| {
            let exclusion = verdict.err()?;
            let deployment = view.deployment(row);
            Some(ExclusionView {
                venue: deployment.venue.id.to_string(),
                deployment: deployment.id.to_string(),
                reason: exclusion.word().to_owned(),
                detail: match (exclusion, exclusion.until()) {
                    (Exclusion::NotProvenEqual, _) => not_proven(function, deployment),
                    (_, Some(until)) => format!("{exclusion}, until {}", clock::rfc3339(until)),
                    (_, None) => exclusion.to_string(),
                },
            })
        })
        .collect()
}
