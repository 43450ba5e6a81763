//! What is deployed in the region.

use merit_venue::{ErrorKind, Outcome, Venue};

use crate::server::{Answer, SECRET_KEY, TestServer, presented, refused, reply, venue_at};

#[tokio::test]
async fn pages_are_followed_to_the_last() {
    let server = TestServer::start(|request| {
        assert_eq!(presented(request).verify(SECRET_KEY, &request.body), Ok(()));
        assert_eq!(request.header("x-tc-action"), Some("ListFunctions"));
        let functions = match String::from_utf8_lossy(&request.body).as_ref() {
            r#"{"Offset":0,"Limit":100}"# => {
                r#"[{"FunctionName":"zoom","Namespace":"prod","Tags":[{"Key":"merit-function","Value":"thumbnail"}]}]"#
            }
            r#"{"Offset":100,"Limit":100}"# => r#"[{"FunctionName":"blur","Namespace":"default","Runtime":"Go1"}]"#,
            other => panic!("{other}"),
        };
        let body = format!(r#"{{"Response":{{"Functions":{functions},"TotalCount":101,"RequestId":"1"}}}}"#);
        Answer::Send(reply(200, &[], body))
    })
    .await;
    let found = venue_at(&server.url(), |_| {}).discover().await.expect("a list").expect("it can tell");
    let targets: Vec<&str> = found.iter().map(|function| function.target.as_str()).collect();
    assert_eq!(targets, ["blur", "prod/zoom"]);
    assert_eq!(found[1].tags["merit-function"], "thumbnail");
}

#[tokio::test]
async fn a_list_that_can_not_be_had_says_why() {
    for (answer, kind) in [
        (refused("AuthFailure.SecretIdNotFound"), ErrorKind::BadCredentials),
        (reply(200, &[], "<html>"), ErrorKind::MalformedReply),
    ] {
        let server = TestServer::start(move |_| Answer::Send(answer.clone())).await;
        let error = venue_at(&server.url(), |_| {}).discover().await.expect_err("no list");
        assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, kind), "{error}");
    }
}
