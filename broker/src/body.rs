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

/// The most bytes a payload may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// How many.
    pub(crate) bytes: usize,
    /// What sets it.
    pub(crate) named: &'static str,
}

/// Reads the whole body, waiting for it no longer than `patience`; `seen` is shown each piece as it comes. A declared
/// length over the limit is refused before any of it is read.
///
/// # Errors
/// [`Refusal::PayloadTooLarge`], or [`Refusal::BadRequest`] when the client is too slow or stops half-way.
pub(crate) async fn read(
    body: Incoming,
    limit: Limit,
    patience: Duration,
    seen: impl FnMut(&[u8]),
) -> Result<Bytes, Refusal> {
    let mut whole = std::pin::pin!(read_whole(body, limit, seen));
    // Most payloads have arrived with the head: those need no timer.
    if let Poll::Ready(read) = futures_util::poll!(&mut whole) {
        return read;
    }
    let late = || Refusal::BadRequest(format!("the payload took longer than {} ms to arrive", patience.as_millis()));
    tokio::time::timeout(patience, whole).await.unwrap_or_else(|_| Err(late()))
}

/// Whether its declared length alone refuses a body.
pub(crate) fn check_declared(body: &Incoming, limit: Limit) -> Result<(), Refusal> {
    let Limit { bytes, named } = limit;
    if body.size_hint().lower() > bytes as u64 { Err(Refusal::PayloadTooLarge { named, limit: bytes }) } else { Ok(()) }
}

async fn read_whole(body: Incoming, limit: Limit, mut seen: impl FnMut(&[u8])) -> Result<Bytes, Refusal> {
    let mut body = body;
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if let Err(refusal) = check_declared(&body, limit) {
        discard(body);
        return Err(refusal);
    }
    let Limit { bytes: limit, named } = limit;
    let too_large = |body| {
        discard(body);
        Refusal::PayloadTooLarge { named, limit }
    };
    // Most payloads arrive in one frame, which is passed on without a copy.
    let Some(first) = next_data(&mut body).await? else { return Ok(Bytes::new()) };
    seen(&first);
    if first.len() > limit {
        return Err(too_large(body));
    }
    if body.is_end_stream() || first.len() == declared {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(declared.max(first.len() * 2));
    whole.extend_from_slice(&first);
    while let Some(data) = next_data(&mut body).await? {
        seen(&data);
        if whole.len() + data.len() > limit {
            return Err(too_large(body));
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

/// Throws away what still comes of a refused payload: a client that is busy sending reads the refusal
/// only if the connection is not reset under it.
pub(crate) fn discard(body: Incoming) {
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
