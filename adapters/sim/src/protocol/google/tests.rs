//! Google's protocols, with real requests.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use super::ID_ISSUER;
use crate::config::GoogleProject;
use crate::protocol::issuer::{Claims, issue};
use crate::testing::config;
use crate::testing::http::{Answer, Running, start};
use crate::{Protocol, SimConfig, TimeScale};

const METADATA: &str = "/cloud/computeMetadata/v1/instance/service-accounts/default";

async fn cloud(change: impl FnOnce(&mut GoogleProject)) -> Running {
    let mut google = config("google-run/tier1");
    let mut project = GoogleProject::new("merit-sim", "us-central1");
    change(&mut project);
    google.protocol = Protocol::Google(project);
    start(SimConfig { seed: 42, time_scale: TimeScale::INSTANT, clouds: vec![google] }).await
}

async fn ask(cloud: &Running, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in [("host", "sim")].iter().chain(headers) {
        request = request.header(*name, *value);
    }
    cloud.ask(request.body(Full::new(Bytes::from(body.to_owned()))).expect("a request")).await.expect("an answer")
}

async fn identity(cloud: &Running, audience: &str) -> String {
    let path = format!("{METADATA}/identity?audience={audience}&format=full");
    let answer = ask(cloud, Method::GET, &path, &[("metadata-flavor", "Google")], "").await;
    assert_eq!((answer.status, answer.header("metadata-flavor")), (StatusCode::OK, Some("Google")));
    String::from_utf8(answer.body.to_vec()).expect("a token")
}

async fn call(cloud: &Running, function: &str, token: Option<&str>) -> Answer {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<(&str, &str)> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
    ask(cloud, Method::POST, &format!("/cloud/{function}"), &headers, "hello").await
}

#[tokio::test]
async fn a_token_of_the_metadata_server_opens_the_service_it_is_made_out_to() {
    let cloud = cloud(|google| google.custom_audiences = vec!["orders".to_owned()]).await;
    let token = identity(&cloud, "http%3A%2F%2Fsim%2Fcloud%2Fecho").await;
    let answer = call(&cloud, "echo", Some(&token)).await;
    assert_eq!((answer.status, answer.body.as_ref()), (StatusCode::OK, &b"hello"[..]));
    assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("merit-")), "no meters are told");
    let custom = identity(&cloud, "orders").await;
    assert_eq!(call(&cloud, "echo", Some(&custom)).await.status, StatusCode::OK);
    assert_eq!(cloud.invoice().await["calls"], 2);

    let refused = call(&cloud, "trap", Some(&token)).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "it is made out to another service");
    assert!(refused.header("www-authenticate").expect("why").contains("invalid_token"));
    assert_eq!(call(&cloud, "echo", Some("eyJ.no.token")).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(call(&cloud, "echo", None).await.status, StatusCode::FORBIDDEN);
    let stranger = issue(&Claims::new(ID_ISSUER, "orders", "stranger@example.com"));
    assert_eq!(call(&cloud, "echo", Some(&stranger)).await.status, StatusCode::FORBIDDEN);
    assert_eq!(cloud.functions.runs(), 2, "nothing of that ran");
}

#[tokio::test]
async fn failures_are_googles() {
    let cloud = cloud(|google| google.custom_audiences = vec!["all".to_owned()]).await;
    let token = identity(&cloud, "all").await;
    let crash = call(&cloud, "trap", Some(&token)).await;
    assert_eq!((crash.status.as_u16(), crash.header("x-google-status")), (500, Some("crash")));
    let late = call(&cloud, "slow", Some(&token)).await;
    assert_eq!((late.status.as_u16(), late.body.as_ref()), (504, &b"upstream request timeout"[..]));
    let unknown = call(&cloud, "nobody", Some(&token)).await;
    assert!(unknown.status == 404 && unknown.header("content-type").expect("a page").starts_with("text/html"));
    assert_eq!(call(&cloud, "broken", Some(&token)).await.status, StatusCode::SERVICE_UNAVAILABLE);
    cloud.control(json!({ "concurrency": 0 })).await;
    let busy = call(&cloud, "echo", Some(&token)).await;
    assert_eq!((busy.status.as_u16(), busy.body.as_ref()), (429, &b"Rate exceeded."[..]));
    cloud.control(json!({ "concurrency": null, "error_rate": 1.0 })).await;
    let lost = call(&cloud, "echo", Some(&token)).await;
    assert!(lost.status == 500 && lost.header("x-google-status").is_none());
    cloud.control(json!({ "error_rate": null, "outage": "refuse" })).await;
    assert_eq!(call(&cloud, "echo", Some(&token)).await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn the_metadata_server_wants_its_header_and_an_audience() {
    let cloud = cloud(|_| {}).await;
    let without = ask(&cloud, Method::GET, &format!("{METADATA}/email"), &[], "").await;
    assert_eq!(without.status, StatusCode::FORBIDDEN);
    let flavor = [("metadata-flavor", "Google")];
    let email = ask(&cloud, Method::GET, &format!("{METADATA}/email"), &flavor, "").await;
    assert_eq!(email.body.as_ref(), b"merit@merit-sim.iam.gserviceaccount.com");
    let nobody = ask(&cloud, Method::GET, &format!("{METADATA}/identity"), &flavor, "").await;
    assert_eq!(nobody.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_is_deployed_is_listed_page_by_page_for_an_access_token() {
    let cloud = cloud(|_| {}).await;
    let path = "/cloud/v2/projects/merit-sim/locations/us-central1/services?pageSize=2";
    let refused = ask(&cloud, Method::GET, path, &[], "").await;
    assert_eq!(refused.json()["error"]["status"], "UNAUTHENTICATED");
    let had = ask(&cloud, Method::GET, &format!("{METADATA}/token"), &[("metadata-flavor", "Google")], "").await;
    let bearer = format!("Bearer {}", had.json()["access_token"].as_str().expect("a token"));
    let bearer = [("authorization", bearer.as_str())];
    let first = ask(&cloud, Method::GET, path, &bearer, "").await.json();
    let names = |page: &Value| {
        let all = page["services"].as_array().expect("services").iter();
        all.map(|one| one["uri"].as_str().expect("a URL").to_owned()).collect::<Vec<_>>()
    };
    // Whatever host the request names: Google's client names its own.
    let at = |name: &str| format!("http://{}/cloud/{name}", cloud.address);
    assert_eq!(names(&first), [at("broken"), at("echo")]);
    let next = format!("{path}&pageToken={}", first["nextPageToken"].as_str().expect("a token"));
    let second = ask(&cloud, Method::GET, &next, &bearer, "").await.json();
    assert_eq!(names(&second).len(), 2);
    let other = ask(&cloud, Method::GET, &path.replace("merit-sim", "other"), &bearer, "").await;
    assert_eq!(other.json()["error"]["status"], "PERMISSION_DENIED");

    let asked = async |service: &str, bearer: &[(&str, &str)]| {
        let path = format!("/cloud/v2/projects/merit-sim/locations/us-central1/services/{service}:testIamPermissions");
        ask(&cloud, Method::POST, &path, bearer, r#"{"permissions":["run.routes.invoke"]}"#).await.json()
    };
    assert_eq!(asked("echo", &bearer).await["permissions"], serde_json::json!(["run.routes.invoke"]));
    assert_eq!(asked("nothing", &bearer).await["error"]["status"], "NOT_FOUND");
    assert_eq!(asked("echo", &[]).await["error"]["status"], "UNAUTHENTICATED");
}
