//! The connections of one venue: bounded in number, reused, closed when idle for long.
//!
//! A call first takes a permit, of which there are as many as connections may be open; only its
//! holder takes or opens a connection. Those put aside for reuse count as open too: when the bound
//! is met, the one idle longest, of whichever origin, makes room for a new one. A connection is used
//! again only on the [lane](merit_venue::lane) that opened it.
//!
//! Invariant: open connections never exceed `max_open`. A permit holder has at most one, and when
//! as many as `max_open` are open before its own, at least one of them is idle. Connections of HTTP/2
//! count too; theirs are in [`shared`], and one that makes room takes up to a second to say goodbye.
//!
//! Complexity: taking and keeping is a hash look-up under a lock; making room scans the idle ones.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use merit_venue::{VenueError, lane};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

use crate::connect::{Connector, Wire};
use crate::connection::{Connection, Open};
use crate::reach::Reach;
use crate::route::Origin;
use crate::shared::{self, Sharing};
use crate::unreachable::Unreachable;

pub(crate) struct Pool {
    connector: Connector,
    unreachable: Unreachable,
    permits: Arc<Semaphore>,
    max_open: usize,
    max_idle: usize,
    idle_timeout: Duration,
    open: Arc<AtomicUsize>,
    idle: Mutex<Idle>,
    /// Connections of many calls; `None` without HTTP/2.
    sharing: Option<Arc<Sharing>>,
}

/// A connection that was opened just now.
pub(crate) enum Opened {
    /// For one call at a time.
    Own(Connection),
    /// For many.
    Shared(Box<shared::Wire>, Open),
}

#[derive(Default)]
struct Idle {
    /// By origin and lane, the one put aside last at the back.
    by_origin: HashMap<Arc<Origin>, Lines>,
    count: usize,
    /// Whether the task that closes idle connections runs.
    reaping: bool,
}

/// The idle connections to one origin, by the lane that opened them.
#[derive(Default)]
struct Lines(Vec<VecDeque<Connection>>);

impl Pool {
    pub(crate) const fn connector(&self) -> &Connector {
        &self.connector
    }

    pub(crate) fn new(connector: Connector, reach: &Reach) -> Self {
        let Reach { max_connections, max_idle, idle_timeout, unreachable_retry, .. } = *reach;
        let max_open = usize::try_from(max_connections).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self {
            unreachable: Unreachable::new(unreachable_retry),
            sharing: connector.http2.map(|http2| Arc::new(Sharing::new(http2, idle_timeout))),
            connector,
            permits: Arc::new(Semaphore::new(max_open)),
            max_open,
            max_idle: usize::try_from(max_idle).unwrap_or(usize::MAX),
            idle_timeout,
            open: Arc::default(),
            idle: Mutex::default(),
        }
    }

    /// What stands against calling any server there is, while no connection is open to one.
    pub(crate) fn unready(&self) -> Option<Arc<str>> {
        if self.open.load(Ordering::Relaxed) > 0 { None } else { self.unreachable.all() }
    }

    /// A server was connected to otherwise than by [`Self::open`]: nothing stands against it any more.
    pub(crate) fn was_reached(&self, origin: &Arc<Origin>) {
        self.unreachable.tried(origin, &Ok(()));
    }

