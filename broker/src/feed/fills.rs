//! Fills on their way from the calls to the tape.
//!
//! Calls put fills into a bounded queue of each producer that wants them and never wait: one that is full loses the
//! fill, counts it, and tells its readers. Nothing of who called is in a fill.
//!
//! Cost on the way of a call: one relaxed load while nobody listens; a look-up without a lock for each of two names
//! while somebody does, and what listens to the function takes a copy of two pointers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use merit_units::{FunctionId, Money, Timestamp, vcpu_text};
use merit_wire::feed::{FeedChannel, FillView, SizeView};
use tokio::sync::mpsc;

use super::Name;
use crate::clock::rfc3339;
use crate::function::{Deployment, Function};

/// Fills that wait for a producer: at ten updates a second enough for 160,000 calls a second of one function.
const WAITING: usize = 16_384;

/// An attempt that was filled.
#[derive(Clone)]
pub struct Fill {
    /// When it ended.
    pub at: Timestamp,
    /// What ran.
    pub function: Arc<Function>,
    /// Where.
    pub deployment: Arc<Deployment>,
    /// What it was charged.
    pub charge: Money,
    /// Whether that is an estimate.
    pub estimated: bool,
}

impl Fill {
    /// As the tape tells it.
    #[must_use]
    pub fn view(&self) -> FillView {
        let Deployment { id, venue, size, .. } = &*self.deployment;
        FillView {
            at: rfc3339(self.at),
            function: self.function.id.to_string(),
            venue: venue.id.to_string(),
            deployment: id.to_string(),
            charge: self.charge.to_string(),
            estimated: self.estimated,
            size: SizeView {
                memory_mb: size.memory.megabytes().into(),
                vcpu: size.vcpu_milli.map(vcpu_text),
                architecture: size.architecture.to_string(),
            },
        }
    }
}

/// Where the calls put fills.
struct Tap {
    queue: mpsc::Sender<Fill>,
    lost: Arc<AtomicU64>,
}

/// Where a producer takes them.
pub(super) struct Fills {
    queue: mpsc::Receiver<Fill>,
    lost: Arc<AtomicU64>,
}

impl Fills {
    /// The next one; `None` when none can come any more.
    pub(super) async fn next(&mut self) -> Option<Fill> {
        self.queue.recv().await
    }

    /// One that is there.
    pub(super) fn ready(&mut self) -> Option<Fill> {
        self.queue.try_recv().ok()
    }

    /// How many there was no room for since this was last asked.
    pub(super) fn lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }
}

/// All that listen to fills.
#[derive(Default)]
pub(super) struct Taps {
    open: AtomicUsize,
    by_name: papaya::HashMap<Name, Tap>,
}

impl Taps {
    /// Whether anybody listens.
    #[must_use]
    pub(super) fn are_open(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0
    }

    /// Gives a fill to whoever listens to its function. Returns to how many it could not be given.
    pub(super) fn record(&self, fill: &Fill) -> u64 {
        let taps = self.by_name.pin();
        let mut lost = 0;
        let of = |channel, function: Option<&FunctionId>| Name { channel, function: function.cloned() };
        let id = Some(&fill.function.id);
        for name in [of(FeedChannel::Tape, id), of(FeedChannel::Tape, None)] {
            if let Some(tap) = taps.get(&name)
                && tap.queue.try_send(fill.clone()).is_err()
            {
                tap.lost.fetch_add(1, Ordering::Relaxed);
                lost += 1;
            }
        }
        lost
    }

    pub(super) fn open(&self, name: &Name) -> Fills {
        let (sender, queue) = mpsc::channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        if self.by_name.pin().insert(name.clone(), Tap { queue: sender, lost: Arc::clone(&lost) }).is_none() {
            self.open.fetch_add(1, Ordering::Relaxed);
        }
        Fills { queue, lost }
    }

    pub(super) fn close(&self, name: &Name) {
        if self.by_name.pin().remove(name).is_some() {
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
