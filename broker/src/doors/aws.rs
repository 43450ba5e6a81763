//! The Lambda-compatible door: the part of AWS Lambda's API that calls and lists functions, for any AWS SDK or CLI
//! whose `AWS_ENDPOINT_URL_LAMBDA` is this broker (docs/LAMBDA.md, docs/adr/0011).
//!
//! It is served under `/aws` and at the root, on bare hyper like the native door, and runs the same stages. Requests
//! are signed (`sign`), Merit's terms travel in `X-Merit-*` headers or in the client context (`terms`), and whatever
//! is refused becomes the AWS error an SDK knows what to do with (`refusal`).
//!
//! Invariants: a request refused by its head never has its body read; nothing is admitted before its signature has
//! been verified; every answer has `x-amzn-RequestId`.
//!
//! Known limitation: the region and the account of an ARN are not looked at. Functions have no versions: a qualifier
//! names another function (`function`).

mod function;
mod head;
mod invoke;
mod list;
mod payload;
mod refusal;
mod reply;
mod sign;
mod stream;
mod terms;

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use merit_lambda_wire::error::{ERROR_TYPE, ErrorCode, LambdaError, REQUEST_ID};
use merit_lambda_wire::route::Operation;
use merit_units::InvocationId;

use crate::Broker;
use crate::clock::Stopwatch;
use crate::doors::aws::payload::Unread;
use crate::refusal::{Refusal, Refused};

/// An answer of this door.
pub type Answer = Response<Either<Full<Bytes>, axum::body::Body>>;

/// Where it is served besides the root.
const PREFIX: &str = "/aws";

/// One request, before anything of it is believed.
struct Asked<'r> {
    broker: &'r Arc<Broker>,
    id: InvocationId,
    stopwatch: Stopwatch,
    parts: &'r Parts,
}

/// Why a request has no answer of its operation.
enum Denied {
    /// By Merit's own rules.
    Refused(Refused),
    /// By Lambda's: a signature that does not hold, a parameter it does not take.
    Lambda(Box<LambdaError>),
}

impl From<Refused> for Denied {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.into())
    }
}

impl<E: Into<LambdaError>> From<E> for Denied {
    fn from(error: E) -> Self {
        Self::Lambda(Box::new(error.into()))
    }
}

/// Whether a request is for this door: by its path, or because it is signed as AWS's are.
pub(crate) fn is_asked<B>(request: &Request<B>) -> bool {
    let path = request.uri().path();
    // The API's versions are dates: `/2015-03-31/...`.
    let dated = path.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    let signed = |value: &HeaderValue| value.as_bytes().starts_with(b"AWS4-");
    dated
        || path.strip_prefix(PREFIX).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        || request.headers().get(header::AUTHORIZATION).is_some_and(signed)
        || request.uri().query().is_some_and(|query| query.contains("X-Amz-Signature="))
}

/// Serves one request from head to answer.
pub async fn serve(broker: Arc<Broker>, request: Request<Incoming>) -> Answer {
    let stopwatch = Stopwatch::start();
    let id = broker.new_invocation();
    let (parts, body) = request.into_parts();
    let asked = Asked { broker: &broker, id, stopwatch, parts: &parts };
    let mut answer = match answer(&asked, Unread::new(body)).await {
        Ok(answer) => answer,
        Err(denied) => deny(&asked, denied),
    };
    answer.headers_mut().entry(REQUEST_ID).or_insert_with(|| reply::request_id(id));
    answer
}

async fn answer(asked: &Asked<'_>, body: Unread) -> Result<Answer, Denied> {
    let path = asked.parts.uri.path();
    let path = path.strip_prefix(PREFIX).unwrap_or(path);
    let operation = Operation::of(&asked.parts.method, path);
    match operation {
        Operation::Invoke { function } => invoke::invoke(asked, function, body).await,
        Operation::InvokeWithResponseStream { function } => stream::invoke(asked, function, body).await,
        Operation::InvokeAsync { function } => invoke::invoke_async(asked, function, body).await,
        Operation::NotLambda => Err(nothing_there(path).into()),
        operation => list::answer(asked, &operation, body).await,
    }
}

fn deny(asked: &Asked<'_>, denied: Denied) -> Answer {
    match denied {
        Denied::Lambda(error) => {
            asked.broker.metrics.refusal(refusal::word_of(&error.code));
            of_error(&error)
        }
        Denied::Refused(refused) => {
            asked.broker.metrics.refusal(crate::doors::problem::word(&refused.refusal));
            let id = refused.invocation.unwrap_or(asked.id);
            if let Refusal::Internal(message) = &*refused.refusal {
                tracing::error!(request = %id, message, "a call failed by a fault of the broker's own");
            }
            refusal::answer(&refused.refusal, id, &function::arn_of(asked.parts)).map(Either::Left)
        }
    }
}

fn of_error(error: &LambdaError) -> Answer {
    let mut answer = error.response().map(Full::new).map(Either::Left);
    debug_assert!(answer.headers().contains_key(ERROR_TYPE), "an SDK finds the error's name in a header");
    if error.code == ErrorCode::MissingAuthenticationToken {
        // For whoever sent a key of the native door: say how this one is opened.
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("AWS4-HMAC-SHA256"));
    }
    answer
}

fn nothing_there(path: &str) -> LambdaError {
    let path: String = path.chars().take(200).collect();
    let message = format!(
        "`{path}` is no path of the Lambda API; Merit answers AWS clients for Lambda alone, so set \
         AWS_ENDPOINT_URL_LAMBDA and not AWS_ENDPOINT_URL"
    );
    LambdaError::new(ErrorCode::UnknownOperation, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_paths_and_whatever_is_signed_are_its_own() {
        let asked = |uri: &str, authorization: &str| {
            let request = Request::builder().uri(uri).header("authorization", authorization);
            is_asked(&request.body(()).expect("a request"))
        };
        let bearer = "Bearer mrt_a_b";
        assert!(asked("/2015-03-31/functions/f/invocations", bearer));
        assert!(asked("/aws/2015-03-31/functions/f", bearer) && asked("/aws", bearer));
        assert!(asked("/buckets", "AWS4-HMAC-SHA256 Credential=x"));
        assert!(asked("/buckets?X-Amz-Signature=0", bearer));
        assert!(!asked("/v1/functions/f/invocations", bearer) && !asked("/awsome", bearer) && !asked("/", bearer));
    }
}
