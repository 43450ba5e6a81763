//! The forms in which tokens are asked for, beside those of azure-identity for Python. `make setup` installs it
//! in `tests/peers`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use merit_venue::conformance::server::{Answer, TestServer, echo, reply};
use merit_venue::{Call, Target, Venue};
use merit_venue_azure_functions::{AzureConfig, AzureVenue, Entra, EntraFrom};
use serde::Deserialize;
use tokio::time::Instant;

const TENANT: &str = "11111111-1111-1111-1111-111111111111";
const CLIENT: &str = "22222222-2222-2222-2222-222222222222";

#[derive(Deserialize)]
struct Asked {
    url: String,
    fields: BTreeMap<String, String>,
}

/// What Microsoft's library for Python asks, with a secret and with a federated token.
fn theirs(secret: &str, scope: &str, file: &Path) -> Vec<Asked> {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/peers");
    let python = peers.join(".venv/bin/python");
    assert!(python.exists(), "{} is not installed: run `make setup`", python.display());
    let mut command = Command::new(python);
    command.arg(peers.join("azure/forms.py")).args([TENANT, CLIENT, secret, scope]).arg(file);
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("text");
    lines.lines().map(|line| serde_json::from_str(line).expect("a form")).collect()
}

/// What the adapter asks.
async fn ours(from: EntraFrom, scope: &str) -> Asked {
    let server = TestServer::start(echo).await;
    let body = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"eyJ.x.y"}"#;
    let authority =
        TestServer::start(move |_| Answer::Send(reply(200, &[("content-type", "application/json")], body))).await;
    let config = AzureConfig {
        endpoint_url: Some(server.url()),
        entra: Some(Entra { scope: Some(scope.to_owned()), from, authority_url: Some(authority.url()) }),
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
    };
    venue.invoke(call).await.expect("an echo");
    let asked = authority.received(0);
    let path = asked.request_line().split(' ').nth(1).expect("a path").to_owned();
    let fields = form_urlencoded::parse(&asked.body).into_owned().collect();
    Asked { url: format!("https://login.microsoftonline.com{path}"), fields }
}

#[tokio::test]
async fn tokens_are_asked_for_as_microsofts_own_library_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let file: PathBuf = folder.path().join("token");
    std::fs::write(&file, "eyJ.fed.tok").expect("written");
    for (secret, scope) in [
        ("s3cret~value+/=", "api://33333333-3333-3333-3333-333333333333/.default"),
        ("a b&c=d%20é", "https://management.azure.com/.default"),
    ] {
        let theirs = theirs(secret, scope, &file);
        let by_secret = EntraFrom::ClientSecret {
            tenant: TENANT.to_owned(),
            client_id: CLIENT.to_owned(),
            client_secret: secret.to_owned(),
        };
        let by_file = EntraFrom::Workload {
            tenant: Some(TENANT.to_owned()),
            client_id: Some(CLIENT.to_owned()),
            token_file: Some(file.clone()),
        };
        for (theirs, from) in theirs.into_iter().zip([by_secret, by_file]) {
            let ours = ours(from, scope).await;
            assert_eq!((ours.url, ours.fields), (theirs.url, theirs.fields), "{secret}");
        }
    }
}
