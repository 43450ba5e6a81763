//! The venue itself: one attempt from payload to reply, in the order it happens.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, response};
use http_body_util::Full;
use merit_cloud_wire::scf::{self, Answer as ScfAnswer, CallResult, Invoke, InvokeFunction, Invoked, Status};
use merit_cloud_wire::tc3::{self, Signer};
use merit_pricing::PriceSheet;
use merit_transport::{Answer, Arriving, Route, Transport, excerpt, failure, retry_after};
use merit_units::{Micros, Timestamp};
use merit_venue::{
    Call, ConfigErrors, Discovered, ErrorKind, Limits, Lockout, Measured, Outcome, Reply, Step, Target, Venue,
    VenueError,
};
use serde::Serialize;
use tokio::time::Instant;

use crate::config::{Action, Checked, MAX_BODY_BYTES, ScfConfig};
use crate::meaning::{self, Meaning, OfStatus};
use crate::target::Called;
use crate::{event, reply, target};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What an answer has around the function's reply, in bytes: the other fields, and a log of 4 KB in JSON.
const AROUND_BYTES: usize = 64 * 1024;

/// What stands for the want of keys.
pub(crate) const NO_KEYS: &str = "it has no access key: give it [venues.NAME.credentials], or set TENCENTCLOUD_SECRET_ID and \
                       TENCENTCLOUD_SECRET_KEY";

/// The functions of one account in one region of SCF.
#[derive(Debug)]
pub struct ScfVenue {
    pub(crate) transport: Transport,
    pub(crate) route: Route,
    pub(crate) lockout: Lockout,
    pub(crate) config: ScfConfig,
    signer: Option<Signer>,
    region: HeaderValue,
    limits: Limits,
}

impl ScfVenue {
    /// Checks the configuration. Connects to nothing.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every mistake in it.
    ///
    /// # Panics
    /// Never: what is expected was checked.
    pub fn try_new(config: ScfConfig) -> Result<Self, ConfigErrors> {
        let Checked { origin, path, transport, signer } = config.check()?;
        let path = PathAndQuery::try_from(path).expect("invariant: it was a URL's");
        let limits = Limits {
            request_bytes: config.max_request_bytes.min(MAX_BODY_BYTES) as u64,
            reply_bytes: config.max_reply_bytes as u64,
            duration: config.whole_timeout,
            in_flight: Some(config.reach.max_connections),
        };
        let region = HeaderValue::from_str(&config.region).expect("invariant: a region is text");
        let lockout = Lockout::new(config.credentials_retry);
        Ok(Self { transport, route: Route::new(&origin, path), lockout, config, signer, region, limits })
    }

    pub(crate) async fn attempt(&self, call: Call) -> Result<Reply, VenueError> {
        let begun = Instant::now();
        let called = target::called(&call.target)?;
        let shown = format!("{} in {}", call.target, self.config.region);
        let ends = self.limits.admit(&call, begun, &shown)?;
        self.lockout.check(&shown)?;
        let event = event::of(&call, self.config.events)?;
        let (action, body) = self.body(&called, &event, call.wants_tail());
        let _place = self.transport.admit(&self.route, ends).await?;
        let answer = self.transport.send(&self.route, ends, |_| self.request(action, body.clone())).await?;
        self.receive(&call, &shown, answer, ends).await
    }

    pub(crate) const fn has_keys(&self) -> bool {
        self.signer.is_some()
    }

    /// The action and its body.
    fn body(&self, called: &Called<'_>, event: &str, log: bool) -> (&'static str, Bytes) {
        let (function_name, qualifier) = (called.function.into(), called.qualifier.map(Into::into));
        let (namespace, log_type) = (called.namespace.map(Into::into), log.then(|| "Tail".into()));
        match self.config.action {
            Action::InvokeFunction => {
                let event = Some(event.into());
                let request =
                    InvokeFunction { function_name, qualifier, event, log_type, namespace, routing_key: None };
                (scf::INVOKE_FUNCTION, json(&request))
            }
            Action::Invoke => {
                let client_context = Some(event.into());
                let invocation_type = Some("RequestResponse".into());
                let request = Invoke {
                    function_name,
                    invocation_type,
                    qualifier,
                    client_context,
                    log_type,
                    namespace,
                    routing_key: None,
                };
                (scf::INVOKE, json(&request))
            }
        }
    }

