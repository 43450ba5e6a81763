//! Keys and identities: wrong, refused, from a file, and back again; no call is slow because of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use merit_venue::{ErrorKind, Outcome, Venue};
use merit_venue_azure_functions::{Entra, EntraFrom};
use serde_json::json;
use tokio::time::Instant;

use crate::server::{
    Answer, CLIENT, SCOPE, TENANT, TestServer, echo, entra, invoke, issued, reply, until_ready, venue_at,
};

#[tokio::test]
async fn a_refused_key_makes_the_venue_unready_until_it_is_tried_again() {
    let good = Arc::new(AtomicBool::new(false));
    let taken = Arc::clone(&good);
    let server =
        TestServer::start(
            move |request| {
                if taken.load(Ordering::SeqCst) { echo(request) } else { Answer::Send(reply(401, &[], "")) }
            },
        )
        .await;
    let venue = venue_at(&server.url(), |config| config.credentials_retry = Duration::from_millis(300));
    let error = invoke(&venue, "{}").await.expect_err("refused");
    assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::BadCredentials), "{error}");
    assert!(venue.unready().is_some_and(|why| why.contains("`function_key`")));
    invoke(&venue, "{}").await.expect_err("refused at once");
    assert_eq!(server.calls(), 1, "the second was not sent");
    good.store(true, Ordering::SeqCst);
    until_ready(&*venue, true).await;
    invoke(&venue, "{}").await.expect("good again");
}

/// Entra's refusal.
fn refused(code: u32, error: &str, message: &str) -> Vec<u8> {
    let body = json!({
        "error": error, "error_description": format!("AADSTS{code}: {message}"), "error_codes": [code],
        "timestamp": "2026-11-21 10:00:00Z", "trace_id": "t", "correlation_id": "c",
    });
    reply(401, &[("content-type", "application/json")], body.to_string())
}

#[tokio::test]
async fn without_a_token_a_call_is_refused_at_once_with_what_to_do() {
    let server = TestServer::start(echo).await;
    for (answer, why) in [
        (refused(7_000_215, "invalid_client", "Invalid client secret provided."), "secret is wrong or has expired"),
        (refused(90_002, "invalid_request", "Tenant 'x' not found."), "check the tenant"),
        (reply(200, &[("content-type", "text/html")], "<html>sign in</html>"), "no Entra token"),
    ] {
        let authority = TestServer::start(move |_| Answer::Send(answer.clone())).await;
        let venue = venue_at(&server.url(), |config| {
            config.entra = Some(entra(&authority.url(), "hunter2"));
            config.credentials_retry = Duration::from_secs(60);
        });
        let error = invoke(&venue, "{}").await.expect_err("no token");
        assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::BadCredentials), "{error}");
        assert!(error.message.contains(why) && !error.message.contains("hunter2"), "{error}");
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
async fn a_workload_proves_itself_with_a_federated_token() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "eyJ.fed.tok").expect("written");
    let server = TestServer::start(echo).await;
    let authority = TestServer::start(|_| Answer::Send(issued("eyJ.entra.tok"))).await;
    let from = EntraFrom::Workload {
        tenant: Some(TENANT.to_owned()),
        client_id: Some(CLIENT.to_owned()),
        token_file: Some(file),
    };
    let entra = Entra { scope: Some(SCOPE.to_owned()), from, authority_url: Some(authority.url()) };
    let venue = venue_at(&server.url(), |config| config.entra = Some(entra));
    invoke(&venue, "{}").await.expect("an echo");
    let form = String::from_utf8(authority.received(0).body).expect("a form");
    let mut parts: Vec<&str> = form.split('&').collect();
    parts.sort_unstable();
    // What azure-identity 1.27.0 for Python sends.
    let expected = [
        "client_assertion=eyJ.fed.tok",
        "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer",
        "client_id=22222222-2222-2222-2222-222222222222",
        "grant_type=client_credentials",
        "scope=api%3A%2F%2F33333333-3333-3333-3333-333333333333%2F.default",
    ];
    assert_eq!(parts, expected);
}

#[tokio::test]
async fn a_machine_asks_its_own_identity_service() {
    let server = TestServer::start(echo).await;
    let service = TestServer::start(|_| {
        let body = r#"{"access_token":"eyJ.msi.tok","expires_on":"4102444800","resource":"r","token_type":"Bearer"}"#;
        Answer::Send(reply(200, &[("content-type", "application/json")], body))
    })
    .await;
    let from = EntraFrom::Managed { client_id: Some(CLIENT.to_owned()) };
    let entra = Entra { scope: Some(SCOPE.to_owned()), from, authority_url: Some(service.url()) };
    let venue = venue_at(&server.url(), |config| config.entra = Some(entra));
    invoke(&venue, "{}").await.expect("an echo");
    assert_eq!(server.received(0).header("authorization"), Some("Bearer eyJ.msi.tok"));
    let asked = service.received(0);
    assert_eq!(asked.header("metadata"), Some("true"));
    let line = asked.request_line();
    let path = "GET /metadata/identity/oauth2/token?api-version=2019-08-01&resource=api%3A%2F%2F33333333";
    assert!(line.starts_with(path) && line.contains(&format!("client_id={CLIENT}")), "{line}");
}

#[tokio::test]
async fn a_missing_file_is_told() {
    let from = EntraFrom::Workload {
        tenant: Some(TENANT.to_owned()),
        client_id: Some(CLIENT.to_owned()),
        token_file: Some("no-such-token".into()),
    };
    let entra = Entra { scope: Some(SCOPE.to_owned()), from, authority_url: None };
    let venue = venue_at("http://127.0.0.1:1", |config| config.entra = Some(entra));
    let error = invoke(&venue, "{}").await.expect_err("no file");
    assert!(error.message.contains("no-such-token"), "{error}");
}
