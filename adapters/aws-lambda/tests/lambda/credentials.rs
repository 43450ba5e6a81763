//! Credentials: missing, refused, and back again; no call is slow because of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use merit_venue::{ErrorKind, Outcome, Venue};
use merit_venue_aws_lambda::{AssumeRole, CredentialsFrom};
use tokio::time::Instant;

use crate::server::{Answer, TestServer, invoke, ok, refused, reply, until_ready, venue_at};

#[tokio::test]
async fn without_credentials_a_call_is_refused_at_once_and_sent_nowhere() {
    let server = TestServer::start(|request| Answer::Send(ok(&[], &request.body))).await;
    let venue = venue_at(&server.url(), |config| {
        config.credentials = CredentialsFrom::Default { profile: Some("no-such-profile".to_owned()) };
        config.credentials_retry = Duration::from_secs(60);
    })
    .await;
    let error = invoke(&venue, "{}").await.expect_err("no credentials");
    assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::BadCredentials), "{error}");
    let begun = Instant::now();
    for _ in 0..100 {
        invoke(&venue, "{}").await.expect_err("no credentials");
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "refused without asking again: {:?}", begun.elapsed());
    let why = venue.unready().expect("it says why");
    assert!(why.contains("no credentials"), "{why}");
    assert_eq!(server.calls(), 0);
}

#[tokio::test]
async fn a_refused_key_makes_the_venue_unready_until_it_is_tried_again() {
    let good = Arc::new(AtomicBool::new(false));
    let taken = Arc::clone(&good);
    let server = TestServer::start(move |request| {
        Answer::Send(if taken.load(Ordering::SeqCst) {
            ok(&[], &request.body)
        } else {
            refused(403, "ExpiredTokenException", &[], r#"{"message":"The security token is expired"}"#)
        })
    })
    .await;
    let venue = venue_at(&server.url(), |config| config.credentials_retry = Duration::from_millis(300)).await;
    let error = invoke(&venue, "{}").await.expect_err("expired");
    assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::BadCredentials), "{error}");
    assert!(venue.unready().is_some_and(|why| why.contains("ExpiredTokenException")));
    invoke(&venue, "{}").await.expect_err("refused at once");
    assert_eq!(server.calls(), 1, "the second was not sent");
    good.store(true, Ordering::SeqCst);
    until_ready(&*venue, true).await;
    invoke(&venue, "{}").await.expect("good again");
}

#[tokio::test]
async fn a_missing_permission_is_not_held_against_the_key() {
    let body = r#"{"Message":"User is not authorized to perform: lambda:InvokeFunction"}"#;
    let server = TestServer::start(move |_| Answer::Send(refused(403, "AccessDeniedException", &[], body))).await;
    let venue = venue_at(&server.url(), |_| {}).await;
    let error = invoke(&venue, "{}").await.expect_err("not allowed");
    assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::BadCredentials), "{error}");
    assert_eq!(venue.unready(), None);
}

/// STS's answer with temporary credentials.
fn assumed() -> Vec<u8> {
    let credentials = "<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey>\
                       <SessionToken>role-token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>";
    let xml = format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
         <AssumedRoleUser><AssumedRoleId>x:merit</AssumedRoleId>\
         <Arn>arn:aws:sts::123456789012:assumed-role/merit/merit</Arn></AssumedRoleUser>\
         <Credentials>{credentials}</Credentials></AssumeRoleResult></AssumeRoleResponse>"
    );
    reply(200, &[("content-type", "text/xml")], xml)
}

#[tokio::test]
async fn a_role_is_assumed_once_and_its_token_sent() {
    let sts = TestServer::start(|_| Answer::Send(assumed())).await;
    let server = TestServer::start(|request| Answer::Send(ok(&[], &request.body))).await;
    let venue = venue_at(&server.url(), |config| {
        config.assume_role = Some(AssumeRole {
            role_arn: "arn:aws:iam::123456789012:role/merit".to_owned(),
            external_id: Some("merit-7f3a".to_owned()),
            sts_endpoint_url: Some(sts.url()),
        });
    })
    .await;
    for _ in 0..3 {
        invoke(&venue, "{}").await.expect("an echo");
    }
    assert_eq!((sts.calls(), server.calls()), (1, 3));
    let asked = String::from_utf8(sts.received(0).body).expect("a form");
    assert!(asked.contains("Action=AssumeRole") && asked.contains("ExternalId=merit-7f3a"), "{asked}");
    assert_eq!(server.received(2).header("x-amz-security-token"), Some("role-token"));
}

#[tokio::test]
async fn a_role_that_may_not_be_assumed_is_told() {
    let denied =
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not allowed</Message></Error></ErrorResponse>";
    let sts = TestServer::start(move |_| Answer::Send(reply(403, &[("content-type", "text/xml")], denied))).await;
    let venue = venue_at("http://127.0.0.1:1", |config| {
        config.assume_role = Some(AssumeRole {
            role_arn: "arn:aws:iam::123456789012:role/merit".to_owned(),
            external_id: None,
            sts_endpoint_url: Some(sts.url()),
        });
    })
    .await;
    until_ready(&*venue, false).await;
    let why = venue.unready().expect("it says why");
    assert!(why.contains("AccessDenied") || why.contains("not allowed"), "{why}");
}
