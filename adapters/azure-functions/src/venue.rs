//! The venue itself: one attempt from payload to reply, in the order it happens.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::Full;
use merit_pricing::{PriceSheet, Usage};
use merit_transport::tokens::Keyring;
use merit_transport::{Answer, Reach, Route, Transport, excerpt, failure, headers, retry_after};
use merit_units::Micros;
use merit_venue::{
    Call, ConfigErrors, Discovered, ErrorKind, Limits, Measured, Outcome, Reply, Step, Target, Venue, VenueError,
};
use tokio::time::Instant;

use crate::config::{AzureConfig, LOAD_BALANCER_CUT, MAX_BODY_BYTES, MAX_DURATION};
use crate::identity::{EntraTokens, FunctionKey};
use crate::meaning::{self, Meaning};
use crate::poll;
use crate::route::{Routes, app_of};

const FUNCTIONS_KEY: HeaderName = HeaderName::from_static("x-functions-key");

/// What Resource Manager's tokens are for.
const ARM_SCOPE: &str = "https://management.azure.com/.default";

/// The function apps of one subscription in one region.
#[derive(Debug)]
pub struct AzureVenue {
    pub(crate) config: AzureConfig,
    pub(crate) routes: Routes,
    pub(crate) transport: Transport,
    /// The key of apps that have none of their own.
    key: Option<Arc<Keyring>>,
    app_keys: BTreeMap<String, Arc<Keyring>>,
    token: Option<Arc<Keyring>>,
    pub(crate) arm_token: Option<Arc<Keyring>>,
    limits: Limits,
}

/// What proves who calls, and where it is from.
#[derive(Clone, Debug)]
pub(crate) struct Proof {
    keyring: Arc<Keyring>,
    value: HeaderValue,
}

/// A call that may be sent.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) route: Route,
    pub(crate) shown: String,
    key: Option<Proof>,
    token: Option<Proof>,
    pub(crate) ends: Instant,
}

