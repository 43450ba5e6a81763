//! The Kubernetes API, as far as it lists `serving.knative.dev/v1` services of a namespace.
//!
//! Known limitation: a list comes whole, whatever `limit` says, and can't be watched.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use merit_units::vcpu_text;
use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::config::KnativeIngress;
use crate::protocol::go;

/// Answers a request whose path, after `/apis/`, is `path`.
pub(super) fn serve(
    cloud: &Cloud,
    ingress: &KnativeIngress,
    path: &str,
    request: &Request<Incoming>,
) -> Response<Bytes> {
    let segments: Vec<&str> = path.split('/').collect();
    let ["serving.knative.dev", "v1", "namespaces", namespace, "services"] = segments.as_slice() else {
        return go::not_found();
    };
    if let Some(refusal) = unauthorised(ingress, namespace, request.headers()) {
        return refusal;
    }
    if request.method() != Method::GET {
        let says = "the server does not allow this method on the requested resource";
        return failure(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", says);
    }
    let mut names: Vec<String> = cloud.config.functions.iter().map(|function| function.name.to_string()).collect();
    names.extend(cloud.unlisted());
    names.retain(|_| *namespace == ingress.namespace);
    names.sort();
    let items: Vec<Value> = names.iter().map(|name| service(cloud, ingress, name)).collect();
    let list = json!({
        "apiVersion": "serving.knative.dev/v1",
        "kind": "ServiceList",
        "metadata": { "continue": "", "resourceVersion": "1" },
        "items": items,
    });
    json_answer(StatusCode::OK, &list)
}

/// What somebody is told who has no token, or another.
fn unauthorised(ingress: &KnativeIngress, namespace: &str, headers: &HeaderMap) -> Option<Response<Bytes>> {
    let Some(given) = headers.get(AUTHORIZATION) else {
        let says = format!(
            "services.serving.knative.dev is forbidden: User \"system:anonymous\" cannot list resource \"services\" in \
             API group \"serving.knative.dev\" in the namespace \"{namespace}\""
        );
        return Some(failure(StatusCode::FORBIDDEN, "Forbidden", &says));
    };
    let right = ingress.api_token.as_ref().map(|token| format!("Bearer {token}"));
    let is_right = right.is_some_and(|right| given.as_bytes() == right.as_bytes());
    (!is_right).then(|| failure(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized"))
}

fn service(cloud: &Cloud, ingress: &KnativeIngress, name: &str) -> Value {
    let none = BTreeMap::new();
    let listed = cloud.listed(name);
    let size = listed.map_or(cloud.config.size, |function| function.size);
    let mut limits = json!({ "memory": format!("{}Mi", size.memory.megabytes()) });
    if let Some(milli) = size.vcpu_milli {
        limits["cpu"] = vcpu_text(milli).into();
    }
    json!({
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": ingress.namespace,
            "labels": listed.map_or(&none, |function| &function.lambda.tags),
        },
        "spec": { "template": { "spec": {
            "containerConcurrency": cloud.config.concurrency,
            "timeoutSeconds": size.timeout.millis_ceil().div_ceil(1000),
            "containers": [{ "image": format!("merit.invalid/sim/{name}:latest"), "resources": { "limits": limits } }],
        } } },
        "status": {
            "url": format!("http://{name}.{}.{}", ingress.namespace, ingress.domain),
            "conditions": [{ "type": "Ready", "status": "True" }],
        },
    })
}

/// A `Status`, as the API answers what it refuses.
fn failure(status: StatusCode, reason: &str, message: &str) -> Response<Bytes> {
    let body = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": status.as_u16(),
    });
    json_answer(status, &body)
}

fn json_answer(status: StatusCode, value: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
