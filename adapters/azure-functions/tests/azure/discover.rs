//! What is deployed, page by page, and what is told of it.

use merit_venue::{ErrorKind, Outcome, Venue};
use serde_json::json;

use crate::server::{Answer, Received, TestServer, entra, issued, reply, venue_at};

const SITE: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/orders";

/// Entra and Resource Manager.
fn azure(request: &Received) -> Answer {
    let path = request.request_line().split(' ').nth(1).unwrap_or_default();
    let function = |name: &str| {
        let url = format!("https://orders.azurewebsites.net/api/{name}");
        json!({"name": format!("orders/{name}"), "properties": {"name": name, "invoke_url_template": url}})
    };
    let body = if path.ends_with("/oauth2/v2.0/token") {
        return Answer::Send(issued("arm-token"));
    } else if request.header("authorization") != Some("Bearer arm-token") {
        return Answer::Send(reply(401, &[], "{}"));
    } else if path.starts_with(&format!("{SITE}/functions")) && path.contains("page=2") {
        json!({"value": [function("blur")]})
    } else if path.starts_with(&format!("{SITE}/functions")) {
        let next = format!("http://{}{SITE}/functions?page=2", request.header("host").expect("a host"));
        json!({"value": [function("resize")], "nextLink": next})
    } else if path.starts_with("/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/serverfarms/ep1?") {
        json!({"sku": {"name": "EP1", "tier": "ElasticPremium", "capacity": 2}, "properties": {}})
    } else if path.contains("/sites/premium-") && path.contains("/functions") {
        json!({"value": [function("resize")]})
    } else if let Some(plan) = path.split("/sites/premium-").nth(1).and_then(|plan| plan.split('?').next()) {
        let farm = format!("/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/serverfarms/{plan}");
        json!({"properties": {"state": "Running", "sku": "ElasticPremium", "serverFarmId": farm}})
    } else if path.contains("/serverfarms/") {
        return Answer::Send(reply(403, &[], "{}"));
    } else if path.starts_with(SITE) {
        json!({"tags": {"merit-function.resize": "thumbnail"}, "properties": {"state": "Running"}})
    } else {
        json!({"properties": {"state": "Stopped"}})
    };
    Answer::Send(reply(200, &[("content-type", "application/json")], body.to_string()))
}

#[tokio::test]
async fn every_page_of_every_app_that_runs_is_told() {
    let server = TestServer::start(azure).await;
    let venue = venue_at("http://127.0.0.1:1", |config| {
        (config.subscription, config.resource_group) = (Some("s".to_owned()), Some("g".to_owned()));
        config.apps = vec!["orders".to_owned(), "stopped".to_owned()];
        config.arm_url = Some(server.url());
        config.entra = Some(entra(&server.url(), "secret"));
    });
    let found = venue.discover().await.expect("a list").expect("it can tell");
    let names: Vec<&str> = found.iter().map(|found| found.name.as_str()).collect();
    assert_eq!(names, ["blur", "resize"]);
    assert_eq!(found[1].target, "https://orders.azurewebsites.net/api/resize");
    assert_eq!(found[1].tags["merit:function"], "thumbnail");
    assert!(!found[0].tags.contains_key("merit:function"));
}

#[tokio::test]
async fn premiums_memory_and_instances_are_its_plans_where_that_may_be_read() {
    let server = TestServer::start(azure).await;
    let venue = venue_at("http://127.0.0.1:1", |config| {
        (config.subscription, config.resource_group) = (Some("s".to_owned()), Some("g".to_owned()));
        config.apps = vec!["premium-ep1".to_owned(), "premium-secret".to_owned()];
        config.arm_url = Some(server.url());
        config.entra = Some(entra(&server.url(), "secret"));
    });
    let found = venue.discover().await.expect("a list").expect("it can tell");
    let told: Vec<_> = found.iter().map(|one| (one.memory.map(|mb| mb.megabytes()), one.provisioned)).collect();
    assert_eq!(told, [(Some(3_584), Some(2)), (None, None)]);
}

#[tokio::test]
async fn the_token_goes_to_no_other_host() {
    let server = TestServer::start(|request| {
        let path = request.request_line().split(' ').nth(1).unwrap_or_default();
        if path.contains("/functions") {
            let body = json!({"value": [], "nextLink": "http://127.0.0.1:1/steal"}).to_string();
            return Answer::Send(reply(200, &[], body));
        }
        azure(request)
    })
    .await;
    let venue = venue_at("http://127.0.0.1:1", |config| {
        (config.subscription, config.resource_group) = (Some("s".to_owned()), Some("g".to_owned()));
        config.apps = vec!["orders".to_owned()];
        config.arm_url = Some(server.url());
        config.entra = Some(entra(&server.url(), "secret"));
    });
    let error = venue.discover().await.expect_err("another host");
    assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::MalformedReply), "{error}");
    assert!(error.message.contains("at another host"), "{error}");
}

#[tokio::test]
async fn without_a_subscription_nothing_is_listed_and_without_an_identity_the_reason_is_told() {
    let none = venue_at("http://127.0.0.1:1", |_| {});
    assert_eq!(none.discover().await.expect("no error"), None);
    let venue = venue_at("http://127.0.0.1:1", |config| {
        (config.subscription, config.resource_group) = (Some("s".to_owned()), Some("g".to_owned()));
        config.apps = vec!["orders".to_owned()];
    });
    let error = venue.discover().await.expect_err("no identity");
    assert_eq!(error.kind, ErrorKind::BadCredentials, "{error}");
    assert!(error.message.contains("role Reader"), "{error}");
}
