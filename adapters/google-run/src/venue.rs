//! The venue itself: one attempt from payload to reply, in the order it happens.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use http_body_util::Full;
use merit_pricing::PriceSheet;
use merit_transport::tokens::Keyring;
use merit_transport::{Answer, Reach, Transport, excerpt, failure, headers, retry_after};
use merit_units::Micros;
use merit_venue::{
    Call, ConfigErrors, Discovered, ErrorKind, Limits, Measured, Outcome, Reply, Step, Target, Venue, VenueError,
};
use tokio::time::Instant;

use crate::config::{GoogleRunConfig, MAX_BODY_BYTES, MAX_DURATION};
use crate::identity::IdTokens;
use crate::meaning::{self, Meaning};
use crate::route::{Called, Routes};

/// Where a token may be besides `authorization`.
const SERVERLESS_AUTHORIZATION: HeaderName = HeaderName::from_static("x-serverless-authorization");

/// The services and functions of one project in one region of Google Cloud.
#[derive(Debug)]
pub struct GoogleRunVenue {
    pub(crate) config: GoogleRunConfig,
    pub(crate) routes: Routes,
    pub(crate) transport: Transport,
    /// One for each audience: a token is good for one service.
    keyrings: RwLock<BTreeMap<String, Arc<Keyring>>>,
    limits: Limits,
}

/// A call that may be sent.
struct Admitted {
    called: Called,
    shown: String,
    keyring: Arc<Keyring>,
    token: HeaderValue,
    ends: Instant,
}

impl GoogleRunVenue {
    /// Checks the configuration. Asks nobody for a token before the first call or [`Venue::unready`].
    ///
    /// # Errors
    /// [`ConfigErrors`] with every mistake in it.
    pub fn try_new(config: GoogleRunConfig) -> Result<Self, ConfigErrors> {
        config.check()?;
        let reach = Reach {
            connect_timeout: config.connect_timeout,
            first_byte_timeout: config.first_byte_timeout,
            max_connections: config.max_connections,
            max_idle: config.max_connections,
            idle_timeout: config.idle_timeout,
            ca_pem: config.ca_pem.clone(),
            http2: config.http2,
            unreachable_retry: config.credentials_retry,
            ..Reach::default()
        };
        let mut errors = Vec::new();
        let transport = Transport::try_new(&reach, true, &mut errors);
        ConfigErrors::check(errors)?;
        let limits = Limits {
            request_bytes: config.max_request_bytes.min(MAX_BODY_BYTES) as u64,
            reply_bytes: config.max_reply_bytes as u64,
            duration: config.whole_timeout.min(MAX_DURATION),
            in_flight: Some(config.max_connections),
        };
        Ok(Self {
            routes: Routes::new(&config),
            transport: transport.expect("invariant: no transport without a mistake"),
            keyrings: RwLock::default(),
            limits,
            config,
        })
    }

    async fn attempt(&self, call: Call) -> Result<Reply, VenueError> {
        let admitted = self.admit(&call).await?;
        let Admitted { called: Called { route, .. }, shown, ends, .. } = &admitted;
        let _place = self.transport.admit(route, *ends).await?;
        let answer = self.transport.send(route, *ends, |now| request(&call, &admitted, now)).await?;
        let meaning = match &call.http {
            None => Meaning::of(answer.head.status, &answer.head.headers),
            Some(_) => Meaning::of_http(answer.head.status, &answer.head.headers),
        };
        match meaning {
            Meaning::Success => self.receive(&call, shown, answer, *ends, false).await,
            Meaning::FunctionError => self.receive(&call, shown, answer, *ends, true).await,
            refusal => Err(Box::pin(refuse(&admitted, answer, refusal)).await),
        }
    }

    /// Everything that must be so before anything is sent.
    async fn admit(&self, call: &Call) -> Result<Admitted, VenueError> {
        let mut called = self.routes.of(&call.target)?;
        if let Some(http) = &call.http {
            called.route = called.route.below(http)?;
        }
        let shown = called.route.shown();
        let ends = self.limits.admit(call, Instant::now(), &shown)?;
        let keyring = self.keyring(&called.audience);
        let token = keyring.token(ends).await.map_err(|none| none.failure_of(&shown))?;
        Ok(Admitted { called, shown, keyring, token, ends })
    }

    /// The keyring of an audience; there are no more of them than deployments have targets.
    pub(crate) fn keyring(&self, audience: &str) -> Arc<Keyring> {
        let known = self.keyrings.read().unwrap_or_else(PoisonError::into_inner).get(audience).cloned();
        known.unwrap_or_else(|| {
            let mut keyrings = self.keyrings.write().unwrap_or_else(PoisonError::into_inner);
            let start = || {
                let tokens = IdTokens::new(self.config.credentials.clone(), audience.to_owned());
                Keyring::start(Arc::new(tokens), self.config.credentials_retry)
            };
            Arc::clone(keyrings.entry(audience.to_owned()).or_insert_with(start))
        })
    }

