//! HTTP for the [`Desk`].
//!
//! Invariants:
//! - No more than [`CONNECTIONS_MAX`] connections of an instance are open; further ones wait.
//! - Nothing a program sends is kept beyond the limits of a reply, or of an error document.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::desk::{Answering, Desk, Work};
use crate::call::Answered;
use crate::{Failure, Part, Reply, Violation};

/// Connections of one instance: its runtime's, and some for each extension.
const CONNECTIONS_MAX: usize = 64;
/// Buffer of a connection; heads are a few hundred bytes.
const BUFFER: usize = 64 << 10;
/// The largest error document; AWS Lambda cuts them off earlier.
const ERROR_BYTES: u64 = 256 << 10;
/// Pause after a failed accept, which is mostly for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(20);

const REQUEST_ID: HeaderName = HeaderName::from_static("lambda-runtime-aws-request-id");
const DEADLINE: HeaderName = HeaderName::from_static("lambda-runtime-deadline-ms");
const FUNCTION_ARN: HeaderName = HeaderName::from_static("lambda-runtime-invoked-function-arn");
const TRACE_ID: HeaderName = HeaderName::from_static("lambda-runtime-trace-id");
const CLIENT_CONTEXT: HeaderName = HeaderName::from_static("lambda-runtime-client-context");
const ERROR_TYPE: HeaderName = HeaderName::from_static("lambda-runtime-function-error-type");
const ERROR_BODY: HeaderName = HeaderName::from_static("lambda-runtime-function-error-body");
const EXTENSION_ID: HeaderName = HeaderName::from_static("lambda-extension-identifier");
const EXTENSION_ERROR: HeaderName = HeaderName::from_static("lambda-extension-function-error-type");
const EVENT_ID: HeaderName = HeaderName::from_static("lambda-extension-event-identifier");

type Answer = Response<Full<Bytes>>;

/// The name of a function as AWS forms it; region and account are nobody's.
pub(super) fn arn(function: &str) -> String {
    format!("arn:aws:lambda:local:000000000000:function:{function}")
}

/// Serves an instance until this is dropped.
pub(crate) async fn serve(listener: TcpListener, desk: Arc<Desk>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let served = connection(stream, Arc::clone(&desk));
                connections.spawn(async move {
                    served.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection to the Runtime API");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, desk: Arc<Desk>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let desk = Arc::clone(&desk);
        async move { Ok::<_, Infallible>(route(request, &desk).await) }
    });
    let served = http1::Builder::new().max_buf_size(BUFFER).serve_connection(TokioIo::new(stream), service).await;
    // One that is cut is a program that ended, or doesn't keep connections.
    if let Err(error) = served
        && error.is_parse()
    {
        desk.violated(Violation::NotHttp(error.to_string()));
    }
}

async fn route(request: Request<Incoming>, desk: &Arc<Desk>) -> Answer {
    let path = request.uri().path().to_owned();
    let mut parts = path.trim_matches('/').splitn(3, '/');
    let route = (request.method().clone(), parts.next(), parts.next(), parts.next().unwrap_or_default());
    match route {
        (Method::GET, Some("2018-06-01"), Some("runtime"), "invocation/next") => next(desk).await,
        (Method::POST, Some("2018-06-01"), Some("runtime"), "init/error") => init_error(request, desk).await,
        (Method::POST, Some("2018-06-01"), Some("runtime"), rest) => {
            match rest.strip_prefix("invocation/").and_then(|rest| rest.split_once('/')) {
                Some((id, "response")) => response(request, desk, id).await,
                Some((id, "error")) => error(request, desk, id).await,
                _ => refused(StatusCode::NOT_FOUND, "UnknownPath", &path),
            }
        }
        (Method::POST, Some("2020-01-01"), Some("extension"), "register") => register(request, desk).await,
        (Method::GET, Some("2020-01-01"), Some("extension"), "event/next") => event(&request, desk).await,
        (Method::POST, Some("2020-01-01"), Some("extension"), "init/error" | "exit/error") => {
            extension_error(request, desk).await
        }
        _ => refused(StatusCode::NOT_FOUND, "UnknownPath", &path),
    }
}

