//! Programs that answer HTTP on `$PORT`, in their own network namespace.
//!
//! Connections are kept and used again. Each call has one for itself while it runs, so that calls at once
//! need as many, and never more than the instance's concurrency.
//!
//! Invariants:
//! - A request is sent once. Only one that surely was not sent, because the kept connection had been closed, is sent
//!   again on a new one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;

use crate::call::Answered;
use crate::netns::Netns;
use crate::{Failure, HttpHead, Part, Reply, Violation};

/// Pauses between attempts to reach a program that starts, growing from the first to the last.
const PAUSES: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(20)];
/// Buffer of a connection.
const BUFFER: usize = 64 << 10;

/// Headers that belong to one connection (RFC 9110, 7.6.1), or are made anew.
const NOT_PASSED_ON: [HeaderName; 8] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::CONTENT_LENGTH,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// The way to an instance's port.
#[derive(Debug)]
pub(crate) struct HttpDoor {
    netns: Netns,
    port: u16,
    reply_bytes: u64,
    kept: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

impl HttpDoor {
    pub(crate) fn new(netns: Netns, port: u16, reply_bytes: u64) -> Self {
        Self { netns, port, reply_bytes, kept: Mutex::default() }
    }

    /// Waits until the program takes connections, and keeps the first.
    pub(crate) async fn ready(&self) {
        let mut pause = PAUSES[0];
        loop {
            if let Ok(sender) = self.connect().await {
                self.keep(sender);
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES[1]);
        }
    }

    /// Sends a request and reads the reply.
    pub(crate) async fn call(
        &self,
        head: &HttpHead,
        payload: Bytes,
        parts: Option<&mpsc::Sender<Part>>,
    ) -> Result<Answered, Failure> {
        let request = self.request(head, payload)?;
        let (response, sender) = self.send(request).await?;
        let reply = self.read(response, parts).await?;
        self.keep(sender);
        Ok(reply)
    }

    fn request(&self, head: &HttpHead, payload: Bytes) -> Result<Request<Full<Bytes>>, Failure> {
        let mut request = Request::new(Full::new(payload));
        *request.method_mut() = head.method.clone();
        let uri = head.path_and_query.parse();
        *request.uri_mut() = uri.map_err(|_| not_http(format!("`{}` is no path", head.path_and_query)))?;
        let headers = request.headers_mut();
        *headers = passed_on(&head.headers);
        if !headers.contains_key(header::HOST) {
            let host = HeaderValue::try_from(format!("127.0.0.1:{}", self.port));
            headers.extend(host.ok().map(|host| (header::HOST, host)));
        }
        Ok(request)
    }

    async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, SendRequest<Full<Bytes>>), Failure> {
        while let Some(mut sender) = self.take() {
            if sender.ready().await.is_err() {
                continue;
            }
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((response, sender)),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(broken(&error.into_error())),
                },
            }
        }
        let listening = |error: String| Failure::Protocol(Violation::NotListening(error));
        let mut sender = self.connect().await.map_err(listening)?;
        match sender.send_request(request).await {
            Ok(response) => Ok((response, sender)),
            Err(error) => Err(broken(&error)),
        }
    }

    async fn read(
        &self,
        response: Response<Incoming>,
        parts: Option<&mpsc::Sender<Part>>,
    ) -> Result<Answered, Failure> {
        let limit = self.reply_bytes;
        let (head, mut body) = response.into_parts();
        if body.size_hint().lower() > limit {
            return Err(Failure::ReplyTooLarge { limit });
        }
        let headers = passed_on(&head.headers);
        if let Some(parts) = parts {
            // A reader who has gone doesn't stop the program.
            let _ = parts.send(Part::Head { status: head.status, headers: headers.clone() }).await;
        }
        let mut whole = BytesMut::new();
        let mut length: u64 = 0;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|error| broken(&error))?.into_data() else { continue };
            length += u64::try_from(data.len()).unwrap_or(u64::MAX);
            if length > limit {
                return Err(Failure::ReplyTooLarge { limit });
            }
            match parts {
                Some(parts) => drop(parts.send(Part::Data(data)).await),
                None => whole.extend_from_slice(&data),
            }
        }
        Ok(Answered { reply: Reply { status: head.status, headers, body: whole.freeze() }, bytes: length })
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, String> {
        let stream = self.netns.connect(self.port).await.map_err(|error| error.to_string())?;
        let handshake = http1::Builder::new().max_buf_size(BUFFER).handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|error| error.to_string())?;
        // It ends when the sender is dropped, or the program.
        drop(tokio::spawn(connection));
        Ok(sender)
    }

    fn take(&self) -> Option<SendRequest<Full<Bytes>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn keep(&self, sender: SendRequest<Full<Bytes>>) {
        if !sender.is_closed() {
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        }
    }
}

fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in NOT_PASSED_ON {
        headers.remove(name);
    }
    headers
}

fn broken(error: &hyper::Error) -> Failure {
    if error.is_parse() {
        not_http(error.to_string())
    } else {
        Failure::Protocol(Violation::BrokenReply(error.to_string()))
    }
}

const fn not_http(what: String) -> Failure {
    Failure::Protocol(Violation::NotHttp(what))
}
