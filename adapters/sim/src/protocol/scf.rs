//! Tencent SCF's own API: an SDK pointed at `http://ADDRESS/{cloud}` calls and lists functions.
//!
//! | what | how |
//! |---|---|
//! | who calls | TC3-HMAC-SHA256 against the configured key pairs, tokens and the clock |
//! | InvokeFunction, Invoke | every answer has the HTTP status 200; `Event` is answered before it runs |
//! | a failed function | `ErrMsg`, and `InvokeResult` 430, or 433 when it took too long |
//! | meters | `BillDuration` in whole milliseconds, `MemUsage` in bytes |
//! | log | with `LogType: Tail` in `Log` |
//! | ListFunctions | pages by offset |
//! | over the concurrency limit | status 432 |
//! | `outage: refuse`, or the machine can't run it | status 429: surely not started |
//! | `error_rate` | `InternalError` without a word on whether it ran |
//!
//! Known limitations: namespaces, qualifiers but `$LATEST`, `$DEFAULT`, versions and aliases, and routing keys are not
//! simulated; an event runs once and at once.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response};
use hyper::body::Incoming;
use merit_cloud_wire::AuthError;
use merit_cloud_wire::scf::{
    self as wire, Answer as ScfAnswer, ApiError, CallResult, ErrMsg, Function, FunctionsPage, GatewayEvent,
    GatewayReply, Invoke, InvokeFunction, Invoked, ListFunctions, Response as ScfResponse, Status, Tag,
};
use merit_cloud_wire::tc3::{self, Presented};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::body::{Body, Cut, spoil, whole};
use super::{payload, wrong};
use crate::clock::SimClock;
use crate::cloud::{Answer, Cloud, FunctionFailure, Outcome, Refusal};
use crate::config::{KeyPair, ScfAccount};
use crate::controls::{Controls, WrongAnswer};

/// The largest request: an event of 6 MB as a text within JSON.
const MOST_REQUEST_BYTES: usize = 2 * wire::MOST_SYNC_BYTES + 64 * 1024;

/// What a request is answered.
enum Said {
    Invoked(CallResult, Arc<Controls>),
    /// A status of a call that was taken and did not run.
    Status(Status, String),
    Listed(FunctionsPage),
    Refused(&'static str, String),
}

/// Why there is no answer.
enum Failure {
    Cut,
    Said(Box<Said>),
}

impl From<Said> for Failure {
    fn from(said: Said) -> Self {
        Self::Said(Box::new(said))
    }
}

impl From<Cut> for Failure {
    fn from(_: Cut) -> Self {
        Self::Cut
    }
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        Said::Refused(wire::code_of_auth(&error), error.to_string()).into()
    }
}

/// A call as either action has it.
struct Call {
    function: String,
    qualifier: Option<String>,
    event: String,
    wants_log: bool,
    is_event: bool,
}

/// Answers a request.
///
/// # Errors
/// [`Cut`] when the connection is to be dropped without an answer.
pub(crate) async fn serve(
    cloud: &Arc<Cloud>,
    account: &ScfAccount,
    request: Request<Incoming>,
) -> Result<Response<Body>, Cut> {
    let id = cloud.request_id();
    let said = match answer(cloud, account, request).await {
        Ok(said) => said,
        Err(Failure::Said(said)) => *said,
        Err(Failure::Cut) => return Err(Cut),
    };
    Ok(match said {
        Said::Invoked(result, controls) => {
            invoked(CallResult { function_request_id: id.clone(), ..result }, id, &controls)
        }
        Said::Status(status, words) => {
            let said = ErrMsg { error_type: None, error_message: Some(words), status_code: Some(status.number()) };
            let result =
                CallResult { invoke_result: status.number().into(), err_msg: text(&said), ..CallResult::default() };
            json(&done(Invoked { result }, id))
        }
        Said::Listed(page) => json(&done(page, id)),
        Said::Refused(code, message) => {
            let error = Some(ApiError { code: code.to_owned(), message });
            json(&ScfAnswer { response: ScfResponse::<IgnoredShape> { error, done: None, request_id: id } })
        }
    })
}

/// The shape of an answer that has nothing but an error.
#[derive(Serialize)]
struct IgnoredShape {}

fn done<T>(done: T, request_id: String) -> ScfAnswer<T> {
    ScfAnswer { response: ScfResponse { error: None, done: Some(done), request_id } }
}