/// `GET /runtime/invocation/next`: waits for a call.
async fn next(desk: &Arc<Desk>) -> Answer {
    let Ok(work) = desk.ask().await else {
        return refused(
            StatusCode::FORBIDDEN,
            "InvalidStateTransition",
            "another has asked since, or the instance ends",
        );
    };
    let Work { id, payload, deadline_ms, client_context, trace_id } = work;
    let mut answer = Response::new(Full::new(payload));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(DEADLINE, HeaderValue::from(deadline_ms));
    let texts = [
        (REQUEST_ID, Some(id)),
        (FUNCTION_ARN, Some(arn(&desk.function))),
        (TRACE_ID, trace_id),
        (CLIENT_CONTEXT, client_context),
    ];
    for (name, text) in texts {
        // What can't be a header was refused before it came here, or is left out.
        if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(name, value);
        }
    }
    answer
}

/// `POST /runtime/invocation/ID/response`: the reply, at once or as a stream.
async fn response(request: Request<Incoming>, desk: &Arc<Desk>, id: &str) -> Answer {
    let answering = match desk.answering(id) {
        Ok(answering) => answering,
        Err(violation) => return refused(StatusCode::BAD_REQUEST, "InvalidRequestID", &violation.to_string()),
    };
    let (head, body) = request.into_parts();
    let mut headers = HeaderMap::new();
    headers.extend(head.headers.get(CONTENT_TYPE).map(|kind| (CONTENT_TYPE, kind.clone())));
    match read_reply(body, headers, &answering, desk.reply_bytes).await {
        Ok(reply) => {
            answering.finish(Ok(reply));
            accepted()
        }
        Err(Stopped::Failed(Failure::ReplyTooLarge { limit })) => {
            answering.finish(Err(Failure::ReplyTooLarge { limit }));
            let why = format!("the limit is {limit} bytes");
            refused(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &why)
        }
        Err(Stopped::Failed(failure)) => {
            answering.finish(Err(failure));
            accepted()
        }
        Err(Stopped::Broken(why)) => {
            answering.broken(why.clone());
            refused(StatusCode::BAD_REQUEST, "BrokenReply", &why)
        }
    }
}

/// Why there is no whole reply.
enum Stopped {
    Failed(Failure),
    Broken(String),
}

/// Reads a reply, and passes it on as it comes where somebody wants that.
async fn read_reply(
    mut body: Incoming,
    headers: HeaderMap,
    answering: &Answering,
    limit: u64,
) -> Result<Answered, Stopped> {
    let too_large = || Stopped::Failed(Failure::ReplyTooLarge { limit });
    if body.size_hint().lower() > limit {
        return Err(too_large());
    }
    let parts = answering.parts.as_ref();
    if let Some(parts) = parts {
        // A reader who has gone doesn't stop the program.
        let _ = parts.send(Part::Head { status: StatusCode::OK, headers: headers.clone() }).await;
    }
    let mut whole = BytesMut::new();
    let mut length: u64 = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Stopped::Broken(error.to_string()))?;
        match frame.into_data() {
            Ok(data) => {
                length += u64::try_from(data.len()).unwrap_or(u64::MAX);
                if length > limit {
                    return Err(too_large());
                }
                match parts {
                    Some(parts) => drop(parts.send(Part::Data(data)).await),
                    None => whole.extend_from_slice(&data),
                }
            }
            Err(frame) => {
                if let Some(failure) = frame.trailers_ref().and_then(failed_in_stream) {
                    return Err(Stopped::Failed(failure));
                }
            }
        }
    }
    Ok(Answered { reply: Reply { status: StatusCode::OK, headers, body: whole.freeze() }, bytes: length })
}

/// A stream says in its trailers that the function failed in the middle of it.
fn failed_in_stream(trailers: &HeaderMap) -> Option<Failure> {
    let error_type = trailers.get(ERROR_TYPE)?.to_str().ok()?.to_owned();
    // In Base64; passed on as it is written.
    let payload = trailers.get(ERROR_BODY).map_or_else(Bytes::new, |body| Bytes::copy_from_slice(body.as_bytes()));
    Some(Failure::Reported { error_type, payload })
}

/// `POST /runtime/invocation/ID/error`: the function failed.
async fn error(request: Request<Incoming>, desk: &Arc<Desk>, id: &str) -> Answer {
    let answering = match desk.answering(id) {
        Ok(answering) => answering,
        Err(violation) => return refused(StatusCode::BAD_REQUEST, "InvalidRequestID", &violation.to_string()),
    };
    let error_type = named(request.headers(), &ERROR_TYPE);
    match document(request.into_body()).await {
        Ok(payload) => answering.finish(Err(Failure::Reported { error_type, payload })),
        Err(why) => answering.broken(why),
    }
    accepted()
}

