//! `Idempotency-Key`: the same request sent again gets the same reply, and runs once.
//!
//! The key is claimed on disk before the call is dispatched and its reply is on disk before it
//! is sent, so this holds across a restart. A reply, and a failure after which the function may
//! have run although running it twice could do harm, are kept and replayed; any other failure
//! gives the key back.
//!
//! A call with a key runs to its end even if its caller goes away: the caller will come back
//! for the reply.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use merit_store::record::{IdempotencyBegun, IdempotencyClaim};
use merit_units::{AccountId, InvocationId};
use merit_wire::header;
use serde::{Deserialize, Serialize};

use crate::Broker;
use crate::admit::Admitted;
use crate::doors::native::Reply;
use crate::keys::sha256;
use crate::refusal::{Refusal, Refused};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static(header::IDEMPOTENCY_KEY);

/// Longest key, in bytes.
const MAX_KEY_BYTES: usize = 255;

/// The caller's key, if there is one.
///
/// # Errors
/// [`Refusal::MalformedTerms`] when it is empty, too long or not printable ASCII.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let refuse = |reason: &str| Refusal::MalformedTerms { header: header::IDEMPOTENCY_KEY, reason: reason.to_owned() };
    if headers.get_all(header::IDEMPOTENCY_KEY).iter().nth(1).is_some() {
        return Err(refuse("it is given more than once"));
    }
    let key = value.to_str().map_err(|_| refuse("it must be printable ASCII"))?;
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        return Err(refuse("it must have 1 to 255 characters"));
    }
    Ok(Some(key.to_owned()))
}

/// How a door runs a call, and writes what is kept and replayed.
pub(crate) trait Door: Send + Sync + 'static {
    /// Runs the call, or accepts it.
    fn run(&self, broker: Arc<Broker>, admitted: Box<Admitted>) -> impl Future<Output = Result<Reply, Refused>> + Send;
    /// Why there is no reply.
    fn refusal(&self, refusal: &Refusal, invocation: InvocationId) -> Reply;
}

/// Runs a call once for its key, or replays the reply of the one that ran.
///
/// # Errors
/// Why there is no reply.
pub(crate) async fn run(
    broker: &Arc<Broker>,
    admitted: Box<Admitted>,
    key: String,
    door: impl Door,
) -> Result<Reply, Refused> {
    let account = admitted.key.account.id.clone();
    let idempotent = admitted.function.idempotent;
    let claim = IdempotencyClaim {
        account: account.clone(),
        key: key.clone(),
        request_hash: request_hash(&admitted),
        invocation: admitted.id,
        rerun_interrupted: idempotent,
    };
    let begun = broker.store.begin_idempotent(claim, admitted.at).await.map_err(|error| unavailable(&error))?;
    match begun {
        IdempotencyBegun::Started => {}
        IdempotencyBegun::InFlight { .. } => return Err(Refusal::IdempotencyInFlight.into()),
        IdempotencyBegun::Interrupted { .. } => return Err(Refusal::IdempotencyOutcomeUnknown.into()),
        IdempotencyBegun::Mismatch { .. } => return Err(Refusal::IdempotencyMismatch.into()),
        IdempotencyBegun::Done { response, .. } => return replay(&response).map_err(Refused::from),
    }
    let (broker, cut) = (Arc::clone(broker), broker.cut());
    let call = tokio::spawn(async move {
        tokio::select! {
            ended = run_claimed(broker, admitted, account, key, door) => ended,
            () = cut => Err(Refusal::Draining.into()),
        }
    });
    call.await.unwrap_or_else(|error| Err(Refusal::Internal(format!("the call ended in a fault: {error}")).into()))
}

async fn run_claimed(
    broker: Arc<Broker>,
    admitted: Box<Admitted>,
    account: AccountId,
    key: String,
    door: impl Door,
) -> Result<Reply, Refused> {
    let id = admitted.id;
    match door.run(Arc::clone(&broker), admitted).await {
        Ok(reply) => {
            let (kept, reply) = keep(reply).await;
            broker.store.finish_idempotent(&account, key, id, kept).await.map_err(|error| unavailable(&error))?;
            Ok(reply)
        }
        Err(refused) if may_have_run(&refused.refusal) => {
            let response = door.refusal(&refused.refusal, refused.invocation.unwrap_or(id));
            let (kept, reply) = keep(response).await;
            broker.store.finish_idempotent(&account, key, id, kept).await.map_err(|error| unavailable(&error))?;
            Ok(reply)
        }
        Err(refused) => {
            broker.store.release_idempotent(&account, key, id).await.map_err(|error| unavailable(&error))?;
            Err(refused)
        }
    }
}

