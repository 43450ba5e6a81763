//! From a deployment's target to where its calls go, and to whom the token is made out.
//!
//! | target | called | audience |
//! |---|---|---|
//! | `https://resize-abc-uc.a.run.app/path` | as it stands | the origin, `https://resize-abc-uc.a.run.app` |
//! | `https://us-central1-p.cloudfunctions.net/resize` | as it stands | the URL without its query |
//! | a host of `target_hosts` | as it stands | the origin |
//! | `resize`, with an `endpoint_url` | `{endpoint_url}/resize` | that URL |
//!
//! A configured `audience` takes the place of all of these.
//!
//! Invariant: a call goes to a host of Google's, to one the configuration names, or to `endpoint_url`, and
//! to nowhere else; to all but the last by TLS.

use std::sync::Arc;

use bytes::Bytes;
use http::Uri;
use http::uri::PathAndQuery;
use merit_transport::hosts::{has_dot_segment, host_matches};
use merit_transport::{Origin, Route};
use merit_venue::{ErrorKind, Target, VenueError};

use crate::config::GoogleRunConfig;

/// Where Google puts services and functions.
const GOOGLE_HOSTS: [&str; 2] = ["*.run.app", "*.cloudfunctions.net"];

/// Where one call goes, and to whom its token is made out.
#[derive(Clone, Debug)]
pub(crate) struct Called {
    pub(crate) route: Route,
    pub(crate) audience: String,
}

impl Called {
    /// The URL that is called, without its query.
    pub(crate) fn place(&self) -> String {
        let Route { origin, uri, .. } = &self.route;
        let scheme = if origin.tls() { "https" } else { "http" };
        format!("{scheme}://{}{}", origin.authority(), uri.path().trim_end_matches('/'))
    }
}

/// The routes a venue's configuration allows.
#[derive(Debug)]
pub(crate) struct Routes {
    /// With its path, without a slash at the end.
    endpoint: Option<(Arc<Origin>, String)>,
    audience: Option<String>,
    hosts: Vec<String>,
}

impl Routes {
    /// From a configuration that was checked.
    pub(crate) fn new(config: &GoogleRunConfig) -> Self {
        let endpoint = config.endpoint_url.as_deref().and_then(|url| {
            let uri: Uri = url.parse().ok()?;
            Some((Arc::new(Origin::of_url(&uri).ok()?), uri.path().trim_end_matches('/').to_owned()))
        });
        Self { endpoint, audience: config.audience.clone(), hosts: config.target_hosts.clone() }
    }

    /// Where a target is called.
    ///
    /// # Errors
    /// `Misconfigured`, when it is nothing this venue can call.
    pub(crate) fn of(&self, target: &Target) -> Result<Called, VenueError> {
        let called = match target.uri() {
            Some(uri) => self.absolute(uri),
            None => self.below_endpoint(target.as_str()),
        };
        let called = called.map_err(|why| {
            let message = format!("the target `{target}` can't be called: {why}");
            VenueError::not_started(ErrorKind::Misconfigured, message)
        })?;
        Ok(match &self.audience {
            Some(audience) => Called { audience: audience.clone(), ..called },
            None => called,
        })
    }

    fn absolute(&self, uri: &Uri) -> Result<Called, String> {
        let origin = Origin::of_url(uri).map_err(|why| format!("it {why}"))?;
        let own = self.endpoint.as_ref().filter(|(endpoint, _)| **endpoint == origin);
        if own.is_none() {
            if !origin.tls() {
                return Err("services are called by https".to_owned());
            }
            let named = self.hosts.iter().map(String::as_str).chain(GOOGLE_HOSTS);
            if !named.into_iter().any(|pattern| host_matches(pattern, origin.host())) {
                return Err("its host is neither Google's nor one of `target_hosts`: add it there".to_owned());
            }
        }
        let whole = own.is_some() || host_matches(GOOGLE_HOSTS[1], origin.host());
        let scheme = if origin.tls() { "https" } else { "http" };
        let path = if whole { uri.path().trim_end_matches('/') } else { "" };
        let audience = format!("{scheme}://{}{path}", origin.authority());
        let origin = own.map_or_else(|| Arc::new(origin), |(endpoint, _)| Arc::clone(endpoint));
        let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        Ok(Called { route: Route::new(&origin, path), audience })
    }

