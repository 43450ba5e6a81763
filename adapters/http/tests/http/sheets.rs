//! Configuration mistakes, and the price sheet a venue publishes.

use std::time::Duration;

use merit_pricing::Catalogue;
use merit_venue::{ErrorKind, Outcome, Venue};
use merit_venue_http::{HttpConfig, HttpVenue};

use crate::server::{Answer, TestServer, echo, reply};

#[tokio::test]
async fn a_venue_without_a_published_sheet_has_none_and_lists_nothing() {
    let server = TestServer::start(echo).await;
    let venue = server.venue(|_| {});
    assert!(venue.price_sheet().await.expect("none").is_none());
    assert_eq!(venue.discover().await.expect("no failure"), None);
    assert_eq!((venue.kind(), server.connections()), ("http", 0));
}

#[tokio::test]
async fn a_published_sheet_is_read_whole() {
    let sheet = Catalogue::builtin().get("google-run/tier1").expect("a sheet of the catalogue").to_toml();
    let text = sheet.clone();
    let server = TestServer::start(move |_| Answer::Send(reply(200, &[], &text))).await;
    let venue = server.venue(|config| {
        config.base_url.push_str("/base");
        config.price_sheet_path = Some("prices".to_owned());
        config.headers.push(("authorization".to_owned(), "Bearer k1".to_owned()));
    });
    let read = venue.price_sheet().await.expect("it is well-formed").expect("it is published");
    assert_eq!(read.to_toml(), sheet);
    let sent = server.received(0);
    assert_eq!(sent.request_line(), "GET /base/prices HTTP/1.1");
    assert_eq!((sent.header("authorization"), sent.body.len()), (Some("Bearer k1"), 0));
}

#[tokio::test]
async fn a_sheet_that_cannot_be_read_is_refused() {
    for (answer, kind) in [
        (reply(200, &[], "this is = not [a sheet"), ErrorKind::MalformedReply),
        (reply(200, &[], [0xff, 0xfe]), ErrorKind::MalformedReply),
        (reply(200, &[], vec![b'#'; 300_000]), ErrorKind::MalformedReply),
        (reply(404, &[], "none"), ErrorKind::NotFound),
        (reply(302, &[("location", "/")], ""), ErrorKind::Misconfigured),
        (reply(500, &[], "boom"), ErrorKind::MalformedReply),
    ] {
        let server = TestServer::start(move |_| Answer::Send(answer.clone())).await;
        let venue = server.venue(|config| config.price_sheet_path = Some("/merit/price-sheet.toml".to_owned()));
        let error = venue.price_sheet().await.expect_err("no sheet");
        assert_eq!((error.kind, error.outcome), (kind, Outcome::NotStarted), "{error}");
        assert_eq!(server.received(0).request_line(), "GET /merit/price-sheet.toml HTTP/1.1");
    }
}

#[test]
fn every_mistake_is_reported_at_once_and_no_secret_is() {
    let mut config = HttpConfig::new("https://user:hunter2@gw.example.com");
    config.headers = vec![
        ("authorization".to_owned(), "Bearer hunter2\n".to_owned()),
        ("Host".to_owned(), "x".to_owned()),
        ("a b".to_owned(), "x".to_owned()),
    ];
    config.connect_timeout = Duration::ZERO;
    config.max_connections = 0;
    let errors = HttpVenue::try_new(config).expect_err("mistakes");
    let fields: Vec<&str> = errors.iter().map(|error| error.field).collect();
    assert_eq!(fields, ["base_url", "headers", "headers", "headers", "connect_timeout", "max_connections"]);
    assert!(!errors.to_string().contains("hunter2"), "{errors}");
}

#[test]
fn debug_output_holds_no_secret() {
    let mut config = HttpConfig::new("https://gw.example.com");
    config.headers.push(("authorization".to_owned(), "Bearer hunter2".to_owned()));
    let shown = format!("{config:?}");
    assert!(shown.contains("authorization") && !shown.contains("hunter2"), "{shown}");
    let venue = format!("{:?}", HttpVenue::try_new(config).expect("a good configuration"));
    assert!(!venue.contains("hunter2"), "{venue}");
}
