//! Whether a function's deployments are equal, and what is done about those that are not.
//!
//! A deployment counts as equal on one of three grounds: its artefact has the digest that the function, or a
//! deployment that is equal already, has; it answered the function's recorded samples as it should; or an operator
//! gave their word, which whoever writes it into `merit.toml`, puts it with an admin's key or applies a discovery does, and
//! `vouch = true` of a provider's venue for all that it offers. A function takes no other unless it says so
//! ([`Demand`], [ADR 37](../../docs/adr/0037-proof-by-default.md)). A deployment whose replies differed from others'
//! is kept out by quarantine, whatever its grounds ([ADR 25](../../docs/adr/0025-proven-equal.md)).
//!
//! Books read a deployment's [`Equality`], two facts in one byte; what they rest on is behind one lock that only
//! changes take. Proofs, samples and quarantines are in the store and outlive a restart.
//!
//! Invariants: a proof holds for the venue, the target and the digest it was given for; calls that are made to find
//! out are invocations like any other, of a kind of their own and charged to `equivalence.account`.
//!
//! Known limitation: when two deployments of the same standing differ, nobody knows which of them is right: the one
//! whose reply the caller did not get is the one that is suspected. Streamed replies are not compared.

mod compare;
mod ground;
mod own_call;
mod quarantine;
mod samples;
pub mod shadow;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use merit_config::{Compare, Demand};
use merit_store::StoreError;
use merit_store::record::{ProofKind, ProofRow};
use merit_units::{DeploymentId, FunctionId, Timestamp};
use merit_wire::FunctionSpec;

use crate::Broker;
use crate::function::{Deployment, Function};
use crate::refusal::Refusal;

pub use ground::{Equality, Ground};
pub(crate) use own_call::{OwnCall, Purpose};
pub use quarantine::Quarantined;
pub use samples::{Recorded, Replayed, Replays};

/// What a function demands of its deployments, and how their replies are compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EqualityRules {
    /// What it takes.
    pub demand: Demand,
    /// The digest of its artefact.
    pub digest: Option<Box<str>>,
    /// How two replies are compared.
    pub compare: Compare,
    /// Share of its calls that are repeated elsewhere, in ppm, if it says so itself.
    pub shadow_ppm: Option<u32>,
}

impl EqualityRules {
    /// From what was put.
    ///
    /// # Errors
    /// [`Refusal::BadRequest`] that names what can't be read.
    pub fn of(spec: &FunctionSpec, has_command: bool) -> Result<Self, Refusal> {
        let bad = |key: &str, error: String| Refusal::BadRequest(format!("{key} {error}"));
        let demand =
            spec.equivalence.as_deref().map(str::parse).transpose().map_err(|error| bad("equivalence", error))?;
        let compare = spec.compare.as_deref().map(str::parse).transpose().map_err(|error| bad("compare", error))?;
        let digest = spec.digest.as_deref().map(merit_config::range::digest).transpose();
        let digest = digest.map_err(|error| bad("digest", error))?;
        if compare == Some(Compare::Command) && !has_command {
            return Err(bad("compare", "is `command`, and equivalence.compare_command names no program".to_owned()));
        }
        let range = merit_config::range::SHADOW_PPM;
        if spec.shadow_ppm.is_some_and(|share| !range.contains(&share.into())) {
            return Err(bad("shadow_ppm", format!("must be {} to {}", range.start(), range.end())));
        }
        Ok(Self {
            demand: demand.unwrap_or_default(),
            digest: digest.map(Into::into),
            compare: compare.unwrap_or_default(),
            shadow_ppm: spec.shadow_ppm,
        })
    }
}

/// A proof, as long as what it was given for stands.
#[derive(Clone, Debug)]
struct Proof {
    by: Arc<str>,
    at: Timestamp,
    venue: Box<str>,
    target: Box<str>,
    digest: Option<Box<str>>,
    samples: u32,
}

impl Proof {
    fn holds(&self, deployment: &Deployment) -> bool {
        *self.venue == *deployment.venue.id.as_str()
            && *self.target == *deployment.target.as_str()
            && (self.digest.is_none() || self.digest == deployment.digest)
    }
}

#[derive(Default)]
struct Known {
    proofs: HashMap<FunctionId, Vec<(DeploymentId, ProofKind, Proof)>>,
    quarantined: HashMap<FunctionId, Vec<quarantine::Quarantined>>,
    /// Words that are not on disk yet.
    unsaved: Vec<ProofRow>,
    /// Replies that differed since the last lift, of deployments that had any.
    divergences: HashMap<(FunctionId, DeploymentId), u32>,
}

