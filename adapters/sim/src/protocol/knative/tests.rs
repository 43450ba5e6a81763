//! Requests against a listener: calls by their host, the queue that overflows, events, and the list.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::json;

use crate::SimConfig;
use crate::testing::http::{Answer, Running, start};

const CONFIG: &str = r#"
time_scale = 0

[[cloud]]
name = "cloud"
price_sheet = "own/default"
protocol = "knative"
namespace = "images"
domain = "example.com"
queue_depth = 1
api_token = "t0ken"

[[cloud.function]]
name = "picture"
runs = "echo"
memory_mb = 256
vcpu_milli = 500
timeout_ms = 2500
tags = { "merit-function" = "thumbnail" }
"#;

const LIST: &str = "/apis/serving.knative.dev/v1/namespaces/images/services";

async fn ingress(more: &str) -> Running {
    let config = CONFIG.replace("queue_depth = 1\n", &format!("queue_depth = 1\n{more}"));
    start(SimConfig::parse(&config).expect("a configuration")).await
}

async fn send(sim: &Running, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(format!("/cloud{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    sim.ask(request.body(Full::new(Bytes::from_static(b"\x00\xff"))).expect("a request")).await.expect("an answer")
}

async fn call(sim: &Running, host: &str) -> Answer {
    send(sim, Method::POST, "/", &[("host", host)]).await
}

#[tokio::test]
async fn a_service_is_called_by_its_host_and_tells_no_meters() {
    let sim = ingress("").await;
    let png = ("content-type", "image/png");
    for (host, path) in [("echo.images.example.com", "/"), ("Echo.images.example.com:8080", "/v2/png?q=1")] {
        let answer = send(&sim, Method::POST, path, &[("host", host), png]).await;
        assert_eq!((answer.status, answer.body.as_ref()), (StatusCode::OK, &b"\x00\xff"[..]), "{host}");
        assert_eq!(answer.header("content-type"), Some("image/png"));
        let names: Vec<&str> = answer.headers.keys().map(http::HeaderName::as_str).collect();
        assert!(names.iter().all(|name| !name.contains("meter") && !name.contains("duration")), "{names:?}");
    }
    assert_eq!(sim.invoice().await["calls"], 2);
    for host in ["nobody.images.example.com", "echo.default.example.com", "echo.images.example.org", "sim"] {
        let answer = call(&sim, host).await;
        assert!(answer.status == 404 && answer.body.is_empty(), "{host}: {answer:?}");
    }
    assert_eq!(sim.functions.runs(), 2);
}

#[tokio::test]
async fn failures_are_the_queue_proxys_and_the_ingresses() {
    let sim = ingress("").await;
    let crash = call(&sim, "trap.images.example.com").await;
    assert_eq!((crash.status.as_u16(), &crash.json()["errorType"]), (500, &json!("Trap")));
    let late = call(&sim, "slow.images.example.com").await;
    assert_eq!((late.status.as_u16(), late.body.as_ref()), (504, &b"request timeout"[..]));
    let away = call(&sim, "broken.images.example.com").await;
    assert_eq!((away.status.as_u16(), away.body.as_ref()), (503, &b"no healthy upstream"[..]));
    sim.control(json!({ "error_rate": 1.0 })).await;
    let lost = call(&sim, "echo.images.example.com").await;
    assert_eq!((lost.status.as_u16(), lost.body.as_ref()), (502, &b"EOF\n"[..]));
    sim.control(json!({ "error_rate": null, "outage": "refuse" })).await;
    assert_eq!(call(&sim, "echo.images.example.com").await.body.as_ref(), b"no healthy upstream");
    assert_eq!(sim.invoice().await["calls"], 2, "what ran is billed, and nothing else");
}

#[tokio::test]
async fn a_call_over_the_limit_waits_and_one_behind_a_full_queue_is_refused() {
    let sim = ingress("").await;
    sim.control(json!({ "concurrency": 0 })).await;
    let waits = async { call(&sim, "echo.images.example.com").await };
    let others = async {
        // Whoever finds the one place in the queue taken is told so; until then it is tried again.
        let refused = loop {
            let tried =
                tokio::time::timeout(std::time::Duration::from_millis(20), call(&sim, "echo.images.example.com"));
            if let Ok(answer) = tried.await {
                break answer;
            }
        };
        sim.control(json!({ "concurrency": null })).await;
        refused
    };
    let (waited, refused) = tokio::join!(waits, others);
    assert_eq!((refused.status.as_u16(), refused.body.as_ref()), (503, &b"pending request queue full\n"[..]));
    assert_eq!(refused.header("x-content-type-options"), Some("nosniff"));
    assert!(refused.header("retry-after").is_none(), "{refused:?}");
    assert_eq!((waited.status, waited.body.as_ref()), (StatusCode::OK, &b"\x00\xff"[..]));
    // A place is given back when its call is gone.
    assert_eq!(call(&sim, "echo.images.example.com").await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_event_has_all_its_attributes_or_is_none() {
    let event = [
        ("host", "echo.images.example.com"),
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/merit"),
        ("ce-type", "com.example.call"),
    ];
    for (more, plain) in [("", 200), ("cloudevents = true\n", 400)] {
        let sim = ingress(more).await;
        assert_eq!(send(&sim, Method::POST, "/", &event).await.status, StatusCode::OK);
        assert_eq!(send(&sim, Method::POST, "/", &event[..1]).await.status.as_u16(), plain, "{more}");
        let half = send(&sim, Method::POST, "/", &event[..3]).await;
        assert!(half.status == 400 && half.body.ends_with(b"ce-source is missing\n"), "{half:?}");
        let old = [event[0], ("ce-specversion", "0.3"), event[2], event[3], event[4]];
        assert_eq!(send(&sim, Method::POST, "/", &old).await.status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn services_are_listed_for_who_has_the_token() {
    let sim = ingress("").await;
    let ask = async |path: &'static str, token: Option<&'static str>| {
        let mut headers = vec![("host", "sim")];
        headers.extend(token.map(|token| ("authorization", token)));
        send(&sim, Method::GET, path, &headers).await
    };
    let anonymous = ask(LIST, None).await;
    assert_eq!((anonymous.status.as_u16(), &anonymous.json()["reason"]), (403, &json!("Forbidden")));
    let stranger = ask(LIST, Some("Bearer guess")).await;
    assert_eq!((stranger.status.as_u16(), &stranger.json()["message"]), (401, &json!("Unauthorized")));
    let right = Some("Bearer t0ken");
    let list = ask(LIST, right).await.json();
    let items = list["items"].as_array().expect("items");
    let names: Vec<&str> = items.iter().map(|one| one["metadata"]["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["broken", "echo", "panic", "picture", "slow", "trap"]);
    let picture = &items[3];
    let pod = &picture["spec"]["template"]["spec"];
    assert_eq!(pod["containers"][0]["resources"]["limits"], json!({ "memory": "256Mi", "cpu": "0.5" }));
    assert_eq!(
        (&pod["timeoutSeconds"], &picture["metadata"]["labels"]["merit-function"]),
        (&json!(3), &json!("thumbnail"))
    );
    assert_eq!(picture["status"]["url"], "http://picture.images.example.com");
    let elsewhere = ask("/apis/serving.knative.dev/v1/namespaces/other/services", right).await.json();
    assert_eq!(elsewhere["items"], json!([]));
    assert_eq!(ask("/apis/apps/v1/deployments", right).await.status, StatusCode::NOT_FOUND);
}
