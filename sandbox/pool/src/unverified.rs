//! Payloads whose signatures have not been verified yet: anybody may send them, so what they hold is bounded.
//!
//! When more has arrived than may be held, the payload that has been arriving the longest is given up: Merit's arrive
//! at once, and one that is sent slowly to be in the way is the first to go. Payloads are counted by what has arrived
//! and not by what was announced, so that announcing costs the others nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// All payloads that are arriving.
#[derive(Debug)]
pub(crate) struct Unverified {
    most: usize,
    arriving: Mutex<Arriving>,
}

#[derive(Debug, Default)]
struct Arriving {
    bytes: usize,
    /// By the order in which they began.
    payloads: BTreeMap<u64, Payload>,
    next: u64,
}

#[derive(Debug)]
struct Payload {
    bytes: usize,
    give_up: oneshot::Sender<()>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Arrival<'a> {
    all: &'a Unverified,
    number: u64,
}

impl Unverified {
    /// With room for `most` bytes in all, which is at least what one payload may have.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, arriving: Mutex::default() }
    }

    /// A payload begins to arrive. The receiver hears when it is given up.
    pub(crate) fn begin(&self) -> (Arrival<'_>, oneshot::Receiver<()>) {
        let (give_up, given_up) = oneshot::channel();
        let mut arriving = self.arriving();
        let number = arriving.next;
        arriving.next += 1;
        arriving.payloads.insert(number, Payload { bytes: 0, give_up });
        (Arrival { all: self, number }, given_up)
    }

    fn arriving(&self) -> MutexGuard<'_, Arriving> {
        self.arriving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Arrival<'_> {
    /// So much more of it is there.
    pub(crate) fn grew(&self, bytes: usize) {
        let mut arriving = self.all.arriving();
        let Some(payload) = arriving.payloads.get_mut(&self.number) else { return };
        payload.bytes += bytes;
        arriving.bytes += bytes;
        while arriving.bytes > self.all.most
            && let Some((_, oldest)) = arriving.payloads.pop_first()
        {
            arriving.bytes -= oldest.bytes;
            // Whoever read it may just have come to its end.
            oldest.give_up.send(()).ok();
        }
    }
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        let mut arriving = self.all.arriving();
        if let Some(payload) = arriving.payloads.remove(&self.number) {
            arriving.bytes -= payload.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_that_has_been_arriving_the_longest_is_given_up() {
        let all = Unverified::new(100);
        let (slow, mut slow_heard) = all.begin();
        slow.grew(60);
        let (quick, mut quick_heard) = all.begin();
        quick.grew(40);
        assert!(slow_heard.try_recv().is_err(), "as much as there may be");
        quick.grew(1);
        assert_eq!((slow_heard.try_recv(), quick_heard.try_recv().is_err()), (Ok(()), true));
        slow.grew(1000);
        assert_eq!(all.arriving().bytes, 41, "what is given up is not counted any more");
        drop((slow, quick));
        assert!(all.arriving().bytes == 0 && all.arriving().payloads.is_empty());
        let (alone, mut heard) = all.begin();
        alone.grew(101);
        assert_eq!(heard.try_recv(), Ok(()), "one that has more than there may be in all");
    }
}
