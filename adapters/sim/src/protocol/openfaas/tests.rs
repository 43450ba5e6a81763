//! Requests against a listener: what a gateway's callers send, what they are answered, and what its queue brings.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::SimConfig;
use crate::testing::http::{Answer, Running, start};

const CONFIG: &str = r#"
time_scale = 0

[[cloud]]
name = "cloud"
price_sheet = "own/default"
protocol = "openfaas"
gateway_password = "sesame"

[[cloud.function]]
name = "picture"
runs = "echo"
memory_mb = 256
vcpu_milli = 500
tags = { "merit-function" = "thumbnail" }
"#;

/// Long enough for any machine; nothing here takes as long.
const PATIENCE: Duration = Duration::from_secs(30);

async fn gateway() -> Running {
    start(SimConfig::parse(CONFIG).expect("a configuration")).await
}

async fn send(sim: &Running, method: Method, path: &str, headers: &[(&str, &str)], body: &'static [u8]) -> Answer {
    let mut request = Request::builder().method(method).uri(format!("/cloud{path}")).header("host", "sim");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    sim.ask(request.body(Full::new(Bytes::from_static(body))).expect("a request")).await.expect("an answer")
}

async fn call(sim: &Running, function: &str) -> Answer {
    send(sim, Method::POST, &format!("/function/{function}"), &[], b"\x00\xff").await
}

/// Microseconds of `X-Duration-Seconds`.
fn took(headers: &HeaderMap) -> u64 {
    let told = headers["x-duration-seconds"].to_str().expect("text");
    let (whole, fraction) = told.split_once('.').expect("decimals");
    assert_eq!(fraction.len(), 6, "{told}");
    whole.parse::<u64>().expect("seconds") * 1_000_000 + fraction.parse::<u64>().expect("microseconds")
}

#[tokio::test]
async fn a_call_is_answered_with_its_duration_and_billed_by_it() {
    let sim = gateway().await;
    let given = [("x-call-id", "merit-1"), ("content-type", "image/png")];
    let answer = send(&sim, Method::POST, "/function/echo/v2?q=1", &given, b"\x00\xff").await;
    assert_eq!((answer.status, answer.body.as_ref()), (StatusCode::OK, &b"\x00\xff"[..]));
    assert_eq!((answer.header("content-type"), answer.header("x-call-id")), (Some("image/png"), None));
    assert!(answer.number("x-start-time") > 1_700_000_000_000_000_000, "nanoseconds since 1970: {answer:?}");
    let own = send(&sim, Method::GET, "/function/echo.openfaas-fn", &[], b"").await;
    assert_eq!((own.status, own.header("x-call-id").map(str::len)), (StatusCode::OK, Some(36)), "one is made");

    let invoice = sim.invoice().await;
    assert_eq!(invoice["calls"], 2);
    // 1 vCPU, to the microsecond.
    let billed = &invoice["periods"][0]["functions"][0]["billed"]["vcpu_second"];
    let told = took(&answer.headers) + took(&own.headers);
    let exact = format!("{}.{:06}", told / 1_000_000, told % 1_000_000);
    assert_eq!(billed.as_str().expect("a quantity"), exact.trim_end_matches('0'));
}

#[tokio::test]
async fn failures_are_the_gateways_and_the_watchdogs() {
    let sim = gateway().await;
    let crash = call(&sim, "trap").await;
    assert!(crash.status == 500 && took(&crash.headers) > 0 && crash.header("x-openfaas-internal").is_none());
    assert_eq!(crash.json()["errorType"], "Trap");
    let late = call(&sim, "slow").await;
    assert_eq!((late.status.as_u16(), late.header("x-openfaas-internal")), (504, Some("of-watchdog")));
    assert!(took(&late.headers) >= 30_000_000 && late.body.is_empty(), "{late:?}");
    for unknown in ["nobody", "echo.elsewhere"] {
        let answer = call(&sim, unknown).await;
        assert!(answer.status == 404 && answer.body.starts_with(b"error finding function "), "{answer:?}");
        assert!(answer.header("x-duration-seconds").is_none() && answer.header("x-start-time").is_none());
    }
    assert_eq!(call(&sim, "").await.body.as_ref(), b"404 page not found\n");
    let away = call(&sim, "broken").await;
    assert_eq!((away.status.as_u16(), away.header("x-openfaas-internal")), (503, Some("proxy")));

    sim.control(json!({ "concurrency": 0 })).await;
    let busy = call(&sim, "echo").await;
    assert_eq!((busy.status.as_u16(), busy.header("x-openfaas-internal")), (429, Some("faas-middleware")));
    assert_eq!(busy.body.as_ref(), b"Concurrent request limit exceeded. Max concurrent requests: 0\n");
    sim.control(json!({ "concurrency": null, "error_rate": 1.0 })).await;
    let lost = call(&sim, "echo").await;
    assert_eq!((lost.status.as_u16(), lost.header("x-openfaas-internal")), (500, Some("proxy")));
    assert_eq!(lost.body.as_ref(), b"Can't reach service for: echo.\n");
    sim.control(json!({ "error_rate": null, "outage": "refuse" })).await;
    let down = call(&sim, "echo").await;
    assert!(down.status == 503 && down.body.as_ref() == b"No endpoints available for: echo.\n", "{down:?}");
    assert_eq!(send(&sim, Method::GET, "/system/functions", &[], b"").await.status, StatusCode::BAD_GATEWAY);
    sim.control(json!({ "outage": null, "wrong_answer": "malformed_meters" })).await;
    assert_eq!(call(&sim, "echo").await.header("x-duration-seconds"), Some("a while"));
    assert_eq!(sim.invoice().await["calls"], 3, "what ran is billed, and nothing else");
}