impl AzureVenue {
    /// Checks the configuration, and begins to fetch a token where one is needed. Waits for nothing on the network.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every mistake in it.
    pub fn try_new(config: AzureConfig) -> Result<Self, ConfigErrors> {
        config.check()?;
        let reach = Reach {
            connect_timeout: config.connect_timeout,
            first_byte_timeout: config.first_byte_timeout.min(LOAD_BALANCER_CUT + Duration::from_secs(5)),
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
        let retry = config.credentials_retry;
        let key = |key: &String| Keyring::start(Arc::new(FunctionKey(key.clone())), retry);
        let token = |scope: &str| {
            let entra = config.entra.clone()?;
            Some(Keyring::start(Arc::new(EntraTokens::new(entra, scope.to_owned())), retry))
        };
        let listed = config.subscription.is_some() && config.resource_group.is_some();
        Ok(Self {
            routes: Routes::new(&config),
            transport: transport.expect("invariant: no transport without a mistake"),
            key: config.function_key.as_ref().map(key),
            app_keys: config.app_keys.iter().map(|(app, of_app)| (app.clone(), key(of_app))).collect(),
            token: config.entra.as_ref().and_then(|entra| token(entra.scope.as_deref()?)),
            arm_token: if listed { token(ARM_SCOPE) } else { None },
            limits: Limits {
                request_bytes: config.max_request_bytes.min(MAX_BODY_BYTES) as u64,
                reply_bytes: config.max_reply_bytes as u64,
                duration: config.whole_timeout.min(MAX_DURATION),
                in_flight: Some(config.max_connections),
            },
            config,
        })
    }

    async fn attempt(&self, call: Call) -> Result<Reply, VenueError> {
        let admitted = self.admit(&call).await?;
        let place = self.transport.admit(&admitted.route, admitted.ends).await?;
        let build = |now| request(&call, &admitted, now);
        let answer = self.transport.send(&admitted.route, admitted.ends, build).await?;
        let sent = answer.sent;
        let meaning = match &call.http {
            None => Meaning::of(answer.head.status, &answer.head.headers),
            Some(_) => Meaning::of_http(answer.head.status, &answer.head.headers),
        };
        let reply = match meaning {
            Meaning::Success => self.receive(&call, &admitted, answer, false).await?,
            Meaning::FunctionError => self.receive(&call, &admitted, answer, true).await?,
            refusal => return Err(Box::pin(refuse(&admitted, answer, refusal)).await),
        };
        drop(place);
        match reply {
            (reply, None) => Ok(reply),
            (_, Some(status_url)) => Box::pin(self.follow(&admitted, status_url, sent)).await,
        }
    }

    /// Everything that must be so before anything is sent.
    async fn admit(&self, call: &Call) -> Result<Admitted, VenueError> {
        let mut route = self.routes.of(&call.target)?;
        if let Some(http) = &call.http {
            route = route.below(http)?;
        }
        let shown = route.shown();
        let ends = self.limits.admit(call, Instant::now(), &shown)?;
        let (key, token) = self.proofs(&route, ends).await?;
        Ok(Admitted { route, shown, key, token, ends })
    }

    /// The key and the token that are sent along a route, where there are any.
    pub(crate) async fn proofs(
        &self,
        route: &Route,
        ends: Instant,
    ) -> Result<(Option<Proof>, Option<Proof>), VenueError> {
        let shown = route.shown();
        let key = proof(self.app_keys.get(app_of(route)).or(self.key.as_ref()), &shown, ends).await?;
        Ok((key, proof(self.token.as_ref(), &shown, ends).await?))
    }

    /// Reads the reply of a function that ran; and where to ask, when it only began an orchestration.
    async fn receive(
        &self,
        call: &Call,
        admitted: &Admitted,
        answer: Answer,
        failed: bool,
    ) -> Result<(Reply, Option<http::Uri>), VenueError> {
        let Answer { head, sent, body } = answer;
        let max = self.config.max_reply_bytes;
        let read = body.whole(max, admitted.ends).await;
        let (payload, done) = read.map_err(|error| {
            failure::without_body(&admitted.shown, error, max, self.measure(sent, Instant::now(), 0))
        })?;
        // Whoever sent a request follows what its answer says by itself.
        let durable = self.config.durable && call.http.is_none();
        let begun = durable.then(|| poll::status_url(head.status, &head.headers, &payload)).flatten();
        let function_error = failed.then(|| meaning::function_error(head.status, &payload));
        let content_type = head.headers.get(header::CONTENT_TYPE).cloned();
        let measured = self.measure(sent, done, payload.len());
        let reply = Reply::plain(head.status.as_u16(), content_type, payload, measured);
        Ok((Reply { function_error, ..reply }.with_headers_for(call, head.headers), begun))
    }

    /// What a call used, by the own clock and the assumed memory: Azure tells no meters. A lower bound of one
    /// microsecond keeps a round trip that is set too long from making a call free.
    pub(crate) fn measure(&self, sent: Instant, done: Instant, reply_bytes: usize) -> Measured {
        let elapsed = done.duration_since(sent).saturating_sub(self.config.round_trip);
        let own = Measured::own(Micros::from_std(elapsed.max(Duration::from_micros(1))), reply_bytes);
        Measured { usage: Usage { memory_peak: self.config.assumed_memory, ..own.usage }, ..own }
    }
}

/// What a keyring has for a call, where there is one.
async fn proof(keyring: Option<&Arc<Keyring>>, shown: &str, ends: Instant) -> Result<Option<Proof>, VenueError> {
    let Some(keyring) = keyring else { return Ok(None) };
    let value = keyring.token(ends).await.map_err(|none| none.failure_of(shown))?;
    Ok(Some(Proof { keyring: Arc::clone(keyring), value }))
}

impl Admitted {
    /// The headers that prove who calls.
    pub(crate) fn proofs(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(10);
        headers.insert(header::USER_AGENT, headers::USER_AGENT);
        if let Some(key) = &self.key {
            headers.insert(FUNCTIONS_KEY, key.value.clone());
        }
        if let Some(token) = &self.token {
            headers.insert(header::AUTHORIZATION, token.value.clone());
        }
        headers
    }
}

/// `POST`, or the method the caller sent, with the payload, the proofs, and what belongs to the call.
fn request(call: &Call, admitted: &Admitted, now: Instant) -> Request<Full<Bytes>> {
    let mut headers = admitted.proofs();
    headers::of_call(call, admitted.ends, now, &mut headers);
    headers::beneath(call, &mut headers);
    admitted.route.request(call.method(), headers, call.payload.clone())
}

/// The error of an answer that is not the function's; a key or token it refuses is not sent again.
async fn refuse(admitted: &Admitted, answer: Answer, meaning: Meaning) -> VenueError {
    let Answer { head, body, sent } = answer;
    let waited = sent.elapsed();
    let body = body.excerpt().await.unwrap_or_default();
    let meaning = meaning.with_body(head.status, &body);
    let said = excerpt(&head.headers, &body);
    let (shown, status) = (&admitted.shown, head.status);
    let message = format!("`{shown}` answered {status}{said}{}", meaning.hint(status, waited));
    let (outcome, kind) = match meaning {
        Meaning::Refusal(outcome, kind) => (outcome, kind),
        _ => (Outcome::NotStarted, ErrorKind::BadCredentials),
    };
    if meaning == Meaning::KeyRefused {
        // Which of the two is refused is not told: the token is checked first, by the front end.
        if let Some(Proof { keyring, value }) = admitted.token.as_ref().or(admitted.key.as_ref()) {
            keyring.refused(value, &message);
        }
    }
    VenueError::new(outcome, kind, message).with_retry_after(retry_after(&head.headers))
}

impl Venue for AzureVenue {
    fn kind(&self) -> &'static str {
        "azure-functions"
    }

    fn invoke(&self, call: Call) -> BoxFuture<'_, Result<Reply, VenueError>> {
        Box::pin(self.attempt(call))
    }

    fn discover(&self) -> BoxFuture<'_, Result<Option<Vec<Discovered>>, VenueError>> {
        Box::pin(self.list())
    }

    /// Azure publishes its prices for all regions at once, not by venue.
    fn price_sheet(&self) -> BoxFuture<'_, Result<Option<PriceSheet>, VenueError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    /// HTTP triggers are apps behind URLs.
    fn takes_http(&self, _: &Target) -> bool {
        true
    }

    /// Without a token no app can be called; a key that is refused is its app's affair while another app has one, and so
    /// is an app that can't be reached.
    fn unready(&self) -> Option<Arc<str>> {
        let token = self.token.as_ref().and_then(Keyring::unready);
        token
            .or_else(|| Keyring::none_ready(self.key.iter().chain(self.app_keys.values())))
            .or_else(|| self.transport.unready())
    }

    fn check(&self, targets: Vec<Arc<Target>>) -> BoxFuture<'_, Vec<Step>> {
        Box::pin(async move { self.look(&targets).await })
    }
}
