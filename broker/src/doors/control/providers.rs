//! The provider door by REST: offers, endpoint, caps, kill switches and statements. The session is beside it.
//!
//! A provider's key acts for the venues it is bound to and sees no other's; an administrator acts for all. Of the two
//! kill switches a provider turns its own, and an administrator the operator's.

use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequest, Path, Request, State};
use axum::response::Response;
use http::StatusCode;
use merit_units::{Money, Month, Timestamp, VenueId};
use merit_wire::{
    CapsSpec, EndpointSpec, KillSpec, KillView, OfferList, OffersSpec, OffersTaken, Problem, StatementView,
};
use serde::Deserialize;

use super::{Body, Caller, Denied, Json, Query, Shared, blocking};
use crate::Broker;
use crate::clock::{month_of, months_bounds};
use crate::keys::Role;
use crate::provider::statement::Statement;
use crate::provider::{Provider, Refused, Switch, session};
use crate::refusal::Refusal;
use crate::venue::VenueEntry;

/// Fills that a statement lists when nobody says how many, and at most.
const FILLS_DEFAULT: usize = 100;
const FILLS_MAX: usize = 10_000;

impl From<Refused> for Denied {
    fn from(refused: Refused) -> Self {
        let Refused { word, message } = refused;
        if word == "rate_limited" {
            return Self(Refusal::TooManyChanges(message));
        }
        Self(Refusal::BadRequest(format!("{message} ({word})")))
    }
}

/// A provider's venue, for a caller who may act for it.
struct Asked {
    venue: Arc<VenueEntry>,
    provider: Arc<Provider>,
}

impl Asked {
    fn of(broker: &Broker, caller: &Caller, venue: &str) -> Result<Self, Denied> {
        let directory = broker.directory.load();
        // First whether it is any of the caller's business: names of others' venues are not told.
        let id = VenueId::try_new(venue).map_err(|error| Refusal::BadRequest(error.to_string()))?;
        caller.0.require_venue(&id).inspect_err(|_| broker.metrics.providers.refused("not_your_venue"))?;
        let venue = directory.venue(venue)?;
        let provider = venue.provider.as_ref().ok_or_else(|| {
            Refusal::BadRequest(format!("`{}` is no provider's venue: its kind is {}", venue.id, venue.adapter.kind()))
        })?;
        Ok(Self { venue: Arc::clone(venue), provider: Arc::clone(provider) })
    }
}

/// Offers, of which there may be more than another body has room for.
pub(super) struct ManyOffers(OffersSpec);

impl FromRequest<Shared> for ManyOffers {
    type Rejection = Denied;

    async fn from_request(request: Request, broker: &Shared) -> Result<Self, Denied> {
        let limit = broker.settings.load().providers.max_message_bytes;
        let bytes = axum::body::to_bytes(request.into_body(), limit).await.map_err(|_| {
            broker.metrics.providers.refused("too_large");
            Refusal::PayloadTooLarge { named: "providers.max_message_bytes", limit }
        })?;
        let offers = serde_json::from_slice(&bytes).map_err(|error| {
            broker.metrics.providers.refused("malformed");
            Refusal::BadRequest(format!("the JSON body: {error}"))
        })?;
        Ok(Self(offers))
    }
}

/// Puts offers in the place of all the venue has: a mass quote.
#[utoipa::path(put, path = "/v1/venues/{venue}/offers", tag = "providers",
    params(("venue" = String, Path, description = "the venue's name")),
    request_body = OffersSpec,
    responses((status = 200, body = OffersTaken), (status = 400, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn put_offers(
    State(broker): State<Shared>,
    caller: Caller,
    Path(venue): Path<String>,
    ManyOffers(spec): ManyOffers,
) -> Result<Json<OffersTaken>, Denied> {
    let Asked { venue, provider } = Asked::of(&broker, &caller, &venue)?;
    let taken = broker.mass_quote(&venue, &provider, spec.offers, None);
    Ok(Json(taken.inspect_err(|refused| broker.metrics.providers.refused(refused.word))?))
}

/// The venue's offers as they stand, and what holds for all of them.
#[utoipa::path(get, path = "/v1/venues/{venue}/offers", tag = "providers",
    params(("venue" = String, Path, description = "the venue's name")),
    responses((status = 200, body = OfferList), (status = 403, body = Problem)))]
pub(super) async fn offers(
    State(broker): State<Shared>,
    caller: Caller,
    Path(venue): Path<String>,
) -> Result<Json<OfferList>, Denied> {
    let Asked { venue, provider } = Asked::of(&broker, &caller, &venue)?;
    Ok(Json(provider.view(&venue)))
}

