//! What is deployed in the region: functions page by page, and of each its aliases, tags and concurrency.
//!
//! It needs `lambda:ListFunctions`; `GetFunction`, `ListAliases` and `ListProvisionedConcurrencyConfigs`
//! add what they tell, and what they refuse is left out. These are reads, so the SDK may repeat them.
//!
//! Known limitation: the list is as eventually consistent as Lambda's own.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_lambda::error::SdkError;
use aws_sdk_lambda::types::FunctionConfiguration;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::display::DisplayErrorContext;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use merit_lambda_wire::error::ERROR_TYPE;
use merit_pricing::Architecture;
use merit_units::MemoryMb;
use merit_venue::{Alias, Discovered, ErrorKind, VenueError};
use tokio::time::Instant;

use crate::failure;
use crate::venue::LambdaVenue;

/// For one answer.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// For one operation with its repetitions.
pub(crate) const OPERATION_TIMEOUT: Duration = Duration::from_secs(30);

/// Functions asked about at once: Lambda takes about 15 such requests a second from an account.
const AT_ONCE: usize = 4;

/// Pages read at most: 50 functions each, so ten times the functions a region's code storage holds.
const MOST_PAGES: usize = 2000;

impl LambdaVenue {
    pub(crate) async fn list(&self) -> Result<Vec<Discovered>, VenueError> {
        if let Err(reason) = self.keyring.ready(Instant::now() + OPERATION_TIMEOUT).await {
            return Err(VenueError::not_started(ErrorKind::BadCredentials, format!("can't list functions: {reason}")));
        }
        let functions = self.functions().await?;
        let described = functions.into_iter().filter_map(basics).map(|found| self.describe(found));
        let mut found: Vec<Discovered> = stream::iter(described).buffered(AT_ONCE).try_collect().await?;
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    async fn functions(&self) -> Result<Vec<FunctionConfiguration>, VenueError> {
        let mut functions = Vec::new();
        let mut marker = None;
        for _ in 0..MOST_PAGES {
            let page = self.sdk.list_functions().set_marker(marker).send().await;
            let page = page.map_err(|error| self.cannot("list functions", error))?;
            functions.extend(page.functions.unwrap_or_default());
            marker = page.next_marker.filter(|marker| !marker.is_empty());
            if marker.is_none() {
                return Ok(functions);
            }
        }
        let message = format!("the list of functions did not end after {MOST_PAGES} pages");
        Err(VenueError::not_started(ErrorKind::MalformedReply, message))
    }

    async fn describe(&self, mut found: Discovered) -> Result<Discovered, VenueError> {
        if let Some(whole) =
            self.told("get a function", self.sdk.get_function().function_name(&found.name).send().await)?
        {
            found.tags = whole.tags.unwrap_or_default().into_iter().collect::<BTreeMap<_, _>>();
            found.reserved = whole.concurrency.and_then(|set| number(set.reserved_concurrent_executions));
        }
        found.aliases = self.aliases(&found.name).await?;
        found.provisioned = self.provisioned(&found.name).await?;
        Ok(found)
    }

    async fn aliases(&self, function: &str) -> Result<Vec<Alias>, VenueError> {
        let mut aliases = Vec::new();
        let mut marker = None;
        for _ in 0..MOST_PAGES {
            let page = self.sdk.list_aliases().function_name(function).set_marker(marker).send().await;
            let Some(page) = self.told("list aliases", page)? else { break };
            aliases.extend(page.aliases.unwrap_or_default().into_iter().filter_map(|alias| {
                let (name, version) = (alias.name?, alias.function_version?);
                Some(Alias { target: format!("{function}:{name}"), name, version })
            }));
            marker = page.next_marker.filter(|marker| !marker.is_empty());
            if marker.is_none() {
                break;
            }
        }
        aliases.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(aliases)
    }

    async fn provisioned(&self, function: &str) -> Result<Option<u32>, VenueError> {
        let page = self.sdk.list_provisioned_concurrency_configs().function_name(function).send().await;
        let Some(page) = self.told("list provisioned concurrency", page)? else { return Ok(None) };
        let configs = page.provisioned_concurrency_configs.unwrap_or_default();
        let each = configs.iter().filter_map(|config| number(config.requested_provisioned_concurrent_executions));
        Ok(each.reduce(u32::saturating_add))
    }

    /// An answer, or nothing where the service says that it does not tell.
    fn told<T, E>(&self, doing: &str, answer: Result<T, SdkError<E, HttpResponse>>) -> Result<Option<T>, VenueError>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        match answer {
            Ok(told) => Ok(Some(told)),
            Err(SdkError::ServiceError(service)) if tells_not(service.raw().status().as_u16()) => {
                tracing::info!(region = %self.config.region, doing, status = service.raw().status().as_u16(), "is not told");
                Ok(None)
            }
            Err(error) => Err(self.cannot(doing, error)),
        }
    }

    fn cannot<E>(&self, doing: &str, error: SdkError<E, HttpResponse>) -> VenueError
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let region = &self.config.region;
        if let Some(raw) = error.raw_response() {
            let status = StatusCode::from_u16(raw.status().as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let body = raw.body().bytes().unwrap_or_default();
            return failure::refused(status, &telling(raw), body, format_args!("{doing} in {region}")).error;
        }
        let why = DisplayErrorContext(&error);
        VenueError::not_started(ErrorKind::Unavailable, format!("can't {doing} in {region}: {why}")).with_source(error)
    }
}

/// The headers that tell of an error.
fn telling(response: &HttpResponse) -> HeaderMap {
    let names = [ERROR_TYPE, RETRY_AFTER, CONTENT_TYPE];
    let values = names.into_iter().filter_map(|name| {
        let value = response.headers().get(name.as_str())?;
        Some((name, HeaderValue::from_str(value).ok()?))
    });
    values.collect()
}

/// Statuses of a service that refuses, or does not know, what it was asked; a throttle is neither.
const fn tells_not(status: u16) -> bool {
    matches!(status, 400 | 403 | 404 | 405 | 501)
}

fn basics(function: FunctionConfiguration) -> Option<Discovered> {
    let architecture = function.architectures.unwrap_or_default().first().and_then(|word| word.as_str().parse().ok());
    let name = function.function_name?;
    Some(Discovered {
        target: name.clone(),
        name,
        memory: function.memory_size.and_then(|mb| MemoryMb::try_new(u64::try_from(mb).ok()?).ok()),
        // Functions that say nothing were made before there was a choice.
        architecture: architecture.or(Some(Architecture::X86_64)),
        digest: function.code_sha256.as_deref().map(digest),
        timeout: number(function.timeout).map(|seconds| Duration::from_secs(seconds.into())),
        ..Discovered::default()
    })
}

/// SHA-256 of the package, which Lambda tells in base64, as others write it.
fn digest(base64: &str) -> String {
    match aws_smithy_types::base64::decode(base64) {
        Ok(bytes) if bytes.len() == 32 => {
            bytes.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
        }
        _ => base64.to_owned(),
    }
}

fn number(told: Option<i32>) -> Option<u32> {
    u32::try_from(told?).ok()
}
