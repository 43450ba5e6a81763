//! From a deployment's target to a place to connect to and a path to ask for.
//!
//! Invariant: a call goes to the base URL's authority, or to a host the configuration names, and
//! nowhere else: the configured headers may hold credentials.

use std::sync::Arc;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderValue, Uri};
use merit_transport::hosts::{check_host_pattern, has_dot_segment, host_matches};
use merit_transport::{Origin, Route};
use merit_units::FunctionId;
use merit_venue::{ConfigError, ErrorKind, Target, VenueError};

use crate::config::HttpConfig;
use crate::preset::Preset;

/// Stands for the function's name in a configured host.
const FUNCTION_PLACEHOLDER: &str = "{function}";

/// The routes a venue's configuration allows.
#[derive(Debug)]
pub(crate) struct Routes {
    base: Arc<Origin>,
    /// Without a slash at the end.
    base_path: String,
    host: Host,
    target_hosts: Vec<String>,
    preset: Option<Preset>,
}

/// What is sent as `host`.
#[derive(Debug)]
enum Host {
    /// The same for every call to the base URL's authority; that of the URL elsewhere.
    OfUrl(HeaderValue),
    Fixed(HeaderValue),
    /// With a placeholder for the function's name.
    Template(String),
}

impl Host {
    fn parse(text: &str) -> Result<Self, String> {
        match HeaderValue::from_str(text) {
            Ok(_) if text.contains(FUNCTION_PLACEHOLDER) => Ok(Self::Template(text.to_owned())),
            Ok(fixed) if !text.is_empty() => Ok(Self::Fixed(fixed)),
            _ => Err(format!("`{text}` is not a host: write it like `gateway.example.com`")),
        }
    }
}

impl Routes {
    pub(crate) fn try_new(config: &HttpConfig, errors: &mut Vec<ConfigError>) -> Option<Self> {
        let host = config.host.as_deref().map(Host::parse).transpose();
        let host = host.map_err(|message| errors.push(ConfigError { field: "host", message })).ok().flatten();
        for pattern in &config.target_hosts {
            if let Err(message) = check_host_pattern(pattern) {
                errors.push(ConfigError { field: "target_hosts", message });
            }
        }
        match parse_base(&config.base_url) {
            Ok((base, base_path)) => {
                let host = host.unwrap_or_else(|| Host::OfUrl(base.host_header()));
                let (target_hosts, preset) = (config.target_hosts.clone(), config.preset.clone());
                Some(Self { base: Arc::new(base), base_path, host, target_hosts, preset })
            }
            Err(reason) => {
                let shown = config.shown_base();
                errors.push(ConfigError { field: "base_url", message: format!("`{shown}` {reason}") });
                None
            }
        }
    }

    /// Whether any allowed route needs TLS.
    pub(crate) fn may_need_tls(&self) -> bool {
        self.base.tls() || !self.target_hosts.is_empty()
    }

    /// The route of a call.
    pub(crate) fn of(&self, target: &Target, function: &FunctionId) -> Result<Route, VenueError> {
        match target.uri() {
            Some(uri) => self.absolute(uri, target, function),
            None => match &self.preset {
                None => self.below_base(target.as_str(), Some(function)),
                Some(preset) => self.of_preset(preset, target.as_str(), function),
            },
        }
    }

    fn of_preset(&self, preset: &Preset, target: &str, function: &FunctionId) -> Result<Route, VenueError> {
        let hosted = preset.hosted(target).map_err(|reason| misconfigured(target, reason))?;
        match hosted {
            Some((host, path)) => Ok(Route { host, ..self.below_base(&path, Some(function))? }),
            None => self.below_base(&preset.path(target), Some(function)),
        }
    }

    /// The servers of these targets, each once; the base URL's first.
    pub(crate) fn origins(&self, targets: &[Arc<Target>]) -> Vec<Arc<Origin>> {
        let mut origins = vec![Arc::clone(&self.base)];
        for uri in targets.iter().filter_map(|target| target.uri()) {
            let origin = Origin::of_url(uri).ok().map(Arc::new);
            origins.extend(origin.filter(|origin| !origins.contains(origin)));
        }
        origins
    }

    /// The route to a path below the base URL.
    pub(crate) fn below_base(&self, path: &str, function: Option<&FunctionId>) -> Result<Route, VenueError> {
        let refuse = |reason| Err(misconfigured(path, reason));
        if has_dot_segment(path) {
            return refuse("a path must not have `.` or `..` in it");
        }
        let path = path.trim_start_matches('/');
        let joined = Bytes::from([self.base_path.as_str(), "/", path].concat());
        let Ok(parsed) = PathAndQuery::from_maybe_shared(joined) else {
            return refuse("it is not a path of a URL: percent-encode special characters");
        };
        let host = self.host_header(&self.base, function);
        Ok(Route { origin: Arc::clone(&self.base), uri: Uri::from(parsed), host })
    }

    fn absolute(&self, uri: &Uri, target: &Target, function: &FunctionId) -> Result<Route, VenueError> {
        let refuse = |reason| Err(misconfigured(target.as_str(), reason));
        let origin = match Origin::of_url(uri) {
            Ok(origin) => origin,
            Err(reason) => return refuse(reason),
        };
        let origin = if origin == *self.base { Arc::clone(&self.base) } else { Arc::new(origin) };
        if origin != self.base {
            if self.base.tls() && !origin.tls() {
                return refuse("the venue is reached by https, so its targets must be too");
            }
            if !self.target_hosts.iter().any(|pattern| host_matches(pattern, origin.host())) {
                return refuse("its host is neither the base URL's nor one of `target_hosts`: add it there");
            }
        }
        let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let host = self.host_header(&origin, Some(function));
        Ok(Route { origin, uri: Uri::from(path), host })
    }

    fn host_header(&self, origin: &Arc<Origin>, function: Option<&FunctionId>) -> HeaderValue {
        match &self.host {
            Host::OfUrl(base) if *origin == self.base => base.clone(),
            Host::OfUrl(_) => origin.host_header(),
            Host::Fixed(host) => host.clone(),
            Host::Template(host) => {
                header_value(&host.replace(FUNCTION_PLACEHOLDER, function.map_or("", FunctionId::as_str)))
            }
        }
    }
}

fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("invariant: an authority, or checked when the venue was configured")
}

fn parse_base(text: &str) -> Result<(Origin, String), &'static str> {
    const SHAPE: &str = "is not a URL: write it like `https://gateway.example.com/function`";
    let uri: Uri = text.parse().map_err(|_| SHAPE)?;
    let origin = Origin::of_url(&uri)?;
    if uri.query().is_some() {
        return Err("has a query: put keys in `headers`, and queries in the deployments' targets");
    }
    if has_dot_segment(uri.path()) {
        return Err("has `.` or `..` in its path: write the path out");
    }
    Ok((origin, uri.path().trim_end_matches('/').to_owned()))
}

fn misconfigured(target: &str, reason: &str) -> VenueError {
    let shown = target.split('?').next().unwrap_or_default();
    VenueError::not_started(ErrorKind::Misconfigured, format!("the target `{shown}` can't be called: {reason}"))
}

#[cfg(test)]
mod tests;
