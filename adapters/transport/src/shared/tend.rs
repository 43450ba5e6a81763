//! The task of a shared connection: moves its bytes, asks it for signs of life, closes it when idle for long.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use h2::client::Connection;
use h2::{Ping, PingPong};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::client::TlsStream;

use super::{Opener, Room, Sharing};
use crate::connection::Open;
use crate::reach::Http2;
use crate::route::Origin;

/// How long a connection that is closed in peace may take to say so.
const GOODBYE: Duration = Duration::from_secs(1);

pub(super) struct Tending {
    pub(super) room: Arc<Room>,
    pub(super) http2: Http2,
    pub(super) idle_timeout: Duration,
    /// Where the connection is kept: the venue's connections, the server, the lane.
    pub(super) home: (Weak<Sharing>, Arc<Origin>, usize),
}

/// Why a connection is to be closed from here.
enum End {
    Idle,
    /// It gave no sign of life.
    Dead,
}

impl Tending {
    /// Until the connection has ended; calls that are on it then are told so.
    pub(super) async fn run(
        self,
        mut driver: Connection<TlsStream<TcpStream>, Bytes>,
        opener: Option<Opener>,
        _open: Open,
    ) {
        let pings = driver.ping_pong().expect("invariant: taken once");
        let end = match select(driver, pin!(self.watch(pings, opener))).await {
            Either::Left((ended, _)) => {
                if let Err(error) = ended {
                    tracing::debug!(server = %self.home.1.authority(), %error, "an HTTP/2 connection broke");
                }
                None
            }
            Either::Right((end, driver)) => Some((end, driver)),
        };
        self.room.close();
        if let Some(sharing) = self.home.0.upgrade() {
            sharing.remove(&self.home.1, self.home.2, &self.room);
        }
        match end {
            // With the last sender gone, it says goodbye by itself.
            Some((End::Idle, driver)) => drop(timeout(GOODBYE, driver).await),
            Some((End::Dead, _)) => {
                tracing::warn!(server = %self.home.1.authority(), "an HTTP/2 connection answers no ping: it is closed");
            }
            None => {}
        }
    }

    /// Until the connection is idle for too long or gives no sign of life.
    ///
    /// The first sign of life comes after the server's settings, so that then it is known how many calls it takes.
    async fn watch(&self, mut pings: PingPong, opener: Option<Opener>) -> End {
        if !self.lives(&mut pings).await {
            return End::Dead;
        }
        self.room.settle();
        if let Some(opener) = opener {
            opener.done();
        }
        let mut heard = Instant::now();
        loop {
            let look = Instant::now() + self.idle_timeout.min(self.http2.ping);
            sleep_until(self.room.idle_since().map_or(look, |since| look.min(since + self.idle_timeout))).await;
            let now = Instant::now();
            match self.room.idle_since() {
                Some(since) if since + self.idle_timeout <= now && self.room.close_if_idle() => return End::Idle,
                Some(_) => {}
                None if now < heard + self.http2.ping => {}
                None if self.lives(&mut pings).await => heard = Instant::now(),
                None => return End::Dead,
            }
        }
    }

    async fn lives(&self, pings: &mut PingPong) -> bool {
        // A connection that has ended answers none either, and is seen to have ended first.
        matches!(timeout(self.http2.ping_timeout, pings.ping(Ping::opaque())).await, Ok(Ok(_)))
    }
}
