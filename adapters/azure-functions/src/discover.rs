//! What is deployed in the apps the configuration names, by Azure Resource Manager.
//!
//! It needs the role Reader on the apps. Apps that are stopped have nothing that can be called.
//!
//! Known limitation: memory is told for the Flex plan, and for the Premium plan where the identity may read it.

use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Uri, header};
use merit_transport::{Origin, Route, excerpt};
use merit_venue::{Discovered, ErrorKind, VenueError};
use tokio::time::Instant;

use crate::arm::{self, API_VERSION, App};
use crate::venue::AzureVenue;

/// Azure's own address of it.
const ARM_URL: &str = "https://management.azure.com";

/// For one answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The largest answer that is read, in bytes; a function's entry has about 2 KB.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// Pages read at most for an app.
const MOST_PAGES: usize = 100;

impl AzureVenue {
    pub(crate) async fn list(&self) -> Result<Option<Vec<Discovered>>, VenueError> {
        let (Some(subscription), Some(group)) = (&self.config.subscription, &self.config.resource_group) else {
            return Ok(None);
        };
        let base = self.config.arm_url.as_deref().unwrap_or(ARM_URL);
        let base: Uri = base.parse().expect("invariant: it was checked");
        let origin = Arc::new(Origin::of_url(&base).expect("invariant: it was checked"));
        let below = base.path().trim_end_matches('/');
        let mut found = Vec::new();
        for name in &self.config.apps {
            let site = format!(
                "{below}/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Web/sites/{name}"
            );
            let body = self.arm(&origin, &format!("{site}?api-version={API_VERSION}")).await?;
            let app = arm::app(&body).map_err(|why| malformed(name, &why))?;
            if !app.runs() {
                continue;
            }
            let app = self.with_plan(app, &origin, below).await;
            let mut path = format!("{site}/functions?api-version={API_VERSION}");
            for page in 0.. {
                if page == MOST_PAGES {
                    return Err(malformed(name, &format!("its list did not end after {MOST_PAGES} pages")));
                }
                let body = self.arm(&origin, &path).await?;
                let functions = arm::functions(&body).map_err(|why| malformed(name, &why))?;
                found.extend(functions.found(&app));
                let Some(next) = functions.next() else { break };
                let next = next.map_err(|why| malformed(name, &why))?;
                // The token is Resource Manager's: it goes to nobody else.
                if Origin::of_url(&next).ok().as_ref() != Some(&*origin) {
                    return Err(malformed(name, "the next page is said to be at another host"));
                }
                path = next.path_and_query().map_or_else(String::new, ToString::to_string);
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Some(found))
    }

    /// The app with its plan, where that says how large instances are and may be read.
    async fn with_plan(&self, app: App, origin: &Arc<Origin>, below: &str) -> App {
        let Some(path) = app.premium_plan().map(|plan| format!("{below}{plan}?api-version={API_VERSION}")) else {
            return app;
        };
        let told = self.arm(origin, &path).await.map_err(|error| error.to_string());
        match told.and_then(|body| arm::plan(&body)) {
            Ok(plan) => app.with_plan(plan),
            Err(why) => {
                tracing::warn!(%why, "a Premium plan can't be read: the size of its instances is not told");
                app
            }
        }
    }

    /// One answer of Resource Manager.
    async fn arm(&self, origin: &Arc<Origin>, path: &str) -> Result<bytes::Bytes, VenueError> {
        let ends = Instant::now() + TIMEOUT;
        let path: PathAndQuery = path.parse().map_err(|_| malformed(path, "that is no path of Resource Manager"))?;
        let route = Route::new(origin, path);
        let Some(keyring) = &self.arm_token else {
            let message = "can't list functions: give the venue an Entra identity with the role Reader";
            return Err(VenueError::not_started(ErrorKind::BadCredentials, message));
        };
        let token = keyring.token(ends).await.map_err(|none| {
            VenueError::not_started(ErrorKind::BadCredentials, format!("can't list functions: {}", none.reason))
        })?;
        let _place = self.transport.admit(&route, ends).await?;
        let build = |_| {
            let headers: HeaderMap = [(header::AUTHORIZATION, token.clone())].into_iter().collect();
            route.request(Method::GET, headers, bytes::Bytes::new())
        };
        let answer = self.transport.send(&route, ends, build).await?;
        let (status, shown) = (answer.head.status, route.shown());
        if !status.is_success() {
            let body = answer.body.excerpt().await.unwrap_or_default();
            let said = excerpt(&answer.head.headers, &body);
            let (kind, hint) = match status.as_u16() {
                401 | 403 => (ErrorKind::BadCredentials, ": grant the identity the role Reader on the app"),
                404 => (ErrorKind::NotFound, ": check `subscription`, `resource_group` and `apps`"),
                429 => (ErrorKind::Throttled, ""),
                _ => (ErrorKind::Unavailable, ""),
            };
            return Err(VenueError::not_started(kind, format!("`{shown}` answered {status}{said}{hint}")));
        }
        let read = answer.body.whole(MOST_BYTES, ends).await;
        read.map(|(body, _)| body).map_err(|_| malformed(&shown, "it was cut off, late, or larger than 8 MiB"))
    }
}

fn malformed(what: &str, why: &str) -> VenueError {
    VenueError::not_started(ErrorKind::MalformedReply, format!("can't list functions of `{what}`: {why}"))
}
