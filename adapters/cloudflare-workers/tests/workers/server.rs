//! The cards' server as what stands before Workers, and venues that reach it.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use merit_venue::conformance::calls::call_of;
pub(crate) use merit_venue::conformance::calls::target;
pub(crate) use merit_venue::conformance::server::{Answer, Received, TestServer, head, reply};
use merit_venue::{Call, Reply, Venue, VenueError};
use merit_venue_cloudflare_workers::{WorkersConfig, WorkersVenue};

pub(crate) fn venue_at(url: &str, change: impl FnOnce(&mut WorkersConfig)) -> Arc<WorkersVenue> {
    let mut config = WorkersConfig { base_url: Some(url.to_owned()), ..WorkersConfig::new() };
    config.reach.connect_timeout = Duration::from_secs(1);
    change(&mut config);
    Arc::new(WorkersVenue::try_new(config).expect("a good configuration"))
}

/// A call of that target with ten seconds left.
pub(crate) fn call(at: &str, payload: &'static str) -> Call {
    Call {
        content_type: Some(HeaderValue::from_static("text/plain")),
        traceparent: Some(HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")),
        ..call_of(at, payload)
    }
}

pub(crate) async fn invoke(venue: &WorkersVenue) -> Result<Reply, VenueError> {
    venue.invoke(call("resize", "x")).await
}
