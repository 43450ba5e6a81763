//! Where a call must not go.

use merit_venue::{ErrorKind, Outcome, Target, Venue};

use crate::server::{TestServer, call, echo, invoke, venue_at};

#[tokio::test]
async fn metadata_and_link_local_addresses_are_not_called() {
    for url in [
        "http://169.254.169.254",
        "http://[::ffff:169.254.169.254]/latest",
        "http://[fd00:ec2::254]",
        "http://100.100.100.200",
        "http://168.63.129.16",
        "http://0.0.0.0:80",
        // The resolver reads these forms as addresses too.
        "http://2852039166",
        "http://0xa9fea9fe",
        "http://0251.0376.0251.0376",
    ] {
        let error = invoke(&venue_at(url, |_| {}), "x").await.expect_err(url);
        assert_eq!((error.kind, error.outcome), (ErrorKind::AddressForbidden, Outcome::NotStarted), "{url}: {error}");
    }
}

#[tokio::test]
async fn a_target_cannot_lead_to_one_either() {
    let venue = venue_at("http://127.0.0.1:9", |config| config.target_hosts = vec!["169.254.169.254".to_owned()]);
    let mut metadata = call("x");
    let url = "http://169.254.169.254/latest/meta-data/iam/security-credentials/";
    metadata.target = std::sync::Arc::new(Target::try_new(url).expect("a URL"));
    let error = venue.invoke(metadata).await.expect_err("metadata");
    assert_eq!(error.kind, ErrorKind::AddressForbidden, "{error}");
    assert!(error.message.contains("allow_addresses"), "it says what to do: {error}");
}

#[tokio::test]
async fn private_addresses_are_the_configurations_choice() {
    let server = TestServer::start(echo).await;
    assert!(invoke(&server.venue(|_| {}), "x").await.is_ok());
    let error = invoke(&server.venue(|config| config.private_addresses = false), "x").await.expect_err("private");
    assert_eq!((error.kind, server.connections()), (ErrorKind::AddressForbidden, 1));
    let lifted = server.venue(|config| {
        config.private_addresses = false;
        config.allow_addresses = vec!["127.0.0.0/8".parse().expect("a network")];
    });
    assert!(invoke(&lifted, "x").await.is_ok());
}

#[tokio::test]
async fn the_name_is_judged_by_what_it_resolves_to() {
    let server = TestServer::start(echo).await;
    let url = format!("http://localhost:{}", server.address.port());
    assert!(invoke(&venue_at(&url, |_| {}), "x").await.is_ok());
    let error = invoke(&venue_at(&url, |config| config.private_addresses = false), "x").await.expect_err("private");
    assert_eq!(error.kind, ErrorKind::AddressForbidden, "{error}");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_did_not_start() {
    // `.invalid` is reserved for names that never exist (RFC 6761, section 6.4).
    let error = invoke(&venue_at("http://gateway.invalid", |_| {}), "x").await.expect_err("no such name");
    assert_eq!((error.kind, error.outcome), (ErrorKind::Dns, Outcome::NotStarted), "{error}");
    assert!(error.message.contains("gateway.invalid"), "{error}");
}