    /// Waits, first come first served, for the right to one connection.
    pub(crate) async fn admit(&self) -> SemaphorePermit<'_> {
        self.permits.acquire().await.expect("invariant: the pool's semaphore is never closed")
    }

    /// The same right, kept for as long as a streamed reply lasts.
    pub(crate) async fn admit_owned(&self) -> OwnedSemaphorePermit {
        let permits = Arc::clone(&self.permits);
        permits.acquire_owned().await.expect("invariant: the pool's semaphore is never closed")
    }

    /// An idle connection that is still good. The caller holds a permit.
    pub(crate) fn take(&self, origin: &Arc<Origin>, now: Instant) -> Option<Connection> {
        loop {
            let connection = self.pop(origin, now)?;
            if connection.is_ready() {
                return Some(connection);
            }
        }
    }

    /// The connections that calls to this server share, if it may have such.
    pub(crate) fn sharing(&self, origin: &Origin) -> Option<&Arc<Sharing>> {
        self.sharing.as_ref().filter(|_| origin.tls())
    }

    /// A new connection. The caller holds a permit, and no other connection.
    pub(crate) async fn open(&self, origin: &Arc<Origin>, ends: Instant) -> Result<Opened, VenueError> {
        self.unreachable.check(origin)?;
        let open = self.make_room();
        let wire = self.connector.connect(origin, ends).await;
        self.unreachable.tried(origin, &wire);
        Ok(match wire? {
            Wire::One(sender, driver) => Opened::Own(Connection::new(sender, driver, open)),
            Wire::Two(wire) => Opened::Shared(wire, open),
        })
    }

    /// Puts a connection aside for reuse, unless it has ended or there are enough.
    pub(crate) fn keep(self: &Arc<Self>, origin: &Arc<Origin>, mut connection: Connection, now: Instant) {
        if !connection.settles() {
            return;
        }
        connection.idle_since = now;
        let mut idle = self.lock();
        if idle.count >= self.max_idle {
            return;
        }
        idle.count += 1;
        match idle.by_origin.get_mut(origin) {
            Some(lines) => lines.put(connection),
            None => idle.by_origin.entry(Arc::clone(origin)).or_default().put(connection),
        }
        if !std::mem::replace(&mut idle.reaping, true) {
            tokio::spawn(reap(Arc::downgrade(self)));
        }
    }

    fn pop(&self, origin: &Arc<Origin>, now: Instant) -> Option<Connection> {
        let mut idle = self.lock();
        let connection = idle.by_origin.get_mut(origin)?.0.get_mut(lane::current())?.pop_back()?;
        idle.count -= 1;
        // One idle for too long is behind only ones idle for longer; the reaper has them soon.
        let fresh = now.saturating_duration_since(connection.idle_since) < self.idle_timeout;
        drop(idle);
        fresh.then_some(connection)
    }

    /// Counts one more connection as open, after closing an idle one if that many are open.
    fn make_room(&self) -> Open {
        let mut idle = self.lock();
        if self.open.load(Ordering::Relaxed) >= self.max_open && !idle.drop_oldest() {
            self.sharing.as_ref().map(|sharing| sharing.close_idle());
        }
        Open::count(&self.open)
    }

    /// Closes what has been idle for too long; the time of the next such round, if any.
    fn sweep(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut idle = self.lock();
        for line in idle.lines() {
            line.retain(|connection| connection.idle_since + self.idle_timeout > now);
        }
        idle.by_origin.retain(|_, lines| lines.0.iter().any(|line| !line.is_empty()));
        idle.count = idle.lines().map(|line| line.len()).sum();
        let oldest = idle.lines().filter_map(|line| line.front()).map(|first| first.idle_since).min();
        idle.reaping = oldest.is_some();
        oldest.map(|since| since + self.idle_timeout)
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    fn lines(&mut self) -> impl Iterator<Item = &mut VecDeque<Connection>> {
        self.by_origin.values_mut().flat_map(|lines| &mut lines.0)
    }

    /// Whether there was one.
    fn drop_oldest(&mut self) -> bool {
        let oldest = self.lines().filter(|line| !line.is_empty()).min_by_key(|line| line[0].idle_since);
        let dropped = oldest.and_then(VecDeque::pop_front).is_some();
        self.count -= usize::from(dropped);
        dropped
    }
}

impl Lines {
    fn put(&mut self, connection: Connection) {
        let lane = lane::current();
        if self.0.len() <= lane {
            self.0.resize_with(lane + 1, VecDeque::new);
        }
        self.0[lane].push_back(connection);
    }
}

/// Closes idle connections in time, for as long as there are any.
async fn reap(pool: Weak<Pool>) {
    loop {
        let Some(next) = pool.upgrade().and_then(|pool| pool.sweep()) else { return };
        sleep_until(next).await;
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("open", &self.open).field("max_open", &self.max_open).finish_non_exhaustive()
    }
}
