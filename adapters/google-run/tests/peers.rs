//! The adapter against what nobody here wrote: google-auth reads the assertions it sends, and functions-framework
//! is the service behind it. `make setup` installs both in `tests/peers`.

#[path = "../../../tests/peers/judge.rs"]
mod judge;
#[path = "peers/library.rs"]
mod library;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use merit_venue::conformance::server::{Answer, TestServer, echo, reply};
use merit_venue::{Call, MeterBasis, Reply, Target, Venue, VenueError};
use merit_venue_google_run::{CredentialsFrom, GoogleRunConfig, GoogleRunVenue};
use serde_json::json;
use tokio::time::{Instant, sleep};

use judge::judged;

/// How long a peer may take to start.
const START: Duration = Duration::from_secs(60);

/// Where the peers are installed.
fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/peers")
}

fn installed(name: &str) -> PathBuf {
    let program = peers().join(".venv/bin").join(name);
    assert!(program.exists(), "{} is not installed: run `make setup`", program.display());
    program
}

/// A token that ends in an hour.
fn token() -> String {
    let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let exp = UNIX_EPOCH.elapsed().expect("after 1970").as_secs() + 3600;
    format!("{}.{}.c2ln", part(r#"{"alg":"RS256"}"#), part(&format!(r#"{{"exp":{exp}}}"#)))
}

async fn invoke(venue: &GoogleRunVenue, target: &str, payload: &'static str) -> Result<Reply, VenueError> {
    let call = Call {
        invocation: "0199f0a2-7c1e-7fff-bfff-ffffffffffff".parse().expect("an id"),
        attempt: 1,
        function: "peer".parse().expect("a name"),
        target: Arc::new(Target::try_new(target).expect("a target")),
        payload: payload.into(),
        content_type: Some("text/x-peer".parse().expect("a value")),
        traceparent: None,
        tracestate: None,
        deadline: Instant::now() + Duration::from_secs(30),
        lambda: None,
        http: None,
    };
    venue.invoke(call).await
}

/// Ends with this value.
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

#[tokio::test]
async fn functions_framework_for_python_is_a_service() {
    let mut command = Command::new(installed("functions-framework"));
    command.args(["--host", "127.0.0.1", "--source"]).arg(peers().join("google/main.py"));
    served(command).await;
}

#[tokio::test]
async fn functions_framework_for_node_is_a_service() {
    let program = peers().join("node_modules/.bin/functions-framework-nodejs");
    assert!(program.exists(), "{} is not installed: run `make setup`", program.display());
    let mut command = Command::new(program);
    command.arg("--source").arg(peers().join("google"));
    served(command).await;
}

async fn served(mut command: Command) {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a free port").port();
    command.args(["--target", "hello", "--port", &port.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut peer = Peer(command.spawn().expect("it starts"));
    let begun = Instant::now();
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        assert!(begun.elapsed() < START, "functions-framework does not listen");
        assert_eq!(peer.0.try_wait().expect("it can be asked"), None, "functions-framework ended");
        sleep(Duration::from_millis(50)).await;
    }
    let metadata = TestServer::start(|_| Answer::Send(reply(200, &[], token()))).await;
    let config = GoogleRunConfig {
        endpoint_url: Some(format!("http://127.0.0.1:{port}")),
        credentials: CredentialsFrom::Metadata { endpoint_url: Some(metadata.url()) },
        ..GoogleRunConfig::new("us-central1")
    };
    let venue = GoogleRunVenue::try_new(config).expect("a good configuration");
    let reply = invoke(&venue, "any/path", "hello").await.expect("an echo");
    assert_eq!((reply.payload.as_ref(), reply.function_error.as_ref()), (&b"hello"[..], None));
    assert!(reply.content_type.expect("a media type").as_bytes().starts_with(b"text/x-peer"));
    assert_eq!(reply.meters, MeterBasis::OwnClock, "it tells no meters");
    let error = invoke(&venue, "any/path", "fail").await.expect("it ran").function_error.expect("an error");
    assert_eq!(error.kind, "crash", "{error:?}");
}

#[tokio::test]
async fn google_auth_takes_our_assertions() {
    let folder = tempfile::tempdir().expect("a folder");
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).expect("a key");
    let server = TestServer::start(echo).await;
    let tokens = TestServer::start(|_| Answer::Send(reply(200, &[], json!({"id_token": token()}).to_string()))).await;
    let key = json!({
        "type": "service_account", "client_email": "merit@p.iam.gserviceaccount.com", "private_key_id": "kid1",
        "private_key": pair.serialize_pem(), "token_uri": format!("{}/token", tokens.url()),
    });
    let file = folder.path().join("key.json");
    std::fs::write(&file, key.to_string()).expect("written");
    let mut random = fastrand::Rng::with_seed(7);
    for number in 0..8 {
        // What an audience may have: letters of URLs, and others that a form has to encode.
        let letters: Vec<char> = "abcXYZ019-._~:/?#[]@!$&'()*+,;=%äß字".chars().filter(char::is_ascii).collect();
        let audience: String = (0..random.usize(1..60)).map(|_| *random.choice(&letters).expect("letters")).collect();
        let config = GoogleRunConfig {
            endpoint_url: Some(server.url()),
            audience: Some(audience.clone()),
            credentials: CredentialsFrom::File(file.clone()),
            ..GoogleRunConfig::new("us-central1")
        };
        let venue = GoogleRunVenue::try_new(config).expect("a good configuration");
        invoke(&venue, "resize", "x").await.unwrap_or_else(|error| panic!("{audience}: {error}"));
        let now = UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
        let form = String::from_utf8(tokens.received(number).body).expect("text");
        let asked = json!({ "public": pair.public_key_pem(), "kid": "kid1", "lifetime": 3600, "audience": audience, "now": now, "form": form });
        let said =
            judged("google/verify.py", &[], &[asked]).unwrap_or_else(|error| panic!("seed 7, {audience}: {error}"));
        assert_eq!(said, ["verified merit@p.iam.gserviceaccount.com"], "seed 7, {audience}");
    }
}
