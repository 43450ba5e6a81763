//! Whether a function's deployments are equal: an operator's word, samples and their replays, quarantine.

use std::sync::Arc;

use axum::extract::{Path, State};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;
use merit_units::DeploymentId;
use merit_wire::{
    EqualView, Problem, QuarantineDetail, QuarantineList, ReplayView, SampleList, SampleSpec, SampleView,
    SamplesDeleted,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Body, Caller, Denied, Json, Query, Shared, blocking};
use crate::doors::views;
use crate::equivalence::Recorded;
use crate::function::{Deployment, Function};
use crate::keys::Role;
use crate::refusal::Refusal;

/// The function's deployment of that name, registered or offered.
fn place(function: &Function, name: &str) -> Result<Arc<Deployment>, Denied> {
    let places = function.places();
    let found = places.iter().find(|place| place.id.as_str() == name).cloned();
    found.ok_or_else(|| {
        let near = crate::venue::near(name, places.iter().map(|place| place.id.as_str()));
        Denied(Refusal::Unknown { kind: "deployment", name: name.to_owned(), near })
    })
}

/// Records the caller's word that a deployment is equal to the function's others. Answers when it is on disk.
#[utoipa::path(put, path = "/v1/functions/{function}/deployments/{deployment}/word", tag = "equivalence",
    params(("function" = String, Path, description = "the function's name"),
           ("deployment" = String, Path, description = "the deployment's name")),
    responses((status = 200, body = EqualView), (status = 404, body = Problem)))]
pub(super) async fn vouch(
    State(broker): State<Shared>,
    caller: Caller,
    Path((function, deployment)): Path<(String, String)>,
) -> Result<Json<EqualView>, Denied> {
    caller.require(Role::Admin)?;
    let function = broker.functions.get(&function)?;
    let deployment = place(&function, &deployment)?;
    broker.vouch(&function, std::slice::from_ref(&deployment), caller.0.id.as_str()).await?;
    Ok(Json(views::equal(&broker, &function, &deployment)))
}

/// Takes an operator's word back. Answers when it is on disk.
#[utoipa::path(delete, path = "/v1/functions/{function}/deployments/{deployment}/word", tag = "equivalence",
    params(("function" = String, Path, description = "the function's name"),
           ("deployment" = String, Path, description = "the deployment's name")),
    responses((status = 200, body = EqualView), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn unvouch(
    State(broker): State<Shared>,
    caller: Caller,
    Path((function, deployment)): Path<(String, String)>,
) -> Result<Json<EqualView>, Denied> {
    caller.require(Role::Admin)?;
    let function = broker.functions.get(&function)?;
    let deployment = place(&function, &deployment)?;
    if deployment.from_file.is_some() {
        let message = format!("deployment `{}` is in merit.toml, which is your word; take it out there", deployment.id);
        return Err(Refusal::BadRequest(message).into());
    }
    broker.unvouch(&function, &deployment).await?;
    Ok(Json(views::equal(&broker, &function, &deployment)))
}

/// A function's sample calls.
#[utoipa::path(get, path = "/v1/functions/{function}/samples", tag = "equivalence",
    params(("function" = String, Path, description = "the function's name")),
    responses((status = 200, body = SampleList), (status = 404, body = Problem)))]
pub(super) async fn samples(
    State(broker): State<Shared>,
    caller: Caller,
    Path(function): Path<String>,
) -> Result<Json<SampleList>, Denied> {
    caller.require(Role::Admin)?;
    let function = broker.functions.get(&function)?;
    let samples = broker.samples_of(&function).await?;
    Ok(Json(SampleList { function: function.id.to_string(), samples: samples.iter().map(views::sample).collect() }))
}

/// Records a sample call, making it unless the right reply is given. Answers when it is on disk.
#[utoipa::path(post, path = "/v1/functions/{function}/samples", tag = "equivalence",
    params(("function" = String, Path, description = "the function's name")),
    request_body = SampleSpec,
    responses((status = 200, body = SampleView), (status = 400, body = Problem), (status = 402, body = Problem),
              (status = 404, body = Problem), (status = 502, body = Problem)))]
pub(super) async fn record(
    State(broker): State<Shared>,
    caller: Caller,
    Path(function): Path<String>,
    Body(spec): Body<SampleSpec>,
) -> Result<Json<SampleView>, Denied> {
    caller.require(Role::Admin)?;
    let function = broker.functions.get(&function)?;
    let bytes = |what: &str, text: &str| {
        let read = STANDARD.decode(text).map(Bytes::from);
        read.map_err(|error| Refusal::BadRequest(format!("the {what} is not base64: {error}")))
    };
    let deployment = spec.deployment.as_deref().map(DeploymentId::try_new).transpose();
    let sample = Recorded {
        payload: bytes("payload", &spec.payload)?,
        content_type: spec.content_type,
        reply: spec.reply.as_deref().map(|reply| bytes("reply", reply)).transpose()?,
        deployment: deployment.map_err(|error| Refusal::BadRequest(error.to_string()))?,
    };
    let by = caller.0.id.clone();
    // In a task of its own: a call that was made is recorded although its asker has gone away.
    let recorded = tokio::spawn(async move { broker.record_sample(&function, sample, &by).await });
    let row = recorded.await.map_err(|error| Refusal::Internal(error.to_string()))??;
    Ok(Json(views::sample(&row)))
}

