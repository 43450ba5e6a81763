//! Platforms behind HTTP that are known by name: where their functions are, what their replies tell, how they list.
//!
//! | | OpenFaaS | Knative |
//! |---|---|---|
//! | a target | `NAME` or `NAME.NAMESPACE`, called at `/function/TARGET` of the gateway; with `async/` before it, at `/async-function/TARGET` | `NAME` or `NAME.NAMESPACE`, with a path behind it if need be: the `host` header is `NAME.NAMESPACE.DOMAIN` |
//! | meters | `X-Duration-Seconds`, which its watchdogs send, where meters are believed | none |
//! | besides | `X-Call-Id` is the attempt's | CloudEvents in binary mode, where configured |
//! | what it answers itself | told from its functions' errors, as `gateway` says | by status |
//! | lists by | `GET /system/functions`, with the gateway's user and password | `GET serving.knative.dev/v1` services of the Kubernetes API |
//!
//! `X-Duration-Seconds` also tells a function's own 404 from that of the gateway, which has none.
//!
//! Known limitation: a function `async` of OpenFaaS is called with a path behind it as `/async/PATH`.

mod gateway;
mod list;

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use merit_transport::{Origin, Transport};
use merit_venue::{Call, ConfigError, Discovered, Meters, Outcome, Step, Target, VenueError, meter_header};
use tokio::time::Instant;

use crate::status::Meaning;

pub(crate) use gateway::UNKNOWN_FUNCTION;

/// What stands before a function that is called by the queue.
const QUEUED: &str = "async/";

const CALL_ID: HeaderName = HeaderName::from_static("x-call-id");
const START_TIME: HeaderName = HeaderName::from_static("x-start-time");
const DURATION_SECONDS: HeaderName = HeaderName::from_static("x-duration-seconds");

/// Which platform it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preset {
    /// An OpenFaaS gateway.
    OpenFaas(OpenFaas),
    /// A Knative ingress.
    Knative(Knative),
}

/// What an OpenFaaS gateway needs.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct OpenFaas {
    /// User and password of its `/system` paths.
    pub gateway: Option<(String, String)>,
    /// The namespace whose functions are listed.
    pub namespace: Option<String>,
}

/// What a Knative ingress needs.
#[derive(Clone, PartialEq, Eq)]
pub struct Knative {
    /// The namespace of services that name none.
    pub namespace: String,
    /// What stands behind a service's name and namespace in its host.
    pub domain: String,
    /// Type and source of the CloudEvents that calls are sent as.
    pub events: Option<(String, String)>,
    /// The URL of the Kubernetes API, and its token.
    pub api: Option<(String, Option<String>)>,
}

impl std::fmt::Debug for OpenFaas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenFaas").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Knative {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { namespace, domain, events, .. } = self;
        let mut shown = f.debug_struct("Knative");
        shown.field("namespace", namespace).field("domain", domain).field("events", events).finish_non_exhaustive()
    }
}

