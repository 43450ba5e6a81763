//! What comes back, and what it means when it comes back broken.

use std::time::Duration;

use merit_venue::{ErrorKind, MeterBasis, Meters, Outcome, VenueError};
use merit_venue_http::HttpConfig;
use tokio::time::timeout;

use crate::server::{Answer, PATIENCE, TestServer, echo, head, invoke, reply};

/// The failure of one call to a server that always answers so.
async fn failure(answer: Answer, change: impl FnOnce(&mut HttpConfig)) -> VenueError {
    let server = TestServer::start(move |_| answer.clone()).await;
    let venue = server.venue(change);
    let failed = timeout(PATIENCE, invoke(&venue, "x")).await.expect("it is told in time");
    let error = failed.expect_err("a broken answer");
    assert_eq!(server.calls(), 1, "one attempt is one call");
    error
}

#[tokio::test]
async fn a_length_that_is_not_kept_is_a_cut_of_a_call_that_ran() {
    let short = [head(200, &[], 100), b"only this".to_vec()].concat();
    let error = failure(Answer::Last(short), |_| {}).await;
    assert_eq!((error.kind, error.outcome), (ErrorKind::ConnectionCut, Outcome::Ran));
    assert!(error.usage.is_some_and(|usage| usage.duration.get() > 0));
    assert_eq!(error.meters, MeterBasis::OwnClock);
}

#[tokio::test]
async fn bytes_beyond_the_length_do_not_reach_the_next_call() {
    let server = TestServer::start(|request| match request.call {
        0 => Answer::Send([head(200, &[], 4), b"good".to_vec(), reply(200, &[], "forged")].concat()),
        _ => echo(request),
    })
    .await;
    let venue = server.venue(|_| {});
    assert_eq!(invoke(&venue, "first").await.expect("four bytes").payload, "good");
    assert_eq!(invoke(&venue, "second").await.expect("an echo").payload, "second");
    assert_eq!(server.connections(), 2, "the first connection is not used again");
}

#[tokio::test]
async fn an_announced_length_above_the_bound_is_refused_before_it_is_read() {
    let error = failure(Answer::Send(head(200, &[], 1 << 40)), |_| {}).await;
    assert_eq!((error.kind, error.outcome), (ErrorKind::ReplyTooLarge, Outcome::Ran));
    assert!(error.message.contains("max_reply_bytes"), "{error}");
}

#[tokio::test]
async fn a_reply_without_length_is_bounded_too() {
    let endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let error = failure(Answer::Drip(endless), |config| config.max_reply_bytes = 5).await;
    assert_eq!((error.kind, error.outcome), (ErrorKind::ReplyTooLarge, Outcome::Ran));
}

#[tokio::test]
async fn chunks_are_joined_and_broken_ones_refused() {
    let good = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n".to_vec();
    let server = TestServer::start(move |_| Answer::Send(good.clone())).await;
    let venue = server.venue(|_| {});
    for _ in 0..2 {
        assert_eq!(invoke(&venue, "x").await.expect("chunks").payload, "abcde");
    }
    assert_eq!(server.connections(), 1);

    let bad = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nabc\r\n".to_vec();
    let error = failure(Answer::Send(bad), |_| {}).await;
    assert_eq!((error.kind, error.outcome), (ErrorKind::MalformedReply, Outcome::Ran));
}

#[tokio::test]
async fn a_slow_drip_ends_with_the_whole_timeout_and_ran() {
    let error = failure(Answer::Drip(head(200, &[], 1_000_000)), |config| {
        config.first_byte_timeout = Duration::from_secs(5);
        config.whole_timeout = Duration::from_millis(150);
    })
    .await;
    assert_eq!((error.kind, error.outcome), (ErrorKind::Timeout, Outcome::Ran));
    assert!(error.usage.is_some());
}

#[tokio::test]
async fn a_late_first_byte_is_unknown() {
    let error = failure(Answer::Silence, |config| config.first_byte_timeout = Duration::from_millis(100)).await;
    assert_eq!((error.kind, error.outcome), (ErrorKind::Timeout, Outcome::Unknown));
}

#[tokio::test]
async fn a_connection_that_ends_before_the_reply_is_unknown() {
    let error = failure(Answer::Last(Vec::new()), |_| {}).await;
    assert_eq!((error.kind, error.outcome), (ErrorKind::ConnectionCut, Outcome::Unknown));
    let error = failure(Answer::Last(b"HTTP/1.1 200 O".to_vec()), |_| {}).await;
    assert_eq!((error.kind, error.outcome), (ErrorKind::ConnectionCut, Outcome::Unknown));
}

