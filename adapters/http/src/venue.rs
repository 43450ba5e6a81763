//! The venue itself: one attempt from payload to reply, in the order it happens.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, response};
use http_body_util::Full;
use hyper::body::Incoming;
use merit_pricing::PriceSheet;
use merit_units::Micros;
use merit_venue::{
    Call, ConfigErrors, Discovered, ErrorKind, Limits, Measured, Outcome, Reply, Streamed, Venue, VenueError,
};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout, timeout_at};

use crate::address::AddressPolicy;
use crate::config::{HttpConfig, Meters};
use crate::connect::Connector;
use crate::connection::Connection;
use crate::meters;
use crate::pool::Pool;
use crate::route::{Route, Routes};
use crate::signature::{BadSignature, Signing};
use crate::status::{self, Meaning};
use crate::streaming::Arriving;
use crate::{failure, request, tls};

/// How long an answer that is not the function's is read, for the log: it must not cost the caller
/// the time for another venue.
const EXCERPT_WAIT: Duration = Duration::from_millis(100);

/// The longest such answer that is read, in bytes; a longer one costs its connection.
const EXCERPT_BYTES: usize = 16 * 1024;

/// The largest price sheet a venue may publish, in bytes; the longest of the built-in catalogue has 30 KB.
const SHEET_BYTES: usize = 256 * 1024;

/// A venue whose functions are reached by plain HTTP.
#[derive(Debug)]
pub struct HttpVenue {
    routes: Routes,
    headers: Vec<(HeaderName, HeaderValue)>,
    pool: Arc<Pool>,
    limits: Limits,
    first_byte_timeout: Duration,
    max_request_bytes: usize,
    max_reply_bytes: usize,
    max_streamed_bytes: usize,
    meters: Meters,
    signing: Option<Signing>,
    price_sheet_path: Option<String>,
}

/// The head of a reply, the connection its body comes on, and when the request was sent.
struct Answer {
    connection: Connection,
    response: Response<Incoming>,
    sent: Instant,
    /// What the request was signed as, if it was.
    id: Option<String>,
}

impl HttpVenue {
    /// Checks the configuration. Connects to nothing.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every mistake in it.
    pub fn try_new(config: HttpConfig) -> Result<Self, ConfigErrors> {
        let mut errors = Vec::new();
        let routes = Routes::try_new(&config, &mut errors);
        let headers = config.parse_headers(&mut errors);
        config.check_bounds(&mut errors);
        let tls = match &routes {
            Some(routes) if routes.may_need_tls() => {
                tls::client_config(config.ca_pem.as_deref()).map_err(|error| errors.push(error)).ok()
            }
            _ => None,
        };
        ConfigErrors::check(errors)?;
        let policy = AddressPolicy { allow: config.allow_addresses, private: config.private_addresses };
        let connector = Connector { policy, tls, timeout: config.connect_timeout };
        Ok(Self {
            routes: routes.expect("invariant: no route without a mistake"),
            headers,
            pool: Arc::new(Pool::new(connector, config.max_connections, config.max_idle, config.idle_timeout)),
            limits: Limits {
                request_bytes: config.max_request_bytes as u64,
                reply_bytes: config.max_reply_bytes as u64,
                duration: config.whole_timeout,
                in_flight: Some(config.max_connections),
            },
            first_byte_timeout: config.first_byte_timeout,
            max_request_bytes: config.max_request_bytes,
            max_reply_bytes: config.max_reply_bytes,
            max_streamed_bytes: config.max_streamed_bytes,
            meters: config.meters,
            signing: config.signing,
            price_sheet_path: config.price_sheet_path,
        })
    }

    async fn attempt(&self, call: Call) -> Result<Reply, VenueError> {
        let (route, begun, ends) = self.prepare(&call)?;
        let Ok(_permit) = before(ends, pin!(self.pool.admit())).await else {
            return Err(waited_in_vain(&route, begun));
        };
        let (answer, failed) = self.answer_to(&call, &route, ends).await?;
        self.receive(&route, answer, ends, failed).await
    }

    async fn attempt_streamed(&self, call: Call) -> Result<Streamed, VenueError> {
        if self.signing.is_some() {
            // Nothing is passed on before its signature was checked, which is over all of it.
            return self.attempt(call).await.map(Streamed::whole);
        }
        let (route, begun, ends) = self.prepare(&call)?;
        let Ok(permit) = timeout_at(ends, self.pool.admit_owned()).await else {
            return Err(waited_in_vain(&route, begun));
        };
        let (answer, failed) = self.answer_to(&call, &route, ends).await?;
        if failed {
            return self.receive(&route, answer, ends, failed).await.map(Streamed::whole);
        }
        let Answer { connection, response, sent, .. } = answer;
        let (head, body) = response.into_parts();
        let (pool, max, meters) = (Arc::clone(&self.pool), self.max_streamed_bytes, self.meters);
        Ok(Arriving { head, body, connection, route, pool, permit, sent, ends, max, meters }.into_streamed())
    }

