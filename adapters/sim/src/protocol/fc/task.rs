//! Asynchronous tasks: taken, run beside their answer, and told about.
//!
//! A task that finds no instance waits for one. One that the cloud can't run at all is `Invalid`; one that nothing comes of
//! stays as it is.
//!
//! Known limitations: a task that failed is not run again (`maxAsyncRetryAttempts` is 0), and none expires or can be
//! stopped. Every function has the task mode.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use merit_cloud_wire::fc::{self as wire, AsyncConfig, AsyncTask, ErrorCode, TaskStatus};

use super::{Failure, error_type, json, refused};
use crate::clock::SimClock;
use crate::cloud::{Answer, Cloud, Outcome, Refusal};
use crate::protocol::body::{Body, whole};

/// Takes a call and runs it beside the answer.
pub(super) fn submit(
    cloud: &Arc<Cloud>,
    name: String,
    payload: Bytes,
    headers: &HeaderMap,
    request_id: &str,
) -> Result<Response<Body>, Failure> {
    let given = headers.get(wire::ASYNC_TASK_ID).and_then(|id| id.to_str().ok());
    let id = given.unwrap_or(request_id).to_owned();
    if given.is_some_and(|id| !wire::is_task_id(id)) {
        return Err(Failure::Error(ErrorCode::InvalidArgument, format!("async task id '{id}' is not valid")));
    }
    if cloud.listed(&name).is_none() && !cloud.unlisted().contains(&name) {
        let message = format!("function '{name}' does not exist");
        return Err(refused(&Refusal::UnknownFunction(message)));
    }
    let known_as = key(&name, &id);
    let task = AsyncTask { task_id: id.clone(), status: word(TaskStatus::Enqueued), ..AsyncTask::default() };
    if !cloud.tasks.begin(&known_as, task) {
        let message = format!("async task '{id}' of '{name}' already exists");
        return Err(Failure::Error(ErrorCode::AsyncTaskAlreadyExists, message));
    }
    tokio::spawn(run(Arc::clone(cloud), name, payload, known_as));
    let mut response = Response::new(whole(Bytes::new()));
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

fn key(function: &str, id: &str) -> String {
    format!("{function}/{id}")
}

fn word(status: TaskStatus) -> String {
    status.as_str().to_owned()
}

fn now_ms() -> u64 {
    SimClock::time_of_day().micros() / 1000
}

async fn run(cloud: Arc<Cloud>, name: String, payload: Bytes, known_as: String) {
    let answer = loop {
        cloud.tasks.change(&known_as, |task| {
            task.status = word(TaskStatus::Running);
            task.started_time = Some(now_ms());
        });
        match cloud.invoke(&name, payload.clone(), wire::MOST_SYNC_BYTES).await {
            Outcome::Ran(answer) => break answer,
            Outcome::Refused(Refusal::Throttled { retry_after, .. }) => {
                cloud.tasks.change(&known_as, |task| {
                    task.status = word(TaskStatus::Enqueued);
                    task.started_time = None;
                });
                tokio::time::sleep(retry_after).await;
            }
            Outcome::Refused(refusal) => {
                tracing::warn!(?refusal, function = name, "an asynchronous call can't be run");
                cloud.tasks.change(&known_as, |task| {
                    task.status = word(TaskStatus::Invalid);
                    task.started_time = None;
                });
                return;
            }
            Outcome::Silence | Outcome::Cut => return,
        }
    };
    let Answer { usage, result, .. } = answer;
    cloud.tasks.change(&known_as, |task| {
        task.end_time = Some(now_ms());
        task.duration_ms = Some(usage.duration.saturating_add(usage.init).millis_ceil());
        task.already_retried_times = Some(0);
        let (status, payload) = match &result {
            Ok(payload) => (TaskStatus::Succeeded, payload.clone()),
            Err(failure) => {
                task.task_error_message = Some(error_type(failure).to_owned());
                (TaskStatus::Failed, failure.body())
            }
        };
        task.status = word(status);
        task.return_payload = Some(String::from_utf8_lossy(&payload).into_owned());
    });
}

/// How a task is doing; `return_payload` says whether the account is told replies.
pub(super) fn status(cloud: &Cloud, name: &str, id: &str, return_payload: bool) -> Result<Response<Body>, Failure> {
    let Some(task) = cloud.tasks.get(&key(name, id)) else {
        return Err(Failure::Error(ErrorCode::AsyncTaskNotFound, format!("async task '{id}' does not exist")));
    };
    let told = task.return_payload.filter(|_| return_payload);
    Ok(json(&AsyncTask { return_payload: told, ..AsyncTask { return_payload: None, ..task } }))
}

/// How functions are called asynchronously.
pub(super) fn config() -> Response<Body> {
    json(&AsyncConfig { async_task: Some(true), max_async_retry_attempts: Some(0) })
}
