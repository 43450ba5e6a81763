//! The cards' server as Cloud Run and as a metadata server, and venues that reach them.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use merit_venue::conformance::calls::call_of;
pub(crate) use merit_venue::conformance::calls::{target, until_ready};
pub(crate) use merit_venue::conformance::server::{Answer, Received, TestServer, echo, head, reply};
use merit_venue::{Call, Reply, Venue, VenueError};
use merit_venue_google_run::{CredentialsFrom, GoogleRunConfig, GoogleRunVenue};

/// A token that ends in an hour; nobody here checks its signature, which is `signed_by`.
pub(crate) fn token(signed_by: &str) -> String {
    token_until(i64::try_from(UNIX_EPOCH.elapsed().expect("after 1970").as_secs()).expect("a time") + 3600, signed_by)
}

pub(crate) fn token_until(exp: i64, signed_by: &str) -> String {
    let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let claims = format!(r#"{{"iss":"https://accounts.google.com","exp":{exp}}}"#);
    format!("{}.{}.{}", part(r#"{"alg":"RS256","typ":"JWT"}"#), part(&claims), part(signed_by))
}

/// A metadata server that gives everyone this token; it lives as long as the test.
pub(crate) async fn metadata(token: String) -> String {
    let server = TestServer::start(move |_| Answer::Send(reply(200, &[("metadata-flavor", "Google")], &token))).await;
    let url = server.url();
    // Dropping it would stop it, and the runtime of the test ends it anyway.
    std::mem::forget(server);
    url
}

pub(crate) fn venue_with(url: &str, metadata: &str, change: impl FnOnce(&mut GoogleRunConfig)) -> Arc<GoogleRunVenue> {
    let mut config = GoogleRunConfig {
        endpoint_url: Some(url.to_owned()),
        credentials: CredentialsFrom::Metadata { endpoint_url: Some(metadata.to_owned()) },
        connect_timeout: Duration::from_secs(1),
        ..GoogleRunConfig::new("us-central1")
    };
    change(&mut config);
    Arc::new(GoogleRunVenue::try_new(config).expect("a good configuration"))
}

pub(crate) async fn venue_at(url: &str, change: impl FnOnce(&mut GoogleRunConfig)) -> Arc<GoogleRunVenue> {
    let metadata = metadata(token("good")).await;
    venue_with(url, &metadata, change)
}

/// A call of `resize` with ten seconds left.
pub(crate) fn call(payload: &'static str) -> Call {
    Call { attempt: 2, ..call_of("resize", payload) }
}

pub(crate) async fn invoke(venue: &GoogleRunVenue, payload: &'static str) -> Result<Reply, VenueError> {
    venue.invoke(call(payload)).await
}
