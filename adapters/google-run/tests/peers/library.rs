//! A service account's key by Google's own library, which exchanges at `oauth2.googleapis.com` whatever the key says.
//!
//! It takes no other address, but it goes through a proxy: `tests/peers/google/oauth2.py` is one, and behind it the token
//! service under a certificate that is trusted here, with google-auth as the judge of the assertion. Proxies and trust are
//! told in the environment, so the test runs itself again as a process with another one.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use merit_venue::conformance::server::{TestServer, echo};
use merit_venue::{ErrorKind, Outcome, Venue as _};
use merit_venue_google_run::{CredentialsFrom, GoogleRunConfig, GoogleRunVenue};
use serde_json::json;

use super::{Peer, installed, invoke, peers, token};

const NAME: &str = "library::googles_library_exchanges_a_service_accounts_key";
const AUDIENCE: &str = "https://resize-abc-uc.a.run.app/?a=b&c=%20";
/// Tells the second process the key's file; it is the first one without.
const KEY_FILE: &str = "MERIT_TEST_KEY_FILE";
/// The token it should send; it should get none without.
const TOKEN: &str = "MERIT_TEST_TOKEN";

/// A call with the key's file, in a process whose proxy is the token service or nobody.
async fn call(file: &str) {
    let server = TestServer::start(echo).await;
    let config = GoogleRunConfig {
        endpoint_url: Some(server.url()),
        audience: Some(AUDIENCE.to_owned()),
        credentials: CredentialsFrom::File(file.into()),
        ..GoogleRunConfig::new("us-central1")
    };
    let venue = GoogleRunVenue::try_new(config).expect("a good configuration");
    let called = invoke(&venue, "resize", "x").await;
    if let Ok(token) = std::env::var(TOKEN) {
        called.expect("an echo");
        assert_eq!(server.received(0).header("authorization"), Some(&*format!("Bearer {token}")));
    } else {
        let error = called.expect_err("no token");
        assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::BadCredentials), "{error}");
        assert!(venue.unready().is_some(), "{error}");
        assert_eq!(server.calls(), 0);
    }
}

/// Runs the test as a process of its own.
fn again(key: &Path, certificate: &Path, proxy: &str, token: Option<&str>) -> Output {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", NAME, "--nocapture"]).env(KEY_FILE, key).env("SSL_CERT_FILE", certificate);
    command.env("HTTPS_PROXY", proxy).env_remove("https_proxy").env_remove("NO_PROXY").env_remove("no_proxy");
    command.env_remove("ALL_PROXY").env_remove("all_proxy").env_remove("SSL_CERT_DIR");
    if let Some(token) = token {
        command.env(TOKEN, token);
    }
    command.output().expect("it ends")
}

fn succeeded(output: &Output) {
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn googles_library_exchanges_a_service_accounts_key() {
    if let Ok(file) = std::env::var(KEY_FILE) {
        return call(&file).await;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let write = |name: &str, text: String| std::fs::write(path(name), text).expect("written");
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).expect("a key");
    let signed = rcgen::generate_simple_self_signed(vec!["oauth2.googleapis.com".to_owned()]).expect("a certificate");
    write("certificate.pem", signed.cert.pem());
    write("tls.pem", signed.signing_key.serialize_pem());
    write("public.pem", pair.public_key_pem());
    let key = json!({
        "type": "service_account", "project_id": "p", "client_email": "merit@p.iam.gserviceaccount.com",
        "client_id": "1", "private_key_id": "kid1", "private_key": pair.serialize_pem(),
        "auth_uri": "https://accounts.google.com/o/oauth2/auth", "token_uri": "https://oauth2.googleapis.com/token",
        "universe_domain": "googleapis.com",
    });
    write("key.json", key.to_string());

    let token = token();
    let mut service = Command::new(installed("python"));
    service.arg(peers().join("google/oauth2.py")).args(["certificate.pem", "tls.pem", "public.pem"].map(path));
    service.args([AUDIENCE, &token]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut service = Peer(service.spawn().expect("it starts"));
    let mut lines = BufReader::new(service.0.stdout.take().expect("piped")).lines();
    let mut line = || lines.next().expect("a line").expect("text");
    let proxy = format!("http://127.0.0.1:{}", line());
    succeeded(&again(&path("key.json"), &path("certificate.pem"), &proxy, Some(&token)));
    assert_eq!(line(), "oauth2.googleapis.com:443 verified merit@p.iam.gserviceaccount.com");

    // Nobody listens there any more: the venue can't be called, and says so.
    succeeded(&again(&path("key.json"), &path("certificate.pem"), &proxy, None));
}
