//! Reading a payload, never more of it than the limit.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};

use crate::refusal::Refusal;

/// Reads the whole body. A declared length over the limit is refused before any of it is read.
///
/// # Errors
/// [`Refusal::PayloadTooLarge`], or [`Refusal::BadRequest`] when the client stops half-way.
pub(crate) async fn read(body: Incoming, limit: usize) -> Result<Bytes, Refusal> {
    let mut body = body;
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if declared > limit {
        return Err(Refusal::PayloadTooLarge { limit });
    }
    // Most payloads arrive in one frame, which is passed on without a copy.
    let Some(first) = next_data(&mut body).await? else { return Ok(Bytes::new()) };
    if first.len() > limit {
        return Err(Refusal::PayloadTooLarge { limit });
    }
    if body.is_end_stream() || first.len() == declared {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(declared.max(first.len() * 2));
    whole.extend_from_slice(&first);
    while let Some(data) = next_data(&mut body).await? {
        if whole.len() + data.len() > limit {
            return Err(Refusal::PayloadTooLarge { limit });
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
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