fn invoked(mut result: CallResult, id: String, controls: &Controls) -> Response<Body> {
    let response = match controls.wrong_answer {
        WrongAnswer::Garbage => wrong::garbage(),
        WrongAnswer::Html => wrong::page(),
        WrongAnswer::None => whole_json(&done(Invoked { result }, id)),
        WrongAnswer::MalformedMeters => {
            result.bill_duration = u64::MAX;
            whole_json(&done(Invoked { result }, id))
        }
    };
    spoil(response, controls)
}

async fn answer(cloud: &Arc<Cloud>, account: &ScfAccount, request: Request<Incoming>) -> Result<Said, Failure> {
    match cloud.outage() {
        Some(Outcome::Cut) => return Err(Failure::Cut),
        Some(Outcome::Silence) => std::future::pending().await,
        Some(Outcome::Refused(refusal)) => return Err(refused(&refusal).into()),
        Some(Outcome::Ran(_)) | None => {}
    }
    let (presented, secret) = believed(&account.keys, &request)?;
    let headers = request.headers().clone();
    let too_large = || Failure::from(Said::Status(Status::REQUEST_TOO_LARGE, "the request is too large".to_owned()));
    let body = payload::read(request, MOST_REQUEST_BYTES).await?.map_err(|_| too_large())?;
    presented.verify(&secret, &body)?;
    let action = header(&headers, tc3::ACTION);
    if header(&headers, tc3::VERSION) != wire::VERSION {
        return Ok(Said::Refused("NoSuchVersion", "there is version 2018-04-16".to_owned()));
    }
    match action {
        wire::INVOKE_FUNCTION => {
            let InvokeFunction { function_name, qualifier, event, log_type, .. } = read(&body)?;
            let call = Call {
                function: function_name.into_owned(),
                qualifier: qualifier.map(Into::into),
                event: event.unwrap_or_default().into_owned(),
                wants_log: log_type.as_deref() == Some("Tail"),
                is_event: false,
            };
            call_it(cloud, account, call).await
        }
        wire::INVOKE => {
            let Invoke { function_name, invocation_type, qualifier, client_context, log_type, .. } = read(&body)?;
            let call = Call {
                function: function_name.into_owned(),
                qualifier: qualifier.map(Into::into),
                event: client_context.unwrap_or_default().into_owned(),
                wants_log: log_type.as_deref() == Some("Tail"),
                is_event: invocation_type.as_deref() == Some("Event"),
            };
            call_it(cloud, account, call).await
        }
        wire::LIST_FUNCTIONS => Ok(Said::Listed(list(cloud, &read(&body)?))),
        other => Ok(Said::Refused("InvalidAction", format!("the action {other} is not simulated"))),
    }
}

/// Whose request it is, and the secret it has to be signed with.
fn believed(keys: &[KeyPair], request: &Request<Incoming>) -> Result<(Presented, String), AuthError> {
    let uri = request.uri();
    let presented = Presented::of(request.method(), uri.path(), uri.query(), request.headers())?;
    presented.check_time(SimClock::time_of_day())?;
    let pair = keys.iter().find(|pair| pair.access_key_id == presented.secret_id());
    let pair = pair.ok_or(AuthError::UnknownKey)?;
    if pair.session_token.as_deref() != presented.token() {
        return Err(AuthError::BadToken);
    }
    Ok((presented, pair.secret_access_key.clone()))
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn read<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| Said::Refused("InvalidParameter", error.to_string()).into())
}

async fn call_it(cloud: &Arc<Cloud>, account: &ScfAccount, call: Call) -> Result<Said, Failure> {
    let Call { function, qualifier, event, wants_log, is_event } = call;
    let qualifier = qualifier.filter(|name| name != "$DEFAULT");
    let known = qualifier.as_deref().is_none_or(|name| name == "$LATEST")
        || cloud.listed(&function).is_some_and(|function| function.lambda.version(qualifier.as_deref()).is_some());
    if !known {
        return Ok(Said::Status(Status::numbered(442), "the version is not found".to_owned()));
    }
    let most = if is_event { wire::MOST_ASYNC_BYTES } else { wire::MOST_SYNC_BYTES };
    if event.len() > most {
        return Ok(Said::Status(Status::REQUEST_TOO_LARGE, format!("the event is over {most} bytes")));
    }
    let Some(payload) = payload_of(account, event) else {
        return Ok(Said::Status(Status::NOT_JSON, "the event is not JSON, or not of the gateway's shape".to_owned()));
    };
    if is_event {
        let cloud = Arc::clone(cloud);
        tokio::spawn(async move {
            if let Outcome::Refused(refusal) = cloud.invoke(&function, payload, wire::MOST_SYNC_BYTES).await {
                tracing::warn!(?refusal, function, "an event was dropped");
            }
        });
        return Ok(Said::Invoked(CallResult::default(), Arc::default()));
    }
    match cloud.invoke(&function, payload, wire::MOST_SYNC_BYTES).await {
        Outcome::Ran(answer) => Ok(ran(account, answer, wants_log)),
        Outcome::Refused(refusal) => Ok(refused(&refusal)),
        Outcome::Silence => std::future::pending().await,
        Outcome::Cut => Err(Failure::Cut),
    }
}

