//! Connections that many calls share: HTTP/2.
//!
//! Such a connection has a task of its own, which answers pings and moves what is waited for ([`tend`]); calls are
//! streams on it ([`stream`]). As with HTTP/1.1, a connection is used only on the [lane](merit_venue::lane) that
//! opened it. One that is being opened is waited for by the calls that come meanwhile, so that a burst opens one
//! connection and not one for each call; if it fails, it fails all of them.
//!
//! Invariants:
//! - A call has a [`Seat`], of which a connection has as many as its server allows and the configuration does.
//!   Nobody but the call that opened it sits down before the server has said how many it allows.
//! - A connection that is closed to new calls is never opened to them again; calls that are on it go on.
//!
//! Complexity: finding a seat is a hash look-up and a scan over a lane's connections to one server, under a lock
//! that calls over HTTP/1.1 do not take.

mod opening;
mod stream;
mod tend;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Connection, SendRequest};
use merit_venue::lane;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use crate::connect::MAX_BUFFER_BYTES;
use crate::connection::Open;
use crate::reach::{Http2, MAX_WINDOW};
use crate::route::Origin;

pub(crate) use opening::{Opener, Opening};
pub(crate) use stream::{Failed, Stream};

/// A connection on which nothing was sent yet.
pub(crate) struct Wire {
    sender: SendRequest<Bytes>,
    driver: Connection<TlsStream<TcpStream>, Bytes>,
}

/// Says what this end allows. The server's own settings come later.
pub(crate) async fn handshake(tls: TlsStream<TcpStream>, http2: Http2) -> Result<Wire, h2::Error> {
    let calls = usize::try_from(http2.calls).unwrap_or(usize::MAX);
    let mut builder = h2::client::Builder::new();
    builder
        .enable_push(false)
        .max_header_list_size(u32::try_from(MAX_BUFFER_BYTES).unwrap_or(u32::MAX))
        .initial_window_size(http2.window)
        .initial_connection_window_size(http2.window.saturating_mul(http2.calls).min(MAX_WINDOW))
        // What a server still sends to calls that were given up is not held against it.
        .max_concurrent_reset_streams(calls);
    let (sender, driver) = builder.handshake(tls).await?;
    Ok(Wire { sender, driver })
}

/// The shared connections of one venue.
#[derive(Debug)]
pub(crate) struct Sharing {
    http2: Http2,
    idle_timeout: Duration,
    lines: Mutex<HashMap<Arc<Origin>, Vec<Line>>>,
}

/// Those of one lane to one server.
#[derive(Debug, Default)]
struct Line {
    open: Vec<Arc<Shared>>,
    opening: Option<Opening>,
    /// Whether its server last chose HTTP/1.1.
    http1: bool,
}

/// One of them, for those who call on it; dropping the last of these ends it.
pub(crate) struct Shared {
    sender: SendRequest<Bytes>,
    room: Arc<Room>,
}

/// What the calls on a connection and its task know of each other.
#[derive(Debug)]
struct Room {
    bound: usize,
    state: Mutex<Taken>,
}

#[derive(Debug)]
struct Taken {
    seats: usize,
    /// When the last seat became free.
    idle_since: Instant,
    /// Whether others than the opener may sit down.
    settled: bool,
    closed: bool,
}

/// The right to one call on a shared connection.
#[derive(Debug)]
pub(crate) struct Seat {
    shared: Arc<Shared>,
}

/// Where a call may go.
pub(crate) enum Found {
    Seat(Seat),
    /// Somebody else opens a connection.
    Opening(Opening),
    /// The caller is to open one.
    Open(Opener),
    /// The server speaks HTTP/1.1.
    Http1,
}

impl Sharing {
    pub(crate) fn new(http2: Http2, idle_timeout: Duration) -> Self {
        Self { http2, idle_timeout, lines: Mutex::default() }
    }

