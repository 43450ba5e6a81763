//! What is sent, whose time counts, and what answers mean.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method};
use merit_units::{MemoryMb, Micros};
use merit_venue::{Call, ErrorKind, HttpHead, MeterBasis, Outcome, Venue};

use crate::server::{Answer, TestServer, call, echo, entra, invoke, issued, reply, target, venue_at};

#[tokio::test]
async fn a_call_carries_its_key_and_its_token() {
    let server = TestServer::start(echo).await;
    let authority = TestServer::start(|_| Answer::Send(issued("eyJ.entra.tok"))).await;
    let venue = venue_at(&server.url(), |config| config.entra = Some(entra(&authority.url(), "s3cret~value+/=")));
    for _ in 0..3 {
        invoke(&venue, "{}").await.expect("an echo");
    }
    let sent = server.received(1);
    assert_eq!(sent.request_line(), "POST /api/resize HTTP/1.1");
    assert_eq!(sent.header("x-functions-key"), Some("the-key"));
    assert_eq!(sent.header("authorization"), Some("Bearer eyJ.entra.tok"));
    assert_eq!(sent.header("merit-invocation-id"), Some("0199f0a2-7c1e-7fff-bfff-ffffffffffff"));
    assert_eq!(authority.calls(), 1, "one token serves all calls");
    let asked = authority.received(0);
    assert_eq!(asked.request_line(), "POST /11111111-1111-1111-1111-111111111111/oauth2/v2.0/token HTTP/1.1");
    // What azure-identity 1.27.0 for Python sends, but for its client_info.
    let form = String::from_utf8(asked.body).expect("a form");
    let mut parts: Vec<&str> = form.split('&').collect();
    parts.sort_unstable();
    let expected = [
        "client_id=22222222-2222-2222-2222-222222222222",
        "client_secret=s3cret%7Evalue%2B%2F%3D",
        "grant_type=client_credentials",
        "scope=api%3A%2F%2F33333333-3333-3333-3333-333333333333%2F.default",
    ];
    assert_eq!(parts, expected);
}

#[tokio::test]
async fn a_request_of_plain_http_arrives_as_it_was_sent_but_for_the_venues_key() {
    // What an orchestration's beginning looks like is passed on like any other answer.
    let answer =
        b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\nset-cookie: a=1\r\nlocation: https://elsewhere/\r\n\r\n{}";
    let server = TestServer::start(|_| Answer::Send(answer.to_vec())).await;
    let venue = venue_at(&server.url(), |config| config.durable = true);
    let mut headers = HeaderMap::new();
    for (name, value) in [("authorization", "Basic dTpw"), ("x-functions-key", "mine"), ("user-agent", "browser/1")] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let http = HttpHead { method: Method::PATCH, below: "/a%2Fb".into(), query: Some("x=1".into()), headers };
    assert!(venue.takes_http(&call("").target));
    let reply = venue.invoke(Call { http: Some(Arc::new(http)), ..call("body") }).await.expect("a reply");
    assert_eq!((reply.status, &reply.payload[..], server.calls()), (202, &b"{}"[..], 1));
    let all = reply.headers.expect("all headers");
    assert_eq!([&all["set-cookie"], &all["location"]], ["a=1", "https://elsewhere/"]);
    let sent = server.received(0);
    assert_eq!((sent.request_line(), &sent.body[..]), ("PATCH /api/resize/a%2Fb?x=1 HTTP/1.1", &b"body"[..]));
    for (name, value) in [("authorization", "Basic dTpw"), ("x-functions-key", "the-key"), ("user-agent", "browser/1")]
    {
        assert_eq!(sent.header(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn an_app_with_a_key_of_its_own_gets_that() {
    let server = TestServer::start(echo).await;
    let venue = venue_at(&server.url(), |config| {
        config.app_keys.insert("127".to_owned(), "its-own".to_owned());
    });
    invoke(&venue, "{}").await.expect("an echo");
    assert_eq!(server.received(0).header("x-functions-key"), Some("its-own"), "an app is its host's first label");
}

#[tokio::test]
async fn usage_is_by_the_own_clock_and_the_assumed_memory() {
    let server = TestServer::start(|_| Answer::After(Duration::from_millis(200), reply(200, &[], "ok"))).await;
    let memory = MemoryMb::try_new(256).ok();
    let venue = venue_at(&server.url(), |config| {
        config.round_trip = Duration::from_millis(150);
        config.assumed_memory = memory;
    });
    let begun = tokio::time::Instant::now();
    let reply = invoke(&venue, "{}").await.expect("a reply");
    let longest = Micros::from_std(begun.elapsed()).get() - 150_000;
    assert_eq!((reply.meters, reply.usage.memory_peak), (MeterBasis::OwnClock, memory));
    assert!((50_000..=longest).contains(&reply.usage.duration.get()), "{}", reply.usage.duration);
}

#[tokio::test]
async fn what_azure_answers_in_place_of_the_function_says_what_to_do() {
    for (status, body, outcome, kind, hint) in [
        (403, "", Outcome::NotStarted, ErrorKind::BadCredentials, "Authentication page"),
        (404, "", Outcome::NotStarted, ErrorKind::NotFound, "route prefix"),
        (503, "Function host is not running.", Outcome::NotStarted, ErrorKind::Unavailable, "not running"),
        (503, "Service Unavailable", Outcome::Unknown, ErrorKind::Unavailable, "503"),
        (502, "", Outcome::Unknown, ErrorKind::Unavailable, "502"),
        (302, "", Outcome::Unknown, ErrorKind::Misconfigured, "not followed"),
    ] {
        let server = TestServer::start(move |_| Answer::Send(reply(status, &[], body))).await;
        let venue = venue_at(&server.url(), |_| {});
        let error = invoke(&venue, "{}").await.expect_err("refused");
        assert_eq!((error.outcome, error.kind), (outcome, kind), "{error}");
        assert!(error.message.contains(hint), "{error}");
        assert_eq!(venue.unready(), None, "that is one app's affair");
    }
}

#[tokio::test]
async fn a_key_in_a_target_is_sent_and_not_shown() {
    let server = TestServer::start(|_| Answer::Send(reply(404, &[], ""))).await;
    let venue = venue_at(&server.url(), |config| config.function_key = None);
    let mut call = call("{}");
    call.target = target("resize?code=hunter2");
    let error = venue.invoke(call).await.expect_err("no such function");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    assert_eq!(server.received(0).request_line(), "POST /api/resize?code=hunter2 HTTP/1.1");
    assert_eq!(server.received(0).header("x-functions-key"), None);
}
