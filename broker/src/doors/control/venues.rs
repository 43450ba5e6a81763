//! Venues and their prices.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header;
use merit_venue::Step;
use merit_wire::{PriceChangeView, Problem, StepView, VenueCheckView, VenueList, VenueView};
use serde::Deserialize;

use super::providers::changed;
use super::{Caller, Denied, Json, Query, Shared, Text};
use crate::doctor;
use crate::doors::views;
use crate::keys::Role;
use crate::refusal::Refusal;

/// All venues.
#[utoipa::path(get, path = "/v1/venues", tag = "venues", responses((status = 200, body = VenueList)))]
pub(super) async fn list(State(broker): State<Shared>, _: Caller) -> Json<VenueList> {
    let now = broker.clock.now();
    let directory = broker.directory.load();
    Json(VenueList { venues: directory.venues.values().map(|venue| views::venue(&broker, venue, now)).collect() })
}

/// One venue.
#[utoipa::path(get, path = "/v1/venues/{venue}", tag = "venues",
    params(("venue" = String, Path, description = "the venue's name")),
    responses((status = 200, body = VenueView), (status = 404, body = Problem)))]
pub(super) async fn show(
    State(broker): State<Shared>,
    _: Caller,
    Path(venue): Path<String>,
) -> Result<Json<VenueView>, Denied> {
    let directory = broker.directory.load();
    Ok(Json(views::venue(&broker, directory.venue(&venue)?, broker.clock.now())))
}

/// Looks at a venue step by step: whether calls could be made there, and what to do when not. Runs no function.
#[utoipa::path(post, path = "/v1/venues/{venue}/check", tag = "venues",
    params(("venue" = String, Path, description = "the venue's name"), 
        ("invoke" = Option<bool>, Query, description = "whether each function deployed there is called once, by its first \
         sample, which is charged to `equivalence.account`")),
    responses((status = 200, body = VenueCheckView), (status = 404, body = Problem)))]
pub(super) async fn check(
    State(broker): State<Shared>,
    caller: Caller,
    Path(venue): Path<String>,
    Query(options): Query<CheckOptions>,
) -> Result<Json<VenueCheckView>, Denied> {
    caller.require(Role::Admin)?;
    let venue = Arc::clone(broker.directory.load().venue(&venue)?);
    let steps = broker.look_at(&venue, options.invoke.then_some(&caller.0.id)).await;
    let view = |step: &Step| StepView {
        step: step.name.to_owned(),
        result: step.result.word().to_owned(),
        found: step.found.clone(),
        todo: step.todo.clone(),
    };
    let (kind, well) = (venue.adapter.kind().to_owned(), doctor::is_well(&steps));
    Ok(Json(VenueCheckView { venue: venue.id.to_string(), kind, well, steps: steps.iter().map(view).collect() }))
}

/// How a venue is looked at.
#[derive(Deserialize)]
pub(super) struct CheckOptions {
    #[serde(default)]
    invoke: bool,
}

/// The price sheet in force at a venue, as TOML.
#[utoipa::path(get, path = "/v1/venues/{venue}/price-sheet", tag = "venues",
    params(("venue" = String, Path, description = "the venue's name")),
    responses((status = 200, description = "the sheet as TOML", body = String), (status = 404, body = Problem)))]
pub(super) async fn price_sheet(
    State(broker): State<Shared>,
    _: Caller,
    Path(venue): Path<String>,
) -> Result<Response, Denied> {
    let directory = broker.directory.load();
    let unpriced = || Refusal::Unknown { kind: "price sheet at venue", name: venue.clone(), near: Vec::new() };
    let sheet = directory.venue(&venue)?.prices.sheet().ok_or_else(unpriced)?;
    Ok(([(header::CONTENT_TYPE, "application/toml")], sheet.to_toml()).into_response())
}

/// Puts a price sheet in force: TOML, or JSON of the same shape. Its sequence number must grow.
#[utoipa::path(put, path = "/v1/venues/{venue}/price-sheet", tag = "venues",
    params(("venue" = String, Path, description = "the venue's name")),
    request_body(content = String, description = "a price sheet as TOML or JSON"),
    responses((status = 200, body = PriceChangeView), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn put_price_sheet(
    State(broker): State<Shared>,
    caller: Caller,
    Path(venue): Path<String>,
    Text(body): Text,
) -> Result<Json<PriceChangeView>, Denied> {
    let directory = broker.directory.load_full();
    let known = directory.venues.get(venue.as_str());
    if let Some((known, provider)) = known.and_then(|known| Some((known, known.provider.as_ref()?))) {
        caller.0.require_venue(&known.id)?;
        changed(&broker, provider)?;
    } else {
        caller.require(Role::Admin)?;
    }
    let venue = directory.venue(&venue)?;
    Ok(Json(broker.publish_sheet(venue, &body).await?))
}
