//! The venue itself: one attempt from payload to reply, in the order it happens.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::{BehaviorVersion, Builder, Region, StalledStreamProtectionConfig};
use aws_sdk_lambda::error::SdkError;
use aws_sdk_lambda::operation::RequestId as _;
use aws_sdk_lambda::operation::invoke::{InvokeError, InvokeOutput};
use aws_sdk_lambda::types::LogType;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::Blob;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use merit_pricing::PriceSheet;
use merit_units::Micros;
use merit_venue::{
    Call, ConfigErrors, Discovered, ErrorKind, Limits, Measured, Meters, Outcome, Reply, Step, Streamed, Target, Venue,
    VenueError,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::config::{LambdaConfig, MAX_BODY_BYTES, MAX_DURATION};
use crate::credentials::{AsCache, Keyring};
use crate::reply::{self, Told};
use crate::target::{self, Called};
use crate::transport::{self, Attempt};
use crate::usage;
use crate::{discover, failure, provider, trace};

/// The functions of one account in one region of AWS Lambda.
#[derive(Debug)]
pub struct LambdaVenue {
    pub(crate) client: Client,
    /// For what is no invocation: it may be repeated.
    pub(crate) patient: Client,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) config: LambdaConfig,
    room: Arc<Semaphore>,
    limits: Limits,
}

/// A call that may be sent: what it names, by when it must end, and its place among the connections.
pub(crate) struct Admitted {
    pub(crate) called: Called,
    pub(crate) shown: String,
    pub(crate) ends: Instant,
    pub(crate) place: OwnedSemaphorePermit,
}

