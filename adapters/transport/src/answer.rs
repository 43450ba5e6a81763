//! What a server answered: the head, and the body while it arrives.

use std::error::Error as StdError;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, header, response};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use jiff::fmt::rfc2822::DateTimeParser;
use merit_venue::FunctionError;
use tokio::time::{Instant, timeout_at};

use crate::connection::{Connection, ReadError, collect};
use crate::pool::Pool;
use crate::route::Origin;
use crate::shared::Stream;
use crate::transport::before;

/// How long an answer that is not the function's is read, for the log: it must not cost the caller
/// the time for another venue.
const EXCERPT_WAIT: Duration = Duration::from_millis(100);

/// The longest such answer that is read, in bytes; a longer one costs its connection.
const EXCERPT_BYTES: usize = 16 * 1024;

/// The head of an answer, and the connection its body comes on.
#[derive(Debug)]
pub struct Answer {
    /// Status and headers.
    pub head: response::Parts,
    /// When the request was sent.
    pub sent: Instant,
    /// The body. Dropping it closes the connection, or resets the stream where others share it.
    pub body: Arriving,
}

/// A body on its way.
#[derive(Debug)]
pub struct Arriving(pub(crate) On);

/// What it comes on.
#[derive(Debug)]
pub(crate) enum On {
    /// A connection of its own: HTTP/1.1.
    Own { body: Incoming, connection: Connection, origin: Arc<Origin>, pool: Arc<Pool> },
    /// A stream among others: HTTP/2.
    Shared(Stream),
}

/// Why a body was not read to its end. [`failure::without_body`](crate::failure::without_body) says it in words.
#[derive(Debug)]
pub enum Unread {
    /// It is, or says that it is, larger than the bound.
    TooLarge,
    /// The connection ended before the body did, or the body's framing is broken.
    Broken(Box<dyn StdError + Send + Sync>),
    /// The time ran out.
    Late,
}

impl From<ReadError> for Unread {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::TooLarge => Self::TooLarge,
            ReadError::Broken(error) => Self::Broken(error),
        }
    }
}

impl Arriving {
    /// Reads a body of at most `max` bytes and puts the connection aside for reuse. With it, when it was there.
    ///
    /// # Errors
    /// [`Unread`]; the connection is closed.
    pub async fn whole(self, max: usize, ends: Instant) -> Result<(Bytes, Instant), Unread> {
        match self.0 {
            On::Own { body, mut connection, origin, pool } => {
                let read = before(ends, pin!(connection.read(body, max))).await;
                let done = Instant::now();
                let payload = read.map_err(|_| Unread::Late)??;
                pool.keep(&origin, connection, done);
                Ok((payload, done))
            }
            On::Shared(stream) => {
                let read = before(ends, pin!(collect(stream, max))).await;
                Ok((read.map_err(|_| Unread::Late)??, Instant::now()))
            }
        }
    }

    /// What is there soon of an answer that is not the function's; `None` when it is long or slow.
    pub async fn excerpt(self) -> Option<Bytes> {
        let read = self.whole(EXCERPT_BYTES, Instant::now() + EXCERPT_WAIT).await;
        read.ok().map(|(said, _)| said)
    }

    /// The next bytes, never none; `None` at the end. Trailers are no part of a body.
    ///
    /// # Errors
    /// [`Unread`]; nothing more comes.
    pub async fn next(&mut self, ends: Instant) -> Result<Option<Bytes>, Unread> {
        loop {
            let next = match &mut self.0 {
                On::Own { body, connection, .. } => timeout_at(ends, connection.next_frame(body)).await.map(broken),
                On::Shared(stream) => timeout_at(ends, stream.frame()).await.map(broken),
            };
            match next {
                Ok(None) => return Ok(None),
                Ok(Some(frame)) => match frame?.into_data() {
                    Ok(data) if !data.is_empty() => return Ok(Some(data)),
                    _ => {}
                },
                Err(_) => return Err(Unread::Late),
            }
        }
    }

    /// Puts a connection of its own aside for reuse, after [`Self::next`] has told the end.
    pub fn finish(self, now: Instant) {
        if let On::Own { connection, origin, pool, .. } = self.0 {
            pool.keep(&origin, connection, now);
        }
    }
}

fn broken<E>(frame: Option<Result<Frame<Bytes>, E>>) -> Option<Result<Frame<Bytes>, Unread>>
where
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    frame.map(|frame| frame.map_err(|error| Unread::Broken(error.into())))
}

/// How long a server asks to be left alone: seconds, or a date, which is counted
/// from the answer's own `date` so that the two clocks need not agree.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(value.parse().map_or(Duration::from_secs(u64::MAX), Duration::from_secs));
    }
    let parser = DateTimeParser::new();
    let until = parser.parse_timestamp(value).ok()?;
    let now = parser.parse_timestamp(headers.get(header::DATE)?.to_str().ok()?).ok()?;
    Some(Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// What an answer that is not the function's says, to end a message: one line, at most 200 characters,
/// and nothing of an HTML page.
#[must_use]
pub fn excerpt(headers: &HeaderMap, body: &[u8]) -> String {
    let html = headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
    if html || body.is_empty() {
        return String::new();
    }
    let text = FunctionError::excerpt(body);
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
    format!(": {}", line.trim())
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn reads_retry_after_as_seconds_and_as_a_date() {
        let date = ("date", "Sat, 21 Nov 2026 10:00:00 GMT");
        for (value, expected) in [
            ("0", Some(0)),
            ("120", Some(120)),
            ("99999999999999999999999999", Some(u64::MAX)),
            ("Sat, 21 Nov 2026 10:00:30 GMT", Some(30)),
            ("Sat, 21 Nov 2026 09:00:00 GMT", Some(0)),
            ("soon", None),
            ("-5", None),
            ("", None),
        ] {
            let wait = retry_after(&headers(&[("retry-after", value), date]));
            assert_eq!(wait, expected.map(Duration::from_secs), "{value}");
        }
        assert_eq!(retry_after(&headers(&[("retry-after", "Sat, 21 Nov 2026 10:00:30 GMT")])), None);
    }

    #[test]
    fn excerpts_are_one_short_line_and_no_html() {
        assert_eq!(excerpt(&headers(&[]), b"no\r\n\x1b[31mcapacity"), ": no   [31mcapacity");
        assert_eq!(excerpt(&headers(&[("content-type", "text/html; charset=utf-8")]), b"<html>"), "");
        assert_eq!(excerpt(&headers(&[]), &[b'x'; 5000]).len(), 202);
    }
}
