//! What is deployed, page by page, and what is told of it.

use merit_venue::{ErrorKind, Outcome, Venue};
use serde_json::json;

use crate::server::{Answer, Received, TestServer, reply, venue_with};

const PINNED: &str =
    "us-docker.pkg.dev/p/app/resize@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// The interfaces of Cloud Run and of Cloud Functions, and the metadata server's access tokens.
fn google(request: &Received) -> Answer {
    let path = request.request_line().split(' ').nth(1).unwrap_or_default();
    let parent = "/v2/projects/my-project-1/locations/us-central1";
    let service = |name: &str, label: &str| {
        json!({
            "name": format!("projects/my-project-1/locations/us-central1/services/{name}"),
            "uri": format!("https://{name}-abc-uc.a.run.app"),
            "labels": {"merit-function": label, "team": "search"},
            "scaling": {"minInstanceCount": 2},
            "template": {
                "timeout": "300s", "maxInstanceRequestConcurrency": 80, "scaling": {"maxInstanceCount": 5},
                "containers": [{"image": PINNED, "resources": {"limits": {"memory": "1Gi", "cpu": "2"}, "cpuIdle": true}}],
            },
        })
    };
    let body = if path.starts_with("/computeMetadata/v1/instance/service-accounts/default/token") {
        json!({"access_token": "ya29.x", "expires_in": 3599, "token_type": "Bearer"})
    } else if request.header("authorization") != Some("Bearer ya29.x") {
        return Answer::Send(reply(401, &[], "{}"));
    } else if path.starts_with(&format!("{parent}/services")) && path.contains("pageToken=second") {
        json!({"services": [service("blur", "blur")]})
    } else if path.starts_with(&format!("{parent}/services")) {
        json!({"services": [service("resize", "thumbnail")], "nextPageToken": "second"})
    } else if path.starts_with(&format!("{parent}/functions")) {
        let config = json!({"uri": "https://resize-abc-uc.a.run.app", "availableMemory": "256M"});
        let first = json!({
            "name": "projects/my-project-1/locations/us-central1/functions/old",
            "url": "https://us-central1-my-project-1.cloudfunctions.net/old",
            "serviceConfig": {"availableMemory": "128Mi", "availableCpu": "83m", "timeoutSeconds": 60},
        });
        json!({"functions": [first, {"name": "projects/p/locations/l/functions/resize", "serviceConfig": config}]})
    } else {
        return Answer::Send(reply(404, &[], "{}"));
    };
    Answer::Send(reply(200, &[("content-type", "application/json")], body.to_string()))
}

#[tokio::test]
async fn services_and_functions_are_told_once_with_their_sizes() {
    let server = TestServer::start(google).await;
    let venue = venue_with(&server.url(), &server.url(), |config| {
        config.project = Some("my-project-1".to_owned());
        config.api_endpoint_url = Some(server.url());
    });
    let found = venue.discover().await.expect("a list").expect("it can tell");
    let names: Vec<&str> = found.iter().map(|found| found.name.as_str()).collect();
    assert_eq!(names, ["blur", "old", "resize"], "in order of name, over both pages and both interfaces");
    let resize = &found[2];
    assert_eq!(resize.target, "https://resize-abc-uc.a.run.app");
    assert_eq!((resize.memory.map(|memory| memory.megabytes()), resize.vcpu_milli), (Some(1024), Some(2000)));
    assert_eq!((resize.reserved, resize.provisioned, resize.instance_concurrency), (Some(400), Some(2), Some(80)));
    assert_eq!(resize.timeout.map(|limit| limit.as_secs()), Some(300));
    assert_eq!((resize.tags["merit:function"].as_str(), resize.tags["team"].as_str()), ("thumbnail", "search"));
    let digest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    assert_eq!((resize.digest.as_deref(), found[1].digest.as_deref()), (Some(digest), None));
    let old = &found[1];
    assert_eq!(old.target, "https://us-central1-my-project-1.cloudfunctions.net/old");
    assert_eq!((old.memory.map(|memory| memory.megabytes()), old.vcpu_milli), (Some(128), Some(83)));
    assert_eq!(old.instance_concurrency, None, "it does not say");
}

/// An image proves nothing where it is not pinned, where another runs beside it, and where calls go to older revisions.
#[tokio::test]
async fn a_digest_is_told_of_what_runs_and_of_nothing_else() {
    for (containers, traffic, told) in [
        (json!([{"image": PINNED}]), json!([{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}]), true),
        (json!([{"image": PINNED}]), json!([{"revision": "resize-00001", "percent": 100}]), false),
        (json!([{"image": PINNED}]), json!([{"percent": 100}, {"revision": "resize-00001", "tag": "old"}]), true),
        (json!([{"image": PINNED}, {"image": PINNED}]), json!([]), false),
        (json!([{"image": "us-docker.pkg.dev/p/app/resize:latest"}]), json!([]), false),
    ] {
        let case = format!("{containers} {traffic}");
        let server = TestServer::start(move |request| {
            let path = request.request_line().split(' ').nth(1).unwrap_or_default();
            if path.contains("computeMetadata") {
                return google(request);
            }
            let service = json!({
                "name": "projects/p/locations/us-central1/services/resize", "uri": "https://resize-abc-uc.a.run.app",
                "template": {"containers": containers}, "traffic": traffic,
            });
            let list = if path.contains("/services") { json!({"services": [service]}) } else { json!({}) };
            Answer::Send(reply(200, &[("content-type", "application/json")], list.to_string()))
        })
        .await;
        let venue = venue_with(&server.url(), &server.url(), |config| {
            config.project = Some("my-project-1".to_owned());
            config.api_endpoint_url = Some(server.url());
        });
        let found = venue.discover().await.expect("a list").expect("it can tell");
        assert_eq!(found[0].digest.is_some(), told, "{case}");
    }
}

#[tokio::test]
async fn without_a_project_nothing_is_listed_and_without_the_right_the_reason_is_told() {
    let server = TestServer::start(|request| {
        if request.request_line().contains("computeMetadata") {
            return google(request);
        }
        let body = json!({"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "Permission denied"}});
        Answer::Send(reply(403, &[("content-type", "application/json")], body.to_string()))
    })
    .await;
    let none = venue_with(&server.url(), &server.url(), |_| {});
    assert_eq!(none.discover().await.expect("no error"), None);
    let venue = venue_with(&server.url(), &server.url(), |config| {
        config.project = Some("my-project-1".to_owned());
        config.api_endpoint_url = Some(server.url());
    });
    let error = venue.discover().await.expect_err("not allowed");
    assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::BadCredentials), "{error}");
    assert!(error.message.contains("roles/run.viewer"), "{error}");
}
