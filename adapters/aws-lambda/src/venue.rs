//! The venue itself: one attempt from payload to reply, in the order it happens.

use std::fmt;
use std::sync::Arc;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::{BehaviorVersion, Builder, Region};
use aws_smithy_http_client::tls;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use futures_util::future::BoxFuture;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, response};
use merit_lambda_wire::error::{ERROR_TYPE, REQUEST_ID};
use merit_lambda_wire::invoke::{EXECUTED_VERSION, FUNCTION_ERROR, LOG_RESULT};
use merit_pricing::PriceSheet;
use merit_transport::{Answer, Arriving, Route, Transport, failure as broken};
use merit_units::{Micros, Timestamp};
use merit_venue::{
    Call, ConfigErrors, Discovered, ErrorKind, Limits, Measured, Meters, Reply, Step, Streamed, Target, Venue,
    VenueError,
};
use tokio::time::Instant;

use crate::config::{Checked, LambdaConfig, MAX_BODY_BYTES, MAX_DURATION};
use crate::credentials::{AsCache, Held, Keyring};
use crate::endpoint::{Endpoint, Operation};
use crate::reply::{self, Told};
use crate::request::Prepared;
use crate::{discover, failure, provider, target, usage};

/// The functions of one account in one region of AWS Lambda.
#[derive(Debug)]
pub struct LambdaVenue {
    pub(crate) transport: Transport,
    pub(crate) endpoint: Endpoint,
    /// For what is no invocation.
    pub(crate) sdk: Client,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) config: LambdaConfig,
    limits: Limits,
}

/// A call that may be sent: where to, signed by whom, and by when it must end.
pub(crate) struct Admitted<'c> {
    pub(crate) route: Route,
    pub(crate) request: Prepared<'c>,
    pub(crate) key: Arc<Held>,
    pub(crate) ends: Instant,
}

impl LambdaVenue {
    /// Checks the configuration, reads the profile it names, and begins to fetch credentials.
    /// Waits for nothing on the network.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every mistake in it.
    pub async fn try_new(config: LambdaConfig) -> Result<Self, ConfigErrors> {
        let Checked { endpoint, transport } = config.check().await?;
        let keyring = Keyring::start(provider::of(&config).await, &config.region, config.credentials_retry);
        let limits = Limits {
            request_bytes: config.max_request_bytes.min(MAX_BODY_BYTES) as u64,
            reply_bytes: config.max_reply_bytes.min(MAX_BODY_BYTES) as u64,
            duration: config.whole_timeout.min(MAX_DURATION),
            in_flight: Some(config.reach.max_connections),
        };
        Ok(Self { transport, endpoint, sdk: sdk(&config, &keyring), keyring, limits, config })
    }

