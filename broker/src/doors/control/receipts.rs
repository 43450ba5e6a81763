//! Receipts: why a call went where it went, and what it cost.

use std::sync::Arc;

use axum::extract::{Path, State};
use merit_store::record::ReceiptRow;
use merit_units::InvocationId;
use merit_wire::{Problem, ReceiptView, RepricedView};

use super::{Caller, Denied, Json, Shared, blocking};
use crate::receipt;
use crate::refusal::Refusal;

/// The receipt of an invocation.
#[utoipa::path(get, path = "/v1/invocations/{id}", tag = "receipts",
    params(("id" = String, Path, description = "the invocation's id, from the header Merit-Invocation-Id")),
    responses((status = 200, body = ReceiptView), (status = 404, body = Problem)))]
pub(super) async fn show(
    State(broker): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<ReceiptView>, Denied> {
    let receipt = find(&broker, &caller, id).await?;
    let view = receipt::view(&receipt);
    Ok(Json(view.map_err(|error| Refusal::Internal(format!("the receipt's detail is unreadable: {error}")))?))
}

/// The charge of an invocation computed again, by the price sheet of its day.
#[utoipa::path(get, path = "/v1/invocations/{id}/repriced", tag = "receipts",
    params(("id" = String, Path, description = "the invocation's id, from the header Merit-Invocation-Id")),
    responses((status = 200, body = RepricedView), (status = 404, body = Problem)))]
pub(super) async fn repriced(
    State(broker): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<RepricedView>, Denied> {
    let receipt = find(&broker, &caller, id).await?;
    let view = tokio::task::spawn_blocking(move || broker.reprice(&receipt)).await;
    let view = view.map_err(|error| Refusal::Internal(error.to_string()))?;
    Ok(Json(view.map_err(|error| Refusal::Internal(error.to_string()))?))
}

async fn find(broker: &Shared, caller: &Caller, id: String) -> Result<Arc<ReceiptRow>, Denied> {
    let invocation: InvocationId =
        id.parse().map_err(|error: merit_units::NameError| Refusal::BadRequest(error.to_string()))?;
    let store = broker.store.clone();
    let unknown = || Refusal::Unknown { kind: "receipt of invocation", name: id.clone(), near: Vec::new() };
    let receipt = blocking(move || store.receipt(invocation)).await?.ok_or_else(unknown)?;
    // Whose it is not told to strangers: to them it does not exist.
    caller.may_see(receipt.account.as_str()).map_err(|_| unknown())?;
    Ok(receipt)
}
