//! What is deployed: the services of Cloud Run, and the functions, by Google's own clients.
//!
//! A function of the second generation is a service too, and told once. Labels can't have a colon, so the
//! label `merit-function` is told as the tag `merit:function`.
//!
//! It needs `run.services.list` and `cloudfunctions.functions.list` (roles/run.viewer and
//! roles/cloudfunctions.viewer); functions that may not be listed are left out.
//!
//! Known limitation: only what a service's template says is told, not how traffic is split between revisions.

use std::collections::{BTreeMap, HashMap};
use std::error::Error as StdError;
use std::time::Duration;

use google_cloud_auth::credentials::Credentials;
use google_cloud_functions_v2::client::FunctionService;
use google_cloud_functions_v2::model::Function;
use google_cloud_run_v2::client::Services;
use google_cloud_run_v2::model::Service;
use merit_units::MemoryMb;
use merit_venue::{Discovered, ErrorKind, VenueError};
use tokio::time::timeout;

use crate::identity;
use crate::quantity::{memory_mb, vcpu_milli};
use crate::venue::GoogleRunVenue;

/// For one page.
const PAGE_TIMEOUT: Duration = Duration::from_secs(20);

/// Pages read at most, of 100 services each: ten times what a region takes.
const MOST_PAGES: usize = 100;

/// The label that names a function of Merit, and the tag it stands for.
const FUNCTION_LABEL: &str = "merit-function";
const FUNCTION_TAG: &str = "merit:function";

impl GoogleRunVenue {
    pub(crate) async fn list(&self) -> Result<Option<Vec<Discovered>>, VenueError> {
        let Some(parent) = self.parent() else { return Ok(None) };
        let credentials = self.access()?;
        let mut found: BTreeMap<String, Discovered> = BTreeMap::new();
        let client = self.services_client(credentials.clone()).await?;
        for service in self.services(&client, &parent).await? {
            found.extend(of_service(&service).map(|one| (one.target.clone(), one)));
        }
        for function in self.functions(&parent, credentials).await? {
            let Some(one) = of_function(&function) else { continue };
            found.entry(one.target.clone()).or_insert(one);
        }
        let mut found: Vec<Discovered> = found.into_values().collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Some(found))
    }

    /// The region of the project, as Google's interfaces name it; nothing without a project.
    pub(crate) fn parent(&self) -> Option<String> {
        Some(format!("projects/{}/locations/{}", self.config.project.as_ref()?, self.config.region))
    }

    /// What Google's interfaces are asked with: of the identity that calls.
    pub(crate) fn access(&self) -> Result<Credentials, VenueError> {
        identity::access(&self.config.credentials).map_err(|reason| {
            VenueError::not_started(ErrorKind::BadCredentials, format!("can't list services: {reason}"))
        })
    }

    pub(crate) async fn services_client(&self, credentials: Credentials) -> Result<Services, VenueError> {
        let mut builder = Services::builder().with_credentials(credentials);
        if let Some(url) = &self.config.api_endpoint_url {
            builder = builder.with_endpoint(url.as_str());
        }
        builder.build().await.map_err(|error| cannot("list services", &error))
    }

    pub(crate) async fn services(&self, client: &Services, parent: &str) -> Result<Vec<Service>, VenueError> {
        let (mut all, mut token) = (Vec::new(), String::new());
        for _ in 0..MOST_PAGES {
            let page = client.list_services().set_parent(parent).set_page_size(100).set_page_token(token).send();
            let page = timeout(PAGE_TIMEOUT, page).await.map_err(|_| late("list services"))?;
            let page = page.map_err(|error| refused("list services", &error))?;
            all.extend(page.services);
            token = page.next_page_token;
            if token.is_empty() {
                return Ok(all);
            }
        }
        Err(endless("services"))
    }

    async fn functions(&self, parent: &str, credentials: Credentials) -> Result<Vec<Function>, VenueError> {
        let mut builder = FunctionService::builder().with_credentials(credentials);
        if let Some(url) = &self.config.api_endpoint_url {
            builder = builder.with_endpoint(url.as_str());
        }
        let client = builder.build().await.map_err(|error| cannot("list functions", &error))?;
        let (mut all, mut token) = (Vec::new(), String::new());
        for _ in 0..MOST_PAGES {
            let page = client.list_functions().set_parent(parent).set_page_size(100).set_page_token(token).send();
            let page = timeout(PAGE_TIMEOUT, page).await.map_err(|_| late("list functions"))?;
            let page = match page {
                Ok(page) => page,
                // Where the interface is switched off, or may not be used, there are only services.
                Err(error) if tells_not(&error) => {
                    tracing::info!(%parent, "functions may not be listed: grant roles/cloudfunctions.viewer, or do without");
                    return Ok(all);
                }
                Err(error) => return Err(refused("list functions", &error)),
            };
            all.extend(page.functions);
            token = page.next_page_token;
            if token.is_empty() {
                return Ok(all);
            }
        }
        Err(endless("functions"))
    }
}

