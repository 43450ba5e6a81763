//! Identities: wrong, refused, from a file, and back again; no call is slow because of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use merit_venue::{ErrorKind, Outcome, Venue};
use merit_venue_google_run::CredentialsFrom;
use serde_json::json;
use tokio::time::Instant;

use crate::server::{
    Answer, TestServer, echo, invoke, metadata, reply, token, token_until, until_ready, venue_at, venue_with,
};

#[tokio::test]
async fn without_a_token_a_call_is_refused_at_once_and_sent_nowhere() {
    let server = TestServer::start(echo).await;
    for (answer, why) in [
        (reply(404, &[], "no such account"), "no ID token"),
        (reply(200, &[("content-type", "text/html")], "<html>sign in</html>"), "no ID token"),
        (reply(200, &[], "e30.e30.c2ln"), "can't be read"),
    ] {
        let metadata = TestServer::start(move |_| Answer::Send(answer.clone())).await;
        let venue =
            venue_with(&server.url(), &metadata.url(), |config| config.credentials_retry = Duration::from_secs(60));
        let error = invoke(&venue, "{}").await.expect_err("no token");
        assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::BadCredentials), "{error}");
        assert!(error.message.contains(why), "{error}");
        let begun = Instant::now();
        for _ in 0..100 {
            invoke(&venue, "{}").await.expect_err("no token");
        }
        assert!(begun.elapsed() < Duration::from_secs(1), "refused without asking again: {:?}", begun.elapsed());
        assert!(venue.unready().is_some());
    }
    assert_eq!(server.calls(), 0);
}

#[tokio::test]
async fn a_token_that_ended_already_points_at_the_clock() {
    let server = TestServer::start(echo).await;
    let now = i64::try_from(UNIX_EPOCH.elapsed().expect("after 1970").as_secs()).expect("a time");
    let metadata = metadata(token_until(now - 60, "old")).await;
    let venue = venue_with(&server.url(), &metadata, |_| {});
    let error = invoke(&venue, "{}").await.expect_err("it is over");
    assert!(error.message.contains("set this machine's clock"), "{error}");
}

#[tokio::test]
async fn a_refused_token_makes_the_venue_unready_until_it_is_tried_again() {
    let good = Arc::new(AtomicBool::new(false));
    let taken = Arc::clone(&good);
    let server =
        TestServer::start(
            move |request| {
                if taken.load(Ordering::SeqCst) { echo(request) } else { Answer::Send(reply(401, &[], "")) }
            },
        )
        .await;
    let venue = venue_at(&server.url(), |config| config.credentials_retry = Duration::from_millis(300)).await;
    let error = invoke(&venue, "{}").await.expect_err("refused");
    assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::BadCredentials), "{error}");
    assert!(venue.unready().is_some_and(|why| why.contains("`audience`")));
    invoke(&venue, "{}").await.expect_err("refused at once");
    assert_eq!(server.calls(), 1, "the second was not sent");
    good.store(true, Ordering::SeqCst);
    until_ready(&*venue, true).await;
    invoke(&venue, "{}").await.expect("good again");
}

/// A key of a service account whose tokens are exchanged at `token_uri`.
fn key_file(folder: &std::path::Path, token_uri: &str) -> CredentialsFrom {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).expect("a key");
    let key = json!({
        "type": "service_account",
        "client_email": "merit@p.iam.gserviceaccount.com",
        "private_key_id": "kid1",
        "private_key": pair.serialize_pem(),
        "token_uri": token_uri,
    });
    let path = folder.join("key.json");
    std::fs::write(&path, key.to_string()).expect("written");
    CredentialsFrom::File(path)
}

