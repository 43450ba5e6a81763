//! Signed requests against a listener: what clients of Function Compute send, and what they are answered.

mod tasks;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use merit_cloud_wire::acs3::Signer;
use merit_cloud_wire::fc::{ErrorBody, FunctionsPage};
use merit_lambda_wire::invoke::decode_tail;
use merit_pricing::{Size, Usage};
use merit_units::{Micros, Money, Timestamp};
use serde_json::json;

use crate::SimConfig;
use crate::clock::SimClock;
use crate::testing::http::{Answer, Running, start};
use crate::testing::{mb, sheet};

const CONFIG: &str = r#"
time_scale = 0

[[cloud]]
name = "cloud"
price_sheet = "alibaba-fc/intl"
protocol = "fc"

[[cloud.key]]
access_key_id = "LTAIEXAMPLE"
secret_access_key = "secret"

[[cloud.key]]
access_key_id = "STS.EXAMPLE"
secret_access_key = "temporary"
session_token = "TOKEN/+="

[[cloud.function]]
name = "picture"
runs = "echo"
memory_mb = 1024
vcpu_milli = 500
versions = 2
aliases = { prod = "2" }
tags = { merit-function = "thumbnail" }
"#;

async fn fc() -> Running {
    start(SimConfig::parse(CONFIG).expect("a configuration")).await
}

fn signer() -> Signer {
    Signer::try_new("LTAIEXAMPLE", "secret", None).expect("a key pair")
}

/// What goes over the wire for a path below the cloud's.
async fn send(
    sim: &Running,
    signer: &Signer,
    at: Timestamp,
    (method, path): (Method, &str),
    more: &[(&'static str, &str)],
    body: &[u8],
) -> Answer {
    let target = format!("/cloud{path}");
    let (plain, query) = target.split_once('?').map_or((target.as_str(), None), |(path, query)| (path, Some(query)));
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("sim"));
    headers.insert("x-acs-action", HeaderValue::from_static("InvokeFunction"));
    for (name, value) in more {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).expect("text"));
    }
    signer.sign(&method, plain, query, &mut headers, body, at, "nonce").expect("signed");
    let mut request = Request::new(Full::new(Bytes::copy_from_slice(body)));
    (*request.method_mut(), *request.headers_mut()) = (method, headers);
    *request.uri_mut() = target.parse().expect("a target");
    sim.ask(request).await.expect("an answer")
}

async fn invoke(sim: &Running, name: &str, more: &[(&'static str, &str)], body: &[u8]) -> Answer {
    let path = format!("/2023-03-30/functions/{name}");
    send(sim, &signer(), SimClock::time_of_day(), (Method::POST, &path), more, body).await
}

fn error(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), ErrorBody::read(&answer.body).expect("an error").code)
}

#[tokio::test]
async fn a_call_is_answered_as_function_compute_answers() {
    let sim = fc().await;
    let answer = invoke(&sim, "echo/invocations", &[("x-fc-log-type", "Tail")], b"\x00\xff").await;
    assert_eq!((answer.status, answer.body.as_ref()), (StatusCode::OK, &b"\x00\xff"[..]));
    assert!(answer.header("x-fc-request-id").is_some() && answer.header("x-fc-error-type").is_none());
    let log = decode_tail(answer.header("x-fc-log-result").expect("a log").as_bytes()).expect("base64");
    assert!(String::from_utf8_lossy(&log).contains("FC Invoke End RequestId: 1-"));
    let bill: u64 = answer.number("x-fc-invocation-duration");
    assert!(bill >= 1, "a cold start in whole milliseconds");
    assert_eq!(
        answer.header("x-fc-max-memory-usage").and_then(|text| text.split_once('.')).expect("a decimal").1,
        "00"
    );
    let failed = invoke(&sim, "trap/invocations", &[], b"x").await;
    assert_eq!((failed.status, failed.header("x-fc-error-type")), (StatusCode::OK, Some("UnhandledInvocationError")));
    assert_eq!(failed.json()["errorType"], "Trap");
    assert_eq!(
        invoke(&sim, "slow/invocations", &[], b"").await.header("x-fc-error-type"),
        Some("FunctionTimeoutError")
    );
}

#[tokio::test]
async fn what_is_told_is_what_is_billed() {
    let sim = fc().await;
    let (sheet, mut metered) = (sheet("alibaba-fc/intl"), Vec::new());
    for _ in 0..5 {
        let answer = invoke(&sim, "picture/invocations", &[], b"xyz").await;
        let duration = Micros::from_millis(answer.number("x-fc-invocation-duration"));
        let usage = Usage { duration, egress_bytes: 3, ..Usage::default() };
        metered
            .push(((0, "picture"), sheet.meter(&Size::new(mb(1024)).with_vcpu_milli(500), &usage).expect("metered")));
    }
    let invoice = sim.invoice().await;
    let expected = sheet.invoice(metered).expect("fits").round_half_even().expect("fits");
    let billed: Money = invoice["invoice"].as_str().expect("a decimal").parse().expect("a decimal");
    assert_eq!((billed, &invoice["calls"]), (expected, &json!(5)));
}

