//! What a call would cost: quotes under a caller's terms, and the whole book.

use axum::extract::{Path, State};
use merit_wire::{BookView, Problem, QuoteRequest, QuoteView};

use super::{Body, Caller, Denied, Json, Shared};
use crate::clock;
use crate::doors::views;
use crate::keys::Role;
use crate::quote::exclusion_views;
use crate::terms::Stated;

/// The asks that meet the terms, in merit order, and the others with reasons.
#[utoipa::path(post, path = "/v1/functions/{function}/quotes", tag = "market",
    params(("function" = String, Path, description = "the function's name")),
    request_body = QuoteRequest,
    responses((status = 200, body = QuoteView), (status = 404, body = Problem)))]
pub(super) async fn quote(
    State(broker): State<Shared>,
    caller: Caller,
    Path(function): Path<String>,
    Body(request): Body<QuoteRequest>,
) -> Result<Json<QuoteView>, Denied> {
    caller.require(Role::Invoke)?;
    let function = broker.functions.get(&function)?;
    let stated = Stated::from_quote(&request)?;
    let value_of_time = stated.value_of_time.unwrap_or(function.value_of_time).pico_saturating_i64();
    let terms = broker.directory.load().resolve(&stated, value_of_time)?;
    let (view, now) = (function.view(), broker.clock.now());
    let mut asks: Vec<_> =
        view.book.verdicts(&terms, now).filter(|(_, verdict)| verdict.is_ok()).map(|(row, _)| row).collect();
    asks.sort_by_key(|row| view.book.asks()[*row].score_pico(value_of_time));
    Ok(Json(QuoteView {
        function: function.id.to_string(),
        expires_at: clock::rfc3339(now + broker.settings.load().quote_ttl),
        asks: asks.into_iter().map(|row| views::ask(&broker, &view, row, value_of_time, now)).collect(),
        excluded: exclusion_views(&function.id, &view, &terms, now),
    }))
}

/// Every ask of the function, in merit order, whatever the terms.
#[utoipa::path(get, path = "/v1/functions/{function}/book", tag = "market",
    params(("function" = String, Path, description = "the function's name")),
    responses((status = 200, body = BookView), (status = 404, body = Problem)))]
pub(super) async fn book(
    State(broker): State<Shared>,
    _: Caller,
    Path(function): Path<String>,
) -> Result<Json<BookView>, Denied> {
    let function = broker.functions.get(&function)?;
    let (view, now) = (function.view(), broker.clock.now());
    let value_of_time = function.value_of_time.pico_saturating_i64();
    let priced = view.book.merit_order().filter(|row| {
        let (ask, slot) = (&view.book.asks()[*row], &view.book.slots()[*row]);
        ask.why_ineligible().is_none() && !slot.venue().is_stopped()
    });
    Ok(Json(BookView {
        function: function.id.to_string(),
        version: view.version,
        asks: priced.map(|row| views::ask(&broker, &view, row, value_of_time, now)).collect(),
        excluded: exclusion_views(&function.id, &view, &merit_market::Terms::default(), now),
    }))
}
