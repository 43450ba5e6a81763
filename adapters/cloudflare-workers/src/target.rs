//! From a deployment's target to where a call goes, and which script that is.
//!
//! Invariant: credentials go to the base URL's host, below the account's `workers.dev`, or to a host that the
//! configuration names, and nowhere else.

use std::sync::Arc;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery};
use merit_transport::hosts::{has_dot_segment, host_matches};
use merit_transport::{Origin, Route};
use merit_venue::{ErrorKind, Target, VenueError};

use crate::config::WorkersConfig;

/// Where a call goes.
#[derive(Debug)]
pub(crate) struct Called {
    pub(crate) route: Route,
    /// The script's name, as far as the target tells it.
    pub(crate) script: String,
}

/// Where a call of the target goes.
///
/// # Errors
/// `Misconfigured`, when it names nothing that this venue can call.
pub(crate) fn called(
    target: &Target,
    config: &WorkersConfig,
    base: Option<&(Arc<Origin>, String)>,
) -> Result<Called, VenueError> {
    let refuse = |why: &str| {
        let message = format!("the target `{target}` can't be called: {why}");
        VenueError::not_started(ErrorKind::Misconfigured, message)
    };
    if let Some(uri) = target.uri() {
        let origin = Origin::of_url(uri).map_err(|why| refuse(&format!("it {why}")))?;
        if !is_allowed(&origin, config, base) {
            return Err(refuse("its host is not the venue's: add it to `target_hosts`"));
        }
        let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let script = origin.host().split('.').next().unwrap_or_default().to_owned();
        return Ok(Called { route: Route::new(&Arc::new(origin), path), script });
    }
    let text = target.as_str().trim_start_matches('/');
    let (name, rest) = text.split_once('/').unwrap_or((text, ""));
    let (origin, path) = match (base, &config.subdomain) {
        (Some((origin, prefix)), _) => (Arc::clone(origin), [prefix.as_str(), "/", text].concat()),
        (None, Some(subdomain)) => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            if name.is_empty() || !name.bytes().all(plain) {
                return Err(refuse("write a script's name, with a path behind it if it has one, or its URL"));
            }
            let host = Authority::try_from(format!("{name}.{subdomain}.workers.dev"));
            let host = host.map_err(|_| refuse("it makes no host below workers.dev"))?;
            (Arc::new(Origin::new(true, host)), ["/", rest].concat())
        }
        (None, None) => return Err(refuse("write the Worker's URL: the venue has neither `url` nor `subdomain`")),
    };
    if has_dot_segment(&path) {
        return Err(refuse("a path must not have `.` or `..` in it"));
    }
    let path = PathAndQuery::from_maybe_shared(Bytes::from(path));
    let path = path.map_err(|_| refuse("it is not a path of a URL: percent-encode special characters"))?;
    Ok(Called { route: Route::new(&origin, path), script: name.to_owned() })
}

fn is_allowed(origin: &Origin, config: &WorkersConfig, base: Option<&(Arc<Origin>, String)>) -> bool {
    if base.is_some_and(|(base, _)| **base == *origin) {
        return true;
    }
    let own = config.subdomain.as_ref().map(|name| format!("*.{name}.workers.dev"));
    let mut patterns = config.target_hosts.iter().chain(&own);
    origin.tls() && patterns.any(|pattern| host_matches(pattern, origin.host()))
        || config.target_hosts.iter().any(|pattern| host_matches(pattern, origin.host()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(target: &str, config: &WorkersConfig) -> Result<String, String> {
        let base = config.check().expect("no mistake").base;
        let target = Target::try_new(target).expect(target);
        let Called { route, script } = called(&target, config, base.as_ref()).map_err(|error| error.to_string())?;
        Ok(format!("{script} {}{}", route.origin.authority(), route.uri))
    }

    #[test]
    fn names_paths_and_urls_lead_to_a_worker() {
        let dev = WorkersConfig { subdomain: Some("team".to_owned()), ..WorkersConfig::new() };
        let own = WorkersConfig { base_url: Some("https://w.example.com/api/".to_owned()), ..WorkersConfig::new() };
        for (target, config, expected) in [
            ("resize", &dev, "resize resize.team.workers.dev/"),
            ("resize/v2?x=1", &dev, "resize resize.team.workers.dev/v2?x=1"),
            ("https://zoom.team.workers.dev/a", &dev, "zoom zoom.team.workers.dev/a"),
            ("resize", &own, "resize w.example.com/api/resize"),
            ("/resize/v2", &own, "resize w.example.com/api/resize/v2"),
            ("https://w.example.com/other", &own, "w w.example.com/other"),
        ] {
            assert_eq!(of(target, config).as_deref(), Ok(expected), "{target}");
        }
    }

    #[test]
    fn what_would_take_the_credentials_elsewhere_is_refused() {
        let dev = WorkersConfig { subdomain: Some("team".to_owned()), ..WorkersConfig::new() };
        for target in [
            "https://resize.other.workers.dev/",
            "http://resize.team.workers.dev/",
            "https://evil.com/",
            "a.b",
            "a/../b",
            "a/%2e%2E/b",
            "x@y",
        ] {
            let error = of(target, &dev).expect_err(target);
            assert!(error.starts_with("misconfigured: "), "{error}");
        }
    }
}