impl Preset {
    /// The function of a target that is called by the platform's queue.
    pub(crate) fn queued<'t>(&self, target: &'t str) -> Option<&'t str> {
        if matches!(self, Self::OpenFaas(_)) { target.strip_prefix(QUEUED) } else { None }
    }

    /// A target's path, where the host is not the target's.
    pub(crate) fn path(&self, target: &str) -> String {
        match (self, self.queued(target)) {
            (Self::OpenFaas(_), Some(name)) => format!("/async-function/{name}"),
            (Self::OpenFaas(_), None) => format!("/function/{}", target.trim_start_matches('/')),
            (Self::Knative(_), _) => target.to_owned(),
        }
    }

    /// The host and the path of a target, where the host is the target's.
    ///
    /// # Errors
    /// Why the target names no service.
    pub(crate) fn hosted(&self, target: &str) -> Result<Option<(HeaderValue, String)>, &'static str> {
        let Self::Knative(own) = self else { return Ok(None) };
        let target = target.trim_start_matches('/');
        let (service, path) = target.split_once('/').unwrap_or((target, ""));
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
        let dots = service.bytes().filter(|byte| *byte == b'.').count();
        if service.is_empty()
            || service.starts_with('.')
            || service.ends_with('.')
            || dots > 1
            || !service.bytes().all(good)
        {
            return Err("it is not a service's name: write `name`, `name.namespace`, and a path behind it if need be");
        }
        let namespace = if dots == 1 { String::new() } else { format!(".{}", own.namespace) };
        let host = format!("{service}{namespace}.{}", own.domain);
        let host = HeaderValue::from_str(&host).map_err(|_| "its host is no header")?;
        Ok(Some((host, path.to_owned())))
    }

    /// Adds what the platform wants to be told of a call.
    pub(crate) fn tell(&self, call: &Call, headers: &mut HeaderMap) {
        let id = format!("{}-{}", call.invocation, call.attempt);
        let value =
            |text: &str| HeaderValue::from_str(text).expect("invariant: checked with the configuration, or an id");
        match self {
            Self::OpenFaas(_) => drop(headers.insert(CALL_ID, value(&id))),
            Self::Knative(own) => {
                let Some((kind, source)) = &own.events else { return };
                for (name, text) in
                    [("ce-specversion", "1.0"), ("ce-type", kind), ("ce-source", source), ("ce-id", &id)]
                {
                    headers.insert(HeaderName::from_static(name), value(text));
                }
            }
        }
    }

    /// Whether an answer that refuses credentials is of something that stands before the platform's gateway, and not of a
    /// function: the gateway of OpenFaaS says on every answer that it passes on when it began. Nothing shows it of a
    /// Knative ingress: what Envoy tells of the servers behind it can be switched off.
    ///
    /// Source: openfaas/faas, `gateway/handlers/callid_middleware.go`, read 2026-11-22.
    pub(crate) fn refused_before(&self, headers: &HeaderMap) -> bool {
        matches!(self, Self::OpenFaas(_)) && !gateway::passed(headers)
    }

    /// What an answer means that the platform gave of itself; `None` where its status says it, or a function did.
    pub(crate) fn meaning(&self, status: StatusCode, headers: &HeaderMap) -> Option<Meaning> {
        if matches!(self, Self::OpenFaas(_)) { gateway::meaning(status, headers) } else { None }
    }

    /// The outcome of an answer that is not a function's, by its words too.
    pub(crate) fn outcome(&self, outcome: Outcome, headers: &HeaderMap, said: &[u8]) -> Outcome {
        if matches!(self, Self::OpenFaas(_)) { gateway::outcome(outcome, headers, said) } else { outcome }
    }

    /// Reads what the platform tells of a call as Merit's own meters. What is no number is refused as theirs are.
    pub(crate) fn translate(&self, headers: &mut HeaderMap, meters: Meters) {
        if meters != Meters::Reported || !matches!(self, Self::OpenFaas(_)) {
            return;
        }
        let (own, told) = (HeaderName::from_static(meter_header::DURATION_US), headers.get(DURATION_SECONDS));
        let Some(told) = told.filter(|_| !headers.contains_key(&own)) else { return };
        let micros = told.to_str().ok().and_then(micros).map_or_else(|| "?".to_owned(), |micros| micros.to_string());
        headers.insert(own, HeaderValue::from_str(&micros).expect("invariant: digits, or a question mark"));
    }

    /// Whether what it lists by needs TLS.
    pub(crate) fn needs_tls(&self) -> bool {
        matches!(self, Self::Knative(Knative { api: Some((url, _)), .. }) if url.starts_with("https:"))
    }

    /// What is wrong with it.
    pub(crate) fn check(&self, errors: &mut Vec<ConfigError>) {
        if let Self::Knative(own) = self {
            let text = |text: &str| HeaderValue::from_str(text).is_ok() && !text.is_empty();
            let events = own.events.as_ref().is_none_or(|(kind, source)| text(kind) && text(source));
            if !text(&own.domain) || !text(&own.namespace) || !events {
                let message = "domain, namespace and the events' attributes must be text that a header holds";
                errors.push(ConfigError { field: "preset", message: message.to_owned() });
            }
        }
    }

    /// What is deployed there; `None` without what listing needs.
    pub(crate) async fn discover(
        &self,
        base: &str,
        transport: &Transport,
        ends: Instant,
    ) -> Result<Option<Vec<Discovered>>, VenueError> {
        list::discover(self, base, transport, ends).await
    }

    /// Whether what it lists by answers, takes the credentials, and has what the targets name.
    pub(crate) async fn look(&self, base: &str, transport: &Transport, ends: Instant, targets: &[Arc<Target>]) -> Step {
        match self.discover(base, transport, ends).await {
            Ok(None) => Step::none("listing", "nothing is configured to list functions by"),
            Ok(Some(found)) => {
                let named = targets.iter().filter(|target| target.uri().is_none()).map(|target| target.as_str());
                match named.map(|target| self.service(target)).find(|service| self.is_absent(service, &found)) {
                    None => Step::ok("listing", format!("{} functions are listed", found.len())),
                    Some(service) => Step::failed(
                        "listing",
                        format!("`{service}` is not among the {} functions that are listed", found.len()),
                        "deploy it there, or mend the deployment's target",
                    ),
                }
            }
            Err(error) => Step::failed(
                "listing",
                error.to_string(),
                "check the credentials of [venues.NAME.gateway] or [venues.NAME.api]",
            ),
        }
    }
}

