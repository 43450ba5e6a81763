//! What providers really billed.

use axum::extract::{Path, State};
use merit_wire::{Problem, ReconciliationList};
use serde::Deserialize;

use super::{Caller, Denied, Json, Query, Shared, Text, blocking};
use crate::keys::Role;
use crate::refusal::Refusal;

/// Reconciliations in one answer.
const LISTED: u32 = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Import {
    #[serde(default)]
    dry_run: bool,
}

/// The newest reconciliations of a venue: what its provider billed beside what was charged.
#[utoipa::path(get, path = "/v1/venues/{venue}/reconciliations", tag = "money",
    params(("venue" = String, Path, description = "the venue's name")),
    responses((status = 200, body = ReconciliationList), (status = 404, body = Problem)))]
pub(super) async fn list(
    State(broker): State<Shared>,
    caller: Caller,
    Path(venue): Path<String>,
) -> Result<Json<ReconciliationList>, Denied> {
    caller.require(Role::Finance)?;
    let venue = std::sync::Arc::clone(broker.directory.load().venue(&venue)?);
    Ok(Json(blocking(move || broker.reconciled(&venue, LISTED)).await?))
}

/// Imports what a provider billed: posts the difference to what was charged, and expects calls to be billed so from now on.
/// The same bill a second time changes nothing.
#[utoipa::path(post, path = "/v1/venues/{venue}/reconciliations", tag = "money",
    params(
        ("venue" = String, Path, description = "the venue's name"),
        ("dry_run" = Option<bool>, Query, description = "only tells what would come of it"),
    ),
    request_body(content = String, content_type = "text/csv", description = "lines of ChargePeriodStart, ChargePeriodEnd, \
        ResourceId, SkuMeter, ConsumedQuantity and ConsumedUnit, as FOCUS names them"),
    responses((status = 200, body = ReconciliationList), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn import(
    State(broker): State<Shared>,
    caller: Caller,
    Path(venue): Path<String>,
    Query(Import { dry_run }): Query<Import>,
    Text(text): Text,
) -> Result<Json<ReconciliationList>, Denied> {
    caller.require(Role::Admin)?;
    let by = caller.0.id.clone();
    // On its own: a caller that goes away does not leave half of a bill unposted.
    let imported = tokio::spawn(async move { broker.reconcile(&venue, text, by, dry_run).await });
    Ok(Json(imported.await.map_err(|error| Refusal::Internal(error.to_string()))??))
}
