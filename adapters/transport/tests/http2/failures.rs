//! What breaks, and what it means for money.

use std::time::Duration;

use merit_transport::Http2;
use merit_venue::{ErrorKind, Outcome};
use tokio::time::Instant;

use crate::client::{Client, soon};
use crate::frames::{
    CANCEL, DATA, END_HEADERS, HEADERS, INTERNAL_ERROR, NO_ERROR, OK, Peer, REFUSED_STREAM, RST_STREAM,
};
use crate::server::Listening;

async fn pair() -> (Listening, Client) {
    let listening = Listening::new(&["h2"]).await;
    let client = Client::new(listening.port(), listening.ca(), |_| {});
    (listening, client)
}

/// A connection on which one call was answered already.
pub(crate) async fn used(listening: &Listening, client: &Client) -> Peer {
    let call = client.spawn("first");
    let mut peer = Peer::accept(listening).await;
    let stream = peer.request().await;
    peer.answer(stream, b"ok").await;
    call.await.expect("no panic").expect("an answer");
    peer
}

#[tokio::test]
async fn what_a_goaway_says_was_not_begun_is_sent_once_more() {
    let (listening, client) = pair().await;
    let mut peer = used(&listening, &client).await;
    let (kept, moved) = (client.spawn("a"), client.spawn("b"));
    let (first, second) = (peer.request().await, peer.request().await);
    assert_eq!((first, second), (3, 5));
    peer.go_away(first, NO_ERROR).await;
    let mut other = Peer::accept(&listening).await;
    let again = other.request().await;
    other.answer(again, b"new").await;
    // What it did begin goes on.
    peer.answer(first, b"old").await;
    let mut bodies = [kept.await, moved.await].map(|call| call.expect("no panic").expect("an answer").1);
    bodies.sort();
    assert_eq!(bodies, ["new", "old"]);
    // The old connection is done with.
    let next = client.spawn("c");
    let stream = other.request().await;
    other.answer(stream, b"ok").await;
    next.await.expect("no panic").expect("an answer");
    peer.ends().await;
}

#[tokio::test]
async fn a_call_below_a_goaway_that_gets_no_answer_may_have_run() {
    let (listening, client) = pair().await;
    for reason in [NO_ERROR, INTERNAL_ERROR] {
        let call = client.spawn("x");
        let mut peer = Peer::accept(&listening).await;
        let stream = peer.request().await;
        peer.go_away(stream, reason).await;
        drop(peer);
        let error = call.await.expect("no panic").expect_err("no answer");
        assert_eq!((error.outcome, error.kind), (Outcome::Unknown, ErrorKind::ConnectionCut), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_always_goes_away_fails_a_call_that_did_not_start() {
    let (listening, client) = pair().await;
    let call = client.spawn("x");
    for _ in 0..2 {
        let mut peer = Peer::accept(&listening).await;
        peer.request().await;
        peer.go_away(0, NO_ERROR).await;
    }
    let error = call.await.expect("no panic").expect_err("no answer");
    assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::Unavailable), "{error}");
}

#[tokio::test]
async fn a_refused_stream_did_not_start_and_is_sent_once_more() {
    let (listening, client) = pair().await;
    let mut peer = used(&listening, &client).await;
    let call = client.spawn("x");
    let refused = peer.request().await;
    peer.reset(refused, REFUSED_STREAM).await;
    let again = peer.request().await;
    peer.answer(again, b"ok").await;
    call.await.expect("no panic").expect("an answer");

    let call = client.spawn("x");
    for _ in 0..2 {
        let refused = peer.request().await;
        peer.reset(refused, REFUSED_STREAM).await;
    }
    let error = call.await.expect("no panic").expect_err("no answer");
    assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::Unavailable), "{error}");
}

#[tokio::test]
async fn a_stream_that_is_reset_otherwise_may_have_run() {
    let (listening, client) = pair().await;
    let mut peer = used(&listening, &client).await;
    for reason in [NO_ERROR, INTERNAL_ERROR, CANCEL] {
        let call = client.spawn("x");
        let stream = peer.request().await;
        peer.reset(stream, reason).await;
        let error = call.await.expect("no panic").expect_err("no answer");
        assert_eq!((error.outcome, error.kind), (Outcome::Unknown, ErrorKind::ConnectionCut), "{error}");
    }
    // 13: the server wants HTTP/1.1, and only an operator can see to that.
    let call = client.spawn("x");
    let stream = peer.request().await;
    peer.reset(stream, 13).await;
    let error = call.await.expect("no panic").expect_err("no answer");
    assert_eq!((error.outcome, error.kind), (Outcome::Unknown, ErrorKind::Misconfigured), "{error}");
    assert!(error.message.contains("http2 = false"), "{error}");
}

#[tokio::test]
async fn a_connection_that_dies_takes_its_calls_with_it_and_no_others() {
    let (listening, client) = pair().await;
    let mut peer = used(&listening, &client).await;
    let calls = [client.spawn("a"), client.spawn("b")];
    for _ in 0..2 {
        peer.request().await;
    }
    drop(peer);
    for call in calls {
        let error = call.await.expect("no panic").expect_err("no answer");
        assert_eq!((error.outcome, error.kind), (Outcome::Unknown, ErrorKind::ConnectionCut), "{error}");
    }
    used(&listening, &client).await;
}

