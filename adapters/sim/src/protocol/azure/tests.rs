//! Azure's protocols, with real requests.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::config::{AzureApp, EntraClient};
use crate::testing::config;
use crate::testing::http::{Answer, Running, start};
use crate::{Protocol, SimConfig, TimeScale};

const KEY: [(&str, &str); 1] = [("x-functions-key", "the-key")];

async fn cloud() -> Running {
    let mut azure = config("azure-consumption/eastus");
    let entra = EntraClient {
        tenant: "tenant".to_owned(),
        client_id: "client".to_owned(),
        client_secret: "s3cret".to_owned(),
        audience: "api://app".to_owned(),
    };
    let app = AzureApp { function_key: Some("the-key".to_owned()), entra: Some(entra), ..AzureApp::new("orders") };
    azure.protocol = Protocol::Azure(app);
    start(SimConfig { seed: 42, time_scale: TimeScale::INSTANT, clouds: vec![azure] }).await
}

async fn ask(cloud: &Running, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = Request::builder().method(method).uri(format!("/cloud{path}"));
    for (name, value) in [("host", "sim")].iter().chain(headers) {
        request = request.header(*name, *value);
    }
    cloud.ask(request.body(Full::new(Bytes::from(body.to_owned()))).expect("a request")).await.expect("an answer")
}

async fn call(cloud: &Running, function: &str, headers: &[(&str, &str)]) -> Answer {
    ask(cloud, Method::POST, &format!("/api/{function}"), headers, "hello").await
}

async fn token(cloud: &Running, secret: &str, scope: &str) -> Value {
    let form = format!("client_id=client&client_secret={secret}&grant_type=client_credentials&scope={scope}");
    ask(cloud, Method::POST, "/tenant/oauth2/v2.0/token", &[], &form).await.json()
}

#[tokio::test]
async fn a_key_or_a_token_opens_the_app() {
    let cloud = cloud().await;
    let by_key = call(&cloud, "echo", &KEY).await;
    assert_eq!((by_key.status, by_key.body.as_ref()), (StatusCode::OK, &b"hello"[..]));
    assert!(by_key.headers.keys().all(|name| !name.as_str().starts_with("merit-")), "no meters are told");
    assert_eq!(call(&cloud, "echo?code=the-key", &[]).await.status, StatusCode::OK);
    let issued = token(&cloud, "s3cret", "api%3A%2F%2Fapp%2F.default").await;
    let bearer = format!("Bearer {}", issued["access_token"].as_str().expect("a token"));
    assert_eq!(call(&cloud, "echo", &[("authorization", &bearer)]).await.status, StatusCode::OK);

    let for_arm = token(&cloud, "s3cret", "https%3A%2F%2Fmanagement.azure.com%2F.default").await;
    let bearer = format!("Bearer {}", for_arm["access_token"].as_str().expect("a token"));
    for headers in [&[][..], &[("x-functions-key", "another")], &[("authorization", bearer.as_str())]] {
        assert_eq!(call(&cloud, "echo", headers).await.status, StatusCode::UNAUTHORIZED, "{headers:?}");
    }
    assert_eq!(cloud.functions.runs(), 3, "nothing of that ran");
}

