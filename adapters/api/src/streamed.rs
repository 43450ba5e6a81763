//! Replies that are passed on while they arrive.
//!
//! Invariant: a stream that ends well ends with exactly one [`Piece::End`]; one that ends without
//! it, or with an error, is a failed attempt whose function ran.

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use http::HeaderValue;

use crate::{Reply, VenueError};

/// A reply whose head has arrived.
pub struct Streamed {
    /// The reply's media type, as the venue gave it.
    pub content_type: Option<HeaderValue>,
    /// The HTTP status the venue answered with; 200 where its protocol has none.
    pub status: u16,
    /// The version that runs, where the venue tells it.
    pub version: Option<Box<str>>,
    /// The reply's pieces, in order. Dropping it abandons the call, which has run and is billed.
    pub pieces: BoxStream<'static, Result<Piece, VenueError>>,
}

/// One item of a [`Streamed`] reply.
#[derive(Debug, PartialEq)]
pub enum Piece {
    /// Some bytes of the payload; never empty.
    Data(Bytes),
    /// The end: what an unstreamed call would have told, with an empty payload.
    End(Box<Reply>),
}

impl Streamed {
    /// A reply that was there at once, as a stream of one piece and its end.
    #[must_use]
    pub fn whole(mut reply: Reply) -> Self {
        let data = Some(std::mem::take(&mut reply.payload)).filter(|payload| !payload.is_empty());
        let (content_type, status, version) = (reply.content_type.clone(), reply.status, reply.version.clone());
        let pieces = data.map(Piece::Data).into_iter().chain([Piece::End(Box::new(reply))]).map(Ok);
        Self { content_type, status, version, pieces: stream::iter(pieces).boxed() }
    }
}
