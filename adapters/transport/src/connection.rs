//! One HTTP/1.1 connection, driven by whoever uses it.
//!
//! hyper splits a connection into a sender and a driver that moves the bytes. The driver usually
//! runs in a task of its own. Here it is polled by the call itself: a call that is dropped takes its
//! connection with it at once, so the pool's bound holds at every moment and not only soon after
//! (`docs/adr/0003-http-client.md`).
//!
//! Invariant: a connection is used by one call at a time, and offered again only when hyper says
//! that it is between two messages.
//!
//! Known limitation: nobody polls an idle connection, so that a server closed it is noticed when
//! it is next used, or when it has been idle for too long.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{Either, ready};
use http::{Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

pub(crate) type Sender = SendRequest<Full<Bytes>>;
pub(crate) type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// Why no head of a reply came; with the request, when hyper never began to send it.
pub(crate) type Headless = TrySendError<Request<Full<Bytes>>>;

/// Counts a connection as open for as long as it lives.
#[derive(Debug)]
pub(crate) struct Open(Arc<AtomicUsize>);

impl Open {
    pub(crate) fn count(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An open connection.
pub(crate) struct Connection {
    sender: Sender,
    /// `None` once the connection has ended.
    driver: Option<Driver>,
    _open: Open,
    /// When it was last put aside for reuse.
    pub(crate) idle_since: Instant,
}

/// Why the body of a reply could not be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// It is, or says that it is, larger than the bound.
    TooLarge,
    /// The connection ended before the body did, or the body's framing is broken.
    Broken(Box<dyn StdError + Send + Sync>),
}

/// A body of at most `max` bytes.
pub(crate) fn collect<B>(body: B, max: usize) -> impl Future<Output = Result<Bytes, ReadError>>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn StdError + Send + Sync>>> + Unpin,
{
    if body.size_hint().lower() > max as u64 {
        return Either::Left(ready(Err(ReadError::TooLarge)));
    }
    Either::Right(Limited::new(body, max).collect().map(|read| match read {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ReadError::TooLarge),
        Err(error) => Err(ReadError::Broken(error)),
    }))
}

impl Connection {
    pub(crate) fn new(sender: Sender, driver: Driver, open: Open) -> Self {
        Self { sender, driver: Some(driver), _open: open, idle_since: Instant::now() }
    }

    /// Sends a request and waits for the head of the reply.
    ///
    /// The error holds the request when hyper never began to send it.
    pub(crate) fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> impl Future<Output = Result<Response<Incoming>, Headless>> {
        let response = Box::pin(self.sender.try_send_request(request));
        Run { driver: &mut self.driver, work: response }
    }

    /// Reads a reply's body of at most `max` bytes.
    pub(crate) fn read(&mut self, body: Incoming, max: usize) -> impl Future<Output = Result<Bytes, ReadError>> {
        Run { driver: &mut self.driver, work: collect(body, max) }
    }

    /// The next frame of a reply's body, or `None` at its end.
    pub(crate) fn next_frame<'a>(
        &'a mut self,
        body: &'a mut Incoming,
    ) -> impl Future<Output = Option<hyper::Result<Frame<Bytes>>>> + use<'a> {
        Run { driver: &mut self.driver, work: body.frame() }
    }

    /// Whether it can take another request, as far as is known. That its server has closed it meanwhile shows
    /// when a request is sent, which then is handed back unsent.
    pub(crate) fn is_ready(&self) -> bool {
        self.driver.is_some() && self.sender.is_ready()
    }

    /// Whether it can take another request after a reply was read to its end.
    pub(crate) fn settles(&mut self) -> bool {
        if !self.is_ready() {
            // hyper may still have to see the end of the message. Nobody waits for it, so nobody is woken.
            turn(&mut self.driver, &mut Context::from_waker(Waker::noop()));
        }
        self.is_ready()
    }
}

/// Work and the driver it waits for, as one future. It is small, because every call moves it.
struct Run<'a, W> {
    driver: &'a mut Option<Driver>,
    work: W,
}

impl<W: Future + Unpin> Future for Run<'_, W> {
    type Output = W::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<W::Output> {
        let Self { driver, work } = &mut *self;
        if let Poll::Ready(done) = Pin::new(&mut *work).poll(context) {
            return Poll::Ready(done);
        }
        turn(driver, context);
        Pin::new(work).poll(context)
    }
}

/// Polls a driver once. One that has ended is dropped, which tells the sender and the body that
/// nothing more will come.
fn turn(driver: &mut Option<Driver>, context: &mut Context<'_>) {
    if driver.as_mut().is_some_and(|running| running.as_mut().poll(context).is_ready()) {
        *driver = None;
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("ended", &self.driver.is_none()).finish_non_exhaustive()
    }
}
