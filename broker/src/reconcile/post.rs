//! From a reconciliation to the ledger, the receipts and what is expected of the next call.
//!
//! Order: the row is on disk, unposted; the corrections are in the ledger's journal; their receipts are on disk; the row is
//! marked. Each step has no second effect, so a start after a stop in between takes them all again.

use std::sync::Arc;

use merit_pricing::{Metered, UsageProfile};
use merit_store::record::{ReceiptRow, ReceiptStatus, ReconciliationRow};
use merit_store::{HoldError, QueueFull};
use merit_units::{AccountId, DeploymentId, FunctionId, InvocationId, KeyId, Micros, Money, Quantity};
use merit_wire::{ReconciledAccount, ReconciliationView};

use super::bill::Bill;
use super::gather::{Job, Place};
use super::internal;
use crate::Broker;
use crate::clock::month_of;
use crate::keys::sha256;
use crate::receipt::Detail;
use crate::refusal::Refusal;
use crate::venue::VenueEntry;

/// The id of a correction and of its receipt: the same whenever it is computed.
pub(super) fn receipt_id(
    venue: &VenueEntry,
    bill: &Bill,
    account: &AccountId,
    function: &FunctionId,
    deployment: &DeploymentId,
) -> InvocationId {
    let of = format!(
        "{}\n{}\n{}\n{}\n{account}\n{function}\n{deployment}",
        venue.id,
        bill.resource,
        bill.period.start.micros(),
        bill.period.end.micros()
    );
    let hash: [u8; 16] = std::array::from_fn(|at| sha256(of.as_bytes())[at]);
    InvocationId::v7(bill.last_moment().micros() / 1000, u128::from_be_bytes(hash))
}

/// As it is stored.
pub(super) fn encode(view: &ReconciliationView) -> String {
    serde_json::to_string(view).expect("invariant: a view is serialisable")
}

/// As it was stored.
pub(super) fn stored(row: &ReconciliationRow) -> Option<ReconciliationView> {
    let view = serde_json::from_str(&row.outcome);
    view.inspect_err(|error| tracing::error!(venue = %row.venue, resource = row.resource, %error, "can't be read")).ok()
}

impl Broker {
    /// Makes a reconciliation true.
    ///
    /// # Errors
    /// When the store fails. What was done stays, and the rest is done at the next start.
    pub(super) async fn make_true(
        &self,
        venue: &VenueEntry,
        view: &mut ReconciliationView,
        row: ReconciliationRow,
        job: &Job,
    ) -> Result<(), Refusal> {
        self.store.put_reconciliations(vec![row.clone()]).await.map_err(internal)?;
        self.post(view, &row).await?;
        self.learn_from(venue, view, job);
        let row = ReconciliationRow { posted: true, outcome: encode(view), ..row };
        self.store.put_reconciliations(vec![row]).await.map_err(internal)
    }

