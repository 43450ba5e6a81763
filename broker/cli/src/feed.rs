//! A reader of market data: the connection to `/v1/feed`, and books kept by the recipe of `docs/FEED.md`.
//!
//! The HTTP client makes the request and hands its connection over, so that TLS, headers and a proxy are the same as for
//! every other command; the rest is WebSocket.
//!
//! Known limitation: a connection that ends is not opened again here; whoever follows decides (`command::follow`).

mod local_book;

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use merit_wire::feed::{FeedAction, FeedChannel, FeedMessage, FeedRequest};
use reqwest::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use reqwest::{Method, StatusCode, Upgraded};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Message, Role};

use crate::Globals;
use crate::client::Client;
use crate::failure::Failure;

pub use local_book::{Broken, LocalBook, Step};

/// Silence after which the connection is taken for dead: ten heartbeats.
const SILENCE: Duration = Duration::from_secs(10);

/// A connection to `/v1/feed`.
pub struct Feed {
    socket: WebSocketStream<Upgraded>,
}

impl Feed {
    /// Connects with the URL and the key of the global options.
    ///
    /// # Errors
    /// Why not, in words.
    pub async fn open(globals: &Globals) -> Result<Self, String> {
        let client = Client::try_new(globals).map_err(|failure| failure.to_string())?;
        Self::connect(&client).await.map_err(|failure| failure.to_string())
    }

    pub(crate) async fn connect(client: &Client) -> Result<Self, Failure> {
        let key = generate_key();
        let request = client
            .request(Method::GET, &["feed"])
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, &key);
        let response = client.send(request).await?;
        let (url, status) = (response.url().to_string(), response.status());
        let accept = response.headers().get(SEC_WEBSOCKET_ACCEPT).map(|value| value.as_bytes().to_owned());
        if status != StatusCode::SWITCHING_PROTOCOLS
            || accept.as_deref() != Some(derive_accept_key(key.as_bytes()).as_bytes())
        {
            let what = "something other than a WebSocket".to_owned();
            return Err(Failure::Strange { url, status: status.as_u16(), what });
        }
        let upgraded = response.upgrade().await.map_err(|error| Failure::Feed(error.to_string()))?;
        Ok(Self { socket: WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await })
    }

    /// Asks for a channel of functions, or for a new snapshot of it.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn subscribe(&mut self, channel: FeedChannel, functions: &[&str]) -> Result<(), String> {
        let functions = functions.iter().map(|function| (*function).to_owned()).collect();
        let request = FeedRequest { action: FeedAction::Subscribe, channel, functions, classes: Vec::new(), id: None };
        let text = serde_json::to_string(&request).map_err(|error| error.to_string())?;
        self.socket.send(Message::text(text)).await.map_err(|error| error.to_string())
    }

    /// The next message.
    ///
    /// # Errors
    /// Why there is none: the broker closed the connection and said why, it broke, or it was silent for too long.
    pub async fn next(&mut self) -> Result<FeedMessage, String> {
        loop {
            let message = tokio::time::timeout(SILENCE, self.socket.next()).await;
            let message = message.map_err(|_| format!("nothing came for {} s", SILENCE.as_secs()))?;
            match message.transpose().map_err(|error| error.to_string())? {
                Some(Message::Text(text)) => {
                    return serde_json::from_str(&text)
                        .map_err(|error| format!("a message that is not understood: {error}"));
                }
                Some(Message::Close(Some(frame))) => {
                    return Err(format!("the broker closed it: {} ({})", frame.reason, u16::from(frame.code)));
                }
                Some(Message::Close(None)) | None => return Err("the broker closed it without a reason".to_owned()),
                Some(_) => {}
            }
        }
    }
}
