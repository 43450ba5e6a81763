//! A reply that is passed on while it arrives.
//!
//! Its connection and its place in the pool stay with the pieces; dropping them closes the connection. The
//! deadline, and the bound on the reply's size, hold to the last piece.

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http::{header, response};
use merit_transport::{Route, Unread, failure};
use merit_units::Micros;
use merit_venue::{Measured, Meters, Piece, Reply, Streamed, VenueError};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::meters;

/// A reply on its way.
pub(crate) struct Arriving {
    pub(crate) head: response::Parts,
    pub(crate) body: merit_transport::Arriving,
    pub(crate) route: Route,
    pub(crate) place: OwnedSemaphorePermit,
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
        let next = match self.body.next(self.ends).await {
            Ok(Some(data)) if so_far + data.len() > self.max => Err(Unread::TooLarge),
            next => next,
        };
        next.map_err(|error| {
            let measured = self.measure(Instant::now(), so_far);
            failure::without_body(&self.route.shown(), error, self.max, measured)
        })
    }

    fn measure(&self, now: Instant, bytes: usize) -> Measured {
        let elapsed = Micros::from_std(now.duration_since(self.sent));
        meters::measure(&self.head.headers, self.meters, elapsed, bytes)
    }

    /// What an unstreamed call would have told.
    fn end(self, bytes: usize) -> Reply {
        let done = Instant::now();
        let measured = self.measure(done, bytes);
        self.body.finish(done);
        drop(self.place);
        meters::reply(self.head.status, &self.head.headers, Bytes::new(), measured)
    }
}