#[tokio::test]
async fn what_is_not_http_1_is_malformed_and_unknown() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(300_000)).into_bytes();
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(1000)).into_bytes();
    for garbage in [
        b"<html><body>captive portal</body></html>\r\n\r\n".to_vec(),
        b"HTTP/2 200\r\n\r\n".to_vec(),
        b"HTTP/1.1 abc OK\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef".to_vec(),
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n".to_vec(),
        long,
        many,
    ] {
        let shown = String::from_utf8_lossy(&garbage[..40.min(garbage.len())]).into_owned();
        let error = failure(Answer::Last(garbage), |_| {}).await;
        assert_eq!((error.kind, error.outcome), (ErrorKind::MalformedReply, Outcome::Unknown), "{shown}: {error}");
    }
}

#[tokio::test]
async fn a_redirect_is_named_and_not_followed() {
    let elsewhere = TestServer::start(echo).await;
    let location = format!("{}/fn?token=secret", elsewhere.url());
    let error = failure(Answer::Send(reply(307, &[("location", &location)], "")), |_| {}).await;
    assert_eq!((error.kind, error.outcome), (ErrorKind::Misconfigured, Outcome::Unknown));
    assert!(error.message.contains(&elsewhere.url()) && !error.message.contains("secret"), "{error}");
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_refusal_stays_one_when_its_body_never_comes() {
    let error = failure(Answer::Send(head(429, &[("retry-after", "3")], 50)), |_| {}).await;
    assert_eq!((error.kind, error.outcome), (ErrorKind::Throttled, Outcome::NotStarted));
    assert_eq!(error.retry_after, Some(Duration::from_secs(3)));
}

#[tokio::test]
async fn a_lying_meter_is_refused_and_said_so() {
    let lie = reply(200, &[("merit-meter-duration-us", "86400000000")], "ok");
    let server = TestServer::start(move |_| Answer::Send(lie.clone())).await;
    let reply = invoke(&server.venue(|config| config.meters = Meters::Reported), "x").await.expect("a reply");
    assert_eq!((reply.meters, reply.cold), (MeterBasis::Refused, false));
    assert!(reply.usage.duration.to_std() < Duration::from_secs(10));
    let reply = invoke(&server.venue(|_| {}), "x").await.expect("a reply");
    assert_eq!(reply.meters, MeterBasis::OwnClock);
}

#[tokio::test]
async fn meters_told_before_a_cut_are_kept() {
    let cut = Answer::Last([head(200, &[("merit-meter-duration-us", "7")], 10), b"half".to_vec()].concat());
    let error = failure(cut, |config| config.meters = Meters::Reported).await;
    assert_eq!((error.outcome, error.meters), (Outcome::Ran, MeterBasis::Reported));
    assert_eq!(error.usage.map(|usage| usage.duration.get()), Some(7));
}

/// A stream of pseudo-random numbers (Knuth's MMIX generator), so that a failure can be repeated.
fn numbers(seed: u64) -> impl Iterator<Item = usize> {
    let next =
        |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
    std::iter::successors(Some(seed), next).skip(1).map(|state| usize::try_from(state >> 33).expect("31 bits"))
}

#[tokio::test]
async fn no_garbled_reply_hangs_panics_or_claims_that_nothing_ran() {
    let whole = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nmerit-meter-duration-us: 1\r\n\
        transfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n3\r\nefg\r\n0\r\n\r\n";
    let status = 9..12;
    let server = TestServer::start(move |request| {
        let mut random = numbers(request.call as u64);
        let mut garbled = whole.to_vec();
        for _ in 0..random.next().expect("endless") % 4 + 1 {
            let at = random.next().expect("endless") % garbled.len();
            // A changed status is not garbled, but another answer.
            if !status.contains(&at) {
                garbled[at] = random.next().expect("endless").to_le_bytes()[0];
            }
        }
        let end = random.next().expect("endless") % (2 * whole.len());
        garbled.truncate(end.max(1));
        Answer::Last(garbled)
    })
    .await;
    let venue = server.venue(|config| {
        config.meters = Meters::Reported;
        config.whole_timeout = Duration::from_secs(2);
    });
    let (mut good, mut bad) = (0, 0);
    for call in 0..1000 {
        match invoke(&venue, "x").await {
            Ok(reply) => {
                good += 1;
                assert_eq!(reply.status, 200);
            }
            Err(error) => {
                bad += 1;
                assert_ne!(error.outcome, Outcome::NotStarted, "{call}: {error}");
                assert_ne!(error.kind, ErrorKind::Timeout, "{call}: {error}");
            }
        }
    }
    assert!(good > 50 && bad > 50, "both kinds occur: {good} good, {bad} bad");
    assert_eq!(server.calls(), 1000, "one attempt is one call");
}
