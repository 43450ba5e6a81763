//! Replies passed on while they arrive: `InvokeWithResponseStream`.
//!
//! The stream holds the call's place among the connections until it ends or is dropped.
//! Dropping it ends the connection; Lambda then runs the function to its end and bills it in full
//! (docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html, read 2026-11-21).

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http::{HeaderName, HeaderValue};
use merit_lambda_wire::error::REQUEST_ID;
use merit_lambda_wire::event_stream::{Decoder, Event, InvokeComplete};
use merit_lambda_wire::invoke::EXECUTED_VERSION;
use merit_transport::{Answer, Unread};
use merit_units::Micros;
use merit_venue::{Call, ErrorKind, FunctionError, Measured, Meters, Outcome, Piece, Streamed, VenueError};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::endpoint::Operation;
use crate::reply::{self, Told};
use crate::usage;
use crate::venue::{LambdaVenue, text};

/// The media type of the function's reply; that of the answer is the event stream's.
const CONTENT_TYPE: HeaderName = HeaderName::from_static("x-amzn-remapped-content-type");

/// How long the end of the answer is waited for after the stream's last event, to use the connection again.
const LINGER: Duration = Duration::from_millis(20);

/// A reply that is arriving.
struct Arriving {
    body: merit_transport::Arriving,
    events: Decoder,
    sent: Instant,
    ends: Instant,
    shown: String,
    bytes: usize,
    meters: Meters,
    wants_tail: bool,
    content_type: Option<HeaderValue>,
    version: Option<Box<str>>,
    request: Option<String>,
    _place: OwnedSemaphorePermit,
}

impl LambdaVenue {
    pub(crate) async fn attempt_streamed(&self, call: Call) -> Result<Streamed, VenueError> {
        let admitted = self.admit(&call, Operation::Stream).await?;
        let place = self.transport.admit_owned(&admitted.route, admitted.ends).await?;
        let Answer { head, sent, body } = self.send(&admitted).await?;
        if head.status != 200 {
            let said = body.excerpt().await.unwrap_or_default();
            return Err(self.refusal(&call.target, &admitted.key, &head, &said));
        }
        let content_type = head.headers.get(CONTENT_TYPE).cloned();
        let version: Option<Box<str>> = text(&head.headers, &EXECUTED_VERSION).map(Into::into);
        let arriving = Arriving {
            body,
            events: Decoder::new(),
            sent,
            ends: admitted.ends,
            shown: self.shown(&call.target).to_string(),
            bytes: 0,
            meters: self.config.meters,
            wants_tail: call.wants_tail(),
            content_type: content_type.clone(),
            version: version.clone(),
            request: text(&head.headers, &REQUEST_ID).map(str::to_owned),
            _place: place,
        };
        let pieces = stream::unfold(Some(arriving), |arriving| async move { arriving?.next().await });
        Ok(Streamed { content_type, status: 200, version, pieces: pieces.boxed() })
    }
}

/// A piece, and what is still to come; nothing after the end or a failure.
type Step = (Result<Piece, VenueError>, Option<Arriving>);

impl Arriving {
    async fn next(mut self) -> Option<Step> {
        loop {
            let error = match self.events.next_event() {
                Ok(Some(Event::PayloadChunk(data))) if data.is_empty() => continue,
                Ok(Some(Event::PayloadChunk(data))) => {
                    self.bytes += data.len();
                    return Some((Ok(Piece::Data(data)), Some(self)));
                }
                Ok(Some(Event::InvokeComplete(complete))) => return Some((Ok(self.end(complete).await), None)),
                // Kinds of events that are not known yet carry nothing of the payload.
                Ok(Some(Event::Unknown(_))) => continue,
                Ok(Some(Event::Exception { code, message })) => {
                    self.broken(ErrorKind::Unavailable, &format!("{code}: {message}"))
                }
                Err(error) => self.broken(ErrorKind::MalformedReply, &error.to_string()),
                Ok(None) => match self.body.next(self.ends).await {
                    Ok(Some(bytes)) => {
                        self.events.push(&bytes);
                        continue;
                    }
                    Ok(None) => self.broken(ErrorKind::ConnectionCut, "it ended without its last event"),
                    Err(Unread::Late) => self.timed_out(),
                    Err(Unread::Broken(error)) => self.broken(ErrorKind::ConnectionCut, &error.to_string()),
                    Err(Unread::TooLarge) => unreachable!("invariant: a stream has no bound"),
                },
            };
            return Some((Err(error), None));
        }
    }

    async fn end(mut self, complete: InvokeComplete) -> Piece {
        let done = Instant::now();
        let InvokeComplete { error_code, error_details, log_tail } = complete;
        let elapsed = Micros::from_std(done.duration_since(self.sent));
        let read = usage::read_tail(log_tail, self.request.as_deref(), self.meters, elapsed, self.bytes);
        let told = Told {
            function_error: error_code.map(|code| FunctionError::new(code, error_details.unwrap_or_default())),
            content_type: self.content_type,
            log_tail: read.tail.filter(|_| self.wants_tail),
            version: self.version,
            cold: read.cold,
        };
        if let Ok(None) = self.body.next(done + LINGER).await {
            self.body.finish(Instant::now());
        }
        Piece::End(Box::new(reply::reply(Bytes::new(), told, read.measured)))
    }

    fn own(&self) -> Measured {
        Measured::own(Micros::from_std(self.sent.elapsed()), self.bytes)
    }

    fn timed_out(&self) -> VenueError {
        let Measured { usage, basis } = self.own();
        let doing = "reading the streamed reply of";
        let late = merit_transport::failure::timed_out(Outcome::Ran, doing, &self.shown, self.sent.elapsed());
        VenueError { usage: Some(usage), meters: basis, ..late }
    }

    fn broken(&self, kind: ErrorKind, why: &str) -> VenueError {
        let Measured { usage, basis } = self.own();
        VenueError::ran(kind, format!("the streamed reply of `{}` broke: {why}", self.shown), usage, basis)
    }
}
