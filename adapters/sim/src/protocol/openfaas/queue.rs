//! The gateway's queue: it takes a call at once, and a worker of its own runs it and brings the reply to `X-Callback-Url`.
//!
//! As in the community edition a reply is brought once, whatever becomes of it, and what the gateway says in a function's
//! place (404, 429, 503) is brought as a reply is. That a function is not there is found when it is run.
//!
//! Known limitations: nothing waits in the queue, every call has a worker; `X-Duration-Seconds` of a callback is the
//! function's duration, so that bill and meter agree, where a real worker counts the way to the function and back too;
//! callbacks go by plain HTTP only, and are not spoilt on the way.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use merit_units::Micros;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::{Answered, CALL_ID, DURATION_SECONDS, Told, is_post, run, seconds, text};
use crate::cloud::Cloud;
use crate::config::FaasGateway;
use crate::protocol::body::Cut;
use crate::protocol::{go, payload};

const CALLBACK_URL: HeaderName = HeaderName::from_static("x-callback-url");
const FUNCTION_NAME: HeaderName = HeaderName::from_static("x-function-name");
const FUNCTION_STATUS: HeaderName = HeaderName::from_static("x-function-status");

/// What NATS takes in one message.
const MOST_BYTES: usize = 1 << 20;

/// Real workers have no patience of their own; this one ends with it, so that no task is left behind.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the gateway says when its queue does not answer.
pub(super) fn down() -> Response<Bytes> {
    go::error(StatusCode::INTERNAL_SERVER_ERROR, "Error queuing request: nats: connection closed")
}

/// Takes a call, and runs it beside the answer.
///
/// # Errors
/// [`Cut`] when the caller is gone.
pub(super) async fn submit(
    cloud: &Arc<Cloud>,
    gateway: &FaasGateway,
    name: &str,
    told: &Told,
    request: Request<Incoming>,
) -> Result<Response<Bytes>, Cut> {
    if !is_post(&request) {
        return Ok(go::bare(StatusCode::METHOD_NOT_ALLOWED));
    }
    let callback = match request.headers().get(CALLBACK_URL).map(|url| Uri::try_from(url.as_bytes())).transpose() {
        Ok(callback) => callback,
        Err(error) => return Ok(go::error(StatusCode::BAD_REQUEST, &format!("parse callback URL: {error}"))),
    };
    let content_type = request.headers().get(CONTENT_TYPE).cloned();
    let Ok(payload) = payload::read(request, MOST_BYTES).await? else {
        let says = "Error queuing request: nats: maximum payload exceeded";
        return Ok(go::error(StatusCode::INTERNAL_SERVER_ERROR, says));
    };
    let queued = Queued { name: name.to_owned(), call_id: told.call_id.clone(), callback };
    tokio::spawn(work(Arc::clone(cloud), gateway.clone(), queued, payload, content_type));
    Ok(go::bare(StatusCode::ACCEPTED))
}

/// A call that was taken.
struct Queued {
    name: String,
    call_id: String,
    callback: Option<Uri>,
}

/// Runs a call and brings what came of it, whatever that is.
async fn work(
    cloud: Arc<Cloud>,
    gateway: FaasGateway,
    queued: Queued,
    payload: Bytes,
    content_type: Option<HeaderValue>,
) {
    let begun = Instant::now();
    let answered = run(&cloud, &gateway, &queued.name, payload, content_type).await;
    let mut response = answered.map_or_else(
        // The worker found no gateway.
        |Cut| go::bare(StatusCode::SERVICE_UNAVAILABLE),
        |Answered { response, .. }| response,
    );
    let own = seconds(Micros::from_std(begun.elapsed()));
    response.headers_mut().entry(DURATION_SECONDS).or_insert_with(|| text(&own));
    let Some(url) = &queued.callback else { return };
    match timeout(PATIENCE, bring(url, &queued, response)).await {
        Ok(Ok(status)) => tracing::debug!(%status, function = queued.name, "brought a reply"),
        Ok(Err(error)) => tracing::warn!(error, function = queued.name, "a callback failed; its reply is dropped"),
        Err(_) => tracing::warn!(function = queued.name, "a callback was not answered; its reply is dropped"),
    }
}

async fn bring(url: &Uri, queued: &Queued, response: Response<Bytes>) -> Result<StatusCode, String> {
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    let authority = url.authority().filter(|_| url.scheme_str() == Some("http"));
    let authority = authority.ok_or_else(|| format!("`{url}` is no URL that begins with http://"))?;
    let place = (authority.host().trim_matches(['[', ']']), authority.port_u16().unwrap_or(80));
    let stream = TcpStream::connect(place).await.map_err(|error| failed(&error))?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(callback(url, authority.as_str(), queued, response)).await;
    connection.abort();
    Ok(answer.map_err(|error| failed(&error))?.status())
}

/// The function's own answer, and what the worker adds.
fn callback(url: &Uri, authority: &str, queued: &Queued, response: Response<Bytes>) -> Request<Full<Bytes>> {
    let (head, body) = response.into_parts();
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::post(path).body(Full::new(body)).expect("invariant: a URL's path is a path");
    let headers = request.headers_mut();
    *headers = head.headers;
    headers.insert(HOST, text(authority));
    headers.insert(FUNCTION_STATUS, head.status.as_u16().into());
    headers.insert(FUNCTION_NAME, text(&queued.name));
    headers.insert(CALL_ID, text(&queued.call_id));
    request
}
