//! Starters of Durable Functions: followed to the end, whatever it is.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use merit_units::Micros;
use merit_venue::{ErrorKind, MeterBasis, Outcome, Venue};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::server::{Answer, Received, TestServer, call, invoke, reply, venue_at};

const STATUS_PATH: &str = "/runtime/webhooks/durabletask/instances/abc?code=hunter2";

fn told(word: &str, output: &Value) -> String {
    json!({"name": "resize", "instanceId": "abc", "runtimeStatus": word, "output": output}).to_string()
}

/// An app whose starter says to ask at its own address, or at `elsewhere`; `ask` answers the questions, from 0.
async fn app(elsewhere: Option<&'static str>, ask: impl Fn(usize) -> Vec<u8> + Send + Sync + 'static) -> TestServer {
    let asked = AtomicUsize::new(0);
    TestServer::start(move |request: &Received| {
        if request.request_line().starts_with("POST ") {
            let host = format!("http://{}", request.header("host").expect("a host"));
            let url = format!("{}{STATUS_PATH}", elsewhere.unwrap_or(&host));
            let body = json!({"id": "abc", "statusQueryGetUri": url, "terminatePostUri": "x"}).to_string();
            return Answer::Send(reply(202, &[("location", &url), ("retry-after", "10")], body));
        }
        Answer::Send(ask(asked.fetch_add(1, Ordering::SeqCst)))
    })
    .await
}

#[tokio::test]
async fn what_was_started_is_asked_about_until_it_has_ended() {
    let server = app(None, |asked| match asked {
        0 => reply(202, &[("retry-after", "10")], told("Running", &Value::Null)),
        1 => reply(503, &[], "busy"),
        _ => reply(200, &[], told("Completed", &json!({"n": 1}))),
    })
    .await;
    let venue = venue_at(&server.url(), |_| {});
    let begun = Instant::now();
    let done = invoke(&venue, "{}").await.expect("it ended well");
    assert_eq!((done.payload.as_ref(), done.function_error), (&br#"{"n":1}"#[..], None));
    assert_eq!(done.content_type.expect("it is JSON"), "application/json");
    assert_eq!(done.meters, MeterBasis::OwnClock);
    assert!((Micros::from_millis(300)..=Micros::from_std(begun.elapsed())).contains(&done.usage.duration));
    assert_eq!(server.calls(), 4);
    let question = server.received(3);
    assert_eq!(question.request_line(), format!("GET {STATUS_PATH} HTTP/1.1"));
    assert_eq!(question.header("x-functions-key"), Some("the-key"));
}

#[tokio::test]
async fn an_orchestration_that_failed_is_the_functions_error() {
    for word in ["Failed", "Terminated", "Canceled"] {
        let server = app(None, move |_| reply(200, &[], told(word, &json!("no such order")))).await;
        let error = invoke(&venue_at(&server.url(), |_| {}), "{}").await.expect("it ran").function_error;
        let error = error.expect("an error");
        assert_eq!((error.kind.as_str(), error.message.as_str()), (word, "no such order"));
    }
}

#[tokio::test]
async fn when_the_callers_time_runs_out_it_has_run() {
    let server = app(None, |_| reply(202, &[], told("Running", &Value::Null))).await;
    let venue = venue_at(&server.url(), |_| {});
    let mut call = call("{}");
    call.deadline = Instant::now() + Duration::from_millis(500);
    let begun = Instant::now();
    let error = venue.invoke(call).await.expect_err("it takes too long");
    assert_eq!((error.outcome, error.kind), (Outcome::Ran, ErrorKind::Timeout), "{error}");
    assert!(error.usage.is_some(), "what it used is billed");
    assert!((450..2500).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn nobody_else_is_asked() {
    for elsewhere in ["https://evil.example", "http://127.0.0.1:1", "http://orders.azurewebsites.net"] {
        let server = app(Some(elsewhere), |_| reply(200, &[], told("Completed", &Value::Null))).await;
        let error = invoke(&venue_at(&server.url(), |_| {}), "{}").await.expect_err("another host");
        assert_eq!((error.outcome, error.kind), (Outcome::Ran, ErrorKind::MalformedReply), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert_eq!(server.calls(), 1);
    }
}

#[tokio::test]
async fn answers_that_are_none_end_the_asking() {
    for (answer, kind) in [
        (reply(200, &[("content-type", "text/html")], "<html>"), ErrorKind::MalformedReply),
        (reply(404, &[], ""), ErrorKind::NotFound),
        (reply(401, &[], ""), ErrorKind::BadCredentials),
    ] {
        let server = app(None, move |_| answer.clone()).await;
        let error = invoke(&venue_at(&server.url(), |_| {}), "{}").await.expect_err("no answer");
        assert_eq!((error.outcome, error.kind), (Outcome::Ran, kind), "{error}");
        assert_eq!(server.calls(), 2, "asked once");
    }
}

#[tokio::test]
async fn without_following_an_answer_of_202_is_a_reply() {
    let server = app(None, |_| reply(500, &[], "")).await;
    let reply = invoke(&venue_at(&server.url(), |config| config.durable = false), "{}").await.expect("a reply");
    assert_eq!((reply.status, server.calls()), (202, 1));
}
