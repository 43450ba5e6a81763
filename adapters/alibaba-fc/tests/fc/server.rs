//! The cards' server as Function Compute, and venues that reach it.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use merit_cloud_wire::acs3::Presented;
use merit_venue::conformance::calls::call_of;
pub(crate) use merit_venue::conformance::calls::target;
pub(crate) use merit_venue::conformance::server::{Answer, Received, TestServer, head, reply};
use merit_venue::{Call, Reply, Venue, VenueError};
use merit_venue_alibaba_fc::{FcConfig, FcVenue, Keys};

/// The venue's clock: 2026-11-21T04:27:36Z.
pub(crate) const NOW_S: u64 = 1_795_235_256;
pub(crate) const SECRET_KEY: &str = "secret";
pub(crate) const KEY_ID: &str = "LTAIEXAMPLE";

pub(crate) fn keys(secret: &str) -> Option<Keys> {
    Some(Keys { access_key_id: KEY_ID.to_owned(), access_key_secret: secret.to_owned(), security_token: None })
}

pub(crate) fn venue_at(url: &str, change: impl FnOnce(&mut FcConfig)) -> Arc<FcVenue> {
    let mut config = FcConfig {
        endpoint_url: Some(url.to_owned()),
        keys: keys(SECRET_KEY),
        trigger_hosts: vec!["127.0.0.1".to_owned()],
        ..FcConfig::new("cn-hangzhou", || NOW_S)
    };
    config.reach.connect_timeout = Duration::from_secs(1);
    change(&mut config);
    Arc::new(FcVenue::try_new(config).expect("a good configuration"))
}

/// A call of that target with a payload's media type and a trace.
pub(crate) fn call(at: &str, payload: &'static str) -> Call {
    Call {
        content_type: Some(HeaderValue::from_static("text/plain")),
        traceparent: Some(HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")),
        ..call_of(at, payload)
    }
}

pub(crate) async fn invoke(venue: &FcVenue, payload: &'static str) -> Result<Reply, VenueError> {
    venue.invoke(call("resize", payload)).await
}

/// A reply of Function Compute with status 200.
pub(crate) fn ok(headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Vec<u8> {
    let common = [
        ("content-type", "application/octet-stream"),
        ("x-fc-request-id", "1-673f-abc"),
        ("x-fc-invocation-service-version", "LATEST"),
    ];
    reply(200, &[&common[..], headers].concat(), body)
}

/// An error of the API.
pub(crate) fn refused(status: u16, code: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let common = [("content-type", "application/json"), ("x-fc-request-id", "1-673f-abc")];
    let body = format!(r#"{{"RequestId":"1-673f-abc","Code":"{code}","Message":"what was wrong"}}"#);
    reply(status, &[&common[..], headers].concat(), body)
}

/// What a request presents, its head put back together.
pub(crate) fn presented(request: &Received) -> (Method, String, Presented) {
    let mut line = request.request_line().split(' ');
    let method: Method = line.next().expect("a method").parse().expect("a method");
    let target = line.next().expect("a target").to_owned();
    let mut headers = HeaderMap::new();
    for (name, value) in request.head.lines().skip(1).filter_map(|line| line.split_once(": ")) {
        let name: HeaderName = name.parse().expect("a name");
        headers.append(name, HeaderValue::from_str(value).expect("a value"));
    }
    let (path, query) = target.split_once('?').map_or((target.as_str(), None), |(path, query)| (path, Some(query)));
    let presented = Presented::of(&method, path, query, &headers).expect("a signature");
    (method, target, presented)
}
