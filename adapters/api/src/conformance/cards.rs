//! The cards, one function each, in the order of the table.

use std::time::Duration;

use merit_pricing::Usage;
use merit_units::{MemoryMb, Micros};
use tokio::time::{Instant, timeout_at};

use super::{Behaviour, Fixture, PATIENCE, Running, SECRET};
use crate::{Call, ErrorKind, MeterBasis, Outcome, Reply, VenueError};

/// A reply passes through untouched.
///
/// # Panics
/// When the adapter fails the card, as all cards do.
pub async fn card_01_success(fixture: &dyn Fixture) {
    let running = fixture.start(Behaviour::Echo).await;
    let payload: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    let call = running.call(payload.clone());
    let content_type = call.content_type.clone();
    let reply = invoke(&running, call).await.expect("an echo succeeds");
    assert_eq!(reply.payload, payload, "the payload comes back as it was sent");
    if fixture.carries_media_types() {
        assert_eq!(reply.content_type, content_type, "and so does its media type");
    }
    assert_eq!(reply.function_error, None);
    assert!((200..300).contains(&reply.status), "{}", reply.status);
    assert_eq!(reply.usage.egress_bytes, 10_000, "bytes sent out are counted");

    let empty = invoke(&running, running.call(Vec::new())).await.expect("an empty payload is one too");
    assert!(empty.payload.is_empty());
    assert_eq!(running.server.calls(), 2);
}

/// An error of the function is a reply: it ran, and is billed.
///
/// # Panics
/// When the adapter fails the card.
pub async fn card_02_function_error(fixture: &dyn Fixture) {
    let (kind, message) = ("ValueError", "not a picture");
    let running = fixture.start(Behaviour::FunctionError { kind, message }).await;
    let reply = invoke(&running, running.call("x")).await.expect("it ran");
    let error = reply.function_error.expect("the function's error");
    assert_eq!(error.kind, kind);
    assert!(error.message.contains(message), "{error:?}");
    assert!(reply.usage.duration > Micros::ZERO, "it is billed");
}

/// A throttled call did not start, and says when to come back.
///
/// # Panics
/// When the adapter fails the card.
pub async fn card_03_throttle(fixture: &dyn Fixture) {
    let retry_after = Duration::from_secs(7);
    let running = fixture.start(Behaviour::Throttle { retry_after }).await;
    let error = fails(&running, running.call("x"), ErrorKind::Throttled).await;
    assert_eq!((error.outcome, error.retry_after), (Outcome::NotStarted, Some(retry_after)), "{error}");
}

/// Time that runs out before anything is sent is proven not to have started.
///
/// # Panics
/// When the adapter fails the card.
pub async fn card_04_timeout_before_start(fixture: &dyn Fixture) {
    let running = fixture.start(Behaviour::NotAccepting).await;
    let mut call = running.call("x");
    call.deadline = Instant::now() + Duration::from_millis(150);
    let error = fails(&running, call, ErrorKind::Timeout).await;
    assert_eq!(error.outcome, Outcome::NotStarted, "{error}");
    assert_eq!(running.server.calls(), 0);

    let mut late = running.call("x");
    late.deadline = Instant::now();
    let error = fails(&running, late, ErrorKind::Timeout).await;
    assert_eq!(error.outcome, Outcome::NotStarted, "a call whose time has passed is not sent: {error}");
}

/// Time that runs out after the call was sent proves nothing.
///
/// # Panics
/// When the adapter fails the card.
pub async fn card_05_timeout_after_start(fixture: &dyn Fixture) {
    let running = fixture.start(Behaviour::Silent).await;
    let mut call = running.call("x");
    call.deadline = Instant::now() + Duration::from_millis(150);
    let error = fails(&running, call, ErrorKind::Timeout).await;
    assert_ne!(error.outcome, Outcome::NotStarted, "{error}");
    assert_eq!(running.server.calls(), 1, "it was sent, and not sent again");
}

/// A payload the venue does not take never starts.
///
/// # Panics
/// When the adapter fails the card.
pub async fn card_06_oversize_payload(fixture: &dyn Fixture) {
    let running = fixture.start(Behaviour::TakesAtMost(1000)).await;
    assert_eq!(invoke(&running, running.call(vec![0; 1000])).await.expect("the limit fits").payload.len(), 1000);
    for size in [1001, 4_000_000] {
        let error = fails(&running, running.call(vec![0; size]), ErrorKind::PayloadTooLarge).await;
        assert_eq!(error.outcome, Outcome::NotStarted, "{error}");
    }
    assert_eq!(running.server.calls(), 1, "only the first was a call");
}

/// A reply above the bound is refused, and was run.
///
/// # Panics
/// When the adapter fails the card.
pub async fn card_07_oversize_reply(fixture: &dyn Fixture) {
    let running = fixture.start(Behaviour::SendsMoreThan(1000)).await;
    let error = fails(&running, running.call("x"), ErrorKind::ReplyTooLarge).await;
    assert_eq!(error.outcome, Outcome::Ran, "{error}");
    assert!(error.usage.is_some(), "what it used is billed");
}

