//! A function's reply as Lambda's clients read it.
//!
//! A function's own error is a reply with status 200, `X-Amz-Function-Error` and Lambda's error JSON. What Merit
//! decided is in `X-Merit-*` headers, which a client that knows nothing of Merit passes over.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use merit_lambda_wire::error::REQUEST_ID;
use merit_lambda_wire::invoke::{
    EXECUTED_VERSION, FUNCTION_ERROR, FunctionErrorKind, InvocationType, LOG_RESULT, encode_tail,
};
use merit_lambda_wire::model;
use merit_lambda_wire::report::ReportLine;
use merit_units::{InvocationId, Micros};
use merit_venue::FunctionError;

use super::head::Head;
use super::refusal;
use crate::Broker;
use crate::admit::Admitted;
use crate::doors::line::Line;
use crate::doors::native::{EMPTY, Reply, value};
use crate::events::{self, NewEvent};
use crate::idempotent::Door;
use crate::refusal::{Refusal, Refused};
use crate::settle::{Replied, ReplyAccount};
use crate::stages;

const INVOCATION_ID: HeaderName = HeaderName::from_static("x-merit-invocation-id");
pub(super) const VENUE: HeaderName = HeaderName::from_static("x-merit-venue");
pub(super) const DEPLOYMENT: HeaderName = HeaderName::from_static("x-merit-deployment");
const CHARGE: HeaderName = HeaderName::from_static("x-merit-charge");
pub(super) const ATTEMPTS: HeaderName = HeaderName::from_static("x-merit-attempts");
const OVERHEAD_US: HeaderName = HeaderName::from_static("x-merit-overhead-us");
const DURABLE_EXECUTION_ARN: HeaderName = HeaderName::from_static("x-amz-durable-execution-arn");
const LATEST: HeaderValue = HeaderValue::from_static("$LATEST");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What a reply is to hold beside the payload.
pub(super) struct Form {
    /// For calls that run once: the function's ARN and the execution's name.
    durable: Option<(String, String)>,
    log_tail: bool,
    event: bool,
}

impl Form {
    pub(super) fn plain(head: &Head) -> Self {
        Self { durable: None, log_tail: head.log_tail(), event: head.kind == InvocationType::Event }
    }

    pub(super) fn durable(head: &Head, arn: String, name: &str) -> Self {
        Self { durable: Some((arn, name.to_owned())), ..Self::plain(head) }
    }

    /// An event that is on disk.
    fn accepted(&self, id: InvocationId) -> Reply {
        let mut response = Response::new(Full::new(Bytes::new()));
        *response.status_mut() = StatusCode::ACCEPTED;
        let headers = response.headers_mut();
        let id_shown = request_id(id);
        headers.insert(REQUEST_ID, id_shown.clone());
        headers.insert(INVOCATION_ID, id_shown);
        if let Some((arn, name)) = &self.durable {
            headers.insert(DURABLE_EXECUTION_ARN, execution(arn, name, id));
        }
        response
    }

    /// The whole reply.
    fn reply(&self, replied: Replied) -> Reply {
        let Replied { reply, account } = replied;
        let error = reply.function_error.as_ref();
        let log = self.log_tail.then(|| log_result(&reply, &account));
        let payload = match error {
            Some(error) => error_body(error, reply.payload, account.invocation),
            None => reply.payload,
        };
        let mut response = Response::new(Full::new(payload));
        let headers = response.headers_mut();
        headers.reserve(12);
        headers.insert(header::CONTENT_TYPE, reply.content_type.filter(|_| error.is_none()).unwrap_or(JSON));
        headers.insert(EXECUTED_VERSION, version(reply.version.as_deref()));
        if let Some(error) = error {
            headers.insert(FUNCTION_ERROR, HeaderValue::from_static(error_kind(error).as_str()));
        }
        if let Some(log) = log {
            headers.insert(LOG_RESULT, value(&log));
        }
        if let Some((arn, name)) = &self.durable {
            headers.insert(DURABLE_EXECUTION_ARN, execution(arn, name, account.invocation));
        }
        put_account(headers, &account);
        response
    }
}

impl Door for Form {
    async fn run(&self, broker: Arc<Broker>, admitted: Box<Admitted>) -> Result<Reply, Refused> {
        if self.event {
            let id = Box::pin(events::enqueue(&broker, NewEvent::of(admitted))).await?;
            return Ok(self.accepted(id));
        }
        stages::run(broker, admitted).await.map(|replied| self.reply(*replied))
    }

    fn refusal(&self, refusal: &Refusal, invocation: InvocationId) -> Reply {
        let arn = self.durable.as_ref().map_or("", |(arn, _)| arn);
        let mut answer = refusal::answer(refusal, invocation, arn);
        answer.headers_mut().insert(REQUEST_ID, request_id(invocation));
        answer
    }
}

