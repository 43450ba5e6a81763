//! How a provider's functions are called: the HTTP adapter at an endpoint that the provider says itself, with calls
//! and replies signed.
//!
//! The endpoint can change while calls are running; those under way end at the former one. A reply that is not signed
//! as it must be makes the outcome of its call unknown and shuts the venue until an endpoint is put again: whoever
//! answered was not who was asked, or does not share the secret any more.

use std::sync::Arc;

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use merit_pricing::PriceSheet;
use merit_venue::{Call, Discovered, ErrorKind, Limits, Reply, Step, Streamed, Target, Venue, VenueError};
use merit_venue_http::{HttpConfig, HttpVenue, NotASecret, SharedSecret, Signing};

/// A provider's venue as it is called.
pub struct ProviderVenue {
    reached: ArcSwap<Reached>,
}

/// What stands between Merit and the provider.
#[derive(Clone)]
struct Reached {
    /// Everything but the endpoint.
    config: Arc<HttpConfig>,
    endpoint: Option<Endpoint>,
    /// Why nothing may be sent there.
    shut: Option<Arc<str>>,
}

#[derive(Clone)]
struct Endpoint {
    url: Arc<str>,
    secret: SharedSecret,
    http: Arc<HttpVenue>,
}

/// Why an endpoint is not taken.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The secret can't be one.
    #[error(transparent)]
    Secret(#[from] NotASecret),
    /// The URL can't be called.
    #[error("{0}")]
    Url(String),
}

const NO_ENDPOINT: &str = "its provider has not said where it is called: it puts an endpoint";

impl ProviderVenue {
    /// Without an endpoint. The URL of `config` is not used.
    #[must_use]
    pub fn new(config: HttpConfig) -> Self {
        let reached = Reached { config: Arc::new(config), endpoint: None, shut: Some(NO_ENDPOINT.into()) };
        Self { reached: ArcSwap::from_pointee(reached) }
    }

    /// Takes what the configuration says now; the endpoint stays.
    ///
    /// # Errors
    /// [`EndpointError`] when it can't be called under it; then nothing has changed.
    pub fn configure(&self, config: HttpConfig) -> Result<(), EndpointError> {
        let former = self.reached.load_full();
        let config = Arc::new(config);
        let endpoint = match &former.endpoint {
            None => None,
            Some(endpoint) => Some(Endpoint::new(&config, &endpoint.url, endpoint.secret.clone())?),
        };
        self.reached.store(Arc::new(Reached { config, endpoint, shut: former.shut.clone() }));
        Ok(())
    }

    /// Calls go there from now on.
    ///
    /// # Errors
    /// [`EndpointError`]; then nothing has changed.
    pub fn put_endpoint(&self, url: &str, secret: &str) -> Result<(), EndpointError> {
        let former = self.reached.load_full();
        let endpoint = Endpoint::new(&former.config, url, SharedSecret::parse(secret)?)?;
        // A new one only: what is configured anew later holds at each connection.
        if let Some(why) = (HttpConfig { base_url: url.to_owned(), ..(*former.config).clone() }).forbidden() {
            return Err(EndpointError::Url(why));
        }
        let config = Arc::clone(&former.config);
        self.reached.store(Arc::new(Reached { config, endpoint: Some(endpoint), shut: None }));
        Ok(())
    }

    /// Nothing may be sent there, for that reason.
    pub(crate) fn shut(&self, why: &str) {
        let former = self.reached.load_full();
        self.reached.store(Arc::new(Reached { shut: Some(why.into()), ..(*former).clone() }));
    }

    /// Where calls go.
    #[must_use]
    pub fn endpoint(&self) -> Option<Arc<str>> {
        self.reached.load().endpoint.as_ref().map(|endpoint| Arc::clone(&endpoint.url))
    }

    fn http(&self) -> Result<Arc<HttpVenue>, VenueError> {
        let reached = self.reached.load();
        match (&reached.shut, &reached.endpoint) {
            (None, Some(endpoint)) => Ok(Arc::clone(&endpoint.http)),
            (why, _) => {
                let why = why.as_deref().unwrap_or(NO_ENDPOINT);
                Err(VenueError::not_started(ErrorKind::Unavailable, why.to_owned()))
            }
        }
    }

    /// Shuts the venue when somebody else has answered at the endpoint that was called.
    fn judge<T>(&self, called: &Arc<HttpVenue>, result: Result<T, VenueError>) -> Result<T, VenueError> {
        if let Err(error) = &result
            && error.kind == ErrorKind::UnsignedReply
        {
            let reached = self.reached.load();
            let is_it = |endpoint: &Endpoint| Arc::ptr_eq(&endpoint.http, called);
            if reached.endpoint.as_ref().is_some_and(is_it) {
                self.shut(&format!("{}; put the endpoint again", error.message));
            }
        }
        result
    }
}

impl Endpoint {
    fn new(config: &HttpConfig, url: &str, secret: SharedSecret) -> Result<Self, EndpointError> {
        let signing = Some(Signing { secret: secret.clone(), clock: crate::clock::unix_seconds });
        let config = HttpConfig { base_url: url.to_owned(), signing, ..config.clone() };
        let http = HttpVenue::try_new(config).map_err(|errors| EndpointError::Url(errors.to_string()))?;
        Ok(Self { url: url.into(), secret, http: Arc::new(http) })
    }
}

impl Venue for ProviderVenue {
    fn kind(&self) -> &'static str {
        "provider"
    }

    fn invoke(&self, call: Call) -> BoxFuture<'_, Result<Reply, VenueError>> {
        Box::pin(async move {
            let http = self.http()?;
            let result = http.invoke(call).await;
            self.judge(&http, result)
        })
    }

    fn stream(&self, call: Call) -> BoxFuture<'_, Result<Streamed, VenueError>> {
        Box::pin(async move {
            let http = self.http()?;
            let result = http.stream(call).await;
            self.judge(&http, result)
        })
    }

    /// A provider offers what it has.
    fn discover(&self) -> BoxFuture<'_, Result<Option<Vec<Discovered>>, VenueError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// A provider puts its sheet.
    fn price_sheet(&self) -> BoxFuture<'_, Result<Option<PriceSheet>, VenueError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn limits(&self) -> Limits {
        let reached = self.reached.load();
        let of_config = || Limits {
            request_bytes: reached.config.max_request_bytes as u64,
            reply_bytes: reached.config.max_reply_bytes as u64,
            duration: reached.config.whole_timeout,
            in_flight: Some(reached.config.max_connections),
        };
        reached.endpoint.as_ref().map_or_else(of_config, |endpoint| endpoint.http.limits())
    }

    fn unready(&self) -> Option<Arc<str>> {
        let reached = self.reached.load();
        let unreachable = || reached.endpoint.as_ref().and_then(|endpoint| endpoint.http.unready());
        reached.shut.clone().or_else(unreachable)
    }

    fn check(&self, targets: Vec<Arc<Target>>) -> BoxFuture<'_, Vec<Step>> {
        Box::pin(async move {
            match self.http() {
                Err(error) => vec![Step::failed("endpoint", error.message, "let its provider put its endpoint")],
                Ok(http) => http.check(targets).await,
            }
        })
    }
}