impl Preset {
    /// What a target names, without a path behind it.
    fn service<'t>(&self, target: &'t str) -> &'t str {
        let named = self.queued(target).unwrap_or(target).trim_start_matches('/');
        named.split(['/', '?']).next().unwrap_or_default()
    }

    /// Whether the list would have it and has not. A list is of one namespace, and says nothing of others.
    fn is_absent(&self, service: &str, found: &[Discovered]) -> bool {
        let listed = |service: &str| found.iter().any(|one| one.target == service);
        match (service.split_once('.'), self) {
            (Some((_, namespace)), _) => {
                let of_it = |one: &&Discovered| one.target.rsplit_once('.').is_some_and(|(_, own)| own == namespace);
                found.iter().any(|one| of_it(&one)) && !listed(service)
            }
            // The default namespace of a gateway is not told.
            (None, Self::OpenFaas(OpenFaas { namespace: Some(_), .. })) => false,
            (None, _) => found.iter().all(|one| one.name != service),
        }
    }
}

/// Microseconds of decimal seconds, such as `0.052341`; digits below a microsecond are cut.
fn micros(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 6 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let fraction: String = fraction.chars().chain("000000".chars()).take(6).collect();
    Some(whole.parse::<u64>().ok()? * 1_000_000 + fraction.parse::<u64>().ok()?)
}

/// A server by its URL, and the path that is below it.
fn server(url: &str) -> Result<(Origin, String), String> {
    let uri: http::Uri = url.parse().map_err(|_| format!("`{url}` is not a URL"))?;
    let origin = Origin::of_url(&uri).map_err(|why| format!("`{url}` {why}"))?;
    Ok((origin, uri.path().trim_end_matches('/').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_read_exactly_or_not_at_all() {
        for (text, expected) in
            [("0.052341", 52_341), ("1", 1_000_000), ("12.5", 12_500_000), ("0.0000019", 1), ("900.0", 900_000_000)]
        {
            assert_eq!(micros(text), Some(expected), "{text}");
        }
        for bad in ["", ".5", "-1", "1e3", "0,5", "1.2.3", "+1", "NaN", "9999999"] {
            assert_eq!(micros(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_service_has_a_host_of_its_own() {
        let knative = Preset::Knative(Knative {
            namespace: "default".to_owned(),
            domain: "example.com".to_owned(),
            events: None,
            api: None,
        });
        let hosted = |target| knative.hosted(target).map(|hosted| hosted.expect("a host"));
        let is = |host: &'static str, path: &str| Ok((HeaderValue::from_static(host), path.to_owned()));
        assert_eq!(hosted("resize"), is("resize.default.example.com", ""));
        assert_eq!(hosted("/resize.images/v2/png"), is("resize.images.example.com", "v2/png"));
        for bad in ["", "a.b.c", "Resize", ".a", "a b", "../x"] {
            assert!(hosted(bad).is_err(), "{bad}");
        }
    }
}
