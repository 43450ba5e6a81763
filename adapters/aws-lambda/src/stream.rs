//! Replies passed on while they arrive: `InvokeWithResponseStream`.
//!
//! The stream holds the call's place among the connections until it ends or is dropped.
//! Dropping it ends the connection; Lambda then runs the function to its end and bills it in full
//! (docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html, read 2026-11-21).

use std::sync::Arc;

use aws_sdk_lambda::error::SdkError;
use aws_sdk_lambda::operation::RequestId as _;
use aws_sdk_lambda::primitives::event_stream::EventReceiver;
use aws_sdk_lambda::types::error::InvokeWithResponseStreamResponseEventError as EventError;
use aws_sdk_lambda::types::{
    InvokeWithResponseStreamCompleteEvent as Complete, InvokeWithResponseStreamResponseEvent as Event,
};
use aws_smithy_types::Blob;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http::HeaderValue;
use merit_units::Micros;
use merit_venue::{Call, ErrorKind, FunctionError, Measured, Meters, Outcome, Piece, Streamed, VenueError};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use crate::failure;
use crate::reply::{self, Told};
use crate::transport::Attempt;
use crate::usage;
use crate::venue::{Admitted, LambdaVenue};

/// A reply that is arriving.
struct Arriving {
    events: EventReceiver<Event, EventError>,
    attempt: Arc<Attempt>,
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
        let Admitted { called, shown, ends, place } = self.admit(&call).await?;
        let attempt = self.watch(&call, ends, None);
        let context = call.lambda.as_deref();
        let request = self
            .client
            .invoke_with_response_stream()
            .function_name(called.function)
            .set_qualifier(called.qualifier)
            .set_log_type(self.log_type(&call))
            .set_client_context(context.and_then(|context| context.client_context.as_deref()).map(str::to_owned))
            .set_tenant_id(context.and_then(|context| context.tenant.as_deref()).map(str::to_owned))
            .payload(Blob::from_maybe_shared(call.payload.clone()));
        let own = |attempt: &Attempt| Measured::own(Micros::from_std(attempt.elapsed()), 0);
        let output = match timeout_at(ends, attempt.run(request.send())).await {
            Ok(Ok(output)) => output,
            Ok(Err(SdkError::ServiceError(service))) => return Err(self.refusal(service.raw(), &shown, &attempt)),
            Ok(Err(error)) => return Err(failure::broken(error, &attempt, &shown, own(&attempt))),
            Err(_) => return Err(failure::timed_out(&attempt, &shown, own(&attempt))),
        };
        let request = output.request_id().map(str::to_owned);
        let content_type = output.response_stream_content_type.as_deref();
        let content_type = content_type.and_then(|text| HeaderValue::from_str(text).ok());
        let version: Option<Box<str>> = output.executed_version.map(Into::into);
        let arriving = Arriving {
            events: output.event_stream,
            attempt,
            ends,
            shown,
            bytes: 0,
            meters: self.config.meters,
            wants_tail: call.wants_tail(),
            content_type: content_type.clone(),
            version: version.clone(),
            request,
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
            let event = match timeout_at(self.ends, self.events.recv()).await {
                Err(_) => return Some((Err(self.timed_out()), None)),
                Ok(Err(error)) => return Some((Err(self.broken(&error)), None)),
                Ok(Ok(None)) => return Some((Err(self.cut("the stream ended without its last event")), None)),
                Ok(Ok(Some(event))) => event,
            };
            match event {
                Event::PayloadChunk(chunk) => {
                    let data = chunk.payload.map(Blob::into_bytes).unwrap_or_default();
                    if data.is_empty() {
                        continue;
                    }
                    self.bytes += data.len();
                    return Some((Ok(Piece::Data(data)), Some(self)));
                }
                Event::InvokeComplete(complete) => return Some((Ok(self.end(complete)), None)),
                // Kinds of events that are not known yet carry nothing of the payload.
                _ => {}
            }
        }
    }

    fn end(self, complete: Complete) -> Piece {
        let elapsed = Micros::from_std(self.attempt.elapsed());
        let (log, request) = (complete.log_result.as_deref(), self.request.as_deref());
        let read = usage::read(log, request, self.meters, elapsed, self.bytes);
        let details = complete.error_details.unwrap_or_default();
        let told = Told {
            function_error: complete.error_code.map(|code| FunctionError::new(code, details)),
            content_type: self.content_type,
            log_tail: read.tail.filter(|_| self.wants_tail),
            version: self.version,
            cold: read.cold,
        };
        Piece::End(Box::new(reply::reply(Bytes::new(), told, read.measured)))
    }

    fn own(&self) -> Measured {
        Measured::own(Micros::from_std(self.attempt.elapsed()), self.bytes)
    }

    fn timed_out(&self) -> VenueError {
        let Measured { usage, basis } = self.own();
        let doing = "reading the streamed reply of";
        let late = failure::late(Outcome::Ran, doing, &self.shown, self.attempt.elapsed());
        VenueError { usage: Some(usage), meters: basis, ..late }
    }

    fn cut(&self, why: &str) -> VenueError {
        let Measured { usage, basis } = self.own();
        let message = format!("the connection to `{}` ended before the reply did: {why}", self.shown);
        VenueError::ran(ErrorKind::ConnectionCut, message, usage, basis)
    }

    fn broken<R>(&self, error: &SdkError<EventError, R>) -> VenueError
    where
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        let Measured { usage, basis } = self.own();
        let cut = matches!(error, SdkError::DispatchFailure(_)) || failure::is_cut(error);
        let kind = if cut { ErrorKind::ConnectionCut } else { ErrorKind::MalformedReply };
        let why = failure::innermost(error);
        VenueError::ran(kind, format!("the streamed reply of `{}` broke: {why}", self.shown), usage, basis)
    }
}
