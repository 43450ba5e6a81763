//! Streamed replies: passed on piece by piece, ended by what the whole call used.

use std::time::Duration;

use futures_util::StreamExt as _;
use merit_lambda_wire::event_stream::{Event, InvokeComplete};
use merit_units::Micros;
use merit_venue::{Call, ErrorKind, MeterBasis, Outcome, Piece, Reply, Streamed, Venue, VenueError};
use merit_venue_aws_lambda::LambdaConfig;
use tokio::time::{Instant, timeout};

use crate::server::{Answer, PATIENCE, REQUEST_ID, TestServer, call, ok, refused, tail, venue_at};

const REPORT: &str = "Duration: 0.49 ms\tBilled Duration: 1 ms\tMemory Size: 128 MB\tMax Memory Used: 70 MB";

fn chunk(text: &'static str) -> Event {
    Event::PayloadChunk(text.into())
}

fn complete(error: Option<(&str, &str)>) -> Event {
    Event::InvokeComplete(InvokeComplete {
        error_code: error.map(|(code, _)| code.to_owned()),
        error_details: error.map(|(_, details)| details.to_owned()),
        log_tail: Some(tail(REPORT).into()),
    })
}

/// The head of a streamed reply.
fn head() -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\nx-amzn-requestid: {REQUEST_ID}\r\n\
         x-amz-executed-version: 7\r\nx-amzn-remapped-content-type: text/plain\r\n\r\n"
    )
    .into_bytes()
}

fn answer(events: &[Event]) -> Vec<u8> {
    let frames = events.iter().flat_map(|event| event.encode().to_vec());
    head().into_iter().chain(frames).collect()
}

async fn streamed(
    answer: Answer,
    change: impl FnOnce(&mut LambdaConfig),
) -> (TestServer, Result<Streamed, VenueError>) {
    let server = TestServer::start(move |_| answer.clone()).await;
    let venue = venue_at(&server.url(), change).await;
    let streamed = timeout(PATIENCE, venue.stream(call("{}"))).await.expect("in time");
    (server, streamed)
}

/// The payload, and how it ended.
async fn gather(streamed: Streamed) -> (Vec<u8>, Result<Box<Reply>, VenueError>) {
    let mut payload = Vec::new();
    let mut pieces = streamed.pieces;
    while let Some(piece) = timeout(PATIENCE, pieces.next()).await.expect("in time") {
        match piece {
            Ok(Piece::Data(data)) => payload.extend_from_slice(&data),
            Ok(Piece::End(reply)) => {
                assert!(pieces.next().await.is_none(), "the end is the end");
                return (payload, Ok(reply));
            }
            Err(error) => return (payload, Err(error)),
        }
    }
    panic!("a stream ended without an end");
}

#[tokio::test]
async fn pieces_come_as_they_are_sent_and_the_end_tells_what_was_used() {
    let bytes = answer(&[chunk("one "), chunk(""), chunk("two"), complete(None)]);
    let (server, streamed) = streamed(Answer::Last(bytes), |_| {}).await;
    let streamed = streamed.expect("a stream");
    assert_eq!(streamed.version.as_deref(), Some("7"));
    let line = server.received(0).request_line().to_owned();
    assert_eq!(line, "POST /2021-11-15/functions/resize/response-streaming-invocations HTTP/1.1");
    let (payload, end) = gather(streamed).await;
    let end = end.expect("it ended well");
    assert_eq!(payload, b"one two");
    assert_eq!((end.function_error, end.meters), (None, MeterBasis::Reported));
    assert_eq!((end.usage.duration, end.usage.egress_bytes), (Micros::new(490), 7));
}

#[tokio::test]
async fn an_error_in_the_stream_is_the_functions() {
    let bytes = answer(&[chunk("half"), complete(Some(("Unhandled", "it broke")))]);
    let (_server, streamed) = streamed(Answer::Last(bytes), |_| {}).await;
    let (payload, end) = gather(streamed.expect("a stream")).await;
    let error = end.expect("it ran").function_error.expect("an error");
    assert_eq!(
        (payload.as_slice(), error.kind.as_str(), error.message.as_str()),
        (&b"half"[..], "Unhandled", "it broke")
    );
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_a_call_that_ran() {
    for bytes in [answer(&[chunk("half")]), answer(&[chunk("half"), complete(None)])[..head().len() + 90].to_vec()] {
        let (_server, streamed) = streamed(Answer::Last(bytes), |_| {}).await;
        let (_, end) = gather(streamed.expect("a stream")).await;
        let error = end.expect_err("no end came");
        assert_eq!(error.outcome, Outcome::Ran, "{error}");
        assert!(error.usage.is_some_and(|usage| usage.duration > Micros::ZERO), "{error}");
    }
}

#[tokio::test]
async fn a_garbled_frame_is_malformed() {
    let mut bytes = answer(&[chunk("half"), complete(None)]);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let (_server, streamed) = streamed(Answer::Last(bytes), |_| {}).await;
    let (payload, end) = gather(streamed.expect("a stream")).await;
    let error = end.expect_err("a wrong checksum");
    assert_eq!(
        (payload.as_slice(), error.kind, error.outcome),
        (&b"half"[..], ErrorKind::MalformedReply, Outcome::Ran)
    );
}

#[tokio::test]
async fn a_stream_that_hangs_ends_with_the_deadline() {
    let server = TestServer::start(|_| Answer::Drip(answer(&[chunk("half")]))).await;
    let venue = venue_at(&server.url(), |_| {}).await;
    let deadline = Instant::now() + Duration::from_millis(150);
    let streamed = venue.stream(Call { deadline, ..call("{}") }).await.expect("a stream");
    let (_, end) = gather(streamed).await;
    let error = end.expect_err("too slow");
    assert_eq!(error.outcome, Outcome::Ran, "{error}");
}

#[tokio::test]
async fn a_refused_stream_is_refused_as_a_call_is() {
    let refusal = refused(429, "TooManyRequestsException", &[("retry-after", "3")], r#"{"message":"Rate Exceeded."}"#);
    let (_server, streamed) = streamed(Answer::Send(refusal), |_| {}).await;
    let error = streamed.err().expect("refused");
    assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::Throttled), "{error}");
    assert_eq!(error.retry_after, Some(Duration::from_secs(3)));
}

#[tokio::test]
async fn where_streams_are_unknown_the_reply_comes_whole() {
    let (server, streamed) = streamed(Answer::Send(ok(&[], "whole")), |config| config.streaming = false).await;
    let (payload, end) = gather(streamed.expect("a stream")).await;
    assert_eq!((payload.as_slice(), end.expect("it ended well").function_error), (&b"whole"[..], None));
    assert!(server.received(0).request_line().contains("/invocations"), "{}", server.received(0).request_line());
}

#[tokio::test]
async fn a_stream_holds_its_connection_until_it_is_dropped() {
    let server = TestServer::start(|_| Answer::Drip(answer(&[chunk("half")]))).await;
    let venue = venue_at(&server.url(), |config| config.reach.max_connections = 1).await;
    let streamed = venue.stream(call("{}")).await.expect("a stream");
    let deadline = Instant::now() + Duration::from_millis(100);
    let waiting = venue.stream(Call { deadline, ..call("{}") }).await;
    let error = waiting.err().expect("no room");
    assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::Timeout), "{error}");
    drop(streamed);
    venue.stream(call("{}")).await.expect("room again");
}
