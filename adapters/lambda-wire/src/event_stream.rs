//! The frames of a streamed response: `application/vnd.amazon.eventstream`, as
//! InvokeWithResponseStream uses it.
//!
//! A stream is any number of [`Event::PayloadChunk`]s and then one [`Event::InvokeComplete`], or an
//! [`Event::Exception`] in its place. The frame itself (lengths, headers, checksums) is coded by
//! `aws-smithy-eventstream`; here is what Lambda puts into it, and a decoder that takes bytes as they come.
//!
//! Invariants: a frame that announces more than [`MOST_FRAME_BYTES`] is refused before it is gathered;
//! after an error the decoder gives nothing more.
//!
//! Known limitation: headers beside those Lambda writes are passed over.

#[cfg(test)]
mod tests;

use aws_smithy_eventstream::frame::{read_message_from, write_message_to};
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

/// The type of the body.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// The largest frame that is read: botocore's limit of 24 MiB of payload and 128 KiB of headers.
pub const MOST_FRAME_BYTES: usize = 24 * 1024 * 1024 + 128 * 1024 + OVERHEAD_BYTES;

/// The largest payload of a frame that is written; longer pieces become several.
pub const CHUNK_BYTES: usize = 1024 * 1024;

/// Two lengths and two checksums.
const OVERHEAD_BYTES: usize = 16;

/// One event of a streamed response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A piece of the reply.
    PayloadChunk(Bytes),
    /// The end.
    InvokeComplete(InvokeComplete),
    /// The end, because something went wrong around the function.
    Exception {
        /// The error's name, such as `ServiceException`.
        code: String,
        /// In words.
        message: String,
    },
    /// An event this version does not know.
    Unknown(String),
}

/// How a streamed invocation ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InvokeComplete {
    /// What kind of error the function failed with; `None` when it ended well.
    pub error_code: Option<String>,
    /// Its error in detail, JSON as a rule.
    pub error_details: Option<String>,
    /// The end of the log, when it was asked for.
    pub log_tail: Option<Bytes>,
}

/// Bytes that are no such stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// A frame announces more bytes than are taken, or fewer than a frame has.
    #[error("a frame of {0} bytes; frames have 16 to {MOST_FRAME_BYTES}")]
    Length(usize),
    /// A frame's checksums or headers are wrong.
    #[error("a malformed frame: {0}")]
    Frame(String),
    /// A frame is sound and what is in it is not.
    #[error("a malformed {event}: {problem}")]
    Content {
        /// Which event.
        event: String,
        /// What is wrong.
        problem: String,
    },
    /// The stream ended within a frame.
    #[error("the stream ended after {0} bytes of a frame")]
    Cut(usize),
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct CompleteBody {
    #[serde(default)]
    error_code: Option<String>,
    #[serde(default)]
    error_details: Option<String>,
    #[serde(default)]
    log_result: Option<String>,
}

#[derive(Deserialize)]
struct ExceptionBody {
    #[serde(alias = "Message", default)]
    message: String,
}

impl Event {
    /// Writes the event's frames: one, or several for a long piece.
    pub fn write_to(&self, out: &mut BytesMut) {
        match self {
            Self::PayloadChunk(data) if data.len() > CHUNK_BYTES => {
                let mut left = data.clone();
                while !left.is_empty() {
                    Self::PayloadChunk(left.split_to(CHUNK_BYTES.min(left.len()))).write_to(out);
                }
            }
            Self::PayloadChunk(data) => frame(out, ":event-type", "PayloadChunk", OCTETS, data.clone()),
            Self::InvokeComplete(complete) => frame(out, ":event-type", "InvokeComplete", JSON, complete.body()),
            Self::Exception { code, message } => {
                let body = serde_json::json!({ "Message": message }).to_string();
                frame(out, ":exception-type", code, JSON, body.into());
            }
            Self::Unknown(name) => frame(out, ":event-type", name, OCTETS, Bytes::new()),
        }
    }

