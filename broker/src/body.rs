//! Reading a payload, never more of it than the limit.

use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};

use crate::refusal::Refusal;

/// How long, and how much of it, a refused payload is still taken off the wire.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 64 << 20;

/// Reads the whole body, waiting for it no longer than `patience`. A declared length over the limit
/// is refused before any of it is read.
///
/// # Errors
/// [`Refusal::PayloadTooLarge`], or [`Refusal::BadRequest`] when the client is too slow or stops half-way.
pub(crate) async fn read(body: Incoming, limit: usize, patience: Duration) -> Result<Bytes, Refusal> {
    let mut whole = std::pin::pin!(read_whole(body, limit));
    // Most payloads have arrived with the head: those need no timer.
    if let Poll::Ready(read) = futures_util::poll!(&mut whole) {
        return read;
    }
    let late = || Refusal::BadRequest(format!("the payload took longer than {} ms to arrive", patience.as_millis()));
    tokio::time::timeout(patience, whole).await.unwrap_or_else(|_| Err(late()))
}

async fn read_whole(body: Incoming, limit: usize) -> Result<Bytes, Refusal> {
    let mut body = body;
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if declared > limit {
        return Err(too_large(body, limit));
    }
    // Most payloads arrive in one frame, which is passed on without a copy.
    let Some(first) = next_data(&mut body).await? else { return Ok(Bytes::new()) };
    if first.len() > limit {
        return Err(too_large(body, limit));
    }
    if body.is_end_stream() || first.len() == declared {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(declared.max(first.len() * 2));
    whole.extend_from_slice(&first);
    while let Some(data) = next_data(&mut body).await? {
        if whole.len() + data.len() > limit {
            return Err(too_large(body, limit));
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

/// Refuses at once, and goes on throwing away what still comes: a client that is busy sending
/// reads the refusal only if the connection is not reset under it.
fn too_large(body: Incoming, limit: usize) -> Refusal {
    tokio::spawn(tokio::time::timeout(LINGER, async move {
        let mut body = body;
        let mut discarded = 0;
        while let Ok(Some(data)) = next_data(&mut body).await {
            discarded += data.len();
            if discarded > LINGER_BYTES {
                return;
            }
        }
    }));
    Refusal::PayloadTooLarge { named: "server.max_payload_bytes", limit }
}

async fn next_data(body: &mut Incoming) -> Result<Option<Bytes>, Refusal> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Refusal::BadRequest(format!("the payload ended early: {error}")))?;
        // Trailers are no part of a payload.
        if let Ok(data) = frame.into_data()
            && !data.is_empty()
        {
            return Ok(Some(data));
        }
    }
    Ok(None)
}
