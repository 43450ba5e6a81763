//! One attempt at a server that may offer HTTP/2.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use merit_venue::{ErrorKind, VenueError};
use tokio::time::{Instant, timeout_at};

use crate::answer::{Answer, Arriving, On};
use crate::connection::Connection;
use crate::failure;
use crate::pool::Opened;
use crate::route::Route;
use crate::shared::{Failed, Found, Seat, Sharing};
use crate::transport::Transport;

/// What a call is sent on.
enum Way {
    Seat {
        seat: Seat,
        /// Whether nothing was sent on its connection before.
        fresh: bool,
    },
    /// The server speaks HTTP/1.1.
    Own { connection: Connection, reused: bool },
}

impl Transport {
    /// [`Transport::send`] where HTTP/2 may be spoken.
    pub(crate) async fn send_where_offered(
        &self,
        sharing: &Arc<Sharing>,
        route: &Route,
        ends: Instant,
        build: impl Fn(Instant) -> Request<Full<Bytes>>,
    ) -> Result<Answer, VenueError> {
        let (mut stale, mut refused) = (false, false);
        loop {
            let way = Box::pin(self.way(sharing, route, ends, stale)).await?;
            let sent = Instant::now();
            let until = self.head_until(sent, ends);
            let (seat, fresh) = match way {
                Way::Seat { seat, fresh } => (seat, fresh),
                Way::Own { mut connection, reused } => {
                    let head = timeout_at(until, connection.send(build(sent))).await;
                    match self.alone(route, connection, reused, sent, head) {
                        Some(answer) => return answer,
                        None => stale = true,
                    }
                    continue;
                }
            };
            match timeout_at(until, seat.send(build(sent))).await {
                Ok(Ok(response)) => {
                    let (head, stream) = response.into_parts();
                    return Ok(Answer { head, sent, body: Arriving(On::Shared(stream)) });
                }
                Ok(Err(Failed::Ended)) if !fresh => {}
                Ok(Err(Failed::Refused(_))) if !refused => refused = true,
                Ok(Err(Failed::Ended)) => return Err(failure::unsent(route)),
                Ok(Err(Failed::Refused(error))) => return Err(failure::refused(route, error)),
                Ok(Err(Failed::Unfit(error))) => return Err(error),
                Ok(Err(Failed::Broken(error))) => return Err(failure::without_http2_head(route, error)),
                Err(_) => return Err(failure::no_head_in_time(route, sent)),
            }
        }
    }

    /// A seat, or a connection of one's own. `stale`: those that are idle are not to be trusted.
    async fn way(&self, sharing: &Arc<Sharing>, route: &Route, ends: Instant, stale: bool) -> Result<Way, VenueError> {
        let origin = &route.origin;
        let opener = loop {
            match sharing.find(origin) {
                Found::Seat(seat) => return Ok(Way::Seat { seat, fresh: false }),
                Found::Opening(opening) => opening.wait(route, ends).await?,
                Found::Open(opener) => break Some(opener),
                Found::Http1 => break None,
            }
        };
        if let Some(connection) = self.pool.take(origin, Instant::now()).filter(|_| !stale) {
            return Ok(Way::Own { connection, reused: true });
        }
        match self.pool.open(origin, ends).await {
            Ok(Opened::Shared(wire, open)) => {
                Ok(Way::Seat { seat: sharing.add(origin, *wire, opener, open), fresh: true })
            }
            Ok(Opened::Own(connection)) => {
                sharing.chose_http1(origin);
                if let Some(opener) = opener {
                    opener.done();
                }
                Ok(Way::Own { connection, reused: false })
            }
            Err(error) => {
                // A call that had no time left says nothing about the server.
                if let Some(opener) = opener.filter(|_| error.kind != ErrorKind::Timeout || Instant::now() < ends) {
                    opener.failed(&error);
                }
                Err(error)
            }
        }
    }
}
