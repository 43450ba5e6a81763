//! Functions that are called asynchronously: submitted with an id, asked about until they have ended.

use std::sync::Arc;
use std::time::Duration;

use merit_venue::{ErrorKind, MeterBasis, Outcome, Reply, StepResult, Venue, VenueError};
use merit_venue_alibaba_fc::{AsyncReplies, FcConfig, FcVenue};
use tokio::time::Instant;

use crate::server::{Answer, Received, SECRET_KEY, TestServer, call, presented, refused, reply, target, venue_at};

const ID: &str = "merit-0199f0a2-7c1e-7fff-bfff-ffffffffffff-prod";

fn venue(server: &TestServer, change: impl FnOnce(&mut FcConfig)) -> Arc<FcVenue> {
    venue_at(&server.url(), |config| {
        config.async_replies = Some(AsyncReplies::Payload);
        change(config);
    })
}

async fn invoke(venue: &FcVenue, patience: Duration) -> Result<Reply, VenueError> {
    let mut call = call("async/resize:prod", "{}");
    call.deadline = Instant::now() + patience;
    venue.invoke(call).await
}

fn taken() -> Vec<u8> {
    reply(202, &[("x-fc-request-id", "1-673f-abc")], "")
}

fn told(body: &str) -> Vec<u8> {
    reply(200, &[("x-fc-request-id", "1"), ("content-type", "application/json")], body)
}

fn is_question(request: &Received) -> bool {
    request.request_line().starts_with("GET ")
}

