//! Cloudflare Workers: `POST /{cloud}/{function}` behind a gate, with Cloudflare's error pages and without meters.
//!
//! | what | how |
//! |---|---|
//! | who calls | the bearer token 401, the Access service token 403, where they are configured |
//! | a reply | 200 |
//! | a function error | 500 and page 1101; 503 and page 1102 when it took too long |
//! | over the concurrency limit | 429 and page 1015 |
//! | unknown function | 404 |
//! | payload too large | 413 |
//! | `outage: refuse`, or the machine can't run it | 503 with `Retry-After`: surely not started |
//! | `error_rate` | 502 without a word on whether it ran |
//! | the list of scripts | `GET /{cloud}/client/v4/accounts/{id}/workers/scripts`, for the bearer token |
//!
//! Known limitation: real Workers have no limit of calls at once; the cloud's stands for a rate limiting rule.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use merit_cloud_wire::workers::{self as wire, ApiError, PageError, Script, Scripts};

use super::body::{Body, Cut, spoil, whole};
use super::{payload, wrong};
use crate::cloud::{Answer, Cloud, FunctionFailure, Outcome, Refusal};
use crate::config::WorkersGate;
use crate::controls::WrongAnswer;

/// Answers a request whose path, without the cloud's name, is `path`.
///
/// # Errors
/// [`Cut`] when the connection is to be dropped without an answer.
pub(crate) async fn serve(
    cloud: &Arc<Cloud>,
    gate: &WorkersGate,
    path: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, Cut> {
    let ray = format!("{:.16}-SIM", cloud.request_id().replace('-', ""));
    let mut response = answer(cloud, gate, path, request).await?;
    let ray = HeaderValue::from_str(&ray).expect("invariant: ids are text");
    response.headers_mut().insert(HeaderName::from_static(wire::RAY), ray);
    Ok(response)
}

async fn answer(
    cloud: &Arc<Cloud>,
    gate: &WorkersGate,
    path: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, Cut> {
    match cloud.outage() {
        Some(Outcome::Cut) => return Err(Cut),
        Some(Outcome::Silence) => std::future::pending().await,
        Some(Outcome::Refused(refusal)) => return Ok(refused(&refusal)),
        Some(Outcome::Ran(_)) | None => {}
    }
    let is_list = path.starts_with("/client/v4/accounts/") && path.ends_with("/workers/scripts");
    if let Some(status) = gate.refuses(request.headers()) {
        return Ok(if is_list { refused_list() } else { text(status, "who are you?") });
    }
    if is_list && request.method() == Method::GET {
        return Ok(list(cloud));
    }
    let function = path.trim_matches('/').to_owned();
    let outcome = match payload::read(request, cloud.request_bytes().min(wire::MOST_REQUEST_BYTES)).await? {
        Ok(payload) => cloud.invoke(&function, payload, usize::MAX).await,
        Err(payload::TooLarge { limit }) => Outcome::Refused(Refusal::PayloadTooLarge { limit }),
    };
    match outcome {
        Outcome::Ran(answer) => Ok(ran(answer)),
        Outcome::Refused(refusal) => Ok(refused(&refusal)),
        Outcome::Silence => std::future::pending().await,
        Outcome::Cut => Err(Cut),
    }
}

impl WorkersGate {
    /// The status that a caller without the right tokens is answered.
    fn refuses(&self, headers: &HeaderMap) -> Option<StatusCode> {
        let has =
            |name: &str, expected: &str| headers.get(name).is_some_and(|value| value.as_bytes() == expected.as_bytes());
        if let Some((id, secret)) = &self.access
            && !(has(wire::ACCESS_CLIENT_ID, id) && has(wire::ACCESS_CLIENT_SECRET, secret))
        {
            return Some(StatusCode::FORBIDDEN);
        }
        let bearer = self.bearer_token.as_ref().map(|token| format!("Bearer {token}"));
        bearer.is_some_and(|bearer| !has(AUTHORIZATION.as_str(), &bearer)).then_some(StatusCode::UNAUTHORIZED)
    }
}

fn ran(Answer { result, controls, .. }: Answer) -> Response<Body> {
    let response = match (controls.wrong_answer, result) {
        (WrongAnswer::Garbage, _) => wrong::garbage(),
        (WrongAnswer::Html, _) => wrong::page(),
        (_, Ok(output)) => Response::new(output),
        (_, Err(failure)) => {
            let late = failure.kind == FunctionFailure::TIMEOUT;
            page(if late { PageError::CpuLimit } else { PageError::Exception })
        }
    };
    spoil(response, &controls)
}

fn page(error: PageError) -> Response<Bytes> {
    let mut response = Response::new(format!("error code: {}", error.number()).into());
    *response.status_mut() = StatusCode::from_u16(error.status()).expect("invariant: statuses are statuses");
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8"));
    response
}

fn text(status: StatusCode, words: &str) -> Response<Body> {
    let mut response = Response::new(whole(Bytes::copy_from_slice(words.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8"));
    response
}

fn refused(reason: &Refusal) -> Response<Body> {
    let later = |mut response: Response<Body>, seconds: u64| {
        response.headers_mut().insert(RETRY_AFTER, seconds.max(1).into());
        response
    };
    match reason {
        Refusal::Down => later(text(StatusCode::SERVICE_UNAVAILABLE, "not available"), 1),
        Refusal::Machine(message) => later(text(StatusCode::SERVICE_UNAVAILABLE, message), 1),
        Refusal::Throttled { retry_after, .. } => later(page(PageError::RateLimited).map(whole), retry_after.as_secs()),
        Refusal::UnknownFunction(_) => text(StatusCode::NOT_FOUND, "There is nothing here yet"),
        Refusal::PayloadTooLarge { .. } => text(StatusCode::PAYLOAD_TOO_LARGE, "payload too large"),
        Refusal::Platform => text(StatusCode::BAD_GATEWAY, "bad gateway"),
    }
}

fn list(cloud: &Cloud) -> Response<Body> {
    let listed = cloud.config.functions.iter().map(|function| function.name.to_string());
    let mut names: Vec<String> = listed.chain(cloud.unlisted()).collect();
    names.sort();
    let result = names.into_iter().map(|id| {
        let tags = cloud
            .listed(&id)
            .map(|function| function.lambda.tags.iter().map(|(name, value)| format!("{name}={value}")).collect());
        Script { id, tags }
    });
    json(StatusCode::OK, &Scripts { success: true, errors: Vec::new(), result: result.collect() })
}

fn refused_list() -> Response<Body> {
    let error = ApiError { code: 10_000, message: "Authentication error".to_owned() };
    json(StatusCode::FORBIDDEN, &Scripts { success: false, errors: vec![error], result: Vec::new() })
}

fn json(status: StatusCode, scripts: &Scripts) -> Response<Body> {
    let body = serde_json::to_vec(scripts).expect("invariant: lists are JSON");
    let mut response = Response::new(whole(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
