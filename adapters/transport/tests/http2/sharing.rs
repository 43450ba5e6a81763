//! Many calls on few connections: as many as the server takes, as the configuration takes, and no longer than useful.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::Version;
use merit_transport::Http2;
use merit_venue::lane;
use tokio::time::sleep;

use crate::client::soon;
use crate::server::{Listening, Server};

async fn until(what: &str, condition: impl Fn() -> bool) {
    let met = async {
        while !condition() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    soon(what, met).await;
}

#[tokio::test]
async fn a_burst_of_calls_shares_one_connection() {
    let server = Server::gated(|_| {}).await;
    let client = server.client(|_| {});
    let calls: Vec<_> = (0..60).map(|_| client.spawn("hello")).collect();
    until("all sixty at once", || server.busy() == 60).await;
    server.gate.add_permits(60);
    for call in calls {
        let (head, body) = call.await.expect("no panic").expect("an echo");
        assert_eq!((head.version, head.status.as_u16(), &body[..]), (Version::HTTP_2, 200, &b"hello"[..]));
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_request_is_one_of_http2() {
    let server = Server::start(|_| {}).await;
    let client = server.client(|_| {});
    client.call("hello").await.expect("an echo");
    client.call("").await.expect("nothing");
    let seen = server.seen();
    let head = &seen[0].head;
    let authority = format!("localhost:{}", server.listening.port());
    assert_eq!(head.uri().to_string(), format!("https://{authority}/f?a=b"));
    assert_eq!((head.method().as_str(), &seen[0].payload[..]), ("POST", &b"hello"[..]));
    let headers = head.headers();
    assert_eq!(
        (headers["authorization"].as_bytes(), headers["content-length"].as_bytes()),
        (&b"Bearer token"[..], &b"5"[..])
    );
    for gone in ["host", "connection", "transfer-encoding"] {
        assert!(!headers.contains_key(gone), "{gone}");
    }
    assert_eq!(seen[1].head.headers()["content-length"], "0");
}

#[tokio::test]
async fn another_host_is_the_requests_authority() {
    let server = Server::start(|_| {}).await;
    let mut client = server.client(|_| {});
    client.route.host = http::HeaderValue::from_static("functions.internal");
    client.call("x").await.expect("an echo");
    assert_eq!(server.seen()[0].head.uri().host(), Some("functions.internal"));
    client.route.host = http::HeaderValue::from_static("no host at all");
    let error = client.call("x").await.expect_err("no such authority");
    assert_eq!((error.outcome.word(), error.kind.word()), ("not-started", "misconfigured"));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_server_gets_no_more_calls_on_a_connection_than_it_takes() {
    let server = Server::gated(|builder| {
        builder.max_concurrent_streams(2);
    })
    .await;
    let client = server.client(|_| {});
    let calls: Vec<_> = (0..6).map(|_| client.spawn("x")).collect();
    until("all six at once", || server.busy() == 6).await;
    assert_eq!((server.connections(), server.most()), (3, 2));
    server.gate.add_permits(6);
    assert!(join_all(calls).await.into_iter().all(|call| call.expect("no panic").is_ok()));
}

#[tokio::test]
async fn nor_more_than_the_configuration_allows() {
    let server = Server::gated(|_| {}).await;
    let client = server.client(|reach| reach.http2 = Some(Http2 { calls: 3, ..Http2::default() }));
    let calls: Vec<_> = (0..6).map(|_| client.spawn("x")).collect();
    until("all six at once", || server.busy() == 6).await;
    assert_eq!((server.connections(), server.most()), (2, 3));
    server.gate.add_permits(6);
    assert!(join_all(calls).await.into_iter().all(|call| call.expect("no panic").is_ok()));
}

#[tokio::test]
async fn places_bound_the_calls_and_with_them_the_connections() {
    let server = Server::gated(|_| {}).await;
    let client = server.client(|reach| {
        reach.max_connections = 2;
        reach.http2 = Some(Http2 { calls: 1, ..Http2::default() });
    });
    let calls: Vec<_> = (0..4).map(|_| client.spawn("x")).collect();
    until("two at once", || server.busy() == 2).await;
    for left in (0..4).rev() {
        server.gate.add_permits(1);
        until("one fewer", || server.seen().len() + left >= 4 && server.busy() == left.min(2)).await;
        assert!(server.open() <= 2);
    }
    assert!(join_all(calls).await.into_iter().all(|call| call.expect("no panic").is_ok()));
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn one_that_is_idle_makes_room_for_another_server() {
    let (first, second) = (Server::start(|_| {}).await, Server::start(|_| {}).await);
    // One transport for both: the second's certificate is of another authority, and its connection fails, after the
    // first's was closed for it.
    let client = first.client(|reach| reach.max_connections = 1);
    client.call("x").await.expect("an echo");
    assert_eq!(first.open(), 1);
    let mut other = client.clone();
    other.route = second.client(|_| {}).route;
    let error = other.call("x").await.expect_err("another authority");
    assert_eq!(error.kind.word(), "tls");
    until("the first to be closed", || first.open() == 0).await;
    client.call("x").await.expect("an echo");
    assert_eq!(first.connections(), 2);
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_time() {
    let server = Server::start(|_| {}).await;
    let client = server.client(|reach| reach.idle_timeout = Duration::from_millis(50));
    client.call("x").await.expect("an echo");
    until("it to be closed", || server.open() == 0).await;
    client.call("x").await.expect("an echo");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_connection_ends_with_the_venue() {
    let server = Server::start(|_| {}).await;
    let client = server.client(|_| {});
    client.call("x").await.expect("an echo");
    drop(client);
    until("it to be closed", || server.open() == 0).await;
}

#[test]
fn a_connection_stays_on_the_lane_that_opened_it() {
    let event_loop = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop");
    let own = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let server = own.block_on(Server::start(|_| {}));
    let client = server.client(|_| {});
    let lanes = [event_loop(), event_loop()];
    for (number, connections) in [(1, 1), (2, 2), (1, 2), (2, 2)] {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                lane::become_lane(number);
                lanes[number - 1].block_on(client.call("x")).expect("an echo");
            });
        });
        assert_eq!(server.connections(), connections, "after a call on lane {number}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_offer_it_is_called_by_http_1() {
    for offers in [&["http/1.1"][..], &[]] {
        let listening = Listening::new(offers).await;
        let client = crate::client::Client::new(listening.port(), listening.ca(), |_| {});
        let calls: Vec<_> = (0..3).map(|_| client.spawn("x")).collect();
        let mut open = Vec::new();
        for _ in 0..3 {
            open.push(soon("a connection each", listening.accept()).await);
        }
        for tls in &mut open {
            let request = soon("a request", crate::frames::until_blank_line(tls)).await;
            assert!(request.starts_with("POST /f?a=b HTTP/1.1\r\n"), "{request}");
            crate::frames::write(tls, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        }
        for call in calls {
            let (head, body) = call.await.expect("no panic").expect("an answer");
            assert_eq!((head.version, body), (Version::HTTP_11, Bytes::from_static(b"ok")));
        }
        // One of the three is used again.
        let again = client.spawn("y");
        let request = soon("a request", crate::frames::until_any(&mut open)).await;
        assert!(request.starts_with("POST"), "{request}");
        again.abort();
    }
}

#[tokio::test]
async fn it_is_not_asked_for_unless_configured() {
    let listening = Listening::new(&["h2", "http/1.1"]).await;
    let client = crate::client::Client::new(listening.port(), listening.ca(), |reach| reach.http2 = None);
    let call = client.spawn("x");
    let tls = soon("a connection", listening.accept()).await;
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    call.abort();
}
