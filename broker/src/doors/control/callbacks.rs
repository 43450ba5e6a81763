//! The door where a platform's queue brings the replies of calls (`merit_venue_http`'s `queued`).
//!
//! Invariants: it takes no key, since a token that nobody can guess names the one call that waits; without such a call
//! nothing of the body is read, and no more of it than the call takes.

use std::time::Duration;

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{Path, Request, State};
use http::StatusCode;
use merit_venue_http::Callback;

use super::{Denied, Shared};
use crate::guest;
use crate::refusal::Refusal;

/// For a reply to arrive in.
const PATIENCE: Duration = Duration::from_secs(60);

/// Brings the reply of a call that waits for it: the body is the function's, `X-Function-Status` its status.
#[utoipa::path(post, path = "/v1/callbacks/{token}", tag = "invocations",
    params(("token" = String, Path, description = "what the call's X-Callback-Url ended with")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 204, description = "it was waited for"),
        (status = 404, description = "no call waits for it, or none does any longer", content_type = "application/problem+json"),
        (status = 413, description = "it is larger than server.max_reply_bytes; its call fails", content_type = "application/problem+json"),
    ))]
pub(super) async fn bring(
    State(broker): State<Shared>,
    Path(token): Path<String>,
    request: Request,
) -> Result<StatusCode, Denied> {
    let count = |word| broker.metrics.callback(word);
    let nobody = || {
        count("unknown");
        let name = "of that token; its call may have ended".to_owned();
        Denied(Refusal::Unknown { kind: "callback", name, near: Vec::new() })
    };
    let limit = broker.callbacks.awaited(&token).ok_or_else(nobody)?;
    let (head, body) = request.into_parts();
    guest::known(&head.extensions);
    if body.size_hint().lower() > limit as u64 {
        count("too-large");
        broker.callbacks.bring(&token, Callback::TooLarge);
        return Err(Denied(Refusal::PayloadTooLarge { named: "server.max_reply_bytes", limit }));
    }
    let Some(body) = read(body, limit).await else {
        // It may be brought again, whole.
        count("broken");
        return Err(Denied(Refusal::BadRequest(
            "the reply did not come whole, in time and within its bound".to_owned(),
        )));
    };
    let callback = Callback::Whole { headers: head.headers, body };
    if !broker.callbacks.bring(&token, callback) {
        return Err(nobody());
    }
    count("delivered");
    Ok(StatusCode::NO_CONTENT)
}

async fn read(body: Body, limit: usize) -> Option<bytes::Bytes> {
    tokio::time::timeout(PATIENCE, to_bytes(body, limit)).await.ok()?.ok()
}
