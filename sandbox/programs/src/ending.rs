//! How an instance ends: once, for one reason, and with all its processes.

use tokio::sync::watch;

use crate::Failure;
use crate::cage::Killer;

/// The end of an instance, seen by all who wait for something of it.
#[derive(Debug)]
pub(crate) struct Ending {
    killer: Killer,
    reason: watch::Sender<Option<Failure>>,
}

impl Ending {
    /// Of a living instance.
    pub(crate) fn new(killer: Killer) -> Self {
        Self { killer, reason: watch::Sender::new(None) }
    }

    /// Ends it. The first reason stays.
    pub(crate) fn end(&self, failure: Failure) {
        self.reason.send_if_modified(|reason| {
            let first = reason.is_none();
            reason.get_or_insert(failure);
            first
        });
        self.killer.kill();
    }

    /// Why it ended; `None` while it lives.
    pub(crate) fn reason(&self) -> Option<Failure> {
        self.reason.borrow().clone()
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&self) -> Failure {
        let mut reason = self.reason.subscribe();
        let ended = reason.wait_for(Option::is_some).await;
        ended.ok().and_then(|reason| reason.clone()).unwrap_or(Failure::Ended)
    }
}
