//! A connection that is being opened, and the calls that wait for it.

use merit_venue::{ErrorKind, VenueError};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::failure;
use crate::route::Route;

/// How an opening went.
#[derive(Clone, Debug)]
enum Went {
    /// It goes on.
    On,
    /// There is a connection to sit down on, or the server speaks HTTP/1.1.
    Well,
    /// There is none.
    Wrong(ErrorKind, String),
}

/// Held by whoever opens; dropping it without a word sets the waiting ones off to try for themselves.
#[derive(Debug)]
pub(crate) struct Opener(watch::Sender<Went>);

/// Held by those who wait.
#[derive(Clone, Debug)]
pub(crate) struct Opening(watch::Receiver<Went>);

pub(super) fn pair() -> (Opener, Opening) {
    let (sender, receiver) = watch::channel(Went::On);
    (Opener(sender), Opening(receiver))
}

impl Opener {
    pub(crate) fn done(self) {
        self.0.send_replace(Went::Well);
    }

    pub(crate) fn failed(self, error: &VenueError) {
        self.0.send_replace(Went::Wrong(error.kind, error.message.clone()));
    }
}

impl Opening {
    /// Whether it is worth waiting for.
    pub(super) fn goes_on(&self) -> bool {
        self.0.has_changed().is_ok() && matches!(*self.0.borrow(), Went::On)
    }

    /// Until it is known how it went.
    ///
    /// # Errors
    /// The failure to connect, which is `NotStarted`.
    pub(crate) async fn wait(mut self, route: &Route, ends: Instant) -> Result<(), VenueError> {
        let begun = Instant::now();
        match timeout_at(ends, self.0.wait_for(|went| !matches!(went, Went::On))).await {
            Ok(Ok(went)) => match &*went {
                Went::Wrong(kind, message) => Err(VenueError::not_started(*kind, message.clone())),
                _ => Ok(()),
            },
            // Whoever opened it has gone: the next one does.
            Ok(Err(_)) => Ok(()),
            Err(_) => {
                let doing = "waiting for a connection to";
                Err(failure::timed_out(merit_venue::Outcome::NotStarted, doing, &route.shown(), begun.elapsed()))
            }
        }
    }
}
