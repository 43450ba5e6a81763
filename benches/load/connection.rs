//! One keep-alive connection that sends the same request again and again and reads the replies.
//!
//! It parses only what it must, so that the generator takes little of the cores it shares with
//! what it measures. Known limitation: a reply needs a `content-length`; a chunked one is an error.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::request::Request;

/// Bytes read at once; a reply of 1 KiB with its head takes one read.
const CHUNK: usize = 16 * 1024;

/// A connection, opened when it is first needed and again after a failure.
#[derive(Debug, Default)]
pub struct Connection {
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

/// The head of a reply.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Bytes of head and body together.
    whole: usize,
    /// The server closes the connection after it.
    closes: bool,
}

impl Connection {
    /// Sends the request, reads the whole reply and returns its status.
    ///
    /// # Errors
    /// When the connection can't be opened or breaks, or the reply is not one this can read.
    pub async fn call(&mut self, request: &Request) -> io::Result<u16> {
        let result = self.exchange(request).await;
        if !matches!(&result, Ok(head) if !head.closes) {
            self.stream = None;
        }
        result.map(|head| head.status)
    }

    /// The body of the last reply.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        let head = self.buffer.windows(4).position(|four| four == b"\r\n\r\n").map_or(self.buffer.len(), |at| at + 4);
        &self.buffer[head..]
    }

    async fn exchange(&mut self, request: &Request) -> io::Result<Head> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            closed => {
                let stream = TcpStream::connect(request.address).await?;
                stream.set_nodelay(true)?;
                closed.insert(stream)
            }
        };
        stream.write_all(&request.bytes).await?;
        self.buffer.clear();
        let mut head = None;
        loop {
            self.buffer.reserve(CHUNK);
            if stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if head.is_none() {
                head = parse(&self.buffer)?;
            }
            if let Some(head) = head.take_if(|head| self.buffer.len() >= head.whole) {
                return Ok(head);
            }
        }
    }
}

/// Reads a head, or says that more is needed.
fn parse(bytes: &[u8]) -> io::Result<Option<Head>> {
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut headers = [httparse::EMPTY_HEADER; 48];
    let mut reply = httparse::Response::new(&mut headers);
    let parsed = reply.parse(bytes).map_err(|error| invalid(error.to_string()))?;
    let httparse::Status::Complete(head) = parsed else { return Ok(None) };
    let value = |name: &str| {
        let found = reply.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let length = value("content-length").and_then(|length| length.parse::<usize>().ok());
    let length = length.ok_or_else(|| invalid("the reply has no content-length".to_owned()))?;
    let closes = value("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    Ok(Some(Head { status: reply.code.unwrap_or_default(), whole: head + length, closes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
        assert_eq!(parse(reply).expect("valid"), Some(Head { status: 200, whole: reply.len(), closes: true }));
        assert_eq!(parse(&reply[..30]).expect("so far"), None);
    }

    #[test]
    fn a_reply_without_a_length_is_an_error() {
        assert!(parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert!(parse(b"SMTP\r\n\r\n").is_err());
    }
}
