//! What a venue has deployed, and taking it over.

use std::sync::Arc;

use axum::extract::{Path, State};
use merit_wire::{ChangeView, DiscoveryView, Problem};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Caller, Denied, Json, Query, Shared};
use crate::discovery::{Change, plan};
use crate::doors::views;
use crate::functions::spec_of;
use crate::keys::Role;
use crate::refusal::Refusal;

/// What to do with what is found.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Options {
    /// Make the changes; without, they are only told.
    apply: bool,
    /// Take away deployments that are gone at the venue, too.
    prune: bool,
    /// Propose functions that neither a tag nor a function of that name speaks for, too.
    all: bool,
}

/// Lists what is deployed at a venue and what differs from what is known; `apply=true` makes the changes.
#[utoipa::path(post, path = "/v1/venues/{venue}/discover", tag = "venues",
    params(("venue" = String, Path, description = "the venue's name"), Options),
    responses((status = 200, body = DiscoveryView), (status = 400, body = Problem), (status = 404, body = Problem),
              (status = 502, body = Problem)))]
pub(super) async fn discover(
    State(broker): State<Shared>,
    caller: Caller,
    Path(venue): Path<String>,
    Query(options): Query<Options>,
) -> Result<Json<DiscoveryView>, Denied> {
    caller.require(Role::Admin)?;
    let venue = Arc::clone(broker.directory.load().venue(&venue)?);
    let found = venue.adapter.discover().await.map_err(|error| Refusal::VenuesFailed {
        attempts: Vec::new(),
        last: format!("venue `{}` did not list its functions: {error}", venue.id),
        retryable: true,
    })?;
    let found = found.ok_or_else(|| {
        let kind = venue.adapter.kind();
        Refusal::BadRequest(format!("venue `{}` is of kind {kind}, which has no way to list its functions", venue.id))
    })?;
    let plan = plan(&venue, &broker.functions.all(), &found, options.all);
    let mut changes = Vec::with_capacity(plan.changes.len());
    for change in &plan.changes {
        let result = match (options.apply, &change.after) {
            (false, _) => "planned".to_owned(),
            (true, None) if !options.prune => "kept".to_owned(),
            (true, _) => apply(&broker, change, caller.0.id.as_str()).await?,
        };
        changes.push(change.view(result));
    }
    let made = changes.iter().filter(|change: &&ChangeView| change.result == "applied").count();
    tracing::info!(venue = %venue.id, found = found.len(), changes = changes.len(), made, "discovered");
    Ok(Json(DiscoveryView { venue: venue.id.to_string(), applied: options.apply, found: plan.found, changes }))
}

/// Makes one change and stores it, with whose word it is; a refused one does not stop the others.
async fn apply(broker: &Shared, change: &Change, by: &str) -> Result<String, Denied> {
    match broker.apply_change(change, by) {
        Err(refusal) => Ok(refusal.to_string()),
        Ok(function) => {
            let put = function.deployments.iter().filter(|one| one.id.as_str() == change.deployment).cloned();
            broker.vouch(&function, &put.collect::<Vec<_>>(), by).await?;
            let (spec, deployments) = views::stored(&spec_of(&function));
            broker.store.put_function(&function.id, spec, Some(deployments)).await?;
            Ok("applied".to_owned())
        }
    }
}
