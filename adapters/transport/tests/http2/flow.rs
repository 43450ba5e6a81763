//! Windows: what a server is ahead, and what it lets the client be.

use std::time::Duration;

use bytes::Bytes;
use merit_transport::Http2;
use merit_venue::ErrorKind;
use tokio::time::Instant;

use crate::client::{Client, PATIENCE, soon};
use crate::failures::used;
use crate::frames::{DATA, END_HEADERS, END_STREAM, HEADERS, NO_ERROR, OK, Peer};
use crate::server::{Listening, Server};

#[tokio::test]
async fn payloads_and_replies_larger_than_the_windows_arrive_whole() {
    let server = Server::start(|builder| {
        builder.initial_window_size(1000).initial_connection_window_size(70_000);
    })
    .await;
    let client = server.client(|reach| reach.http2 = Some(Http2 { window: 20_000, ..Http2::default() }));
    let payload = Bytes::from((0..300_000_u32).map(|n| n.to_le_bytes()[0]).collect::<Vec<_>>());
    let calls: Vec<_> = (0..4).map(|_| client.call(payload.clone())).collect();
    for (_, body) in futures_util::future::try_join_all(calls).await.expect("echoes") {
        assert!(body == payload, "all of it, in order");
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_reply_that_nobody_reads_is_held_back_and_holds_up_no_other() {
    let server = Server::start(|_| {}).await;
    let window = 20_000;
    let client = server.client(|reach| reach.http2 = Some(Http2 { window, calls: 10, ..Http2::default() }));
    let payload = Bytes::from(vec![b'x'; 200_000]);
    let ends = Instant::now() + PATIENCE;
    let mut unread = Vec::new();
    for _ in 0..8 {
        let sent = client.transport.send(&client.route, ends, |_| client.request(payload.clone()));
        unread.push(sent.await.expect("a head"));
    }
    let (_, body) = client.call(payload.clone()).await.expect("an echo");
    assert!(body == payload);
    for answer in &mut unread {
        let mut length = 0;
        while let Some(data) = answer.body.next(ends).await.expect("more") {
            length += data.len();
        }
        assert_eq!(length, payload.len());
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_reply_that_says_it_is_too_large_is_not_read() {
    let server = Server::start(|_| {}).await;
    let client = server.client(|_| {});
    let error = client.call(vec![0; (1 << 20) + 1]).await.expect_err("too large");
    assert_eq!(error.kind, ErrorKind::ReplyTooLarge, "{error}");
    client.call("x").await.expect("its connection is good");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn an_answer_before_the_payload_was_taken_is_an_answer() {
    let listening = Listening::new(&["h2"]).await;
    let client = Client::new(listening.port(), listening.ca(), |_| {});
    let call = client.call(vec![0; 500_000]);
    let answered = async {
        let mut peer = Peer::accept(&listening).await;
        let head = soon("a request", peer.next()).await.expect("a head");
        assert_eq!(head.kind, HEADERS);
        peer.send(HEADERS, END_HEADERS, head.stream, OK).await;
        peer.send(DATA, END_STREAM, head.stream, b"too much").await;
        // The rest is not wanted (RFC 9113, section 8.1).
        peer.reset(head.stream, NO_ERROR).await;
        peer
    };
    let (answer, mut peer) = tokio::join!(call, answered);
    assert_eq!(answer.expect("an answer").1, "too much");
    let again = client.spawn("x");
    let stream = soon("another call", peer.request()).await;
    peer.answer(stream, b"ok").await;
    again.await.expect("no panic").expect("an answer");
}

#[tokio::test]
async fn a_slow_body_runs_out_of_time() {
    let listening = Listening::new(&["h2"]).await;
    let client = Client::new(listening.port(), listening.ca(), |_| {});
    let mut peer = used(&listening, &client).await;
    let call = client.call_until("x", Instant::now() + Duration::from_millis(700));
    let served = async {
        let stream = peer.request().await;
        peer.send(HEADERS, END_HEADERS, stream, OK).await;
        peer.send(DATA, 0, stream, b"half").await;
        soon("a reset", peer.next()).await
    };
    let (error, _) = tokio::join!(call, served);
    let error = error.expect_err("half an answer");
    assert_eq!((error.kind, error.outcome.word()), (ErrorKind::Timeout, "ran"), "{error}");
}
