//! Signed requests against a listener: what Lambda's clients send, and what they are answered.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use merit_lambda_wire::error::LambdaError;
use merit_lambda_wire::event_stream::{Decoder, Event};
use merit_lambda_wire::invoke::decode_tail;
use merit_lambda_wire::report::ReportLine;
use merit_lambda_wire::sigv4::Signer;
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
price_sheet = "aws-lambda/us-east-1/arm64"
protocol = "lambda"
runtime = "python3.13"

[[cloud.key]]
access_key_id = "AKIDEXAMPLE"
secret_access_key = "secret"

[[cloud.key]]
access_key_id = "ASIAEXAMPLE"
secret_access_key = "temporary"
session_token = "TOKEN"

[[cloud.function]]
name = "picture"
runs = "echo"
memory_mb = 2048
timeout_ms = 3000
versions = 3
aliases = { prod = "2", live = "$LATEST" }
tags = { "merit:function" = "thumbnail" }
reserved_concurrency = 10
provisioned_concurrency = { prod = 2 }

[[cloud.function]]
name = "closed"
runs = "echo"
reserved_concurrency = 0
"#;

const ARN: &str = "arn:aws:lambda:us-east-1:123456789012:function";

async fn lambda() -> Running {
    start(SimConfig::parse(CONFIG).expect("a configuration")).await
}

fn signer() -> Signer {
    Signer::new("AKIDEXAMPLE", "secret", None, "us-east-1")
}

/// A request with the headers given, for whoever signs it.
fn unsigned(sim: &Running, method: &Method, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Request<Vec<u8>> {
    let mut request = Request::builder().method(method).uri(format!("http://{}/cloud{path}", sim.address));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.to_vec()).expect("a request")
}

/// What goes over the wire: the target without scheme and host.
fn wired(request: Request<Vec<u8>>) -> Request<Full<Bytes>> {
    let (mut parts, body) = request.into_parts();
    parts.uri = parts.uri.path_and_query().expect("a path").as_str().parse().expect("a target");
    Request::from_parts(parts, Full::from(body))
}

async fn send_by(sim: &Running, signer: &Signer, at: Timestamp, mut request: Request<Vec<u8>>) -> Answer {
    signer.sign(&mut request, at).expect("signed");
    sim.ask(wired(request)).await.expect("an answer")
}

async fn send(sim: &Running, method: Method, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let request = unsigned(sim, &method, path, headers, body);
    send_by(sim, &signer(), SimClock::time_of_day(), request).await
}

async fn invoke(sim: &Running, function: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    send(sim, Method::POST, &format!("/2015-03-31/functions/{function}/invocations"), headers, body).await
}

async fn get(sim: &Running, path: &str) -> Answer {
    send(sim, Method::GET, path, &[], b"").await
}

fn error(answer: &Answer) -> (u16, String, String) {
    let error = LambdaError::read(answer.status, &answer.headers, &answer.body);
    (answer.status.as_u16(), error.code.to_string(), error.message)
}

fn log(answer: &Answer) -> String {
    let tail = decode_tail(answer.header("x-amz-log-result").expect("a log").as_bytes()).expect("base64");
    String::from_utf8(tail).expect("text")
}

