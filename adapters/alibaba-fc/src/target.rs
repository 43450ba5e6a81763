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
use merit_units::InvocationId;
use merit_venue::{ErrorKind, Target, VenueError};

use crate::config::Place;

/// What stands before a function that is called asynchronously.
const ASYNC: &str = "async/";

/// Where HTTP triggers are, unless a domain of one's own stands before them.
const TRIGGERS: &str = "*.fcapp.run";

/// What a target stands for.
#[derive(Debug)]
pub(crate) enum Called {
    /// A function, by the API.
    Function(Route),
    /// A function, by the API, as an asynchronous task.
    Task(Task),
    /// An HTTP trigger.
    Trigger(Route),
}

/// A function that is called asynchronously.
#[derive(Debug)]
pub(crate) struct Task {
    /// Where a task of it is submitted.
    pub(crate) route: Route,
    /// Its name.
    pub(crate) name: String,
    pub(crate) qualifier: Option<String>,
}

impl Called {
    pub(crate) const fn route(&self) -> &Route {
        match self {
            Self::Function(route) | Self::Trigger(route) | Self::Task(Task { route, .. }) => route,
        }
    }
}

impl Task {
    /// The id of an attempt's task. Attempts of one invocation at one deployment share it, so that it runs once.
    pub(crate) fn id(&self, invocation: InvocationId) -> String {
        let mut id = format!("merit-{invocation}");
        if let Some(qualifier) = &self.qualifier {
            id.push('-');
            id.extend(qualifier.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }));
        }
        id.truncate(fc::MOST_TASK_ID_BYTES);
        id
    }

    /// Where it is asked how the task is doing.
    pub(crate) fn status_route(&self, place: &Place, id: &str) -> Route {
        self.at(place, &fc::task_path(&self.name, id))
    }

    /// Where it is asked how the function is called asynchronously.
    pub(crate) fn config_route(&self, place: &Place) -> Route {
        self.at(place, &fc::async_config_path(&self.name))
    }

    fn at(&self, place: &Place, path: &str) -> Route {
        let path = with_qualifier(format!("{}{path}", place.prefix), self.qualifier.as_deref());
        let path = PathAndQuery::from_maybe_shared(Bytes::from(path));
        Route::new(&place.origin, path.expect("invariant: a name that makes one path makes another"))
    }
}

fn with_qualifier(mut path: String, qualifier: Option<&str>) -> String {
    if let Some(qualifier) = qualifier {
        path.push_str("?qualifier=");
        path.push_str(&fc::query_value(qualifier));
    }
    path
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
    let (named, is_task) = target.as_str().strip_prefix(ASYNC).map_or((target.as_str(), false), |named| (named, true));
    let (name, qualifier) = match named.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier)),
        None => (named, None),
    };
    let plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.$".contains(&byte))
    };
    if !plain(name) || !qualifier.is_none_or(plain) {
        return refuse(
            "write a function's name, `name:alias` or `name:version`, with `async/` before it to call it asynchronously, \
             or the URL of its HTTP trigger",
        );
    }
    let path = with_qualifier(format!("{}{}", place.prefix, fc::invocations_path(name)), qualifier);
    let Ok(path) = PathAndQuery::from_maybe_shared(Bytes::from(path)) else {
        return refuse("it makes no path of a URL");
    };
    let route = Route::new(&place.origin, path);
    Ok(if is_task {
        Called::Task(Task { route, name: name.to_owned(), qualifier: qualifier.map(str::to_owned) })
    } else {
        Called::Function(route)
    })
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
        let kind = match called {
            Called::Function(_) => "",
            Called::Task(_) => "task ",
            Called::Trigger(_) => "trigger ",
        };
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
            (
                "async/resize:prod",
                "task fcv3.cn-hangzhou.aliyuncs.com/fc/2023-03-30/functions/resize/invocations?qualifier=prod",
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
            ("async/", "write a function's name"),
            ("async/async/resize", "write a function's name"),
            ("async/https://resize.fcapp.run/", "write a function's name"),
            ("a:", "write a function's name"),
            ("a:b:c", "write a function's name"),
            ("a?b=c", "write a function's name"),
        ] {
            let error = of(target).expect_err(target);
            assert!(error.starts_with("misconfigured: ") && error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_task_has_one_id_at_a_deployment_and_its_own_place_to_ask() {
        let origin =
            Origin::of_url(&"https://fcv3.cn-hangzhou.aliyuncs.com/".parse().expect("a URI")).expect("a server");
        let place = Place { origin: Arc::new(origin), prefix: String::new() };
        let id = |target: &str| {
            let called = called(&Target::try_new(target).expect(target), &place, &[]).expect(target);
            let Called::Task(task) = called else { panic!("{target} is a task") };
            let id = task.id(InvocationId::v7(1, 2));
            assert!(fc::is_task_id(&id), "{id}");
            let asked = task.status_route(&place, &id).uri.to_string();
            (id, asked)
        };
        let (plain, asked) = id("async/resize");
        assert_eq!(asked, format!("/2023-03-30/functions/resize/async-tasks/{plain}"));
        let (of_alias, asked) = id("async/resize:v1.2");
        assert_eq!(of_alias, format!("{plain}-v1_2"), "another deployment, another task");
        assert!(asked.ends_with("?qualifier=v1.2"), "{asked}");
        assert!(fc::is_task_id(&id(&format!("async/f:{}", "x".repeat(300))).0));
    }
}
