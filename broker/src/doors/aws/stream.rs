//! InvokeWithResponseStream: the reply is passed on while the venue sends it, in the frames of an event stream.
//!
//! The call is settled when its last piece has come; what it was charged is in its receipt, not in the head, which
//! is gone by then. A client that leaves drops the body, and with it the call, which is charged as expected.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::{Either, Full, StreamBody};
use hyper::body::Frame;
use merit_lambda_wire::error::{ErrorCode, LambdaError, REQUEST_ID};
use merit_lambda_wire::event_stream::{CONTENT_TYPE, Event, InvokeComplete};
use merit_lambda_wire::invoke::{EXECUTED_VERSION, InvocationType};

use super::head::Head;
use super::payload::Unread;
use super::reply::{ATTEMPTS, DEPLOYMENT, VENUE, error_body, error_kind, log_tail, request_id, version};
use super::{Answer, Asked, Denied, invoke};
use crate::dispatch::streaming::{self, Step, Streaming};
use crate::quote;
use crate::refusal::Refusal;
use crate::settle::{Replied, Settled};

/// The media type of the reply itself, inside the frames.
const STREAM_CONTENT_TYPE: HeaderName = HeaderName::from_static("x-merit-content-type");

/// Serves it.
pub(super) async fn invoke(asked: &Asked<'_>, segment: &str, body: Unread) -> Result<Answer, Denied> {
    let head = Head::of(&asked.parts.headers)?;
    if head.kind == InvocationType::Event {
        let message = "a streamed reply can't be waited for and not: use Invoke with the type Event";
        return Err(LambdaError::new(ErrorCode::InvalidParameterValue, message).into());
    }
    if head.durable.is_some() {
        let message = "a durable execution's reply can't be streamed: use Invoke with its name";
        return Err(LambdaError::new(ErrorCode::InvalidParameterValue, message).into());
    }
    let admitted = invoke::admitted(asked, segment, &head, body).await?;
    if head.kind == InvocationType::DryRun {
        quote::check(asked.broker, &admitted)?;
        let mut answer = Response::new(Either::Left(Full::new(Bytes::new())));
        *answer.status_mut() = StatusCode::NO_CONTENT;
        return Ok(answer);
    }
    let quoted = quote::quote(Arc::clone(asked.broker), admitted).await?;
    let streaming = streaming::stream(quoted).await?;
    Ok(answer(streaming, head.log_tail()))
}

fn answer(streaming: Streaming, wants_log: bool) -> Answer {
    let head = streaming.head.clone();
    let pieces = frames(streaming, wants_log).map(|bytes| Ok::<_, std::convert::Infallible>(Frame::data(bytes)));
    let mut answer = Response::new(Either::Right(axum::body::Body::new(StreamBody::new(pieces))));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    headers.insert(REQUEST_ID, request_id(head.invocation));
    headers.insert(EXECUTED_VERSION, version(head.version.as_deref()));
    headers.insert(VENUE, head.deployment.venue.shown.clone());
    headers.insert(DEPLOYMENT, head.deployment.shown.clone());
    headers.insert(ATTEMPTS, HeaderValue::from(head.attempts));
    if let Some(content_type) = head.content_type {
        headers.insert(STREAM_CONTENT_TYPE, content_type);
    }
    answer
}

fn frames(streaming: Streaming, wants_log: bool) -> impl Stream<Item = Bytes> + Send + 'static {
    stream::unfold(Some(streaming), move |streaming| async move {
        let mut streaming = streaming?;
        match streaming.next().await? {
            Step::Data(data) => Some((Event::PayloadChunk(data).encode(), Some(streaming))),
            Step::Ended(settled) => Some((Event::InvokeComplete(complete(settled, wants_log)).encode(), None)),
        }
    })
}

/// How the call ended. It had begun, so it is never an exception that an SDK would answer by repeating it.
fn complete(settled: Settled, wants_log: bool) -> InvokeComplete {
    match settled {
        Settled::Replied(replied) => {
            let Replied { reply, account } = *replied;
            let log = wants_log.then(|| Bytes::from(log_tail(&reply, &account)));
            let Some(error) = &reply.function_error else {
                return InvokeComplete { log_tail: log, ..InvokeComplete::default() };
            };
            let details = error_body(error, Bytes::new(), account.invocation);
            InvokeComplete {
                error_code: Some(error_kind(error).as_str().to_owned()),
                error_details: Some(String::from_utf8_lossy(&details).into_owned()),
                log_tail: log,
            }
        }
        Settled::Refused(refused) => {
            let code = match &*refused.refusal {
                Refusal::DeadlinePassed { .. } => "Sandbox.Timedout",
                _ => "Runtime.TruncatedResponse",
            };
            let details = refused.refusal.to_string();
            InvokeComplete { error_code: Some(code.to_owned()), error_details: Some(details), log_tail: None }
        }
    }
}
