//! Sample calls: recorded with the reply that is right, and replayed against a deployment.
//!
//! Both run the function for real, and are paid. A deployment that answers every sample as it should is proven equal by
//! it, until it is somewhere else or has another digest; one that answers any otherwise loses that proof.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use merit_market::Terms;
use merit_store::record::{ProofKind, SampleRow};
use merit_units::{DeploymentId, InvocationId, KeyId, Money};

use super::compare::{Answer, Program, Verdict, compare};
use super::{OwnCall, Purpose};
use crate::Broker;
use crate::function::{Deployment, Function};
use crate::refusal::Refusal;
use crate::settle::Settled;

/// A sample to record.
pub struct Recorded {
    /// The payload.
    pub payload: Bytes,
    /// Its media type.
    pub content_type: Option<String>,
    /// The right reply, when it is given.
    pub reply: Option<Bytes>,
    /// Who is called for it otherwise; the cheapest that may be when nobody is named.
    pub deployment: Option<DeploymentId>,
}

/// What came of replaying one sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Its number.
    pub number: u32,
    /// `equal`, `differs`, `failed` or `unknown`.
    pub result: &'static str,
    /// What differs, or went wrong.
    pub detail: String,
    /// The invocation it was.
    pub invocation: Option<InvocationId>,
}

/// What came of replaying all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replays {
    /// One by one.
    pub samples: Vec<Replayed>,
    /// What it came to.
    pub charge: Money,
    /// Whether the deployment is proven equal by it.
    pub proven: bool,
}

impl Broker {
    /// Records a sample call of a function, calling a deployment for the right reply unless it is given. Answers when
    /// it is on disk.
    ///
    /// # Errors
    /// [`Refusal::BadRequest`] for one that is too large or too many, and why there was no reply.
    pub async fn record_sample(
        self: &Arc<Self>,
        function: &Arc<Function>,
        sample: Recorded,
        by: &KeyId,
    ) -> Result<SampleRow, Refusal> {
        let Recorded { payload, content_type, reply, deployment } = sample;
        let (max_samples, max_bytes) = {
            let settings = self.settings.load();
            (settings.equivalence.max_samples, settings.equivalence.max_sample_bytes)
        };
        let check = |what: &str, bytes: &Bytes| {
            let message = format!("the {what} has {} bytes; equivalence.max_sample_bytes is {max_bytes}", bytes.len());
            if bytes.len() > max_bytes { Err(Refusal::BadRequest(message)) } else { Ok(()) }
        };
        check("payload", &payload)?;
        let has = self.samples_of(function).await?.len();
        let full =
            || Refusal::BadRequest(format!("equivalence.max_samples, {max_samples}, is reached; delete some first"));
        if has >= max_samples {
            return Err(full());
        }
        let (answer, deployment) = match reply {
            Some(reply) => (Answer { payload: reply, error: None }, None),
            None => {
                let deployment = deployment.map_or_else(|| self.cheapest(function), Ok)?;
                let media = content_type.as_deref().map(HeaderValue::from_str).transpose();
                let call = OwnCall {
                    purpose: Purpose::Sample,
                    function: Arc::clone(function),
                    deployment: deployment.clone(),
                    payload: payload.clone(),
                    content_type: media
                        .map_err(|_| Refusal::BadRequest("content_type is no header value".to_owned()))?,
                    key: by.clone(),
                    of: None,
                };
                (answered(call.run(self).await?.1)?.0, Some(deployment))
            }
        };
        check("reply", &answer.payload)?;
        let row = SampleRow {
            function: function.id.clone(),
            number: 0,
            at: self.clock.now(),
            by: by.to_string(),
            deployment,
            content_type,
            payload: payload.to_vec(),
            reply: answer.payload.to_vec(),
            error: answer.error,
        };
        let put = self.store.put_sample(row.clone(), max_samples).await;
        let number = put.map_err(|error| Refusal::Internal(error.to_string()))?.ok_or_else(full)?;
        Ok(SampleRow { number, ..row })
    }

