//! Every status of a call and the codes of refusals, over the wire, all within HTTP 200.

use std::time::Duration;

use merit_cloud_wire::scf::Status;
use merit_venue::ErrorKind::{
    BadCredentials, Burst, Misconfigured, NotFound, PayloadRefused, PayloadTooLarge, ReplyTooLarge, Throttled, Timeout,
    Unavailable,
};
use merit_venue::Outcome::{NotStarted, Ran, Unknown};
use merit_venue::{ErrorKind, Outcome, Reply, Venue, VenueError};

use crate::server::{Answer, TestServer, ended, invoke, refused, reply, returned, venue_at};

/// Each status, and what it means; `None` is the function's own error.
const TABLE: [(u16, Option<(Outcome, ErrorKind)>); 29] = [
    (400, Some((NotStarted, PayloadRefused))),
    (401, Some((NotStarted, BadCredentials))),
    (402, Some((NotStarted, Misconfigured))),
    (404, Some((NotStarted, Misconfigured))),
    (405, Some((Unknown, Unavailable))),
    (406, Some((NotStarted, PayloadTooLarge))),
    (407, Some((Ran, ReplyTooLarge))),
    (410, Some((NotStarted, Misconfigured))),
    (429, Some((NotStarted, Burst))),
    (430, None),
    (432, Some((NotStarted, Throttled))),
    (433, None),
    (434, None),
    (435, Some((NotStarted, NotFound))),
    (436, Some((NotStarted, Misconfigured))),
    (437, None),
    (438, Some((NotStarted, Unavailable))),
    (439, None),
    (441, Some((NotStarted, BadCredentials))),
    (442, Some((NotStarted, NotFound))),
    (443, None),
    (444, Some((NotStarted, Misconfigured))),
    (445, Some((NotStarted, Misconfigured))),
    (446, Some((NotStarted, Misconfigured))),
    (447, Some((NotStarted, Timeout))),
    (449, Some((NotStarted, Unavailable))),
    (450, Some((NotStarted, Timeout))),
    (499, Some((Unknown, Unavailable))),
    (500, Some((Unknown, Unavailable))),
];

async fn answered(answer: Vec<u8>) -> Result<Reply, VenueError> {
    let server = TestServer::start(move |_| Answer::Send(answer.clone())).await;
    let result = invoke(&venue_at(&server.url(), |_| {}), "{}").await;
    assert_eq!(server.calls(), 1, "one attempt is one call");
    result
}

#[tokio::test]
async fn each_status_means_what_the_table_says() {
    for (status, expected) in TABLE {
        let name = Status::numbered(status).name();
        match (answered(ended(status, "what was wrong")).await, expected) {
            (Ok(reply), None) => {
                let error = reply.function_error.expect("an error of the function");
                assert_eq!((error.kind.as_str(), error.message.as_str()), (name, "what was wrong"), "{status}");
                assert!(reply.usage.duration.get() > 0, "it is billed");
            }
            (Err(error), Some(meant)) => {
                assert_eq!((error.outcome, error.kind), meant, "{status}");
                assert!(error.message.contains(name) && error.message.contains("what was wrong"), "{error}");
                assert_eq!(error.usage.is_some(), error.outcome == Ran, "{status}");
            }
            (other, _) => panic!("{status}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_burst_and_concurrency_are_told_apart() {
    let burst = answered(ended(429, "")).await.expect_err("a burst");
    let quota = answered(ended(432, "")).await.expect_err("the quota");
    assert_eq!((burst.kind, quota.kind), (Burst, Throttled), "a pause, and fewer calls at once");
    assert!(burst.message.contains("429 ResourceLimit:"), "{burst}");
    assert!(
        quota.message.contains("432 ResourceLimitReached:") && quota.message.contains("memory_quota_mb"),
        "{quota}"
    );
}

#[tokio::test]
async fn refusals_of_the_api_are_meant_by_their_code() {
    for (code, outcome, kind) in [
        ("AuthFailure.SignatureExpire", NotStarted, BadCredentials),
        ("UnauthorizedOperation.CAM", NotStarted, BadCredentials),
        ("RequestLimitExceeded", NotStarted, Throttled),
        ("LimitExceeded.UserTotalConcurrencyMemory", NotStarted, Throttled),
        ("ResourceNotFound.FunctionName", NotStarted, NotFound),
        ("ResourceUnavailable.InsufficientBalance", NotStarted, Misconfigured),
        ("InternalError.System", Unknown, Unavailable),
    ] {
        let error = answered(refused(code)).await.expect_err(code);
        assert_eq!((error.outcome, error.kind), (outcome, kind), "{code}");
        assert!(error.message.contains(code) && error.message.contains("what was wrong"), "{error}");
    }
}

#[tokio::test]
async fn answers_of_something_else_are_read_by_what_they_are() {
    let html = [("content-type", "text/html")];
    for (answer, outcome, kind) in [
        (reply(200, &html, "<html><h1>It works!</h1></html>"), Unknown, ErrorKind::MalformedReply),
        (reply(200, &[], "{}"), Unknown, ErrorKind::MalformedReply),
        (reply(200, &[], r#"{"Response":{"RequestId":"1"}}"#), Unknown, ErrorKind::MalformedReply),
        (reply(504, &html, "<html></html>"), Unknown, Timeout),
        (reply(307, &[("location", "https://elsewhere/")], ""), Unknown, Misconfigured),
    ] {
        let error = answered(answer).await.expect_err("no reply");
        assert_eq!((error.outcome, error.kind), (outcome, kind), "{error}");
        assert!(!error.message.contains("<h1>"), "{error}");
    }
}

#[tokio::test]
async fn a_refused_key_makes_the_venue_unready_until_it_is_tried_again() {
    let server = TestServer::start(|request| match request.call {
        0 => Answer::Send(refused("AuthFailure.SecretIdNotFound")),
        _ => Answer::Send(returned("1")),
    })
    .await;
    let venue = venue_at(&server.url(), |config| config.credentials_retry = Duration::from_millis(200));
    invoke(&venue, "1").await.expect_err("no such key");
    let why = venue.unready().expect("why");
    assert!(why.contains("check the SecretId"), "{why}");
    let error = invoke(&venue, "1").await.expect_err("not tried");
    assert_eq!((error.outcome, server.calls()), (NotStarted, 1), "nothing was sent");
    while venue.unready().is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(invoke(&venue, "1").await.expect("mended").payload, "1");
    let nowhere = venue_at("http://scf.merit.invalid/", |_| {});
    assert_eq!(invoke(&nowhere, "1").await.expect_err("no such host").kind, ErrorKind::Dns);
    assert!(nowhere.unready().expect("why").contains("scf.merit.invalid"));
}
