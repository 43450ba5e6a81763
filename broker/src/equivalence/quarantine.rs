//! Deployments whose replies differed: out of every book until an operator has looked at the replies.
//!
//! Replies that differed are counted since the last lift and do not grow old: one that is wrong one time in a hundred
//! is wrong. Both replies are kept of the first `equivalence.max_divergences`, cut to `equivalence.max_sample_bytes`.

use merit_store::StoreError;
use merit_store::record::{DivergenceRow, QuarantineRow};
use merit_units::{DeploymentId, FunctionId, Timestamp};

use super::Known;
use crate::Broker;
use crate::function::Function;

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
        let quarantine =
            QuarantineRow { function: function.id.clone(), deployment: deployment.clone(), at: self.clock.now(), why };
        if is_new {
            self.equivalence.known().quarantine(quarantine.clone());
            self.rejudge(function);
            self.count_quarantined();
            tracing::error!(function = %function.id, %deployment, why = quarantine.why, "is in quarantine");
        }
        self.store.put_divergence(row, kept).await?;
        if is_new { self.store.put_quarantine(quarantine).await } else { Ok(()) }
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
