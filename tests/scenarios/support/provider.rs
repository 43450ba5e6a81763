//! A provider as a stranger would write one: it signs by its own arithmetic and talks in frames.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::upstream::Seen;
use super::{Client, PATIENCE, Process, Reply, Script, flat_sheet, script};

/// The secret both ends share in these tests.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjUPD8ILA==";

/// RFC 2104, written out: what checks the signatures is not what makes them.
fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let pad = |byte: u8| block.iter().map(|key| key ^ byte).collect::<Vec<u8>>();
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

/// The signature of a body by the Standard Webhooks scheme.
pub(crate) fn signature(id: &str, timestamp: &str, body: &[u8]) -> String {
    let key = STANDARD.decode(&SECRET["whsec_".len()..]).expect("base64");
    let message = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
    format!("v1,{}", STANDARD.encode(hmac_sha256(&key, &message)))
}

/// Checks the call's signature and echoes the payload with meters, signed.
pub(crate) fn signs() -> Script {
    script::of(|seen: Seen| async move {
        let (id, at) = (seen.header("webhook-id").to_owned(), seen.header("webhook-timestamp").to_owned());
        if seen.header("webhook-signature") != signature(&id, &at, &seen.payload) {
            return Some(script::answer(401, None));
        }
        Some(signed(&id, &at, seen.payload))
    })
}

/// A signed reply.
pub(crate) fn signed(id: &str, at: &str, body: Bytes) -> Response<Full<Bytes>> {
    Response::builder()
        .header("webhook-id", id)
        .header("webhook-timestamp", at)
        .header("webhook-signature", signature(id, at, &body))
        .header("merit-meter-duration-us", "1")
        .body(Full::new(body))
        .expect("a response")
}

/// An offer for one function that stands for a minute.
pub(crate) fn offer(id: &str, function: &str) -> Value {
    json!({
        "id": id, "function": function, "target": "/{function}", "memory_mb": 128, "slots": 8, "ttl_ms": 60_000,
    })
}

/// A key that acts for these venues.
pub(crate) async fn provider_key(admin: &Client, venues: &[&str]) -> String {
    let spec = json!({ "account": "providers", "roles": ["provider"], "venues": venues });
    let created: Value = Reply::of(admin.request(reqwest::Method::POST, "/v1/keys").json(&spec)).await.json(201);
    created["secret"].as_str().expect("a secret").to_owned()
}

/// A price sheet of a venue's own, in dollars a call.
pub(crate) fn own_sheet(venue: &str, dollars: &str, seq: u64) -> String {
    flat_sheet(venue, dollars, seq).replace("flat/", "")
}

/// The provider's end of a session.
pub(crate) struct Session {
    socket: WebSocketStream<TcpStream>,
    seq: u64,
}

impl Session {
    /// Connects and reads the welcome.
    pub(crate) async fn open(broker: &Process, venue: &str, key: &str) -> Self {
        let mut session = Self { socket: connect(broker, venue, key).await.expect("a session"), seq: 0 };
        assert_eq!(session.next("welcome").await["venue"], venue);
        session
    }

    /// Sends a frame under the next number; its answer.
    pub(crate) async fn tell(&mut self, mut frame: Value) -> Value {
        self.seq += 1;
        frame["seq"] = self.seq.into();
        self.send(&frame.to_string()).await;
        loop {
            let answer = self.read().await.expect("the session is open");
            if answer["seq"] == self.seq {
                return answer;
            }
        }
    }

    /// The next answer to a frame; what comes between is passed over.
    pub(crate) async fn answer(&mut self) -> Value {
        loop {
            let frame = self.read().await.expect("the session is open");
            if frame["type"] == "ack" || frame["type"] == "reject" {
                return frame;
            }
        }
    }

    /// Sends text as it is.
    pub(crate) async fn send(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.expect("the session is open");
    }

    /// The next frame of a type; others are passed over.
    pub(crate) async fn next(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.read().await.unwrap_or_else(|| panic!("the session ended before a frame `{kind}`"));
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// Joins the exchange: endpoint and sheet.
    pub(crate) async fn join(&mut self, venue: &str, url: &str, dollars: &str) {
        let endpoint = self.tell(json!({ "type": "endpoint", "url": url, "secret": SECRET })).await;
        assert_eq!(endpoint["type"], "ack", "{endpoint}");
        let sheet = self.tell(json!({ "type": "price_sheet", "sheet": own_sheet(venue, dollars, 1) })).await;
        assert_eq!(sheet["type"], "ack", "{sheet}");
    }

    async fn read(&mut self) -> Option<Value> {
        loop {
            let message = timeout(PATIENCE, self.socket.next()).await.expect("a frame within the test's patience")?;
            match message.ok()? {
                Message::Text(text) => return Some(serde_json::from_str(&text).expect("JSON")),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }
}

/// Opens the WebSocket, or says the status it was refused with.
pub(crate) async fn connect(broker: &Process, venue: &str, key: &str) -> Result<WebSocketStream<TcpStream>, u16> {
    let url = format!("ws://{}/v1/venues/{venue}/session", broker.address());
    let mut request = url.into_client_request().expect("a URL");
    request.headers_mut().insert("authorization", format!("Bearer {key}").parse().expect("a header"));
    let stream = TcpStream::connect(broker.address()).await.expect("the broker listens");
    match timeout(Duration::from_secs(10), client_async(request, stream)).await.expect("an answer") {
        Ok((socket, _)) => Ok(socket),
        Err(tokio_tungstenite::tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}
