//! Live prices: what is in force, what is held, and looking at the price feeds now.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header;
use merit_pricing::Catalogue;
use merit_units::{SheetName, Timestamp};
use merit_wire::{CatalogAccept, CatalogHistory, CatalogRefreshView, CatalogView, Problem};
use serde::Deserialize;

use super::{Body, Caller, Denied, Json, Query, Shared, blocking};
use crate::Broker;
use crate::clock::parse_rfc3339;
use crate::doors::views;
use crate::keys::Role;
use crate::refusal::Refusal;

/// History entries in one answer.
const HISTORY_DEFAULT: u32 = 100;

/// Live prices: feeds, sheets in force, and what is held with what it would change.
#[utoipa::path(get, path = "/v1/catalog", tag = "catalog", responses((status = 200, body = CatalogView)))]
pub(super) async fn show(State(broker): State<Shared>, _: Caller) -> Json<CatalogView> {
    Json(views::catalog(&broker, broker.clock.now()))
}

#[derive(Deserialize)]
pub(super) struct RefreshQuery {
    feeds: Option<String>,
}

/// Looks at price feeds now. Prices that change too much are held.
#[utoipa::path(post, path = "/v1/catalog/refresh", tag = "catalog",
    params(("feeds" = Option<String>, Query, description = "names of feeds, with commas between them; when absent, \
        every one that a venue or a deployment is billed by")),
    responses((status = 200, body = CatalogRefreshView), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn refresh(
    State(broker): State<Shared>,
    caller: Caller,
    Query(query): Query<RefreshQuery>,
) -> Result<Json<CatalogRefreshView>, Denied> {
    caller.require(Role::Admin)?;
    let feeds = match query.feeds.as_deref().filter(|names| !names.is_empty()) {
        Some(names) => broker.feeds_named(&names.split(',').collect::<Vec<_>>())?,
        None => broker.feeds(),
    };
    if feeds.is_empty() {
        let why = "there is no price feed to ask: no venue or deployment is billed by a sheet of one, such as \
                   aws-lambda/us-east-1/x86_64, or [catalog] has no address for it; name a feed to ask it all the same";
        return Err(Refusal::BadRequest(why.to_owned()).into());
    }
    // On its own: a caller that goes away does not leave half of the feeds unasked.
    let asked = tokio::spawn(async move { broker.refresh_feeds(&feeds).await });
    let refreshed = asked.await.map_err(|error| Refusal::Internal(error.to_string()))?;
    Ok(Json(views::refreshed(&refreshed)))
}

/// Puts held prices in force as they are, without looking at the feeds.
#[utoipa::path(post, path = "/v1/catalog/accept", tag = "catalog", request_body = CatalogAccept,
    responses((status = 200, body = CatalogRefreshView), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn accept(
    State(broker): State<Shared>,
    caller: Caller,
    Body(accept): Body<CatalogAccept>,
) -> Result<Json<CatalogRefreshView>, Denied> {
    caller.require(Role::Admin)?;
    let refreshed = broker.accept_held(&accept.sheets, caller.0.id.as_str()).await?;
    Ok(Json(views::refreshed(&refreshed)))
}

#[derive(Deserialize)]
pub(super) struct ImportQuery {
    name: Option<String>,
}

/// Puts the prices of a file in force, or holds them: a price sheet or a catalogue file as TOML, or a provider's price list
/// as JSON.
#[utoipa::path(post, path = "/v1/catalog/import", tag = "catalog",
    params(("name" = Option<String>, Query, description = "what the history calls it, such as the file's name")),
    request_body(content = String, description = "the file"),
    responses((status = 200, body = CatalogRefreshView), (status = 400, body = Problem), (status = 413, body = Problem)))]
