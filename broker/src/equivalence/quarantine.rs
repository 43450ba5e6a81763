//! Deployments whose replies differed, or that ran other code than they were proven by: out of every book until an operator has
//! looked at it.
//!
//! Replies that differed are counted since the last lift and do not grow old: one that is wrong one time in a hundred
//! is wrong. Both replies are kept of the first `equivalence.max_divergences`, cut to `equivalence.max_sample_bytes`.
//!
//! Where a provider tells with a reply which artefact ran, that is compared with what the deployment is said to have, and one
//! reply is enough: the proof was of something else.

use std::sync::Arc;

use merit_config::Demand;
use merit_store::StoreError;
use merit_store::record::{DivergenceRow, QuarantineRow};
use merit_units::{DeploymentId, FunctionId, Timestamp};

use super::Known;
use crate::Broker;
use crate::function::{Deployment, Function};

/// A deployment in quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Which.
    pub deployment: DeploymentId,
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub why: String,
}

impl Known {
    pub(super) fn quarantined(&self, function: &FunctionId, deployment: &DeploymentId) -> Option<&Quarantined> {
        self.quarantined.get(function)?.iter().find(|one| one.deployment == *deployment)
    }

    pub(super) fn quarantine(&mut self, row: QuarantineRow) {
        let QuarantineRow { function, deployment, at, why } = row;
        let all = self.quarantined.entry(function).or_default();
        if !all.iter().any(|one| one.deployment == deployment) {
            all.push(Quarantined { deployment, at, why });
        }
    }
}

impl super::Equivalence {
    /// A deployment's quarantine, if it is in one.
    #[must_use]
    pub fn quarantine_of(&self, function: &FunctionId, deployment: &DeploymentId) -> Option<Quarantined> {
        self.known().quarantined(function, deployment).cloned()
    }

    /// Every deployment in quarantine, in order of function and deployment.
    #[must_use]
    pub fn quarantined(&self) -> Vec<(FunctionId, Quarantined)> {
        let known = self.known();
        let each =
            known.quarantined.iter().flat_map(|(function, all)| all.iter().map(|one| (function.clone(), one.clone())));
        let mut each: Vec<_> = each.collect();
        each.sort_by(|a, b| (&a.0, &a.1.deployment).cmp(&(&b.0, &b.1.deployment)));
        each
    }
}

impl Broker {
    /// Counts a reply that differed against its deployment, keeps it, and puts the deployment in quarantine when there
    /// are too many of them.
    ///
    /// # Errors
    /// When the store can't write; the deployment is out of the book then nevertheless.
    pub(crate) async fn diverged(&self, function: &Function, row: DivergenceRow) -> Result<(), StoreError> {
        let settings = self.settings.load();
        let (after, kept) = (settings.equivalence.quarantine_after, settings.equivalence.max_divergences);
        let (deployment, other) = (row.deployment.clone(), row.other.clone());
        let (count, is_new) = {
            let mut known = self.equivalence.known();
            let count = known.divergences.entry((function.id.clone(), deployment.clone())).or_default();
            *count += 1;
            let count = *count;
            (count, count >= after && known.quarantined(&function.id, &deployment).is_none())
        };
        tracing::warn!(
            function = %function.id, %deployment, %other, count, shadow = %row.shadow,
            difference = row.difference.lines().next().unwrap_or_default(), "a shadow call's reply differs"
        );
        let why = format!("{count} of its replies differed from those callers got; the last from `{other}`'s");
        let quarantine = QuarantineRow { function: function.id.clone(), deployment, at: self.clock.now(), why };
        if is_new {
            self.keep_out(function, quarantine.clone());
        }
        self.store.put_divergence(row, kept).await?;
        if is_new { self.store.put_quarantine(quarantine).await } else { Ok(()) }
    }

    /// Takes a deployment out of the book; writing it down is the caller's.
    fn keep_out(&self, function: &Function, row: QuarantineRow) {
        let QuarantineRow { deployment, why, .. } = &row;
        tracing::error!(function = %function.id, %deployment, why, "is in quarantine");
        self.equivalence.known().quarantine(row);
        self.rejudge(function);
        self.count_quarantined();
    }

    /// Looks at which artefact ran, where a reply tells it: a deployment that is taken for equal and ran another one than it is
    /// said to have is put in quarantine, if its function demands proofs. Never waits.
    pub(crate) fn ran(self: &Arc<Self>, function: &Function, deployment: &Deployment, digest: &str) {
        let differs = |stated: &str| scheme(stated) == scheme(digest) && stated != digest;
        if function.equality.demand == Demand::Proven && deployment.digest.as_deref().is_some_and(differs) {
            self.ran_another(function, deployment, digest);
        }
    }

    #[cold]
    fn ran_another(self: &Arc<Self>, function: &Function, called: &Deployment, digest: &str) {
        // What was put since the call began is judged by its own calls.
        let Some(function) = self.functions.find(function.id.as_str()) else { return };
        let places = function.places();
        let Some(deployment) = places.iter().find(|place| place.id == called.id) else { return };
        let Some(stated) = deployment.digest.as_deref().filter(|_| deployment.digest == called.digest) else { return };
        if deployment.target != called.target || deployment.equality.is_quarantined() {
            return;
        }
        let why = format!(
            "`{digest}` ran there, and it is taken for equal as `{stated}`; see what was deployed, tell Merit its digest \
             (`merit venues discover {} --apply`), and lift this",
            deployment.venue.id
        );
        let (function_id, at) = (function.id.clone(), self.clock.now());
        let row = QuarantineRow { function: function_id, deployment: deployment.id.clone(), at, why };
        self.keep_out(&function, row.clone());
        let broker = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = broker.store.put_quarantine(row).await {
                tracing::error!(%error, "a quarantine could not be written; it ends with this process");
            }
        });
    }

    /// Lifts a quarantine and forgets the replies that differed. Returns whether there was one. Answers when it is on
    /// disk.
    ///
    /// # Errors
    /// When the store can't write; it stays then.
    pub async fn lift_quarantine(&self, function: &Function, deployment: &DeploymentId) -> Result<bool, StoreError> {
        let was = self.store.lift_quarantine(&function.id, deployment).await?;
        {
            let mut known = self.equivalence.known();
            known.divergences.remove(&(function.id.clone(), deployment.clone()));
            if let Some(all) = known.quarantined.get_mut(&function.id) {
                all.retain(|one| one.deployment != *deployment);
            }
        }
        self.rejudge(function);
        self.count_quarantined();
        Ok(was)
    }

    pub(super) fn count_quarantined(&self) {
        let count = self.equivalence.known().quarantined.values().map(Vec::len).sum::<usize>();
        self.metrics.equivalence.quarantined.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

/// By what digests are compared, such as `crc64` of `crc64:1`.
fn scheme(digest: &str) -> &str {
    digest.split(':').next().unwrap_or_default()
}
