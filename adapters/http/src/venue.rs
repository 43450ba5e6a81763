//! The venue itself: one attempt from payload to reply, in the order it happens.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode, response};
use merit_pricing::PriceSheet;
use merit_transport::{Answer, Route, Transport, Unread, excerpt, failure, retry_after};
use merit_units::Micros;
use merit_venue::{
    Call, ConfigErrors, Discovered, ErrorKind, Limits, Lockout, Meters, Outcome, Reply, Step, Streamed, Target, Venue,
    VenueError,
};
use tokio::time::Instant;

use crate::callbacks::CallbackDoor;
use crate::config::HttpConfig;
use crate::preset::Preset;
use crate::route::Routes;
use crate::signature::{BadSignature, Signing};
use crate::status::{self, Meaning};
use crate::streaming::Arriving;
use crate::{meters, request};

/// The largest price sheet a venue may publish, in bytes; the longest of the built-in catalogue has 30 KB.
const SHEET_BYTES: usize = 256 * 1024;

/// What to do about credentials that were refused.
const MEND: &str = "check [venues.NAME.headers], and what the gateway takes";

/// For a list of functions.
const LOOK: Duration = Duration::from_secs(20);

/// A venue whose functions are reached by plain HTTP.
#[derive(Debug)]
pub struct HttpVenue {
    routes: Routes,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) transport: Transport,
    limits: Limits,
    pub(crate) max_reply_bytes: usize,
    max_streamed_bytes: usize,
    pub(crate) meters: Meters,
    signing: Option<Signing>,
    price_sheet_path: Option<String>,
    base_url: String,
    pub(crate) lockout: Lockout,
    gateway_checks: bool,
    pub(crate) preset: Option<Preset>,
    pub(crate) callbacks: Option<CallbackDoor>,
}