/// Function Compute: it takes everything, and answers the questions one after the other, the last for ever.
async fn tells(answers: Vec<Vec<u8>>) -> TestServer {
    TestServer::start(move |request| {
        if is_question(request) {
            let at = (request.call - 1).min(answers.len() - 1);
            Answer::Send(answers[at].clone())
        } else {
            Answer::Send(taken())
        }
    })
    .await
}

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_task_is_submitted_with_its_id_and_asked_about_until_it_has_ended() {
    let server = tells(vec![
        refused(404, "StatefulAsyncInvocationNotFound", &[]),
        told(r#"{"status":"Enqueued"}"#),
        told(r#"{"status":"Running","startedTime":1}"#),
        told(r#"{"status":"Succeeded","startedTime":1,"durationMs":3,"alreadyRetriedTimes":0,"returnPayload":"wéll"}"#),
    ])
    .await;
    let reply = invoke(&venue(&server, |_| {}), PATIENCE).await.expect("a reply");
    assert_eq!((reply.payload.as_ref(), reply.status, reply.meters), ("wéll".as_bytes(), 200, MeterBasis::Reported));
    assert_eq!((reply.usage.duration.get(), reply.usage.egress_bytes), (3000, 5));
    let submitted = server.received(0);
    let (_, path, signed) = presented(&submitted);
    assert_eq!(path, "/2023-03-30/functions/resize/invocations?qualifier=prod");
    assert_eq!(signed.verify(SECRET_KEY, &submitted.body), Ok(()));
    for (name, value) in [("x-fc-invocation-type", "Async"), ("x-fc-async-task-id", ID)] {
        assert_eq!(submitted.header(name), Some(value), "{name}");
    }
    for at in 1..=4 {
        let question = server.received(at);
        let (method, path, signed) = presented(&question);
        assert_eq!(method.as_str(), "GET");
        assert_eq!(path, format!("/2023-03-30/functions/resize/async-tasks/{ID}?qualifier=prod"));
        assert_eq!(signed.verify(SECRET_KEY, b""), Ok(()));
        assert_eq!(question.header("x-acs-action"), Some("GetAsyncTask"));
    }
    assert_eq!(server.calls(), 5);
}

#[tokio::test]
async fn each_end_of_a_task_means_what_it_says() {
    use ErrorKind::{MalformedReply, ReplyTooLarge, Unavailable};
    for (body, outcome, kind, said) in [
        (r#"{"status":"Expired"}"#, Outcome::NotStarted, Unavailable, "did not run"),
        (r#"{"status":"Invalid"}"#, Outcome::NotStarted, Unavailable, "did not run"),
        (r#"{"status":"Stopped","startedTime":1}"#, Outcome::Ran, Unavailable, "stopped by somebody"),
        (r#"{"status":"Stopped"}"#, Outcome::Unknown, Unavailable, "stopped by somebody"),
        (r#"{"status":"Dreaming"}"#, Outcome::Unknown, MalformedReply, "`Dreaming`"),
        ("<html>", Outcome::Unknown, MalformedReply, "does not tell"),
        (r#"{"status":"Succeeded","durationMs":1}"#, Outcome::Ran, MalformedReply, "open `returnPayload`"),
        (r#"{"status":"Succeeded","returnPayload":"too much"}"#, Outcome::Ran, ReplyTooLarge, "max_reply_bytes"),
    ] {
        let server = tells(vec![told(body)]).await;
        let error = invoke(&venue(&server, |config| config.max_reply_bytes = 5), PATIENCE).await.expect_err(body);
        assert_eq!((error.outcome, error.kind), (outcome, kind), "{error}");
        assert!(error.message.contains(said), "{error}");
        assert_eq!(error.usage.is_some(), outcome == Outcome::Ran, "{body}");
    }
}

#[tokio::test]
async fn a_function_that_failed_is_billed_and_one_that_was_run_again_by_the_own_clock() {
    let failed = r#"{"status":"Failed","durationMs":2,"taskErrorMessage":"UnhandledInvocationError","returnPayload":
        "{\"errorType\":\"KeyError\",\"errorMessage\":\"no such order\"}"}"#;
    let server = tells(vec![told(failed)]).await;
    let reply = invoke(&venue(&server, |_| {}), PATIENCE).await.expect("a reply");
    let error = reply.function_error.expect("an error");
    assert_eq!((error.kind.as_str(), error.message.as_str()), ("KeyError", "no such order"));
    assert_eq!((reply.usage.duration.get(), reply.meters), (2000, MeterBasis::Reported));
    let bare = tells(vec![told(r#"{"status":"Failed","taskErrorMessage":"OOM"}"#)]).await;
    let reply = invoke(&venue(&bare, |_| {}), PATIENCE).await.expect("a reply");
    assert_eq!(reply.function_error.expect("an error").kind, "OOM");
    for (meters, basis) in [
        (r#""durationMs":2,"alreadyRetriedTimes":3"#, MeterBasis::OwnClock),
        (r#""durationMs":3600000"#, MeterBasis::Refused),
        (r#""startedTime":1"#, MeterBasis::OwnClock),
    ] {
        let server = tells(vec![told(&format!(r#"{{"status":"Succeeded","returnPayload":"",{meters}}}"#))]).await;
        let reply = invoke(&venue(&server, |_| {}), PATIENCE).await.expect("a reply");
        assert_eq!(reply.meters, basis, "{meters}");
        assert!(reply.usage.duration.get() >= 100_000, "the own clock has the wait for the first question: {reply:?}");
    }
}

#[tokio::test]
async fn a_task_that_is_there_already_is_asked_about_and_not_run_again() {
    // Another attempt submitted it, an hour ago.
    let server = TestServer::start(|request| {
        Answer::Send(if is_question(request) {
            told(r#"{"status":"Succeeded","durationMs":3600000,"returnPayload":"once"}"#)
        } else {
            refused(409, "StatefulAsyncInvocationAlreadyExists", &[])
        })
    })
    .await;
    let reply = invoke(&venue(&server, |_| {}), PATIENCE).await.expect("a reply");
    assert_eq!((reply.payload.as_ref(), reply.meters), (&b"once"[..], MeterBasis::Reported));
    assert_eq!((reply.usage.duration.get(), server.calls()), (3_600_000_000, 2));
    let busy = TestServer::start(|_| Answer::Send(refused(409, "ConcurrentUpdateError", &[]))).await;
    let error = invoke(&venue(&busy, |_| {}), PATIENCE).await.expect_err("refused");
    assert_eq!((error.outcome, error.kind, busy.calls()), (Outcome::NotStarted, ErrorKind::Unavailable, 1));
}

#[tokio::test]
async fn a_submission_in_doubt_is_made_again_with_the_same_id_and_is_never_taken_for_refused() {
    let server = TestServer::start(|request| match request.call {
        0 => Answer::Last(Vec::new()),
        1 => Answer::Send(refused(500, "InternalServerError", &[])),
        2 => Answer::Send(refused(409, "StatefulAsyncInvocationAlreadyExists", &[])),
        _ => Answer::Send(told(r#"{"status":"Succeeded","returnPayload":"once"}"#)),
    })
    .await;
    assert_eq!(invoke(&venue(&server, |_| {}), PATIENCE).await.expect("a reply").payload, "once");
    let ids: Vec<_> = (0..3).map(|at| server.received(at).header("x-fc-async-task-id").map(str::to_owned)).collect();
    assert_eq!(ids, [Some(ID.to_owned()), Some(ID.to_owned()), Some(ID.to_owned())]);
    let nonces: std::collections::BTreeSet<_> =
        (0..3).map(|at| server.received(at).header("x-acs-signature-nonce").expect("a nonce").to_owned()).collect();
    assert_eq!(nonces.len(), 3, "no request repeats another");
    // What comes after a doubt proves nothing of what was before it.
    for (after, calls) in [(refused(403, "AccessDenied", &[]), 2), (refused(429, "ResourceExhausted", &[]), 4)] {
        let server = TestServer::start(move |request| match request.call {
            0 => Answer::Last(Vec::new()),
            _ => Answer::Send(after.clone()),
        })
        .await;
        let error = invoke(&venue(&server, |_| {}), PATIENCE).await.expect_err("in doubt");
        assert_eq!((error.outcome, server.calls()), (Outcome::Unknown, calls), "{error}");
    }
}

#[tokio::test]
async fn time_that_runs_out_is_in_doubt_until_the_task_was_seen_to_begin() {
    for (body, outcome) in [(r#"{"status":"Enqueued"}"#, Outcome::Unknown), (r#"{"status":"Running"}"#, Outcome::Ran)] {
        let server = tells(vec![told(body)]).await;
        let error = invoke(&venue(&server, |_| {}), Duration::from_millis(600)).await.expect_err("late");
        assert_eq!((error.outcome, error.kind), (outcome, ErrorKind::Timeout), "{error}");
    }
    let denied = tells(vec![refused(403, "AccessDenied", &[])]).await;
    let error = invoke(&venue(&denied, |_| {}), PATIENCE).await.expect_err("denied");
    assert_eq!((error.outcome, error.kind), (Outcome::Unknown, ErrorKind::BadCredentials));
    assert!(error.message.contains("fc:GetAsyncTask"), "{error}");
}

#[tokio::test]
async fn what_can_not_be_called_asynchronously_is_not_sent() {
    let server = tells(vec![told(r#"{"status":"Succeeded","returnPayload":"x","durationMs":1}"#)]).await;
    let error = invoke(&venue(&server, |config| config.async_replies = None), PATIENCE).await.expect_err("unsaid");
    assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::Misconfigured));
    assert!(error.message.contains("async_replies = \"payload\""), "{error}");
    let mut large = call("async/resize", "");
    large.payload = vec![b'x'; 128 * 1024 + 1].into();
    let error = venue(&server, |_| {}).invoke(large).await.expect_err("too large");
    assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::PayloadTooLarge));
    assert_eq!(server.calls(), 0);
    let empty = venue(&server, |config| config.async_replies = Some(AsyncReplies::Empty));
    assert_eq!(invoke(&empty, PATIENCE).await.expect("a reply").payload, "", "whatever is told");
}

#[tokio::test]
async fn a_look_finds_functions_whose_tasks_are_not_remembered_or_run_again() {
    for (config, result, said) in [
        (told(r#"{"asyncTask":true,"maxAsyncRetryAttempts":0}"#), StepResult::Ok, "once only"),
        (told(r#"{"asyncTask":true}"#), StepResult::Failed, "maxAsyncRetryAttempts to 0"),
        (told(r#"{"asyncTask":false}"#), StepResult::Failed, "task mode"),
        (refused(404, "AsyncConfigNotExists", &[]), StepResult::Failed, "task mode"),
        (refused(403, "AccessDenied", &[]), StepResult::None, "AccessDenied"),
    ] {
        let server = TestServer::start(move |request| {
            let line = request.request_line();
            Answer::Send(if line.contains("async-invoke-config") {
                config.clone()
            } else if line.starts_with("GET ") {
                told(r#"{"functions":[{"functionName":"resize"}]}"#)
            } else {
                refused(404, "FunctionNotFound", &[])
            })
        })
        .await;
        let steps = venue(&server, |_| {}).check(vec![target("async/resize:prod")]).await;
        let last = steps.last().expect("a step");
        assert_eq!((last.name, last.result), ("task mode", result), "{steps:?}");
        assert!(format!("{} {}", last.found, last.todo).contains(said), "{last:?}");
        let unsaid = venue(&server, |config| config.async_replies = None).check(vec![target("async/resize")]).await;
        assert_eq!((unsaid[0].name, unsaid[0].result), ("target", StepResult::Failed), "{unsaid:?}");
    }
}
