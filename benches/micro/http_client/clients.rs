//! The clients under measurement, each as its documentation says to use it, with the same headers
//! and the same timeout.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use merit_venue::{Call, Target, Venue};
use merit_venue_http::{HttpConfig, HttpVenue};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// What a call may take; it never does.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

pub(crate) const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
pub(crate) const INVOCATION: &str = "0199f0a2-7c1e-7fff-bfff-ffffffffffff";

/// Makes one call; returns the size of the reply.
pub(crate) trait Client: Send + Sync + 'static {
    fn call(&self, payload: Bytes) -> impl Future<Output = anyhow::Result<usize>> + Send;
}

/// The adapter: pool with a bound, meters, deadline, outcome of every failure.
pub(crate) struct Merit {
    venue: HttpVenue,
    call: Call,
}

impl Merit {
    pub(crate) fn new(address: SocketAddr, connections: usize) -> anyhow::Result<Self> {
        let mut config = HttpConfig::new(format!("http://{address}"));
        config.max_connections = u32::try_from(connections)?;
        let call = Call {
            invocation: INVOCATION.parse()?,
            attempt: 1,
            function: "bench".parse()?,
            target: Arc::new(Target::try_new("fn")?),
            payload: Bytes::new(),
            content_type: Some(HeaderValue::from_static("application/octet-stream")),
            traceparent: Some(HeaderValue::from_static(TRACEPARENT)),
            tracestate: None,
            deadline: Instant::now(),
            lambda: None,
            http: None,
        };
        Ok(Self { venue: HttpVenue::try_new(config)?, call })
    }
}

impl Client for Merit {
    async fn call(&self, payload: Bytes) -> anyhow::Result<usize> {
        let call = Call { payload, deadline: Instant::now() + DEADLINE, ..self.call.clone() };
        let reply = self.venue.invoke(call).await?;
        Ok(reply.payload.len())
    }
}

/// hyper's connections with a task each, in the simplest pool there can be.
pub(crate) struct Conn {
    address: SocketAddr,
    host: HeaderValue,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

impl Conn {
    pub(crate) fn new(address: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self { address, host: HeaderValue::try_from(address.to_string())?, idle: Mutex::default() })
    }

    async fn sender(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let idle = self.idle.lock().ok().and_then(|mut idle| idle.pop());
        if let Some(sender) = idle.filter(SendRequest::is_ready) {
            return Ok(sender);
        }
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(driver);
        Ok(sender)
    }
}

impl Client for Conn {
    async fn call(&self, payload: Bytes) -> anyhow::Result<usize> {
        let mut sender = self.sender().await?;
        let mut request = request("/fn".parse()?, payload);
        request.headers_mut().insert(header::HOST, self.host.clone());
        let body = timeout(DEADLINE, async {
            let response = sender.send_request(request).await?;
            response.into_body().collect().await
        });
        let read = body.await??.to_bytes().len();
        sender.ready().await?;
        if let Ok(mut idle) = self.idle.lock() {
            idle.push(sender);
        }
        Ok(read)
    }
}

/// hyper-util's pooled client.
pub(crate) struct Legacy {
    client: legacy::Client<HttpConnector, Full<Bytes>>,
    uri: http::Uri,
}

impl Legacy {
    pub(crate) fn new(address: SocketAddr) -> anyhow::Result<Self> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = legacy::Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, uri: format!("http://{address}/fn").parse()? })
    }
}

impl Client for Legacy {
    async fn call(&self, payload: Bytes) -> anyhow::Result<usize> {
        let call = async {
            let response = self.client.request(request(self.uri.clone(), payload)).await?;
            anyhow::Ok(response.into_body().collect().await?.to_bytes().len())
        };
        timeout(DEADLINE, call).await?
    }
}

/// reqwest with a URL parsed once and its own timeout.
pub(crate) struct Reqwest {
    client: reqwest::Client,
    url: reqwest::Url,
}

impl Reqwest {
    pub(crate) fn new(address: SocketAddr) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().no_proxy().tcp_nodelay(true).timeout(DEADLINE).build()?;
        Ok(Self { client, url: format!("http://{address}/fn").parse().context("a URL")? })
    }
}

impl Client for Reqwest {
    async fn call(&self, payload: Bytes) -> anyhow::Result<usize> {
        let request = self.client.post(self.url.clone()).headers(headers()).body(payload);
        Ok(request.send().await?.bytes().await?.len())
    }
}

fn request(uri: http::Uri, payload: Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::post(uri).body(Full::new(payload)).expect("invariant: a method and a URI");
    *request.headers_mut() = headers();
    request
}

/// The headers the adapter sends, but `host`, which clients set themselves.
fn headers() -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::USER_AGENT, HeaderValue::from_static("merit/0.1.0"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert("merit-invocation-id", HeaderValue::from_static(INVOCATION));
    headers.insert("merit-attempt", HeaderValue::from_static("1"));
    headers.insert("merit-deadline-ms", HeaderValue::from_static("9999"));
    headers.insert("traceparent", HeaderValue::from_static(TRACEPARENT));
    headers
}