/// What Merit decided.
fn put_account(headers: &mut HeaderMap, account: &ReplyAccount) {
    let id = request_id(account.invocation);
    headers.insert(REQUEST_ID, id.clone());
    headers.insert(INVOCATION_ID, id);
    headers.insert(VENUE, account.deployment.venue.shown.clone());
    headers.insert(DEPLOYMENT, account.deployment.shown.clone());
    headers.insert(CHARGE, Line::new().shown(account.charge).value());
    headers.insert(ATTEMPTS, HeaderValue::from(account.attempts));
    headers.insert(OVERHEAD_US, HeaderValue::from(account.overhead.get()));
}

/// An invocation's id as the id of its request.
pub(super) fn request_id(invocation: InvocationId) -> HeaderValue {
    HeaderValue::from_bytes(&invocation.text()).unwrap_or(EMPTY)
}

/// The version that ran; a function at a venue without versions is its latest.
pub(super) fn version(version: Option<&str>) -> HeaderValue {
    version.map_or(LATEST, value)
}

/// The ARN of a durable execution, as AWS forms it.
fn execution(arn: &str, name: &str, invocation: InvocationId) -> HeaderValue {
    let qualified = if arn.matches(':').count() == 7 { "" } else { ":$LATEST" };
    value(&format!("{arn}{qualified}/durable-execution/{name}/{invocation}"))
}

/// Who told of an error. A function that ended with an error of its own accord handled it; whatever befell it, and
/// whatever is not known, is unhandled, which is what today's runtimes of Lambda say of every exception.
pub(super) fn error_kind(error: &FunctionError) -> FunctionErrorKind {
    let kind = error.kind.as_str();
    if kind == "ExitStatus" || kind.starts_with("Http4") {
        return FunctionErrorKind::Handled;
    }
    FunctionErrorKind::parse(kind)
}

/// Lambda's error JSON: the function's own where it has that form, and otherwise one made of what it said.
pub(super) fn error_body(error: &FunctionError, payload: Bytes, invocation: InvocationId) -> Bytes {
    let own: Option<model::FunctionError> = serde_json::from_slice(&payload).ok();
    if own.is_some_and(|own| own.error_message.is_some() || own.error_type.is_some()) {
        return payload;
    }
    let body = model::FunctionError {
        error_message: Some(error.message.clone()),
        error_type: Some(error.kind.clone()),
        request_id: Some(invocation.to_string()),
        stack_trace: None,
    };
    serde_json::to_vec(&body).expect("invariant: strings are JSON").into()
}

/// The end of the log in base64, with a REPORT line. The venue's own line where there is one, and otherwise one of
/// what the venue's price sheet bills.
pub(super) fn log_result(reply: &merit_venue::Reply, account: &ReplyAccount) -> String {
    encode_tail(log_tail(reply, account).as_bytes())
}

/// The same before it is encoded.
pub(super) fn log_tail(reply: &merit_venue::Reply, account: &ReplyAccount) -> String {
    let log = reply.log_tail.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    if ReportLine::find_in(&log).is_some() {
        return log.into_owned();
    }
    let id = account.invocation;
    let mut tail = format!("START RequestId: {id} Version: {}\n{log}", reply.version.as_deref().unwrap_or("$LATEST"));
    if !log.is_empty() && !log.ends_with('\n') {
        tail.push('\n');
    }
    writeln!(tail, "END RequestId: {id}").expect("invariant: a string takes all that is written");
    write!(tail, "{}", report(reply, account)).expect("invariant: a string takes all that is written");
    tail
}

/// What the deployment's price sheet bills.
fn report(reply: &merit_venue::Reply, account: &ReplyAccount) -> ReportLine {
    let (usage, deployment) = (&reply.usage, &account.deployment);
    let billed = deployment.prices.sheet().map_or(usage.duration, |sheet| sheet.billed_time(usage));
    ReportLine {
        request_id: account.invocation.to_string(),
        duration: usage.duration,
        billed,
        memory: deployment.size.memory,
        max_memory_used: usage.memory_peak,
        init: Some(usage.init).filter(|init| *init > Micros::ZERO),
        restore: None,
        billed_restore: None,
        status: reply
            .function_error
            .as_ref()
            .map(|error| if error.kind == "Timeout" { "timeout" } else { "error" }.to_owned()),
        error_type: reply
            .function_error
            .as_ref()
            .map(|error| error.kind.chars().filter(char::is_ascii_graphic).collect()),
        xray_trace_id: None,
    }
}
