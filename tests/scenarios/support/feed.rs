//! A reader of market data, down to its frames.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use merit_wire::feed::{FeedBody, FeedData, FeedMessage};
use serde_json::Value;
use tokio::net::TcpSocket;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::wait::PATIENCE;

/// A connection to `/v1/feed`.
pub(crate) struct Reader {
    socket: WebSocketStream<TcpStream>,
}

impl Reader {
    /// Connects, and reads the welcome.
    pub(crate) async fn connect(address: SocketAddr, key: &str) -> Self {
        let mut reader = Self::open(address, key, None).await;
        let welcome = reader.next().await;
        assert!(matches!(welcome, FeedMessage::Welcome { heartbeat_ms: 1000, .. }), "{welcome:?}");
        reader
    }

    /// Connects with a receive buffer of so many bytes, and reads nothing.
    pub(crate) async fn open(address: SocketAddr, key: &str, buffer: Option<u32>) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        if let Some(bytes) = buffer {
            socket.set_recv_buffer_size(bytes).expect("a buffer can be small");
        }
        let stream = socket.connect(address).await.expect("the broker listens");
        let mut request = format!("ws://{address}/v1/feed").into_client_request().expect("a request");
        request.headers_mut().insert("authorization", format!("Bearer {key}").parse().expect("a header"));
        let (socket, _) = client_async(request, stream).await.expect("the connection becomes a WebSocket");
        Self { socket }
    }

    /// Sends text.
    pub(crate) async fn send(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.expect("the connection stands");
    }

    /// Subscribes, and reads everything up to the snapshot, which it returns.
    pub(crate) async fn subscribe(&mut self, channel: &str, function: &str) -> FeedData {
        self.send(format!(r#"{{"type":"subscribe","channel":"{channel}","functions":["{function}"]}}"#)).await;
        loop {
            if let FeedMessage::Snapshot(data) = self.next().await {
                return data;
            }
        }
    }

    /// The next message as text; or the close frame.
    pub(crate) async fn text(&mut self) -> Result<String, Option<CloseFrame>> {
        loop {
            let message = timeout(PATIENCE, self.socket.next()).await.expect("the broker says something");
            match message {
                Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
                Some(Ok(Message::Close(frame))) => return Err(frame),
                Some(Ok(_)) => {}
                Some(Err(error)) => panic!("{error}"),
                None => return Err(None),
            }
        }
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> FeedMessage {
        let text = self.text().await.expect("a message");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The next message that is no heartbeat.
    pub(crate) async fn news(&mut self) -> FeedMessage {
        loop {
            match self.next().await {
                FeedMessage::Heartbeat { .. } => {}
                message => return message,
            }
        }
    }

    /// The next update's data.
    pub(crate) async fn update(&mut self) -> FeedData {
        match self.news().await {
            FeedMessage::Update(data) => data,
            other => panic!("{other:?}"),
        }
    }

    /// The next refusal: its word, its message and its id.
    pub(crate) async fn refusal(&mut self) -> (String, String, Option<u64>) {
        match self.news().await {
            FeedMessage::Error { id, reason, message } => (reason, message, id),
            other => panic!("{other:?}"),
        }
    }

    /// Reads until the broker closes; the code and the reason.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Err(frame) = self.text().await {
                let frame = frame.expect("a close frame with a reason");
                return (frame.code.into(), frame.reason.to_string());
            }
        }
    }

    /// Whether nothing but heartbeats comes for a while.
    pub(crate) async fn is_quiet(&mut self, length: Duration) -> bool {
        timeout(length, self.news()).await.is_err()
    }
}

/// The fills of a tape's message.
pub(crate) fn fills(data: &FeedData) -> Vec<Value> {
    match &data.body {
        FeedBody::Tape { fills, .. } => fills.iter().map(|fill| serde_json::to_value(fill).expect("JSON")).collect(),
        other => panic!("{other:?}"),
    }
}