    /// A function's samples.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn samples_of(&self, function: &Function) -> Result<Vec<SampleRow>, Refusal> {
        let (store, id) = (self.store.clone(), function.id.clone());
        let read = tokio::task::spawn_blocking(move || store.samples(&id)).await;
        read.map_err(|error| error.to_string())
            .and_then(|read| read.map_err(|error| error.to_string()))
            .map_err(Refusal::Internal)
    }

    /// Replays a function's samples against one of its deployments, one after the other.
    ///
    /// # Errors
    /// [`Refusal::BadRequest`] when there is none, or when the deployment can't be called.
    pub async fn replay(
        self: &Arc<Self>,
        function: &Arc<Function>,
        deployment: &Arc<Deployment>,
        by: &KeyId,
    ) -> Result<Replays, Refusal> {
        let samples = self.samples_of(function).await?;
        if samples.is_empty() {
            let hint = format!("record some with `merit functions samples record {}`", function.id);
            return Err(Refusal::BadRequest(format!("function `{}` has no samples; {hint}", function.id)));
        }
        let mut replays = Replays::default();
        for sample in &samples {
            let (replayed, charge) = self.replay_one(function, &deployment.id, sample, by).await?;
            replays.charge += charge;
            replays.samples.push(replayed);
        }
        self.conclude(function, deployment, &mut replays, by).await?;
        Ok(replays)
    }

    /// Replays one sample, and what it was charged. It proves nothing by itself.
    ///
    /// # Errors
    /// Why nothing was called.
    pub(crate) async fn replay_one(
        self: &Arc<Self>,
        function: &Arc<Function>,
        deployment: &DeploymentId,
        sample: &SampleRow,
        by: &KeyId,
    ) -> Result<(Replayed, Money), Refusal> {
        let call = OwnCall {
            purpose: Purpose::Replay,
            function: Arc::clone(function),
            deployment: deployment.clone(),
            payload: Bytes::copy_from_slice(&sample.payload),
            content_type: sample.content_type.as_deref().and_then(|text| HeaderValue::from_str(text).ok()),
            key: by.clone(),
            of: None,
        };
        let right = Answer { payload: Bytes::copy_from_slice(&sample.reply), error: sample.error.clone() };
        let (invocation, settled) = call.run(self).await?;
        let (result, detail, charge) = match answered(settled) {
            Err(refusal) => ("failed", refusal.to_string(), Money::ZERO),
            Ok((answer, charge)) => {
                let program = Program::of(&self.settings.load().equivalence);
                match compare(function.equality.compare, program, function.id.as_str(), &right, &answer).await {
                    Verdict::Equal => ("equal", String::new(), charge),
                    Verdict::Differs(difference) => ("differs", difference, charge),
                    Verdict::Unknown(why) => ("unknown", why, charge),
                }
            }
        };
        Ok((Replayed { number: sample.number, result, detail, invocation: Some(invocation) }, charge))
    }

    /// Gives the proof, or takes it back.
    async fn conclude(
        &self,
        function: &Function,
        deployment: &Deployment,
        replays: &mut Replays,
        by: &KeyId,
    ) -> Result<(), Refusal> {
        let is = |word: &'static str| move |one: &Replayed| one.result == word;
        replays.proven = replays.samples.iter().all(is("equal"));
        let fault = |error: merit_store::StoreError| Refusal::Internal(error.to_string());
        if replays.proven {
            let count = u32::try_from(replays.samples.len()).unwrap_or(u32::MAX);
            let row = super::proof_row(function, deployment, ProofKind::Samples, by.as_str(), count, self.clock.now());
            return self.put_proofs(function, vec![row]).await.map_err(fault);
        }
        if replays.samples.iter().any(is("differs")) {
            self.store.delete_proof(&function.id, &deployment.id, ProofKind::Samples).await.map_err(fault)?;
            self.equivalence.known().take(&function.id, &deployment.id, ProofKind::Samples);
            self.rejudge(function);
        }
        Ok(())
    }

    /// The deployment that a call would go to by its price.
    fn cheapest(&self, function: &Function) -> Result<DeploymentId, Refusal> {
        let (view, terms, now) = (function.view(), Terms::default(), self.clock.now());
        let eligible = view.book.verdicts(&terms, now).filter(|(_, verdict)| verdict.is_ok()).map(|(row, _)| row);
        let cheapest = eligible.min_by_key(|row| view.cost(*row));
        let none = || Refusal::NoEligibleVenue {
            function: function.id.clone(),
            exclusions: crate::quote::exclusion_views(&function.id, &view, &terms, now),
        };
        cheapest.map(|row| view.deployment(row).id.clone()).ok_or_else(none)
    }
}

/// What a call of Merit's own got, and what it was charged.
pub(super) fn answered(settled: Settled) -> Result<(Answer, Money), Refusal> {
    match settled {
        Settled::Replied(replied) => Ok((Answer::of(&replied.reply), replied.account.charge)),
        Settled::Refused(refused) => Err(*refused.refusal),
    }
}