pub(super) async fn import(
    State(broker): State<Shared>,
    caller: Caller,
    Query(query): Query<ImportQuery>,
    request: Request,
) -> Result<Json<CatalogRefreshView>, Denied> {
    caller.require(Role::Admin)?;
    let limit = broker.settings.load().catalog.max_file_bytes;
    let too_long = |_| Refusal::PayloadTooLarge { named: "catalog.max_file_bytes", limit };
    let bytes = axum::body::to_bytes(request.into_body(), limit).await.map_err(too_long)?;
    let name: String =
        query.name.as_deref().unwrap_or("file").chars().filter(|char| !char.is_control()).take(80).collect();
    let by = caller.0.id.to_string();
    // On its own: a caller that goes away does not leave a half of it.
    let imported = tokio::spawn(async move { broker.import_prices(&name, bytes.into(), &by).await });
    let imported = imported.await.map_err(|error| Refusal::Internal(error.to_string()))??;
    Ok(Json(views::refreshed(&imported)))
}

#[derive(Deserialize)]
pub(super) struct SheetQuery {
    sheet: String,
    at: Option<String>,
}

/// A sheet of the catalogue as TOML: the one in force, or the one that was at a time.
#[utoipa::path(get, path = "/v1/catalog/sheet", tag = "catalog",
    params(("sheet" = String, Query, description = "the sheet's name"),
        ("at" = Option<String>, Query, description = "a time in RFC 3339; now when absent")),
    responses((status = 200, description = "the sheet as TOML", body = String), (status = 400, body = Problem),
        (status = 404, body = Problem)))]
pub(super) async fn sheet(
    State(broker): State<Shared>,
    _: Caller,
    Query(query): Query<SheetQuery>,
) -> Result<Response, Denied> {
    let name = name_of(&broker, &query.sheet)?;
    let text = match query.at.as_deref().map(parse_rfc3339) {
        None => broker.catalog.find(name.as_str()).map(|sheet| sheet.to_toml()),
        Some(Err(error)) => return Err(Refusal::BadRequest(format!("at: {error}")).into()),
        Some(Ok(at)) => sheet_at(&broker, name, at).await?,
    };
    let text = text.ok_or_else(|| unknown(&broker, &query.sheet))?;
    Ok(([(header::CONTENT_TYPE, "application/toml")], text).into_response())
}

/// Without any history the built-in sheet was in force all the time.
async fn sheet_at(broker: &Shared, name: SheetName, at: Timestamp) -> Result<Option<String>, Denied> {
    let (store, wanted) = (broker.store.clone(), name.clone());
    let row = blocking(move || store.catalog_sheet_at(&wanted, at)).await?;
    Ok(row.map(|row| row.body).or_else(|| Catalogue::builtin().get(name.as_str()).map(|sheet| sheet.to_toml())))
}

#[derive(Deserialize)]
pub(super) struct HistoryQuery {
    sheet: String,
    limit: Option<u32>,
}

/// The sheets a name had in force, newest first, with what each changed.
#[utoipa::path(get, path = "/v1/catalog/history", tag = "catalog",
    params(("sheet" = String, Query, description = "the sheet's name"),
        ("limit" = Option<u32>, Query, description = "the most entries; 100 when absent, 1000 at most")),
    responses((status = 200, body = CatalogHistory), (status = 404, body = Problem)))]
pub(super) async fn history(
    State(broker): State<Shared>,
    _: Caller,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<CatalogHistory>, Denied> {
    let name = name_of(&broker, &query.sheet)?;
    let limit = query.limit.unwrap_or(HISTORY_DEFAULT).min(1000);
    let (store, wanted) = (broker.store.clone(), name.clone());
    let rows = blocking(move || store.catalog_history(&wanted, limit)).await?;
    Ok(Json(views::catalog_history(&name, &rows)))
}

fn name_of(broker: &Broker, name: &str) -> Result<SheetName, Refusal> {
    let known = broker.catalog.find(name).map(|sheet| sheet.name().clone());
    known.ok_or_else(|| unknown(broker, name))
}

fn unknown(broker: &Broker, name: &str) -> Refusal {
    let near = crate::venue::near(name, broker.catalog.names().iter().map(SheetName::as_str));
    Refusal::Unknown { kind: "price sheet", name: name.chars().take(80).collect(), near }
}
