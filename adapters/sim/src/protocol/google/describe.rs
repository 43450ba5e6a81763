//! Lists of services and functions, as the interfaces of Cloud Run and Cloud Functions tell them.
//!
//! Source: the discovery documents of run.googleapis.com v2 and cloudfunctions.googleapis.com v2, 2026-11-21.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::identity::caller_of;
use super::pages::{api_error, json_answer};
use crate::cloud::Cloud;
use crate::config::{FunctionSize, GoogleProject};
use crate::protocol::form;

/// Entries of a page where no number is asked for, and the most of one.
const PAGE: usize = 100;

/// One list, by project, region and what.
pub(super) fn list(
    cloud: &Cloud,
    google: &GoogleProject,
    (project, region, what): (&str, &str, &str),
    query: &str,
    request: &Request<Incoming>,
) -> Response<Bytes> {
    if caller_of(request.headers()).is_none() {
        return unauthenticated();
    }
    if project != google.project {
        let message = format!("Permission denied on resource project {project}.");
        return api_error(StatusCode::FORBIDDEN, "PERMISSION_DENIED", &message);
    }
    if region != google.region || !matches!(what, "services" | "functions") {
        return api_error(StatusCode::NOT_FOUND, "NOT_FOUND", "Requested entity was not found.");
    }
    let at = request.extensions().get::<SocketAddr>().map(ToString::to_string).unwrap_or_default();
    let base = format!("http://{at}/{}", cloud.config.name);
    // A function of the second generation is a service too; here all are told as services.
    let all = if what == "services" { services(cloud, google, &base) } else { Vec::new() };
    let asked = |key| form::value(query, key).and_then(|text| text.parse::<usize>().ok());
    let size = asked("pageSize").filter(|size| (1..=PAGE).contains(size)).unwrap_or(PAGE);
    let from = asked("pageToken").unwrap_or(0).min(all.len());
    let to = (from + size).min(all.len());
    let next = if to < all.len() { to.to_string() } else { String::new() };
    json_answer(StatusCode::OK, &json!({ what: all[from..to], "nextPageToken": next }))
}

/// Which permissions the caller holds on a service: to invoke it or none.
pub(super) fn permissions(
    cloud: &Cloud,
    google: &GoogleProject,
    (project, region, service): (&str, &str, &str),
    headers: &HeaderMap,
) -> Response<Bytes> {
    let Some(caller) = caller_of(headers) else { return unauthenticated() };
    let name = service.strip_suffix(":testIamPermissions");
    let known = |name: &&str| cloud.listed(name).is_some() || cloud.unlisted().iter().any(|own| own == name);
    if (project, region) != (&*google.project, &*google.region) || name.filter(known).is_none() {
        return api_error(StatusCode::NOT_FOUND, "NOT_FOUND", "Requested entity was not found.");
    }
    let held = google.service_accounts.iter().any(|account| account.email == caller);
    json_answer(StatusCode::OK, &if held { json!({ "permissions": ["run.routes.invoke"] }) } else { json!({}) })
}

fn unauthenticated() -> Response<Bytes> {
    let message = "Request had invalid authentication credentials. Expected OAuth 2 access token.";
    api_error(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message)
}

fn services(cloud: &Cloud, google: &GoogleProject, base: &str) -> Vec<Value> {
    let config = &cloud.config;
    let none = BTreeMap::new();
    let unlisted = cloud.unlisted();
    let listed = config.functions.iter().map(|one| (one.name.as_str(), one.size, &one.lambda.tags));
    let all = listed.chain(unlisted.iter().map(|name| (name.as_str(), config.size, &none)));
    let parent = format!("projects/{}/locations/{}", google.project, google.region);
    let mut all: Vec<Value> = all
        .map(|(name, size, labels)| {
            json!({
                "name": format!("{parent}/services/{name}"),
                "uri": format!("{base}/{name}"),
                "labels": labels,
                "ingress": "INGRESS_TRAFFIC_ALL",
                "template": template(size),
            })
        })
        .collect();
    all.sort_by_cached_key(|service| service["name"].to_string());
    all
}

fn template(size: FunctionSize) -> Value {
    let mut limits = json!({ "memory": format!("{}Mi", size.memory.megabytes()) });
    if let Some(milli) = size.vcpu_milli {
        limits["cpu"] = json!(format!("{milli}m"));
    }
    json!({
        "timeout": format!("{}s", size.timeout.millis_ceil().div_ceil(1000)),
        "maxInstanceRequestConcurrency": 1,
        "containers": [{ "resources": { "limits": limits, "cpuIdle": true } }],
    })
}
