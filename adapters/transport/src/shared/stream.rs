//! One call on a shared connection: a request that HTTP/2 takes, and the reply's body.
//!
//! The payload is in memory whole and handed over whole; it leaves as the server's windows allow. A reply's bytes
//! are given back to its window as they are taken, so that a server is never ahead by more than the window.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::uri::{Authority, Parts, Scheme};
use http::{HeaderValue, Request, Response, Uri, Version};
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use merit_venue::{ErrorKind, VenueError};

use super::Seat;

/// Headers of one connection, which HTTP/2 forbids (RFC 9113, section 8.2.2).
const OF_CONNECTIONS: [HeaderName; 6] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
];

/// Why no head of a reply came.
#[derive(Debug)]
pub(crate) enum Failed {
    /// HTTP/2 has no such request.
    Unfit(VenueError),
    /// The connection takes no more requests; nothing was sent.
    Ended,
    /// The server says that it did not begin it.
    Refused(h2::Error),
    /// The stream or its connection broke.
    Broken(h2::Error),
}

impl Seat {
    /// Sends a request and waits for the head of the reply. Dropping it resets the stream.
    pub(crate) async fn send(self, request: Request<Full<Bytes>>) -> Result<Response<Stream>, Failed> {
        let (head, payload) = of_http2(request).map_err(Failed::Unfit)?;
        let sent = self.shared.sender.clone().send_request(head, payload.is_empty());
        let Ok((reply, mut sending)) = sent else {
            self.shared.room.close();
            return Err(Failed::Ended);
        };
        if !payload.is_empty() {
            // A stream that was reset already says so instead of a reply.
            sending.send_data(payload, true).ok();
        }
        match reply.await {
            Ok(response) => {
                let length = response.headers().get(header::CONTENT_LENGTH);
                let length = length.and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0);
                Ok(response.map(|body| Stream { body, length, _seat: self }))
            }
            Err(error) => Err(self.judge(error)),
        }
    }

    /// h2 tells of a GOAWAY only the streams above the last one that its server began; the others fail with
    /// the connection. A stream that is reset as refused was not begun either (RFC 9113, section 8.7).
    fn judge(&self, error: h2::Error) -> Failed {
        if error.is_go_away() {
            self.shared.room.close();
        }
        let not_begun = error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM);
        if not_begun && error.is_remote() { Failed::Refused(error) } else { Failed::Broken(error) }
    }
}

/// The request as HTTP/2 has it: `host` in its address, and nothing about the connection.
fn of_http2(request: Request<Full<Bytes>>) -> Result<(Request<()>, Bytes), VenueError> {
    let (mut head, body) = request.into_parts();
    let payload = body.into_inner().unwrap_or_default();
    for name in &OF_CONNECTIONS {
        head.headers.remove(name);
    }
    let host = head.headers.remove(header::HOST);
    let host = host.expect("invariant: a route's requests have a host");
    let Ok(authority) = Authority::try_from(host.as_bytes()) else {
        let message =
            format!("`{}` can't be the name of a server in HTTP/2: change `host`", host.to_str().unwrap_or("?"));
        return Err(VenueError::not_started(ErrorKind::Misconfigured, message));
    };
    let mut parts = Parts::default();
    parts.scheme = Some(Scheme::HTTPS);
    parts.authority = Some(authority);
    parts.path_and_query = head.uri.path_and_query().cloned();
    head.uri = Uri::from_parts(parts).expect("invariant: a route has a path");
    head.version = Version::HTTP_2;
    if !payload.is_empty() {
        head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(payload.len()));
    }
    Ok((Request::from_parts(head, ()), payload))
}

/// The body of a reply. Dropping it before its end resets the stream.
#[derive(Debug)]
pub(crate) struct Stream {
    body: h2::RecvStream,
    /// Bytes it has at least, as its head says; h2 sees to it that a stream keeps to that.
    length: u64,
    _seat: Seat,
}

impl Body for Stream {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let Some(data) = ready!(self.body.poll_data(context)?) else { return Poll::Ready(None) };
        self.body.flow_control().release_capacity(data.len())?;
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::default();
        hint.set_lower(self.length);
        hint
    }
}