#[tokio::test]
async fn entra_refuses_by_its_own_numbers() {
    let cloud = cloud().await;
    let wrong = token(&cloud, "wrong", "api%3A%2F%2Fapp%2F.default").await;
    assert_eq!((wrong["error"].as_str(), wrong["error_codes"][0].as_u64()), (Some("invalid_client"), Some(7_000_215)));
    let scope = token(&cloud, "s3cret", "api%3A%2F%2Fother%2F.default").await;
    assert!(scope["error_description"].as_str().expect("why").starts_with("AADSTS500011"), "{scope}");
    let identity = "/metadata/identity/oauth2/token?api-version=2019-08-01&resource=api%3A%2F%2Fapp";
    assert_eq!(ask(&cloud, Method::GET, identity, &[], "").await.status, StatusCode::BAD_REQUEST);
    let machine = ask(&cloud, Method::GET, identity, &[("metadata", "true")], "").await.json();
    let bearer = format!("Bearer {}", machine["access_token"].as_str().expect("a token"));
    assert_eq!(call(&cloud, "echo", &[("authorization", &bearer)]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn failures_are_azures() {
    let cloud = cloud().await;
    let failed = call(&cloud, "trap", &KEY).await;
    assert_eq!((failed.status.as_u16(), failed.json()["errorType"].as_str()), (500, Some("Trap")));
    let late = call(&cloud, "slow", &KEY).await;
    assert!(late.status == 502 && late.header("content-type").expect("a page").starts_with("text/html"));
    assert_eq!(call(&cloud, "nobody", &KEY).await.status, StatusCode::NOT_FOUND);
    cloud.control(json!({ "concurrency": 0 })).await;
    assert_eq!(call(&cloud, "echo", &KEY).await.status, StatusCode::TOO_MANY_REQUESTS);
    cloud.control(json!({ "concurrency": null, "outage": "refuse" })).await;
    let down = call(&cloud, "echo", &KEY).await;
    assert_eq!((down.status.as_u16(), down.body.as_ref()), (503, &b"Function host is not running."[..]));
}

#[tokio::test]
async fn the_load_balancer_ends_a_request_while_its_function_runs_on() {
    let mut azure = config("azure-consumption/eastus");
    let key = Some("the-key".to_owned());
    let app = AzureApp { function_key: key, cut_after: Duration::from_millis(50), ..AzureApp::new("orders") };
    azure.protocol = Protocol::Azure(app);
    let cloud = start(SimConfig { seed: 42, time_scale: TimeScale::REAL, clouds: vec![azure] }).await;
    cloud.control(json!({ "extra_latency_ms": 500 })).await;
    let cut = call(&cloud, "echo", &KEY).await;
    assert!(cut.status == 502 && cut.header("content-type").expect("a page").starts_with("text/html"));
    assert_eq!(cloud.invoice().await["calls"], 0, "it has not ended");
    while cloud.invoice().await["calls"] == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(cloud.functions.runs(), 1);
}

#[tokio::test]
async fn what_a_starter_began_can_be_asked_about() {
    let cloud = cloud().await;
    for (function, word, output) in
        [("echo", "Completed", json!("hello")), ("trap", "Failed", json!("Trap: unreachable executed"))]
    {
        let begun = ask(&cloud, Method::POST, &format!("/api/orchestrators/{function}"), &KEY, "hello").await;
        assert_eq!(begun.status, StatusCode::ACCEPTED);
        let url = begun.json()["statusQueryGetUri"].as_str().expect("a URL").to_owned();
        assert_eq!(begun.header("location"), Some(url.as_str()));
        let path = url.strip_prefix("http://sim/cloud").expect("its own address").to_owned();
        let done = loop {
            let told = ask(&cloud, Method::GET, &path, &[], "").await;
            if told.status != StatusCode::ACCEPTED {
                break told.json();
            }
        };
        assert_eq!((&done["runtimeStatus"], &done["output"]), (&json!(word), &output));
        let keyless = ask(&cloud, Method::GET, path.split('?').next().expect("a path"), &[], "").await;
        assert_eq!(keyless.status, StatusCode::UNAUTHORIZED);
    }
    let nobody = ask(&cloud, Method::POST, "/api/orchestrators/nobody", &KEY, "").await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn resource_manager_lists_the_functions_of_the_app() {
    let cloud = cloud().await;
    let site =
        "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/merit-sim/providers/Microsoft.Web/sites";
    let path = format!("{site}/orders/functions?api-version=2023-12-01");
    assert_eq!(ask(&cloud, Method::GET, &path, &KEY, "").await.status, StatusCode::UNAUTHORIZED);
    let issued = token(&cloud, "s3cret", "https%3A%2F%2Fmanagement.azure.com%2F.default").await;
    let bearer = format!("Bearer {}", issued["access_token"].as_str().expect("a token"));
    let bearer = [("authorization", bearer.as_str())];
    let listed = ask(&cloud, Method::GET, &path, &bearer, "").await.json();
    let first = &listed["value"][1]["properties"];
    assert_eq!(first["invoke_url_template"], "http://sim/cloud/api/echo");
    let app = ask(&cloud, Method::GET, &format!("{site}/orders"), &bearer, "").await.json();
    assert_eq!(app["properties"]["state"], "Running");
    let other = ask(&cloud, Method::GET, &format!("{site}/other"), &bearer, "").await;
    assert_eq!(other.json()["error"]["code"], "ResourceNotFound");
}
