//! Real clients against a real listener, one connection each. Time is paused where nothing but
//! modelled time is waited for: the clock then moves only while both ends are idle.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use merit_units::Money;
use merit_venue::meter_header as header;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

use super::serve;
use crate::testing::http::{Answer, Running, start};
use crate::testing::{Scripted, config, mb};
use crate::{SimConfig, TimeScale};

const AWS: &str = "aws-lambda/us-east-1/x86_64";

/// One AWS cloud that answers at once.
async fn start_aws() -> Running {
    start(SimConfig { seed: 42, time_scale: TimeScale::INSTANT, clouds: vec![config(AWS)] }).await
}

fn amount(value: &Value) -> Money {
    value.as_str().expect("a decimal").parse().expect("a decimal")
}

#[tokio::test]
async fn a_call_answers_with_its_meters() {
    let sim = start_aws().await;
    let cold = sim.call().await;
    assert_eq!((cold.status, cold.body.as_ref()), (StatusCode::OK, b"hello".as_slice()));
    assert!(cold.number(header::INIT_US) > 0);
    let warm = sim.call().await;
    assert_eq!(warm.header(header::INIT_US), None);
    assert!(warm.number(header::DURATION_US) > warm.number(header::CPU_US));
    assert_eq!(warm.number(header::MEMORY_MB), 36);
    assert_eq!(sim.get("/livez").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_bill_is_that_of_the_meters_in_the_replies() {
    let sim = start_aws().await;
    let sheet = crate::testing::sheet(AWS);
    let size = merit_pricing::Size::new(mb(512));
    let mut metered = Vec::new();
    for _ in 0..20 {
        let answer = sim.call().await;
        let usage = merit_pricing::Usage {
            duration: merit_units::Micros::new(answer.number(header::DURATION_US)),
            init: merit_units::Micros::new(
                answer.header(header::INIT_US).map_or(0, |text| text.parse().expect("a number")),
            ),
            cpu: Some(merit_units::Micros::new(answer.number(header::CPU_US))),
            memory_peak: Some(mb(answer.number(header::MEMORY_MB))),
            egress_bytes: answer.body.len() as u64,
            ..merit_pricing::Usage::default()
        };
        metered.push(((0, "echo"), sheet.meter(&size, &usage).expect("metered")));
    }
    let invoice = sim.invoice().await;
    let expected = sheet.invoice(metered).expect("fits").round_half_even().expect("fits");
    assert_eq!((amount(&invoice["invoice"]), &invoice["calls"]), (expected, &Value::from(20)));
    assert_eq!(invoice["periods"][0]["functions"][0]["function"], "echo");
}

#[tokio::test]
async fn function_errors_and_refusals_have_their_shapes() {
    let sim = start_aws().await;
    let trap = sim.post("/cloud/trap", "").await;
    assert_eq!((trap.status, trap.header(header::FUNCTION_ERROR)), (StatusCode::INTERNAL_SERVER_ERROR, Some("Trap")));
    assert_eq!(trap.json(), json!({ "errorType": "Trap", "errorMessage": "unreachable executed" }));
    assert!(trap.number(header::DURATION_US) > 0, "a failed call is metered");

    let unknown = sim.post("/cloud/nowhere", "").await;
    assert_eq!(
        (unknown.status, &unknown.json()["errorType"]),
        (StatusCode::NOT_FOUND, &Value::from("FunctionNotFound"))
    );
    let no_cloud = sim.post("/mars/echo", "").await;
    assert_eq!(no_cloud.status, StatusCode::NOT_FOUND);
    assert!(no_cloud.json()["errorMessage"].as_str().expect("why").contains("there are cloud"));
    assert_eq!(sim.post("/cloud", "").await.status, StatusCode::NOT_FOUND);
    let not_post = sim.get("/cloud/echo").await;
    assert_eq!((not_post.status, not_post.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, Some("POST")));
    let broken = sim.post("/cloud/broken", "").await;
    assert_eq!((broken.status, broken.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, Some("1")));
    assert_eq!(broken.header(header::DURATION_US), None);
}

/// AWS takes 6 MB. The refusal comes from the announced length, before the payload is sent.
#[tokio::test]
async fn a_payload_over_the_limit_is_refused_unread() {
    let sim = start_aws().await;
    let request = Request::post("/cloud/echo")
        .header("host", "sim")
        .header("content-length", (6 * 1024 * 1024 + 1).to_string())
        .header("expect", "100-continue")
        .body(Full::new(Bytes::from(vec![0; 6 * 1024 * 1024 + 1])))
        .expect("a request");
    let answer = sim.send(request).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(sim.post("/cloud/echo", vec![0; 6 * 1024 * 1024]).await.status, StatusCode::OK);
    assert_eq!(sim.functions.runs(), 1);
}

#[tokio::test]
async fn over_the_limit_is_429_with_a_time_to_wait() {
    let sim = start_aws().await;
    sim.control(json!({ "concurrency": 0 })).await;
    let throttled = sim.call().await;
    assert_eq!((throttled.status, throttled.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, Some("1")));
    let state = sim.get("/_sim/clouds/cloud").await.json();
    assert_eq!((&state["counts"]["throttled"], &state["controls"]["concurrency"]), (&json!(1), &json!(0)));
}

#[tokio::test]
async fn a_refusing_cloud_answers_503_and_runs_nothing() {
    let sim = start_aws().await;
    let state = sim.control(json!({ "outage": "refuse" })).await;
    assert_eq!(state["controls"]["outage"], "refuse");
    let refused = sim.call().await;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, Some("1")));
    assert_eq!(sim.functions.runs(), 0);
    sim.control(json!({ "outage": "none" })).await;
    assert_eq!(sim.call().await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_resetting_cloud_cuts_the_connection() {
    let sim = start_aws().await;
    sim.control(json!({ "outage": "reset" })).await;
    let cut = sim.try_post("/cloud/echo", "hello").await.expect_err("no answer");
    assert!(cut.is_incomplete_message() || cut.is_closed() || cut.is_canceled(), "{cut:?}");
    assert_eq!(sim.functions.runs(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_cloud_never_answers() {
    let sim = start_aws().await;
    sim.control(json!({ "outage": "hang" })).await;
    let answer = timeout(Duration::from_secs(3600), sim.try_post("/cloud/echo", "hello")).await;
    assert!(answer.is_err(), "{answer:?}");
    assert_eq!(sim.functions.runs(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reply_drips() {
    let sim = start_aws().await;
    sim.control(json!({ "slow_drip": 1000 })).await;
    let start = Instant::now();
    let answer = sim.post("/cloud/echo", vec![7; 5000]).await;
    assert_eq!((answer.body.len(), answer.number("content-length")), (5000, 5000));
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(5) && took < Duration::from_secs(6), "{took:?} for 5,000 bytes");
}

#[tokio::test]
async fn a_cut_reply_ends_early_and_is_billed() {
    let sim = start_aws().await;
    sim.control(json!({ "cut_after_bytes": 3 })).await;
    let request = Request::post("/cloud/echo").header("host", "sim").body(Full::from("hello")).expect("a request");
    let mut body = sim.send(request).await.expect("a head").into_body();
    let mut received = Vec::new();
    while let Ok(frame) = body.frame().await.expect("no clean end") {
        received.extend_from_slice(frame.data_ref().expect("data"));
    }
    assert_eq!(received, b"hel");
    assert_eq!(sim.invoice().await["calls"], 1);
    sim.control(json!({ "cut_after_bytes": 100 })).await;
    assert!(sim.try_post("/cloud/echo", "hello").await.is_err(), "cut after the end is cut before the announced end");
}

#[tokio::test]
async fn wrong_answers_are_wrong_and_billed() {
    let sim = start_aws().await;
    sim.control(json!({ "wrong_answer": "garbage" })).await;
    let garbage = sim.call().await;
    assert_eq!((garbage.status, garbage.header(header::DURATION_US)), (StatusCode::OK, None));
    assert!(std::str::from_utf8(&garbage.body).is_err());
    sim.control(json!({ "wrong_answer": "malformed_meters" })).await;
    let malformed = sim.call().await;
    assert_eq!(
        (malformed.header(header::DURATION_US), malformed.body.as_ref()),
        (Some("a while"), b"hello".as_slice())
    );
    sim.control(json!({ "wrong_answer": "html" })).await;
    let html = sim.call().await;
    assert_eq!((html.status, html.header("content-type")), (StatusCode::OK, Some("text/html")));
    assert_eq!((sim.functions.runs(), &sim.invoice().await["calls"]), (3, &json!(3)));
}

#[tokio::test]
async fn failures_at_the_error_rate_are_502() {
    let sim = start_aws().await;
    sim.control(json!({ "error_rate": 1 })).await;
    let failed = sim.call().await;
    assert_eq!((failed.status, failed.header("retry-after")), (StatusCode::BAD_GATEWAY, None));
}

#[tokio::test(start_paused = true)]
async fn extra_latency_delays_the_reply() {
    let sim = start(SimConfig { seed: 42, time_scale: TimeScale::REAL, clouds: vec![config(AWS)] }).await;
    sim.control(json!({ "extra_latency_ms": 120_000 })).await;
    let start = Instant::now();
    let answer = sim.call().await;
    assert!(start.elapsed() >= Duration::from_secs(120));
    assert!(answer.number(header::DURATION_US) < 10_000_000, "what is added is not execution");
}

#[tokio::test]
async fn a_price_change_shows_on_the_sheet_and_the_next_bill() {
    let sim = start_aws().await;
    let sheet = |answer: Answer| {
        assert_eq!(answer.header("content-type"), Some("application/toml"));
        merit_pricing::PriceSheet::parse_toml(std::str::from_utf8(&answer.body).expect("text")).expect("a sheet")
    };
    let before = sheet(sim.get("/_sim/clouds/cloud/price-sheet").await);
    sim.call().await;
    let state = sim.control(json!({ "price_percent": 400 })).await;
    assert_eq!(state["controls"]["price_percent"], 400);
    let after = sheet(sim.get("/_sim/clouds/cloud/price-sheet").await);
    assert!(after.seq() > before.seq());
    let rates = |sheet: &merit_pricing::PriceSheet| sheet.prices().map(|price| price.rate.atto()).collect::<Vec<_>>();
    assert_eq!(rates(&after), rates(&before).into_iter().map(|rate| rate * 4).collect::<Vec<_>>());
    sim.call().await;
    let periods = sim.invoice().await["periods"].clone();
    assert_eq!((&periods[0]["price_percent"], &periods[1]["price_percent"]), (&json!(100), &json!(400)));
    let request = |period: &Value| period["billed"]["request"].clone();
    assert_eq!((request(&periods[0]), request(&periods[1])), (json!("1"), json!("1")));
    assert!(amount(&periods[1]["charges"]) > amount(&periods[0]["charges"]), "a warm call at four times the price");
}

#[tokio::test]
async fn bad_controls_are_refused_and_change_nothing() {
    let sim = start_aws().await;
    for bad in ["{", "[]", r#"{"outage":"maybe"}"#, r#"{"prices":1}"#, r#"{"concurrency":-1}"#] {
        let refused = sim.post("/_sim/clouds/cloud/control", bad).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{bad}");
    }
    assert_eq!(sim.get("/_sim/clouds/cloud/control").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(sim.post("/_sim/clouds", "").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(sim.get("/_sim/clouds/mars").await.status, StatusCode::NOT_FOUND);
    assert_eq!(sim.get("/_sim/clouds/cloud/bill").await.status, StatusCode::NOT_FOUND);
    assert_eq!(sim.get("/_sim").await.status, StatusCode::NOT_FOUND);
    let controls = sim.get("/_sim/clouds/cloud").await.json()["controls"].clone();
    assert_eq!(controls, serde_json::to_value(crate::controls::Controls::default()).expect("JSON"));
}

#[tokio::test]
async fn the_state_says_what_is_measured_and_what_is_not() {
    let sim = start(SimConfig { time_scale: TimeScale::INSTANT, ..SimConfig::demo() }).await;
    let all = sim.get("/_sim/clouds").await.json();
    let clouds = all["clouds"].as_array().expect("clouds");
    assert_eq!(clouds.len(), 11);
    for cloud in clouds {
        assert!(!cloud["stand_ins"].as_array().expect("stand-ins").is_empty(), "{cloud}");
        let path = cloud["path"].as_str().expect("a path");
        let unsigned = match cloud["protocol"].as_str().expect("a protocol") {
            "lambda" => Some(("/2015-03-31/functions/echo/invocations", 403)),
            "fc" => Some(("/2023-03-30/functions/echo/invocations", 400)),
            "workers" => Some(("/echo", 401)),
            "scf" => {
                let answer = sim.post(&format!("{path}/"), "{}").await.json();
                assert_eq!(answer["Response"]["Error"]["Code"], "AuthFailure.InvalidAuthorization", "{path}");
                continue;
            }
            _ => None,
        };
        if let Some((below, status)) = unsigned {
            let answer = sim.post(&format!("{path}{below}"), "{}").await;
            assert_eq!(answer.status.as_u16(), status, "{path}");
            continue;
        }
        if !cloud["google"].is_null() {
            assert_eq!(sim.post(&format!("{path}/echo"), "").await.status, StatusCode::FORBIDDEN, "{path}");
            continue;
        }
        if !cloud["azure"].is_null() {
            assert_eq!(sim.post(&format!("{path}/api/echo"), "").await.status, StatusCode::UNAUTHORIZED, "{path}");
            continue;
        }
        if !cloud["knative"].is_null() {
            assert_eq!(
                sim.post(&format!("{path}/"), "").await.status,
                StatusCode::NOT_FOUND,
                "{path}: the host is none"
            );
            continue;
        }
        let answer = sim.post(&format!("{path}/function/echo"), "hello").await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        let bill = sim.get(&format!("/_sim/clouds{path}/invoice")).await.json();
        assert_eq!((&bill["calls"], &bill["unbilled"]), (&json!(1), &Value::Null), "{bill}");
        assert!(amount(&bill["charges"]) > Money::ZERO, "{bill}");
    }
    assert!(all["sources"]["sebs"]["title"].as_str().expect("a source").contains("SeBS"));
    assert!(all["measurements"].as_array().expect("measurements").len() > 20);
}

#[tokio::test]
async fn shutdown_ends_the_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let config = SimConfig { seed: 1, time_scale: TimeScale::INSTANT, clouds: vec![config(AWS)] };
    let server = serve(listener, config, Arc::new(Scripted::default()), async { drop(stopped.await) });
    drop(stop);
    timeout(Duration::from_secs(10), server).await.expect("it ends").expect("well");
}

#[tokio::test]
async fn clouds_that_cannot_be_played_are_refused_before_serving() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mut wrong = config(AWS);
    wrong.size.memory = mb(64);
    wrong.runtime = "cobol".to_owned();
    let config = SimConfig { seed: 1, time_scale: TimeScale::INSTANT, clouds: vec![wrong] };
    let refused = serve(listener, config, Arc::new(Scripted::default()), std::future::pending()).await;
    let problems = refused.expect_err("refused").problems;
    assert!(problems.iter().any(|problem| problem.contains("cobol")), "{problems:?}");
}
