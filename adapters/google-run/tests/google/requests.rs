//! What is sent, and whose time counts.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method};
use merit_units::Micros;
use merit_venue::{Call, ErrorKind, HttpHead, MeterBasis, Outcome, Venue};

use crate::server::{Answer, TestServer, call, echo, invoke, reply, target, token, venue_at, venue_with};

#[tokio::test]
async fn a_call_carries_its_token_and_what_belongs_to_it() {
    let server = TestServer::start(echo).await;
    let good = token("good");
    let given = good.clone();
    let metadata = TestServer::start(move |_| Answer::Send(reply(200, &[], given.clone()))).await;
    let venue = venue_with(&format!("{}/gcp", server.url()), &metadata.url(), |_| {});
    for _ in 0..3 {
        invoke(&venue, "{}").await.expect("an echo");
    }
    let sent = server.received(1);
    assert_eq!(sent.request_line(), "POST /gcp/resize HTTP/1.1");
    assert_eq!(sent.header("authorization"), Some(format!("Bearer {good}").as_str()));
    assert_eq!(sent.header("merit-invocation-id"), Some("0199f0a2-7c1e-7fff-bfff-ffffffffffff"));
    assert_eq!((sent.header("merit-attempt"), sent.header("content-type")), (Some("2"), None));

    assert_eq!(metadata.calls(), 1, "one token serves all calls");
    let asked = metadata.received(0);
    assert_eq!(asked.header("metadata-flavor"), Some("Google"));
    // The address of the service is its audience, encoded as a query has it.
    let audience = format!("{}/gcp/resize", server.url()).replace(':', "%3A").replace('/', "%2F");
    let path = "/computeMetadata/v1/instance/service-accounts/default/identity";
    assert!(asked.request_line().contains(&format!("{path}?audience={audience}")), "{}", asked.request_line());
}

#[tokio::test]
async fn a_request_of_plain_http_arrives_as_it_was_sent_and_its_authorization_is_the_apps() {
    let answer = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\nset-cookie: a=1\r\n\r\nno";
    let server = TestServer::start(|_| Answer::Send(answer.to_vec())).await;
    let venue = venue_at(&server.url(), |_| {}).await;
    let mut headers = HeaderMap::new();
    for (name, value) in
        [("authorization", "Basic dTpw"), ("x-serverless-authorization", "Bearer mine"), ("user-agent", "browser/1")]
    {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let http = HttpHead { method: Method::PUT, below: "/a%2Fb".into(), query: Some("x=1".into()), headers };
    assert!(venue.takes_http(&call("").target));
    let reply = venue.invoke(Call { http: Some(Arc::new(http)), ..call("body") }).await.expect("the app's own refusal");
    assert_eq!((reply.status, &reply.payload[..], reply.function_error), (401, &b"no"[..], None));
    assert_eq!(reply.headers.expect("all headers")["set-cookie"], "a=1");
    let sent = server.received(0);
    assert_eq!((sent.request_line(), &sent.body[..]), ("PUT /resize/a%2Fb?x=1 HTTP/1.1", &b"body"[..]));
    assert_eq!((sent.header("authorization"), sent.header("user-agent")), (Some("Basic dTpw"), Some("browser/1")));
    let token = sent.header("x-serverless-authorization").expect("the venue's token");
    assert!(token.starts_with("Bearer ey"), "{token}");
    assert!(venue.unready().is_none(), "an app that refuses a user says nothing about the venue");
}

#[tokio::test]
async fn a_custom_audience_is_what_the_token_is_made_out_to() {
    let server = TestServer::start(echo).await;
    let metadata = TestServer::start(|_| Answer::Send(reply(200, &[], token("good")))).await;
    let venue = venue_with(&server.url(), &metadata.url(), |config| config.audience = Some("orders".to_owned()));
    for name in ["resize", "other"] {
        let mut call = call("{}");
        call.target = target(name);
        venue.invoke(call).await.expect("an echo");
    }
    assert_eq!(metadata.calls(), 1, "one audience, one token");
    assert!(metadata.received(0).request_line().contains("audience=orders"));
}

#[tokio::test]
async fn usage_is_by_the_own_clock_less_the_round_trip() {
    let slow = || TestServer::start(|_| Answer::After(Duration::from_millis(200), reply(200, &[], "ok")));
    let server = slow().await;
    let venue = venue_at(&server.url(), |config| config.round_trip = Duration::from_millis(150)).await;
    let begun = tokio::time::Instant::now();
    let reply = invoke(&venue, "{}").await.expect("a reply");
    let longest = Micros::from_std(begun.elapsed()).get() - 150_000;
    assert_eq!(reply.meters, MeterBasis::OwnClock);
    assert!((50_000..=longest).contains(&reply.usage.duration.get()), "{}", reply.usage.duration);
    let venue = venue_at(&server.url(), |config| config.round_trip = Duration::from_secs(60)).await;
    let reply = invoke(&venue, "{}").await.expect("a reply");
    assert_eq!(reply.usage.duration, Micros::new(1), "no call is free");
}

#[tokio::test]
async fn what_google_answers_in_place_of_the_service_says_what_to_do() {
    for (status, outcome, kind, hint) in [
        (403, Outcome::NotStarted, ErrorKind::BadCredentials, "roles/run.invoker"),
        (404, Outcome::NotStarted, ErrorKind::NotFound, "check the target"),
        (503, Outcome::Unknown, ErrorKind::Unavailable, "503"),
        (302, Outcome::Unknown, ErrorKind::Misconfigured, "not followed"),
    ] {
        let server = TestServer::start(move |_| Answer::Send(reply(status, &[], ""))).await;
        let venue = venue_at(&server.url(), |_| {}).await;
        let error = invoke(&venue, "{}").await.expect_err("refused");
        assert_eq!((error.outcome, error.kind), (outcome, kind), "{error}");
        assert!(error.message.contains(hint), "{error}");
        assert_eq!(venue.unready(), None, "that is one service's affair");
    }
}