    fn below_endpoint(&self, target: &str) -> Result<Called, String> {
        let Some((origin, base)) = &self.endpoint else {
            return Err("write the service's URL, such as https://resize-abc-uc.a.run.app".to_owned());
        };
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        if has_dot_segment(path) {
            return Err("a path must not have `.` or `..` in it".to_owned());
        }
        let path = format!("{base}/{}", path.trim_start_matches('/'));
        let scheme = if origin.tls() { "https" } else { "http" };
        let audience = format!("{scheme}://{}{path}", origin.authority());
        let whole = query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
        let parsed = PathAndQuery::from_maybe_shared(Bytes::from(whole));
        let parsed = parsed.map_err(|_| "it is not a path of a URL: percent-encode special characters".to_owned())?;
        Ok(Called { route: Route::new(origin, parsed), audience })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(change: impl FnOnce(&mut GoogleRunConfig), target: &str) -> Result<(String, String, String), String> {
        let mut config = GoogleRunConfig::new("us-central1");
        change(&mut config);
        let target = Target::try_new(target).expect(target);
        let called = Routes::new(&config).of(&target).map_err(|error| error.to_string())?;
        let Called { route, audience } = called;
        Ok((route.origin.authority().to_string(), route.uri.to_string(), audience))
    }

    fn found(host: &str, path: &str, audience: &str) -> Result<(String, String, String), String> {
        Ok((host.to_owned(), path.to_owned(), audience.to_owned()))
    }

    #[test]
    fn every_row_of_the_table() {
        let run = "resize-abc-uc.a.run.app";
        assert_eq!(
            of(|_| {}, &format!("https://{run}/a?x=1")),
            found(run, "/a?x=1", "https://resize-abc-uc.a.run.app"),
            "a service is named by its origin"
        );
        assert_eq!(of(|_| {}, &format!("https://{run}")), found(run, "/", "https://resize-abc-uc.a.run.app"));
        let functions = "us-central1-p.cloudfunctions.net";
        assert_eq!(
            of(|_| {}, &format!("https://{functions}/resize?x=1")),
            found(functions, "/resize?x=1", "https://us-central1-p.cloudfunctions.net/resize"),
            "a function of the first generation by its URL"
        );
        let own = |config: &mut GoogleRunConfig| config.target_hosts = vec!["orders.example.com".to_owned()];
        assert_eq!(
            of(own, "https://orders.example.com/a"),
            found("orders.example.com", "/a", "https://orders.example.com")
        );
        let endpoint =
            |config: &mut GoogleRunConfig| config.endpoint_url = Some("http://127.0.0.1:8790/gcp/".to_owned());
        assert_eq!(
            of(endpoint, "resize?x=1"),
            found("127.0.0.1:8790", "/gcp/resize?x=1", "http://127.0.0.1:8790/gcp/resize")
        );
        assert_eq!(
            of(endpoint, "http://127.0.0.1:8790/gcp/resize"),
            found("127.0.0.1:8790", "/gcp/resize", "http://127.0.0.1:8790/gcp/resize")
        );
        let custom = |config: &mut GoogleRunConfig| config.audience = Some("orders".to_owned());
        assert_eq!(of(custom, &format!("https://{run}/a")), found(run, "/a", "orders"));
    }

    #[test]
    fn other_places_are_refused_with_what_to_do() {
        for (target, why) in [
            ("resize", "write the service's URL"),
            ("http://resize-abc-uc.a.run.app/", "called by https"),
            ("https://evil.example/", "add it there"),
            ("https://run.app/", "add it there"),
            ("https://a.run.app.evil.example/", "add it there"),
        ] {
            let error = of(|_| {}, target).expect_err(target);
            assert!(error.starts_with("misconfigured: ") && error.contains(why), "{error}");
        }
        let endpoint =
            |config: &mut GoogleRunConfig| config.endpoint_url = Some("http://127.0.0.1:8790/gcp".to_owned());
        for upwards in ["../other", "a/%2E%2e/b"] {
            assert!(of(endpoint, upwards).is_err_and(|why| why.contains("must not have")), "{upwards}");
        }
    }
}