/// `POST /runtime/init/error`: the program can't start.
async fn init_error(request: Request<Incoming>, desk: &Arc<Desk>) -> Answer {
    let error_type = named(request.headers(), &ERROR_TYPE);
    let payload = document(request.into_body()).await.unwrap_or_default();
    if desk.init_error(error_type, payload) {
        accepted()
    } else {
        refused(StatusCode::FORBIDDEN, "InvalidStateTransition", "it has started already")
    }
}

#[derive(Deserialize)]
struct Registration {
    #[serde(default)]
    events: Vec<String>,
}

/// `POST /extension/register`.
async fn register(request: Request<Incoming>, desk: &Arc<Desk>) -> Answer {
    let Ok(body) = document(request.into_body()).await else {
        return refused(StatusCode::BAD_REQUEST, "Extension.BrokenRequest", "the body was broken off");
    };
    let Ok(Registration { events }) = serde_json::from_slice(&body) else {
        return refused(StatusCode::BAD_REQUEST, "Extension.InvalidRequest", "the body must be {\"events\": [...]}");
    };
    let registered = desk.extensions(|extensions, open| open.then(|| extensions.register(&events)));
    match registered {
        None => refused(StatusCode::FORBIDDEN, "Extension.RegistrationClosed", "the instance has started"),
        Some(Err(why)) => refused(StatusCode::BAD_REQUEST, "Extension.InvalidRequest", why),
        Some(Ok(id)) => {
            let about =
                json!({ "functionName": &*desk.function, "functionVersion": "$LATEST", "handler": &desk.handler });
            let mut answer = json_answer(StatusCode::OK, &about);
            answer.headers_mut().extend(HeaderValue::try_from(id).ok().map(|id| (EXTENSION_ID, id)));
            answer
        }
    }
}

/// `GET /extension/event/next`: waits for an event.
async fn event(request: &Request<Incoming>, desk: &Arc<Desk>) -> Answer {
    let id = request.headers().get(EXTENSION_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
    let asked = desk.extensions(|extensions, _| extensions.ask(id));
    let Some(asked) = asked else {
        return refused(StatusCode::FORBIDDEN, "Extension.UnknownExtensionIdentifier", "register first");
    };
    let Ok(event) = asked.await else {
        return refused(StatusCode::FORBIDDEN, "Extension.InvalidExtensionState", "it has asked again since");
    };
    let mut answer = json_answer(StatusCode::OK, &event);
    let number = format!("{:032x}", fastrand::u128(..));
    answer.headers_mut().extend(HeaderValue::try_from(number).ok().map(|number| (EVENT_ID, number)));
    answer
}

/// `POST /extension/init/error` and `exit/error`: the instance ends.
async fn extension_error(request: Request<Incoming>, desk: &Arc<Desk>) -> Answer {
    let id = request.headers().get(EXTENSION_ID).and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    if !desk.extensions(|extensions, _| extensions.has(&id)) {
        return refused(StatusCode::FORBIDDEN, "Extension.UnknownExtensionIdentifier", "register first");
    }
    let error_type = named(request.headers(), &EXTENSION_ERROR);
    let payload = document(request.into_body()).await.unwrap_or_default();
    desk.extension_failed(error_type, payload);
    accepted()
}

/// A small body, whole.
async fn document(body: Incoming) -> Result<Bytes, String> {
    let limited = http_body_util::Limited::new(body, usize::try_from(ERROR_BYTES).unwrap_or(usize::MAX));
    limited.collect().await.map(http_body_util::Collected::to_bytes).map_err(|error| error.to_string())
}

/// The kind of error a header names, cut to 128 characters.
fn named(headers: &HeaderMap, name: &HeaderName) -> String {
    let kind = headers.get(name).and_then(|kind| kind.to_str().ok()).filter(|kind| !kind.is_empty());
    kind.unwrap_or("Unhandled").chars().take(128).collect()
}

fn accepted() -> Answer {
    json_answer(StatusCode::ACCEPTED, &json!({ "status": "OK" }))
}

fn refused(status: StatusCode, kind: &str, message: &str) -> Answer {
    json_answer(status, &json!({ "errorType": kind, "errorMessage": message }))
}

fn json_answer(status: StatusCode, body: &Value) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body.to_string())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