/// An answer, and what its request was signed as, if it was.
pub(crate) struct Signed {
    pub(crate) answer: Answer,
    pub(crate) id: Option<String>,
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
        config.preset.iter().for_each(|preset| preset.check(&mut errors));
        let tls =
            routes.as_ref().is_some_and(Routes::may_need_tls) || config.preset.as_ref().is_some_and(Preset::needs_tls);
        let transport = Transport::try_new(&config.reach(), tls, &mut errors);
        ConfigErrors::check(errors)?;
        Ok(Self {
            routes: routes.expect("invariant: no route without a mistake"),
            headers,
            transport: transport.expect("invariant: no transport without a mistake"),
            limits: Limits {
                request_bytes: config.max_request_bytes as u64,
                reply_bytes: config.max_reply_bytes as u64,
                duration: config.whole_timeout,
                in_flight: Some(config.max_connections),
            },
            max_reply_bytes: config.max_reply_bytes,
            max_streamed_bytes: config.max_streamed_bytes,
            meters: config.meters,
            signing: config.signing,
            price_sheet_path: config.price_sheet_path,
            lockout: Lockout::new(config.credentials_retry),
            gateway_checks: config.gateway_checks_credentials,
            base_url: config.base_url,
            preset: config.preset,
            callbacks: config.callbacks,
        })
    }

    async fn attempt(&self, call: Call) -> Result<Reply, VenueError> {
        if self.is_queued(&call.target) {
            return Box::pin(self.attempt_queued(call)).await;
        }
        let (route, ends) = self.prepare(&call)?;
        let _place = self.transport.admit(&route, ends).await?;
        let (answer, failed) = self.answer_to(&call, &route, ends).await?;
        self.receive(&call, &route, answer, ends, failed).await
    }

    async fn attempt_streamed(&self, call: Call) -> Result<Streamed, VenueError> {
        if self.signing.is_some() || self.is_queued(&call.target) {
            // Nothing is passed on before its signature was checked, which is over all of it.
            return self.attempt(call).await.map(Streamed::whole);
        }
        let (route, ends) = self.prepare(&call)?;
        let place = self.transport.admit_owned(&route, ends).await?;
        let (answer, failed) = self.answer_to(&call, &route, ends).await?;
        if failed {
            return self.receive(&call, &route, answer, ends, failed).await.map(Streamed::whole);
        }
        let Answer { head, body, sent } = answer.answer;
        let (max, meters) = (self.max_streamed_bytes, self.meters);
        Ok(Arriving { head, body, route, place, sent, ends, max, meters }.into_streamed())
    }

    /// Whether calls of that target go by a platform's queue.
    fn is_queued(&self, target: &Target) -> bool {
        target.uri().is_none() && self.preset.as_ref().is_some_and(|preset| preset.queued(target.as_str()).is_some())
    }

    /// Checks a call; where it goes, and until when.
    pub(crate) fn prepare(&self, call: &Call) -> Result<(Route, Instant), VenueError> {
        let begun = Instant::now();
        let route = self.routes.of(&call.target, &call.function)?;
        let route = match &call.http {
            None => route,
            Some(http) => route.below(http)?,
        };
        let ends = self.limits.admit(call, begun, &route)?;
        self.lockout.check(&route)?;
        Ok((route, ends))
    }

    /// Sends the call; the head of the function's reply, and whether it reports an error.
    async fn answer_to(&self, call: &Call, route: &Route, ends: Instant) -> Result<(Signed, bool), VenueError> {
        let id = self.signing.as_ref().map(|_| Signing::id(call));
        let signed = self.signing.as_ref().zip(id.as_deref());
        let preset = self.preset.as_ref();
        let build = |sent| request::invoke(call, route, &self.headers, ends, sent, signed, preset);
        let mut answer = self.transport.send(route, ends, build).await?;
        if let Some(preset) = preset {
            preset.translate(&mut answer.head.headers, self.meters);
        }
        let answer = Signed { answer, id };
        let Answer { head, .. } = &answer.answer;
        let meaning = match &call.http {
            None => Meaning::at(preset, head.status, &head.headers, self.meters),
            Some(_) => self.meaning_of_http(head),
        };
        match meaning {
            Meaning::Success => Ok((answer, false)),
            Meaning::FunctionError => Ok((answer, true)),
            Meaning::Refusal(outcome, kind) => {
                let all = status::refuses_all(head.status, self.gateway_checks, preset, &head.headers);
                let error = Box::pin(self.refusal(route, answer, outcome, kind)).await;
                Err(if all { self.locked_out(error) } else { error })
            }
        }
    }

    /// What an answer to a request of plain HTTP means.
    #[cold]
    fn meaning_of_http(&self, head: &response::Parts) -> Meaning {
        let refuses_all = status::refuses_all(head.status, self.gateway_checks, self.preset.as_ref(), &head.headers);
        if refuses_all || self.preset.as_ref().is_some_and(|preset| preset.refused_before(&head.headers)) {
            return Meaning::of(head.status, &head.headers, self.meters);
        }
        Meaning::of_http(self.preset.as_ref(), head.status, &head.headers, self.meters)
    }

    /// Reads the reply of a function that ran.
    async fn receive(
        &self,
        call: &Call,
        route: &Route,
        signed: Signed,
        ends: Instant,
        failed: bool,
    ) -> Result<Reply, VenueError> {
        let Signed { answer: Answer { head, sent, body }, id } = signed;
        let measure = |done: Instant, bytes| {
            meters::measure(&head.headers, self.meters, Micros::from_std(done.duration_since(sent)), bytes)
        };
        let read = body.whole(self.max_reply_bytes, ends).await;
        let (payload, done) = read.map_err(|error| {
            failure::without_body(&route.shown(), error, self.max_reply_bytes, measure(Instant::now(), 0))
        })?;
        if let Err(why) = self.check_signature(id.as_deref(), &payload, &head.headers) {
            let message = format!("the reply of `{}` is not signed as it must be: {why}", route.shown());
            return Err(VenueError::unknown(ErrorKind::UnsignedReply, message));
        }
        let measured = measure(done, payload.len());
        let function_error = failed.then(|| status::function_error(head.status, &head.headers, &payload));
        let reply = Reply { function_error, ..meters::reply(head.status, &head.headers, payload, measured) };
        Ok(reply.with_headers_for(call, head.headers))
    }

    /// The error of an answer that is not the function's.
    pub(crate) async fn refusal(&self, route: &Route, signed: Signed, outcome: Outcome, kind: ErrorKind) -> VenueError {
        let Signed { answer: Answer { head, body, .. }, id } = signed;
        let said = body.excerpt().await;
        let believed = match &said {
            Some(said) => self.check_signature(id.as_deref(), said, &head.headers).is_ok(),
            None => self.signing.is_none(),
        };
        // Without a signature anybody could have said so.
        let outcome = match (&self.preset, &said) {
            _ if !believed => Outcome::Unknown,
            (Some(preset), Some(said)) => preset.outcome(outcome, &head.headers, said),
            _ => outcome,
        };
        let said = said.map_or(String::new(), |said| excerpt(&head.headers, &said));
        let message = format!("`{}` answered {}{}{said}", route.shown(), head.status, hint(&head));
        VenueError::new(outcome, kind, message).with_retry_after(retry_after(&head.headers))
    }

    /// Takes note of credentials that a gateway refused, which every other call would meet too.
    pub(crate) fn locked_out(&self, error: VenueError) -> VenueError {
        let message = format!("{}: {MEND}", error.message);
        let error = VenueError { message, ..error };
        // Without a signature that was believed, anybody could have said so.
        if error.outcome == Outcome::NotStarted {
            self.lockout.note(&error);
        }
        error
    }

    /// Nothing is wrong where calls are not signed.
    fn check_signature(&self, id: Option<&str>, body: &[u8], headers: &HeaderMap) -> Result<(), BadSignature> {
        self.signing.as_ref().zip(id).map_or(Ok(()), |(signing, id)| signing.check(id, body, headers))
    }

    /// The servers of the targets, step by step, and what can be told without a call.
    async fn look(&self, targets: &[Arc<Target>]) -> Vec<Step> {
        let mut steps = Vec::new();
        if !self.transport.look(self.routes.origins(targets), &mut steps).await {
            return steps;
        }
        if let Some(preset) = &self.preset {
            steps.push(preset.look(&self.base_url, &self.transport, Instant::now() + LOOK, targets).await);
        }
        if targets.iter().any(|target| self.is_queued(target)) {
            steps.push(self.callback_step());
        }
        let sent = self.headers.len().saturating_sub(1);
        let told =
            if self.signing.is_some() { "calls are signed".to_owned() } else { format!("{sent} headers are sent") };
        steps.push(match self.lockout.why() {
            Some(why) => Step::failed("credentials", &*why, "mend what it names, and look again"),
            None => Step::none("credentials", format!("{told}; only a call shows whether they are taken")),
        });
        steps.push(Step::no_dry_run("HTTP has none"));
        steps
    }

    async fn fetch_sheet(&self) -> Result<Option<PriceSheet>, VenueError> {
        let Some(path) = &self.price_sheet_path else { return Ok(None) };
        let route = self.routes.below_base(path, None)?;
        let ends = Instant::now() + self.limits.duration;
        let _place = self.transport.admit(&route, ends).await?;
        let answer = self.transport.send(&route, ends, |_| request::get(&route, &self.headers)).await?;
        if answer.head.status != StatusCode::OK {
            let kind = match Meaning::of(answer.head.status, &answer.head.headers, Meters::OwnClock) {
                Meaning::Refusal(_, kind) => kind,
                _ => ErrorKind::MalformedReply,
            };
            return Err(self.refusal(&route, Signed { answer, id: None }, Outcome::NotStarted, kind).await);
        }
        let malformed = |why: String| {
            let message = format!("`{}` is not a price sheet: {why}", route.shown());
            VenueError::not_started(ErrorKind::MalformedReply, message)
        };
        let (body, _) = answer.body.whole(SHEET_BYTES, ends).await.map_err(|error| match error {
            Unread::Late => malformed("it did not come in time".to_owned()),
            _ => malformed(format!("it was cut off, or is larger than {SHEET_BYTES} bytes")),
        })?;
        let text = std::str::from_utf8(&body).map_err(|error| malformed(error.to_string()))?;
        PriceSheet::parse_toml(text).map(Some).map_err(|errors| malformed(errors.to_string()))
    }
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

    /// Plain HTTP has no way to list functions; a platform that is known by name may have one.
    fn discover(&self) -> BoxFuture<'_, Result<Option<Vec<Discovered>>, VenueError>> {
        Box::pin(async move {
            let Some(preset) = &self.preset else { return Ok(None) };
            preset.discover(&self.base_url, &self.transport, Instant::now() + LOOK).await
        })
    }

    fn check(&self, targets: Vec<Arc<Target>>) -> BoxFuture<'_, Vec<Step>> {
        Box::pin(async move { self.look(&targets).await })
    }

    fn price_sheet(&self) -> BoxFuture<'_, Result<Option<PriceSheet>, VenueError>> {
        Box::pin(self.fetch_sheet())
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    /// A signature is over the payload alone, and a queue takes nothing but that.
    fn takes_http(&self, target: &Target) -> bool {
        self.signing.is_none() && !self.is_queued(target)
    }

    fn unready(&self) -> Option<Arc<str>> {
        self.lockout.why().or_else(|| self.transport.unready())
    }
}
