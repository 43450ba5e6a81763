//! Every error that the API names, over the wire, and credentials that are refused.

use std::time::Duration;

use merit_cloud_wire::fc::ErrorCode;
use merit_venue::ErrorKind::{
    BadCredentials, Misconfigured, NotFound, PayloadTooLarge, Throttled, Timeout, Unavailable,
};
use merit_venue::Outcome::{NotStarted, Unknown};
use merit_venue::{ErrorKind, Outcome, Venue, VenueError};

use crate::server::{Answer, TestServer, invoke, ok, refused, reply, venue_at};

const TABLE: [(u16, &str, Outcome, ErrorKind); 20] = [
    (400, "InvalidArgument", NotStarted, Misconfigured),
    (400, "MissingRequiredHeader", NotStarted, Misconfigured),
    (400, "PathNotSupported", NotStarted, Misconfigured),
    (400, "EntityTooLarge", NotStarted, PayloadTooLarge),
    (403, "AccessDenied", NotStarted, BadCredentials),
    (403, "SignatureNotMatch", NotStarted, BadCredentials),
    (403, "InvalidAccessKeyID", NotStarted, BadCredentials),
    (403, "InvalidSecurityToken", NotStarted, BadCredentials),
    (403, "RequestTimeTooSkewed", NotStarted, BadCredentials),
    (404, "FunctionNotFound", NotStarted, NotFound),
    (404, "StatefulAsyncInvocationNotFound", NotStarted, NotFound),
    (404, "AliasNotFound", NotStarted, NotFound),
    (404, "VersionNotFound", NotStarted, NotFound),
    (409, "ConcurrentUpdateError", NotStarted, Unavailable),
    (409, "StatefulAsyncInvocationAlreadyExists", NotStarted, Unavailable),
    (412, "FunctionNotReady", NotStarted, Unavailable),
    (429, "ResourceExhausted", NotStarted, Throttled),
    (499, "ClientClosedRequest", Unknown, Timeout),
    (500, "InternalServerError", Unknown, Unavailable),
    (503, "ResourceThrottled", NotStarted, Throttled),
];

async fn failure(answer: Vec<u8>) -> VenueError {
    let server = TestServer::start(move |_| Answer::Send(answer.clone())).await;
    let venue = venue_at(&server.url(), |_| {});
    let error = invoke(&venue, "{}").await.expect_err("an error");
    assert_eq!(server.calls(), 1, "one attempt is one call: {error}");
    error
}

#[tokio::test]
async fn each_error_means_what_the_table_says() {
    assert_eq!(TABLE.len(), ErrorCode::ALL.len());
    for (status, code, outcome, kind) in TABLE {
        let error = failure(refused(status, code, &[("retry-after", "3")])).await;
        assert_eq!((error.outcome, error.kind), (outcome, kind), "{code}");
        assert!(error.message.contains(code) && error.message.contains("what was wrong"), "{error}");
        assert_eq!((error.usage, error.retry_after), (None, Some(Duration::from_secs(3))), "{code}");
    }
}

#[tokio::test]
async fn answers_of_something_else_are_read_by_what_they_are() {
    let v2 = r#"{"errorCode":"ResourceExhausted","errorMessage":"reached"}"#;
    let html = [("content-type", "text/html")];
    for (answer, outcome, kind) in [
        (reply(429, &[], v2), NotStarted, Throttled),
        (reply(504, &html, "<html></html>"), Unknown, Timeout),
        (reply(503, &[], ""), Unknown, Unavailable),
        (reply(307, &[("location", "https://elsewhere/")], ""), Unknown, Misconfigured),
        // A proxy that answers 200 for a service it does not reach.
        (reply(200, &html, "<html><h1>It works!</h1></html>"), Unknown, ErrorKind::MalformedReply),
        (reply(200, &[], "{}"), Unknown, ErrorKind::MalformedReply),
    ] {
        let error = failure(answer).await;
        assert_eq!((error.outcome, error.kind), (outcome, kind), "{error}");
        assert!(!error.message.contains("<h1>"), "{error}");
    }
}

#[tokio::test]
async fn a_refused_key_makes_the_venue_unready_until_it_is_tried_again() {
    let server = TestServer::start(|request| match request.call {
        0 => Answer::Send(refused(403, "RequestTimeTooSkewed", &[])),
        _ => Answer::Send(ok(&[], "well")),
    })
    .await;
    let venue = venue_at(&server.url(), |config| config.credentials_retry = Duration::from_millis(200));
    assert_eq!(venue.unready(), None);
    invoke(&venue, "x").await.expect_err("the clock is wrong");
    let why = venue.unready().expect("why");
    assert!(why.contains("set this machine's clock"), "{why}");
    let error = invoke(&venue, "x").await.expect_err("not tried");
    assert_eq!((error.outcome, error.kind), (NotStarted, BadCredentials));
    assert_eq!(server.calls(), 1, "nothing was sent");
    while venue.unready().is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(invoke(&venue, "x").await.expect("mended").payload, "well");
}

#[tokio::test]
async fn a_missing_right_concerns_one_function_and_a_name_that_leads_nowhere_all() {
    let server = TestServer::start(|_| Answer::Send(refused(403, "AccessDenied", &[]))).await;
    let venue = venue_at(&server.url(), |_| {});
    invoke(&venue, "x").await.expect_err("denied");
    assert_eq!(venue.unready(), None);
    let nowhere = venue_at("http://fcv3.merit.invalid/", |_| {});
    let error = invoke(&nowhere, "x").await.expect_err("no such host");
    assert_eq!((error.outcome, error.kind), (NotStarted, ErrorKind::Dns), "{error}");
    assert!(nowhere.unready().expect("why").contains("fcv3.merit.invalid"));
}