/// Refused credentials are told apart, and kept secret.
///
/// # Panics
/// When the adapter fails the card.
pub async fn card_08_bad_credentials(fixture: &dyn Fixture) {
    let running = fixture.start(Behaviour::RefusesCredentials).await;
    let error = fails(&running, running.call("x"), ErrorKind::BadCredentials).await;
    assert_eq!(error.outcome, Outcome::NotStarted, "{error}");
    let everything = format!("{error} {error:?}");
    assert!(!everything.contains(SECRET), "the credential is in the error: {everything}");
}

/// Bytes that are not of the protocol prove nothing about the call.
///
/// # Panics
/// When the adapter fails the card.
pub async fn card_09_malformed_reply(fixture: &dyn Fixture) {
    let running = fixture.start(Behaviour::Garbage).await;
    let error = fails(&running, running.call("x"), ErrorKind::MalformedReply).await;
    assert_ne!(error.outcome, Outcome::NotStarted, "{error}");
}

/// A gateway's page is not taken for the function's reply.
///
/// # Panics
/// When the adapter fails the card.
pub async fn card_10_error_page(fixture: &dyn Fixture) {
    let running = fixture.start(Behaviour::ErrorPage).await;
    let error = invoke(&running, running.call("x")).await.expect_err("a page is no reply");
    let kinds = [ErrorKind::Unavailable, ErrorKind::MalformedReply];
    assert!(kinds.contains(&error.kind) && error.outcome != Outcome::NotStarted, "{error:?}");
    assert!(!error.message.contains("<html"), "the page is not copied into the log: {error}");
}

/// A connection that ends within the reply is one attempt, and not repeated.
///
/// # Panics
/// When the adapter fails the card.
pub async fn card_11_connection_cut(fixture: &dyn Fixture) {
    let running = fixture.start(Behaviour::CutMidReply).await;
    let error = fails(&running, running.call("x"), ErrorKind::ConnectionCut).await;
    assert_ne!(error.outcome, Outcome::NotStarted, "{error}");
    assert_eq!(running.server.calls(), 1, "it was sent, and not sent again");
}

/// Meters a venue tells are taken as they are; where it tells none, the own clock counts.
///
/// # Panics
/// When the adapter fails the card.
pub async fn card_12_billed_meters(fixture: &dyn Fixture) {
    let told = Usage {
        duration: Micros::from_millis(12),
        init: Micros::from_millis(5),
        cpu: Some(Micros::from_millis(9)),
        memory_peak: Some(MemoryMb::try_new(70).expect("invariant: a valid size")),
        egress_bytes: 0,
        ..Usage::default()
    };
    let running = fixture.start(Behaviour::Metered(told)).await;
    let before = Instant::now();
    let reply = invoke(&running, running.call("x")).await.expect("it succeeds");
    let elapsed = Micros::from_std(before.elapsed());
    if fixture.tells_meters() {
        assert_eq!(reply.meters, MeterBasis::Reported);
        assert_eq!(Usage { egress_bytes: 0, ..reply.usage }, fixture.told_of(told));
        let told_init = fixture.told_of(told).init > Micros::ZERO;
        assert_eq!(reply.cold, told_init, "a start is cold where its initialisation is told");
    } else {
        assert_eq!(reply.meters, MeterBasis::OwnClock);
        let least = told.duration.saturating_add(told.init);
        assert!((least..=elapsed).contains(&reply.usage.duration), "{} in {elapsed}", reply.usage.duration);
    }
    assert_eq!(reply.usage.egress_bytes, reply.payload.len() as u64);
}

/// An unknown function did not start.
///
/// # Panics
/// When the adapter fails the card.
pub async fn card_13_unknown_function(fixture: &dyn Fixture) {
    let running = fixture.start(Behaviour::UnknownFunction).await;
    let error = fails(&running, running.call("x"), ErrorKind::NotFound).await;
    assert_eq!(error.outcome, Outcome::NotStarted, "{error}");
}

/// A failed call leaves nothing behind that harms the next.
///
/// # Panics
/// When the adapter fails the card.
pub async fn card_14_after_a_failure(fixture: &dyn Fixture) {
    let running = fixture.start(Behaviour::CutOnce).await;
    fails(&running, running.call("first"), ErrorKind::ConnectionCut).await;
    let reply = invoke(&running, running.call("second")).await.expect("the next call succeeds");
    assert_eq!(reply.payload, "second");
    assert_eq!(running.server.calls(), 2);
}

/// Invokes, and panics when the adapter does not keep the deadline.
async fn invoke(running: &Running, call: Call) -> Result<Reply, VenueError> {
    let deadline = call.deadline;
    timeout_at(deadline + PATIENCE, running.venue.invoke(call)).await.expect("the adapter keeps the deadline")
}

async fn fails(running: &Running, call: Call, kind: ErrorKind) -> VenueError {
    let error = invoke(running, call).await.expect_err("the card expects a failure");
    assert_eq!(error.kind, kind, "{error:?}");
    error
}
