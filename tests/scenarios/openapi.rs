//! The OpenAPI document is the one that is committed, and no route is missing in it.
//!
//! After a change that is meant, run the test with `MERIT_UPDATE_GOLDEN=1` and commit the file.

use std::path::Path;

use reqwest::Method;
use serde_json::Value;

use crate::support::{Reply, Setup};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/openapi.json");

#[tokio::test]
async fn the_document_is_the_committed_one() {
    let setup = Setup::new();
    let (_broker, client) = setup.start_with_client().await;
    let document: Value = Reply::of(client.bare(Method::GET, "/openapi.json")).await.json(200);
    let served = format!("{document:#}\n");
    if std::env::var_os("MERIT_UPDATE_GOLDEN").is_some() {
        std::fs::write(GOLDEN, &served).expect("the golden file can be written");
    }
    let golden = std::fs::read_to_string(Path::new(GOLDEN)).expect("the golden file");
    let differs = golden.lines().zip(served.lines()).find(|(golden, served)| golden != served);
    assert!(golden == served, "run it with MERIT_UPDATE_GOLDEN=1 if this is meant; it differs first at {differs:?}");
}

#[tokio::test]
async fn every_route_that_answers_is_documented_and_every_documented_route_answers() {
    let setup = Setup::new();
    let (_broker, client) = setup.start_with_client().await;
    let document: Value = Reply::of(client.bare(Method::GET, "/openapi.json")).await.json(200);
    let paths = document["paths"].as_object().expect("paths");
    for (path, operations) in paths {
        let at = path.replace(['{', '}'], "");
        for method in ["get", "put", "post", "delete", "patch"] {
            let documented = operations.get(method).is_some();
            let request = client.request(method.to_uppercase().parse().expect("a method"), &at);
            let status = Reply::of(request).await.status;
            // A handler that ran refuses the name in the path, never the path or the method.
            let answers = status != 405 && !(status == 404 && method == "get" && at.ends_with("invocations"));
            let answers = answers && !(at.ends_with("invocations") && method != "post");
            assert_eq!(answers, documented, "{method} {path}: {status}");
        }
    }
    for known in [
        "/v1/functions/{function}/invocations",
        "/fn/{function}/{path}",
        "/v1/functions/{function}/quotes",
        "/v1/functions/{function}/book",
        "/v1/feed",
        "/v1/functions",
        "/v1/functions/{function}",
        "/v1/functions/{function}/deployments/{deployment}",
        "/v1/invocations/{id}",
        "/v1/async",
        "/v1/async/{id}",
        "/v1/async/redrive",
        "/v1/async/drop",
        "/v1/venues",
        "/v1/venues/{venue}",
        "/v1/venues/{venue}/price-sheet",
        "/v1/venues/{venue}/discover",
        "/v1/catalog",
        "/v1/catalog/refresh",
        "/v1/catalog/accept",
        "/v1/catalog/sheet",
        "/v1/catalog/history",
        "/v1/spend",
        "/v1/spend/alternatives",
        "/v1/accounts/{account}/budget",
        "/v1/keys",
        "/v1/keys/{id}",
        "/livez",
        "/readyz",
        "/metrics",
    ] {
        assert!(paths.contains_key(known), "{known} is missing");
    }
}
