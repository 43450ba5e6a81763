//! What the SDK sends through: its own HTTP client, watched so that every attempt knows how far it got.
//!
//! | how far | what a failure means |
//! |---|---|
//! | no connection yet | `NotStarted` |
//! | a connection, no reply's head | `Unknown` |
//! | the head of a reply that says the function ran | `Ran` |
//!
//! The attempt is handed down in a task-local: the SDK runs the whole call within the caller's
//! task, and its other way, an override of the client's configuration for each call, costs more
//! than the rest of the adapter.
//!
//! Invariant: a connection counts as used from the moment it is taken, before the first byte is
//! written; so `NotStarted` is never claimed of a request that was begun.

use std::error::Error as StdError;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use aws_smithy_http_client::{Builder, tls};
use aws_smithy_runtime_api::client::connection::CaptureSmithyConnection;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http::HeaderValue;
use http_body_util::Limited;
use merit_venue::Outcome;
use tokio::time::{Instant, timeout_at};

tokio::task_local! {
    static ATTEMPT: Arc<Attempt>;
}

/// X-Ray's header, which Lambda hands to the function. It is not signed.
const TRACE_HEADER: &str = "x-amzn-trace-id";

/// One attempt on its way.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// When the reply's head must have come.
    pub(crate) head_by: Option<Instant>,
    /// The largest reply's body that is read, in bytes.
    pub(crate) limit: Option<usize>,
    /// Trace context in X-Ray's form.
    pub(crate) trace: Option<HeaderValue>,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    /// The id of the access key it is signed with.
    key: Option<Arc<str>>,
    connection: Option<CaptureSmithyConnection>,
    sent: Option<Instant>,
    head: Option<Head>,
}

/// The head of a reply.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) content_type: Option<HeaderValue>,
}

impl Attempt {
    pub(crate) fn new(head_by: Option<Instant>, limit: Option<usize>, trace: Option<HeaderValue>) -> Arc<Self> {
        Arc::new(Self { head_by, limit, trace, progress: Mutex::default() })
    }

    /// Runs an SDK call as this attempt.
    pub(crate) async fn run<F: Future>(self: &Arc<Self>, call: F) -> F::Output {
        ATTEMPT.scope(Arc::clone(self), call).await
    }

    /// Notes the id of the access key that the attempt under way, if this is one, is signed with.
    pub(crate) fn note_key(key: &Arc<str>) {
        ATTEMPT.try_with(|attempt| attempt.progress().key = Some(Arc::clone(key))).ok();
    }

    /// The id of the access key it was signed with.
    pub(crate) fn key(&self) -> Option<Arc<str>> {
        self.progress().key.clone()
    }

    /// Whether a connection was taken, so that the request may have been sent.
    pub(crate) fn may_be_sent(&self) -> bool {
        self.progress().connection.as_ref().is_some_and(|connection| connection.get().is_some())
    }

    /// The reply's head, if it has come.
    pub(crate) fn head(&self) -> Option<Head> {
        self.progress().head.clone()
    }

    /// What breaking off now means for money.
    pub(crate) fn outcome(&self) -> Outcome {
        match (self.head(), self.may_be_sent()) {
            (Some(head), _) if head.status == 200 => Outcome::Ran,
            (None, false) => Outcome::NotStarted,
            _ => Outcome::Unknown,
        }
    }

    /// How long ago the request was handed to the HTTP client.
    pub(crate) fn elapsed(&self) -> Duration {
        self.progress().sent.map_or(Duration::ZERO, |sent| sent.elapsed())
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reply's head did not come in time.
#[derive(Debug, thiserror::Error)]
#[error("no reply's head in time")]
pub(crate) struct HeadTooLate;

/// The SDK's client for one venue.
pub(crate) fn client(idle_timeout: Duration, max_idle: usize) -> SharedHttpClient {
    let inner = Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
        .pool_idle_timeout(idle_timeout)
        .pool_max_idle_per_host(max_idle)
        .build_https();
    SharedHttpClient::new(Watched { inner, made: OnceLock::new() })
}

#[derive(Debug)]
struct Watched {
    inner: SharedHttpClient,
    /// The connector, made once: its settings, of which there is only the time to connect, never
    /// change within a venue. A client with a read timeout would need one of its own.
    made: OnceLock<SharedHttpConnector>,
}

impl HttpClient for Watched {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        debug_assert!(settings.read_timeout().is_none(), "invariant: one connector serves every client of the venue");
        let make = || SharedHttpConnector::new(Link(self.inner.http_connector(settings, components)));
        self.made.get_or_init(make).clone()
    }
}

/// A connector that notes how far the attempt got.
#[derive(Debug)]
struct Link(SharedHttpConnector);

impl HttpConnector for Link {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let Ok(attempt) = ATTEMPT.try_with(Arc::clone) else { return self.0.call(request) };
        let connection = match request.extension::<CaptureSmithyConnection>() {
            Some(connection) => connection.clone(),
            None => {
                let connection = CaptureSmithyConnection::new();
                request.add_extension(connection.clone());
                connection
            }
        };
        if let Some(trace) = attempt.trace.as_ref().and_then(|trace| trace.to_str().ok()) {
            request.headers_mut().insert(TRACE_HEADER, trace.to_owned());
        }
        {
            let mut progress = attempt.progress();
            progress.connection = Some(connection);
            progress.sent = Some(Instant::now());
        }
        let reply = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let response = match attempt.head_by {
                None => reply.await?,
                Some(by) => match timeout_at(by, reply).await {
                    Ok(response) => response?,
                    Err(_) => return Err(ConnectorError::timeout(HeadTooLate.into())),
                },
            };
            attempt.progress().head = Some(Head::of(&response));
            Ok(match attempt.limit {
                Some(limit) => response.map(|body| SdkBody::from_body_1_x(Limited::new(body, limit))),
                None => response,
            })
        })
    }
}

impl Head {
    fn of(response: &HttpResponse) -> Self {
        let content_type = response.headers().get("content-type");
        Self {
            status: response.status().as_u16(),
            content_type: content_type.and_then(|text| HeaderValue::from_str(text).ok()),
        }
    }
}

/// The first error of that type in a chain of causes.
pub(crate) fn cause<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = match error.downcast_ref::<std::io::Error>() {
            // An `io::Error` tells its payload's cause as its own, and so hides the payload.
            Some(io) => io.get_ref().map(|inner| inner as &(dyn StdError + 'static)),
            None => error.source(),
        };
    }
    None
}
