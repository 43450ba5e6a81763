//! A connection by hand: for requests that no well-behaved client sends.

use std::net::SocketAddr;

use bytes::Bytes;
use http::HeaderMap;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{KEY, PATIENCE, Reply};

/// A connection on which a test writes what it likes.
pub(crate) struct Raw {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Raw {
    /// Connects.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the broker accepts");
        Self { stream, received: Vec::new() }
    }

    /// Writes.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the broker reads");
    }

    /// Writes the head of an invocation with the test's key and these headers, each ended by CRLF.
    pub(crate) async fn write_head(&mut self, function: &str, headers: &str) {
        let head = format!(
            "POST /v1/functions/{function}/invocations HTTP/1.1\r\nhost: merit\r\nauthorization: Bearer {KEY}\r\n{headers}\r\n"
        );
        self.write(head.as_bytes()).await;
    }

    /// Forgets the answer that was read, for the next request.
    pub(crate) fn forget(&mut self) {
        self.received.clear();
    }

    /// Reads one answer.
    pub(crate) async fn read(&mut self) -> Reply {
        timeout(PATIENCE, self.read_one()).await.expect("the broker answers without the rest")
    }

    async fn read_one(&mut self) -> Reply {
        loop {
            if let Some(reply) = self.parse() {
                return reply;
            }
            let read = self.stream.read_buf(&mut self.received).await.expect("the connection lasts");
            assert!(read > 0, "it ended after {:?}", String::from_utf8_lossy(&self.received));
        }
    }

    fn parse(&self) -> Option<Reply> {
        let text = String::from_utf8_lossy(&self.received);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let mut headers = HeaderMap::new();
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            let name: http::HeaderName = name.parse().expect("a header name");
            headers.append(name, value.parse().expect("a header value"));
        }
        let length: usize = headers.get("content-length")?.to_str().ok()?.parse().ok()?;
        (body.len() >= length).then(|| Reply { status, headers, body: Bytes::from(body.as_bytes().to_vec()) })
    }
}