#[tokio::test]
async fn a_call_is_answered_as_lambda_answers() {
    let sim = lambda().await;
    let answer = invoke(&sim, "echo", &[], br#"{"a":1}"#).await;
    assert_eq!((answer.status, answer.body.as_ref()), (StatusCode::OK, br#"{"a":1}"#.as_slice()));
    assert_eq!(answer.header("x-amz-executed-version"), Some("$LATEST"));
    assert_eq!((answer.header("x-amz-function-error"), answer.header("x-amz-log-result")), (None, None));
    assert_eq!(answer.header("x-amzn-requestid").map(str::len), Some(36));

    let segment = format!("{ARN}:picture:prod").replace(':', "%3A");
    let by_arn = invoke(&sim, &segment, &[], b"").await;
    assert_eq!((by_arn.status, by_arn.header("x-amz-executed-version")), (StatusCode::OK, Some("2")));
    let qualified = "/2015-03-31/functions/picture/invocations?Qualifier=3";
    let qualified = send(&sim, Method::POST, qualified, &[], b"").await;
    assert_eq!(qualified.header("x-amz-executed-version"), Some("3"));
}

#[tokio::test]
async fn the_report_agrees_with_the_bill() {
    let sim = lambda().await;
    let (sheet, mut metered) = (sheet("aws-lambda/us-east-1/arm64"), Vec::new());
    let mut cold = 0;
    for number in 0..20 {
        let body = json!({ "n": number }).to_string();
        let answer = invoke(&sim, "picture", &[("x-amz-log-type", "Tail")], body.as_bytes()).await;
        let log = log(&answer);
        assert!(log.starts_with("START RequestId: ") && log.contains("Version: $LATEST\nEND RequestId: "), "{log}");
        let report = ReportLine::find_in(&log).expect("a report");
        assert_eq!(Some(report.request_id.as_str()), answer.header("x-amzn-requestid"));
        assert_eq!((report.memory, report.max_memory_used.is_some()), (mb(2048), true));
        cold += u32::from(report.init.is_some());
        let init = report.init.unwrap_or(Micros::ZERO);
        assert_eq!(report.billed, report.duration.saturating_add(init).ceil_to(Micros::from_millis(1)), "{log}");
        let usage = Usage {
            duration: report.duration,
            init,
            cpu: None,
            memory_peak: report.max_memory_used,
            egress_bytes: answer.body.len() as u64,
            ..Usage::default()
        };
        let size = Size::new(mb(2048)).with_architecture(sheet.architecture().expect("arm64"));
        metered.push(((0, "picture"), sheet.meter(&size, &usage).expect("metered")));
    }
    assert_eq!(cold, 1, "the first call initialises, and that is reported and billed");
    let invoice = sim.get("/_sim/clouds/cloud/invoice").await.json();
    let expected = sheet.invoice(metered).expect("fits").round_half_even().expect("fits");
    let billed: Money = invoice["invoice"].as_str().expect("a decimal").parse().expect("a decimal");
    assert_eq!((billed, &invoice["calls"]), (expected, &Value::from(20)));
}

#[tokio::test]
async fn a_failed_function_is_a_200_and_billed() {
    let sim = lambda().await;
    let trap = invoke(&sim, "trap", &[("x-amz-log-type", "Tail")], b"{}").await;
    assert_eq!((trap.status, trap.header("x-amz-function-error")), (StatusCode::OK, Some("Unhandled")));
    assert_eq!(trap.json(), json!({ "errorType": "Trap", "errorMessage": "unreachable executed" }));
    let report = ReportLine::find_in(&log(&trap)).expect("a report");
    assert_eq!((report.status.as_deref(), report.error_type.as_deref()), (Some("error"), Some("Trap")));

    let slow = invoke(&sim, "slow", &[("x-amz-log-type", "Tail")], b"{}").await;
    assert_eq!(slow.json()["errorType"], "Timeout");
    let report = ReportLine::find_in(&log(&slow)).expect("a report");
    assert_eq!((report.status.as_deref(), report.duration), (Some("timeout"), Micros::from_secs(30)));
    assert_eq!(sim.get("/_sim/clouds/cloud/invoice").await.json()["calls"], 2);
}

#[tokio::test]
async fn events_are_queued_and_dry_runs_run_nothing() {
    let sim = lambda().await;
    let dry = invoke(&sim, "echo", &[("x-amz-invocation-type", "DryRun")], b"{}").await;
    assert_eq!((dry.status, dry.body.len(), sim.functions.runs()), (StatusCode::NO_CONTENT, 0, 0));
    let unknown = invoke(&sim, "nowhere", &[("x-amz-invocation-type", "DryRun")], b"{}").await;
    assert_eq!(error(&unknown).0, 404);

    let event = invoke(&sim, "echo", &[("x-amz-invocation-type", "Event")], b"{}").await;
    assert_eq!((event.status, event.body.len()), (StatusCode::ACCEPTED, 0));
    let queued = send(&sim, Method::POST, "/2014-11-13/functions/echo/invoke-async/", &[], b"{}").await;
    assert_eq!(queued.status, StatusCode::ACCEPTED);
    while sim.get("/_sim/clouds/cloud").await.json()["billed_calls"] != 2 {
        tokio::task::yield_now().await;
    }
    let wrong = invoke(&sim, "echo", &[("x-amz-invocation-type", "event")], b"{}").await;
    assert_eq!(error(&wrong).1, "ValidationException");
}

#[tokio::test]
async fn replies_are_streamed() {
    let sim = lambda().await;
    let path = |function: &str| format!("/2021-11-15/functions/{function}/response-streaming-invocations");
    let events = |answer: &Answer| {
        assert_eq!(answer.header("content-type"), Some("application/vnd.amazon.eventstream"));
        let mut decoder = Decoder::new();
        decoder.push(&answer.body);
        std::iter::from_fn(|| decoder.next_event().expect("frames")).collect::<Vec<_>>()
    };
    let payload = format!("\"{}\"", "x".repeat(150_000));
    let answer = send(&sim, Method::POST, &path("echo"), &[("x-amz-log-type", "Tail")], payload.as_bytes()).await;
    let mut streamed = Vec::new();
    let mut log = None;
    for event in events(&answer) {
        match event {
            Event::PayloadChunk(piece) => streamed.extend_from_slice(&piece),
            Event::InvokeComplete(complete) => log = complete.log_tail,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(streamed, payload.as_bytes());
    let log = String::from_utf8(log.expect("a log").to_vec()).expect("text");
    assert!(ReportLine::find_in(&log).is_some(), "{log}");

    let trap = send(&sim, Method::POST, &path("trap"), &[], b"").await;
    let [Event::InvokeComplete(complete)] = &events(&trap)[..] else { panic!("{trap:?}") };
    assert_eq!(complete.error_code.as_deref(), Some("Unhandled"));
    assert!(complete.error_details.as_deref().is_some_and(|details| details.contains("unreachable executed")));
}

#[tokio::test]
async fn signatures_are_checked() {
    let sim = lambda().await;
    let now = SimClock::time_of_day();
    let call = || unsigned(&sim, &Method::POST, "/2015-03-31/functions/echo/invocations", &[], b"{}");
    let by = async |access_key: &str, secret: &str, token: Option<&str>, region: &str, at: Timestamp| {
        let answer = send_by(&sim, &Signer::new(access_key, secret, token, region), at, call()).await;
        if answer.status.is_success() { (200, String::new(), String::new()) } else { error(&answer) }
    };
    assert_eq!(by("ASIAEXAMPLE", "temporary", Some("TOKEN"), "us-east-1", now).await.0, 200);

    let wrong = by("AKIDEXAMPLE", "guess", None, "us-east-1", now).await;
    assert_eq!((wrong.0, wrong.1.as_str()), (403, "InvalidSignatureException"));
    assert!(wrong.2.starts_with("The request signature we calculated does not match"), "{}", wrong.2);
    let unknown = by("AKIDNOBODY", "secret", None, "us-east-1", now).await;
    let words = "The security token included in the request is invalid.";
    assert_eq!(unknown, (403, "UnrecognizedClientException".to_owned(), words.to_owned()));
    assert_eq!(by("ASIAEXAMPLE", "temporary", None, "us-east-1", now).await.1, "UnrecognizedClientException");
    assert!(by("AKIDEXAMPLE", "secret", None, "eu-west-1", now).await.2.contains("valid region, not 'eu-west-1'"));
    let old = Timestamp::from_micros(now.micros() - 301_000_000);
    assert!(by("AKIDEXAMPLE", "secret", None, "us-east-1", old).await.2.starts_with("Signature expired"));

    let none = sim.post("/cloud/2015-03-31/functions/echo/invocations", "{}").await;
    let words = "Missing Authentication Token";
    assert_eq!(error(&none), (403, "MissingAuthenticationTokenException".to_owned(), words.to_owned()));

    let mut presigned = call();
    signer().presign(&mut presigned, now, 60).expect("signed");
    assert_eq!(sim.ask(wired(presigned)).await.expect("an answer").status, StatusCode::OK);
    assert_eq!(sim.functions.runs(), 2, "only what is signed well runs");
}

#[tokio::test]
async fn what_cannot_run_is_refused_as_lambda_refuses_it() {
    let sim = lambda().await;
    let of = async |function: &str, body: &[u8]| error(&invoke(&sim, function, &[], body).await);
    let words = format!("Function not found: {ARN}:nowhere");
    assert_eq!(of("nowhere", b"{}").await, (404, "ResourceNotFoundException".to_owned(), words));
    assert_eq!(of("picture%3Astaging", b"").await.2, format!("Function not found: {ARN}:picture:staging"));
    assert_eq!(of("a%20b", b"").await.1, "InvalidParameterValueException");
    let elsewhere = ARN.replace(':', "%3A").replace("123456789012", "210987654321");
    assert_eq!(of(&format!("{elsewhere}%3Aecho"), b"").await.1, "AccessDeniedException");
    let path = "/2015-03-31/functions/picture%3Aprod/invocations?Qualifier=3";
    let contradicting = send(&sim, Method::POST, path, &[], b"").await;
    assert!(error(&contradicting).2.contains("does not match the specified qualifier"));
    assert_eq!(of("echo", b"not json").await.1, "InvalidRequestContentException");

    let large = vec![b' '; 6 * 1024 * 1024 + 1];
    let words = "Request must be smaller than 6291456 bytes for the InvokeFunction operation";
    assert_eq!(of("echo", &large).await, (413, "RequestTooLargeException".to_owned(), words.to_owned()));
    let event = invoke(&sim, "echo", &[("x-amz-invocation-type", "Event")], &large[..=1024 * 1024]).await;
    assert!(error(&event).2.contains("1048576"));
    let bad = invoke(&sim, "echo", &[("x-amz-client-context", "{}")], b"").await;
    assert_eq!(error(&bad).1, "InvalidRequestContentException");
    assert_eq!(sim.functions.runs(), 0);

    let other = send(&sim, Method::POST, "/2015-03-31/functions", &[], b"{}").await;
    assert!(error(&other).2.starts_with("CreateFunction is not simulated"), "{other:?}");
}

#[tokio::test]
async fn throttles_say_which_limit() {
    let sim = lambda().await;
    let reason = |answer: &Answer| {
        let error = LambdaError::read(answer.status, &answer.headers, &answer.body);
        (error.status.as_u16(), error.reason.map(|reason| reason.as_str().to_owned()), error.retry_after)
    };
    let reserved = invoke(&sim, "closed", &[], b"").await;
    let name = "ReservedFunctionConcurrentInvocationLimitExceeded";
    assert_eq!(reason(&reserved), (429, Some(name.to_owned()), Some(1)));
    sim.control(json!({ "concurrency": 0 })).await;
    let all = invoke(&sim, "echo", &[], b"").await;
    assert_eq!(reason(&all), (429, Some("ConcurrentInvocationLimitExceeded".to_owned()), Some(1)));
    sim.control(json!({ "concurrency": null, "lambda_error": "TooManyRequestsException/CallerRateLimitExceeded" }))
        .await;
    let told = invoke(&sim, "echo", &[], b"").await;
    assert_eq!(reason(&told).1.as_deref(), Some("CallerRateLimitExceeded"));
    sim.control(json!({ "lambda_error": "ENILimitReachedException" })).await;
    assert_eq!(error(&invoke(&sim, "echo", &[], b"").await).0, 502);
    sim.control(json!({ "lambda_error": null })).await;
    assert_eq!(invoke(&sim, "echo", &[], b"").await.status, StatusCode::OK);
}

#[tokio::test]
async fn faults_work_in_this_protocol_too() {
    let sim = lambda().await;
    sim.control(json!({ "outage": "refuse" })).await;
    let down = invoke(&sim, "echo", &[], b"").await;
    assert_eq!((error(&down).1.as_str(), down.header("retry-after")), ("ServiceUnavailableException", Some("1")));
    sim.control(json!({ "outage": null, "error_rate": 1 })).await;
    assert_eq!(error(&invoke(&sim, "echo", &[], b"").await).1, "ServiceException");
    sim.control(json!({ "error_rate": 0, "wrong_answer": "html" })).await;
    let page = invoke(&sim, "echo", &[], b"").await;
    assert_eq!((page.status, page.header("content-type")), (StatusCode::OK, Some("text/html")));
    sim.control(json!({ "wrong_answer": "malformed_meters" })).await;
    let log = log(&invoke(&sim, "echo", &[("x-amz-log-type", "Tail")], b"").await);
    assert!(log.contains("Duration: a while") && ReportLine::find_in(&log).is_none(), "{log}");
    sim.control(json!({ "wrong_answer": null, "cut_after_bytes": 3 })).await;
    let mut cut = unsigned(&sim, &Method::POST, "/2015-03-31/functions/echo/invocations", &[], b"12345");
    signer().sign(&mut cut, SimClock::time_of_day()).expect("signed");
    assert!(sim.ask(wired(cut)).await.is_err(), "cut within the reply");
}

#[tokio::test]
async fn functions_are_listed_in_pages() {
    let sim = lambda().await;
    let mut names = Vec::new();
    let mut path = "/2015-03-31/functions?MaxItems=2".to_owned();
    loop {
        let page = get(&sim, &path).await.json();
        let functions = page["Functions"].as_array().expect("functions").clone();
        assert!((1..=2).contains(&functions.len()), "{page}");
        names.extend(functions.iter().map(|function| function["FunctionName"].as_str().expect("a name").to_owned()));
        let Some(marker) = page["NextMarker"].as_str() else { break };
        path = format!("/2015-03-31/functions?MaxItems=2&Marker={marker}");
    }
    assert_eq!(names, ["broken", "closed", "echo", "panic", "picture", "slow", "trap"]);
    let all = get(&sim, "/2015-03-31/functions/?FunctionVersion=ALL").await.json();
    assert_eq!(all["Functions"].as_array().map(Vec::len), Some(7 + 3), "three versions of one are published");
    assert_eq!(error(&get(&sim, "/2015-03-31/functions?Marker=x").await).1, "InvalidParameterValueException");
}

#[tokio::test]
async fn a_function_is_described() {
    let sim = lambda().await;
    let function = get(&sim, "/2015-03-31/functions/picture?Qualifier=prod").await.json();
    let configuration = &function["Configuration"];
    assert_eq!(configuration["FunctionArn"], format!("{ARN}:picture:prod"));
    assert_eq!((&configuration["MemorySize"], &configuration["Timeout"]), (&json!(2048), &json!(3)));
    assert_eq!((&configuration["Architectures"], &configuration["Version"]), (&json!(["arm64"]), &json!("2")));
    assert_eq!((&configuration["State"], &configuration["Runtime"]), (&json!("Active"), &json!("python3.13")));
    assert_eq!(function["Tags"], json!({ "merit:function": "thumbnail" }));
    assert_eq!(function["Concurrency"], json!({ "ReservedConcurrentExecutions": 10 }));
    let alone = get(&sim, "/2015-03-31/functions/picture/configuration?Qualifier=prod").await.json();
    assert_eq!(alone, *configuration);

    let arn = format!("{ARN}:picture").replace(':', "%3A");
    let tags = get(&sim, &format!("/2017-03-31/tags/{arn}")).await.json();
    assert_eq!(tags, json!({ "Tags": { "merit:function": "thumbnail" } }));
    let aliases = get(&sim, "/2015-03-31/functions/picture/aliases").await.json();
    assert_eq!(aliases["Aliases"][1]["AliasArn"], format!("{ARN}:picture:prod"));
    let versions = get(&sim, "/2015-03-31/functions/picture/versions").await.json();
    assert_eq!(versions["Versions"].as_array().map(Vec::len), Some(4));
    let reserved = get(&sim, "/2019-09-30/functions/picture/concurrency").await.json();
    assert_eq!(reserved, json!({ "ReservedConcurrentExecutions": 10 }));
    assert_eq!(get(&sim, "/2019-09-30/functions/echo/concurrency").await.json(), json!({}));
    let kept = get(&sim, "/2019-09-30/functions/picture/provisioned-concurrency?Qualifier=prod").await.json();
    assert_eq!((&kept["AvailableProvisionedConcurrentExecutions"], &kept["Status"]), (&json!(2), &json!("READY")));
    let none = get(&sim, "/2019-09-30/functions/picture/provisioned-concurrency?Qualifier=3").await;
    assert_eq!(error(&none).1, "ProvisionedConcurrencyConfigNotFoundException");
    let all = get(&sim, "/2019-09-30/functions/picture/provisioned-concurrency?List=ALL").await.json();
    let all = &all["ProvisionedConcurrencyConfigs"];
    assert_eq!(
        (all.as_array().map(Vec::len), &all[0]["FunctionArn"]),
        (Some(1), &json!(format!("{ARN}:picture:prod")))
    );
    assert_eq!(all[0]["RequestedProvisionedConcurrentExecutions"], 2);
    let settings = get(&sim, "/2016-08-19/account-settings/").await.json();
    assert_eq!(settings["AccountLimit"]["UnreservedConcurrentExecutions"], 990);
    assert_eq!(error(&get(&sim, "/2015-03-31/functions/nowhere").await).0, 404);
}