    /// Checks a call; where it goes, and from when to when.
    fn prepare(&self, call: &Call) -> Result<(Route, Instant, Instant), VenueError> {
        let begun = Instant::now();
        let ends = call.deadline.min(begun + self.limits.duration);
        if call.payload.len() > self.max_request_bytes {
            let (size, max) = (call.payload.len(), self.max_request_bytes);
            let message = format!("the payload has {size} bytes, more than the {max} this venue takes");
            return Err(VenueError::not_started(ErrorKind::PayloadTooLarge, message));
        }
        let route = self.routes.of(&call.target, &call.function)?;
        if ends <= begun {
            return Err(failure::timed_out(Outcome::NotStarted, "before calling", &route.shown(), Duration::ZERO));
        }
        Ok((route, begun, ends))
    }

    /// Sends the call; the head of the function's reply, and whether it reports an error.
    async fn answer_to(&self, call: &Call, route: &Route, ends: Instant) -> Result<(Answer, bool), VenueError> {
        let id = self.signing.as_ref().map(|_| Signing::id(call));
        let signed = self.signing.as_ref().zip(id.as_deref());
        let build = |sent| request::invoke(call, route, &self.headers, ends, sent, signed);
        let answer = self.answer(route, ends, build).await?;
        let answer = Answer { id, ..answer };
        match Meaning::of(answer.response.status(), answer.response.headers(), self.meters) {
            Meaning::Success => Ok((answer, false)),
            Meaning::FunctionError => Ok((answer, true)),
            Meaning::Refusal(outcome, kind) => Err(Box::pin(self.refusal(route, answer, outcome, kind)).await),
        }
    }

    /// Sends the request on an idle connection, or on a new one.
    ///
    /// A connection that its server closed just then hands the request back as never begun; only
    /// then is a new one opened for it.
    async fn answer(
        &self,
        route: &Route,
        ends: Instant,
        build: impl Fn(Instant) -> Request<Full<Bytes>>,
    ) -> Result<Answer, VenueError> {
        let mut idle = self.pool.take(&route.origin, Instant::now());
        loop {
            let reused = idle.is_some();
            let mut connection = match idle.take() {
                Some(connection) => connection,
                None => Box::pin(self.pool.open(&route.origin, ends)).await?,
            };
            let sent = Instant::now();
            let head = timeout_at(ends.min(sent + self.first_byte_timeout), connection.send(build(sent))).await;
            return match head {
                Ok(Ok(response)) => Ok(Answer { connection, response, sent, id: None }),
                Ok(Err(error)) if error.message().is_some() && reused => continue,
                Ok(Err(error)) if error.message().is_some() => Err(failure::unsent(route, error.into_error())),
                Ok(Err(error)) => Err(failure::without_head(route, error.into_error())),
                Err(_) => {
                    let doing = "waiting for the reply of";
                    Err(failure::timed_out(Outcome::Unknown, doing, &route.shown(), sent.elapsed()))
                }
            };
        }
    }

    /// Reads the reply of a function that ran.
    async fn receive(&self, route: &Route, answer: Answer, ends: Instant, failed: bool) -> Result<Reply, VenueError> {
        let Answer { mut connection, response, sent, id } = answer;
        let (head, body) = response.into_parts();
        let read = before(ends, pin!(connection.read(body, self.max_reply_bytes))).await;
        let done = Instant::now();
        let elapsed = Micros::from_std(done.duration_since(sent));
        let measure = |bytes| meters::measure(&head.headers, self.meters, elapsed, bytes);
        let payload = match read {
            Ok(Ok(payload)) => payload,
            Ok(Err(error)) => return Err(failure::without_body(route, error, self.max_reply_bytes, measure(0))),
            Err(_) => {
                let Measured { usage, basis } = measure(0);
                let late = failure::timed_out(Outcome::Ran, "reading the reply of", &route.shown(), elapsed.to_std());
                return Err(VenueError { usage: Some(usage), meters: basis, ..late });
            }
        };
        if let Err(why) = self.check_signature(id.as_deref(), &payload, &head.headers) {
            let message = format!("the reply of `{}` is not signed as it must be: {why}", route.shown());
            return Err(VenueError::unknown(ErrorKind::UnsignedReply, message));
        }
        let Measured { usage, basis } = measure(payload.len());
        self.pool.keep(&route.origin, connection, done);
        Ok(Reply {
            function_error: failed.then(|| status::function_error(head.status, &head.headers, &payload)),
            payload,
            content_type: head.headers.get(header::CONTENT_TYPE).cloned(),
            status: head.status.as_u16(),
            usage,
            meters: basis,
            cold: usage.init > Micros::ZERO,
            log_tail: None,
            version: None,
        })
    }