/// Which samples.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Which {
    /// Only this one; all of them when absent.
    number: Option<u32>,
}

/// Deletes a function's sample calls. Answers when they are gone from the disk.
#[utoipa::path(delete, path = "/v1/functions/{function}/samples", tag = "equivalence",
    params(("function" = String, Path, description = "the function's name"), Which),
    responses((status = 200, body = SamplesDeleted), (status = 404, body = Problem)))]
pub(super) async fn delete_samples(
    State(broker): State<Shared>,
    caller: Caller,
    Path(function): Path<String>,
    Query(which): Query<Which>,
) -> Result<Json<SamplesDeleted>, Denied> {
    caller.require(Role::Admin)?;
    let function = broker.functions.get(&function)?;
    Ok(Json(SamplesDeleted { deleted: broker.store.delete_samples(&function.id, which.number).await? }))
}

/// Replays a function's samples against a deployment, one after the other. It is proven equal when each reply is.
#[utoipa::path(post, path = "/v1/functions/{function}/deployments/{deployment}/replay", tag = "equivalence",
    params(("function" = String, Path, description = "the function's name"),
           ("deployment" = String, Path, description = "the deployment's name")),
    responses((status = 200, body = ReplayView), (status = 400, body = Problem), (status = 402, body = Problem),
              (status = 404, body = Problem)))]
pub(super) async fn replay(
    State(broker): State<Shared>,
    caller: Caller,
    Path((function, deployment)): Path<(String, String)>,
) -> Result<Json<ReplayView>, Denied> {
    caller.require(Role::Admin)?;
    let function = broker.functions.get(&function)?;
    let deployment = place(&function, &deployment)?;
    let by = caller.0.id.clone();
    let replayed = tokio::spawn(async move {
        let replays = broker.replay(&function, &deployment, &by).await?;
        Ok::<_, Refusal>(views::replays(&function, &deployment, &replays))
    });
    Ok(Json(replayed.await.map_err(|error| Refusal::Internal(error.to_string()))??))
}

/// Every deployment in quarantine.
#[utoipa::path(get, path = "/v1/quarantine", tag = "equivalence", responses((status = 200, body = QuarantineList)))]
pub(super) async fn quarantines(State(broker): State<Shared>, _: Caller) -> Json<QuarantineList> {
    let quarantined = broker.equivalence.quarantined();
    let quarantined = quarantined.iter().map(|(function, one)| views::quarantined(function, one)).collect();
    Json(QuarantineList { quarantined })
}

/// A deployment's replies that differed, with those they differed from.
#[utoipa::path(get, path = "/v1/functions/{function}/deployments/{deployment}/quarantine", tag = "equivalence",
    params(("function" = String, Path, description = "the function's name"),
           ("deployment" = String, Path, description = "the deployment's name")),
    responses((status = 200, body = QuarantineDetail), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn quarantine(
    State(broker): State<Shared>,
    caller: Caller,
    Path((function, deployment)): Path<(String, String)>,
) -> Result<Json<QuarantineDetail>, Denied> {
    caller.require(Role::Admin)?;
    let function = broker.functions.get(&function)?;
    // An offer that has ended is no place any more, and what is kept of it is.
    let id = DeploymentId::try_new(&deployment).map_err(|error| Refusal::BadRequest(error.to_string()))?;
    let (store, of) = (broker.store.clone(), (function.id.clone(), id.clone()));
    let rows = blocking(move || store.divergences(&of.0, &of.1)).await?;
    let one = broker.equivalence.quarantine_of(&function.id, &id);
    if rows.is_empty() && one.is_none() {
        place(&function, &deployment)?;
    }
    Ok(Json(QuarantineDetail {
        function: function.id.to_string(),
        deployment,
        quarantined: one.map(|one| views::quarantined(&function.id, &one)),
        divergences: rows.iter().map(views::divergence).collect(),
    }))
}

/// Lifts a quarantine, and forgets the replies that differed. Answers when it is on disk.
#[utoipa::path(delete, path = "/v1/functions/{function}/deployments/{deployment}/quarantine", tag = "equivalence",
    params(("function" = String, Path, description = "the function's name"),
           ("deployment" = String, Path, description = "the deployment's name")),
    responses((status = 204), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn lift(
    State(broker): State<Shared>,
    caller: Caller,
    Path((function, deployment)): Path<(String, String)>,
) -> Result<StatusCode, Denied> {
    caller.require(Role::Admin)?;
    let function = broker.functions.get(&function)?;
    let id = DeploymentId::try_new(&deployment).map_err(|error| Refusal::BadRequest(error.to_string()))?;
    if !broker.lift_quarantine(&function, &id).await? {
        let message = format!("deployment `{deployment}` of `{}` is not in quarantine", function.id);
        return Err(Refusal::BadRequest(message).into());
    }
    tracing::info!(function = %function.id, %deployment, by = %caller.0.id, "the quarantine is lifted");
    Ok(StatusCode::NO_CONTENT)
}