/// What the function is given; `None` when the event is no JSON, or should be a gateway's and is not.
fn payload_of(account: &ScfAccount, event: String) -> Option<Bytes> {
    if account.gateway_events {
        let event: GatewayEvent = serde_json::from_str(&event).ok()?;
        return Some(event.body()?.into());
    }
    serde_json::from_str::<IgnoredAny>(&event).ok()?;
    Some(event.into())
}

fn ran(account: &ScfAccount, Answer { usage, result, controls, .. }: Answer, wants_log: bool) -> Said {
    let (status, ret_msg, err_msg) = match result {
        Ok(output) => (0, returned(account, &output), String::new()),
        Err(failure) => {
            let late = failure.kind == FunctionFailure::TIMEOUT;
            let status = if late { Status::TIME_LIMIT } else { Status::USER_CODE };
            // The bytes that are billed as egress, and nothing around them.
            (status.number().into(), String::new(), String::from_utf8_lossy(&failure.body()).into_owned())
        }
    };
    let millis = usage.duration.millis_ceil();
    let log = if wants_log { format!("START\nEND\nReport Duration:{millis}ms\n") } else { String::new() };
    let result = CallResult {
        function_request_id: String::new(),
        log,
        ret_msg,
        err_msg,
        invoke_result: status,
        mem_usage: usage.memory_peak.map_or(0, |memory| u64::from(memory.megabytes()) << 20),
        duration: usage.duration.to_std().as_secs_f64() * 1000.0,
        bill_duration: millis,
    };
    Said::Invoked(result, controls)
}

fn returned(account: &ScfAccount, output: &[u8]) -> String {
    if account.gateway_events {
        return text(&GatewayReply::of(200, output, None));
    }
    String::from_utf8_lossy(output).into_owned()
}

/// A page of functions.
fn list(cloud: &Cloud, &ListFunctions { offset, limit, .. }: &ListFunctions) -> FunctionsPage {
    let listed = cloud.config.functions.iter().map(|function| function.name.to_string());
    let mut names: Vec<String> = listed.chain(cloud.unlisted()).collect();
    names.sort();
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let most = if limit == 0 { 20 } else { limit.min(wire::MOST_PER_PAGE) };
    let total_count = names.len() as u64;
    let functions = names.into_iter().skip(count(offset)).take(count(most)).map(|function_name| {
        let tags = cloud.listed(&function_name).map(|function| {
            let tags = function.lambda.tags.iter();
            tags.map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect()
        });
        Function {
            function_name,
            namespace: "default".to_owned(),
            runtime: cloud.config.runtime.clone(),
            status: "Active".to_owned(),
            tags: tags.unwrap_or_default(),
        }
    });
    FunctionsPage { functions: functions.collect(), total_count }
}

/// What a call that did not run is answered.
fn refused(reason: &Refusal) -> Said {
    match reason {
        Refusal::Down => Said::Status(Status::BURST, "the service is not available".to_owned()),
        Refusal::Machine(message) => Said::Status(Status::BURST, message.clone()),
        Refusal::Throttled { in_flight, limit, .. } => {
            Said::Status(Status::CONCURRENCY, format!("{in_flight} calls are under way and the quota allows {limit}"))
        }
        Refusal::UnknownFunction(message) => Said::Status(Status::FUNCTION_NOT_FOUND, message.clone()),
        Refusal::PayloadTooLarge { limit } => {
            Said::Status(Status::REQUEST_TOO_LARGE, format!("the event is over {limit} bytes"))
        }
        Refusal::Platform => Said::Refused("InternalError", "an internal error occurred".to_owned()),
    }
}

fn text(shape: &impl Serialize) -> String {
    serde_json::to_string(shape).expect("invariant: these shapes are JSON")
}

fn whole_json(shape: &impl Serialize) -> Response<Bytes> {
    let mut response = Response::new(text(shape).into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn json(shape: &impl Serialize) -> Response<Body> {
    whole_json(shape).map(whole)
}
