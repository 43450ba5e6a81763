//! Functions and their deployments.

use axum::extract::{Path, State};
use http::StatusCode;
use merit_units::{DeploymentId, FunctionId};
use merit_wire::{DeploymentSpec, FunctionList, FunctionSpec, FunctionView, Problem};

use super::{Body, Caller, Denied, Json, Shared};
use crate::doors::views;
use crate::function::Function;
use crate::functions::spec_of;
use crate::keys::Role;
use crate::refusal::Refusal;

/// All functions.
#[utoipa::path(get, path = "/v1/functions", tag = "functions", responses((status = 200, body = FunctionList)))]
pub(super) async fn list(State(broker): State<Shared>, _: Caller) -> Json<FunctionList> {
    let now = broker.clock.now();
    let functions = broker.functions.all();
    Json(FunctionList { functions: functions.iter().map(|function| views::function(&broker, function, now)).collect() })
}

/// One function.
#[utoipa::path(get, path = "/v1/functions/{function}", tag = "functions",
    params(("function" = String, Path, description = "the function's name")),
    responses((status = 200, body = FunctionView), (status = 404, body = Problem)))]
pub(super) async fn show(
    State(broker): State<Shared>,
    _: Caller,
    Path(function): Path<String>,
) -> Result<Json<FunctionView>, Denied> {
    let function = broker.functions.get(&function)?;
    Ok(Json(views::function(&broker, &function, broker.clock.now())))
}

/// Puts a function. Answers when it is on disk.
#[utoipa::path(put, path = "/v1/functions/{function}", tag = "functions",
    params(("function" = String, Path, description = "the function's name")),
    request_body = FunctionSpec,
    responses((status = 200, body = FunctionView), (status = 400, body = Problem)))]
pub(super) async fn put(
    State(broker): State<Shared>,
    caller: Caller,
    Path(function): Path<String>,
    Body(spec): Body<FunctionSpec>,
) -> Result<Json<FunctionView>, Denied> {
    caller.require(Role::Admin)?;
    let id = FunctionId::try_new(&function).map_err(|error| Refusal::BadRequest(error.to_string()))?;
    let function = broker.functions.put_by(&broker, &id, &spec, caller.0.id.as_str())?;
    // Who puts deployments says that they are equal.
    let put = if spec.deployments.is_some() { function.deployments.clone() } else { Vec::new() };
    broker.vouch(&function, &put, caller.0.id.as_str()).await?;
    store(&broker, &function).await
}

/// Takes a function away. Calls that are running end as they would.
#[utoipa::path(delete, path = "/v1/functions/{function}", tag = "functions",
    params(("function" = String, Path, description = "the function's name")),
    responses((status = 204), (status = 404, body = Problem)))]
pub(super) async fn delete(
    State(broker): State<Shared>,
    caller: Caller,
    Path(function): Path<String>,
) -> Result<StatusCode, Denied> {
    caller.require(Role::Admin)?;
    let id = broker.functions.get(&function)?.id.clone();
    broker.functions.remove(&function)?;
    broker.equivalence.forget(&id, None);
    broker.store.delete_function(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Puts one deployment of a function.
#[utoipa::path(put, path = "/v1/functions/{function}/deployments/{deployment}", tag = "functions",
    params(("function" = String, Path, description = "the function's name"),
           ("deployment" = String, Path, description = "the deployment's name")),
    request_body = DeploymentSpec,
    responses((status = 200, body = FunctionView), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn put_deployment(
    State(broker): State<Shared>,
    caller: Caller,
    Path((function, deployment)): Path<(String, String)>,
    Body(spec): Body<DeploymentSpec>,
) -> Result<Json<FunctionView>, Denied> {
    caller.require(Role::Admin)?;
    let id = DeploymentId::try_new(&deployment).map_err(|error| Refusal::BadRequest(error.to_string()))?;
    let function = broker.functions.put_deployment(&broker, &function, &id, &spec, caller.0.id.as_str())?;
    let put: Vec<_> = function.deployments.iter().filter(|one| one.id == id).cloned().collect();
    broker.vouch(&function, &put, caller.0.id.as_str()).await?;
    store(&broker, &function).await
}

/// Takes one deployment away.
#[utoipa::path(delete, path = "/v1/functions/{function}/deployments/{deployment}", tag = "functions",
    params(("function" = String, Path, description = "the function's name"),
           ("deployment" = String, Path, description = "the deployment's name")),
    responses((status = 204), (status = 404, body = Problem)))]
pub(super) async fn delete_deployment(
    State(broker): State<Shared>,
    caller: Caller,
    Path((function, deployment)): Path<(String, String)>,
) -> Result<StatusCode, Denied> {
    caller.require(Role::Admin)?;
    let function = broker.functions.remove_deployment(&broker, &function, &deployment)?;
    broker.equivalence.forget(&function.id, Some(&deployment));
    store(&broker, &function).await.map(|_| StatusCode::NO_CONTENT)
}

async fn store(broker: &Shared, function: &Function) -> Result<Json<FunctionView>, Denied> {
    let (spec, deployments) = views::stored(&spec_of(function));
    broker.store.put_function(&function.id, spec, Some(deployments)).await?;
    Ok(Json(views::function(broker, function, broker.clock.now())))
}