#[tokio::test]
async fn a_service_accounts_key_is_exchanged_where_it_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = TestServer::start(echo).await;
    let tokens =
        TestServer::start(|_| Answer::Send(reply(200, &[], json!({"id_token": token("of-key")}).to_string()))).await;
    let credentials = key_file(folder.path(), &format!("{}/token", tokens.url()));
    let venue = venue_with(&server.url(), "", |config| config.credentials = credentials);
    for _ in 0..3 {
        invoke(&venue, "{}").await.expect("an echo");
    }
    assert_eq!(tokens.calls(), 1);
    let asked = tokens.received(0);
    assert_eq!(asked.header("content-type"), Some("application/x-www-form-urlencoded"));
    let form = String::from_utf8(asked.body).expect("a form");
    assert!(
        form.starts_with("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=eyJ"),
        "{form}"
    );
    assert_eq!(server.received(2).header("authorization"), Some(format!("Bearer {}", token("of-key")).as_str()));
}

#[tokio::test]
async fn a_revoked_key_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let body = r#"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#;
    let tokens = TestServer::start(move |_| Answer::Send(reply(400, &[], body))).await;
    let credentials = key_file(folder.path(), &tokens.url());
    let venue = venue_with("http://127.0.0.1:1", "", |config| config.credentials = credentials);
    let error = invoke(&venue, "{}").await.expect_err("revoked");
    assert!(error.message.contains("Invalid JWT Signature.") && error.message.contains("revoked"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_none_or_of_another_kind_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key.json");
    for (text, why) in [
        (None, "can't read"),
        (Some("not json: hunter2"), "is no file of credentials"),
        (Some(r#"{"type":"authorized_user"}"#), "give no ID tokens"),
        (Some(r#"{"type":"external_account"}"#), "service_account_impersonation_url"),
        (Some("{}"), "type `none`"),
    ] {
        if let Some(text) = text {
            std::fs::write(&path, text).expect("written");
        }
        let credentials = CredentialsFrom::File(path.clone());
        let venue = venue_with("http://127.0.0.1:1", "", |config| config.credentials = credentials);
        let error = invoke(&venue, "{}").await.expect_err("no credentials");
        assert!(error.message.contains(why) && !error.message.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn a_federated_workload_impersonates_the_account_it_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = TestServer::start(echo).await;
    let google = TestServer::start(|request| {
        let body = match request.request_line().split(' ').nth(1).unwrap_or_default() {
            "/v1/token" => {
                let kind = "urn:ietf:params:oauth:token-type:access_token";
                json!({"access_token": "federated", "issued_token_type": kind, "token_type": "Bearer", "expires_in": 3600})
            }
            path if path.ends_with(":generateIdToken") => json!({"token": token("impersonated")}),
            _ => return Answer::Send(reply(404, &[], "")),
        };
        Answer::Send(reply(200, &[("content-type", "application/json")], body.to_string()))
    })
    .await;
    let subject = folder.path().join("subject");
    std::fs::write(&subject, "eyJ.subj.tok").expect("written");
    let account = "merit@p.iam.gserviceaccount.com";
    let file = json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("{}/v1/token", google.url()),
        "service_account_impersonation_url":
            format!("{}/v1/projects/-/serviceAccounts/{account}:generateAccessToken", google.url()),
        "credential_source": {"file": subject},
    });
    let path = folder.path().join("wif.json");
    std::fs::write(&path, file.to_string()).expect("written");
    let venue = venue_with(&server.url(), "", |config| config.credentials = CredentialsFrom::File(path));
    invoke(&venue, "{}").await.expect("an echo");
    assert_eq!(server.received(0).header("authorization"), Some(format!("Bearer {}", token("impersonated")).as_str()));
    let exchange = String::from_utf8(google.received(0).body).expect("a form");
    for part in ["subject_token=eyJ.subj.tok", "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange"] {
        assert!(exchange.contains(part), "{exchange}");
    }
    let asked = google.received(1);
    assert_eq!(asked.header("authorization"), Some("Bearer federated"));
    assert!(String::from_utf8_lossy(&asked.body).contains(&format!("{}/resize", server.url())));
}
