//! A transport that trusts the tests' authority, and one call on it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, header, response};
use http_body_util::Full;
use merit_transport::{Http2, Origin, Reach, Route, Transport, failure};
use merit_units::Micros;
use merit_venue::{Measured, VenueError};
use tokio::time::{Instant, timeout};

/// Whatever a test waits for comes sooner than this, or never.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Bytes of a reply that are taken.
const MAX_REPLY: usize = 1 << 20;

#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) transport: Arc<Transport>,
    pub(crate) route: Route,
}

impl Client {
    pub(crate) fn new(port: u16, ca_pem: &Path, change: impl FnOnce(&mut Reach)) -> Self {
        let mut reach = Reach { ca_pem: Some(ca_pem.to_owned()), http2: Some(Http2::default()), ..Reach::default() };
        reach.idle_timeout = PATIENCE;
        change(&mut reach);
        let mut errors = Vec::new();
        let transport = Transport::try_new(&reach, true, &mut errors);
        assert!(errors.is_empty(), "{errors:?}");
        let url = format!("https://localhost:{port}/").parse().expect("a URL");
        let origin = Arc::new(Origin::of_url(&url).expect("a server"));
        let route = Route::new(&origin, PathAndQuery::from_static("/f?a=b"));
        Self { transport: Arc::new(transport.expect("no mistakes")), route }
    }

    /// The reply's head and body.
    pub(crate) async fn call(&self, payload: impl Into<Bytes>) -> Result<(response::Parts, Bytes), VenueError> {
        self.call_until(payload, Instant::now() + PATIENCE).await
    }

    pub(crate) async fn call_until(
        &self,
        payload: impl Into<Bytes>,
        ends: Instant,
    ) -> Result<(response::Parts, Bytes), VenueError> {
        let payload = payload.into();
        let _place = self.transport.admit(&self.route, ends).await?;
        let answer = self.transport.send(&self.route, ends, |_| self.request(payload.clone())).await?;
        let shown = self.route.shown();
        let read = answer
            .body
            .whole(MAX_REPLY, ends)
            .await
            .map_err(|error| failure::without_body(&shown, error, MAX_REPLY, Measured::own(Micros::new(1), 0)));
        Ok((answer.head, read?.0))
    }

    pub(crate) fn request(&self, payload: Bytes) -> Request<Full<Bytes>> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer token"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("keep-alive"));
        self.route.request(Method::POST, headers, payload)
    }

    /// A call of its own task.
    pub(crate) fn spawn(
        &self,
        payload: &'static str,
    ) -> tokio::task::JoinHandle<Result<(response::Parts, Bytes), VenueError>> {
        let client = self.clone();
        tokio::spawn(async move { client.call(payload).await })
    }
}

/// Waits for what must come.
pub(crate) async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("{what} does not come"))
}
