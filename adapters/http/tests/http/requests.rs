//! What is sent.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use merit_venue::{Call, HttpHead, Target, Venue};
use merit_venue_http::{OpenFaas, Preset, SharedSecret, Signing};
use tokio::time::Instant;

use crate::server::{Answer, TestServer, call, echo, invoke};

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

fn asked(word: Method, below: &str, query: Option<&str>, headers: &[(&'static str, &'static str)]) -> Call {
    let mut own = HeaderMap::new();
    for (name, value) in headers {
        own.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let http = HttpHead { method: word, below: below.into(), query: query.map(Into::into), headers: own };
    Call { http: Some(Arc::new(http)), ..call("") }
}

#[tokio::test]
async fn a_request_of_plain_http_arrives_as_it_was_sent_but_for_the_venues_credentials() {
    let answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n\r\nnone";
    let server = TestServer::start(|_| Answer::Send(answer.to_vec())).await;
    let venue = server.venue(|config| {
        config.base_url.push_str("/base/");
        config.headers.push(("authorization".to_owned(), "Bearer venue".to_owned()));
        config.headers.push(("x-list".to_owned(), "one".to_owned()));
    });
    let sent = [
        ("authorization", "Basic caller"),
        ("x-list", "other"),
        ("accept", "text/html"),
        ("content-type", "text/plain"),
        ("user-agent", "browser/1"),
        ("merit-attempt", "9"),
    ];
    let reply = venue.invoke(asked(Method::DELETE, "/orders/1%2F2", Some("x=1&y"), &sent)).await.expect("a reply");
    assert_eq!((reply.status, &reply.payload[..], reply.function_error), (404, &b"none"[..], None));
    let cookies = reply.headers.expect("all headers");
    assert_eq!(cookies.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
    let received = server.received(0);
    assert_eq!(received.request_line(), "DELETE /base/fn/orders/1%2F2?x=1&y HTTP/1.1");
    for (name, value) in [
        ("authorization", "Bearer venue"),
        ("x-list", "one"),
        ("accept", "text/html"),
        ("content-type", "text/plain"),
        ("user-agent", "browser/1"),
        ("merit-attempt", "2"),
        ("host", server.address.to_string().as_str()),
    ] {
        assert_eq!(received.header(name), Some(value), "{name}");
    }
    assert_eq!(received.header("content-length"), None, "a DELETE without a body has none");
}

#[tokio::test]
async fn an_answer_to_head_has_a_length_and_no_body_and_the_connection_goes_on() {
    let server =
        TestServer::start(|_| Answer::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 12345\r\n\r\n".to_vec())).await;
    let venue = server.venue(|_| {});
    for _ in 0..2 {
        let reply = venue.invoke(asked(Method::HEAD, "", None, &[])).await.expect("a reply");
        let length = reply.headers.expect("all headers").get("content-length").cloned();
        assert_eq!((reply.payload.len(), length), (0, Some(HeaderValue::from(12345))));
    }
    assert_eq!((server.calls(), server.connections()), (2, 1));
}

#[tokio::test]
async fn calls_that_are_signed_or_queued_are_no_requests_of_plain_http() {
    let server = TestServer::start(echo).await;
    let takes = |venue: &dyn Venue, target: &str| venue.takes_http(&Target::try_new(target).expect("a target"));
    assert!(takes(&*server.venue(|_| {}), "fn"));
    let gateway = server.venue(|config| config.preset = Some(Preset::OpenFaas(OpenFaas::default())));
    assert!(takes(&*gateway, "fn") && !takes(&*gateway, "async/fn"));
    let secret = SharedSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjUPD8ILA==").expect("one");
    let signed = server.venue(|config| config.signing = Some(Signing { secret, clock: || 0 }));
    assert!(!takes(&*signed, "fn"));
}