    /// Everything that must be so before anything is sent.
    pub(crate) async fn admit<'c>(&self, call: &'c Call, operation: Operation) -> Result<Admitted<'c>, VenueError> {
        let shown = self.shown(&call.target);
        let ends = self.limits.admit(call, Instant::now(), &shown)?;
        let called = target::called(&call.target, &self.config.region, self.config.account.as_deref())?;
        let request = Prepared::of(call, self.config.meters == Meters::Reported || call.wants_tail())?;
        let key = self
            .key(ends)
            .await
            .map_err(|(kind, reason)| VenueError::not_started(kind, format!("`{shown}` can't be called: {reason}")))?;
        Ok(Admitted { route: self.endpoint.route(&called, operation), request, key, ends })
    }

    /// The key to sign with, or why there is none.
    pub(crate) async fn key(&self, ends: Instant) -> Result<Arc<Held>, (ErrorKind, Arc<str>)> {
        self.keyring.ready(ends).await.map_err(|reason| {
            let kind = if Instant::now() >= ends { ErrorKind::Timeout } else { ErrorKind::BadCredentials };
            (kind, reason)
        })
    }

    /// Sends it and waits for the head of the answer.
    pub(crate) async fn send(&self, admitted: &Admitted<'_>) -> Result<Answer, VenueError> {
        let Admitted { route, request, key, ends } = admitted;
        self.transport.send(route, *ends, |_| request.signed(&key.signer, route, self.now())).await
    }

    async fn attempt(&self, call: Call) -> Result<Reply, VenueError> {
        let admitted = self.admit(&call, Operation::Invoke).await?;
        let _place = self.transport.admit(&admitted.route, admitted.ends).await?;
        let Answer { head, sent, body } = self.send(&admitted).await?;
        if head.status != 200 {
            return Box::pin(self.not_a_reply(&call, &admitted.key, head, sent, body)).await;
        }
        let (max, clock) = (self.config.max_reply_bytes, |at: Instant| Micros::from_std(at.duration_since(sent)));
        let (payload, done) = body.whole(max, admitted.ends).await.map_err(|error| {
            let own = Measured::own(clock(Instant::now()), 0);
            broken::without_body(&self.shown(&call.target).to_string(), error, max, own)
        })?;
        let (log, request) = (text(&head.headers, &LOG_RESULT), text(&head.headers, &REQUEST_ID));
        let read = usage::read(log, request, self.config.meters, clock(done), payload.len());
        let named = text(&head.headers, &FUNCTION_ERROR);
        let told = Told {
            function_error: named.map(|named| reply::function_error(named, &payload)),
            content_type: head.headers.get(CONTENT_TYPE).cloned(),
            log_tail: read.tail.filter(|_| call.wants_tail()),
            version: text(&head.headers, &EXECUTED_VERSION).map(Into::into),
            cold: read.cold,
        };
        Ok(reply::reply(payload, told, read.measured))
    }

    /// What an answer means that is not Lambda's reply; an emulator's error of the function is one all the same.
    async fn not_a_reply(
        &self,
        call: &Call,
        key: &Held,
        head: response::Parts,
        sent: Instant,
        body: Arriving,
    ) -> Result<Reply, VenueError> {
        let said = body.excerpt().await.unwrap_or_default();
        let error_type = text(&head.headers, &ERROR_TYPE);
        if let Some(failed) = reply::emulated_error(head.status.as_u16(), error_type, &said) {
            let told = Told { function_error: Some(failed), ..Told::default() };
            let measured = Measured::own(Micros::from_std(sent.elapsed()), said.len());
            return Ok(reply::reply(said, told, measured));
        }
        Err(self.refusal(&call.target, key, &head, &said))
    }

    /// The error of an answer that is not the function's; a key it refuses is not used again.
    pub(crate) fn refusal(&self, target: &Target, key: &Held, head: &response::Parts, said: &[u8]) -> VenueError {
        let failure::Refusal { error, refuses_key } =
            failure::refused(head.status, &head.headers, said, self.shown(target));
        if refuses_key {
            self.keyring.refused(key, &error.message);
        }
        error
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_micros((self.config.clock)().saturating_mul(1_000_000))
    }

    /// The function as messages show it: never more than the operator wrote.
    pub(crate) fn shown<'v>(&'v self, target: &'v Target) -> Shown<'v> {
        Shown { target, region: &self.config.region }
    }
}

/// A function and where it is.
pub(crate) struct Shown<'v> {
    target: &'v Target,
    region: &'v str,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.target, self.region)
    }
}

/// A header of an answer.
pub(crate) fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// The SDK's client, for reads, which it may repeat.
fn sdk(config: &LambdaConfig, keyring: &Arc<Keyring>) -> Client {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
        .build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(config.reach.connect_timeout)
        .operation_attempt_timeout(discover::ATTEMPT_TIMEOUT)
        .operation_timeout(discover::OPERATION_TIMEOUT);
    let mut builder = Builder::new();
    builder.set_endpoint_url(config.endpoint_url.clone());
    let builder = builder
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(config.region.clone()))
        .credentials_provider(keyring.provider())
        .identity_cache(AsCache(Arc::clone(keyring)))
        .http_client(http)
        .retry_config(RetryConfig::standard())
        .timeout_config(timeouts.build());
    Client::from_conf(builder.build())
}

impl Venue for LambdaVenue {
    fn kind(&self) -> &'static str {
        "aws-lambda"
    }

    fn invoke(&self, call: Call) -> BoxFuture<'_, Result<Reply, VenueError>> {
        Box::pin(self.attempt(call))
    }

    fn stream(&self, call: Call) -> BoxFuture<'_, Result<Streamed, VenueError>> {
        if self.config.streaming {
            return Box::pin(self.attempt_streamed(call));
        }
        Box::pin(async move { self.attempt(call).await.map(Streamed::whole) })
    }

    fn discover(&self) -> BoxFuture<'_, Result<Option<Vec<Discovered>>, VenueError>> {
        Box::pin(async move { self.list().await.map(Some) })
    }

    /// AWS publishes its prices for all regions at once, not by venue.
    fn price_sheet(&self) -> BoxFuture<'_, Result<Option<PriceSheet>, VenueError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn unready(&self) -> Option<Arc<str>> {
        self.keyring.unready().or_else(|| self.transport.unready())
    }

    fn check(&self, targets: Vec<Arc<Target>>) -> BoxFuture<'_, Vec<Step>> {
        Box::pin(async move { self.look(&targets).await })
    }
}
