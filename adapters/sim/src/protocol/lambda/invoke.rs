//! The three invocations, and the log that goes with a reply.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use merit_lambda_wire::error::{ErrorCode, LambdaError};
use merit_lambda_wire::event_stream::{self, Event, InvokeComplete};
use merit_lambda_wire::invoke::{
    self as wire, FunctionErrorKind, InvocationType, MOST_ASYNC_BYTES, MOST_CLIENT_CONTEXT_BYTES, MOST_SYNC_BYTES,
};
use merit_lambda_wire::report::ReportLine;
use merit_units::Micros;
use serde::de::IgnoredAny;

use super::auth::Head;
use super::target::Target;
use super::{Context, Failure, refused, signed_payload};
use crate::cloud::{Answer, FunctionFailure, Outcome};
use crate::controls::{LambdaFault, WrongAnswer};
use crate::protocol::body::{Body, spoil, whole};
use crate::protocol::wrong;

/// Replies that are streamed may be larger: 200 MB by Lambda's quotas.
const MOST_STREAMED_BYTES: usize = 200 * 1024 * 1024;
/// How much of a streamed reply goes into one event.
const PIECE_BYTES: usize = 64 * 1024;

/// Invoke.
pub(super) async fn invoke(
    context: Context<'_>,
    segment: &str,
    request: Request<Incoming>,
    head: Head,
) -> Result<Response<Body>, Failure> {
    let kind = enumerated(request.headers(), &wire::INVOCATION_TYPE, "invocationType", InvocationType::parse)?;
    let kind = kind.unwrap_or_default();
    if kind == InvocationType::Event {
        return queue(context, segment, request, head).await;
    }
    let (target, wants_log, payload) = prepare(context, segment, request, &head, MOST_SYNC_BYTES).await?;
    if kind == InvocationType::DryRun {
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    let answer = run(context, &target, payload, MOST_SYNC_BYTES).await?;
    let log = wants_log.then(|| log(context, &target, &answer));
    let Answer { result, controls, .. } = answer;
    let mut response = match &result {
        Ok(output) => Response::new(output.clone()),
        Err(failure) => Response::new(failure.body()),
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    insert(headers, wire::EXECUTED_VERSION, &target.version);
    if result.is_err() {
        insert(headers, wire::FUNCTION_ERROR, FunctionErrorKind::Unhandled.as_str());
    }
    if let Some(log) = log {
        insert(headers, wire::LOG_RESULT, &wire::encode_tail(log.as_bytes()));
    }
    let response = match controls.wrong_answer {
        WrongAnswer::Garbage => wrong::garbage(),
        WrongAnswer::Html => wrong::page(),
        WrongAnswer::None | WrongAnswer::MalformedMeters => response,
    };
    Ok(spoil(response, &controls))
}

/// InvokeWithResponseStream. The executor gives its reply at once, so it is streamed from memory.
pub(super) async fn stream(
    context: Context<'_>,
    segment: &str,
    request: Request<Incoming>,
    head: Head,
) -> Result<Response<Body>, Failure> {
    let kind = enumerated(request.headers(), &wire::INVOCATION_TYPE, "invocationType", InvocationType::parse)?;
    let (target, wants_log, payload) = prepare(context, segment, request, &head, MOST_SYNC_BYTES).await?;
    if kind == Some(InvocationType::DryRun) {
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    let answer = run(context, &target, payload, MOST_STREAMED_BYTES).await?;
    let log_tail = wants_log.then(|| log(context, &target, &answer).into());
    let Answer { result, controls, .. } = answer;
    let mut frames = BytesMut::new();
    let complete = match result {
        Ok(mut left) => {
            while !left.is_empty() {
                Event::PayloadChunk(left.split_to(PIECE_BYTES.min(left.len()))).write_to(&mut frames);
            }
            InvokeComplete { log_tail, ..InvokeComplete::default() }
        }
        Err(failure) => InvokeComplete {
            error_code: Some(FunctionErrorKind::Unhandled.as_str().to_owned()),
            error_details: Some(String::from_utf8_lossy(&failure.body()).into_owned()),
            log_tail,
        },
    };
    Event::InvokeComplete(complete).write_to(&mut frames);
    let mut response = match controls.wrong_answer {
        WrongAnswer::Garbage => wrong::garbage(),
        WrongAnswer::Html => return Ok(spoil(wrong::page(), &controls)),
        WrongAnswer::None | WrongAnswer::MalformedMeters => Response::new(frames.freeze()),
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(event_stream::CONTENT_TYPE));
    insert(headers, wire::EXECUTED_VERSION, &target.version);
    Ok(spoil(response, &controls))
}

/// Invoke with the type `Event`, and InvokeAsync.
pub(super) async fn queue(
    context: Context<'_>,
    segment: &str,
    request: Request<Incoming>,
    head: Head,
) -> Result<Response<Body>, Failure> {
    let (target, _, payload) = prepare(context, segment, request, &head, MOST_ASYNC_BYTES).await?;
    let cloud = Arc::clone(context.cloud);
    tokio::spawn(async move {
        if let Outcome::Refused(refusal) = cloud.invoke(&target.name, payload, MOST_ASYNC_BYTES).await {
            tracing::warn!(?refusal, function = target.name, "an event was dropped");
        }
    });
    Ok(empty(StatusCode::ACCEPTED))
}

/// Checks everything that keeps a call from running: the payload and its signature first, then what is asked for.
async fn prepare<'c>(
    context: Context<'c>,
    segment: &str,
    request: Request<Incoming>,
    head: &Head,
    limit: usize,
) -> Result<(Target<'c>, bool, Bytes), Failure> {
    let (query, headers) = (request.uri().query().map(str::to_owned), request.headers().clone());
    let payload = signed_payload(request, head, limit).await?;
    let target = Target::known(context, segment, query.as_deref())?;
    let wants_log = enumerated(&headers, &wire::LOG_TYPE, "logType", |text| match text {
        "Tail" => Some(true),
        "None" => Some(false),
        _ => None,
    })?;
    check_client_context(&headers)?;
    if let Some(fault) = &context.cloud.controls().lambda_error {
        return Err(chosen(fault).into());
    }
    if context.account.json_payloads && !payload.is_empty() {
        serde_json::from_slice::<IgnoredAny>(&payload).map_err(|error| {
            let message = format!("Could not parse request body into json: {error}");
            LambdaError::new(ErrorCode::InvalidRequestContent, message)
        })?;
    }
    Ok((target, wants_log.unwrap_or(false), payload))
}

async fn run(context: Context<'_>, target: &Target<'_>, payload: Bytes, most_reply: usize) -> Result<Answer, Failure> {
    match context.cloud.invoke(&target.name, payload, most_reply).await {
        Outcome::Ran(answer) => Ok(answer),
        Outcome::Refused(refusal) => Err(refused(&refusal, &target.arn(context)).into()),
        Outcome::Silence => std::future::pending().await,
        Outcome::Cut => Err(Failure::Cut),
    }
}

/// What Lambda itself writes into a log, ending in the REPORT line of what is billed.
fn log(context: Context<'_>, target: &Target<'_>, answer: &Answer) -> String {
    let Answer { usage, size, result, controls } = answer;
    let id = context.request_id;
    let (status, error_type) = match result {
        Ok(_) => (None, None),
        Err(FunctionFailure { kind, .. }) if kind == FunctionFailure::TIMEOUT => (Some("timeout".to_owned()), None),
        Err(FunctionFailure { kind, .. }) => (Some("error".to_owned()), Some(kind.clone())),
    };
    let report = ReportLine {
        request_id: id.to_owned(),
        duration: usage.duration,
        billed: usage.duration.saturating_add(usage.init).ceil_to(Micros::from_millis(1)),
        memory: size.memory,
        max_memory_used: usage.memory_peak,
        init: (usage.init > Micros::ZERO).then_some(usage.init),
        restore: None,
        billed_restore: None,
        status,
        error_type,
        xray_trace_id: None,
    };
    let mut report = report.to_string();
    if controls.wrong_answer == WrongAnswer::MalformedMeters {
        report = report.replace("Duration: ", "Duration: a while, ");
    }
    let failure = match result {
        Ok(_) => String::new(),
        Err(FunctionFailure { kind, message }) => format!("[ERROR] {kind}: {message}\n"),
    };
    format!("START RequestId: {id} Version: {}\n{failure}END RequestId: {id}\n{report}", target.version)
}

/// A header with one of a few words.
fn enumerated<T>(
    headers: &HeaderMap,
    name: &HeaderName,
    member: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, LambdaError> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    parse(text).map(Some).ok_or_else(|| {
        let message = format!(
            "1 validation error detected: Value '{text}' at '{member}' failed to satisfy constraint: Member must satisfy \
             enum value set"
        );
        LambdaError::new(ErrorCode::Validation, message)
    })
}

fn check_client_context(headers: &HeaderMap) -> Result<(), LambdaError> {
    let Some(context) = headers.get(&wire::CLIENT_CONTEXT) else { return Ok(()) };
    let json = wire::decode_tail(context.as_bytes()).filter(|json| json.len() <= MOST_CLIENT_CONTEXT_BYTES);
    if json.is_some_and(|json| serde_json::from_slice::<IgnoredAny>(&json).is_ok()) {
        return Ok(());
    }
    let message = "Client context must be a valid Base64-encoded JSON object of at most 3583 bytes.";
    Err(LambdaError::new(ErrorCode::InvalidRequestContent, message))
}

fn chosen(LambdaFault { code, reason }: &LambdaFault) -> LambdaError {
    match reason {
        Some(reason) => LambdaError::throttled(reason.clone(), Some(1)),
        None => LambdaError::new(code.clone(), "the simulated cloud was told to answer this"),
    }
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(whole(Bytes::new()));
    *response.status_mut() = status;
    response
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    let value = HeaderValue::from_str(value).expect("invariant: versions, words and base64 are text");
    headers.insert(name, value);
}
