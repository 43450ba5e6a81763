//! A call that Merit makes of itself, to one particular deployment: to record a sample, to replay one, to compare.
//!
//! It goes through the same stages as a caller's from the hold on, so it is settled exactly once and leaves a
//! receipt; it is charged to `equivalence.account`, is never repeated elsewhere, and goes to the deployment whether that
//! is equal or in quarantine, but never past a kill switch, an offer that has ended, or a want of price or room.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use merit_ledger::{HoldRequest, Rejection};
use merit_market::{Pick, Terms};
use merit_store::HoldError;
use merit_units::{InvocationId, KeyId, Micros};
use tokio::time::Instant;

use crate::Broker;
use crate::admit::{self, OwnAdmission};
use crate::clock;
use crate::dispatch::{self, PassedOn};
use crate::function::{Deployment, Function};
use crate::quote::{Exclusions, Quoted};
use crate::refusal::Refusal;
use crate::settle::Settled;

pub(crate) use crate::receipt::Kind as Purpose;

/// How long a hold outlives the call's deadline.
const HOLD_GRACE: Micros = Micros::from_secs(30);

/// A call of Merit's own.
pub(crate) struct OwnCall {
    pub(crate) purpose: Purpose,
    pub(crate) function: Arc<Function>,
    pub(crate) deployment: DeploymentName,
    pub(crate) payload: Bytes,
    pub(crate) content_type: Option<HeaderValue>,
    /// The key on whose behalf it is made.
    pub(crate) key: KeyId,
    /// The invocation whose reply it is compared with.
    pub(crate) of: Option<InvocationId>,
}

/// The deployment it goes to.
pub(crate) type DeploymentName = merit_units::DeploymentId;

impl OwnCall {
    /// Makes the call. The invocation is told also when there was no reply.
    ///
    /// # Errors
    /// Why nothing was called.
    pub(crate) async fn run(self, broker: &Arc<Broker>) -> Result<(InvocationId, Settled), Refusal> {
        let (account, timeout) = {
            let settings = broker.settings.load();
            (settings.equivalence.account.clone(), self.function.timeout)
        };
        let number = broker.store.open_account(&account).await.map_err(|error| Refusal::Internal(error.to_string()))?;
        let key = broker.keys.of_account(&self.key, &account, number);
        let id = broker.new_invocation();
        let own = OwnAdmission {
            id,
            kind: self.purpose,
            key,
            function: Arc::clone(&self.function),
            headers: PassedOn { content_type: self.content_type, ..PassedOn::default() },
            payload: self.payload,
            of: self.of,
        };
        let admitted = admit::admit_own(broker, own)?;
        let view = self.function.view();
        let gone = || Refusal::Unknown { kind: "deployment", name: self.deployment.to_string(), near: Vec::new() };
        let row = view.row_of(&self.deployment).ok_or_else(gone)?;
        let now = broker.clock.now();
        callable(view.deployment(row), now)?;
        let (terms, ceiling) = (Terms::default(), view.ceiling(row));
        let full = || Refusal::BadRequest(format!("deployment `{}` has no room now; try again", self.deployment));
        let reservation = view.deployment(row).slot.reserve(now, ceiling.pico_saturating_i64()).ok_or_else(full)?;
        let expires_at = now + timeout + HOLD_GRACE;
        let hold = HoldRequest { invocation: id, account: number, amount: ceiling, expires_at };
        broker.ledger.hold(now, clock::month_of(now), &hold).map_err(|error| no_money(account, error))?;
        let pick = Pick { row, reservation, explored: false, probe: false, least_bad: false };
        let exclusions = Exclusions::of(&view.book, &terms, now);
        let deadline = Instant::now() + timeout.to_std();
        let broker = Arc::clone(broker);
        Ok((id, dispatch::dispatch(Quoted { broker, admitted, view, pick, exclusions, terms, deadline }).await))
    }
}

/// Whether a call may go there at all.
fn callable(deployment: &Deployment, now: merit_units::Timestamp) -> Result<(), Refusal> {
    let ended = || deployment.offer.as_ref().and_then(|offer| offer.ineligible());
    let unpriced = || deployment.prices.in_force().ineligible(now);
    match deployment.venue.barred().or_else(ended).or_else(unpriced) {
        None => Ok(()),
        Some(why) => {
            let why = merit_market::Exclusion::from(why);
            Err(Refusal::BadRequest(format!("deployment `{}` can't be called: {why}", deployment.id)))
        }
    }
}

fn no_money(account: merit_units::AccountId, error: HoldError) -> Refusal {
    match error {
        HoldError::Rejected(Rejection::BudgetExhausted { month, budget, spent, held, needed, .. }) => {
            Refusal::BudgetExhausted { account, month, budget, spent, held, needed }
        }
        other => Refusal::Internal(format!("the money for the call could not be held: {other}")),
    }
}
