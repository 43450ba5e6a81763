//! What is sent: the request as Lambda's API has it, once, signed, to the right function.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use merit_venue::{Call, ErrorKind, LambdaContext, Meters, Outcome, Venue};

use crate::server::{ACCESS_KEY_ID, Answer, Received, TestServer, call, invoke, ok, target, venue_at};

async fn echo() -> TestServer {
    TestServer::start(|request| Answer::Send(ok(&[], &request.body))).await
}

async fn sent(call: Call) -> Received {
    let server = echo().await;
    let venue = venue_at(&server.url(), |_| {}).await;
    venue.invoke(call).await.expect("an echo");
    server.received(0)
}

#[tokio::test]
async fn a_call_is_a_signed_invoke_of_its_target() {
    let arn = "arn:aws:lambda:eu-west-1:123456789012:function:resize";
    for (text, line) in [
        ("resize", "POST /2015-03-31/functions/resize/invocations HTTP/1.1"),
        ("resize:live", "POST /2015-03-31/functions/resize/invocations?Qualifier=live HTTP/1.1"),
        ("resize:$LATEST", "POST /2015-03-31/functions/resize/invocations?Qualifier=%24LATEST HTTP/1.1"),
        (
            &format!("{arn}:7"),
            "POST /2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Aresize/invocations?Qualifier=7 HTTP/1.1",
        ),
    ] {
        let sent = sent(Call { target: target(text), ..call("{}") }).await;
        assert_eq!(sent.request_line(), line);
        let authorization = sent.header("authorization").expect("signed");
        assert!(authorization.starts_with(&format!("AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/")), "{authorization}");
        assert!(authorization.contains("/eu-west-1/lambda/aws4_request"), "{authorization}");
        assert_eq!(sent.body, b"{}");
    }
}

#[tokio::test]
async fn the_log_is_asked_for_when_meters_count_or_the_caller_wants_it() {
    let server = echo().await;
    let wanted = Some(Arc::new(LambdaContext { log_tail: true, ..LambdaContext::default() }));
    for (meters, lambda, asked) in [
        (Meters::Reported, None, Some("Tail")),
        (Meters::OwnClock, None, None),
        (Meters::OwnClock, wanted, Some("Tail")),
    ] {
        let venue = venue_at(&server.url(), |config| config.meters = meters).await;
        venue.invoke(Call { lambda, ..call("{}") }).await.expect("an echo");
        assert_eq!(server.received(server.calls() - 1).header("x-amz-log-type"), asked);
    }
}

#[tokio::test]
async fn what_a_caller_of_the_lambda_door_added_is_passed_on() {
    let context =
        LambdaContext { client_context: Some("e30=".into()), tenant: Some("blue".into()), ..LambdaContext::default() };
    let traceparent = HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let sent = sent(Call { lambda: Some(Arc::new(context)), traceparent: Some(traceparent), ..call("{}") }).await;
    assert_eq!(sent.header("x-amz-client-context"), Some("e30="));
    assert_eq!(sent.header("x-amz-tenant-id"), Some("blue"));
    let trace = "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1";
    assert_eq!(sent.header("x-amzn-trace-id"), Some(trace));
    let signed = sent.header("authorization").expect("signed");
    assert!(signed.contains("x-amz-tenant-id") && !signed.contains("x-amzn-trace-id"), "{signed}");
}

#[tokio::test]
async fn connections_are_used_again_and_never_more_than_allowed() {
    let server = TestServer::start(|request| Answer::After(Duration::from_millis(20), ok(&[], &request.body))).await;
    let venue = venue_at(&server.url(), |config| config.reach.max_connections = 2).await;
    let calls = (0..8).map(|_| invoke(&venue, "{}"));
    for reply in futures_util::future::join_all(calls).await {
        reply.expect("an echo");
    }
    assert_eq!((server.calls(), server.most_open()), (8, 2));
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_connection_the_server_closed_meanwhile_costs_no_call() {
    let server = echo().await;
    let venue = venue_at(&server.url(), |_| {}).await;
    for call in 0..3 {
        invoke(&venue, "{}").await.expect("an echo");
        assert_eq!(server.calls(), call + 1);
        server.hang_up().await;
    }
}

#[tokio::test]
async fn a_port_nobody_listens_on_is_surely_not_started() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let venue = venue_at(&url, |_| {}).await;
    let error = invoke(&venue, "{}").await.expect_err("nobody there");
    assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::Connect), "{error}");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_surely_not_started() {
    let venue = venue_at("http://lambda.invalid", |_| {}).await;
    let error = invoke(&venue, "{}").await.expect_err("no such name");
    assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::Dns), "{error}");
    assert!(venue.unready().is_some_and(|why| why.contains("lambda.invalid")), "no other call is tried for a while");
}

#[tokio::test]
async fn what_can_not_be_a_header_is_refused_before_it_is_sent() {
    let server = echo().await;
    let venue = venue_at(&server.url(), |_| {}).await;
    let context = LambdaContext { client_context: Some("e30=\n".into()), ..LambdaContext::default() };
    let error = venue.invoke(Call { lambda: Some(Arc::new(context)), ..call("{}") }).await.expect_err("refused");
    assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::PayloadRefused), "{error}");
    assert_eq!(server.calls(), 0);
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_surely_not_started() {
    let server = TestServer::start(|_| Answer::Silence).await;
    let url = server.url().replace("http://", "https://");
    let venue = venue_at(&url, |_| {}).await;
    let error = invoke(&venue, "{}").await.expect_err("no TLS there");
    assert_eq!(error.outcome, Outcome::NotStarted, "{error}");
    assert!([ErrorKind::Tls, ErrorKind::Timeout].contains(&error.kind), "{error}");
    assert_eq!(server.calls(), 0);
}