#[tokio::test]
async fn who_is_not_known_gets_nothing() {
    let sim = fc().await;
    let now = SimClock::time_of_day();
    let path = (Method::POST, "/2023-03-30/functions/echo/invocations");
    let key = |id: &str, secret: &str, token: Option<&str>| Signer::try_new(id, secret, token).expect("a key pair");
    for (signer, at, code) in [
        (key("LTAIEXAMPLE", "wrong", None), now, "SignatureNotMatch"),
        (key("LTAIOTHER", "secret", None), now, "InvalidAccessKeyID"),
        (key("STS.EXAMPLE", "temporary", None), now, "InvalidSecurityToken"),
        (key("LTAIEXAMPLE", "secret", Some("TOKEN/+=")), now, "InvalidSecurityToken"),
        (signer(), now - Micros::from_secs(901), "RequestTimeTooSkewed"),
    ] {
        let answer = send(&sim, &signer, at, path.clone(), &[], b"x").await;
        assert_eq!(error(&answer), (403, code.to_owned()));
    }
    let unsigned = sim.post("/cloud/2023-03-30/functions/echo/invocations", "x").await;
    assert_eq!(error(&unsigned), (400, "MissingRequiredHeader".to_owned()));
    assert_eq!(sim.functions.runs(), 0);
    let token = key("STS.EXAMPLE", "temporary", Some("TOKEN/+="));
    assert_eq!(send(&sim, &token, now, path, &[], b"x").await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_not_there_and_what_is_too_much_is_refused() {
    let sim = fc().await;
    assert_eq!(error(&invoke(&sim, "nobody/invocations", &[], b"").await), (404, "FunctionNotFound".to_owned()));
    assert_eq!(invoke(&sim, "picture/invocations?qualifier=prod", &[], b"x").await.status, StatusCode::OK);
    assert_eq!(
        error(&invoke(&sim, "picture/invocations?qualifier=9", &[], b"").await),
        (404, "VersionNotFound".to_owned())
    );
    assert_eq!(error(&invoke(&sim, "picture/other", &[], b"").await), (400, "PathNotSupported".to_owned()));
    let large = vec![b'x'; 128 * 1024 + 1];
    let too_large = invoke(&sim, "echo/invocations", &[("x-fc-invocation-type", "Async")], &large).await;
    assert_eq!(error(&too_large), (400, "EntityTooLarge".to_owned()));
    sim.control(json!({ "concurrency": 0 })).await;
    let throttled = invoke(&sim, "echo/invocations", &[], b"").await;
    assert_eq!(
        (error(&throttled), throttled.header("retry-after")),
        ((429, "ResourceExhausted".to_owned()), Some("1"))
    );
    sim.control(json!({ "concurrency": null, "error_rate": 1.0 })).await;
    assert_eq!(error(&invoke(&sim, "echo/invocations", &[], b"").await), (500, "InternalServerError".to_owned()));
    sim.control(json!({ "error_rate": 0, "outage": "refuse" })).await;
    assert_eq!(error(&invoke(&sim, "echo/invocations", &[], b"").await), (503, "ResourceThrottled".to_owned()));
    sim.control(json!({ "outage": "reset" })).await;
    assert!(sim.try_post("/cloud/2023-03-30/functions/echo/invocations", "").await.is_err());
}

#[tokio::test]
async fn functions_are_listed_page_by_page() {
    let sim = fc().await;
    let page = async |query: &str| {
        let path = format!("/2023-03-30/functions{query}");
        let answer = send(&sim, &signer(), SimClock::time_of_day(), (Method::GET, &path), &[], b"").await;
        serde_json::from_slice::<FunctionsPage>(&answer.body).expect("a page")
    };
    let first = page("?limit=4").await;
    assert_eq!((first.functions.len(), first.next_token.as_deref()), (4, Some("4")));
    let last = page("?limit=4&nextToken=4").await;
    assert_eq!((last.functions.len(), last.next_token), (2, None));
    let picture = page("?prefix=pic").await.functions.remove(0);
    assert_eq!((picture.memory_size, picture.cpu.expect("a share").to_string().as_str()), (Some(1024), "0.5"));
    assert_eq!(picture.tags.expect("labels")[0].value, "thumbnail");
    let ran = async || {
        let answer = invoke(&sim, "picture/invocations", &[], b"xyz").await;
        answer.header("x-fc-code-checksum").expect("it is told").to_owned()
    };
    assert_eq!(picture.code_checksum, Some(ran().await), "what runs is what is listed");
    sim.control(json!({ "code_checksum": 42 })).await;
    let redeployed = page("?prefix=pic").await.functions.remove(0).code_checksum;
    assert_eq!((ran().await.as_str(), redeployed.as_deref()), ("42", Some("42")));
}