    /// A signed request of an action.
    pub(crate) fn request(&self, action: &'static str, body: Bytes) -> Request<Full<Bytes>> {
        let mut headers = HeaderMap::with_capacity(12);
        headers.insert(HOST, self.route.host.clone());
        headers.insert(CONTENT_TYPE, JSON);
        if let Some(signer) = &self.signer {
            let now = Timestamp::from_micros((self.config.clock)().saturating_mul(1_000_000));
            let signed = signer.sign(&Method::POST, self.route.uri.path(), None, &mut headers, &body, now);
            signed.expect("invariant: both signed headers are there, and text");
        }
        headers.insert(HeaderName::from_static(tc3::ACTION), HeaderValue::from_static(action));
        headers.insert(HeaderName::from_static(tc3::VERSION), HeaderValue::from_static(scf::VERSION));
        headers.insert(HeaderName::from_static(tc3::REGION), self.region.clone());
        headers.insert(USER_AGENT, merit_transport::headers::USER_AGENT);
        self.route.request(Method::POST, headers, body)
    }

    /// Reads an answer. Whether the function ran stands in its body, so that without the body nobody knows.
    async fn receive(&self, call: &Call, shown: &str, answer: Answer, ends: Instant) -> Result<Reply, VenueError> {
        let Answer { head, sent, body } = answer;
        if head.status != StatusCode::OK {
            return Err(Box::pin(self.refused_before(shown, head, body)).await);
        }
        let elapsed = |at: Instant| Micros::from_std(at.duration_since(sent));
        // The reply is a text within JSON, where each of its bytes takes six at most.
        let max = self.config.max_reply_bytes.saturating_mul(6).saturating_add(AROUND_BYTES);
        let (text, done) = match body.whole(max, ends).await {
            Ok(read) => read,
            Err(error) => return Err(doubtful(failure::without_body(shown, error, max, own(elapsed(Instant::now()))))),
        };
        let answer: ScfAnswer<Invoked> = serde_json::from_slice(&text).map_err(|error| {
            let message = format!("`{shown}` was answered with something that is not of SCF: {error}");
            VenueError::unknown(ErrorKind::MalformedReply, message)
        })?;
        match (answer.response.error, answer.response.done) {
            (Some(error), _) => Err(self.refusal(shown, &error)),
            (None, Some(Invoked { result })) => self.reply(call, shown, result, elapsed(done)),
            (None, None) => {
                let message = format!("`{shown}` was answered with neither a result nor an error");
                Err(VenueError::unknown(ErrorKind::MalformedReply, message))
            }
        }
    }

    /// The reply of a call that was taken, or its failure.
    fn reply(&self, call: &Call, shown: &str, mut result: CallResult, elapsed: Micros) -> Result<Reply, VenueError> {
        let (ret_msg, failure) = (std::mem::take(&mut result.ret_msg), result.failure());
        let err_msg = std::mem::take(&mut result.err_msg);
        let measure = |bytes| reply::measure(&result, self.config.meters, elapsed, bytes);
        let tail = Some(&result.log).filter(|log| call.wants_tail() && !log.is_empty()).map(|log| end_of(log));
        let returned = match failure {
            None => event::returned(ret_msg, self.config.events),
            Some((status, said)) => match meaning::of_status(status) {
                OfStatus::Failure(meaning) => return Err(self.failed(shown, status, &said, meaning, measure(0))),
                OfStatus::FunctionError => Some(event::Returned {
                    payload: err_msg.into(),
                    content_type: None,
                    status: 200,
                    function_error: Some(reply::function_error(status, said)),
                }),
            },
        };
        let Some(returned) = returned else {
            let Measured { usage, basis } = measure(0);
            let message = format!(
                "`{shown}` returned no integrated response: write its function so, or set `events = \"json\"` at the venue"
            );
            return Err(VenueError::ran(ErrorKind::MalformedReply, message, usage, basis));
        };
        let (bytes, max) = (returned.payload.len(), self.config.max_reply_bytes);
        let measured = measure(bytes);
        if bytes > max {
            let message = format!("`{shown}` sent {bytes} bytes, more than the {max} allowed: raise `max_reply_bytes`");
            return Err(VenueError::ran(ErrorKind::ReplyTooLarge, message, measured.usage, measured.basis));
        }
        let plain = Reply::plain(returned.status, returned.content_type, returned.payload, measured);
        Ok(Reply { function_error: returned.function_error, log_tail: tail, ..plain })
    }

