//! The servers of a venue that can't be reached until somebody mends something: a name that does not resolve, a
//! certificate that is not trusted, an address that is not allowed.
//!
//! Such a server is not tried again with every call. What stands against it is told for a while, and then one more call
//! finds out whether it was mended. A venue may have many servers, as one at Azure has one for each app: a server that
//! can't be reached is the affair of the deployments there while another one can.
//!
//! Invariant: connections that are open are used whatever stands against new ones; nothing here is asked for a call that
//! goes on one of them.
//!
//! Known limitation: a server counts once it was connected to, so that the first call of all, to a name that is mistyped,
//! has the whole venue left alone for one round.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use merit_venue::{Lockout, VenueError};
use tokio::time::Instant;

use crate::route::Origin;

/// For how long a server that was connected to is a sign that the venue can be reached: many rounds of trying another.
/// Not for ever, because a server may be there for lists of functions only.
const VOUCHES: Duration = Duration::from_mins(1);

/// What is known of each server that was connected to, or not.
#[derive(Debug)]
pub(crate) struct Unreachable {
    retry: Duration,
    servers: Mutex<HashMap<Arc<Origin>, Server>>,
}

#[derive(Debug)]
struct Server {
    lockout: Lockout,
    reached: Option<Instant>,
}

impl Unreachable {
    /// Nothing is known. What comes up stands for `retry`.
    pub(crate) fn new(retry: Duration) -> Self {
        Self { retry, servers: Mutex::default() }
    }

    /// Whether a connection to it may be tried.
    ///
    /// # Errors
    /// What stands against it, not started.
    pub(crate) fn check(&self, origin: &Origin) -> Result<(), VenueError> {
        let servers = self.lock();
        servers.get(origin).map_or(Ok(()), |server| server.lockout.check(origin.authority().as_str()))
    }

    /// How a connection to it went.
    pub(crate) fn tried<T>(&self, origin: &Arc<Origin>, result: &Result<T, VenueError>) {
        let mut servers = self.lock();
        let server = servers
            .entry(Arc::clone(origin))
            .or_insert_with(|| Server { lockout: Lockout::new(self.retry), reached: None });
        match result {
            Ok(_) => {
                server.lockout.mended();
                server.reached = Some(Instant::now());
            }
            Err(error) => server.lockout.note_unreachable(error),
        }
    }

    /// What stands against one of them, when no other was reached of late.
    pub(crate) fn all(&self) -> Option<Arc<str>> {
        let servers = self.lock();
        let why = servers.values().find_map(|server| server.lockout.why())?;
        let vouches = |server: &Server| {
            server.lockout.why().is_none() && server.reached.is_some_and(|reached| reached.elapsed() < VOUCHES)
        };
        (!servers.values().any(vouches)).then_some(why)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<Origin>, Server>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use merit_venue::ErrorKind;

    use super::*;

    fn origin(url: &str) -> Arc<Origin> {
        Arc::new(Origin::of_url(&url.parse().expect("a URI")).expect("a server"))
    }

    fn fails(kind: ErrorKind) -> Result<(), VenueError> {
        Err(VenueError::not_started(kind, "why"))
    }

    #[tokio::test(start_paused = true)]
    async fn one_server_that_cannot_be_reached_does_not_stand_against_another() {
        let unreachable = Unreachable::new(Duration::from_secs(3600));
        let (gone, good) = (origin("https://gone.invalid"), origin("https://good.example.com"));
        unreachable.tried(&gone, &fails(ErrorKind::Dns));
        assert_eq!(unreachable.all().as_deref(), Some("why"), "it is the only one");
        assert_eq!(unreachable.check(&gone).expect_err("not tried").kind, ErrorKind::Dns);
        unreachable.check(&good).expect("nothing is known of it");
        unreachable.tried(&good, &Ok(()));
        assert_eq!(unreachable.all(), None);
        unreachable.check(&gone).expect_err("still not tried");
        unreachable.tried(&good, &fails(ErrorKind::Connect));
        assert_eq!(unreachable.all(), None, "a server that is down may be up with the next call");
        unreachable.tried(&good, &fails(ErrorKind::Tls));
        assert!(unreachable.all().is_some());
        tokio::time::advance(VOUCHES).await;
        unreachable.tried(&good, &Ok(()));
        tokio::time::advance(VOUCHES).await;
        assert!(unreachable.all().is_some(), "nobody has been there for a while");
        unreachable.tried(&gone, &Ok(()));
        assert!(unreachable.all().is_none() && unreachable.check(&gone).is_ok(), "it was mended");
    }
}
