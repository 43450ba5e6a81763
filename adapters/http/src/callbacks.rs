//! Calls that wait for their reply to be brought to a door of their own, by whoever knows its token.
//!
//! Invariants: a token is 128 random bits and takes one reply; a call that has ended is waited for no longer, and its
//! token is nobody's then. No more calls wait than are allowed.
//!
//! Known limitation: tokens live in this process. After a restart all replies come too late.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::rand;
use bytes::Bytes;
use http::HeaderMap;
use tokio::sync::oneshot;

/// Of a token, in bytes.
const TOKEN_BYTES: usize = 16;

/// The calls that wait.
#[derive(Debug, Default)]
pub struct Callbacks {
    most: AtomicUsize,
    waiting: Mutex<BTreeMap<String, Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    max_bytes: usize,
    reply: oneshot::Sender<Callback>,
}

/// What was brought.
#[derive(Debug)]
pub enum Callback {
    /// A reply, whole.
    Whole {
        /// Its headers.
        headers: HeaderMap,
        /// Its body.
        body: Bytes,
    },
    /// A reply that is larger than its call takes.
    TooLarge,
}

/// More calls wait than may: the number that may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full(pub usize);

impl Callbacks {
    /// So many may wait at once.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most: AtomicUsize::new(most), waiting: Mutex::default() })
    }

    /// Changes how many may wait; those that do go on.
    pub fn set_most(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.all().len()
    }

    /// Waits for a reply of at most `max_bytes` from now on.
    ///
    /// # Errors
    /// [`Full`].
    ///
    /// # Panics
    /// When the operating system has no randomness to give.
    pub fn expect(self: &Arc<Self>, max_bytes: usize) -> Result<Expected, Full> {
        let mut random = [0; TOKEN_BYTES];
        rand::fill(&mut random).expect("invariant: the operating system gives random bytes");
        let token = format!("{:032x}", u128::from_be_bytes(random));
        let (reply, received) = oneshot::channel();
        let most = self.most.load(Ordering::Relaxed);
        let mut all = self.all();
        if all.len() >= most {
            return Err(Full(most));
        }
        all.insert(token.clone(), Waiting { max_bytes, reply });
        drop(all);
        Ok(Expected { callbacks: Arc::clone(self), token, received })
    }

    /// How large the reply may be that is waited for under a token; `None` when none is.
    #[must_use]
    pub fn awaited(&self, token: &str) -> Option<usize> {
        self.all().get(token).map(|waiting| waiting.max_bytes)
    }

    /// Brings a reply; whether it was waited for.
    pub fn bring(&self, token: &str, callback: Callback) -> bool {
        let waiting = self.all().remove(token);
        waiting.is_some_and(|waiting| waiting.reply.send(callback).is_ok())
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reply that is waited for, until this is dropped.
pub struct Expected {
    callbacks: Arc<Callbacks>,
    token: String,
    received: oneshot::Receiver<Callback>,
}

impl Expected {
    /// What stands for this call at the door. A secret: who knows it can reply.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Waits for it.
    ///
    /// # Panics
    /// Never: nobody else takes the token away.
    pub async fn received(&mut self) -> Callback {
        (&mut self.received).await.expect("invariant: a token is kept until its call has ended")
    }
}

impl fmt::Debug for Expected {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expected").finish_non_exhaustive()
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.callbacks.all().remove(&self.token);
    }
}

/// Where replies are brought to.
#[derive(Clone)]
pub struct CallbackDoor {
    /// Its URL as the venues reach it, without the token and with a slash at its end.
    pub url: String,
    /// The calls that wait there.
    pub callbacks: Arc<Callbacks>,
}

impl fmt::Debug for CallbackDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackDoor").field("url", &self.url).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &'static str) -> Callback {
        Callback::Whole { headers: HeaderMap::new(), body: Bytes::from_static(text.as_bytes()) }
    }

    #[tokio::test]
    async fn a_token_takes_one_reply_and_a_call_that_ended_none() {
        let callbacks = Callbacks::new(2);
        let mut one = callbacks.expect(10).expect("room");
        let other = callbacks.expect(20).expect("room");
        assert_ne!(one.token(), other.token());
        assert_eq!((one.token().len(), callbacks.waiting()), (32, 2));
        assert!(matches!(callbacks.expect(10), Err(Full(2))));
        assert_eq!((callbacks.awaited(one.token()), callbacks.awaited("0")), (Some(10), None));
        assert!(callbacks.bring(one.token(), whole("well")) && !callbacks.bring(one.token(), whole("again")));
        assert!(matches!(one.received().await, Callback::Whole { body, .. } if body == "well"));
        let token = other.token().to_owned();
        drop(other);
        assert!(!callbacks.bring(&token, whole("late")) && callbacks.waiting() == 0);
        assert!(!format!("{one:?}").contains(one.token()));
    }

    #[test]
    fn fewer_may_wait_from_now_on() {
        let callbacks = Callbacks::new(1);
        let waits = callbacks.expect(1).expect("room");
        callbacks.set_most(0);
        assert!(matches!(callbacks.expect(1), Err(Full(0))));
        assert!(callbacks.bring(waits.token(), Callback::TooLarge), "who waits goes on");
    }
}
