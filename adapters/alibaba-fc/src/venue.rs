//! The venue itself: one attempt from payload to reply, in the order it happens.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{self, ACCEPT, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, response};
use http_body_util::Full;
use merit_cloud_wire::acs3::Signer;
use merit_cloud_wire::fc::{self, ErrorBody};
use merit_pricing::PriceSheet;
use merit_transport::headers::{USER_AGENT, passed_on};
use merit_transport::{Answer, Arriving, Route, Transport, excerpt, failure, retry_after};
use merit_units::{Micros, Timestamp};
use merit_venue::{
    Call, ConfigErrors, Discovered, ErrorKind, Limits, Lockout, Outcome, Reply, Step, Target, Venue, VenueError,
};
use tokio::time::Instant;

use crate::config::{Checked, FcConfig, MAX_BODY_BYTES, Place};
use crate::meaning::{self, Meaning};
use crate::reply;
use crate::target::{self, Called, Task};

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// What stands for the want of keys.
pub(crate) const NO_KEYS: &str = "it has no access key: give it [venues.NAME.credentials], or set ALIBABA_CLOUD_ACCESS_KEY_ID and \
                       ALIBABA_CLOUD_ACCESS_KEY_SECRET";

/// The functions of one account in one region of Function Compute.
#[derive(Debug)]
pub struct FcVenue {
    pub(crate) transport: Transport,
    pub(crate) place: Place,
    pub(crate) signer: Option<Signer>,
    pub(crate) lockout: Lockout,
    pub(crate) config: FcConfig,
    limits: Limits,
}

/// How far an attempt has got: the head of an answer that is a reply of the function.
struct Begun {
    head: response::Parts,
    body: Arriving,
    sent: Instant,
    /// The error the function ended with, by the answer's head.
    failed: Option<String>,
}

impl FcVenue {
    /// Checks the configuration. Connects to nothing.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every mistake in it.
    pub fn try_new(config: FcConfig) -> Result<Self, ConfigErrors> {
        let Checked { place, transport, signer } = config.check()?;
        let limits = Limits {
            request_bytes: config.max_request_bytes.min(MAX_BODY_BYTES) as u64,
            reply_bytes: config.max_reply_bytes as u64,
            duration: config.whole_timeout,
            in_flight: Some(config.reach.max_connections),
        };
        Ok(Self { transport, place, signer, lockout: Lockout::new(config.credentials_retry), config, limits })
    }

    pub(crate) async fn attempt(&self, call: Call) -> Result<Reply, VenueError> {
        let begun = Instant::now();
        let called = target::called(&call.target, &self.place, &self.config.trigger_hosts)?;
        let route = called.route();
        let ends = self.limits.admit(&call, begun, route)?;
        if !matches!(called, Called::Trigger(_)) {
            self.lockout.check(route)?;
        }
        if let Called::Task(task) = &called {
            return Box::pin(self.run_task(&call, task, ends)).await;
        }
        let _place = self.transport.admit(route, ends).await?;
        let build = |_| match &called {
            Called::Trigger(_) => self.trigger_request(&call, route),
            _ => self.request(&call, route, None),
        };
        let Answer { head, sent, body } = self.transport.send(route, ends, build).await?;
        let failed = match &called {
            Called::Function(_) if head.status == 200 && is_ours(&head.headers) => {
                reply::text(&head.headers, fc::ERROR_TYPE).map(str::to_owned)
            }
            Called::Trigger(_) if is_triggers(&head) => triggers_failure(&head),
            _ => return Err(Box::pin(self.refusal(route, head, body)).await),
        };
        self.receive(&call, route, Begun { head, body, sent, failed }, ends).await
    }

