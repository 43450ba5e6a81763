//! Reply bodies, whole or spoilt on the way: trickling, or cut before their end.
//!
//! Real time, not modelled time: a slow drip tests the patience of a real client.

use std::num::NonZeroU64;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::HeaderValue;
use http::header::CONTENT_LENGTH;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::Frame;

use crate::controls::Controls;

/// The body of every response.
pub(crate) type Body = Either<Full<Bytes>, UnsyncBoxBody<Bytes, Cut>>;

/// The connection is to be cut without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the simulated cloud cut the connection")]
pub(crate) struct Cut;

/// Drips a second: often enough to look steady, seldom enough to cost nothing.
const DRIPS_PER_SECOND: u64 = 20;

/// A body that arrives as it is.
pub(crate) fn whole(bytes: Bytes) -> Body {
    Either::Left(Full::new(bytes))
}

/// Spoils a response the way the controls say.
pub(crate) fn spoil(mut response: http::Response<Bytes>, controls: &Controls) -> http::Response<Body> {
    if controls.slow_drip.is_none() && controls.cut_after_bytes.is_none() {
        return response.map(whole);
    }
    let length = response.body().len() as u64;
    let cut = controls.cut_after_bytes.map(|after| after.min(length));
    // A cut is only one if more was announced than came.
    let announced = cut.map_or(length, |after| length.max(after + 1));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(announced));
    response.map(|bytes| {
        let sent = cut.map_or(bytes.len(), |after| usize::try_from(after).unwrap_or(usize::MAX).min(bytes.len()));
        Either::Right(drip(bytes.slice(..sent), controls.slow_drip, cut.is_some()))
    })
}

fn drip(bytes: Bytes, per_second: Option<NonZeroU64>, cut: bool) -> UnsyncBoxBody<Bytes, Cut> {
    let portion =
        per_second.map_or(usize::MAX, |rate| usize::try_from(rate.get() / DRIPS_PER_SECOND).unwrap_or(1).max(1));
    let frames = stream::unfold(Some(bytes), move |left| async move {
        let mut left = left?;
        if left.is_empty() {
            return if cut { Some((cut_here().await, None)) } else { None };
        }
        let frame = left.split_to(portion.min(left.len()));
        if let Some(rate) = per_second {
            tokio::time::sleep(time_for(frame.len(), rate)).await;
        }
        Some((Ok(Frame::data(frame)), Some(left)))
    });
    StreamBody::new(frames).boxed_unsync()
}

/// Lets what was written before go out, then fails the body, upon which hyper drops the connection.
async fn cut_here() -> Result<Frame<Bytes>, Cut> {
    tokio::task::yield_now().await;
    Err(Cut)
}

fn time_for(bytes: usize, per_second: NonZeroU64) -> Duration {
    let micros = (bytes as u64).saturating_mul(1_000_000) / per_second;
    Duration::from_micros(micros)
}
