//! What is sent, and what replies tell besides their payload.

use std::sync::Arc;

use merit_cloud_wire::scf::CallResult;
use merit_units::Timestamp;
use merit_venue::{ErrorKind, LambdaContext, Outcome, Venue};
use merit_venue_tencent_scf::{Action, Keys};

use crate::server::{
    Answer, NOW_S, SECRET_ID, SECRET_KEY, TestServer, call, invoke, presented, result, returned, venue_at,
};

#[tokio::test]
async fn a_call_is_signed_and_says_what_to_call() {
    let server = TestServer::start(|_| Answer::Send(returned("\"日本\""))).await;
    let venue = venue_at(&server.url(), |config| {
        let token = Some("TOKEN/+==".to_owned());
        config.keys = Some(Keys { secret_id: SECRET_ID.to_owned(), secret_key: SECRET_KEY.to_owned(), token });
    });
    let reply = venue.invoke(call("prod/resize:live", "{\"é\":1}")).await.expect("a reply");
    assert_eq!((reply.payload.as_ref(), reply.status), ("\"日本\"".as_bytes(), 200));
    let request = server.received(0);
    let presented = presented(&request);
    assert_eq!((presented.secret_id(), presented.token()), (SECRET_ID, Some("TOKEN/+==")));
    assert_eq!(presented.check_time(Timestamp::from_micros(NOW_S * 1_000_000)), Ok(()));
    assert_eq!(presented.verify(SECRET_KEY, &request.body), Ok(()));
    let body: serde_json::Value = serde_json::from_slice(&request.body).expect("JSON");
    let expected =
        serde_json::json!({ "FunctionName": "resize", "Qualifier": "live", "Event": "{\"é\":1}", "Namespace": "prod" });
    assert_eq!(body, expected);
    for (name, value) in [
        ("x-tc-action", "InvokeFunction"),
        ("x-tc-version", "2018-04-16"),
        ("x-tc-region", "ap-guangzhou"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(request.header(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn the_older_action_is_made_where_it_is_wanted() {
    let server = TestServer::start(|_| Answer::Send(returned("1"))).await;
    let venue = venue_at(&server.url(), |config| config.action = Action::Invoke);
    invoke(&venue, "[1]").await.expect("a reply");
    let request = server.received(0);
    assert_eq!(request.header("x-tc-action"), Some("Invoke"));
    assert_eq!(presented(&request).verify(SECRET_KEY, &request.body), Ok(()));
    let body: serde_json::Value = serde_json::from_slice(&request.body).expect("JSON");
    let expected =
        serde_json::json!({ "FunctionName": "resize", "InvocationType": "RequestResponse", "ClientContext": "[1]" });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_payload_that_is_no_json_is_refused_before_anything_is_sent() {
    let server = TestServer::start(|_| Answer::Send(returned("1"))).await;
    let venue = venue_at(&server.url(), |_| {});
    let error = invoke(&venue, "# Hello").await.expect_err("no JSON");
    assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::PayloadRefused));
    assert!(error.message.contains("events = \"gateway\""), "{error}");
    assert_eq!(server.calls(), 0);
    let keyless = venue_at(&server.url(), |config| config.keys = None);
    assert!(keyless.unready().expect("why").contains("TENCENTCLOUD_SECRET_ID"));
    assert_eq!(invoke(&keyless, "1").await.expect_err("no keys").kind, ErrorKind::BadCredentials);
    assert_eq!(server.calls(), 0);
}

#[tokio::test]
async fn the_end_of_the_log_goes_to_who_asked_for_it() {
    let server = TestServer::start(|_| {
        let log = format!("{}é the end", "x".repeat(5000));
        Answer::Send(result(CallResult { log, ret_msg: "1".to_owned(), ..CallResult::default() }))
    })
    .await;
    let venue = venue_at(&server.url(), |_| {});
    assert_eq!(invoke(&venue, "1").await.expect("a reply").log_tail, None);
    let mut asked = call("resize", "1");
    asked.lambda = Some(Arc::new(LambdaContext { log_tail: true, ..LambdaContext::default() }));
    let tail = venue.invoke(asked).await.expect("a reply").log_tail.expect("a log");
    assert!(tail.len() <= 4096 && tail.ends_with("é the end".as_bytes()));
    assert!(String::from_utf8_lossy(&server.received(1).body).contains(r#""LogType":"Tail""#));
}
