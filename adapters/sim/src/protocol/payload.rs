//! Payloads as they come, up to a limit.

use bytes::Bytes;
use http::Request;
use http::header::CONTENT_LENGTH;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;

use super::body::Cut;

/// The payload is larger than what is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLarge {
    /// In bytes.
    pub(super) limit: usize,
}

/// Reads the payload, and nothing of one that announces more than `limit` bytes.
///
/// # Errors
/// [`Cut`] when the caller is gone.
pub(super) async fn read(request: Request<Incoming>, limit: usize) -> Result<Result<Bytes, TooLarge>, Cut> {
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if announced.and_then(|length| length.parse::<usize>().ok()).is_some_and(|length| length > limit) {
        return Ok(Err(TooLarge { limit }));
    }
    match Limited::new(request.into_body(), limit).collect().await {
        Ok(collected) => Ok(Ok(collected.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Ok(Err(TooLarge { limit })),
        // The caller is gone; nobody reads an answer.
        Err(_) => Err(Cut),
    }
}
