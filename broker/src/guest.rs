//! Whose connection it is, as far as the broker knows: a stranger's, until a request on it came with a key that holds.
//!
//! Connections of strangers are bounded ([`merit_linger::Strangers`]), so that whoever opens them and says nothing keeps
//! nobody out. A request on a connection that is known costs one look at a flag; a stranger's carries its connection
//! along, for the door to say that it may be here.
//!
//! Known limitation: health checks without a key stay strangers, and may have to connect anew.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use http::{Extensions, Request};
use merit_linger::Stranger;

/// How long a stranger that has to go may take to get the answer it is at.
pub(crate) const FAREWELL: Duration = Duration::from_secs(1);

/// The one at the other end of a connection.
#[derive(Debug)]
pub(crate) struct Guest {
    stranger: Stranger,
    known: AtomicBool,
}

impl Guest {
    pub(crate) fn new(stranger: Stranger) -> Arc<Self> {
        Arc::new(Self { stranger, known: AtomicBool::new(false) })
    }

    /// A request has come. A stranger's carries its connection along.
    #[inline]
    pub(crate) fn asks<B>(self: &Arc<Self>, request: &mut Request<B>) {
        if !self.is_known() {
            self.stranger.asks();
            request.extensions_mut().insert(Arc::clone(self));
        }
    }

    /// Ends when it has to go; never for one that is known, which costs a look at the flag.
    pub(crate) async fn sent_away(&self) {
        let mut away = pin!(self.stranger.sent_away());
        poll_fn(|cx| if self.is_known() { Poll::Pending } else { away.as_mut().poll(cx) }).await;
    }

    /// Whether a key of its held.
    pub(crate) fn is_known(&self) -> bool {
        self.known.load(Ordering::Relaxed)
    }
}

/// The key of a request held: whoever sent it is no stranger any more.
#[inline]
pub(crate) fn known(request: &Extensions) {
    if let Some(guest) = request.get::<Arc<Guest>>() {
        guest.known.store(true, Ordering::Relaxed);
        guest.stranger.introduce();
    }
}
