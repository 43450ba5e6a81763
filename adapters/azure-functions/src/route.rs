//! From a deployment's target to where its calls go.
//!
//! | target | called |
//! |---|---|
//! | `https://orders.azurewebsites.net/api/resize?code=...` | as it stands |
//! | `orders/resize` | `https://orders.azurewebsites.net/api/resize` |
//! | a host of `target_hosts` | as it stands |
//! | `resize`, with an `endpoint_url` | `{endpoint_url}/resize` |
//!
//! Invariant: a call goes to a host of Azure's, to one the configuration names, or to `endpoint_url`, and
//! to nowhere else; to all but the last by TLS. The same holds for places that an answer names.

use std::sync::Arc;

use bytes::Bytes;
use http::Uri;
use http::uri::{Authority, PathAndQuery};
use merit_transport::hosts::{has_dot_segment, host_matches};
use merit_transport::{Origin, Route};
use merit_venue::{ErrorKind, Target, VenueError};

use crate::config::AzureConfig;

/// Where Azure puts function apps, sovereign clouds among it.
const AZURE_HOSTS: [&str; 3] = ["*.azurewebsites.net", "*.azurewebsites.us", "*.chinacloudsites.cn"];

/// The routes a venue's configuration allows.
#[derive(Debug)]
pub(crate) struct Routes {
    /// With its path, without a slash at the end.
    endpoint: Option<(Arc<Origin>, String)>,
    hosts: Vec<String>,
}

impl Routes {
    /// From a configuration that was checked.
    pub(crate) fn new(config: &AzureConfig) -> Self {
        let endpoint = config.endpoint_url.as_deref().and_then(|url| {
            let uri: Uri = url.parse().ok()?;
            Some((Arc::new(Origin::of_url(&uri).ok()?), uri.path().trim_end_matches('/').to_owned()))
        });
        Self { endpoint, hosts: config.target_hosts.clone() }
    }

    /// Where a target is called.
    ///
    /// # Errors
    /// `Misconfigured`, when it is nothing this venue can call.
    pub(crate) fn of(&self, target: &Target) -> Result<Route, VenueError> {
        let called = match target.uri() {
            Some(uri) => self.absolute(uri),
            None => self.short(target.as_str()),
        };
        called.map_err(|why| {
            let message = format!("the target `{target}` can't be called: {why}");
            VenueError::not_started(ErrorKind::Misconfigured, message)
        })
    }

    /// The route to an absolute URL of a target or of an answer.
    ///
    /// # Errors
    /// Why nothing is sent there.
    pub(crate) fn absolute(&self, uri: &Uri) -> Result<Route, String> {
        let origin = Origin::of_url(uri).map_err(|why| format!("it {why}"))?;
        let own = self.endpoint.as_ref().filter(|(endpoint, _)| **endpoint == origin);
        if own.is_none() {
            if !origin.tls() {
                return Err("apps are called by https".to_owned());
            }
            let mut named = self.hosts.iter().map(String::as_str).chain(AZURE_HOSTS);
            if !named.any(|pattern| host_matches(pattern, origin.host())) {
                return Err("its host is neither Azure's nor one of `target_hosts`: add it there".to_owned());
            }
        }
        let origin = own.map_or_else(|| Arc::new(origin), |(endpoint, _)| Arc::clone(endpoint));
        let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        Ok(Route::new(&origin, path))
    }

    fn short(&self, target: &str) -> Result<Route, String> {
        let path = target.split('?').next().unwrap_or_default();
        if has_dot_segment(path) {
            return Err("a path must not have `.` or `..` in it".to_owned());
        }
        let (origin, whole) = match &self.endpoint {
            Some((origin, base)) => (Arc::clone(origin), format!("{base}/{}", target.trim_start_matches('/'))),
            None => {
                let hint = "write it as `app/function`, or as the function's URL";
                let (app, rest) = target.split_once('/').ok_or(hint)?;
                let named = !app.is_empty() && app.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
                let authority = format!("{app}.azurewebsites.net").parse::<Authority>().ok().filter(|_| named);
                (Arc::new(Origin::new(true, authority.ok_or(hint)?)), format!("/api/{rest}"))
            }
        };
        let parsed = PathAndQuery::from_maybe_shared(Bytes::from(whole));
        let parsed = parsed.map_err(|_| "it is not a path of a URL: percent-encode special characters".to_owned())?;
        Ok(Route::new(&origin, parsed))
    }
}

/// The app that a host is of: its first label.
pub(crate) fn app_of(route: &Route) -> &str {
    route.origin.host().split('.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(change: impl FnOnce(&mut AzureConfig), target: &str) -> Result<(String, String), String> {
        let mut config = AzureConfig::new("eastus");
        change(&mut config);
        let target = Target::try_new(target).expect(target);
        let route = Routes::new(&config).of(&target).map_err(|error| error.to_string())?;
        Ok((route.origin.authority().to_string(), route.uri.to_string()))
    }

    #[test]
    fn every_row_of_the_table() {
        let found = |host: &str, path: &str| Ok((host.to_owned(), path.to_owned()));
        let app = "orders.azurewebsites.net";
        let own = |config: &mut AzureConfig| config.target_hosts = vec!["orders.example.com".to_owned()];
        let endpoint = |config: &mut AzureConfig| config.endpoint_url = Some("http://127.0.0.1:8790/az/".to_owned());
        assert_eq!(of(|_| {}, &format!("https://{app}/api/resize?code=k")), found(app, "/api/resize?code=k"));
        let flex = "orders-abc.eastus-01.azurewebsites.net";
        assert_eq!(of(|_| {}, &format!("https://{flex}/api/resize")), found(flex, "/api/resize"));
        assert_eq!(of(|_| {}, "orders/resize"), found(app, "/api/resize"));
        assert_eq!(of(own, "https://orders.example.com/x"), found("orders.example.com", "/x"));
        assert_eq!(of(endpoint, "resize?x=1"), found("127.0.0.1:8790", "/az/resize?x=1"));
        assert_eq!(of(endpoint, "http://127.0.0.1:8790/az/resize"), found("127.0.0.1:8790", "/az/resize"));
    }

    #[test]
    fn other_places_are_refused_with_what_to_do() {
        for (target, why) in [
            ("resize", "write it as `app/function`"),
            ("or.ders/resize", "write it as `app/function`"),
            ("http://orders.azurewebsites.net/api/resize", "called by https"),
            ("https://evil.example/", "add it there"),
            ("https://orders.azurewebsites.net.evil.example/", "add it there"),
            ("orders/../admin", "must not have"),
        ] {
            let error = of(|_| {}, target).expect_err(target);
            assert!(error.starts_with("misconfigured: ") && error.contains(why), "{error}");
        }
        let secret = of(|_| {}, "https://evil.example/api?code=hunter2").expect_err("another host");
        assert!(!secret.contains("hunter2"), "{secret}");
    }
}
