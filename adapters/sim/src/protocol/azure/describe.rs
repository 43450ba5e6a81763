//! Resource Manager: the app, and its functions.
//!
//! Source: learn.microsoft.com/rest/api/appservice/web-apps (2023-12-01), read 2026-11-21.

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::identity::may_read;
use super::json_answer;
use crate::cloud::Cloud;
use crate::config::AzureApp;

/// What is asked for below `sites`.
pub(super) fn describe(
    cloud: &Cloud,
    app: &AzureApp,
    (subscription, group, rest): (&str, &str, &[&str]),
    headers: &HeaderMap,
) -> Response<Bytes> {
    let refuse = |status, code: &str, message: &str| {
        json_answer(status, &json!({ "error": { "code": code, "message": message } }))
    };
    if !may_read(app, headers) {
        let message = "Authentication failed. The 'Authorization' header is missing or invalid.";
        return refuse(StatusCode::UNAUTHORIZED, "AuthenticationFailed", message);
    }
    if subscription != app.subscription {
        let message = format!("The subscription '{subscription}' could not be found.");
        return refuse(StatusCode::NOT_FOUND, "SubscriptionNotFound", &message);
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let base = format!("http://{host}/{}", cloud.config.name);
    match rest {
        [name] if group == app.resource_group && *name == app.app => json_answer(StatusCode::OK, &site(cloud, app)),
        [name, "functions"] if group == app.resource_group && *name == app.app => {
            json_answer(StatusCode::OK, &functions(cloud, app, &base))
        }
        _ => {
            let message = format!("The Resource 'Microsoft.Web/sites/{}' was not found.", rest.join("/"));
            refuse(StatusCode::NOT_FOUND, "ResourceNotFound", &message)
        }
    }
}

fn site(cloud: &Cloud, app: &AzureApp) -> Value {
    let config = &cloud.config;
    let mut tags = Map::new();
    for function in &config.functions {
        if let Some(named) = function.lambda.tags.get("merit-function") {
            tags.insert(format!("merit-function.{}", function.name), json!(named));
        }
    }
    let flex = config.sheet.name().as_str().starts_with("azure-flex/");
    let scale =
        json!({ "maximumInstanceCount": config.concurrency, "instanceMemoryMB": config.size.memory.megabytes() });
    json!({
        "name": app.app,
        "type": "Microsoft.Web/sites",
        "kind": "functionapp,linux",
        "tags": tags,
        "properties": {
            "state": "Running",
            "defaultHostName": format!("{}.azurewebsites.net", app.app),
            "functionAppConfig": if flex { json!({ "scaleAndConcurrency": scale }) } else { Value::Null },
        },
    })
}

fn functions(cloud: &Cloud, app: &AzureApp, base: &str) -> Value {
    let listed = cloud.config.functions.iter().map(|function| function.name.to_string());
    let mut names: Vec<String> = listed.chain(cloud.unlisted()).collect();
    names.sort();
    let functions = names.iter().map(|name| {
        json!({
            "name": format!("{}/{name}", app.app),
            "type": "Microsoft.Web/sites/functions",
            "properties": {
                "name": name,
                "invoke_url_template": format!("{base}/api/{name}"),
                "language": "rust",
                "isDisabled": false,
            },
        })
    });
    json!({ "value": functions.collect::<Vec<Value>>(), "nextLink": null })
}
