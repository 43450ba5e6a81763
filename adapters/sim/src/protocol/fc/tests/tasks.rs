//! Asynchronous calls, by the ids of their tasks.

use http::{Method, StatusCode};
use merit_cloud_wire::fc::{AsyncConfig, AsyncTask, TaskStatus};
use serde_json::json;

use super::{CONFIG, error, fc, invoke, send, signer};
use crate::SimConfig;
use crate::clock::SimClock;
use crate::testing::http::{Answer, Running, start};

async fn submit(sim: &Running, function: &str, id: &str) -> Answer {
    let more = [("x-fc-invocation-type", "Async"), ("x-fc-async-task-id", id)];
    invoke(sim, &format!("{function}/invocations"), &more, b"x").await
}

async fn ask(sim: &Running, function: &str, id: &str) -> Answer {
    let path = format!("/2023-03-30/functions/{function}/async-tasks/{id}");
    send(sim, &signer(), SimClock::time_of_day(), (Method::GET, &path), &[], b"").await
}

/// Asks until the task is as it is waited for.
async fn until(sim: &Running, function: &str, id: &str, status: TaskStatus) -> AsyncTask {
    loop {
        let task: AsyncTask = serde_json::from_slice(&ask(sim, function, id).await.body).expect("a task");
        if task.status == status.as_str() {
            return task;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_asynchronous_call_is_taken_and_runs_once() {
    let sim = start(
        SimConfig::parse(&CONFIG.replace("protocol = \"fc\"", "protocol = \"fc\"\nreturn_payload = true"))
            .expect("a configuration"),
    )
    .await;
    let answer = submit(&sim, "echo", "merit-1").await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::ACCEPTED, 0));
    let task = until(&sim, "echo", "merit-1", TaskStatus::Succeeded).await;
    assert_eq!(task.return_payload.as_deref(), Some("x"));
    assert!(task.duration_ms.is_some_and(|took| took > 0) && task.started_time <= task.end_time, "{task:?}");
    assert_eq!(error(&submit(&sim, "echo", "merit-1").await), (409, "StatefulAsyncInvocationAlreadyExists".to_owned()));
    assert_eq!(sim.functions.runs(), 1);
    assert_eq!(submit(&sim, "picture", "merit-1").await.status, StatusCode::ACCEPTED, "ids are a function's own");
    assert_eq!(submit(&sim, "trap", "merit-1").await.status, StatusCode::ACCEPTED);
    let failed = until(&sim, "trap", "merit-1", TaskStatus::Failed).await;
    assert_eq!(failed.task_error_message.as_deref(), Some("UnhandledInvocationError"));
}

#[tokio::test]
async fn an_account_is_not_told_replies_unless_they_are_opened_for_it() {
    let sim = fc().await;
    assert_eq!(submit(&sim, "echo", "merit-1").await.status, StatusCode::ACCEPTED);
    assert_eq!(until(&sim, "echo", "merit-1", TaskStatus::Succeeded).await.return_payload, None);
}

#[tokio::test]
async fn what_is_no_task_is_refused_and_what_finds_no_instance_waits() {
    let sim = fc().await;
    assert_eq!(error(&submit(&sim, "nobody", "merit-1").await), (404, "FunctionNotFound".to_owned()));
    assert_eq!(error(&submit(&sim, "echo", "1-merit").await), (400, "InvalidArgument".to_owned()));
    assert_eq!(error(&ask(&sim, "echo", "merit-1").await), (404, "StatefulAsyncInvocationNotFound".to_owned()));
    let path = "/2023-03-30/functions/echo/async-invoke-config";
    let config = send(&sim, &signer(), SimClock::time_of_day(), (Method::GET, path), &[], b"").await;
    let config: AsyncConfig = serde_json::from_slice(&config.body).expect("a configuration");
    assert_eq!(config, AsyncConfig { async_task: Some(true), max_async_retry_attempts: Some(0) });
    sim.control(json!({ "concurrency": 0 })).await;
    assert_eq!(submit(&sim, "echo", "merit-2").await.status, StatusCode::ACCEPTED);
    until(&sim, "echo", "merit-2", TaskStatus::Enqueued).await;
    sim.control(json!({ "concurrency": null })).await;
    until(&sim, "echo", "merit-2", TaskStatus::Succeeded).await;
    sim.control(json!({ "error_rate": 1.0 })).await;
    assert_eq!(submit(&sim, "echo", "merit-3").await.status, StatusCode::ACCEPTED);
    assert_eq!(until(&sim, "echo", "merit-3", TaskStatus::Invalid).await.started_time, None);
}
