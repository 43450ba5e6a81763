//! How tokens are asked for, beside azure-identity for Python: for random secrets, federated tokens, clients and scopes, by
//! a secret, by a federated token, and of a machine's identity service. `make setup` installs it in `tests/peers`.

#[path = "../../../tests/peers/judge.rs"]
mod judge;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use merit_venue::conformance::server::{Answer, TestServer, echo, reply};
use merit_venue::{Call, Target, Venue};
use merit_venue_azure_functions::{AzureConfig, AzureVenue, Entra, EntraFrom};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use judge::judged;

/// Cases, of three requests each.
const CASES: usize = 24;
const SEED: u64 = 20_261_122;

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Asked {
    url: String,
    fields: BTreeMap<String, String>,
    /// Whether the header that identity services want was sent.
    metadata: bool,
}

/// What Microsoft's library for Python asks: three requests a case.
fn theirs(cases: &[Value]) -> Vec<Asked> {
    let lines = judged("azure/forms.py", &[], cases).unwrap_or_else(|error| panic!("{error}"));
    lines.iter().map(|line| serde_json::from_str(line).expect("a request")).collect()
}

/// What the adapter asks of a service at this address.
async fn ours(from: EntraFrom, scope: &str, authority: &str) -> Asked {
    let server = TestServer::start(echo).await;
    let service = TestServer::start(|_| {
        let body = r#"{"token_type":"Bearer","expires_in":3599,"expires_on":"4102444800","resource":"r","access_token":"eyJ.x.y"}"#;
        Answer::Send(reply(200, &[("content-type", "application/json")], body))
    })
    .await;
    let config = AzureConfig {
        endpoint_url: Some(server.url()),
        entra: Some(Entra { scope: Some(scope.to_owned()), from, authority_url: Some(service.url()) }),
        ..AzureConfig::new("eastus")
    };
    let venue = AzureVenue::try_new(config).expect("a good configuration");
    let call = Call {
        invocation: "0199f0a2-7c1e-7fff-bfff-ffffffffffff".parse().expect("an id"),
        attempt: 1,
        function: "peer".parse().expect("a name"),
        target: Arc::new(Target::try_new("peer").expect("a target")),
        payload: "x".into(),
        content_type: None,
        traceparent: None,
        tracestate: None,
        deadline: Instant::now() + Duration::from_secs(30),
        lambda: None,
        http: None,
    };
    venue.invoke(call).await.expect("an echo");
    let asked = service.received(0);
    let target = asked.request_line().split(' ').nth(1).expect("a path");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let form = if asked.body.is_empty() { query.as_bytes() } else { &asked.body };
    let fields = form_urlencoded::parse(form).into_owned().collect();
    Asked { url: format!("{authority}{path}"), fields, metadata: asked.header("metadata") == Some("true") }
}

/// Letters of several scripts, and what has a meaning in forms.
fn text(rng: &mut fastrand::Rng, most: usize) -> String {
    let letters: Vec<char> = "abcXYZ019-._~:/?#[]@!$&'()*+,;=% \"\\{}äß字😀".chars().collect();
    (0..rng.usize(1..=most)).map(|_| *rng.choice(&letters).expect("letters")).collect()
}

fn guid(rng: &mut fastrand::Rng) -> String {
    let [a, b, c, d] = [rng.u32(..), rng.u32(..), rng.u32(..), rng.u32(..)];
    format!("{a:08x}-{:04x}-{:04x}-{:04x}-{:04x}{d:08x}", b >> 16, b & 0xffff, c >> 16, c & 0xffff)
}

#[tokio::test]
async fn tokens_are_asked_for_as_microsofts_own_library_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut rng = fastrand::Rng::with_seed(SEED);
    let mut cases = Vec::new();
    for number in 0..CASES {
        let file = folder.path().join(format!("token{number}"));
        let part: String = (0..rng.usize(1..200)).map(|_| rng.alphanumeric()).collect();
        std::fs::write(&file, format!("eyJ.{part}-_.sig")).expect("written");
        let scope = match rng.bool() {
            true => format!("api://{}/.default", guid(&mut rng)),
            false => format!("https://{}.azurewebsites.net/.default", rng.lowercase()),
        };
        cases.push(json!({ "tenant": guid(&mut rng), "client": guid(&mut rng), "secret": text(&mut rng, 60),
            "scope": scope, "file": file }));
    }
    let theirs = theirs(&cases);
    assert_eq!(theirs.len(), CASES * 3);
    for (case, theirs) in cases.iter().zip(theirs.chunks(3)) {
        let field = |name: &str| case[name].as_str().expect("text").to_owned();
        let (tenant, client) = (field("tenant"), field("client"));
        let by_secret = EntraFrom::ClientSecret {
            tenant: tenant.clone(),
            client_id: client.clone(),
            client_secret: field("secret"),
        };
        let by_file = EntraFrom::Workload {
            tenant: Some(tenant),
            client_id: Some(client.clone()),
            token_file: Some(field("file").into()),
        };
        let [secret, workload, machine] = theirs else { panic!("three requests: {theirs:?}") };
        let login = "https://login.microsoftonline.com";
        assert_eq!(ours(by_secret, &field("scope"), login).await, *secret, "seed {SEED}: {case}");
        assert_eq!(ours(by_file, &field("scope"), login).await, *workload, "seed {SEED}: {case}");
        let by_machine = EntraFrom::Managed { client_id: Some(client) };
        let mut own = ours(by_machine, &field("scope"), "http://169.254.169.254").await;
        // Microsoft's libraries for Rust and for Python ask for two versions of the service.
        let version = own.fields.insert("api-version".to_owned(), machine.fields["api-version"].clone());
        assert_eq!(version.as_deref(), Some("2019-08-01"));
        assert_eq!(own, *machine, "seed {SEED}: {case}");
    }
}
