//! The cards' server with HTTP venues that reach it.

use std::ops::Deref;
use std::sync::Arc;

use merit_venue::conformance::calls::call_of;
use merit_venue::conformance::server;
pub(crate) use merit_venue::conformance::server::{Answer, PATIENCE, Received, echo, head, reply};
use merit_venue::{Call, Reply, Venue, VenueError};
use merit_venue_http::{HttpConfig, HttpVenue};

pub(crate) struct TestServer(pub(crate) server::TestServer);

impl Deref for TestServer {
    type Target = server::TestServer;

    fn deref(&self) -> &server::TestServer {
        &self.0
    }
}

impl TestServer {
    /// Serves the script on a free port of loopback.
    pub(crate) async fn start(script: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        Self(server::TestServer::start(script).await)
    }

    /// As `start`, but answers 413 to a larger body without reading it.
    pub(crate) async fn start_with(
        max_body: usize,
        script: impl Fn(&Received) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self(server::TestServer::start_with(max_body, script).await)
    }

    /// A venue with default settings, changed by `change`.
    pub(crate) fn venue(&self, change: impl FnOnce(&mut HttpConfig)) -> Arc<HttpVenue> {
        venue_at(&self.url(), change)
    }
}

pub(crate) fn venue_at(url: &str, change: impl FnOnce(&mut HttpConfig)) -> Arc<HttpVenue> {
    let mut config = HttpConfig::new(url);
    change(&mut config);
    Arc::new(HttpVenue::try_new(config).expect("a good configuration"))
}

/// A call of `/fn` with ten seconds left.
pub(crate) fn call(payload: &'static str) -> Call {
    Call { attempt: 2, ..call_of("fn", payload) }
}

pub(crate) async fn invoke(venue: &HttpVenue, payload: &'static str) -> Result<Reply, VenueError> {
    venue.invoke(call(payload)).await
}