    /// The request of a call of a function, as a task or not. Signed over all headers that Function Compute reads.
    pub(crate) fn request(&self, call: &Call, route: &Route, task: Option<&Task>) -> Request<Full<Bytes>> {
        let mut headers = HeaderMap::with_capacity(20);
        headers.insert(HOST, route.host.clone());
        headers.insert(CONTENT_TYPE, OCTETS);
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        for (name, value) in [
            (fc::ACTION_HEADER, "InvokeFunction"),
            (fc::VERSION_HEADER, fc::VERSION),
            (fc::INVOCATION_TYPE, if task.is_some() { "Async" } else { "Sync" }),
            (fc::LOG_TYPE, if call.wants_tail() { "Tail" } else { "None" }),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let mut nonce = format!("{}-{}", call.invocation, call.attempt);
        if let Some(task) = task {
            let id = HeaderValue::from_str(&task.id(call.invocation)).expect("invariant: an id is text");
            headers.insert(HeaderName::from_static(fc::ASYNC_TASK_ID), id);
            // It may be submitted more than once, and no request may repeat another.
            nonce = format!("{nonce}-{:08x}", fastrand::u32(..));
        }
        if let Some(signer) = &self.signer {
            let (path, query, now) = (route.uri.path(), route.uri.query(), self.now());
            let signed = signer.sign(&Method::POST, path, query, &mut headers, &call.payload, now, &nonce);
            signed.expect("invariant: ids and the headers above are text");
        }
        headers.insert(header::USER_AGENT, USER_AGENT);
        route.request(Method::POST, headers, call.payload.clone())
    }

    /// The request of a call of an HTTP trigger.
    fn trigger_request(&self, call: &Call, route: &Route) -> Request<Full<Bytes>> {
        let mut headers = HeaderMap::with_capacity(12);
        headers.insert(HOST, route.host.clone());
        if let Some(signer) = self.signer.as_ref().filter(|_| self.config.sign_triggers) {
            let (path, query) = (route.uri.path(), route.uri.query());
            let signed = signer.sign_trigger(&Method::POST, path, query, &mut headers, self.now());
            signed.expect("invariant: an authority is text");
        }
        passed_on(call, &mut headers);
        headers.insert(header::USER_AGENT, USER_AGENT);
        route.request(Method::POST, headers, call.payload.clone())
    }

    /// The headers of a request that reads.
    pub(crate) fn question(&self, route: &Route, action: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(16);
        headers.insert(HOST, route.host.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        for (name, value) in [(fc::ACTION_HEADER, action), (fc::VERSION_HEADER, fc::VERSION)] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        if let Some(signer) = &self.signer {
            let nonce = format!("{:032x}", fastrand::u128(..));
            let (path, query) = (route.uri.path(), route.uri.query());
            let signed = signer.sign(&Method::GET, path, query, &mut headers, b"", self.now(), &nonce);
            signed.expect("invariant: the headers above are text");
        }
        headers.insert(header::USER_AGENT, USER_AGENT);
        headers
    }

    /// Reads the reply of a function that ran.
    async fn receive(&self, call: &Call, route: &Route, begun: Begun, ends: Instant) -> Result<Reply, VenueError> {
        let Begun { head, body, sent, failed } = begun;
        let max = self.config.max_reply_bytes;
        let measure = |at: Instant, bytes| {
            let elapsed = Micros::from_std(at.duration_since(sent));
            reply::measure(&head.headers, self.config.meters, elapsed, bytes)
        };
        let (payload, done) = match body.whole(max, ends).await {
            Ok(read) => read,
            Err(error) => return Err(failure::without_body(&route.shown(), error, max, measure(Instant::now(), 0))),
        };
        let measured = measure(done, payload.len());
        Ok(Reply {
            function_error: failed.map(|named| reply::function_error(&named, &payload)),
            content_type: head.headers.get(CONTENT_TYPE).cloned(),
            status: head.status.as_u16(),
            usage: measured.usage,
            meters: measured.basis,
            cold: false,
            log_tail: reply::log_tail(&head.headers).filter(|_| call.wants_tail()),
            version: reply::text(&head.headers, fc::SERVICE_VERSION).map(Into::into),
            digest: reply::digest(&head.headers),
            payload,
            headers: None,
        })
    }

    /// The error of an answer that is not the function's; a key it refuses is not used again for a while.
    pub(crate) async fn refusal(&self, route: &Route, head: response::Parts, body: Arriving) -> VenueError {
        let said = body.excerpt().await.unwrap_or_default();
        self.refused(route, head.status, &head.headers, &said)
    }

    /// The same, of an answer that was read.
    pub(crate) fn refused(&self, route: &Route, status: StatusCode, headers: &HeaderMap, said: &[u8]) -> VenueError {
        let read = ErrorBody::read(said).unwrap_or_default();
        let Meaning { outcome, kind, refuses_key, hint } = meaning::of(status.as_u16(), &read.code);
        let mut message = format!("`{}` was answered {}", route.shown(), status.as_u16());
        let words = if read.code.is_empty() { excerpt(headers, said) } else { words(&read) };
        message.push_str(&words);
        if !hint.is_empty() {
            message.push_str(": ");
            message.push_str(hint);
        }
        if status == 200 {
            message.push_str(" with something that is not a reply of Function Compute");
        }
        let error = VenueError::new(outcome, kind, message).with_retry_after(retry_after(headers));
        if refuses_key {
            self.lockout.note(&error);
        }
        error
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_micros((self.config.clock)().saturating_mul(1_000_000))
    }
}

/// The error's name, and the first line of what it says: the lines below repeat the request that was signed.
fn words(read: &ErrorBody) -> String {
    let line: String = read.message.lines().next().unwrap_or_default().chars().take(300).collect();
    if line.is_empty() { format!(" {}", read.code) } else { format!(" {}: {line}", read.code) }
}

/// Whether it is Function Compute that answers: each of its answers has an id.
pub(crate) fn is_ours(headers: &HeaderMap) -> bool {
    headers.contains_key(fc::REQUEST_ID)
}

/// Whether a trigger's answer is the function's, well or not.
fn is_triggers(head: &response::Parts) -> bool {
    let named = reply::text(&head.headers, fc::ERROR_TYPE);
    is_ours(&head.headers) && named != Some(fc::TRIGGER_ERROR) && !matches!(head.status.as_u16(), 300..=399 | 429 | 503)
}

/// The error of a trigger's function: named in a header, or an error's status of its own.
fn triggers_failure(head: &response::Parts) -> Option<String> {
    let status = head.status.as_u16();
    let named = reply::text(&head.headers, fc::ERROR_TYPE).map(str::to_owned);
    named.or_else(|| (status >= 400).then(|| format!("Http{status}")))
}

impl Venue for FcVenue {
    fn kind(&self) -> &'static str {
        "alibaba-fc"
    }

    fn invoke(&self, call: Call) -> BoxFuture<'_, Result<Reply, VenueError>> {
        if self.signer.is_none() && call.target.uri().is_none() {
            let message = format!("`{}` can't be called: {NO_KEYS}", call.target);
            let error = VenueError::new(Outcome::NotStarted, ErrorKind::BadCredentials, message);
            return Box::pin(std::future::ready(Err(error)));
        }
        Box::pin(self.attempt(call))
    }

    fn discover(&self) -> BoxFuture<'_, Result<Option<Vec<Discovered>>, VenueError>> {
        Box::pin(async move { self.list().await.map(Some) })
    }

    /// Alibaba Cloud publishes its prices on pages, not by venue.
    fn price_sheet(&self) -> BoxFuture<'_, Result<Option<PriceSheet>, VenueError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn unready(&self) -> Option<Arc<str>> {
        let lacks_keys = self.signer.is_none() && self.config.sign_triggers;
        if lacks_keys { Some(Arc::from(NO_KEYS)) } else { self.lockout.why().or_else(|| self.transport.unready()) }
    }

    fn check(&self, targets: Vec<Arc<Target>>) -> BoxFuture<'_, Vec<Step>> {
        Box::pin(async move { self.look(&targets).await })
    }
}
