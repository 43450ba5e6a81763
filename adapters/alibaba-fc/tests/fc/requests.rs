//! What is sent, and what replies tell besides their payload.

use std::sync::Arc;

use merit_units::Timestamp;
use merit_venue::{ErrorKind, LambdaContext, Outcome, Venue};
use merit_venue_alibaba_fc::Keys;

use crate::server::{Answer, KEY_ID, NOW_S, SECRET_KEY, TestServer, call, invoke, ok, presented, reply, venue_at};

#[tokio::test]
async fn a_call_is_signed_over_all_that_function_compute_reads() {
    let server = TestServer::start(|_| Answer::Send(ok(&[], "done"))).await;
    let venue = venue_at(&server.url(), |config| {
        let token = Some("CAIS/+==".to_owned());
        config.keys = Some(Keys {
            access_key_id: KEY_ID.to_owned(),
            access_key_secret: SECRET_KEY.to_owned(),
            security_token: token,
        });
    });
    let mut call = call("resize:live", "{\"é\":1}");
    call.lambda = Some(Arc::new(LambdaContext { log_tail: true, ..LambdaContext::default() }));
    let reply = venue.invoke(call).await.expect("a reply");
    assert_eq!((reply.payload.as_ref(), reply.version.as_deref()), (&b"done"[..], Some("LATEST")));
    let request = server.received(0);
    let (method, path, presented) = presented(&request);
    assert_eq!((method.as_str(), path.as_str()), ("POST", "/2023-03-30/functions/resize/invocations?qualifier=live"));
    assert_eq!((presented.access_key_id(), presented.security_token()), (KEY_ID, Some("CAIS/+==")));
    assert_eq!(presented.check_time(Timestamp::from_micros(NOW_S * 1_000_000)), Ok(()));
    assert_eq!(presented.verify(SECRET_KEY, &request.body), Ok(()));
    for (name, value) in [
        ("x-acs-action", "InvokeFunction"),
        ("x-acs-version", "2023-03-30"),
        ("x-fc-invocation-type", "Sync"),
        ("x-fc-log-type", "Tail"),
        ("x-acs-accesskey-id", KEY_ID),
        ("content-type", "application/octet-stream"),
    ] {
        assert_eq!(request.header(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn no_two_attempts_have_the_same_nonce() {
    let server = TestServer::start(|_| Answer::Send(ok(&[], ""))).await;
    let venue = venue_at(&server.url(), |_| {});
    for attempt in 1..=3 {
        let mut call = call("resize", "x");
        call.attempt = attempt;
        venue.invoke(call).await.expect("a reply");
    }
    let nonces: std::collections::BTreeSet<_> =
        (0..3).map(|at| server.received(at).header("x-acs-signature-nonce").expect("a nonce").to_owned()).collect();
    assert_eq!(nonces.len(), 3);
}

#[tokio::test]
async fn a_trigger_is_called_as_it_is_and_signed_if_wanted() {
    let server = TestServer::start(|_| Answer::Send(reply(201, &[("x-fc-request-id", "1")], "made"))).await;
    let at = format!("{}/path?q=1", server.url());
    let signing = venue_at(&server.url(), |_| {});
    let reply = signing.invoke(call(&at, "hello")).await.expect("a reply");
    assert_eq!((reply.status, reply.payload.as_ref()), (201, &b"made"[..]));
    let request = server.received(0);
    let (_, path, presented) = presented(&request);
    assert_eq!(path, "/path?q=1");
    assert!(!presented.signs_body());
    assert_eq!(presented.verify(SECRET_KEY, b""), Ok(()));
    assert_eq!((request.header("content-type"), request.body.as_slice()), (Some("text/plain"), &b"hello"[..]));
    assert!(request.header("traceparent").is_some() && request.header("x-acs-action").is_none());
    let plain = venue_at(&server.url(), |config| config.sign_triggers = false);
    plain.invoke(call(&at, "hello")).await.expect("a reply");
    assert_eq!(server.received(1).header("authorization"), None);
}

#[tokio::test]
async fn what_a_triggers_function_answers_is_its_own_unless_function_compute_says_otherwise() {
    for (status, error_type, outcome) in [
        (200, None, Ok(None)),
        (404, None, Ok(Some("Http404"))),
        (500, Some("FunctionUnhandledError"), Ok(Some("FunctionUnhandledError"))),
        (400, Some("FcCommonError"), Err((Outcome::Unknown, ErrorKind::Misconfigured))),
        (429, Some("FcCommonError"), Err((Outcome::NotStarted, ErrorKind::Throttled))),
        (503, None, Err((Outcome::Unknown, ErrorKind::Unavailable))),
    ] {
        let server = TestServer::start(move |_| {
            let mut headers = vec![("x-fc-request-id", "1")];
            headers.extend(error_type.map(|named| ("x-fc-error-type", named)));
            Answer::Send(reply(status, &headers, "said"))
        })
        .await;
        let venue = venue_at(&server.url(), |_| {});
        let answer = venue.invoke(call(&server.url(), "x")).await;
        let seen = match &answer {
            Ok(reply) => Ok(reply.function_error.as_ref().map(|error| error.kind.as_str())),
            Err(error) => Err((error.outcome, error.kind)),
        };
        assert_eq!(seen, outcome, "{status} {error_type:?}");
    }
}

#[tokio::test]
async fn the_end_of_the_log_goes_to_who_asked_for_it() {
    let server = TestServer::start(|_| Answer::Send(ok(&[("x-fc-log-result", "RkMgSW52b2tlIEVuZA==")], ""))).await;
    let venue = venue_at(&server.url(), |_| {});
    assert_eq!(invoke(&venue, "x").await.expect("a reply").log_tail, None);
    assert_eq!(server.received(0).header("x-fc-log-type"), Some("None"));
    let mut asked = call("resize", "x");
    asked.lambda = Some(Arc::new(LambdaContext { log_tail: true, ..LambdaContext::default() }));
    assert_eq!(venue.invoke(asked).await.expect("a reply").log_tail.as_deref(), Some(&b"FC Invoke End"[..]));
}

#[tokio::test]
async fn a_target_of_another_place_and_a_venue_without_keys_send_nothing() {
    let server = TestServer::start(|_| Answer::Send(ok(&[], ""))).await;
    let venue = venue_at(&server.url(), |_| {});
    let error = venue.invoke(call("https://example.com/", "x")).await.expect_err("not a trigger");
    assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::Misconfigured));
    let keyless = venue_at(&server.url(), |config| config.keys = None);
    assert!(keyless.unready().expect("why").contains("ALIBABA_CLOUD_ACCESS_KEY_ID"));
    let error = invoke(&keyless, "x").await.expect_err("no keys");
    assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::BadCredentials));
    let anonymous = venue_at(&server.url(), |config| (config.keys, config.sign_triggers) = (None, false));
    assert_eq!(anonymous.unready(), None);
    anonymous.invoke(call(&server.url(), "x")).await.expect("an anonymous trigger");
    assert_eq!(server.calls(), 1);
}

#[tokio::test]
async fn the_checksum_of_the_code_that_ran_is_its_digest_as_it_is_listed() {
    for (told, digest) in [("2825179536350383358", Some("crc64:2825179536350383358")), ("soon", None), ("", None)] {
        let server = TestServer::start(move |_| Answer::Send(ok(&[("x-fc-code-checksum", told)], "done"))).await;
        let reply = invoke(&venue_at(&server.url(), |_| {}), "x").await.expect("a reply");
        assert_eq!(reply.digest.as_deref(), digest, "{told}");
    }
    let server = TestServer::start(|_| Answer::Send(ok(&[], "done"))).await;
    assert_eq!(invoke(&venue_at(&server.url(), |_| {}), "x").await.expect("a reply").digest, None);
}
