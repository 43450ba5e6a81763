//! The cards' server as Lambda, and venues that reach it.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use merit_transport::Reach;
use merit_venue::conformance::calls::call_of;
pub(crate) use merit_venue::conformance::calls::{target, until_ready};
pub(crate) use merit_venue::conformance::server::{Answer, PATIENCE, Received, TestServer, head, reply};
use merit_venue::{Call, Reply, Venue, VenueError};
use merit_venue_aws_lambda::{CredentialsFrom, LambdaConfig, LambdaVenue};

/// The id the server gives every call.
pub(crate) const REQUEST_ID: &str = "8f10f676-9f28-4dd8-ae05-83fe17ac5f8e";

/// The venue's clock: 2026-11-21T04:27:36Z.
const NOW_S: u64 = 1_795_235_256;

/// An id as AWS gives them in examples.
pub(crate) const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";

/// A configuration that reaches the server, with keys of its own.
pub(crate) fn config(url: &str) -> LambdaConfig {
    let new = LambdaConfig::new("eu-west-1", || NOW_S);
    LambdaConfig {
        endpoint_url: Some(url.to_owned()),
        credentials: keys("secret"),
        reach: Reach { connect_timeout: Duration::from_secs(1), ..new.reach },
        ..new
    }
}

pub(crate) fn keys(secret: &str) -> CredentialsFrom {
    CredentialsFrom::Keys {
        access_key_id: ACCESS_KEY_ID.to_owned(),
        secret_access_key: secret.to_owned(),
        session_token: None,
    }
}

pub(crate) async fn venue_at(url: &str, change: impl FnOnce(&mut LambdaConfig)) -> Arc<LambdaVenue> {
    let mut config = config(url);
    change(&mut config);
    Arc::new(LambdaVenue::try_new(config).await.expect("a good configuration"))
}

/// A call of `resize` with ten seconds left.
pub(crate) fn call(payload: &'static str) -> Call {
    call_of("resize", payload)
}

pub(crate) async fn invoke(venue: &LambdaVenue, payload: &'static str) -> Result<Reply, VenueError> {
    venue.invoke(call(payload)).await
}

/// A reply of Lambda with status 200.
pub(crate) fn ok(headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Vec<u8> {
    let common =
        [("content-type", "application/json"), ("x-amzn-requestid", REQUEST_ID), ("x-amz-executed-version", "$LATEST")];
    reply(200, &[&common[..], headers].concat(), body)
}

/// An error of the API.
pub(crate) fn refused(status: u16, name: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let common = [("content-type", "application/json"), ("x-amzn-requestid", REQUEST_ID), ("x-amzn-errortype", name)];
    reply(status, &[&common[..], headers].concat(), body)
}

/// The end of a log in base64, as Lambda writes it.
pub(crate) fn log(report: &str) -> String {
    BASE64_STANDARD.encode(tail(report))
}

/// The end of a log.
pub(crate) fn tail(report: &str) -> String {
    let start = format!("START RequestId: {REQUEST_ID} Version: $LATEST\nEND RequestId: {REQUEST_ID}\n");
    format!("{start}REPORT RequestId: {REQUEST_ID}\t{report}\t\n")
}
