//! The venue itself: one attempt from payload to reply, in the order it happens.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, response};
use merit_cloud_wire::workers;
use merit_pricing::PriceSheet;
use merit_transport::{Answer, Origin, Route, Transport, excerpt, failure, headers, retry_after};
use merit_units::Micros;
use merit_venue::{
    Call, ConfigErrors, Discovered, FunctionError, Limits, Lockout, Measured, Outcome, Reply, Step, Target, Venue,
    VenueError,
};
use tokio::time::Instant;

use crate::config::{Checked, WorkersConfig};
use crate::meaning::{self, Meaning};
use crate::target::{self, Called};

/// Workers of one account.
#[derive(Debug)]
pub struct WorkersVenue {
    pub(crate) transport: Transport,
    /// The place of the list of scripts, and who asks.
    pub(crate) api: Option<(Arc<Origin>, String, HeaderValue)>,
    pub(crate) config: WorkersConfig,
    pub(crate) base: Option<(Arc<Origin>, String)>,
    pub(crate) credentials: Vec<(HeaderName, HeaderValue)>,
    pub(crate) lockout: Lockout,
    limits: Limits,
}

impl WorkersVenue {
    /// Checks the configuration. Connects to nothing.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every mistake in it.
    pub fn try_new(config: WorkersConfig) -> Result<Self, ConfigErrors> {
        let Checked { base, api, credentials, transport } = config.check()?;
        let limits = Limits {
            request_bytes: config.max_request_bytes as u64,
            reply_bytes: config.max_reply_bytes as u64,
            duration: config.whole_timeout,
            in_flight: Some(config.reach.max_connections),
        };
        let lockout = Lockout::new(config.credentials_retry);
        Ok(Self { transport, api, config, base, credentials, lockout, limits })
    }

    async fn attempt(&self, call: Call) -> Result<Reply, VenueError> {
        let begun = Instant::now();
        let Called { mut route, script } = target::called(&call.target, &self.config, self.base.as_ref())?;
        if let Some(http) = &call.http {
            route = route.below(http)?;
        }
        let ends = self.limits.admit(&call, begun, &route)?;
        self.lockout.check(&route)?;
        let _place = self.transport.admit(&route, ends).await?;
        let build = |_| route.request(call.method(), self.headers(&call), call.payload.clone());
        let Answer { head, sent, body } = self.transport.send(&route, ends, build).await?;
        let max = self.config.max_reply_bytes;
        let measure =
            |at: Instant, bytes| self.config.cpu.measure(&script, Micros::from_std(at.duration_since(sent)), bytes);
        let (payload, done) = match body.whole(max, ends).await {
            Ok(read) => read,
            Err(error) => {
                let broken = failure::without_body(&route.shown(), error, max, measure(Instant::now(), 0));
                return Err(if head.status.is_success() { broken } else { doubtful(broken) });
            }
        };
        let reply = self.received(&call, &route, &head, payload, |bytes| measure(done, bytes))?;
        Ok(reply.with_headers_for(&call, head.headers))
    }

    /// What was sent with the call, and by whom.
    fn headers(&self, call: &Call) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(12);
        headers.insert(USER_AGENT, headers::USER_AGENT);
        headers.extend(self.credentials.iter().cloned());
        headers::passed_on(call, &mut headers);
        headers::beneath(call, &mut headers);
        headers
    }

    /// A reply or a failure, from an answer that came whole.
    fn received(
        &self,
        call: &Call,
        route: &Route,
        head: &response::Parts,
        payload: Bytes,
        measure: impl Fn(usize) -> Measured,
    ) -> Result<Reply, VenueError> {
        let status = head.status.as_u16();
        let meaning = match &call.http {
            None => meaning::of(status, &head.headers, &payload),
            Some(_) => meaning::of_http(status, &head.headers, &payload),
        };
        let function_error = match meaning {
            Meaning::Success => None,
            Meaning::FunctionError(named) => {
                let kind = named.map_or_else(|| format!("Http{status}"), str::to_owned);
                let said = excerpt(&head.headers, &payload);
                let said = said.trim_start_matches([':', ' ']);
                Some(FunctionError::new(kind, format!("{said}{}", ray(&head.headers))))
            }
            Meaning::Failure { outcome, kind, concerns_all, hint } => {
                let mut message = format!("`{}` answered {status}{}", route.shown(), excerpt(&head.headers, &payload));
                if let Some(page) = workers::PageError::named(status, &payload) {
                    message =
                        format!("`{}` answered {status} with error {}: {}", route.shown(), page.number(), page.words());
                }
                for part in [if hint.is_empty() { "" } else { ": " }, hint, &ray(&head.headers)] {
                    message.push_str(part);
                }
                let mut error = VenueError::new(outcome, kind, message).with_retry_after(retry_after(&head.headers));
                if outcome == Outcome::Ran {
                    let Measured { usage, basis } = measure(payload.len());
                    (error.usage, error.meters) = (Some(usage), basis);
                }
                if concerns_all {
                    self.lockout.note(&error);
                }
                return Err(error);
            }
        };
        let (content_type, measured) = (head.headers.get(CONTENT_TYPE).cloned(), measure(payload.len()));
        Ok(Reply { function_error, ..Reply::plain(status, content_type, payload, measured) })
    }
}

/// The request's id, which Cloudflare's support asks for.
fn ray(headers: &HeaderMap) -> String {
    let ray = headers.get(workers::RAY).and_then(|value| value.to_str().ok());
    ray.map_or(String::new(), |ray| format!(" (CF-Ray {})", ray.chars().take(40).collect::<String>()))
}

/// What an answer that is not a reply would have told stays unknown.
fn doubtful(error: VenueError) -> VenueError {
    VenueError { outcome: Outcome::Unknown, usage: None, ..error }
}

impl Venue for WorkersVenue {
    fn kind(&self) -> &'static str {
        "cloudflare-workers"
    }

    fn invoke(&self, call: Call) -> BoxFuture<'_, Result<Reply, VenueError>> {
        Box::pin(self.attempt(call))
    }

    fn discover(&self) -> BoxFuture<'_, Result<Option<Vec<Discovered>>, VenueError>> {
        Box::pin(self.list())
    }

    /// Cloudflare publishes its prices on pages, not by venue.
    fn price_sheet(&self) -> BoxFuture<'_, Result<Option<PriceSheet>, VenueError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    /// Workers answer requests and nothing else.
    fn takes_http(&self, _: &Target) -> bool {
        true
    }

    fn unready(&self) -> Option<Arc<str>> {
        self.lockout.why().or_else(|| self.transport.unready())
    }

    fn check(&self, targets: Vec<Arc<Target>>) -> BoxFuture<'_, Vec<Step>> {
        Box::pin(async move { self.look(&targets).await })
    }
}
