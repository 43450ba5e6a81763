//! AWS Lambda's own protocol: an SDK pointed at `http://ADDRESS/{cloud}` calls and lists functions.
//!
//! | what | how |
//! |---|---|
//! | who calls | Signature Version 4 against the configured key pairs, before the payload is read where it can be |
//! | Invoke | `RequestResponse` 200, `Event` 202, `DryRun` 204; a failed function is a 200 with `X-Amz-Function-Error` |
//! | log | with `LogType=Tail` the lines Lambda itself writes, with a REPORT line that agrees with the bill |
//! | streams | the reply as an event stream |
//! | lists | functions, versions, aliases, tags, concurrency, account settings |
//! | over a limit | 429 with its `Reason` and `Retry-After`, 413 over 6 MB (1 MB for events) |
//! | `outage: refuse`, or the machine can't run it | 503 with `Retry-After`: surely not started |
//! | `error_rate` | 500 `ServiceException` without a word on whether it ran |
//! | `lambda_error` | that error; nothing runs |
//!
//! Known limitations: an event runs once and at once, without Lambda's queue and retries; what a function
//! logs is not in the log; the client context is checked and not handed to the function.

mod auth;
mod describe;
mod invoke;
mod target;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use merit_lambda_wire::error::{ErrorCode, LambdaError, REQUEST_ID};
use merit_lambda_wire::route::Operation;
use merit_lambda_wire::sigv4::AuthError;
use serde::Serialize;

use super::body::{Body, Cut, whole};
use super::payload;
use crate::cloud::{Cloud, Outcome, Refusal};
use crate::config::LambdaAccount;

/// Why there is no ordinary answer.
enum Failure {
    Cut,
    Error(LambdaError),
}

/// What requests of every kind come with.
#[derive(Clone, Copy)]
struct Context<'c> {
    cloud: &'c Arc<Cloud>,
    account: &'c LambdaAccount,
    request_id: &'c str,
}

/// Answers a request whose path, without the cloud's name, is `path`.
///
/// # Errors
/// [`Cut`] when the connection is to be dropped without an answer.
pub(crate) async fn serve(
    cloud: &Arc<Cloud>,
    account: &LambdaAccount,
    path: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, Cut> {
    let request_id = cloud.request_id();
    let context = Context { cloud, account, request_id: &request_id };
    let mut response = match answer(context, path, request).await {
        Ok(response) => response,
        Err(Failure::Cut) => return Err(Cut),
        Err(Failure::Error(error)) => error.response().map(whole),
    };
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    Ok(response)
}

async fn answer(context: Context<'_>, path: &str, request: Request<Incoming>) -> Result<Response<Body>, Failure> {
    match context.cloud.outage() {
        Some(Outcome::Cut) => return Err(Failure::Cut),
        Some(Outcome::Silence) => std::future::pending().await,
        Some(Outcome::Refused(refusal)) => return Err(refused(&refusal, &"").into()),
        Some(Outcome::Ran(_)) | None => {}
    }
    let head = auth::Head::of(context.account, &request)?;
    let operation = Operation::of(request.method(), path);
    let query = request.uri().query().map(str::to_owned);
    let query = query.as_deref();
    match operation {
        Operation::Invoke { function } => invoke::invoke(context, function, request, head).await,
        Operation::InvokeWithResponseStream { function } => invoke::stream(context, function, request, head).await,
        Operation::InvokeAsync { function } => invoke::queue(context, function, request, head).await,
        other => {
            let body = payload::read(request, MOST_QUERY_BYTES).await?;
            head.check_body(&body.map_err(|_| too_large(MOST_QUERY_BYTES))?)?;
            describe::describe(context, &other, query)
        }
    }
}

/// Operations that only ask have no payload to speak of.
const MOST_QUERY_BYTES: usize = 64 * 1024;

fn json(answer: &impl Serialize) -> Response<Body> {
    let body = serde_json::to_vec(answer).expect("invariant: Lambda's shapes are JSON");
    let mut response = Response::new(whole(body.into()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn too_large(limit: usize) -> LambdaError {
    let message = format!("Request must be smaller than {limit} bytes for the InvokeFunction operation");
    LambdaError::new(ErrorCode::RequestTooLarge, message)
}

/// What a call that did not run is answered with; `arn` is the function's.
fn refused(reason: &Refusal, arn: &impl std::fmt::Display) -> LambdaError {
    use merit_lambda_wire::error::ThrottleReason::{
        ConcurrentInvocationLimitExceeded, ReservedFunctionConcurrentInvocationLimitExceeded,
    };
    let unavailable = |message: &str| {
        let error = LambdaError::new(ErrorCode::ServiceUnavailable, message);
        LambdaError { retry_after: Some(1), ..error }
    };
    match reason {
        Refusal::Down => unavailable("Service is unavailable"),
        Refusal::Throttled { reserved, retry_after, .. } => {
            let reason = if *reserved {
                ReservedFunctionConcurrentInvocationLimitExceeded
            } else {
                ConcurrentInvocationLimitExceeded
            };
            LambdaError::throttled(reason, Some(retry_after.as_secs().max(1)))
        }
        Refusal::UnknownFunction(_) => LambdaError::function_not_found(arn),
        Refusal::PayloadTooLarge { limit } => too_large(*limit),
        Refusal::Platform => {
            LambdaError::new(ErrorCode::Service, "An error occurred and the request cannot be processed.")
        }
        Refusal::Machine(message) => unavailable(message),
    }
}

impl From<LambdaError> for Failure {
    fn from(error: LambdaError) -> Self {
        Self::Error(error)
    }
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        Self::Error(error.into())
    }
}

impl From<Cut> for Failure {
    fn from(_: Cut) -> Self {
        Self::Cut
    }
}

/// Reads a payload of at most `limit` bytes and checks it against the signature.
async fn signed_payload(request: Request<Incoming>, head: &auth::Head, limit: usize) -> Result<Bytes, Failure> {
    let payload = payload::read(request, limit).await?.map_err(|payload::TooLarge { limit }| too_large(limit))?;
    head.check_body(&payload)?;
    Ok(payload)
}
