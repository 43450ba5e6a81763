//! Whether deployments are equal, as the wire has it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use merit_store::record::{DivergenceRow, SampleRow};
use merit_units::{FunctionId, Timestamp};
use merit_wire::{DivergenceView, EqualView, QuarantineView, ReplayView, ReplayedView, SampleView};

use crate::Broker;
use crate::clock::rfc3339;
use crate::equivalence::{Quarantined, Replays};
use crate::function::{Deployment, Function};

/// On what grounds a deployment is equal.
pub(in crate::doors) fn equal(broker: &Broker, function: &Function, deployment: &Deployment) -> EqualView {
    let proof = broker.equivalence.proof_of(function, deployment);
    let at = |at: Timestamp| (at > Timestamp::EPOCH).then(|| rfc3339(at));
    let samples = proof.as_ref().map(|(_, _, samples)| *samples).filter(|samples| *samples > 0);
    EqualView {
        by: deployment.equality.ground().word().to_owned(),
        at: proof.as_ref().and_then(|(_, said, _)| at(*said)),
        who: proof.map(|(who, _, _)| who),
        samples,
    }
}

/// A recorded sample.
pub(in crate::doors) fn sample(row: &SampleRow) -> SampleView {
    SampleView {
        number: row.number,
        at: rfc3339(row.at),
        by: row.by.clone(),
        deployment: row.deployment.as_ref().map(ToString::to_string),
        content_type: row.content_type.clone(),
        payload: STANDARD.encode(&row.payload),
        reply: STANDARD.encode(&row.reply),
        error: row.error.clone(),
    }
}

/// What came of a replay.
pub(in crate::doors) fn replays(function: &Function, deployment: &Deployment, replays: &Replays) -> ReplayView {
    let samples = replays.samples.iter().map(|one| ReplayedView {
        number: one.number,
        result: one.result.to_owned(),
        detail: one.detail.clone(),
        invocation: one.invocation.map(|id| id.to_string()),
    });
    ReplayView {
        function: function.id.to_string(),
        deployment: deployment.id.to_string(),
        proven: replays.proven,
        charge: replays.charge.to_string(),
        samples: samples.collect(),
    }
}

/// A deployment in quarantine.
pub(in crate::doors) fn quarantined(function: &FunctionId, one: &Quarantined) -> QuarantineView {
    let (function, deployment) = (function.to_string(), one.deployment.to_string());
    QuarantineView { function, deployment, at: rfc3339(one.at), why: one.why.clone() }
}

/// A reply that differed.
pub(in crate::doors) fn divergence(row: &DivergenceRow) -> DivergenceView {
    DivergenceView {
        at: rfc3339(row.at),
        invocation: row.invocation.to_string(),
        shadow: row.shadow.to_string(),
        other: row.other.to_string(),
        difference: row.difference.clone(),
        payload: STANDARD.encode(&row.payload),
        given: STANDARD.encode(&row.given),
        reply: STANDARD.encode(&row.reply),
    }
}
