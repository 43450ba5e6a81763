//! Alibaba Function Compute 3.0's own API: an SDK pointed at `http://ADDRESS/{cloud}` calls and lists functions.
//!
//! | what | how |
//! |---|---|
//! | who calls | ACS3-HMAC-SHA256 against the configured key pairs, tokens and the clock |
//! | InvokeFunction | `Sync` 200, `Async` 202; a failed function is a 200 with `X-Fc-Error-Type` |
//! | GetAsyncTask, GetAsyncInvokeConfig | how an asynchronous call is doing; 409 to a second one of the same id |
//! | meters | `X-Fc-Invocation-Duration`, initialisation in it, in whole milliseconds; `X-Fc-Max-Memory-Usage` |
//! | `X-Fc-Code-Checksum` | with every reply, as it is listed: a number made of the function's name, until `code_checksum` says another |
//! | log | with `X-Fc-Log-Type: Tail` the lines Function Compute itself writes |
//! | ListFunctions | pages of at most 100 |
//! | over the concurrency limit | 429 `ResourceExhausted` |
//! | `outage: refuse`, or the machine can't run it | 503 `ResourceThrottled`: surely not started |
//! | `error_rate` | 500 `InternalServerError` without a word on whether it ran |
//!
//! Known limitations: a nonce may be used twice; what `task` says.
//! Whether Function Compute counts initialisation in the duration it tells is not documented; it is billed, so it is here.

mod task;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use merit_cloud_wire::AuthError;
use merit_cloud_wire::acs3::Presented;
use merit_cloud_wire::fc::{self as wire, ErrorBody, ErrorCode, Function, FunctionsPage, Tag};
use merit_lambda_wire::invoke::encode_tail;
use merit_lambda_wire::route::parameter;
use merit_units::vcpu_text;
use serde::Serialize;

use super::body::{Body, Cut, spoil, whole};
use super::{payload, wrong};
use crate::clock::SimClock;
use crate::cloud::{Answer, Cloud, FunctionFailure, Outcome, Refusal};
use crate::config::{FcAccount, FunctionSize, KeyPair};
use crate::controls::{Controls, WrongAnswer};

/// Seconds that a caller who was turned away is told to wait.
const WAIT_S: u64 = 1;

/// Why there is no ordinary answer.
enum Failure {
    Cut,
    Error(ErrorCode, String),
}

impl From<Cut> for Failure {
    fn from(_: Cut) -> Self {
        Self::Cut
    }
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        Self::Error(ErrorCode::of_auth(&error), error.to_string())
    }
}

