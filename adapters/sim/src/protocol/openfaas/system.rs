//! `/system`: what is deployed, for who knows the gateway's user and password.
//!
//! Source: `types.FunctionStatus` of openfaas/faas-provider, read 2026-11-22.
//!
//! Known limitations: nothing can be changed by it; secrets, logs, namespaces and information are not told.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use merit_units::vcpu_text;
use serde_json::{Value, json};

use super::unauthorised;
use crate::cloud::Cloud;
use crate::config::FaasGateway;
use crate::protocol::{form, go};

pub(super) fn serve(
    cloud: &Cloud,
    gateway: &FaasGateway,
    path: &[&str],
    request: &Request<Incoming>,
) -> Response<Bytes> {
    if !matches!(path, ["functions"] | ["function", _]) {
        return go::not_found();
    }
    if request.method() != Method::GET {
        return go::bare(StatusCode::METHOD_NOT_ALLOWED);
    }
    if let Some(refusal) = unauthorised(gateway, request.headers()) {
        return refusal;
    }
    let asked = form::value(request.uri().query().unwrap_or_default(), "namespace");
    let is_here = asked.is_none_or(|namespace| namespace.is_empty() || namespace == gateway.namespace);
    let mut names: Vec<String> = cloud.config.functions.iter().map(|function| function.name.to_string()).collect();
    names.extend(cloud.unlisted());
    names.retain(|_| is_here);
    names.sort();
    match path {
        ["function", name] => match names.iter().find(|known| known == name) {
            Some(known) => json_answer(&status(cloud, gateway, known)),
            None => go::bare(StatusCode::NOT_FOUND),
        },
        _ => json_answer(&names.iter().map(|name| status(cloud, gateway, name)).collect()),
    }
}

fn status(cloud: &Cloud, gateway: &FaasGateway, name: &str) -> Value {
    let none = BTreeMap::new();
    let listed = cloud.listed(name);
    let size = listed.map_or(cloud.config.size, |function| function.size);
    let mut limits = json!({ "memory": format!("{}Mi", size.memory.megabytes()) });
    if let Some(milli) = size.vcpu_milli {
        limits["cpu"] = vcpu_text(milli).into();
    }
    json!({
        "name": name,
        "image": format!("merit.invalid/sim/{name}:latest"),
        "namespace": gateway.namespace,
        "labels": listed.map_or(&none, |function| &function.lambda.tags),
        "annotations": {},
        "limits": limits,
        "replicas": 1,
        "availableReplicas": 1,
    })
}

fn json_answer(value: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(value.to_string()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
