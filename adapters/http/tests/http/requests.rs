//! What is sent.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use merit_venue::{Target, Venue};
use tokio::time::Instant;

use crate::server::{TestServer, call, echo, invoke};

#[tokio::test]
async fn sends_the_call_its_trace_and_the_configured_headers() {
    let server = TestServer::start(echo).await;
    let venue = server.venue(|config| {
        config.base_url.push_str("/function/");
        config.headers.push(("x-functions-key".to_owned(), "k1".to_owned()));
    });
    let mut traced = call("payload");
    traced.target = Arc::new(Target::try_new("resize.images?x=1").expect("a target"));
    traced.content_type = Some(HeaderValue::from_static("image/png"));
    traced.traceparent = Some(HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
    traced.tracestate = Some(HeaderValue::from_static("vendor=1"));
    venue.invoke(traced).await.expect("an echo");

    let sent = server.received(0);
    assert_eq!(sent.request_line(), "POST /function/resize.images?x=1 HTTP/1.1");
    assert_eq!(sent.body, b"payload");
    for (name, value) in [
        ("host", server.address.to_string().as_str()),
        ("content-length", "7"),
        ("content-type", "image/png"),
        ("x-functions-key", "k1"),
        ("merit-invocation-id", "0199f0a2-7c1e-7fff-bfff-ffffffffffff"),
        ("merit-attempt", "2"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("tracestate", "vendor=1"),
        ("user-agent", concat!("merit/", env!("CARGO_PKG_VERSION"))),
    ] {
        assert_eq!(sent.header(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn tells_the_time_left_and_never_more_than_the_venues_own() {
    let server = TestServer::start(echo).await;
    let venue = server.venue(|config| config.whole_timeout = Duration::from_secs(30));
    for (deadline, most) in [(Duration::from_secs(5), 5_000), (Duration::from_secs(90), 30_000)] {
        let mut timed = call("x");
        timed.deadline = Instant::now() + deadline;
        venue.invoke(timed).await.expect("an echo");
        let sent = server.received(server.calls() - 1);
        let left: u64 = sent.header("merit-deadline-ms").expect("a deadline").parse().expect("a number");
        assert!((most - 2_000..=most).contains(&left), "{left}");
    }
}

#[tokio::test]
async fn routes_by_the_host_header_where_an_ingress_does() {
    let server = TestServer::start(echo).await;
    let venue = server.venue(|config| config.host = Some("{function}.default.example.com".to_owned()));
    invoke(&venue, "x").await.expect("an echo");
    assert_eq!(server.received(0).header("host"), Some("resize.default.example.com"));
}

#[tokio::test]
async fn an_empty_payload_and_no_optional_header() {
    let server = TestServer::start(echo).await;
    let venue = server.venue(|_| {});
    let reply = invoke(&venue, "").await.expect("an echo");
    assert!(reply.payload.is_empty() && reply.function_error.is_none());
    let sent = server.received(0);
    assert_eq!(sent.header("content-length"), Some("0"));
    for absent in ["content-type", "traceparent", "tracestate", "transfer-encoding"] {
        assert_eq!(sent.header(absent), None, "{absent}");
    }
}

#[tokio::test]
async fn a_payload_above_the_configured_limit_is_not_sent() {
    let server = TestServer::start(echo).await;
    let venue = server.venue(|config| config.max_request_bytes = 3);
    let error = invoke(&venue, "four").await.expect_err("too large");
    assert_eq!(error.kind, merit_venue::ErrorKind::PayloadTooLarge);
    assert_eq!((error.outcome, server.connections()), (merit_venue::Outcome::NotStarted, 0));
    assert_eq!(venue.limits().request_bytes, 3);
}