/// Cancels all offers.
#[utoipa::path(delete, path = "/v1/venues/{venue}/offers", tag = "providers",
    params(("venue" = String, Path, description = "the venue's name")),
    responses((status = 204), (status = 403, body = Problem)))]
pub(super) async fn delete_offers(
    State(broker): State<Shared>,
    caller: Caller,
    Path(venue): Path<String>,
) -> Result<StatusCode, Denied> {
    let Asked { venue, provider } = Asked::of(&broker, &caller, &venue)?;
    broker.cancel_offers(&venue, &provider, None, "its provider cancelled all");
    Ok(StatusCode::NO_CONTENT)
}

/// Cancels one offer.
#[utoipa::path(delete, path = "/v1/venues/{venue}/offers/{id}", tag = "providers",
    params(("venue" = String, Path, description = "the venue's name"), ("id" = String, Path, description = "the offer")),
    responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn delete_offer(
    State(broker): State<Shared>,
    caller: Caller,
    Path((venue, id)): Path<(String, String)>,
) -> Result<StatusCode, Denied> {
    let Asked { venue, provider } = Asked::of(&broker, &caller, &venue)?;
    if broker.cancel_offer(&venue, &provider, &id) { Ok(StatusCode::NO_CONTENT) } else { Err(no_offer(&id)) }
}

