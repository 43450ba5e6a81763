//! Calls by the queue of OpenFaaS: the gateway takes them, and their replies are brought to the door.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use merit_venue::{ErrorKind, MeterBasis, Meters, Outcome, Reply, StepResult, Target, Venue, VenueError};
use merit_venue_http::{Callback, CallbackDoor, Callbacks, HttpVenue, OpenFaas, Preset};
use tokio::time::Instant;

use crate::server::{Answer, Received, TestServer, call, reply};

const ID: &str = "0199f0a2-7c1e-7fff-bfff-ffffffffffff-2";

type Brings = dyn Fn(&Received, &Callbacks, &str) + Send + Sync;

/// A gateway that takes every call, and brings replies as `brings` says. It is given the token.
async fn gateway(brings: Box<Brings>) -> (TestServer, Arc<Callbacks>) {
    let callbacks = Callbacks::new(10);
    let door = Arc::clone(&callbacks);
    let server = TestServer::start(move |request| {
        let place = request.header("x-callback-url").expect("a place");
        let token = place.strip_prefix("http://merit.example.com/v1/callbacks/").expect("the door");
        brings(request, &door, token);
        Answer::Send(reply(202, &[("x-call-id", request.header("x-call-id").unwrap_or_default())], ""))
    })
    .await;
    (server, callbacks)
}

fn venue(server: &TestServer, callbacks: &Arc<Callbacks>) -> Arc<HttpVenue> {
    let url = "http://merit.example.com/v1/callbacks/".to_owned();
    server.venue(|config| {
        config.base_url.push_str("/gw/");
        config.meters = Meters::Reported;
        config.max_reply_bytes = 1000;
        config.preset = Some(Preset::OpenFaas(OpenFaas::default()));
        config.callbacks = Some(CallbackDoor { url, callbacks: Arc::clone(callbacks) });
    })
}

async fn queued(venue: &HttpVenue, patience: Duration) -> Result<Reply, VenueError> {
    let mut call = call("payload");
    call.target = Arc::new(Target::try_new("async/env.images").expect("a target"));
    call.deadline = Instant::now() + patience;
    venue.invoke(call).await
}