#[tokio::test]
async fn functions_are_listed_for_who_knows_the_password() {
    let sim = gateway().await;
    // admin:sesame and admin:guess
    let (right, wrong) = ("Basic YWRtaW46c2VzYW1l", "Basic YWRtaW46Z3Vlc3M=");
    for headers in [&[][..], &[("authorization", wrong)]] {
        for path in ["/system/functions", "/system/function/echo"] {
            let refused = send(&sim, Method::GET, path, headers, b"").await;
            assert_eq!((refused.status.as_u16(), refused.body.as_ref()), (401, &b"invalid credentials"[..]));
            assert_eq!(refused.header("www-authenticate"), Some("Basic realm=\"Restricted\""));
        }
    }
    let ask = async |path: &'static str| send(&sim, Method::GET, path, &[("authorization", right)], b"").await;
    let all = ask("/system/functions").await.json();
    let names: Vec<&str> =
        all.as_array().expect("a list").iter().map(|one| one["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["broken", "echo", "panic", "picture", "slow", "trap"]);
    let picture = ask("/system/function/picture?namespace=openfaas-fn").await.json();
    assert_eq!(
        (&picture["limits"], &picture["namespace"]),
        (&json!({ "memory": "256Mi", "cpu": "0.5" }), &json!("openfaas-fn"))
    );
    assert_eq!(picture["labels"]["merit-function"], "thumbnail");
    assert_eq!(ask("/system/functions?namespace=other").await.json(), json!([]));
    assert_eq!(ask("/system/function/nobody").await.status, StatusCode::NOT_FOUND);
    let change = send(&sim, Method::DELETE, "/system/functions", &[("authorization", right)], b"").await;
    assert_eq!(change.status, StatusCode::METHOD_NOT_ALLOWED);
}

/// A place that callbacks are brought to: its URL, and what comes.
async fn door() -> (String, mpsc::UnboundedReceiver<(http::request::Parts, Bytes)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/callbacks/1?key=2", listener.local_addr().expect("an address"));
    let (brought, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let brought = brought.clone();
            tokio::spawn(http1::Builder::new().serve_connection(
                TokioIo::new(stream),
                service_fn(move |request: Request<hyper::body::Incoming>| {
                    let brought = brought.clone();
                    async move {
                        let (head, body) = request.into_parts();
                        drop(brought.send((head, body.collect().await?.to_bytes())));
                        Ok::<_, hyper::Error>(http::Response::new(Full::<Bytes>::default()))
                    }
                }),
            ));
        }
    });
    (url, received)
}

/// What the queue brings of a call of that function, and under which id.
async fn queued(sim: &Running, function: &str, headers: &[(&str, &str)]) -> (http::request::Parts, Bytes) {
    let (url, mut received) = door().await;
    let headers = [headers, &[("x-callback-url", url.as_str())]].concat();
    let taken = send(sim, Method::POST, &format!("/async-function/{function}"), &headers, b"queued").await;
    assert_eq!((taken.status, taken.body.len()), (StatusCode::ACCEPTED, 0), "{taken:?}");
    tokio::time::timeout(PATIENCE, received.recv()).await.expect("in time").expect("a callback")
}

#[tokio::test]
async fn what_was_queued_is_run_and_its_reply_is_brought() {
    let sim = gateway().await;
    let (head, body) = queued(&sim, "echo.openfaas-fn", &[("x-call-id", "merit-1"), ("content-type", "text/x")]).await;
    assert_eq!((head.method.as_str(), head.uri.to_string()), ("POST", "/callbacks/1?key=2".to_owned()));
    for (name, value) in [
        ("x-call-id", "merit-1"),
        ("x-function-name", "echo.openfaas-fn"),
        ("x-function-status", "200"),
        ("content-type", "text/x"),
    ] {
        assert_eq!(head.headers[name], value, "{head:?}");
    }
    assert!(body.as_ref() == b"queued" && took(&head.headers) > 0);
    let (head, _) = queued(&sim, "trap", &[]).await;
    assert_eq!((head.headers["x-function-status"].as_bytes(), head.headers["x-call-id"].len()), (&b"500"[..], 36));
    // The queue takes anything; what is not there is found by the worker.
    let (head, body) = queued(&sim, "nobody", &[]).await;
    assert!(head.headers["x-function-status"] == "404" && body.starts_with(b"error finding function nobody"));
    sim.control(json!({ "concurrency": 0 })).await;
    let (head, _) = queued(&sim, "echo", &[]).await;
    assert_eq!(head.headers["x-function-status"], "429");
    assert_eq!(sim.invoice().await["calls"], 2);
}

#[tokio::test]
async fn what_the_queue_does_not_take_does_not_run() {
    let sim = gateway().await;
    let path = "/async-function/echo";
    assert_eq!(send(&sim, Method::GET, path, &[], b"").await.status, StatusCode::METHOD_NOT_ALLOWED);
    let nowhere = send(&sim, Method::POST, path, &[("x-callback-url", "not a url")], b"").await;
    assert_eq!(nowhere.status, StatusCode::BAD_REQUEST);
    let large = vec![b'x'; (1 << 20) + 1];
    let large = sim.post(&format!("/cloud{path}"), large).await;
    assert!(large.status == 500 && large.body.ends_with(b"nats: maximum payload exceeded\n"), "{large:?}");
    sim.control(json!({ "outage": "refuse" })).await;
    let down = send(&sim, Method::POST, path, &[], b"").await;
    assert!(down.status == 500 && down.body.starts_with(b"Error queuing request: "), "{down:?}");
    assert_eq!(sim.functions.runs(), 0);
}