    /// Reads the reply of a function that ran.
    async fn receive(
        &self,
        call: &Call,
        shown: &str,
        answer: Answer,
        ends: Instant,
        failed: bool,
    ) -> Result<Reply, VenueError> {
        let Answer { head, sent, body } = answer;
        let max = self.config.max_reply_bytes;
        let (payload, done) = body
            .whole(max, ends)
            .await
            .map_err(|error| failure::without_body(shown, error, max, self.measure(sent, Instant::now(), 0)))?;
        let measured = self.measure(sent, done, payload.len());
        let function_error = failed.then(|| meaning::function_error(head.status, &head.headers, &payload));
        let content_type = head.headers.get(header::CONTENT_TYPE).cloned();
        let reply = Reply { function_error, ..Reply::plain(head.status.as_u16(), content_type, payload, measured) };
        Ok(reply.with_headers_for(call, head.headers))
    }

    /// What a call used, by the own clock: Google tells no meters. A lower bound of one microsecond keeps a
    /// round trip that is set too long from making a call free.
    fn measure(&self, sent: Instant, done: Instant, reply_bytes: usize) -> Measured {
        let elapsed = done.duration_since(sent).saturating_sub(self.config.round_trip);
        Measured::own(Micros::from_std(elapsed.max(Duration::from_micros(1))), reply_bytes)
    }
}

/// `POST`, or the method the caller sent, with the payload, the token, and what belongs to the call. To a request of plain
/// HTTP the token goes in a header of Google's own, which counts before `authorization`: that is left to the app.
///
/// Source: GoogleCloudPlatform/cloud-run-proxy, pull request 25, read 2026-11-22.
fn request(call: &Call, admitted: &Admitted, now: Instant) -> Request<Full<Bytes>> {
    let Admitted { called, token, ends, .. } = admitted;
    let mut headers = HeaderMap::with_capacity(10);
    let name = if call.http.is_some() { SERVERLESS_AUTHORIZATION } else { header::AUTHORIZATION };
    headers.insert(name, token.clone());
    headers.insert(header::USER_AGENT, headers::USER_AGENT);
    headers::of_call(call, *ends, now, &mut headers);
    headers::beneath(call, &mut headers);
    called.route.request(call.method(), headers, call.payload.clone())
}

/// The error of an answer that is not the function's; a token it refuses is not sent again.
async fn refuse(admitted: &Admitted, answer: Answer, meaning: Meaning) -> VenueError {
    let Answer { head, body, .. } = answer;
    let said = body.excerpt().await.map_or(String::new(), |said| excerpt(&head.headers, &said));
    let (shown, status) = (&admitted.shown, head.status);
    let message = format!("`{shown}` answered {status}{said}{}", meaning.hint(status));
    let (outcome, kind) = match meaning {
        Meaning::Refusal(outcome, kind) => (outcome, kind),
        _ => (Outcome::NotStarted, ErrorKind::BadCredentials),
    };
    if meaning == Meaning::TokenRefused {
        admitted.keyring.refused(&admitted.token, &message);
    }
    VenueError::new(outcome, kind, message).with_retry_after(retry_after(&head.headers))
}

impl Venue for GoogleRunVenue {
    fn kind(&self) -> &'static str {
        "google-run"
    }

    fn invoke(&self, call: Call) -> BoxFuture<'_, Result<Reply, VenueError>> {
        Box::pin(self.attempt(call))
    }

    fn discover(&self) -> BoxFuture<'_, Result<Option<Vec<Discovered>>, VenueError>> {
        Box::pin(self.list())
    }

    /// Google publishes its prices for all regions at once, not by venue.
    fn price_sheet(&self) -> BoxFuture<'_, Result<Option<PriceSheet>, VenueError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    /// Services and HTTP functions are apps behind URLs.
    fn takes_http(&self, _: &Target) -> bool {
        true
    }

    /// A service whose token is refused is that service's affair; the venue is unready when no service has one, or none
    /// can be reached.
    fn unready(&self) -> Option<Arc<str>> {
        let keyrings = self.keyrings.read().unwrap_or_else(PoisonError::into_inner);
        Keyring::none_ready(keyrings.values()).or_else(|| self.transport.unready())
    }

    fn check(&self, targets: Vec<Arc<Target>>) -> BoxFuture<'_, Vec<Step>> {
        Box::pin(async move { self.look(&targets).await })
    }
}
