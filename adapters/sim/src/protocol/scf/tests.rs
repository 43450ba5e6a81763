//! Signed requests against a listener: what clients of SCF send, and what they are answered.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use merit_cloud_wire::scf::{Answer as ScfAnswer, CallResult, FunctionsPage, GatewayEvent, GatewayReply, Invoked};
use merit_cloud_wire::tc3::Signer;
use merit_pricing::{Size, Usage};
use merit_units::{Micros, Money, Timestamp};
use serde_json::{Value, json};

use crate::SimConfig;
use crate::clock::SimClock;
use crate::testing::http::{Answer, Running, start};
use crate::testing::{mb, sheet};

const CONFIG: &str = r#"
time_scale = 0

[[cloud]]
name = "cloud"
price_sheet = "tencent-scf/cn"
protocol = "scf"

[[cloud.key]]
access_key_id = "AKIDEXAMPLE"
secret_access_key = "secret"

[[cloud.key]]
access_key_id = "AKIDTEMPORARY"
secret_access_key = "temporary"
session_token = "TOKEN/+="

[[cloud.function]]
name = "picture"
runs = "echo"
memory_mb = 1024
aliases = { prod = "$LATEST" }
tags = { merit-function = "thumbnail" }
"#;

async fn scf(gateway: bool) -> Running {
    let config = CONFIG.replace("protocol = \"scf\"", &format!("protocol = \"scf\"\ngateway_events = {gateway}"));
    start(SimConfig::parse(&config).expect("a configuration")).await
}

async fn send(sim: &Running, signer: &Signer, at: Timestamp, action: &str, body: &Value) -> Answer {
    let body = body.to_string();
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("sim"));
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    for (name, value) in [("x-tc-action", action), ("x-tc-version", "2018-04-16"), ("x-tc-region", "ap-guangzhou")] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).expect("text"));
    }
    signer.sign(&Method::POST, "/cloud/", None, &mut headers, body.as_bytes(), at).expect("signed");
    let mut request = Request::new(Full::new(Bytes::from(body)));
    (*request.method_mut(), *request.headers_mut()) = (Method::POST, headers);
    *request.uri_mut() = "/cloud/".parse().expect("a target");
    let answer = sim.ask(request).await.expect("an answer");
    assert_eq!(answer.status, StatusCode::OK, "whatever happened");
    answer
}

fn signer() -> Signer {
    Signer::try_new("AKIDEXAMPLE", "secret", None).expect("a key pair")
}

async fn act(sim: &Running, action: &str, body: Value) -> Answer {
    send(sim, &signer(), SimClock::time_of_day(), action, &body).await
}

async fn invoke(sim: &Running, name: &str, event: &str) -> CallResult {
    let answer = act(sim, "InvokeFunction", json!({ "FunctionName": name, "Event": event, "LogType": "Tail" })).await;
    let read: ScfAnswer<Invoked> = serde_json::from_slice(&answer.body).expect("an answer");
    read.response.done.unwrap_or_else(|| panic!("{answer:?}")).result
}

