//! Requests against a listener: what callers of Workers send, and what they are answered.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use merit_cloud_wire::workers::{PageError, Scripts};
use serde_json::json;

use crate::SimConfig;
use crate::testing::http::{Answer, Running, start};

const CONFIG: &str = r#"
time_scale = 0

[[cloud]]
name = "cloud"
price_sheet = "cloudflare-workers"
protocol = "workers"
bearer_token = "t0ken"
access_client_id = "id.access"
access_client_secret = "s3cret"
"#;

async fn workers() -> Running {
    start(SimConfig::parse(CONFIG).expect("a configuration")).await
}

const ALL: [(&str, &str); 3] =
    [("authorization", "Bearer t0ken"), ("cf-access-client-id", "id.access"), ("cf-access-client-secret", "s3cret")];

async fn send(sim: &Running, method: &str, path: &str, headers: &[(&str, &str)], body: &'static [u8]) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("host", "sim");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    sim.ask(request.body(Full::new(Bytes::from_static(body))).expect("a request")).await.expect("an answer")
}

async fn call(sim: &Running, function: &str) -> Answer {
    send(sim, "POST", &format!("/cloud/{function}"), &ALL, b"\x00\xff").await
}

fn page(answer: &Answer) -> Option<PageError> {
    PageError::named(answer.status.as_u16(), &answer.body)
}

#[tokio::test]
async fn a_call_is_answered_without_meters_and_billed() {
    let sim = workers().await;
    let answer = call(&sim, "echo").await;
    assert_eq!((answer.status, answer.body.as_ref()), (StatusCode::OK, &b"\x00\xff"[..]));
    assert!(answer.header("cf-ray").is_some_and(|ray| ray.ends_with("-SIM")));
    assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("merit-")), "{answer:?}");
    assert_eq!(page(&call(&sim, "trap").await), Some(PageError::Exception));
    assert_eq!(page(&call(&sim, "slow").await), Some(PageError::CpuLimit));
    assert_eq!(sim.invoice().await["calls"], 3);
}

#[tokio::test]
async fn who_has_not_both_tokens_gets_nothing() {
    let sim = workers().await;
    for (headers, status) in
        [(&ALL[..0], 403), (&ALL[..1], 403), (&ALL[1..], 401), (&[ALL[0], ALL[1], (ALL[2].0, "x")], 403)]
    {
        let answer = send(&sim, "POST", "/cloud/echo", headers, b"x").await;
        assert_eq!(answer.status.as_u16(), status);
    }
    assert_eq!(sim.functions.runs(), 0);
}

#[tokio::test]
async fn what_is_not_there_and_what_is_too_much_is_refused() {
    let sim = workers().await;
    assert_eq!(call(&sim, "nobody").await.status, StatusCode::NOT_FOUND);
    sim.control(json!({ "concurrency": 0 })).await;
    let throttled = call(&sim, "echo").await;
    assert_eq!((page(&throttled), throttled.header("retry-after")), (Some(PageError::RateLimited), Some("1")));
    sim.control(json!({ "concurrency": null, "error_rate": 1.0 })).await;
    assert_eq!(call(&sim, "echo").await.status, StatusCode::BAD_GATEWAY);
    sim.control(json!({ "error_rate": 0, "outage": "refuse" })).await;
    assert_eq!(call(&sim, "echo").await.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn scripts_are_listed_for_who_may_see_them() {
    let sim = workers().await;
    let path = "/cloud/client/v4/accounts/0123456789abcdef0123456789abcdef/workers/scripts";
    let read = |answer: &Answer| serde_json::from_slice::<Scripts>(&answer.body).expect("an answer");
    let listed = read(&send(&sim, "GET", path, &ALL, b"").await);
    assert!(listed.success && listed.result.iter().any(|script| script.id == "echo"));
    let refused = send(&sim, "GET", path, &[], b"").await;
    assert_eq!((refused.status, read(&refused).errors[0].code), (StatusCode::FORBIDDEN, 10_000));
}
