//! A venue's connections, and one attempt on one of them.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use merit_venue::{ConfigError, Outcome, Step, StepResult, VenueError};
use tokio::sync::{OwnedSemaphorePermit, SemaphorePermit};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

use crate::answer::{Answer, Arriving, On};
use crate::connect::Connector;
use crate::connection::{Connection, Headless};
use crate::pool::{Opened, Pool};
use crate::reach::Reach;
use crate::route::{Origin, Route};
use crate::{failure, tls};

/// The right to one connection.
pub type Place<'t> = SemaphorePermit<'t>;

/// The connections of one venue.
#[derive(Debug)]
pub struct Transport {
    pub(crate) pool: Arc<Pool>,
    first_byte_timeout: Duration,
}

impl Transport {
    /// Adds what is wrong with `reach` to `errors`; connects to nothing. `None` when certificates can't be had,
    /// which are read only when `tls` may be needed.
    pub fn try_new(reach: &Reach, tls: bool, errors: &mut Vec<ConfigError>) -> Option<Self> {
        reach.check(errors);
        let tls = match tls.then(|| tls::client_config(reach.ca_pem.as_deref(), reach.http2.is_some())).transpose() {
            Ok(config) => config,
            Err(error) => {
                errors.push(error);
                return None;
            }
        };
        let (policy, http2) = (reach.policy(), reach.http2);
        let connector = Connector { policy, tls, timeout: reach.connect_timeout, http2 };
        Some(Self { pool: Arc::new(Pool::new(connector, reach)), first_byte_timeout: reach.first_byte_timeout })
    }

    /// Waits, first come first served, for a place among the connections.
    ///
    /// # Errors
    /// [`Outcome::NotStarted`] when there was none before `ends`.
    pub async fn admit(&self, route: &Route, ends: Instant) -> Result<Place<'_>, VenueError> {
        let begun = Instant::now();
        before(ends, pin!(self.pool.admit())).await.map_err(|_| waited_in_vain(route, begun))
    }

    /// The same, for as long as a streamed reply lasts.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub async fn admit_owned(&self, route: &Route, ends: Instant) -> Result<OwnedSemaphorePermit, VenueError> {
        let begun = Instant::now();
        timeout_at(ends, self.pool.admit_owned()).await.map_err(|_| waited_in_vain(route, begun))
    }

    /// Why no server of the venue can be reached now: a name that does not resolve, a certificate that is not trusted,
    /// an address that is not allowed. It is tried again after [`Reach::unreachable_retry`].
    #[must_use]
    pub fn unready(&self) -> Option<Arc<str>> {
        self.pool.unready()
    }

    /// Looks, step by step, whether servers can be reached, each once; sends them no request. Ends at the first that
    /// can't, and says so.
    pub async fn look(&self, origins: impl IntoIterator<Item = Arc<Origin>>, steps: &mut Vec<Step>) -> bool {
        let mut seen = Vec::new();
        for origin in origins {
            if seen.contains(&origin) {
                continue;
            }
            let found = self.pool.connector().look(&origin).await;
            let reached = found.iter().all(|step| step.result != StepResult::Failed);
            steps.extend(found);
            if !reached {
                return false;
            }
            self.pool.was_reached(&origin);
            seen.push(origin);
        }
        true
    }

    /// Sends a request on an idle connection, or on a new one, and waits for the head of the answer. The caller
    /// holds a place. `build` is given the time of sending.
    ///
    /// A connection that its server closed just then hands the request back as never begun; only then is a new
    /// one opened for it. Over HTTP/2 a server may also say that it did not begin it; then it is sent once more.
    ///
    /// # Errors
    /// [`Outcome::NotStarted`] before the request was begun, [`Outcome::Unknown`] after.
    pub async fn send(
        &self,
        route: &Route,
        ends: Instant,
        build: impl Fn(Instant) -> Request<Full<Bytes>>,
    ) -> Result<Answer, VenueError> {
        if let Some(sharing) = self.pool.sharing(&route.origin) {
            return Box::pin(self.send_where_offered(sharing, route, ends, build)).await;
        }
        let mut idle = self.pool.take(&route.origin, Instant::now());
        loop {
            let reused = idle.is_some();
            let mut connection = match idle.take() {
                Some(connection) => connection,
                None => match Box::pin(self.pool.open(&route.origin, ends)).await? {
                    Opened::Own(connection) => connection,
                    Opened::Shared(..) => unreachable!("invariant: HTTP/2 is spoken only where it is configured"),
                },
            };
            let sent = Instant::now();
            let head = timeout_at(self.head_until(sent, ends), connection.send(build(sent))).await;
            if let Some(answer) = self.alone(route, connection, reused, sent, head) {
                return answer;
            }
        }
    }

    /// Until when the head of the answer may come.
    #[inline]
    pub(crate) fn head_until(&self, sent: Instant, ends: Instant) -> Instant {
        ends.min(sent + self.first_byte_timeout)
    }

    /// What came of a request that was alone on its connection. `None`: a reused one handed it back as never begun.
    #[inline]
    pub(crate) fn alone(
        &self,
        route: &Route,
        connection: Connection,
        reused: bool,
        sent: Instant,
        head: Result<Result<Response<Incoming>, Headless>, Elapsed>,
    ) -> Option<Result<Answer, VenueError>> {
        Some(match head {
            Ok(Ok(response)) => {
                let (head, body) = response.into_parts();
                let (origin, pool) = (Arc::clone(&route.origin), Arc::clone(&self.pool));
                Ok(Answer { head, sent, body: Arriving(On::Own { body, connection, origin, pool }) })
            }
            Ok(Err(error)) if error.message().is_some() && reused => return None,
            Ok(Err(error)) if error.message().is_some() => Err(failure::unsent(route)),
            Ok(Err(error)) => Err(failure::without_head(route, error.into_error())),
            Err(_) => Err(failure::no_head_in_time(route, sent)),
        })
    }
}

/// Work that is mostly done when it is asked for: only what is not gets a timer.
///
/// # Errors
/// [`Elapsed`] when it was not done before `ends`.
pub async fn before<W: Future>(ends: Instant, mut work: Pin<&mut W>) -> Result<W::Output, Elapsed> {
    match futures_util::poll!(work.as_mut()) {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => timeout_at(ends, work).await,
    }
}

fn waited_in_vain(route: &Route, begun: Instant) -> VenueError {
    let doing = "waiting for one of the venue's connections to call";
    failure::timed_out(Outcome::NotStarted, doing, &route.shown(), begun.elapsed())
}