fn code(answer: &Answer) -> String {
    answer.json()["Response"]["Error"]["Code"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_call_is_answered_as_scf_answers_and_billed_as_it_says() {
    let sim = scf(false).await;
    let (sheet, mut metered) = (sheet("tencent-scf/cn"), Vec::new());
    for _ in 0..5 {
        let result = invoke(&sim, "picture", r#"{"a":1}"#).await;
        assert_eq!((result.ret_msg.as_str(), result.failure()), (r#"{"a":1}"#, None));
        assert!(result.log.contains("Report Duration") && result.mem_usage >= 1 << 20);
        let usage = Usage { duration: Micros::from_millis(result.bill_duration), egress_bytes: 7, ..Usage::default() };
        metered.push(((0, "picture"), sheet.meter(&Size::new(mb(1024)), &usage).expect("metered")));
    }
    let invoice = sim.invoice().await;
    let expected = sheet.invoice(metered).expect("fits").round_half_even().expect("fits");
    let billed: Money = invoice["invoice"].as_str().expect("a decimal").parse().expect("a decimal");
    assert_eq!((billed, &invoice["calls"]), (expected, &json!(5)));
}

#[tokio::test]
async fn failures_are_within_a_200() {
    let sim = scf(false).await;
    let failed = |result: &CallResult| result.failure().map(|(status, said)| (status.number(), said));
    let (status, said) = failed(&invoke(&sim, "trap", "1").await).expect("a failure");
    assert_eq!((status, said.error_type.as_deref()), (430, Some("Trap")));
    assert_eq!(failed(&invoke(&sim, "slow", "1").await).expect("a failure").0, 433);
    assert_eq!(failed(&invoke(&sim, "nobody", "1").await).expect("a failure").0, 435);
    assert_eq!(failed(&invoke(&sim, "echo", "no JSON").await).expect("a failure").0, 400);
    sim.control(json!({ "concurrency": 0 })).await;
    assert_eq!(failed(&invoke(&sim, "echo", "1").await).expect("a failure").0, 432);
    sim.control(json!({ "concurrency": null, "outage": "refuse" })).await;
    assert_eq!(failed(&invoke(&sim, "echo", "1").await).expect("a failure").0, 429);
    sim.control(json!({ "outage": null, "error_rate": 1.0 })).await;
    let body = json!({ "FunctionName": "echo", "Event": "1" });
    assert_eq!(code(&act(&sim, "InvokeFunction", body).await), "InternalError");
}

#[tokio::test]
async fn who_is_not_known_gets_nothing() {
    let sim = scf(false).await;
    let now = SimClock::time_of_day();
    let body = json!({ "FunctionName": "echo", "Event": "1" });
    let key = |id: &str, secret: &str, token: Option<&str>| Signer::try_new(id, secret, token).expect("a key pair");
    for (signer, at, expected) in [
        (key("AKIDEXAMPLE", "wrong", None), now, "AuthFailure.SignatureFailure"),
        (key("AKIDOTHER", "secret", None), now, "AuthFailure.SecretIdNotFound"),
        (key("AKIDTEMPORARY", "temporary", None), now, "AuthFailure.TokenFailure"),
        (signer(), now - Micros::from_secs(301), "AuthFailure.SignatureExpire"),
    ] {
        assert_eq!(code(&send(&sim, &signer, at, "InvokeFunction", &body).await), expected);
    }
    assert_eq!(code(&sim.post("/cloud/", "{}").await), "AuthFailure.InvalidAuthorization");
    assert_eq!(sim.functions.runs(), 0);
    let token = key("AKIDTEMPORARY", "temporary", Some("TOKEN/+="));
    assert_eq!(code(&send(&sim, &token, now, "InvokeFunction", &body).await), "");
    assert_eq!(code(&act(&sim, "DeleteFunction", json!({})).await), "InvalidAction");
}

#[tokio::test]
async fn any_bytes_go_through_a_gateways_events() {
    let sim = scf(true).await;
    let event = serde_json::to_string(&GatewayEvent::of(b"\x00\xff", Some("image/png"))).expect("JSON");
    let result = invoke(&sim, "picture", &event).await;
    let reply: GatewayReply = serde_json::from_str(&result.ret_msg).expect("an integrated response");
    assert_eq!((reply.status_code, reply.body().as_deref()), (200, Some(&b"\x00\xff"[..])));
}

#[tokio::test]
async fn an_event_is_taken_and_runs_and_functions_are_listed() {
    let sim = scf(false).await;
    let event = json!({ "FunctionName": "echo", "InvocationType": "Event", "ClientContext": "1" });
    assert_eq!(code(&act(&sim, "Invoke", event).await), "");
    while sim.functions.runs() == 0 {
        tokio::task::yield_now().await;
    }
    let answer = act(&sim, "ListFunctions", json!({ "Offset": 4, "Limit": 20 })).await;
    let page: ScfAnswer<FunctionsPage> = serde_json::from_slice(&answer.body).expect("a page");
    let page = page.response.done.expect("functions");
    assert_eq!((page.total_count, page.functions.len()), (6, 2));
    let all = act(&sim, "ListFunctions", json!({ "Offset": 0, "Limit": 20 })).await.json().to_string();
    assert!(all.contains("thumbnail"), "{all}");
}
