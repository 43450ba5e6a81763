//! From a deployment's target to where a call goes.
//!
//! Invariant: what is signed with the venue's key goes to its endpoint, to `*.fcapp.run` or to a host that the
//! configuration names, and nowhere else.

use std::sync::Arc;

use bytes::Bytes;
use http::uri::PathAndQuery;
use merit_cloud_wire::fc;
use merit_transport::hosts::host_matches;
use merit_transport::{Origin, Route};
use merit_venue::{ErrorKind, Target, VenueError};

use crate::config::Place;

/// Where HTTP triggers are, unless a domain of one's own stands before them.
const TRIGGERS: &str = "*.fcapp.run";

/// What a target stands for.
#[derive(Debug)]
pub(crate) enum Called {
    /// A function, by the API.
    Function(Route),
    /// An HTTP trigger.
    Trigger(Route),
}

impl Called {
    pub(crate) const fn route(&self) -> &Route {
        match self {
            Self::Function(route) | Self::Trigger(route) => route,
        }
    }
}

/// Where a call of the target goes.
///
/// # Errors
/// `Misconfigured`, when it names nothing that this venue can call.
pub(crate) fn called(target: &Target, place: &Place, trigger_hosts: &[String]) -> Result<Called, VenueError> {
    let refuse = |why: &str| {
        let message = format!("the target `{target}` can't be called: {why}");
        Err(VenueError::not_started(ErrorKind::Misconfigured, message))
    };
    if let Some(uri) = target.uri() {
        let origin = match Origin::of_url(uri) {
            Ok(origin) => origin,
            Err(why) => return refuse(&format!("it {why}")),
        };
        let mut allowed = trigger_hosts.iter().map(String::as_str).chain([TRIGGERS]);
        if !allowed.any(|pattern| host_matches(pattern, origin.host())) {
            return refuse("its host is not below fcapp.run: add it to `trigger_hosts` if it is a domain of your own");
        }
        let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        return Ok(Called::Trigger(Route::new(&Arc::new(origin), path)));
    }
    let (name, qualifier) = match target.as_str().split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier)),
        None => (target.as_str(), None),
    };
    let plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.$".contains(&byte))
    };
    if !plain(name) || !qualifier.is_none_or(plain) {
        return refuse("write a function's name, `name:alias` or `name:version`, or the URL of its HTTP trigger");
    }
    let mut path = format!("{}{}", place.prefix, fc::invocations_path(name));
    if let Some(qualifier) = qualifier {
        path.push_str("?qualifier=");
        path.push_str(&fc::query_value(qualifier));
    }
    match PathAndQuery::from_maybe_shared(Bytes::from(path)) {
        Ok(path) => Ok(Called::Function(Route::new(&place.origin, path))),
        Err(_) => refuse("it makes no path of a URL"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(target: &str) -> Result<String, String> {
        let origin =
            Origin::of_url(&"https://fcv3.cn-hangzhou.aliyuncs.com/".parse().expect("a URI")).expect("a server");
        let place = Place { origin: Arc::new(origin), prefix: "/fc".to_owned() };
        let target = Target::try_new(target).expect(target);
        let called = called(&target, &place, &["fn.example.com".to_owned()]).map_err(|error| error.to_string())?;
        let kind = if matches!(called, Called::Trigger(_)) { "trigger " } else { "" };
        let route = called.route();
        Ok(format!("{kind}{}{}", route.origin.authority(), route.uri))
    }

    #[test]
    fn names_go_to_the_api_and_urls_of_triggers_to_their_own_hosts() {
        for (target, expected) in [
            ("resize", "fcv3.cn-hangzhou.aliyuncs.com/fc/2023-03-30/functions/resize/invocations"),
            (
                "resize:LATEST",
                "fcv3.cn-hangzhou.aliyuncs.com/fc/2023-03-30/functions/resize/invocations?qualifier=LATEST",
            ),
            (
                "svc$resize:3",
                "fcv3.cn-hangzhou.aliyuncs.com/fc/2023-03-30/functions/svc%24resize/invocations?qualifier=3",
            ),
            ("https://resize-abc.cn-hangzhou.fcapp.run/x?y=1", "trigger resize-abc.cn-hangzhou.fcapp.run/x?y=1"),
            ("https://fn.example.com", "trigger fn.example.com/"),
        ] {
            assert_eq!(of(target).as_deref(), Ok(expected), "{target}");
        }
    }

    #[test]
    fn what_would_take_the_signature_elsewhere_is_refused() {
        for (target, why) in [
            ("https://fcapp.run/", "below fcapp.run"),
            ("https://evilfcapp.run/", "below fcapp.run"),
            ("https://example.com/", "below fcapp.run"),
            ("res/ize", "write a function's name"),
            ("a:", "write a function's name"),
            ("a:b:c", "write a function's name"),
            ("a?b=c", "write a function's name"),
        ] {
            let error = of(target).expect_err(target);
            assert!(error.starts_with("misconfigured: ") && error.contains(why), "{error}");
        }
    }
}