    /// Posts what a broker that was stopped left open.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn post_open_reconciliations(&self) -> Result<(), Refusal> {
        for row in self.store.open_reconciliations().map_err(internal)? {
            let Some(mut view) = stored(&row) else { continue };
            tracing::info!(venue = view.venue, resource = view.resource, from = view.from, "is posted now");
            self.post(&mut view, &row).await?;
            let row = ReconciliationRow { posted: true, outcome: encode(&view), ..row };
            self.store.put_reconciliations(vec![row]).await.map_err(internal)?;
        }
        Ok(())
    }

    /// Every correction into the ledger, and its receipt on disk.
    async fn post(&self, view: &mut ReconciliationView, row: &ReconciliationRow) -> Result<(), Refusal> {
        let unreadable = |what: &str| Refusal::Internal(format!("a stored reconciliation has an unreadable {what}"));
        let by = KeyId::try_new(&view.by).map_err(|_| unreadable("key"))?;
        for entry in &mut view.accounts {
            let (id, correction) = correction(entry, row, &by).ok_or_else(|| unreadable("correction"))?;
            if correction.charge == Money::ZERO {
                continue;
            }
            let account = self.store.open_account(&correction.account).await.map_err(internal)?;
            let earns = self.store.open_venue(&row.venue).await.map_err(internal)?;
            let month = month_of(correction.at);
            match self.ledger.correct(id, account, month, correction.charge, earns) {
                Ok(_) => self.write_receipt(correction).await?,
                // Tried again at the next start.
                Err(HoldError::Unwritten(error)) => return Err(internal(error)),
                Err(HoldError::Rejected(error)) => {
                    tracing::error!(receipt = %id, %error, "a correction could not be posted");
                    entry.refused = Some(error.to_string());
                }
            }
        }
        self.store.flush().await.map_err(internal)
    }

    async fn write_receipt(&self, receipt: ReceiptRow) -> Result<(), Refusal> {
        let mut receipt = receipt;
        while let Err(QueueFull(back)) = self.store.enqueue_receipt(receipt) {
            receipt = *back;
            self.store.flush().await.map_err(internal)?;
        }
        Ok(())
    }

    /// Calls are expected to be billed as on the bill from now on, and the month's grants and tiers have what was billed.
    fn learn_from(&self, venue: &VenueEntry, view: &ReconciliationView, job: &Job) {
        let now = self.clock.now();
        let this_month = month_of(job.bill.last_moment()) == month_of(now);
        for (place, told) in job.places.iter().zip(&view.deployments) {
            let Some(function) = self.functions.find(place.function.as_str()) else { continue };
            let found = function.deployments.iter().find(|deployment| deployment.id == place.deployment);
            let Some(deployment) = found.map(Arc::clone) else { continue };
            if this_month && let Some((counted, billed)) = sums(&deployment.profile(), place) {
                deployment.prices.recount(&counted, &billed);
            }
            if told.learned && !learn(&mut deployment.profile(), place) {
                tracing::warn!(
                    function = %place.function, deployment = %place.deployment,
                    "its sheet bills for other meters than its calls were charged by; nothing is learned of the bill"
                );
            }
            function.rebuild(self, now);
        }
        if venue.sheets().iter().any(|prices| prices.has_crossed()) {
            self.refresh_prices(now);
        }
    }
}

/// One account's correction as a receipt.
fn correction(entry: &ReconciledAccount, row: &ReconciliationRow, by: &KeyId) -> Option<(InvocationId, ReceiptRow)> {
    let id: InvocationId = entry.receipt.parse().ok()?;
    let receipt = ReceiptRow {
        id,
        at: row.ends - Micros::new(1),
        function: FunctionId::try_new(&entry.function).ok()?,
        account: AccountId::try_new(&entry.account).ok()?,
        key: by.clone(),
        status: ReceiptStatus::Correction,
        venue: Some(row.venue.clone()),
        deployment: Some(DeploymentId::try_new(&entry.deployment).ok()?),
        charge: entry.corrected.parse().ok()?,
        estimate: Money::ZERO,
        explored: Money::ZERO,
        estimated: false,
        duration: Micros::ZERO,
        overhead: Micros::ZERO,
        tags: Vec::new(),
        detail: Detail::default().encode(),
    };
    Some((id, receipt))
}

/// What a deployment's calls were counted for and what they were billed for, in the lines of its sheet; `None` when these
/// are other ones.
fn sums(profile: &UsageProfile, place: &Place) -> Option<(Metered, Metered)> {
    let lines = profile.mean_metered()?.checked_mul(0).ok()?;
    let (mut counted, mut billed) = (lines, lines);
    for (meter, quanta) in &place.counted {
        counted = counted.with(*meter, Quantity::from_quanta(*quanta)).ok()?;
    }
    for (meter, quanta) in &place.billed {
        billed = billed.with(*meter, Quantity::from_quanta(*quanta)).ok()?;
    }
    Some((counted, billed))
}

fn learn(profile: &mut UsageProfile, place: &Place) -> bool {
    let Some(mut mean) = profile.mean_metered() else { return false };
    for (meter, quanta) in place.billed.iter().filter(|(meter, _)| meter.is_of_run()) {
        let of_a_call = Quantity::from_quanta(quanta / u128::from(place.calls.max(1)));
        let Ok(with) = mean.with(*meter, of_a_call) else { return false };
        mean = with;
    }
    profile.correct(&mean)
}