impl Known {
    fn proof(&self, function: &FunctionId, deployment: &Deployment, kind: ProofKind) -> Option<&Proof> {
        let proofs = self.proofs.get(function)?;
        let (_, _, proof) = proofs.iter().find(|(id, is, _)| *id == deployment.id && *is == kind)?;
        proof.holds(deployment).then_some(proof)
    }

    fn take_proof(&mut self, row: ProofRow) {
        let by = row.by.as_str().into();
        self.take_proof_by(row, by);
    }

    fn take_proof_by(&mut self, row: ProofRow, by: Arc<str>) {
        let ProofRow { function, deployment, kind, at, venue, target, digest, samples, .. } = row;
        let (venue, target) = (venue.into(), target.into());
        let proof = Proof { by, at, venue, target, digest: digest.map(Into::into), samples };
        let proofs = self.proofs.entry(function).or_default();
        proofs.retain(|(id, is, _)| (id, *is) != (&deployment, kind));
        proofs.push((deployment, kind, proof));
    }

    fn take(&mut self, function: &FunctionId, deployment: &DeploymentId, kind: ProofKind) {
        if let Some(proofs) = self.proofs.get_mut(function) {
            proofs.retain(|(id, is, _)| (id, *is) != (deployment, kind));
        }
    }

    /// On what grounds a deployment is equal by itself.
    fn own_ground(&self, function: &Function, deployment: &Deployment) -> Ground {
        if deployment.digest.is_some() && deployment.digest == function.equality.digest {
            Ground::Digest
        } else if self.proof(&function.id, deployment, ProofKind::Samples).is_some() {
            Ground::Samples
        } else if deployment.from_file.is_some()
            || self.proof(&function.id, deployment, ProofKind::Word).is_some()
            || vouched_with_venue(deployment).is_some()
        {
            Ground::Word
        } else {
            Ground::None
        }
    }
}

/// When the operator's word for all that a provider offers was read, where the deployment is an offer and there is one.
fn vouched_with_venue(deployment: &Deployment) -> Option<Timestamp> {
    deployment.offer.as_ref().and(deployment.venue.provider.as_ref())?.vouched_at()
}

fn proof_row(
    function: &Function,
    deployment: &Deployment,
    kind: ProofKind,
    by: &str,
    samples: u32,
    at: Timestamp,
) -> ProofRow {
    ProofRow {
        function: function.id.clone(),
        deployment: deployment.id.clone(),
        kind,
        by: by.to_owned(),
        at,
        venue: deployment.venue.id.to_string(),
        target: deployment.target.as_str().to_owned(),
        digest: deployment.digest.as_deref().map(str::to_owned),
        samples,
    }
}

/// All that is known of equality.
#[derive(Default)]
pub struct Equivalence {
    known: Mutex<Known>,
    pub(crate) shadows: shadow::Queue,
}

impl Equivalence {
    fn known(&self) -> MutexGuard<'_, Known> {
        // It is whole between any two statements, so a panic elsewhere does not spoil it.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what the books read of each of a function's deployments.
    pub(crate) fn judge(&self, function: &Function) {
        let known = self.known();
        let places = function.places();
        let own: Vec<Ground> = places.iter().map(|place| known.own_ground(function, place)).collect();
        for (number, place) in places.iter().enumerate() {
            let same = |(other, (twin, ground)): (usize, (&Arc<Deployment>, &Ground))| {
                other != number && *ground > Ground::None && twin.digest == place.digest
            };
            let twin = place.digest.is_some() && places.iter().zip(&own).enumerate().any(same);
            let ground = if twin { Ground::Digest } else { own[number] };
            let quarantined = known.quarantined(&function.id, &place.id).is_some();
            place.equality.set(ground, quarantined);
        }
    }

    /// Whose proof it is that a deployment is equal, and when it was given; how many samples it is of.
    #[must_use]
    pub fn proof_of(&self, function: &Function, deployment: &Deployment) -> Option<(String, Timestamp, u32)> {
        let (kind, in_file) = match deployment.equality.ground() {
            Ground::Samples => (ProofKind::Samples, None),
            Ground::Word => (ProofKind::Word, deployment.from_file.or_else(|| vouched_with_venue(deployment))),
            Ground::None | Ground::Digest => return None,
        };
        let known = self.known();
        match (known.proof(&function.id, deployment, kind), in_file) {
            (Some(proof), None) => Some((proof.by.to_string(), proof.at, proof.samples)),
            (_, Some(at)) => Some(("merit.toml".to_owned(), at, 0)),
            (None, None) => None,
        }
    }