impl LambdaVenue {
    /// Checks the configuration, reads the profile it names, and begins to fetch credentials.
    /// Waits for nothing on the network.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every mistake in it.
    pub async fn try_new(config: LambdaConfig) -> Result<Self, ConfigErrors> {
        config.check()?;
        let max_connections = usize::try_from(config.max_connections).unwrap_or(Semaphore::MAX_PERMITS);
        let http = transport::client(config.idle_timeout, max_connections);
        let keyring = Keyring::start(provider::of(&config).await, config.credentials_retry);
        let mut base = Builder::new();
        base.set_endpoint_url(config.endpoint_url.clone());
        let base = base
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(config.region.clone()))
            .credentials_provider(keyring.provider())
            .identity_cache(AsCache(Arc::clone(&keyring)))
            .http_client(http)
            // A function may think for minutes between two bytes; deadlines end what hangs.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        let timeouts = TimeoutConfig::builder().connect_timeout(config.connect_timeout);
        let once = base.clone().retry_config(RetryConfig::disabled()).timeout_config(timeouts.clone().build());
        let patient = base.retry_config(RetryConfig::standard()).timeout_config(
            timeouts
                .operation_attempt_timeout(discover::ATTEMPT_TIMEOUT)
                .operation_timeout(discover::OPERATION_TIMEOUT)
                .build(),
        );
        let limits = Limits {
            request_bytes: config.max_request_bytes.min(MAX_BODY_BYTES) as u64,
            reply_bytes: config.max_reply_bytes.min(MAX_BODY_BYTES) as u64,
            duration: config.whole_timeout.min(MAX_DURATION),
            in_flight: Some(config.max_connections),
        };
        Ok(Self {
            client: Client::from_conf(once.build()),
            patient: Client::from_conf(patient.build()),
            keyring,
            room: Arc::new(Semaphore::new(max_connections)),
            limits,
            config,
        })
    }

    /// Everything that must be so before anything is sent.
    pub(crate) async fn admit(&self, call: &Call) -> Result<Admitted, VenueError> {
        let begun = Instant::now();
        let ends = call.deadline.min(begun + self.limits.duration);
        let (size, max) = (call.payload.len() as u64, self.limits.request_bytes);
        if size > max {
            let message = format!("the payload has {size} bytes, more than the {max} this venue takes");
            return Err(VenueError::not_started(ErrorKind::PayloadTooLarge, message));
        }
        let called = target::called(&call.target, &self.config.region, self.config.account.as_deref())?;
        let shown = self.shown(&call.target);
        if ends <= begun {
            return Err(failure::late(Outcome::NotStarted, "before calling", &shown, Duration::ZERO));
        }
        if let Err(reason) = self.keyring.ready(ends).await {
            let kind = if Instant::now() >= ends { ErrorKind::Timeout } else { ErrorKind::BadCredentials };
            return Err(VenueError::not_started(kind, format!("`{shown}` can't be called: {reason}")));
        }
        let Ok(Ok(place)) = timeout_at(ends, Arc::clone(&self.room).acquire_owned()).await else {
            let doing = "waiting for one of the venue's connections to call";
            return Err(failure::late(Outcome::NotStarted, doing, &shown, begun.elapsed()));
        };
        Ok(Admitted { called, shown, ends, place })
    }

    /// An attempt for the transport to watch. `limit` bounds a reply that is held in memory.
    pub(crate) fn watch(&self, call: &Call, ends: Instant, limit: Option<usize>) -> Arc<Attempt> {
        let head_by = Instant::now() + self.config.first_byte_timeout;
        Attempt::new(Some(head_by).filter(|by| *by < ends), limit, call.traceparent.as_ref().and_then(trace::x_ray))
    }

    /// Whether to ask for the end of the log.
    pub(crate) fn log_type(&self, call: &Call) -> Option<LogType> {
        let wanted = self.config.meters == Meters::Reported || call.wants_tail();
        wanted.then_some(LogType::Tail)
    }

    async fn attempt(&self, call: Call) -> Result<Reply, VenueError> {
        let Admitted { called, shown, ends, place: _place } = self.admit(&call).await?;
        let attempt = self.watch(&call, ends, Some(self.config.max_reply_bytes));
        let context = call.lambda.as_deref();
        let request = self
            .client
            .invoke()
            .function_name(called.function)
            .set_qualifier(called.qualifier)
            .set_log_type(self.log_type(&call))
            .set_client_context(context.and_then(|context| context.client_context.as_deref()).map(str::to_owned))
            .set_tenant_id(context.and_then(|context| context.tenant.as_deref()).map(str::to_owned))
            .payload(Blob::from_maybe_shared(call.payload.clone()));
        let answer = timeout_at(ends, attempt.run(request.send())).await;
        let elapsed = Micros::from_std(attempt.elapsed());
        match answer {
            Ok(Ok(output)) => Ok(self.reply(&call, output, &attempt, elapsed)),
            Ok(Err(error)) => self.fail(error, &attempt, &shown, elapsed),
            Err(_) => Err(failure::timed_out(&attempt, &shown, Measured::own(elapsed, 0))),
        }
    }

    fn reply(&self, call: &Call, output: InvokeOutput, attempt: &Attempt, elapsed: Micros) -> Reply {
        let (log, request) = (output.log_result.as_deref(), output.request_id());
        let length = output.payload.as_ref().map_or(0, |payload| payload.as_ref().len());
        let read = usage::read(log, request, self.config.meters, elapsed, length);
        let payload = output.payload.map(Blob::into_bytes).unwrap_or_default();
        let told = Told {
            function_error: output.function_error.as_deref().map(|named| reply::function_error(named, &payload)),
            content_type: attempt.head().and_then(|head| head.content_type),
            log_tail: read.tail.filter(|_| call.wants_tail()),
            version: output.executed_version.map(Into::into),
            cold: read.cold,
        };
        reply::reply(payload, told, read.measured)
    }

    /// The error the SDK reports; an emulator's error of the function is a reply all the same.
    fn fail(
        &self,
        error: SdkError<InvokeError, HttpResponse>,
        attempt: &Attempt,
        shown: &str,
        elapsed: Micros,
    ) -> Result<Reply, VenueError> {
        let SdkError::ServiceError(service) = &error else {
            return Err(failure::broken(error, attempt, shown, Measured::own(elapsed, 0)));
        };
        let raw = service.raw();
        let (status, body) = (raw.status().as_u16(), raw.body().bytes().unwrap_or_default());
        if let Some(failed) = reply::emulated_error(status, raw.headers().get("x-amzn-errortype"), body) {
            let told = Told { function_error: Some(failed), ..Told::default() };
            let measured = Measured::own(elapsed, body.len());
            return Ok(reply::reply(Bytes::copy_from_slice(body), told, measured));
        }
        Err(self.refusal(raw, shown, attempt))
    }

    /// The error of an answer that is not the function's; a key it refuses is not used again.
    pub(crate) fn refusal(&self, raw: &HttpResponse, shown: &str, attempt: &Attempt) -> VenueError {
        if raw.status().as_u16() == 200 {
            let message = format!("`{shown}` was answered with something that is not a reply of Lambda");
            let own = Measured::own(Micros::from_std(attempt.elapsed()), 0);
            return VenueError::ran(ErrorKind::MalformedReply, message, own.usage, own.basis);
        }
        let failure::Refusal { error, refuses_key } = failure::refused(raw, shown);
        if refuses_key {
            self.keyring.refused(attempt.key().as_deref(), &error.message);
        }
        error
    }

    /// The function as messages show it: never more than the operator wrote.
    fn shown(&self, target: &impl std::fmt::Display) -> String {
        format!("{target} in {}", self.config.region)
    }
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
        self.keyring.unready()
    }

    fn check(&self, targets: Vec<Arc<Target>>) -> BoxFuture<'_, Vec<Step>> {
        Box::pin(async move { self.look(&targets).await })
    }
}