fn brought(headers: &[(&'static str, &'static str)], body: impl Into<bytes::Bytes>) -> Callback {
    let headers: HeaderMap =
        headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
    Callback::Whole { headers, body: body.into() }
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_call_is_taken_by_the_queue_and_its_reply_is_brought() {
    let (server, callbacks) = gateway(Box::new(|request, door, token| {
        assert!(request.request_line().starts_with("POST /gw/async-function/env.images "), "{}", request.head);
        assert_eq!((request.body.as_slice(), request.header("x-call-id")), (&b"payload"[..], Some(ID)));
        let headers =
            [("x-function-status", "200"), ("x-duration-seconds", "0.000002"), ("content-type", "text/x-env")];
        assert!(door.bring(token, brought(&headers, "well")));
        assert!(!door.bring(token, brought(&headers, "again")));
    }))
    .await;
    let reply = queued(&venue(&server, &callbacks), LONG).await.expect("a reply");
    assert_eq!((reply.payload.as_ref(), reply.status), (&b"well"[..], 200));
    assert_eq!((reply.usage.duration.get(), reply.meters), (2, MeterBasis::Reported));
    assert_eq!(reply.content_type, Some(HeaderValue::from_static("text/x-env")));
    assert_eq!((server.calls(), callbacks.waiting()), (1, 0));
}

#[tokio::test]
async fn what_the_queue_brings_means_what_can_be_known_of_it() {
    use {ErrorKind as K, Outcome::NotStarted, Outcome::Unknown};
    let status = |status: &'static str| [("x-function-status", status), ("x-duration-seconds", "0.01"), ("via", "1")];
    let proxy =
        |status| [("x-function-status", status), ("x-duration-seconds", "0.01"), ("x-openfaas-internal", "proxy")];
    for (headers, body, expected) in [
        (status("422"), "no such order", Ok("Http422")),
        (status("500"), r#"{"errorType":"KeyError"}"#, Ok("KeyError")),
        (
            status("404"),
            "error finding function env: server returned non-200 status code (404)",
            Err((NotStarted, K::NotFound)),
        ),
        // The function's or the gateway's: nobody can say, and the worker's duration proves nothing.
        (status("404"), "no such picture", Err((Unknown, K::NotFound))),
        (status("429"), "", Err((Unknown, K::Throttled))),
        (status("503"), "", Err((Unknown, K::Unavailable))),
        (status("200 OK"), "", Err((Unknown, K::MalformedReply))),
        (proxy("500"), "Can't reach service for: env.\n", Err((Unknown, K::Unavailable))),
        (proxy("500"), "Failed to resolve service: env.\n", Err((NotStarted, K::Unavailable))),
        (proxy("503"), "No endpoints available for: env.\n", Err((NotStarted, K::Unavailable))),
        ([("x-call-id", "1"), ("x-duration-seconds", "0.01"), ("via", "1")], "", Err((Unknown, K::MalformedReply))),
    ] {
        let (server, callbacks) = gateway(Box::new(move |_, door, token| {
            assert!(door.bring(token, brought(&headers, body)));
        }))
        .await;
        match (queued(&venue(&server, &callbacks), LONG).await, expected) {
            (Ok(reply), Ok(kind)) => assert_eq!(reply.function_error.expect("an error").kind, kind),
            (Err(error), Err(expected)) => assert_eq!((error.outcome, error.kind), expected, "{error}"),
            (found, expected) => panic!("{found:?}, not {expected:?}"),
        }
    }
    let (server, callbacks) = gateway(Box::new(|_, door, token| {
        assert_eq!(door.awaited(token), Some(1000));
        assert!(door.bring(token, Callback::TooLarge));
    }))
    .await;
    let error = queued(&venue(&server, &callbacks), LONG).await.expect_err("too large");
    assert_eq!((error.outcome, error.kind), (Outcome::Ran, K::ReplyTooLarge), "{error}");
}

#[tokio::test]
async fn a_gateway_that_does_not_take_a_call_says_whether_it_may_run_all_the_same() {
    use {ErrorKind as K, Outcome::NotStarted, Outcome::Unknown};
    for (status, outcome, kind) in [
        (200, Unknown, K::MalformedReply),
        (400, NotStarted, K::Misconfigured),
        (401, NotStarted, K::BadCredentials),
        (404, NotStarted, K::NotFound),
        (413, NotStarted, K::PayloadTooLarge),
        (500, Unknown, K::Unavailable),
        (502, Unknown, K::Unavailable),
    ] {
        let server = TestServer::start(move |_| Answer::Send(reply(status, &[], "so it is"))).await;
        let callbacks = Callbacks::new(1);
        let error = queued(&venue(&server, &callbacks), LONG).await.expect_err("not taken");
        assert_eq!((error.outcome, error.kind), (outcome, kind), "{error}");
        assert_eq!(callbacks.waiting(), 0);
    }
}

#[tokio::test]
async fn a_reply_that_comes_late_is_nobodys_and_too_many_do_not_wait() {
    let tokens = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&tokens);
    let (server, callbacks) = gateway(Box::new(move |_, _, token| {
        kept.lock().expect("nobody panicked").push(token.to_owned());
    }))
    .await;
    let venue = venue(&server, &callbacks);
    let error = queued(&venue, Duration::from_millis(500)).await.expect_err("late");
    assert_eq!((error.outcome, error.kind), (Outcome::Unknown, ErrorKind::Timeout), "{error}");
    let token = tokens.lock().expect("nobody panicked").pop().expect("it was sent");
    assert!(!callbacks.bring(&token, brought(&[("x-function-status", "200")], "late")));
    assert!(!error.to_string().contains(&token), "the token is a secret: {error}");
    callbacks.set_most(0);
    let error = queued(&venue, LONG).await.expect_err("no room");
    assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::Throttled));
    assert!(error.message.contains("server.max_callbacks") && server.calls() == 1, "{error}");
    let homeless = server.venue(|config| config.preset = Some(Preset::OpenFaas(OpenFaas::default())));
    let targets = || vec![Arc::new(Target::try_new("async/env").expect("a target"))];
    for (venue, result, said) in [
        (&homeless, StepResult::Failed, "server.callback_url"),
        (&venue, StepResult::None, "http://merit.example.com/"),
    ] {
        let steps = venue.check(targets()).await;
        let step = steps.iter().find(|step| step.name == "callbacks").expect("a step");
        assert!(step.result == result && format!("{step:?}").contains(said), "{step:?}");
    }
    let error = queued(&homeless, LONG).await.expect_err("no door");
    assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::Misconfigured));
    assert!(error.message.contains("server.callback_url") && server.calls() == 1, "{error}");
}

#[tokio::test]
async fn a_caller_that_goes_away_is_waited_for_no_longer() {
    let (server, callbacks) = gateway(Box::new(|_, _, _| {})).await;
    let venue = venue(&server, &callbacks);
    let waits = tokio::spawn(async move { queued(&venue, LONG).await });
    while server.calls() == 0 || callbacks.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    waits.abort();
    assert!(waits.await.expect_err("it was aborted").is_cancelled());
    assert_eq!(callbacks.waiting(), 0);
}