    /// Takes the word of whoever holds the key `by` for these deployments, but for those that are equal by a word already.
    /// It is kept by [`Broker::vouch`].
    pub(crate) fn say(&self, function: &Function, deployments: &[Arc<Deployment>], by: &str, at: Timestamp) {
        let mut known = self.known();
        for one in deployments {
            if one.from_file.is_none() && known.proof(&function.id, one, ProofKind::Word).is_none() {
                let row = proof_row(function, one, ProofKind::Word, by, 0, at);
                known.take_proof(row.clone());
                known.unsaved.push(row);
            }
        }
    }

    /// The words for a function that are not on disk yet. They are handed out once.
    fn take_unsaved(&self, function: &FunctionId) -> Vec<ProofRow> {
        self.known().unsaved.extract_if(.., |row| row.function == *function).collect()
    }

    /// Forgets a function, or one of its deployments: it was deleted.
    pub(crate) fn forget(&self, function: &FunctionId, deployment: Option<&str>) {
        let mut known = self.known();
        let is = |id: &DeploymentId| deployment.is_none_or(|one| id.as_str() == one);
        if let Some(proofs) = known.proofs.get_mut(function) {
            proofs.retain(|(id, _, _)| !is(id));
        }
        if let Some(quarantined) = known.quarantined.get_mut(function) {
            quarantined.retain(|one| !is(&one.deployment));
        }
        known.unsaved.retain(|row| row.function != *function || !is(&row.deployment));
        known.divergences.retain(|(of, id), _| of != function || !is(id));
    }
}

impl Broker {
    /// Reads proofs and quarantines from the disk: once, before any function is put.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn load_equivalence(&self) -> Result<(), StoreError> {
        let (proofs, quarantines) = (self.store.proofs()?, self.store.quarantines()?);
        let counts = self.store.divergence_counts()?;
        let mut known = self.equivalence.known();
        let mut names: HashMap<String, Arc<str>> = HashMap::new();
        for row in proofs {
            let by = Arc::clone(names.entry(row.by.clone()).or_insert_with(|| row.by.as_str().into()));
            known.take_proof_by(row, by);
        }
        for row in quarantines {
            known.quarantine(row);
        }
        known.divergences =
            counts.into_iter().map(|(function, deployment, count)| ((function, deployment), count)).collect();
        drop(known);
        self.count_quarantined();
        Ok(())
    }

    /// Records that whoever holds the key `by` says that these deployments are equal. Those that are so by a word
    /// already keep the older one. Answers when it is on disk.
    ///
    /// # Errors
    /// When the store can't write.
    pub async fn vouch(
        &self,
        function: &Function,
        deployments: &[Arc<Deployment>],
        by: &str,
    ) -> Result<(), StoreError> {
        self.equivalence.say(function, deployments, by, self.clock.now());
        let rows = self.equivalence.take_unsaved(&function.id);
        if rows.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.store.put_proofs(rows.clone()).await {
            // Whoever says it again has it kept then.
            self.equivalence.known().unsaved.extend(rows);
            return Err(error);
        }
        self.rejudge(function);
        Ok(())
    }

    /// Takes an operator's word back. Returns whether there was one that can be taken back. Answers when it is on disk.
    ///
    /// # Errors
    /// When the store can't write.
    pub async fn unvouch(&self, function: &Function, deployment: &Deployment) -> Result<bool, StoreError> {
        let was = self.store.delete_proof(&function.id, &deployment.id, ProofKind::Word).await?;
        self.equivalence.known().take(&function.id, &deployment.id, ProofKind::Word);
        self.rejudge(function);
        Ok(was)
    }

    async fn put_proofs(&self, function: &Function, rows: Vec<ProofRow>) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.store.put_proofs(rows.clone()).await?;
        {
            let mut known = self.equivalence.known();
            rows.into_iter().for_each(|row| known.take_proof(row));
        }
        self.rejudge(function);
        Ok(())
    }

    /// Judges a function's deployments anew and rebuilds its book.
    fn rejudge(&self, function: &Function) {
        // By name: it may have been put anew meanwhile.
        let current = self.functions.find(function.id.as_str());
        let function = current.as_deref().unwrap_or(function);
        self.equivalence.judge(function);
        function.rebuild(self, self.clock.now());
    }
}
