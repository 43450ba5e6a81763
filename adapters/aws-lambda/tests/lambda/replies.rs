//! What comes back, also from emulators, and what it means when it comes back broken or late.

use std::sync::Arc;
use std::time::Duration;

use merit_units::Micros;
use merit_venue::{Call, ErrorKind, LambdaContext, MeterBasis, Outcome, Venue, VenueError};
use merit_venue_aws_lambda::LambdaConfig;
use tokio::time::{Instant, timeout};

use crate::server::{Answer, PATIENCE, TestServer, call, head, invoke, log, ok, reply, venue_at};

const REPORT: &str = "Duration: 0.49 ms\tBilled Duration: 1 ms\tMemory Size: 128 MB\tMax Memory Used: 70 MB";

/// The failure of one call to a server that always answers so.
async fn failure(answer: Answer, change: impl FnOnce(&mut LambdaConfig)) -> VenueError {
    let server = TestServer::start(move |_| answer.clone()).await;
    let venue = venue_at(&server.url(), change).await;
    let failed = timeout(PATIENCE, invoke(&venue, "{}")).await.expect("it is told in time");
    let error = failed.expect_err("a broken answer");
    assert_eq!(server.calls(), 1, "one attempt is one call");
    error
}

#[tokio::test]
async fn the_report_the_log_and_the_version_reach_the_caller() {
    let server = TestServer::start(|_| Answer::Send(ok(&[("x-amz-log-result", &log(REPORT))], "1"))).await;
    let venue = venue_at(&server.url(), |_| {}).await;
    let reply = invoke(&venue, "{}").await.expect("a reply");
    assert_eq!((reply.usage.duration, reply.meters, reply.cold), (Micros::new(490), MeterBasis::Reported, false));
    assert_eq!((reply.version.as_deref(), reply.log_tail), (Some("$LATEST"), None), "nobody asked for the log");
    let lambda = Some(Arc::new(LambdaContext { log_tail: true, ..LambdaContext::default() }));
    let reply = venue.invoke(Call { lambda, ..call("{}") }).await.expect("a reply");
    let tail = reply.log_tail.expect("asked for");
    assert!(String::from_utf8_lossy(&tail).contains(REPORT), "{tail:?}");
}

#[tokio::test]
async fn an_error_of_a_function_is_a_reply_however_it_is_worded() {
    let body = r#"{"errorType":"ValueError","errorMessage":"no","stackTrace":[]}"#;
    for (who, answer) in [
        ("Lambda", ok(&[("x-amz-function-error", "Unhandled")], body)),
        ("serverless-offline", reply(200, &[("x-amz-function-error", "Unhandled")], body)),
        ("cargo-lambda", reply(500, &[], body)),
    ] {
        let server = TestServer::start(move |_| Answer::Send(answer.clone())).await;
        let venue = venue_at(&server.url(), |_| {}).await;
        let reply = invoke(&venue, "{}").await.expect(who);
        let error = reply.function_error.expect(who);
        assert_eq!((error.kind.as_str(), error.message.as_str()), ("ValueError", "no"), "{who}");
        assert_eq!((reply.payload.as_ref(), reply.meters), (body.as_bytes(), MeterBasis::OwnClock), "{who}");
    }
}

#[tokio::test]
async fn a_reply_that_breaks_off_is_a_call_that_ran() {
    let short = [head(200, &[], 100), b"only this".to_vec()].concat();
    let error = failure(Answer::Last(short), |_| {}).await;
    assert_eq!((error.kind, error.outcome), (ErrorKind::ConnectionCut, Outcome::Ran), "{error}");
    assert!(error.usage.is_some_and(|usage| usage.duration > Micros::ZERO));
}

#[tokio::test]
async fn chunks_that_are_no_chunks_are_malformed() {
    let garbled = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nwhat\r\n".to_vec();
    let error = failure(Answer::Last(garbled), |_| {}).await;
    assert_eq!((error.kind, error.outcome), (ErrorKind::MalformedReply, Outcome::Ran), "{error}");
}

#[tokio::test]
async fn a_reply_without_end_stops_at_the_bound() {
    let endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let error = failure(Answer::Drip(endless), |config| config.max_reply_bytes = 5).await;
    assert_eq!((error.kind, error.outcome), (ErrorKind::ReplyTooLarge, Outcome::Ran), "{error}");
    assert!(error.message.contains("more than the 5 bytes"), "{error}");
}

#[tokio::test]
async fn a_head_that_does_not_come_in_time_leaves_the_outcome_unknown() {
    let error = failure(Answer::Silence, |config| config.reach.first_byte_timeout = Duration::from_millis(50)).await;
    assert_eq!((error.kind, error.outcome), (ErrorKind::Timeout, Outcome::Unknown), "{error}");
}

#[tokio::test]
async fn a_reply_that_takes_too_long_is_a_call_that_ran() {
    let server = TestServer::start(|_| Answer::Drip(head(200, &[], 1 << 20))).await;
    let venue = venue_at(&server.url(), |_| {}).await;
    let deadline = Instant::now() + Duration::from_millis(100);
    let error = venue.invoke(Call { deadline, ..call("{}") }).await.expect_err("too slow");
    assert_eq!((error.kind, error.outcome), (ErrorKind::Timeout, Outcome::Ran), "{error}");
    assert!(error.usage.is_some(), "it is billed");
}

#[tokio::test]
async fn a_connection_that_can_not_be_made_in_time_is_surely_not_started() {
    // A full backlog: the system takes no further connection, and nobody answers.
    let listener = tokio::net::TcpSocket::new_v4().expect("a socket");
    listener.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let listener = listener.listen(1).expect("listens");
    let address = listener.local_addr().expect("an address");
    let mut filling = Vec::new();
    while let Ok(Ok(stream)) = timeout(Duration::from_millis(100), tokio::net::TcpStream::connect(address)).await {
        filling.push(stream);
    }
    let short = |config: &mut LambdaConfig| config.reach.connect_timeout = Duration::from_millis(100);
    let venue = venue_at(&format!("http://{address}"), short).await;
    let error = timeout(PATIENCE, invoke(&venue, "{}")).await.expect("in time").expect_err("no connection");
    assert_eq!((error.kind, error.outcome), (ErrorKind::Connect, Outcome::NotStarted), "{error}");
}
