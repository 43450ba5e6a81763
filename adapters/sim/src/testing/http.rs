//! Real clients against a real listener, one connection each.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};

use super::Scripted;
use crate::SimConfig;
use crate::server::serve;

/// A running process of clouds, stopped when dropped.
pub(crate) struct Running {
    pub(crate) address: std::net::SocketAddr,
    pub(crate) functions: Arc<Scripted>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The parts of a response that tests look at.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

pub(crate) async fn start(config: SimConfig) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let functions = Arc::new(Scripted::default());
    let executor = functions.clone();
    let server = tokio::spawn(async move {
        serve(listener, config, executor, std::future::pending()).await.expect("clouds that can be played");
    });
    Running { address, functions, server }
}

impl Running {
    pub(crate) async fn connect(&self) -> SendRequest<Full<Bytes>> {
        let stream = TcpStream::connect(self.address).await.expect("a connection");
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("a handshake");
        tokio::spawn(connection);
        sender
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, hyper::Error> {
        self.connect().await.send_request(request).await
    }

    /// Sends a request and reads all of the answer.
    pub(crate) async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Answer, hyper::Error> {
        let (parts, body) = self.send(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    pub(crate) async fn try_post(&self, path: &str, body: impl Into<Bytes>) -> Result<Answer, hyper::Error> {
        let request = Request::post(path).header("host", "sim").body(Full::new(body.into())).expect("a request");
        self.ask(request).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.try_post(path, body).await.expect("an answer")
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = Request::get(path).header("host", "sim").body(Full::default()).expect("a request");
        self.ask(request).await.expect("an answer")
    }

    pub(crate) async fn call(&self) -> Answer {
        self.post("/cloud/echo", "hello").await
    }

    pub(crate) async fn control(&self, change: Value) -> Value {
        let answer = self.post("/_sim/clouds/cloud/control", change.to_string()).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json()
    }

    pub(crate) async fn invoice(&self) -> Value {
        self.get("/_sim/clouds/cloud/invoice").await.json()
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    pub(crate) fn number(&self, name: &str) -> u64 {
        self.header(name).expect(name).parse().expect("a number")
    }
}
