//! Where readers of market data come in.

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::Response;
use merit_wire::Problem;

use super::{Caller, Denied, Shared};
use crate::doors::feed;
use crate::feed::Seat;
use crate::refusal::Refusal;

/// Market data over a WebSocket: books, fills and candles. Its messages and the recipe for a local book are in docs/FEED.md.
#[utoipa::path(get, path = "/v1/feed", tag = "market",
    responses(
        (status = 101, description = "a WebSocket with JSON text messages, the first of them `welcome`"),
        (status = 400, body = Problem), (status = 401, body = Problem), (status = 429, body = Problem),
        (status = 503, body = Problem),
    ))]
pub(super) async fn connect(
    State(broker): State<Shared>,
    caller: Caller,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Denied> {
    let upgrade = upgrade.map_err(|rejection| {
        let why = rejection.body_text();
        Refusal::BadRequest(format!("/v1/feed speaks WebSocket, version 13, over HTTP/1.1: {why}"))
    })?;
    let seat = Seat::take(&broker, caller.0)?;
    let limit = broker.settings.load().feed.max_message_bytes;
    let upgrade = upgrade.max_message_size(limit).max_frame_size(limit);
    // Requests are small, and what is sent is flushed by the message: a thousand readers take no large buffers each.
    let upgrade = upgrade.read_buffer_size(4 << 10).write_buffer_size(16 << 10);
    Ok(upgrade.on_upgrade(move |socket| feed::serve(broker, seat, socket)))
}
