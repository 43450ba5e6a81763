//! Opens the WebSocket: an HTTP request whose connection is upgraded (RFC 6455, section 4.1).
//!
//! The request is reqwest's, so that TLS and its certificates are those of every other client of Merit.

use std::time::Duration;

use reqwest::header::{
    AUTHORIZATION, CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use reqwest::{Client, StatusCode, Upgraded};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::{Exchange, JoinError};

/// How long connecting may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How much is shown of an answer that is not the session's.
const SHOWN: usize = 300;

pub(crate) type Socket = WebSocketStream<Upgraded>;

/// Connects to the session of the exchange.
pub(crate) async fn connect(exchange: &Exchange) -> Result<Socket, JoinError> {
    timeout(CONNECT_WITHIN, upgrade(exchange))
        .await
        .unwrap_or_else(|_| Err(JoinError::Unreachable(format!("no answer in {} s", CONNECT_WITHIN.as_secs()))))
}

async fn upgrade(exchange: &Exchange) -> Result<Socket, JoinError> {
    let unreachable = |error: reqwest::Error| JoinError::Unreachable(chain(&error));
    let client = Client::builder().http1_only().no_proxy().build().map_err(unreachable)?;
    let url = format!("{}/v1/venues/{}/session", exchange.url.trim_end_matches('/'), exchange.venue);
    let key = generate_key();
    let response = client
        .get(url)
        .header(AUTHORIZATION, format!("Bearer {}", exchange.key))
        .header(CONNECTION, "upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_VERSION, "13")
        .header(SEC_WEBSOCKET_KEY, &key)
        .send()
        .await
        .map_err(unreachable)?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let status = response.status().as_u16();
        let text = response.text().await.unwrap_or_default();
        return Err(JoinError::Refused { status, said: said(&text) });
    }
    let accepted =
        response.headers().get(SEC_WEBSOCKET_ACCEPT).is_some_and(|accept| *accept == derive_accept_key(key.as_bytes()));
    if !accepted {
        return Err(JoinError::Protocol("its Sec-WebSocket-Accept is wrong".to_owned()));
    }
    let stream = response.upgrade().await.map_err(unreachable)?;
    Ok(WebSocketStream::from_raw_socket(stream, Role::Client, None).await)
}

/// What a problem document says, or the beginning of whatever came.
fn said(text: &str) -> String {
    match serde_json::from_str::<merit_wire::Problem>(text) {
        Ok(problem) => problem.detail,
        Err(_) => text.chars().take(SHOWN).collect(),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
