//! AWS Lambda on both sides of the broker: a venue that refuses its key, functions found there, and keys for
//! clients of AWS that outlive a restart.

use std::path::Path;

use bytes::Bytes;
use http::{HeaderValue, Response};
use http_body_util::Full;
use merit_lambda_wire::sigv4::Signer;
use merit_units::Timestamp;
use merit_wire::{DiscoveryView, KeyCreated, KeySpec, VenueList};
use reqwest::Method;
use serde_json::Value;

use crate::support::{Client, Process, Reply, Setup, Upstream, Worth, merit_command, script, until};

const SHEET: &str = "aws-lambda/us-east-1/x86_64";

/// What Lambda answers to a key that was deleted.
fn refuses_the_key() -> crate::support::Script {
    script::of(|_| async {
        let body = r#"{"message":"The security token included in the request is invalid."}"#;
        let answer = Response::builder().status(403).header("x-amzn-errortype", "UnrecognizedClientException");
        Some(answer.body(Full::new(Bytes::from_static(body.as_bytes()))).expect("a response"))
    })
}

async fn why_ineligible(client: &Client, venue: &str) -> Option<String> {
    let list: VenueList = client.get("/v1/venues").await;
    list.venues.into_iter().find(|view| view.name == venue).expect("the venue is listed").ineligible
}

#[tokio::test]
async fn a_venue_that_refuses_its_key_is_left_alone_says_why_and_comes_back() {
    let (cloud, own) = (Upstream::start(refuses_the_key()).await, Upstream::start(script::replies("own")).await);
    let setup = Setup::new()
        .lambda("cloud", &cloud.url(), "us-east-1")
        .text("venues.cloud", "sheet", SHEET)
        .set("venues.cloud", "credentials_retry_ms", 3000)
        .flat("own", &own.url(), "0.01")
        .function("f", Worth::Once, &["cloud", "own"]);
    let (_broker, client) = setup.start_with_client().await;

    let first = client.invoke("f", "{}").await.expect(200);
    assert_eq!((first.venue(), first.header("merit-attempts")), ("own", "2"), "the refused call did not start");
    let why = until("the venue is ineligible", async || why_ineligible(&client, "cloud").await).await;
    assert!(why.contains("UnrecognizedClientException") || why.contains("security token"), "{why}");
    // The books hear of it within a second.
    let excluded = until("it is out of the quotes", async || {
        let quote = client.quote("f", &merit_wire::QuoteRequest::default()).await;
        quote.excluded.into_iter().find(|excluded| excluded.venue == "cloud")
    })
    .await;
    assert_eq!(excluded.reason, "venue-unready");

    // Not every call is slow: the others never try it.
    let tried = cloud.count();
    for _ in 0..5 {
        let next = client.invoke("f", "{}").await.expect(200);
        assert_eq!((next.venue(), next.header("merit-attempts")), ("own", "1"));
    }
    assert!(cloud.count() <= tried + 1, "at most the one call that finds out whether it was mended");

    cloud.play(script::replies("{}"));
    until("calls go there again", async || {
        let reply = client.invoke("f", "{}").await.expect(200);
        (reply.venue() == "cloud").then_some(())
    })
    .await;
    assert_eq!(why_ineligible(&client, "cloud").await, None);
}

/// Simulated clouds of which one is a Lambda with a tagged function.
async fn tagged_cloud(folder: &Setup) -> Process {
    folder.write(
        "sim.toml",
        r#"
[[cloud]]
name = "aws-us-east-1"
price_sheet = "aws-lambda/us-east-1/x86_64"
protocol = "lambda"
region = "us-east-1"
account = "123456789012"

[[cloud.key]]
access_key_id = "AKIAIOSFODNN7EXAMPLE"
secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

[[cloud.function]]
name = "shape-prod"
runs = "json-transform"
memory_mb = 512
timeout_ms = 9000
tags = { "merit:function" = "shape" }
"#,
    );
    let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/functions");
    let mut command = merit_command(&["sim", "--listen", "127.0.0.1:0", "--time-scale", "0", "--config"]);
    command.arg(folder.path("sim.toml")).arg("--functions").arg(functions);
    Process::start(command, &folder.path("clouds.log")).await
}

#[tokio::test]
async fn what_is_deployed_at_lambda_is_shown_first_and_put_when_asked() {
    let setup = Setup::new();
    let cloud = tagged_cloud(&setup).await;
    let endpoint = format!("http://{}/aws-us-east-1", cloud.address());
    let setup = setup.lambda("aws", &endpoint, "us-east-1").text("venues.aws", "sheet", SHEET);
    let (_broker, client) = setup.start_with_client().await;
    let discover = async |query: &str| -> DiscoveryView {
        let path = format!("/v1/venues/aws/discover{query}");
        Reply::of(client.request(Method::POST, &path)).await.json(200)
    };

    let shown = discover("").await;
    let change = &shown.changes[0];
    assert_eq!(
        (change.change.as_str(), change.function.as_str(), change.result.as_str()),
        ("added", "shape", "planned")
    );
    assert_eq!((shown.applied, shown.changes.len()), (false, 1));
    client.invoke("shape", "{}").await.expect(404);

    let done = discover("?apply=true").await;
    assert_eq!((done.applied, done.changes[0].result.as_str()), (true, "applied"));
    let input = include_str!("../../examples/functions/json-transform/input.json");
    let reply = client.invoke("shape", input).await.expect(200);
    assert_eq!(reply.venue(), "aws");
    let view = client.function("shape").await;
    assert!(view.deployments.values().any(|deployment| deployment.spec.memory_mb == 512), "{view:?}");
    assert!(discover("").await.changes.is_empty(), "nothing differs any more");
}