/// Answers a request whose path, without the cloud's name, is `path`.
///
/// # Errors
/// [`Cut`] when the connection is to be dropped without an answer.
pub(crate) async fn serve(
    cloud: &Arc<Cloud>,
    account: &FcAccount,
    path: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, Cut> {
    let id = format!("1-{}", cloud.request_id());
    let mut response = match answer(cloud, account, path, &id, request).await {
        Ok(response) => response,
        Err(Failure::Cut) => return Err(Cut),
        Err(Failure::Error(code, message)) => error(code, message, &id),
    };
    // A page in place of the answer is another's, and has no id.
    if response.headers().get(CONTENT_TYPE).is_none_or(|kind| kind != "text/html") {
        insert(response.headers_mut(), wire::REQUEST_ID, &id);
    }
    Ok(response)
}

async fn answer(
    cloud: &Arc<Cloud>,
    account: &FcAccount,
    path: &str,
    id: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    match cloud.outage() {
        Some(Outcome::Cut) => return Err(Failure::Cut),
        Some(Outcome::Silence) => std::future::pending().await,
        Some(Outcome::Refused(refusal)) => return Err(refused(&refusal)),
        Some(Outcome::Ran(_)) | None => {}
    }
    let (presented, secret) = believed(&account.keys, &request)?;
    let (method, query, headers) =
        (request.method().clone(), request.uri().query().map(str::to_owned), request.headers().clone());
    let is_async = headers.get(wire::INVOCATION_TYPE).is_some_and(|kind| kind == "Async");
    let limit = if is_async { wire::MOST_ASYNC_BYTES } else { wire::MOST_SYNC_BYTES.min(cloud.request_bytes()) };
    let read = payload::read(request, limit).await?;
    let payload = read.map_err(|payload::TooLarge { limit }| refused(&Refusal::PayloadTooLarge { limit }))?;
    presented.verify(&secret, &payload)?;
    let query = query.as_deref();
    let prefix = wire::functions_path();
    let rest = path.strip_prefix(prefix.as_str());
    match (method, rest) {
        (Method::GET, Some("" | "/")) => Ok(json(&list(cloud, query))),
        (method, Some(rest)) => {
            let Some((name, rest)) = rest.strip_prefix('/').and_then(|rest| rest.split_once('/')) else {
                return Err(no_path(path));
            };
            let name = percent_decoded(name);
            qualified(cloud, &name, query)?;
            match (method, rest.split_once('/').unwrap_or((rest, ""))) {
                (Method::POST, ("invocations", "")) if is_async => task::submit(cloud, name, payload, &headers, id),
                (Method::POST, ("invocations", "")) => run(cloud, &name, payload, &headers, id).await,
                (Method::GET, ("async-tasks", task)) => {
                    task::status(cloud, &name, &percent_decoded(task), account.return_payload)
                }
                (Method::GET, ("async-invoke-config", "")) => Ok(task::config()),
                _ => Err(no_path(path)),
            }
        }
        _ => Err(no_path(path)),
    }
}

/// Whose request it is, and the secret it has to be signed with.
fn believed(keys: &[KeyPair], request: &Request<Incoming>) -> Result<(Presented, String), AuthError> {
    let uri = request.uri();
    let presented = Presented::of(request.method(), uri.path(), uri.query(), request.headers())?;
    presented.check_time(SimClock::time_of_day())?;
    let pair = keys.iter().find(|pair| pair.access_key_id == presented.access_key_id());
    let pair = pair.ok_or(AuthError::UnknownKey)?;
    if pair.session_token.as_deref() != presented.security_token() {
        return Err(AuthError::BadToken);
    }
    Ok((presented, pair.secret_access_key.clone()))
}

fn no_path(path: &str) -> Failure {
    Failure::Error(ErrorCode::PathNotSupported, format!("'{path}' is not supported"))
}

fn percent_decoded(text: &str) -> String {
    let pair = format!("name={text}");
    parameter(Some(&pair), "name").unwrap_or_default().into_owned()
}

/// Whether the version or alias that is asked for is there.
fn qualified(cloud: &Cloud, name: &str, query: Option<&str>) -> Result<(), Failure> {
    let Some(qualifier) = parameter(query, "qualifier").filter(|text| !text.is_empty() && text != "LATEST") else {
        return Ok(());
    };
    match cloud.listed(name).and_then(|function| function.lambda.version(Some(&qualifier))) {
        Some(_) => Ok(()),
        None => {
            Err(Failure::Error(ErrorCode::VersionNotFound, format!("version '{qualifier}' of '{name}' does not exist")))
        }
    }
}

async fn run(
    cloud: &Arc<Cloud>,
    name: &str,
    payload: Bytes,
    headers: &HeaderMap,
    id: &str,
) -> Result<Response<Body>, Failure> {
    let answer = match cloud.invoke(name, payload, wire::MOST_SYNC_BYTES).await {
        Outcome::Ran(answer) => answer,
        Outcome::Refused(refusal) => return Err(refused(&refusal)),
        Outcome::Silence => std::future::pending().await,
        Outcome::Cut => return Err(Failure::Cut),
    };
    let wants_log = headers.get(wire::LOG_TYPE).is_some_and(|kind| kind == "Tail");
    let log = wants_log.then(|| log(&answer, id));
    Ok(reply(name, answer, log.as_deref()))
}

fn reply(name: &str, Answer { usage, result, controls, .. }: Answer, log: Option<&str>) -> Response<Body> {
    let failed = result.as_ref().err().map(error_type);
    let body = result.unwrap_or_else(|failure| failure.body());
    let mut response = match controls.wrong_answer {
        WrongAnswer::Garbage => return spoil(wrong::garbage(), &controls),
        WrongAnswer::Html => return spoil(wrong::page(), &controls),
        WrongAnswer::None | WrongAnswer::MalformedMeters => Response::new(body),
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    insert(headers, wire::SERVICE_VERSION, "LATEST");
    insert(headers, wire::CODE_CHECKSUM, &code_checksum(name, &controls));
    let took = usage.duration.saturating_add(usage.init).millis_ceil().to_string();
    let malformed = controls.wrong_answer == WrongAnswer::MalformedMeters;
    insert(headers, wire::DURATION_MS, if malformed { "a while" } else { &took });
    if let Some(memory) = usage.memory_peak {
        insert(headers, wire::MEMORY_MB, &format!("{}.00", memory.megabytes()));
    }
    if let Some(named) = failed {
        insert(headers, wire::ERROR_TYPE, named);
    }
    if let Some(log) = log {
        insert(headers, wire::LOG_RESULT, log);
    }
    spoil(response, &controls)
}

/// What stands for the CRC-64 of a code package, which a played cloud has none of: FNV-1a of the function's name.
fn code_checksum(name: &str, controls: &Controls) -> String {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let of_name = || name.bytes().fold(BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    controls.code_checksum.unwrap_or_else(of_name).to_string()
}

fn error_type(failure: &FunctionFailure) -> &'static str {
    if failure.kind == FunctionFailure::TIMEOUT { "FunctionTimeoutError" } else { "UnhandledInvocationError" }
}

/// The end of the log, in base64.
fn log(Answer { usage, size, result, .. }: &Answer, id: &str) -> String {
    let failure = result
        .as_ref()
        .err()
        .map_or(String::new(), |failure| format!("[ERROR] {}: {}\n", failure.kind, failure.message));
    let took = usage.duration.saturating_add(usage.init);
    let memory = usage.memory_peak.map_or(0, |memory| memory.megabytes());
    let text = format!(
        "FC Invoke Start RequestId: {id}\n{failure}FC Invoke End RequestId: {id}\n\nDuration: {took}, Billed Duration: \
         {} ms, Memory Size: {} MB, Max Memory Used: {memory} MB",
        took.millis_ceil(),
        size.memory.megabytes(),
    );
    encode_tail(text.as_bytes())
}

/// A page of functions; the token is the number of functions before it.
fn list(cloud: &Cloud, query: Option<&str>) -> FunctionsPage {
    let number = |name, default: usize| parameter(query, name).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (start, most) = (number("nextToken", 0), number("limit", 20).clamp(1, wire::MOST_PER_PAGE));
    let prefix = parameter(query, "prefix").unwrap_or_default();
    let listed = cloud.config.functions.iter().map(|function| function.name.to_string());
    let mut names: Vec<String> = listed.chain(cloud.unlisted()).filter(|name| name.starts_with(&*prefix)).collect();
    names.sort();
    let end = start.saturating_add(most);
    let next_token = (end < names.len()).then(|| end.to_string());
    let functions = names.into_iter().skip(start).take(most).map(|name| function(cloud, name)).collect();
    FunctionsPage { functions, next_token }
}

fn function(cloud: &Cloud, function_name: String) -> Function {
    let code_checksum = code_checksum(&function_name, &cloud.controls());
    let listed = cloud.listed(&function_name);
    let FunctionSize { memory, vcpu_milli, timeout } = listed.map_or(cloud.config.size, |function| function.size);
    let tags = listed.map(|function| {
        let tags = function.lambda.tags.iter();
        tags.map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect()
    });
    Function {
        function_name,
        memory_size: Some(memory.megabytes().into()),
        cpu: vcpu_milli.and_then(|milli| vcpu_text(milli).parse().ok()),
        timeout: Some(timeout.millis_ceil().div_ceil(1000)),
        instance_concurrency: Some(1),
        code_checksum: Some(code_checksum),
        runtime: Some(cloud.config.runtime.clone()),
        tags,
    }
}

/// What a call that did not run is answered.
fn refused(reason: &Refusal) -> Failure {
    let (code, message) = match reason {
        Refusal::Down => (ErrorCode::ResourceThrottled, "the service is not available".to_owned()),
        Refusal::Machine(message) => (ErrorCode::ResourceThrottled, message.clone()),
        Refusal::Throttled { in_flight, limit, .. } => {
            let message = format!("reached the limit of {limit} concurrent instances: {in_flight} are busy");
            (ErrorCode::ResourceExhausted, message)
        }
        Refusal::UnknownFunction(message) => (ErrorCode::FunctionNotFound, message.clone()),
        Refusal::PayloadTooLarge { limit } => {
            (ErrorCode::EntityTooLarge, format!("payload size exceeds maximum allowed size ({limit} bytes)"))
        }
        Refusal::Platform => (ErrorCode::InternalServerError, "an internal error has occurred".to_owned()),
    };
    Failure::Error(code, message)
}

fn error(code: ErrorCode, message: String, id: &str) -> Response<Body> {
    let body = ErrorBody { code: code.as_str().to_owned(), message, request_id: id.to_owned() };
    let mut response = json(&body);
    *response.status_mut() = StatusCode::from_u16(code.status()).expect("invariant: statuses are statuses");
    if matches!(code, ErrorCode::ResourceExhausted | ErrorCode::ResourceThrottled) {
        response.headers_mut().insert(RETRY_AFTER, WAIT_S.into());
    }
    response
}

fn json(answer: &impl Serialize) -> Response<Body> {
    let body = serde_json::to_vec(answer).expect("invariant: these shapes are JSON");
    let mut response = Response::new(whole(body.into()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) {
    let value = HeaderValue::from_str(value).expect("invariant: ids, numbers, words and base64 are text");
    headers.insert(HeaderName::from_static(name), value);
}
