//! Credentials that are refused: whose word it is, and whether it stands against the whole venue.

use std::sync::Arc;
use std::time::Duration;

use merit_venue::conformance::SECRET;
use merit_venue::conformance::calls::until_ready;
use merit_venue::{ErrorKind, Meters, Outcome, StepResult, Target, Venue};
use merit_venue_http::{CallbackDoor, Callbacks, HttpConfig, HttpVenue, Knative, OpenFaas, Preset};

use crate::server::{Answer, TestServer, call, invoke, reply};

const LONG: Duration = Duration::from_secs(3600);

fn openfaas(config: &mut HttpConfig) {
    config.preset = Some(Preset::OpenFaas(OpenFaas::default()));
}

fn knative(config: &mut HttpConfig) {
    let (namespace, domain) = ("images".to_owned(), "example.com".to_owned());
    config.preset = Some(Preset::Knative(Knative { namespace, domain, events: None, api: None }));
}

fn checks(config: &mut HttpConfig) {
    config.gateway_checks_credentials = true;
}

async fn refusing(status: u16, headers: &'static [(&'static str, &'static str)]) -> TestServer {
    TestServer::start(move |_| Answer::Send(reply(status, headers, "no"))).await
}

fn venue(server: &TestServer, change: fn(&mut HttpConfig)) -> Arc<HttpVenue> {
    server.venue(|config| {
        config.meters = Meters::Reported;
        config.credentials_retry = LONG;
        config.headers.push(("authorization".to_owned(), format!("Bearer {SECRET}")));
        change(config);
    })
}

#[tokio::test]
async fn only_a_refusal_that_is_surely_the_gateways_stands_against_the_venue() {
    const STARTED: &[(&str, &str)] = &[("x-start-time", "1795235256000000000")];
    const CALLED: &[(&str, &str)] = &[("x-call-id", "1")];
    let plain: fn(&mut HttpConfig) = |_| {};
    for (of, change, status, headers, all) in [
        ("a function may check its callers", plain, 401, &[][..], false),
        ("and say that they may not", plain, 403, &[], false),
        ("only a proxy says so", plain, 407, &[], true),
        ("the operator knows", checks, 401, &[], true),
        ("the operator knows", checks, 403, &[], true),
        ("it did not pass OpenFaaS's gateway", openfaas, 401, &[], true),
        ("nor did this", openfaas, 403, &[], true),
        ("it did", openfaas, 401, STARTED, false),
        ("it did", openfaas, 403, CALLED, false),
        ("nobody can say", knative, 401, &[], false),
    ] {
        let server = refusing(status, headers).await;
        let venue = venue(&server, change);
        let error = invoke(&venue, "x").await.expect_err("refused");
        assert_eq!((error.kind, error.outcome), (ErrorKind::BadCredentials, Outcome::NotStarted), "{of}: {error}");
        match venue.unready() {
            None => assert!(!all, "{of}"),
            Some(why) => {
                assert!(all && why.contains("[venues.NAME.headers]") && !why.contains(SECRET), "{of}: {why}");
            }
        }
        invoke(&venue, "x").await.expect_err("refused, or not tried");
        assert_eq!(server.calls(), if all { 1 } else { 2 }, "{of}");
    }
}

#[tokio::test]
async fn a_functions_own_error_stands_against_nothing() {
    let told = &[("x-duration-seconds", "0.01"), ("x-start-time", "1")];
    for (change, headers) in
        [(openfaas as fn(&mut HttpConfig), &told[..]), (checks, &[("merit-function-error", "NotYours")])]
    {
        let headers: &'static [_] = headers.to_vec().leak();
        let server = refusing(403, headers).await;
        let venue = venue(&server, change);
        let reply = invoke(&venue, "x").await.expect("it ran");
        assert!(reply.function_error.is_some() && venue.unready().is_none());
    }
}

#[tokio::test]
async fn a_venue_whose_headers_were_refused_is_tried_again_after_a_while() {
    let server = TestServer::start(|request| match request.call {
        0 => Answer::Send(reply(401, &[], "no")),
        _ => Answer::Send(reply(200, &[], "well")),
    })
    .await;
    let soon = server.venue(|config| {
        checks(config);
        config.credentials_retry = Duration::from_millis(50);
    });
    invoke(&soon, "x").await.expect_err("refused");
    until_ready(&*soon, true).await;
    assert_eq!(invoke(&soon, "x").await.expect("mended").payload, "well");

    let server = refusing(401, &[]).await;
    let waits = venue(&server, checks);
    invoke(&waits, "x").await.expect_err("refused");
    let steps = waits.check(vec![Arc::new(Target::try_new("fn").expect("a target"))]).await;
    let step = steps.iter().find(|step| step.name == "credentials").expect("a step");
    assert!(step.result == StepResult::Failed && step.found.contains("401"), "a doctor sees it: {step:?}");
}

#[tokio::test]
async fn what_refuses_a_call_before_the_queue_refuses_all() {
    let server = refusing(401, &[("x-start-time", "1")]).await;
    let venue = server.venue(|config| {
        openfaas(config);
        config.credentials_retry = LONG;
        let url = "http://merit.example.com/v1/callbacks/".to_owned();
        config.callbacks = Some(CallbackDoor { url, callbacks: Callbacks::new(1) });
    });
    let mut call = call("x");
    call.target = Arc::new(Target::try_new("async/fn").expect("a target"));
    venue.invoke(call).await.expect_err("refused");
    assert!(venue.unready().expect("no function has answered yet").contains("401"));
}
