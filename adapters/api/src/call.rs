//! One attempt: what is sent to a venue, and what comes back.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use merit_pricing::Usage;
use merit_units::{FunctionId, InvocationId};
use tokio::time::Instant;

use crate::{HttpHead, Measured, Target};

/// One attempt to run a function at one deployment.
#[derive(Clone, Debug)]
pub struct Call {
    /// The invocation this attempt belongs to; passed on, so that both sides' logs can be joined.
    pub invocation: InvocationId,
    /// Which attempt of the invocation this is, from 1.
    pub attempt: u8,
    /// The function.
    pub function: FunctionId,
    /// Where it is deployed at the venue.
    pub target: Arc<Target>,
    /// The payload, passed on unread.
    pub payload: Bytes,
    /// The payload's media type, as the caller gave it.
    pub content_type: Option<HeaderValue>,
    /// W3C trace context of the attempt.
    pub traceparent: Option<HeaderValue>,
    /// Vendor part of the trace context.
    pub tracestate: Option<HeaderValue>,
    /// When the attempt must have ended. Waiting for a connection counts.
    pub deadline: Instant,
    /// What a caller of the Lambda-compatible door added; other protocols have no place for it.
    pub lambda: Option<Arc<LambdaContext>>,
    /// The request, where it is one of plain HTTP. Only a venue that [takes them](crate::Venue::takes_http) gets one.
    pub http: Option<Arc<HttpHead>>,
}

impl Call {
    /// The method to call a venue of plain HTTP by: `POST`, unless the caller sent another.
    #[must_use]
    pub fn method(&self) -> Method {
        self.http.as_ref().map_or(Method::POST, |http| http.method.clone())
    }

    /// Whether the caller wants the end of the function's log.
    #[must_use]
    pub fn wants_tail(&self) -> bool {
        self.lambda.as_ref().is_some_and(|context| context.log_tail)
    }
}

/// What only Lambda's protocol carries besides the payload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LambdaContext {
    /// `X-Amz-Client-Context` as it came: base64 of at most 3,583 bytes.
    pub client_context: Option<Box<str>>,
    /// `X-Amz-Tenant-Id`.
    pub tenant: Option<Box<str>>,
    /// Whether the caller wants the end of the function's log.
    pub log_tail: bool,
}

/// What a venue answered when the function ran to its end, well or with an error of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The function's reply, passed on unread.
    pub payload: Bytes,
    /// The reply's media type, as the venue gave it.
    pub content_type: Option<HeaderValue>,
    /// The HTTP status the venue answered with; 200 where its protocol has none.
    pub status: u16,
    /// The error the function itself reported. It ran, and it is billed.
    pub function_error: Option<FunctionError>,
    /// What the call used.
    pub usage: Usage,
    /// Who measured `usage`.
    pub meters: MeterBasis,
    /// Whether the venue said that this call had to initialise the function first.
    pub cold: bool,
    /// The end of the function's log, at most 4 KiB, where the venue tells it.
    pub log_tail: Option<Bytes>,
    /// The version that ran, where the venue tells it.
    pub version: Option<Box<str>>,
    /// The digest of the artefact that ran, worded as [`Discovered::digest`](crate::Discovered::digest), where the venue tells it.
    pub digest: Option<Box<str>>,
    /// All headers, where the call was a request of plain HTTP.
    pub headers: Option<Box<HeaderMap>>,
}

impl Reply {
    /// Of a function that ran, at a venue that tells no more than this. What it does tell is set beside.
    #[must_use]
    pub const fn plain(status: u16, content_type: Option<HeaderValue>, payload: Bytes, measured: Measured) -> Self {
        let Measured { usage, basis } = measured;
        Self {
            payload,
            content_type,
            status,
            function_error: None,
            usage,
            meters: basis,
            cold: false,
            log_tail: None,
            version: None,
            digest: None,
            headers: None,
        }
    }

    /// This reply, with all its headers if `call` was a request of plain HTTP.
    #[must_use]
    pub fn with_headers_for(self, call: &Call, headers: HeaderMap) -> Self {
        Self { headers: call.http.is_some().then(|| Box::new(headers)), ..self }
    }
}

/// An error the function reported: a result, not a failure of the venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionError {
    /// Its kind in the function's or venue's own words, such as `Trap`, `Unhandled` or `Http422`,
    /// cut to 128 bytes.
    pub kind: String,
    /// What it said, cut to [`Self::MESSAGE_BYTES`].
    pub message: String,
}

impl FunctionError {
    /// The longest message that is kept, in bytes.
    pub const MESSAGE_BYTES: usize = 1024;
    const KIND_BYTES: usize = 128;

    /// An error with both parts cut to what is kept, at the end of a character.
    #[must_use]
    pub fn new(mut kind: String, mut message: String) -> Self {
        kind.truncate(kind.floor_char_boundary(Self::KIND_BYTES));
        message.truncate(message.floor_char_boundary(Self::MESSAGE_BYTES));
        Self { kind, message }
    }

    /// The start of a payload as a message, for an error that has no other.
    #[must_use]
    pub fn excerpt(payload: &[u8]) -> String {
        String::from_utf8_lossy(&payload[..payload.len().min(Self::MESSAGE_BYTES)]).into_owned()
    }
}

/// Who measured what a call used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MeterBasis {
    /// The venue told its meters.
    Reported,
    /// The venue tells none: wall time by the own clock, network included.
    #[default]
    OwnClock,
    /// The venue told meters that cannot be true (malformed, or longer than the call itself took):
    /// they were thrown away and the own clock taken. Worth an operator's attention.
    Refused,
}

impl MeterBasis {
    /// Whether the usage is an estimate of what the venue will bill.
    #[must_use]
    pub const fn is_estimated(self) -> bool {
        !matches!(self, Self::Reported)
    }

    /// The stable word of logs and receipts: `reported`, `own-clock` or `refused`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::OwnClock => "own-clock",
            Self::Refused => "refused",
        }
    }
}