#[tokio::test]
async fn one_that_ended_while_idle_costs_no_call() {
    let (listening, client) = pair().await;
    for _ in 0..3 {
        // Whether its end was seen or not, the next call is on a new one: nothing was sent on the old.
        let mut peer = used(&listening, &client).await;
        peer.go_away(1, NO_ERROR).await;
        peer.ends().await;
    }
}

#[tokio::test]
async fn a_reply_that_is_cut_ran() {
    let (listening, client) = pair().await;
    let mut peer = used(&listening, &client).await;
    let call = client.spawn("x");
    let stream = peer.request().await;
    peer.send(HEADERS, END_HEADERS, stream, OK).await;
    peer.send(DATA, 0, stream, b"half").await;
    peer.reset(stream, INTERNAL_ERROR).await;
    let error = call.await.expect("no panic").expect_err("half an answer");
    assert_eq!((error.outcome, error.kind), (Outcome::Ran, ErrorKind::ConnectionCut), "{error}");
}

#[tokio::test]
async fn what_is_not_http2_is_told_from_a_cut() {
    let (listening, client) = pair().await;
    let mut peer = used(&listening, &client).await;
    // Index 61 of a dynamic table that is empty, and then data on a stream that nobody opened.
    let call = client.spawn("x");
    let stream = peer.request().await;
    peer.send(HEADERS, END_HEADERS, stream, &[0xff, 0x20]).await;
    let error = call.await.expect("no panic").expect_err("no answer");
    assert_eq!((error.outcome, error.kind), (Outcome::Unknown, ErrorKind::MalformedReply), "{error}");
    let call = client.spawn("x");
    let mut peer = Peer::accept(&listening).await;
    peer.request().await;
    peer.send(DATA, 0, 99, b"?").await;
    let error = call.await.expect("no panic").expect_err("no answer");
    assert_eq!((error.outcome, error.kind), (Outcome::Unknown, ErrorKind::MalformedReply), "{error}");
}

#[tokio::test]
async fn a_connection_without_a_sign_of_life_is_given_up() {
    let listening = Listening::new(&["h2"]).await;
    let http2 = Http2 {
        ping: Duration::from_millis(20),
        // Long enough for a busy machine to answer the pings that are answered.
        ping_timeout: Duration::from_secs(2),
        ..Http2::default()
    };
    let client = Client::new(listening.port(), listening.ca(), |reach| reach.http2 = Some(http2));
    let mut peer = used(&listening, &client).await;
    let call = client.spawn("x");
    peer.request().await;
    peer.lives = false;
    let (error, end) = tokio::join!(call, soon("its end", peer.next()));
    let error = error.expect("no panic").expect_err("no answer");
    assert_eq!((error.outcome, error.kind), (Outcome::Unknown, ErrorKind::ConnectionCut), "{error}");
    assert_eq!(end, None);
    used(&listening, &client).await;
}

#[tokio::test]
async fn a_slow_call_on_a_connection_that_lives_is_waited_for() {
    let listening = Listening::new(&["h2"]).await;
    let brief = Duration::from_millis(20);
    let http2 = Http2 { ping: brief, ..Http2::default() };
    let client = Client::new(listening.port(), listening.ca(), |reach| reach.http2 = Some(http2));
    let mut peer = used(&listening, &client).await;
    let call = client.spawn("x");
    let stream = peer.request().await;
    // Nothing but pings for a while, which is what this is about.
    let nothing = tokio::time::timeout(brief * 20, peer.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    peer.answer(stream, b"ok").await;
    call.await.expect("no panic").expect("an answer");
}

#[tokio::test]
async fn a_call_that_runs_out_of_time_is_reset_and_its_neighbours_go_on() {
    let (listening, client) = pair().await;
    let mut peer = used(&listening, &client).await;
    let neighbour = client.spawn("x");
    let going_on = peer.request().await;
    let late = client.call_until("y", Instant::now() + Duration::from_millis(700));
    let (late, stream) = tokio::join!(late, async {
        let stream = peer.request().await;
        let reset = soon("a reset", peer.next()).await.expect("a connection that is open");
        assert_eq!((reset.kind, reset.stream, &reset.payload[..]), (RST_STREAM, stream, &CANCEL.to_be_bytes()[..]));
        stream
    });
    let error = late.expect_err("no answer");
    assert_eq!((error.outcome, error.kind), (Outcome::Unknown, ErrorKind::Timeout), "{error}");
    // What comes of it nevertheless hurts nobody.
    peer.answer(stream, b"too late").await;
    peer.answer(going_on, b"ok").await;
    neighbour.await.expect("no panic").expect("an answer");
}

#[tokio::test]
async fn a_failed_connection_fails_all_that_wait_for_it() {
    let (listening, client) = pair().await;
    let untrusting = Client::new(listening.port(), Listening::new(&[]).await.ca(), |_| {});
    drop(client);
    let calls: Vec<_> = (0..20).map(|_| untrusting.spawn("x")).collect();
    let accepted = tokio::spawn(async move {
        let mut accepted = 0;
        loop {
            let (tcp, _) = listening.listener.accept().await.expect("a connection");
            assert!(listening.acceptor.accept(tcp).await.is_err(), "it is not trusted");
            accepted += 1;
            if accepted == 20 {
                return;
            }
        }
    });
    for call in calls {
        let error = soon("its failure", call).await.expect("no panic").expect_err("no connection");
        assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::Tls), "{error}");
    }
    assert!(!accepted.is_finished(), "they share the failure");
    accepted.abort();
}
