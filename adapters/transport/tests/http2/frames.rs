//! A server whose frames the test sends by hand, so that it can say what a well-behaved one would not.

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::client::soon;
use crate::server::Listening;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// `:status: 200` in HPACK's static table.
pub(crate) const OK: &[u8] = &[0x88];

pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const INTERNAL_ERROR: u32 = 2;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Bytes,
}

/// One connection, after both ends have said hello.
pub(crate) struct Peer {
    tls: TlsStream<TcpStream>,
    /// Whether pings are answered.
    pub(crate) lives: bool,
}

impl Peer {
    /// Accepts a connection; its settings are those of the protocol.
    pub(crate) async fn accept(listening: &Listening) -> Self {
        let mut tls = soon("a connection", listening.accept()).await;
        let mut preface = [0; 24];
        tls.read_exact(&mut preface).await.expect("a preface");
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let mut peer = Self { tls, lives: true };
        peer.send(SETTINGS, 0, 0, &[]).await;
        peer
    }

    pub(crate) async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut frame = u32::try_from(payload.len()).expect("a short frame").to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        write(&mut self.tls, &frame).await;
    }

    /// The next frame but those of housekeeping, which are answered; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            let mut head = [0; 9];
            self.tls.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).expect("a short frame")];
            self.tls.read_exact(&mut payload).await.ok()?;
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let frame = Frame { kind: head[3], flags: head[4], stream, payload: payload.into() };
            match frame.kind {
                SETTINGS if frame.flags & ACK == 0 => self.send(SETTINGS, ACK, 0, &[]).await,
                PING if frame.flags & ACK == 0 && self.lives => self.send(PING, ACK, 0, &frame.payload).await,
                PING | SETTINGS | WINDOW_UPDATE => {}
                DATA if length > 0 => {
                    self.send(WINDOW_UPDATE, 0, 0, &length.to_be_bytes()).await;
                    return Some(frame);
                }
                _ => return Some(frame),
            }
        }
    }

    /// The stream of the next whole request.
    pub(crate) async fn request(&mut self) -> u32 {
        loop {
            let frame = soon("a request", self.next()).await.expect("a connection that is open");
            if matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0 {
                return frame.stream;
            }
        }
    }

    /// Reads to the end, before which the client may say goodbye, and nothing else.
    pub(crate) async fn ends(&mut self) {
        while let Some(frame) = soon("its end", self.next()).await {
            assert_eq!((frame.kind, &frame.payload[4..]), (GOAWAY, &[0; 4][..]));
        }
    }

    pub(crate) async fn answer(&mut self, stream: u32, body: &[u8]) {
        self.send(HEADERS, END_HEADERS, stream, OK).await;
        self.send(DATA, END_STREAM, stream, body).await;
    }

    pub(crate) async fn reset(&mut self, stream: u32, reason: u32) {
        self.send(RST_STREAM, 0, stream, &reason.to_be_bytes()).await;
    }

    pub(crate) async fn go_away(&mut self, last: u32, reason: u32) {
        self.send(GOAWAY, 0, 0, &[last.to_be_bytes(), reason.to_be_bytes()].concat()).await;
    }
}

pub(crate) async fn write(tls: &mut TlsStream<TcpStream>, bytes: &[u8]) {
    tls.write_all(bytes).await.expect("a connection that is open");
    tls.flush().await.expect("a connection that is open");
}

/// A request's head.
pub(crate) async fn until_blank_line(tls: &mut TlsStream<TcpStream>) -> String {
    let mut read = Vec::new();
    while !read.windows(4).any(|four| four == b"\r\n\r\n") {
        read.push(tls.read_u8().await.expect("a connection that is open"));
    }
    // The payload of one letter.
    tls.read_u8().await.expect("a payload");
    String::from_utf8(read).expect("a head")
}

/// The head of a request on any of the connections.
pub(crate) async fn until_any(open: &mut [TlsStream<TcpStream>]) -> String {
    let heads = open.iter_mut().map(|tls| Box::pin(until_blank_line(tls)));
    futures_util::future::select_all(heads).await.0
}
