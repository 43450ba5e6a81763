//! Durable Functions: a starter begins a run that goes on by itself, and tells where to ask how it is doing.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{HOST, LOCATION, RETRY_AFTER};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{admitted, empty, ended_otherwise, json_answer, refused};
use crate::cloud::{Cloud, Outcome, Refusal};
use crate::config::AzureApp;
use crate::protocol::body::{Body, Cut, whole};
use crate::protocol::form;

/// The key that questions are asked with.
const SYSTEM_KEY: &str = "sim-system-key";

/// How a run is doing.
#[derive(Clone, Debug)]
pub(crate) enum Doing {
    Running,
    Completed(Value),
    Failed(String),
}

/// Starts a run.
///
/// # Errors
/// [`Cut`] when the connection is to be dropped without an answer.
pub(super) async fn start(
    cloud: &Arc<Cloud>,
    app: &AzureApp,
    function: &str,
    query: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, Cut> {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
    let payload = match admitted(cloud, app, query, request).await? {
        Ok(payload) => payload,
        Err(why) => return ended_otherwise(why).await,
    };
    if cloud.listed(function).is_none() && !cloud.unlisted().iter().any(|name| name == function) {
        return Ok(refused(&Refusal::UnknownFunction(function.to_owned())).map(whole));
    }
    let id = cloud.request_id().replace('-', "");
    cloud.instances.begin(&id, Doing::Running);
    let (running, function, run) = (Arc::clone(cloud), function.to_owned(), id.clone());
    tokio::spawn(async move {
        let doing = match running.invoke(&function, payload, usize::MAX).await {
            Outcome::Ran(answer) => match answer.result {
                Ok(output) => Doing::Completed(told(&output)),
                Err(failure) => Doing::Failed(format!("{}: {}", failure.kind, failure.message)),
            },
            _ => Doing::Failed("the host was lost".to_owned()),
        };
        running.instances.change(&run, |known| *known = doing);
    });
    let base = format!("http://{host}/{}/runtime/webhooks/durabletask/instances/{id}", cloud.config.name);
    let at = |rest: &str| format!("{base}{rest}code={SYSTEM_KEY}");
    let body = json!({
        "id": id,
        "statusQueryGetUri": at("?"),
        "sendEventPostUri": at("/raiseEvent/{eventName}?"),
        "terminatePostUri": at("/terminate?reason={text}&"),
        "purgeHistoryDeleteUri": at("?"),
    });
    let mut response = json_answer(StatusCode::ACCEPTED, &body);
    let place = HeaderValue::from_str(&at("?")).expect("invariant: a URL of names and digits is text");
    response.headers_mut().insert(LOCATION, place);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("10"));
    Ok(response.map(whole))
}

/// An output as JSON, or as a text where it is none.
fn told(output: &[u8]) -> Value {
    serde_json::from_slice(output).unwrap_or_else(|_| json!(String::from_utf8_lossy(output)))
}

/// How a run is doing.
pub(super) fn status(cloud: &Cloud, app: &AzureApp, id: &str, query: &str) -> Response<Bytes> {
    if form::value(query, "code").as_deref() != Some(SYSTEM_KEY) {
        return empty(StatusCode::UNAUTHORIZED);
    }
    let Some(doing) = cloud.instances.get(id) else { return empty(StatusCode::NOT_FOUND) };
    let (status, word, output) = match doing {
        Doing::Running => (StatusCode::ACCEPTED, "Running", Value::Null),
        Doing::Completed(output) => (StatusCode::OK, "Completed", output),
        Doing::Failed(why) => (StatusCode::OK, "Failed", json!(why)),
    };
    let body = json!({
        "name": app.app, "instanceId": id, "runtimeStatus": word, "input": null, "customStatus": null, "output": output,
        "createdTime": "2026-11-21T10:00:00Z", "lastUpdatedTime": "2026-11-21T10:00:00Z",
    });
    json_answer(status, &body)
}