/// Confirms the price of an offer that is held: it is in the market from now on.
#[utoipa::path(post, path = "/v1/venues/{venue}/offers/{id}/confirm", tag = "providers",
    params(("venue" = String, Path, description = "the venue's name"), ("id" = String, Path, description = "the offer")),
    responses((status = 204), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn confirm_offer(
    State(broker): State<Shared>,
    caller: Caller,
    Path((venue, id)): Path<(String, String)>,
) -> Result<StatusCode, Denied> {
    let Asked { venue, provider } = Asked::of(&broker, &caller, &venue)?;
    match broker.confirm_offer(&venue, &provider, &id) {
        Some(true) => Ok(StatusCode::NO_CONTENT),
        Some(false) => Err(Refusal::BadRequest(format!("the offer `{id}` is not held")).into()),
        None => Err(no_offer(&id)),
    }
}

/// Counts a change of what is kept of a provider, unless there were too many.
pub(super) fn changed(broker: &Broker, provider: &Provider) -> Result<(), Denied> {
    let counted = provider.take_change();
    Ok(counted.inspect_err(|refused| broker.metrics.providers.refused(refused.word))?)
}

fn no_offer(id: &str) -> Denied {
    Refusal::Unknown { kind: "offer", name: id.chars().take(80).collect(), near: Vec::new() }.into()
}

/// Puts the address calls are sent to, and the secret both ends sign with.
#[utoipa::path(put, path = "/v1/venues/{venue}/endpoint", tag = "providers",
    params(("venue" = String, Path, description = "the venue's name")),
    request_body = EndpointSpec,
    responses((status = 204), (status = 400, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn put_endpoint(
    State(broker): State<Shared>,
    caller: Caller,
    Path(venue): Path<String>,
    Body(spec): Body<EndpointSpec>,
) -> Result<StatusCode, Denied> {
    let Asked { venue, provider } = Asked::of(&broker, &caller, &venue)?;
    changed(&broker, &provider)?;
    broker.put_endpoint(&venue, &provider, &spec).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Puts what the provider takes at most, in the place of all caps there were.
#[utoipa::path(put, path = "/v1/venues/{venue}/caps", tag = "providers",
    params(("venue" = String, Path, description = "the venue's name")),
    request_body = CapsSpec,
    responses((status = 200, body = CapsSpec), (status = 400, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn put_caps(
    State(broker): State<Shared>,
    caller: Caller,
    Path(venue): Path<String>,
    Body(spec): Body<CapsSpec>,
) -> Result<Json<CapsSpec>, Denied> {
    let Asked { venue, provider } = Asked::of(&broker, &caller, &venue)?;
    changed(&broker, &provider)?;
    broker.set_caps(&venue, &provider, spec)?;
    broker.store_provider(&venue, &provider).await?;
    Ok(Json(provider.caps()))
}

/// What the provider takes at most.
#[utoipa::path(get, path = "/v1/venues/{venue}/caps", tag = "providers",
    params(("venue" = String, Path, description = "the venue's name")),
    responses((status = 200, body = CapsSpec), (status = 403, body = Problem)))]
pub(super) async fn caps(
    State(broker): State<Shared>,
    caller: Caller,
    Path(venue): Path<String>,
) -> Result<Json<CapsSpec>, Denied> {
    let Asked { provider, .. } = Asked::of(&broker, &caller, &venue)?;
    Ok(Json(provider.caps()))
}

/// Turns a kill switch: the operator's with the role `admin`, the provider's own otherwise. Nothing is sent there
/// while either is on; calls that are running end as they would.
#[utoipa::path(put, path = "/v1/venues/{venue}/kill-switch", tag = "providers",
    params(("venue" = String, Path, description = "the venue's name")),
    request_body = KillSpec,
    responses((status = 200, body = KillView), (status = 400, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn kill(
    State(broker): State<Shared>,
    caller: Caller,
    Path(venue): Path<String>,
    Body(spec): Body<KillSpec>,
) -> Result<Json<KillView>, Denied> {
    let Asked { venue, provider } = Asked::of(&broker, &caller, &venue)?;
    let by = if caller.0.roles.allow(Role::Admin) { Switch::Operator } else { Switch::Provider };
    let switched = broker.switch(&venue, &provider, by, &spec);
    if switched.inspect_err(|refused| broker.metrics.providers.refused(refused.word))? {
        broker.store_provider(&venue, &provider).await?;
    }
    Ok(Json(provider.kill_view()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StatementQuery {
    month: Option<String>,
    fills: Option<usize>,
}

/// What the provider earned in a month.
#[utoipa::path(get, path = "/v1/venues/{venue}/statement", tag = "providers",
    params(("venue" = String, Path, description = "the venue's name"),
        ("month" = Option<String>, Query, description = "such as 2026-11, in UTC; this month when absent"),
        ("fills" = Option<usize>, Query, description = "how many of the newest fills to list; 100 when absent, 10000 at most")),
    responses((status = 200, body = StatementView), (status = 400, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn statement(
    State(broker): State<Shared>,
    caller: Caller,
    Path(venue): Path<String>,
    Query(query): Query<StatementQuery>,
) -> Result<Json<StatementView>, Denied> {
    let Asked { venue, .. } = Asked::of(&broker, &caller, &venue)?;
    let month = match &query.month {
        None => month_of(broker.clock.now()),
        Some(text) => read_month(text)?,
    };
    let now = broker.clock.now();
    if month > month_of(now) {
        return Err(Refusal::BadRequest(format!("month: {month} has not begun")).into());
    }
    let (from, to): (Timestamp, Timestamp) = months_bounds(month);
    let keep = query.fills.unwrap_or(FILLS_DEFAULT).min(FILLS_MAX);
    let (store, id) = (broker.store.clone(), venue.id.clone());
    let reading = broker.statements.acquire().await.expect("invariant: it is never closed");
    let statement = blocking(move || Statement::sum(&store, id, (month, from, to), keep)).await?;
    drop(reading);
    let kept_from = now - broker.settings.load().receipts_kept;
    let complete_from = Some(kept_from).filter(|kept_from| *kept_from > from);
    // A month the ledger keeps apart no more has the sum zero.
    let posted = broker.ledger.earned(venue.ledger_account, month);
    let posted = posted.filter(|posted| *posted > Money::ZERO || complete_from.is_none());
    Ok(Json(statement.view(posted, complete_from)))
}

fn read_month(text: &str) -> Result<Month, Refusal> {
    let refuse = || Refusal::BadRequest(format!("month: `{text}` is not a month such as 2026-11"));
    let (year, month) = text.split_once('-').filter(|_| text.len() == 7).ok_or_else(refuse)?;
    let parsed = year.parse().ok().zip(month.parse().ok()).and_then(|(year, month)| Month::try_new(year, month));
    parsed.ok_or_else(refuse)
}

/// Opens a session: a WebSocket of JSON text frames (docs/PROVIDERS.md). A newer one takes over from an older.
#[utoipa::path(get, path = "/v1/venues/{venue}/session", tag = "providers",
    params(("venue" = String, Path, description = "the venue's name")),
    responses((status = 101, description = "the session is open"), (status = 400, body = Problem),
        (status = 403, body = Problem)))]
pub(super) async fn open_session(
    State(broker): State<Shared>,
    caller: Caller,
    Path(venue): Path<String>,
    request: Request,
) -> Result<Response, Denied> {
    let Asked { venue, provider } = Asked::of(&broker, &caller, &venue)?;
    let upgrade = WebSocketUpgrade::from_request(request, &broker).await;
    let upgrade = upgrade.map_err(|error| Refusal::BadRequest(format!("a session is a WebSocket: {error}")))?;
    let limit = broker.settings.load().providers.max_message_bytes;
    let (key, id) = (caller.0, venue.id.clone());
    let upgrade = upgrade.max_message_size(limit).max_frame_size(limit);
    Ok(upgrade.on_upgrade(move |socket| session::serve(broker, key, id, provider, socket)))
}
