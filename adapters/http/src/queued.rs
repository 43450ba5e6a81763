//! A call by the queue of OpenFaaS: the gateway takes it at once, and its queue worker brings the reply to Merit's door.
//!
//! | what happens | outcome |
//! |---|---|
//! | the gateway answers 202 | it will run; the reply is waited for |
//! | the gateway answers 500: its queue failed | `Unknown`: the queue may have it all the same |
//! | the gateway answers otherwise | as the status says, and never that it ran |
//! | the reply's `X-Function-Status` is 2xx, 500, or 4xx not named in `status` | it ran |
//! | 404 in the gateway's own words | `NotStarted`: there is no such function |
//! | what the platform says it answered itself | as `preset::gateway` says |
//! | any other status | `Unknown`: the gateway's and the function's can't be told apart |
//! | no reply before time runs out | `Unknown` |
//!
//! Source: openfaas/nats-queue-worker and openfaas/faas, `main.go` and `queue_proxy.go`, read 2026-11-22.
//!
//! Known limitations: the queue worker of the community edition brings each reply once and, when it can't, drops it. A
//! worker that repeats what failed makes a function run more often than it is charged here.

use http::{HeaderName, HeaderValue, StatusCode};
use merit_transport::{Answer, Route, failure};
use merit_units::Micros;
use merit_venue::{Call, ErrorKind, Measured, Meters, Outcome, Reply, Step, VenueError};
use tokio::time::{Instant, timeout_at};

use crate::callbacks::{Callback, CallbackDoor};
use crate::meters;
use crate::preset::UNKNOWN_FUNCTION;
use crate::request;
use crate::status::{self, Meaning};
use crate::venue::{HttpVenue, Signed};

const CALLBACK_URL: HeaderName = HeaderName::from_static("x-callback-url");
const FUNCTION_STATUS: HeaderName = HeaderName::from_static("x-function-status");

const NO_DOOR: &str = "its reply would be brought to Merit, which has no door for it: set server.callback_url";

/// A call that the gateway has taken.
#[derive(Clone, Copy, Debug)]
struct Taken<'r> {
    route: &'r Route,
    sent: Instant,
}

impl HttpVenue {
    /// Whether replies can be brought, as far as can be told without one.
    pub(crate) fn callback_step(&self) -> Step {
        const NAME: &str = "callbacks";
        match &self.callbacks {
            None => {
                Step::failed(NAME, NO_DOOR, "set server.callback_url to where the gateway's queue worker reaches Merit")
            }
            Some(door) => Step::none(NAME, format!("they come to {}; only a call shows whether they do", door.url)),
        }
    }

    /// One attempt by the queue.
    pub(crate) async fn attempt_queued(&self, call: Call) -> Result<Reply, VenueError> {
        let (route, ends) = self.prepare(&call)?;
        let Some(CallbackDoor { url, callbacks }) = &self.callbacks else {
            let message = format!("`{}` can't be called: {NO_DOOR}", route.shown());
            return Err(VenueError::not_started(ErrorKind::Misconfigured, message));
        };
        let mut expected = callbacks.expect(self.max_reply_bytes).map_err(|full| {
            let message = format!("{} calls wait for a callback already: raise server.max_callbacks", full.0);
            VenueError::not_started(ErrorKind::Throttled, message)
        })?;
        let place = format!("{url}{}", expected.token());
        let place = HeaderValue::from_str(&place).map_err(|_| {
            VenueError::not_started(ErrorKind::Misconfigured, "server.callback_url is no text that a header holds")
        })?;
        let sent = self.submit(&call, &route, &place, ends).await?;
        let taken = Taken { route: &route, sent };
        match timeout_at(ends, expected.received()).await {
            Ok(Callback::Whole { headers, body }) => self.read_callback(taken, headers, body),
            Ok(Callback::TooLarge) => {
                let Measured { usage, basis } = Measured::own(Micros::from_std(sent.elapsed()), 0);
                let (shown, max) = (route.shown(), self.max_reply_bytes);
                let message = format!("`{shown}` sent more than the {max} bytes allowed: raise `max_reply_bytes`");
                Err(VenueError::ran(ErrorKind::ReplyTooLarge, message, usage, basis))
            }
            Err(_) => {
                let doing = "waiting for the callback of";
                Err(failure::timed_out(Outcome::Unknown, doing, &route.shown(), sent.elapsed()))
            }
        }
    }