    pub(crate) fn find(&self, origin: &Arc<Origin>) -> Found {
        self.with(origin, |line| {
            line.open.retain(|shared| !shared.room.lock().closed);
            if let Some(shared) = line.open.iter().find(|shared| shared.take()) {
                return Found::Seat(Seat { shared: Arc::clone(shared) });
            }
            if line.http1 {
                return Found::Http1;
            }
            if let Some(opening) = line.opening.as_ref().filter(|opening| opening.goes_on()) {
                return Found::Opening(opening.clone());
            }
            let (opener, opening) = opening::pair();
            line.opening = Some(opening);
            Found::Open(opener)
        })
    }

    /// Remembers that the server chose HTTP/1.1.
    pub(crate) fn chose_http1(&self, origin: &Arc<Origin>) {
        self.with(origin, |line| line.http1 = true);
    }

    /// Puts a new connection among the others, with a seat on it for who opened it.
    pub(crate) fn add(self: &Arc<Self>, origin: &Arc<Origin>, wire: Wire, opener: Option<Opener>, open: Open) -> Seat {
        let Wire { sender, driver } = wire;
        let taken = Taken { seats: 1, idle_since: Instant::now(), settled: false, closed: false };
        let bound = usize::try_from(self.http2.calls).unwrap_or(usize::MAX);
        let room = Arc::new(Room { bound, state: Mutex::new(taken) });
        let shared = Arc::new(Shared { sender, room: Arc::clone(&room) });
        self.with(origin, |line| {
            line.http1 = false;
            line.open.push(Arc::clone(&shared));
        });
        let tending = tend::Tending {
            room,
            http2: self.http2,
            idle_timeout: self.idle_timeout,
            home: (Arc::downgrade(self), Arc::clone(origin), lane::current()),
        };
        tokio::spawn(tending.run(driver, opener, open));
        Seat { shared }
    }

    /// Closes the connection that nobody has used for longest; whether there was one.
    pub(crate) fn close_idle(&self) -> bool {
        let mut lines = self.lock();
        let open = lines.values_mut().flatten().flat_map(|line| &mut line.open);
        let idle = open.filter_map(|shared| shared.room.idle_since().map(|since| (since, &*shared)));
        let oldest = idle.min_by_key(|(since, _)| *since).map(|(_, shared)| Arc::clone(&shared.room));
        let closed = oldest.is_some_and(|room| room.close_if_idle());
        for line in lines.values_mut().flatten() {
            line.open.retain(|shared| !shared.room.lock().closed);
        }
        closed
    }

    /// Forgets a connection that has ended.
    fn remove(&self, origin: &Arc<Origin>, lane: usize, room: &Arc<Room>) {
        let mut lines = self.lock();
        if let Some(line) = lines.get_mut(origin).and_then(|lines| lines.get_mut(lane)) {
            line.open.retain(|shared| !Arc::ptr_eq(&shared.room, room));
        }
    }

    fn with<T>(&self, origin: &Arc<Origin>, work: impl FnOnce(&mut Line) -> T) -> T {
        let (lane, mut lines) = (lane::current(), self.lock());
        let by_lane = match lines.get_mut(origin) {
            Some(by_lane) => by_lane,
            None => lines.entry(Arc::clone(origin)).or_default(),
        };
        if by_lane.len() <= lane {
            by_lane.resize_with(lane + 1, Line::default);
        }
        work(&mut by_lane[lane])
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<Origin>, Vec<Line>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn take(&self) -> bool {
        let bound = self.room.bound.min(self.sender.current_max_send_streams());
        let mut taken = self.room.lock();
        let free = taken.settled && !taken.closed && taken.seats < bound;
        if free {
            taken.seats += 1;
        }
        free
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("room", &self.room).finish_non_exhaustive()
    }
}

impl Room {
    fn idle_since(&self) -> Option<Instant> {
        let taken = self.lock();
        (taken.seats == 0 && !taken.closed).then_some(taken.idle_since)
    }

    /// Lets nobody sit down any more, if nobody sits there.
    fn close_if_idle(&self) -> bool {
        let mut taken = self.lock();
        taken.closed |= taken.seats == 0;
        taken.closed
    }

    fn close(&self) {
        self.lock().closed = true;
    }

    fn settle(&self) {
        self.lock().settled = true;
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.shared.room.lock();
        taken.seats -= 1;
        if taken.seats == 0 {
            taken.idle_since = Instant::now();
        }
    }
}
