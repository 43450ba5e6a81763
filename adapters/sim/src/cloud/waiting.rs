//! Calls that wait for one under way to end, where a platform has a queue before its instances.
//!
//! Invariant: no more wait than the platform's queue has room for, however a call that waited ends.
//!
//! Known limitation: who waited longest is not first; all that wait try again when a call has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use tokio::sync::Notify;

use super::{Cloud, Outcome, Refusal};

/// Who waits.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    calls: AtomicU32,
    ended: Notify,
}

/// A place in the queue, until it is dropped.
struct Place<'w>(&'w AtomicU32);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Waiting {
    /// Lets all that wait try again.
    pub(super) fn one_ended(&self) {
        self.ended.notify_waiters();
    }

    /// A place behind at most `depth - 1` others.
    fn enter(&self, depth: u32) -> Option<Place<'_>> {
        let more = |calls| (calls < depth).then_some(calls + 1);
        self.calls.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).ok().map(|_| Place(&self.calls))
    }
}

impl Cloud {
    /// Plays one call as [`Cloud::invoke`] does. One that finds the limit reached waits until it is let in; it is
    /// refused when `depth` calls wait already.
    pub(crate) async fn invoke_queued(self: &Arc<Self>, function: &str, payload: Bytes, depth: u32) -> Outcome {
        let mut place = None;
        loop {
            // Begun before it is looked whether there is room, so that no end of a call is missed.
            let ended = self.waiting.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if place.is_none() || !self.is_full() {
                let outcome = self.invoke(function, payload.clone(), usize::MAX).await;
                if !matches!(outcome, Outcome::Refused(Refusal::Throttled { .. })) {
                    return outcome;
                }
                place = place.or_else(|| self.waiting.enter(depth));
                if place.is_none() {
                    return outcome;
                }
            }
            ended.await;
        }
    }

    /// Whether a call would be refused over the cloud's limit.
    fn is_full(&self) -> bool {
        let limit = self.controls().concurrency.unwrap_or(self.config.concurrency);
        self.counts().in_flight >= limit
    }
}