    /// Puts the call into the queue; when it was sent.
    async fn submit(
        &self,
        call: &Call,
        route: &Route,
        callback: &HeaderValue,
        ends: Instant,
    ) -> Result<Instant, VenueError> {
        let _place = self.transport.admit(route, ends).await?;
        let build = |now| {
            let mut request = request::invoke(call, route, &self.headers, ends, now, None, self.preset.as_ref());
            request.headers_mut().insert(CALLBACK_URL, callback.clone());
            request
        };
        let answer = self.transport.send(route, ends, build).await?;
        let (status, sent) = (answer.head.status, answer.sent);
        if status == StatusCode::ACCEPTED {
            // The connection is used again.
            let Answer { body, .. } = answer;
            drop(body.excerpt().await);
            return Ok(sent);
        }
        let (outcome, kind) = match Meaning::of(status, &answer.head.headers, Meters::OwnClock) {
            Meaning::Refusal(outcome, kind) => (outcome, kind),
            Meaning::FunctionError if status.is_client_error() => (Outcome::NotStarted, ErrorKind::Misconfigured),
            Meaning::FunctionError => (Outcome::Unknown, ErrorKind::Unavailable),
            Meaning::Success => (Outcome::Unknown, ErrorKind::MalformedReply),
        };
        let error = Box::pin(self.refusal(route, Signed { answer, id: None }, outcome, kind)).await;
        // No function has answered yet.
        Err(if kind == ErrorKind::BadCredentials { self.locked_out(error) } else { error })
    }

    /// The reply that was brought.
    fn read_callback(
        &self,
        taken: Taken<'_>,
        mut headers: http::HeaderMap,
        payload: bytes::Bytes,
    ) -> Result<Reply, VenueError> {
        let shown = taken.route.shown();
        let told = headers.get(FUNCTION_STATUS).and_then(|status| StatusCode::from_bytes(status.as_bytes()).ok());
        let Some(status) = told else {
            let message = format!("the callback of `{shown}` has no X-Function-Status");
            return Err(VenueError::unknown(ErrorKind::MalformedReply, message));
        };
        let preset = self.preset.as_ref();
        let failed = match Meaning::at(preset, status, &headers, Meters::OwnClock) {
            Meaning::Success => false,
            Meaning::FunctionError => true,
            Meaning::Refusal(_, kind) => {
                let told = preset.and_then(|preset| preset.meaning(status, &headers));
                let outcome = match told {
                    Some(Meaning::Refusal(outcome, _)) => {
                        preset.map_or(outcome, |preset| preset.outcome(outcome, &headers, &payload))
                    }
                    _ if status == StatusCode::NOT_FOUND && payload.starts_with(UNKNOWN_FUNCTION) => {
                        Outcome::NotStarted
                    }
                    _ => Outcome::Unknown,
                };
                let said = merit_transport::excerpt(&headers, &payload);
                let message = format!("`{shown}` was called by the queue, and answered {status}{said}");
                return Err(VenueError::new(outcome, kind, message));
            }
        };
        self.preset.iter().for_each(|preset| preset.translate(&mut headers, self.meters));
        let elapsed = Micros::from_std(taken.sent.elapsed());
        let measured = meters::measure(&headers, self.meters, elapsed, payload.len());
        let function_error = failed.then(|| status::function_error(status, &headers, &payload));
        Ok(Reply { function_error, ..meters::reply(status, &headers, payload, measured) })
    }
}