    /// The event's frames.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.write_to(&mut out);
        out.freeze()
    }

    fn of(message: &Message) -> Result<Self, StreamError> {
        let text = |name: &str| {
            let header = message.headers().iter().find(|header| header.name().as_str() == name)?;
            header.value().as_string().ok().map(|value| value.as_str().to_owned())
        };
        match text(":message-type").as_deref() {
            Some("exception") => {
                let code = text(":exception-type").unwrap_or_default();
                let body = serde_json::from_slice(message.payload()).map(|ExceptionBody { message }| message);
                let message = body.unwrap_or_else(|_| String::from_utf8_lossy(message.payload()).into_owned());
                Ok(Self::Exception { code, message })
            }
            Some("error") => Ok(Self::Exception {
                code: text(":error-code").unwrap_or_default(),
                message: text(":error-message").unwrap_or_default(),
            }),
            _ => match text(":event-type").unwrap_or_default().as_str() {
                "PayloadChunk" => Ok(Self::PayloadChunk(message.payload().clone())),
                "InvokeComplete" => InvokeComplete::read(message.payload()).map(Self::InvokeComplete),
                other => Ok(Self::Unknown(other.to_owned())),
            },
        }
    }
}

impl InvokeComplete {
    fn body(&self) -> Bytes {
        let body = CompleteBody {
            error_code: self.error_code.clone(),
            error_details: self.error_details.clone(),
            log_result: self.log_tail.as_ref().map(|tail| STANDARD.encode(tail)),
        };
        serde_json::to_vec(&body).expect("invariant: strings are JSON").into()
    }

    fn read(payload: &[u8]) -> Result<Self, StreamError> {
        let bad = |problem: String| StreamError::Content { event: "InvokeComplete".to_owned(), problem };
        // An event without members may have no body at all.
        if payload.is_empty() {
            return Ok(Self::default());
        }
        let body: CompleteBody = serde_json::from_slice(payload).map_err(|error| bad(error.to_string()))?;
        let tail = body.log_result.map(|tail| STANDARD.decode(tail)).transpose();
        let tail = tail.map_err(|error| bad(format!("LogResult is not base64: {error}")))?;
        Ok(Self { error_code: body.error_code, error_details: body.error_details, log_tail: tail.map(Bytes::from) })
    }
}

const OCTETS: &str = "application/octet-stream";
const JSON: &str = "application/json";
/// The longest string a header holds is 32 KiB; names are far shorter, and cut to be sure.
const MOST_NAME_CHARS: usize = 1024;

fn frame(out: &mut BytesMut, header: &'static str, name: &str, content_type: &'static str, payload: Bytes) {
    let kind = if header == ":event-type" { "event" } else { "exception" };
    let name: String = name.chars().take(MOST_NAME_CHARS).collect();
    let text = |name: &'static str, value: String| Header::new(name, HeaderValue::String(value.into()));
    let message = Message::new(payload)
        .add_header(text(header, name))
        .add_header(text(":content-type", content_type.to_owned()))
        .add_header(text(":message-type", kind.to_owned()));
    write_message_to(&message, out).expect("invariant: headers and payload are within a frame's limits");
}

/// Reads events out of bytes as they come.
#[derive(Debug, Default)]
pub struct Decoder {
    gathered: BytesMut,
    failed: bool,
}

impl Decoder {
    /// A decoder at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the body.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.failed {
            self.gathered.extend_from_slice(bytes);
        }
    }

    /// The next event; `None` when more bytes are needed.
    ///
    /// # Errors
    /// [`StreamError`]; after one there is nothing more.
    pub fn next_event(&mut self) -> Result<Option<Event>, StreamError> {
        let read = self.read();
        if read.is_err() {
            self.failed = true;
            self.gathered.clear();
        }
        read
    }

    fn read(&mut self) -> Result<Option<Event>, StreamError> {
        let Some(announced) = self.gathered.first_chunk::<4>() else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes(*announced)).unwrap_or(usize::MAX);
        if !(OVERHEAD_BYTES..=MOST_FRAME_BYTES).contains(&length) {
            return Err(StreamError::Length(length));
        }
        if self.gathered.len() < length {
            // Lengths that are wrong would be waited for; their checksum is there early.
            return Ok(None);
        }
        let mut frame = self.gathered.split_to(length).freeze();
        let message = read_message_from(&mut frame).map_err(|error| StreamError::Frame(error.to_string()))?;
        if frame.has_remaining() {
            return Err(StreamError::Frame("its lengths disagree".to_owned()));
        }
        Event::of(&message).map(Some)
    }

    /// Says whether the stream may end here.
    ///
    /// # Errors
    /// [`StreamError::Cut`] within a frame.
    pub fn finish(&self) -> Result<(), StreamError> {
        if self.gathered.is_empty() { Ok(()) } else { Err(StreamError::Cut(self.gathered.len())) }
    }
}