fn now() -> Timestamp {
    Timestamp::from_micros(u64::try_from(jiff::Timestamp::now().as_microsecond()).expect("after 1970"))
}

fn signer(key: &KeyCreated) -> Signer {
    Signer::new(&key.id, &key.secret, None, "us-east-1")
}

/// A call by the Lambda-compatible door with these headers, not signed yet.
fn order(broker: &Process, function: &str, headers: &[(&'static str, &'static str)]) -> http::Request<Bytes> {
    let url = format!("http://{}/2015-03-31/functions/{function}/invocations", broker.address());
    let mut request = http::Request::post(url).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Bytes::from_static(b"{}")).expect("a request")
}

/// Invokes by the Lambda-compatible door; the status and the answer.
async fn invoke_signed(broker: &Process, key: &KeyCreated, function: &str) -> (u16, String) {
    let mut request = order(broker, function, &[]);
    signer(key).sign(&mut request, now()).expect("a signature");
    sent(request).await
}

async fn sent(request: http::Request<Bytes>) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client can be made");
    let request = reqwest::Request::try_from(request).expect("a request");
    let answer = client.execute(request).await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("a body"))
}

/// A key that signs requests.
async fn signing_key(client: &Client) -> KeyCreated {
    let spec = KeySpec {
        account: "app".to_owned(),
        roles: vec!["invoke".to_owned()],
        note: String::new(),
        aws: true,
        venues: Vec::new(),
    };
    Reply::of(client.request(Method::POST, "/v1/keys").json(&spec)).await.json(201)
}

#[tokio::test]
async fn what_is_asked_for_is_signed_or_refused() {
    let upstream = Upstream::start(script::replies("\"done\"")).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]);
    let mut command = setup.command();
    command.env("MERIT_SECRETS_KEY", "5e".repeat(32));
    let broker = Process::start(command, &setup.path("log")).await;
    let client = Client::new(broker.address(), crate::support::KEY);
    let key = signing_key(&client).await;
    let terms = [("x-merit-max-price", "0.1"), ("X-Merit-Tags", "team=a")];

    let mut signed = order(&broker, "f", &terms);
    signer(&key).sign(&mut signed, now()).expect("a signature");
    assert_eq!(sent(signed.clone()).await, (200, "\"done\"".to_owned()));
    let ran = upstream.count();

    let added = |mut request: http::Request<Bytes>| {
        request.headers_mut().insert("x-merit-venues", HeaderValue::from_static("a"));
        request
    };
    let mut presigned = order(&broker, "f", &[]);
    signer(&key).presign(&mut presigned, now(), 600).expect("a signature");
    let mut unsigned = order(&broker, "f", &[("x-amz-content-sha256", "UNSIGNED-PAYLOAD")]);
    signer(&key).sign(&mut unsigned, now()).expect("a signature");
    for (request, why) in [
        (added(signed), "'x-merit-venues' must be a 'SignedHeader'"),
        (added(presigned.clone()), "'x-merit-venues' must be a 'SignedHeader'"),
        (unsigned, "'UNSIGNED-PAYLOAD' is not supported"),
    ] {
        let (status, body) = sent(request).await;
        assert!(status == 403 && body.contains(why), "{status} {body} has no {why}");
    }
    assert_eq!(upstream.count(), ran, "nothing that was refused has run");
    assert_eq!(sent(presigned).await.0, 200, "and as it was signed it runs");
}

#[tokio::test]
async fn keys_that_sign_outlive_a_restart_only_with_the_key_they_are_sealed_by() {
    let upstream = Upstream::start(script::replies("\"done\"")).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]);
    let start = async |sealing: &str| {
        let mut command = setup.command();
        command.env("MERIT_SECRETS_KEY", sealing.repeat(32));
        Process::start(command, &setup.path("log")).await
    };
    let mut broker = start("5e").await;
    let client = Client::new(broker.address(), crate::support::KEY);
    let key = signing_key(&client).await;
    assert_eq!(invoke_signed(&broker, &key, "f").await, (200, "\"done\"".to_owned()));
    assert!(broker.stop().await.success());

    let mut again = start("5e").await;
    assert_eq!(invoke_signed(&again, &key, "f").await, (200, "\"done\"".to_owned()));
    let wrong = KeyCreated { secret: "x".repeat(40), ..key.clone() };
    let (status, body) = invoke_signed(&again, &wrong, "f").await;
    let body: Value = serde_json::from_str(&body).expect("JSON, as an SDK expects");
    assert_eq!(status, 403, "{body}");
    assert!(again.stop().await.success());
    assert!(!again.log().contains(&key.secret), "no secret in the log");

    let other = start("0d").await;
    let (status, _) = invoke_signed(&other, &key, "f").await;
    assert_ne!(status, 200, "a secret that can't be opened opens nothing");
    assert_eq!(upstream.count(), 2);
}
