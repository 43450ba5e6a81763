//! Receipts: why a call went where it went, and what it cost.

use axum::extract::{Path, State};
use merit_units::InvocationId;
use merit_wire::{Problem, ReceiptView};

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
    let invocation: InvocationId =
        id.parse().map_err(|error: merit_units::NameError| Refusal::BadRequest(error.to_string()))?;
    let store = broker.store.clone();
    let unknown = || Refusal::Unknown { kind: "receipt of invocation", name: id.clone(), near: Vec::new() };
    let receipt = blocking(move || store.receipt(invocation)).await?.ok_or_else(unknown)?;
    // Whose it is not told to strangers: to them it does not exist.
    caller.may_see(receipt.account.as_str()).map_err(|_| unknown())?;
    let view = receipt::view(&receipt);
    Ok(Json(view.map_err(|error| Refusal::Internal(format!("the receipt's detail is unreadable: {error}")))?))
}
