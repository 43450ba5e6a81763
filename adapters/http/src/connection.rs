//! One HTTP/1.1 connection, driven by whoever uses it.
//!
//! hyper splits a connection into a sender and a driver that moves the bytes. The driver usually
//! runs in a task of its own, at the price of two wake-ups across tasks for each call. Here it is
//! polled by the call itself, so a call that is dropped takes its connection with it, and no
//! connection outlives its owner (`docs/adr/0003-http-client.md`).
//!
//! Invariant: a connection is used by one call at a time, and offered again only when hyper says
//! that it is between two messages.
//!
//! Known limitation: nobody polls an idle connection, so that a server closed it is noticed when
//! it is next taken, or when it has been idle for too long.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use bytes::Bytes;
use futures_util::future::poll_fn;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

pub(crate) type Sender = SendRequest<Full<Bytes>>;
pub(crate) type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

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
    Broken(hyper::Error),
}

impl Connection {
    pub(crate) fn new(sender: Sender, driver: Driver, open: Open) -> Self {
        Self { sender, driver: Some(driver), _open: open, idle_since: Instant::now() }
    }

    /// Sends a request and waits for the head of the reply.
    ///
    /// The error holds the request when hyper never began to send it.
    pub(crate) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Full<Bytes>>>> {
        let response = self.sender.try_send_request(request);
        drive(&mut self.driver, response).await
    }

    /// Reads a reply's body of at most `max` bytes.
    pub(crate) async fn read(&mut self, body: Incoming, max: usize) -> Result<Bytes, ReadError> {
        if body.size_hint().lower() > max as u64 {
            return Err(ReadError::TooLarge);
        }
        match drive(&mut self.driver, Limited::new(body, max).collect()).await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(error) => match error.downcast::<hyper::Error>() {
                Ok(error) => Err(ReadError::Broken(*error)),
                Err(error) => {
                    debug_assert!(error.is::<LengthLimitError>(), "the two errors of a limited body");
                    Err(ReadError::TooLarge)
                }
            },
        }
    }

    /// Whether it can take another request: polls it once, which notices a server that closed it
    /// or sent something unasked.
    pub(crate) async fn is_usable(&mut self) -> bool {
        poll_fn(|context| {
            if self.driver.as_mut().is_some_and(|driver| driver.as_mut().poll(context).is_ready()) {
                self.driver = None;
            }
            Poll::Ready(())
        })
        .await;
        self.driver.is_some() && self.sender.is_ready()
    }
}

/// Runs `work` and the connection's driver in one task, until the work is done.
async fn drive<T>(driver: &mut Option<Driver>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|context| {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(done);
        }
        let Some(running) = driver else { return Poll::Pending };
        if running.as_mut().poll(context).is_ready() {
            // Dropping it is what tells the sender and the body that nothing more will come.
            *driver = None;
        }
        work.as_mut().poll(context)
    })
    .await
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("ended", &self.driver.is_none()).finish_non_exhaustive()
    }
}