fn of_service(service: &Service) -> Option<Discovered> {
    let name = service.name.rsplit('/').next().filter(|name| !name.is_empty())?;
    let target = if service.uri.is_empty() { service.urls.first()? } else { &service.uri };
    let template = service.template.as_ref();
    let limits = template.and_then(|template| template.containers.first()?.resources.as_ref()).map(|had| &had.limits);
    let limit = |key: &str| limits.and_then(|limits| limits.get(key)).map(String::as_str);
    let instances = template.and_then(|template| template.scaling.as_ref()).map(|scaling| scaling.max_instance_count);
    let at_once = template.map_or(0, |template| template.max_instance_request_concurrency);
    let kept = service.scaling.as_ref().map(|scaling| scaling.min_instance_count).filter(|kept| *kept > 0);
    let kept = kept.or_else(|| Some(template?.scaling.as_ref()?.min_instance_count));
    Some(Discovered {
        name: name.to_owned(),
        target: target.clone(),
        memory: limit("memory").and_then(memory_mb).and_then(|mb| MemoryMb::try_new(mb).ok()),
        vcpu_milli: limit("cpu").and_then(vcpu_milli),
        timeout: template.and_then(|template| seconds(template.timeout.as_ref()?.seconds())),
        tags: tags(&service.labels),
        reserved: most_calls(instances.unwrap_or_default(), at_once),
        instance_concurrency: each_instance(at_once),
        provisioned: kept.and_then(|kept| u32::try_from(kept).ok()).filter(|kept| *kept > 0),
        digest: digest(service),
        ..Discovered::default()
    })
}

/// The digest that its image is pinned to, where that is all that runs: one container, and no traffic to a revision of
/// before.
fn digest(service: &Service) -> Option<String> {
    let [container] = &service.template.as_ref()?.containers[..] else { return None };
    let newest = service.traffic.iter().all(|target| target.revision.is_empty() || target.percent == 0);
    let (_, digest) = container.image.split_once('@').filter(|_| newest)?;
    Some(digest.to_owned()).filter(|digest| !digest.is_empty())
}

fn of_function(function: &Function) -> Option<Discovered> {
    let name = function.name.rsplit('/').next().filter(|name| !name.is_empty())?;
    let config = function.service_config.as_ref();
    let uri = config.map(|config| config.uri.as_str()).filter(|uri| !uri.is_empty());
    let target = uri.or(Some(function.url.as_str()).filter(|url| !url.is_empty()))?;
    Some(Discovered {
        name: name.to_owned(),
        target: target.to_owned(),
        memory: config.and_then(|config| memory_mb(&config.available_memory)).and_then(|mb| MemoryMb::try_new(mb).ok()),
        vcpu_milli: config.and_then(|config| vcpu_milli(&config.available_cpu)),
        timeout: config.and_then(|config| seconds(config.timeout_seconds.into())),
        tags: tags(&function.labels),
        reserved: config
            .and_then(|config| most_calls(config.max_instance_count, config.max_instance_request_concurrency)),
        instance_concurrency: config.and_then(|config| each_instance(config.max_instance_request_concurrency)),
        provisioned: config.and_then(|config| u32::try_from(config.min_instance_count).ok()).filter(|kept| *kept > 0),
        ..Discovered::default()
    })
}

fn tags(labels: &HashMap<String, String>) -> BTreeMap<String, String> {
    let mut tags: BTreeMap<String, String> = labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    if let Some(function) = tags.get(FUNCTION_LABEL).cloned() {
        tags.entry(FUNCTION_TAG.to_owned()).or_insert(function);
    }
    tags
}

/// Calls at once over all instances there may be.
fn most_calls(instances: i32, each: i32) -> Option<u32> {
    let (instances, each) = (u32::try_from(instances).ok()?, u32::try_from(each.max(1)).ok()?);
    (instances > 0).then(|| instances.saturating_mul(each))
}

/// Calls one instance takes at once; nothing when it is not told.
fn each_instance(told: i32) -> Option<u16> {
    u16::try_from(told).ok().filter(|calls| *calls > 0)
}

fn seconds(told: i64) -> Option<Duration> {
    u64::try_from(told).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
}

fn tells_not(error: &google_cloud_run_v2::Error) -> bool {
    matches!(error.http_status_code(), Some(403 | 404 | 501))
}

fn refused(doing: &str, error: &google_cloud_run_v2::Error) -> VenueError {
    let (kind, hint) = match error.http_status_code() {
        Some(401) => (ErrorKind::BadCredentials, ": check the credentials"),
        Some(403) => (ErrorKind::BadCredentials, ": grant the identity roles/run.viewer, and switch the interface on"),
        Some(404) => (ErrorKind::NotFound, ": check `project` and `region`"),
        Some(429) => (ErrorKind::Throttled, ""),
        _ if error.is_authentication() => (ErrorKind::BadCredentials, ": check the credentials"),
        Some(_) | None => (ErrorKind::Unavailable, ""),
    };
    VenueError::not_started(kind, format!("can't {doing}: {}{hint}", identity::told(error)))
}

fn cannot(doing: &str, error: &dyn StdError) -> VenueError {
    VenueError::not_started(ErrorKind::Misconfigured, format!("can't {doing}: {}", identity::told(error)))
}

fn late(doing: &str) -> VenueError {
    let message = format!("can't {doing}: no answer within {} seconds", PAGE_TIMEOUT.as_secs());
    VenueError::not_started(ErrorKind::Timeout, message)
}

fn endless(what: &str) -> VenueError {
    let message = format!("the list of {what} did not end after {MOST_PAGES} pages");
    VenueError::not_started(ErrorKind::MalformedReply, message)
}
