//! Replies that are passed on while they arrive.
//!
//! The attempts before the first piece are those of [`super::dispatch`], with the same precedence. Once a venue has
//! begun to reply there is no other attempt: the caller has seen a part of this one. The flight stays with the pieces
//! and is settled at their end; dropping them before counts as abandoned, and is charged as expected.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt as _};
use http::HeaderValue;
use merit_market::Reservation;
use merit_units::InvocationId;
use merit_venue::{ErrorKind, Outcome, Piece, Streamed, VenueError};

use super::{Ending, Failed, Flight};
use crate::function::Deployment;
use crate::quote::Quoted;
use crate::refusal::Refused;
use crate::settle::Settled;

/// A reply that has begun. Its items are what comes next; the last one is [`Step::Ended`].
pub struct Streaming {
    /// What is known before the end.
    pub head: Head,
    flight: Option<Box<Flight>>,
    pieces: BoxStream<'static, Result<Piece, VenueError>>,
}

/// What is known of a streamed reply before its end.
#[derive(Clone)]
pub struct Head {
    /// The reply's media type, as the venue gave it.
    pub content_type: Option<HeaderValue>,
    /// The version that runs, where the venue tells it.
    pub version: Option<Box<str>>,
    /// The invocation.
    pub invocation: InvocationId,
    /// The deployment that replies.
    pub deployment: Arc<Deployment>,
    /// Attempts made, this one included.
    pub attempts: usize,
}

/// What comes next of a streamed reply.
pub enum Step {
    /// Some bytes of the payload; never empty.
    Data(Bytes),
    /// The end. The payload of a reply is empty here.
    Ended(Settled),
}

/// Runs the call until a venue begins to reply.
///
/// # Errors
/// Why none did; the call has been settled then.
///
/// # Panics
/// Never: a flight that failed is no reply.
pub async fn stream(quoted: Quoted) -> Result<Streaming, Refused> {
    let (flight, first) = Flight::of(quoted);
    let mut flight = Box::new(flight);
    let mut next = Some(first);
    let mut failed = Failed { retryable: false, deadline: false };
    while let Some((row, reservation)) = next.take() {
        match flight.attempt_streamed(row, reservation).await {
            Ok(streamed) => return Ok(Streaming::new(flight, row, streamed)),
            Err(error) => match flight.next_after(&error) {
                Ok(pick) => next = Some(pick),
                Err(ended) => failed = ended,
            },
        }
    }
    match flight.settle(Ending::Failed(failed)) {
        Settled::Refused(refused) => Err(refused),
        Settled::Replied(_) => unreachable!("invariant: what failed has no reply"),
    }
}

impl Flight {
    async fn attempt_streamed(&mut self, row: usize, reservation: Reservation) -> Result<Streamed, VenueError> {
        let (venue, call) = self.begin(row, reservation);
        let begun = venue.adapter.stream(call).await;
        if let Err(error) = &begun {
            self.land_error(error);
        }
        begun
    }

    /// Records how the pieces ended, and settles.
    fn end(mut self, ended: Result<Box<merit_venue::Reply>, VenueError>) -> Settled {
        match ended {
            Ok(reply) => {
                self.land_reply(&reply);
                self.settle(Ending::Replied(reply))
            }
            Err(error) => {
                self.land_error(&error);
                let deadline = error.kind == ErrorKind::Timeout && tokio::time::Instant::now() >= self.deadline;
                let retryable = self.admitted.function.idempotent;
                self.settle(Ending::Failed(Failed { retryable, deadline }))
            }
        }
    }
}

impl Streaming {
    fn new(flight: Box<Flight>, row: usize, streamed: Streamed) -> Self {
        let Streamed { content_type, version, pieces, .. } = streamed;
        let head = Head {
            content_type,
            version,
            invocation: flight.admitted.id,
            deployment: Arc::clone(flight.view.deployment(row)),
            attempts: flight.attempts.len() + 1,
        };
        Self { head, flight: Some(flight), pieces }
    }
}

impl Stream for Streaming {
    type Item = Step;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Step>> {
        if self.flight.is_none() {
            return Poll::Ready(None);
        }
        let ended = match ready!(self.pieces.poll_next_unpin(context)) {
            Some(Ok(Piece::Data(data))) => return Poll::Ready(Some(Step::Data(data))),
            Some(Ok(Piece::End(reply))) => Ok(reply),
            Some(Err(error)) => Err(error),
            None => {
                let message = "the venue's reply ended without its end";
                Err(VenueError::new(Outcome::Ran, ErrorKind::ConnectionCut, message))
            }
        };
        let flight = self.flight.take().expect("invariant: there is a flight until the end");
        Poll::Ready(Some(Step::Ended(flight.end(ended))))
    }
}
