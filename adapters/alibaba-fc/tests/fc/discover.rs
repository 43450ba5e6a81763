//! What is deployed in the region.

use std::time::Duration;

use merit_venue::{ErrorKind, Outcome, Venue};

use crate::server::{Answer, SECRET_KEY, TestServer, presented, refused, reply, venue_at};

#[tokio::test]
async fn pages_are_followed_to_the_last() {
    let first = r#"{"functions":[{"functionName":"zoom","cpu":0.35,"memorySize":512,"timeout":60,"instanceConcurrency":20,"codeChecksum":"2825179536350383358",
        "tags":[{"Key":"merit-function","Value":"thumbnail"}]}],"nextToken":"a/b+c="}"#;
    let last = r#"{"functions":[{"functionName":"blur"},{"functionName":""}],"nextToken":""}"#;
    let server = TestServer::start(move |request| {
        let (method, path, presented) = presented(request);
        assert_eq!(method.as_str(), "GET");
        assert_eq!(presented.verify(SECRET_KEY, b""), Ok(()), "{path}");
        assert_eq!(request.header("x-acs-action"), Some("ListFunctions"));
        let body = match path.as_str() {
            "/2023-03-30/functions?limit=100" => first,
            "/2023-03-30/functions?limit=100&nextToken=a%2Fb%2Bc%3D" => last,
            other => panic!("{other}"),
        };
        Answer::Send(reply(200, &[("x-fc-request-id", "1")], body))
    })
    .await;
    let found = venue_at(&server.url(), |_| {}).discover().await.expect("a list").expect("it can tell");
    let names: Vec<&str> = found.iter().map(|function| function.name.as_str()).collect();
    assert_eq!(names, ["blur", "zoom"]);
    let zoom = &found[1];
    assert_eq!((zoom.memory.map(|size| size.megabytes()), zoom.vcpu_milli), (Some(512), Some(350)));
    assert_eq!((zoom.instance_concurrency, found[0].instance_concurrency), (Some(20), None));
    assert_eq!((zoom.digest.as_deref(), found[0].digest.as_deref()), (Some("crc64:2825179536350383358"), None));
    assert_eq!((zoom.timeout, zoom.target.as_str()), (Some(Duration::from_secs(60)), "zoom"));
    assert_eq!(zoom.tags["merit-function"], "thumbnail");
}

#[tokio::test]
async fn a_list_that_can_not_be_had_says_why() {
    for (answer, kind) in [
        (refused(403, "InvalidAccessKeyID", &[]), ErrorKind::BadCredentials),
        (reply(200, &[("content-type", "text/html")], "<html>"), ErrorKind::MalformedReply),
    ] {
        let server = TestServer::start(move |_| Answer::Send(answer.clone())).await;
        let error = venue_at(&server.url(), |_| {}).discover().await.expect_err("no list");
        assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, kind), "{error}");
    }
}