    /// The error of an answer that is not the function's.
    async fn refusal(&self, route: &Route, answer: Answer, outcome: Outcome, kind: ErrorKind) -> VenueError {
        let Answer { mut connection, response, id, .. } = answer;
        let (head, body) = response.into_parts();
        let mut outcome = outcome;
        let said = match timeout(EXCERPT_WAIT, connection.read(body, EXCERPT_BYTES)).await {
            Ok(Ok(body)) => {
                self.pool.keep(&route.origin, connection, Instant::now());
                if self.check_signature(id.as_deref(), &body, &head.headers).is_err() {
                    outcome = Outcome::Unknown; // Anybody could have said so.
                }
                status::excerpt(&head.headers, &body)
            }
            _ => {
                if self.signing.is_some() {
                    outcome = Outcome::Unknown;
                }
                String::new()
            }
        };
        let message = format!("`{}` answered {}{}{said}", route.shown(), head.status, hint(&head));
        VenueError::new(outcome, kind, message).with_retry_after(status::retry_after(&head.headers))
    }

    /// Nothing is wrong where calls are not signed.
    fn check_signature(&self, id: Option<&str>, body: &[u8], headers: &HeaderMap) -> Result<(), BadSignature> {
        self.signing.as_ref().zip(id).map_or(Ok(()), |(signing, id)| signing.check(id, body, headers))
    }

    async fn fetch_sheet(&self) -> Result<Option<PriceSheet>, VenueError> {
        let Some(path) = &self.price_sheet_path else { return Ok(None) };
        let route = self.routes.below_base(path, None)?;
        let ends = Instant::now() + self.limits.duration;
        let _permit = self.pool.admit().await;
        let answer = self.answer(&route, ends, |_| request::get(&route, &self.headers)).await?;
        if answer.response.status() != StatusCode::OK {
            let kind = match Meaning::of(answer.response.status(), answer.response.headers(), Meters::OwnClock) {
                Meaning::Refusal(_, kind) => kind,
                _ => ErrorKind::MalformedReply,
            };
            return Err(self.refusal(&route, answer, Outcome::NotStarted, kind).await);
        }
        let Answer { mut connection, response, .. } = answer;
        let malformed = |why: String| {
            let message = format!("`{}` is not a price sheet: {why}", route.shown());
            VenueError::not_started(ErrorKind::MalformedReply, message)
        };
        let body = match timeout_at(ends, connection.read(response.into_body(), SHEET_BYTES)).await {
            Ok(Ok(body)) => body,
            Ok(Err(_)) => return Err(malformed(format!("it was cut off, or is larger than {SHEET_BYTES} bytes"))),
            Err(_) => return Err(malformed("it did not come in time".to_owned())),
        };
        self.pool.keep(&route.origin, connection, Instant::now());
        let text = std::str::from_utf8(&body).map_err(|error| malformed(error.to_string()))?;
        PriceSheet::parse_toml(text).map(Some).map_err(|errors| malformed(errors.to_string()))
    }
}

/// Work that is mostly done when it is asked for: only what is not gets a timer.
async fn before<W: Future>(ends: Instant, mut work: Pin<&mut W>) -> Result<W::Output, Elapsed> {
    match futures_util::poll!(work.as_mut()) {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => timeout_at(ends, work).await,
    }
}

fn waited_in_vain(route: &Route, begun: Instant) -> VenueError {
    let doing = "waiting for one of the venue's connections to call";
    failure::timed_out(Outcome::NotStarted, doing, &route.shown(), begun.elapsed())
}

/// What an operator can do about a status.
fn hint(head: &response::Parts) -> String {
    if !head.status.is_redirection() {
        return String::new();
    }
    let place = head.headers.get(header::LOCATION).and_then(|value| value.to_str().ok()).unwrap_or("elsewhere");
    let place: String = place.split('?').next().unwrap_or_default().chars().take(200).collect();
    format!(", to `{place}`: redirects are not followed, so give the final URL")
}

impl Venue for HttpVenue {
    fn kind(&self) -> &'static str {
        "http"
    }

    fn invoke(&self, call: Call) -> BoxFuture<'_, Result<Reply, VenueError>> {
        Box::pin(self.attempt(call))
    }

    fn stream(&self, call: Call) -> BoxFuture<'_, Result<Streamed, VenueError>> {
        Box::pin(self.attempt_streamed(call))
    }

    /// Plain HTTP has no way to list functions.
    fn discover(&self) -> BoxFuture<'_, Result<Option<Vec<Discovered>>, VenueError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn price_sheet(&self) -> BoxFuture<'_, Result<Option<PriceSheet>, VenueError>> {
        Box::pin(self.fetch_sheet())
    }

    fn limits(&self) -> Limits {
        self.limits
    }
}