/// Whether running the same request again could run the function twice.
pub(crate) const fn may_have_run(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::VenuesFailed { retryable: false, .. } | Refusal::DeadlinePassed { retryable: false, .. })
}

fn request_hash(admitted: &Admitted) -> [u8; 32] {
    let mut request = Vec::with_capacity(admitted.payload.len() + 64);
    request.extend_from_slice(admitted.function.id.as_str().as_bytes());
    request.push(0);
    if let Some(http) = &admitted.headers.http {
        let query = http.query.as_deref().map_or(String::new(), |query| format!("?{query}"));
        request.extend_from_slice(format!("{} {}{query}\0", http.method, http.below).as_bytes());
    }
    request.extend_from_slice(&admitted.payload);
    sha256(&request)
}

fn unavailable(error: &merit_store::StoreError) -> Refused {
    Refusal::Internal(format!("the idempotency key could not be stored: {error}")).into()
}

/// The head of a kept reply: one line of JSON, which the body follows. A character of a value is a byte of it.
#[derive(Serialize, Deserialize)]
struct Head {
    status: u16,
    headers: Vec<(String, String)>,
}

async fn keep(reply: Reply) -> (Vec<u8>, Reply) {
    let (parts, body) = reply.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let text = |value: &HeaderValue| value.as_bytes().iter().copied().map(char::from).collect();
    let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let head = Head { status: parts.status.as_u16(), headers };
    let mut kept = serde_json::to_vec(&head).expect("invariant: a reply's head is serialisable");
    kept.push(b'\n');
    kept.extend_from_slice(&body);
    (kept, Response::from_parts(parts, Full::new(body)))
}

fn replay(kept: &[u8]) -> Result<Reply, Refusal> {
    let unreadable = |what: String| Refusal::Internal(format!("the kept reply is unreadable: {what}"));
    let end = kept.iter().position(|byte| *byte == b'\n').ok_or_else(|| unreadable("it has no head".to_owned()))?;
    let head: Head = serde_json::from_slice(&kept[..end]).map_err(|error| unreadable(error.to_string()))?;
    let mut reply = Response::new(Full::new(Bytes::copy_from_slice(&kept[end + 1..])));
    *reply.status_mut() = StatusCode::from_u16(head.status).map_err(|error| unreadable(error.to_string()))?;
    for (name, value) in &head.headers {
        let name = HeaderName::try_from(name.as_str()).map_err(|error| unreadable(error.to_string()))?;
        let value: Result<Vec<u8>, _> = value.chars().map(u8::try_from).collect();
        let value = value.map_err(|error| unreadable(error.to_string()))?;
        let value = HeaderValue::from_bytes(&value).map_err(|error| unreadable(error.to_string()))?;
        reply.headers_mut().append(name, value);
    }
    reply.headers_mut().insert(header::IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_kept_reply_is_replayed_as_it_was() {
        let body = Bytes::from_static(b"\x00\xff\nline\n");
        let mut reply = Response::new(Full::new(body.clone()));
        *reply.status_mut() = StatusCode::BAD_GATEWAY;
        reply.headers_mut().insert("content-type", HeaderValue::from_static("image/png"));
        for cookie in [&b"a=1"[..], b"b=\xfc"] {
            reply.headers_mut().append("set-cookie", HeaderValue::from_bytes(cookie).expect("a value"));
        }
        let (kept, sent) = keep(reply).await;
        let replayed = replay(&kept).expect("readable");
        assert_eq!(replayed.status(), sent.status());
        assert_eq!(replayed.headers()["content-type"], "image/png");
        let cookies = |reply: &Reply| reply.headers().get_all("set-cookie").iter().cloned().collect::<Vec<_>>();
        assert_eq!((cookies(&replayed).len(), cookies(&replayed)), (2, cookies(&sent)));
        assert_eq!(replayed.headers()[header::IDEMPOTENCY_REPLAYED], "true");
        assert_eq!(replayed.into_body().collect().await.expect("a body").to_bytes(), body);
    }

    #[test]
    fn keys_are_short_printable_text() {
        let read = |text: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IDEMPOTENCY_KEY, HeaderValue::from_bytes(text).expect("a value"));
            key(&headers)
        };
        assert_eq!(read(b"order-17"), Ok(Some("order-17".to_owned())));
        assert_eq!(key(&HeaderMap::new()), Ok(None));
        for bad in [&b""[..], &[b'x'; 256], b"\xff"] {
            assert!(matches!(read(bad), Err(Refusal::MalformedTerms { header: header::IDEMPOTENCY_KEY, .. })));
        }
    }
}
