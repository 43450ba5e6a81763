//! A reply that is passed on while it arrives.
//!
//! Its connection and its place in the pool stay with the pieces; dropping them closes the connection. The
//! deadline, and the bound on the reply's size, hold to the last piece.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http::{header, response};
use hyper::body::Incoming;
use merit_units::Micros;
use merit_venue::{Measured, Outcome, Piece, Reply, Streamed, VenueError};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use crate::config::Meters;
use crate::connection::{Connection, ReadError};
use crate::failure;
use crate::meters;
use crate::pool::Pool;
use crate::route::Route;

/// A reply on its way.
pub(crate) struct Arriving {
    pub(crate) head: response::Parts,
    pub(crate) body: Incoming,
    pub(crate) connection: Connection,
    pub(crate) route: Route,
    pub(crate) pool: std::sync::Arc<Pool>,
    pub(crate) permit: OwnedSemaphorePermit,
    /// When the request was sent.
    pub(crate) sent: Instant,
    pub(crate) ends: Instant,
    /// Bytes a streamed reply may have.
    pub(crate) max: usize,
    pub(crate) meters: Meters,
}

impl Arriving {
    /// The reply and its pieces.
    pub(crate) fn into_streamed(self) -> Streamed {
        let content_type = self.head.headers.get(header::CONTENT_TYPE).cloned();
        let status = self.head.status.as_u16();
        let pieces = stream::unfold(Some((self, 0)), |state| async move {
            let (mut arriving, so_far) = state?;
            match arriving.next(so_far).await {
                Ok(Some(data)) => {
                    let so_far = so_far + data.len();
                    Some((Ok(Piece::Data(data)), Some((arriving, so_far))))
                }
                Ok(None) => Some((Ok(Piece::End(Box::new(arriving.end(so_far)))), None)),
                Err(error) => Some((Err(error), None)),
            }
        });
        Streamed { content_type, status, version: None, pieces: pieces.boxed() }
    }

    async fn next(&mut self, so_far: usize) -> Result<Option<Bytes>, VenueError> {
        loop {
            let measured = |arriving: &Self| arriving.measure(Instant::now(), so_far);
            return match timeout_at(self.ends, self.connection.next_frame(&mut self.body)).await {
                Ok(None) => Ok(None),
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if so_far + data.len() > self.max => {
                        Err(failure::without_body(&self.route, ReadError::TooLarge, self.max, measured(self)))
                    }
                    Ok(data) if !data.is_empty() => Ok(Some(data)),
                    // Trailers are no part of a payload.
                    _ => continue,
                },
                Ok(Some(Err(error))) => {
                    Err(failure::without_body(&self.route, ReadError::Broken(error), self.max, measured(self)))
                }
                Err(_) => {
                    let Measured { usage, basis } = measured(self);
                    let waited: Duration = self.sent.elapsed();
                    let shown = self.route.shown();
                    let late = failure::timed_out(Outcome::Ran, "reading the reply of", &shown, waited);
                    Err(VenueError { usage: Some(usage), meters: basis, ..late })
                }
            };
        }
    }

    fn measure(&self, now: Instant, bytes: usize) -> Measured {
        let elapsed = Micros::from_std(now.duration_since(self.sent));
        meters::measure(&self.head.headers, self.meters, elapsed, bytes)
    }

    /// What an unstreamed call would have told.
    fn end(self, bytes: usize) -> Reply {
        let done = Instant::now();
        let Measured { usage, basis } = self.measure(done, bytes);
        self.pool.keep(&self.route.origin, self.connection, done);
        drop(self.permit);
        Reply {
            payload: Bytes::new(),
            content_type: self.head.headers.get(header::CONTENT_TYPE).cloned(),
            status: self.head.status.as_u16(),
            function_error: None,
            usage,
            meters: basis,
            cold: usage.init > Micros::ZERO,
            log_tail: None,
            version: None,
        }
    }
}