    fn failed(&self, shown: &str, status: Status, said: &scf::ErrMsg, meaning: Meaning, used: Measured) -> VenueError {
        let words = said.error_message.as_deref().unwrap_or_default();
        let message = format!("`{shown}` ended with {} {}{}", status.number(), status.name(), line(words));
        let mut error = self.noted(meaning, message);
        if error.outcome == Outcome::Ran {
            (error.usage, error.meters) = (Some(used.usage), used.basis);
        }
        error
    }

    /// A refusal of the API.
    pub(crate) fn refusal(&self, shown: &str, error: &scf::ApiError) -> VenueError {
        let message = format!("`{shown}` was refused: {}{}", error.code, line(&error.message));
        self.noted(meaning::of_code(&error.code), message)
    }

    fn noted(&self, meaning: Meaning, mut message: String) -> VenueError {
        let Meaning { outcome, kind, concerns_all, hint } = meaning;
        if !hint.is_empty() {
            message.push_str(": ");
            message.push_str(hint);
        }
        let error = VenueError::new(outcome, kind, message);
        if concerns_all {
            self.lockout.note(&error);
        }
        error
    }

    /// An answer of something that stands before SCF.
    pub(crate) async fn refused_before(&self, shown: &str, head: response::Parts, body: Arriving) -> VenueError {
        let said = body.excerpt().await.unwrap_or_default();
        let Meaning { outcome, kind, .. } = meaning::of_http(head.status.as_u16());
        let message = format!("`{shown}` was answered {}{}", head.status.as_u16(), excerpt(&head.headers, &said));
        VenueError::new(outcome, kind, message).with_retry_after(retry_after(&head.headers))
    }
}

fn json(request: &impl Serialize) -> Bytes {
    serde_json::to_vec(request).expect("invariant: texts are JSON").into()
}

fn own(elapsed: Micros) -> Measured {
    Measured::own(elapsed, 0)
}

/// Without its body an answer does not tell whether the function ran.
fn doubtful(error: VenueError) -> VenueError {
    let ran = error.kind == ErrorKind::ReplyTooLarge;
    if ran { error } else { VenueError { outcome: Outcome::Unknown, usage: None, ..error } }
}

/// The first line of a text, to end a message.
fn line(text: &str) -> String {
    let line: String = text.lines().next().unwrap_or_default().chars().take(300).collect();
    if line.is_empty() { String::new() } else { format!(": {line}") }
}

/// The end of a log, at most 4 KB, from the begin of a character.
fn end_of(log: &str) -> Bytes {
    let from = log.ceil_char_boundary(log.len().saturating_sub(4096));
    Bytes::copy_from_slice(&log.as_bytes()[from..])
}

impl Venue for ScfVenue {
    fn kind(&self) -> &'static str {
        "tencent-scf"
    }

    fn invoke(&self, call: Call) -> BoxFuture<'_, Result<Reply, VenueError>> {
        if !self.has_keys() {
            let message = format!("`{}` can't be called: {NO_KEYS}", call.target);
            let error = VenueError::not_started(ErrorKind::BadCredentials, message);
            return Box::pin(std::future::ready(Err(error)));
        }
        Box::pin(self.attempt(call))
    }

    fn discover(&self) -> BoxFuture<'_, Result<Option<Vec<Discovered>>, VenueError>> {
        Box::pin(async move { self.list().await.map(Some) })
    }

    /// Tencent Cloud publishes its prices on pages, not by venue.
    fn price_sheet(&self) -> BoxFuture<'_, Result<Option<PriceSheet>, VenueError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn unready(&self) -> Option<Arc<str>> {
        let stands = || self.lockout.why().or_else(|| self.transport.unready());
        if self.has_keys() { stands() } else { Some(Arc::from(NO_KEYS)) }
    }

    fn check(&self, targets: Vec<Arc<Target>>) -> BoxFuture<'_, Vec<Step>> {
        Box::pin(async move { self.look(&targets).await })
    }
}
