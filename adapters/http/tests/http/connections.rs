//! Connections: reused, bounded, closed in time, and never trusted when stale.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::join_all;
use merit_venue::{ErrorKind, Outcome, Target, Venue, lane};
use merit_venue_http::HttpVenue;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};

use crate::server::{Answer, TestServer, call, echo, invoke, reply, venue_at};

#[tokio::test]
async fn one_connection_serves_many_calls() {
    let server = TestServer::start(echo).await;
    let venue = server.venue(|_| {});
    for _ in 0..50 {
        invoke(&venue, "x").await.expect("an echo");
    }
    assert_eq!((server.calls(), server.connections()), (50, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_calls_share_eight_connections() {
    let server =
        TestServer::start(|request| Answer::After(Duration::from_millis(1), reply(200, &[], &request.body))).await;
    let venue = server.venue(|config| config.max_connections = 8);
    let calls = (0..200).map(|_| {
        let venue = Arc::clone(&venue);
        tokio::spawn(async move { invoke(&venue, "x").await })
    });
    for done in join_all(calls).await {
        assert_eq!(done.expect("no panic").expect("an echo").payload, "x");
    }
    assert_eq!(server.calls(), 200);
    assert_eq!(server.most_open(), 8, "all eight are used, and not one more");
    assert_eq!(server.connections(), 8, "and used again");
}

#[test]
fn a_connection_stays_on_the_lane_that_opened_it() {
    let event_loop = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop");
    let own = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let server = own.block_on(TestServer::start(echo));
    let venue = server.venue(|config| config.idle_timeout = Duration::from_secs(60));
    let lanes = [event_loop(), event_loop()];
    for (number, connections) in [(1, 1), (2, 2), (1, 2), (2, 2)] {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                lane::become_lane(number);
                lanes[number - 1].block_on(invoke(&venue, "x")).expect("an echo");
            });
        });
        assert_eq!(server.connections(), connections, "after a call on lane {number}");
    }
}

#[tokio::test]
async fn a_connection_closed_by_the_server_is_noticed_before_it_is_used() {
    let server = TestServer::start(echo).await;
    let venue = server.venue(|_| {});
    invoke(&venue, "x").await.expect("the first");
    server.hang_up().await;
    assert_eq!(invoke(&venue, "second").await.expect("a new connection").payload, "second");
    assert_eq!((server.calls(), server.connections()), (2, 2));
}

/// The close of the server may arrive between the check of an idle connection and its use. That
/// moment is made here by using up tokio's budget of operations for one poll: the check then
/// sees nothing, and hyper finds the connection closed with the request in hand.
#[tokio::test]
async fn a_request_that_hyper_hands_back_is_sent_on_a_new_connection() {
    use tokio::task::coop::{has_budget_remaining, poll_proceed};

    for spared in 0..8 {
        let server = TestServer::start(echo).await;
        let venue = server.venue(|_| {});
        invoke(&venue, "x").await.expect("the first");
        server.hang_up().await;
        let spend = |context: &mut Context<'_>| {
            let mut units = 0;
            while has_budget_remaining() {
                if let Poll::Ready(progress) = poll_proceed(context) {
                    progress.made_progress();
                }
                units += 1;
            }
            Poll::Ready(units)
        };
        tokio::task::yield_now().await;
        let whole: usize = poll_fn(spend).await;
        tokio::task::yield_now().await;
        for _ in spared..whole {
            poll_fn(|context| poll_proceed(context).map(|progress| progress.made_progress())).await;
        }
        assert_eq!(invoke(&venue, "second").await.expect("a new connection").payload, "second", "{spared}");
        assert_eq!((server.calls(), server.connections()), (2, 2));
    }
}

#[tokio::test]
async fn a_reused_connection_that_breaks_under_the_call_is_unknown_and_not_repeated() {
    let server = TestServer::start(|request| match request.call {
        0 => echo(request),
        _ => Answer::Last(Vec::new()),
    })
    .await;
    let venue = server.venue(|_| {});
    invoke(&venue, "x").await.expect("the first");
    let error = invoke(&venue, "x").await.expect_err("the server read it, and went away");
    assert_eq!((error.kind, error.outcome), (ErrorKind::ConnectionCut, Outcome::Unknown));
    assert_eq!((server.calls(), server.connections()), (2, 1));
}

#[tokio::test]
async fn a_reply_that_announces_the_end_is_not_waited_on() {
    let server = TestServer::start(|_| Answer::Send(reply(200, &[("connection", "close")], "x"))).await;
    let venue = server.venue(|_| {});
    for _ in 0..3 {
        invoke(&venue, "x").await.expect("a reply");
    }
    assert_eq!(server.connections(), 3);
    server.until_closed(3).await;
}

/// Makes four calls at once, on as many connections.
async fn four_calls(venue: &HttpVenue) {
    let four = join_all((0..4).map(|_| invoke(venue, "x"))).await;
    assert!(four.iter().all(Result::is_ok));
}

async fn slow_echo() -> TestServer {
    TestServer::start(|request| Answer::After(Duration::from_millis(5), reply(200, &[], &request.body))).await
}

#[tokio::test]
async fn idle_connections_are_closed_in_time() {
    let server = slow_echo().await;
    let venue = server.venue(|config| config.idle_timeout = Duration::from_millis(50));
    four_calls(&venue).await;
    server.until_closed(4).await;
    invoke(&venue, "x").await.expect("a new one");
    assert_eq!(server.connections(), 5);
}

#[tokio::test]
async fn only_so_many_connections_are_kept() {
    let server = slow_echo().await;
    let venue = server.venue(|config| {
        config.max_idle = 3;
        config.idle_timeout = Duration::from_secs(60);
    });
    four_calls(&venue).await;
    server.until_closed(1).await;
    four_calls(&venue).await;
    assert_eq!(server.connections(), 5, "three of the four were used again");
}

#[tokio::test]
async fn another_hosts_idle_connection_makes_room() {
    let (one, two) = (TestServer::start(echo).await, TestServer::start(echo).await);
    let venue = one.venue(|config| {
        config.max_connections = 1;
        config.target_hosts = vec!["127.0.0.1".to_owned()];
        config.idle_timeout = Duration::from_secs(60);
    });
    invoke(&venue, "x").await.expect("the first host");
    let mut other = call("x");
    other.target = Arc::new(Target::try_new(&two.url()).expect("a URL"));
    venue.invoke(other).await.expect("the second host");
    one.until_closed(1).await;
    assert_eq!((one.connections(), two.connections()), (1, 1));
}

#[tokio::test]
async fn a_call_that_is_dropped_takes_its_connection_with_it() {
    let server = TestServer::start(|request| if request.call == 0 { Answer::Silence } else { echo(request) }).await;
    let venue = server.venue(|config| config.max_connections = 1);
    let given_up = tokio::spawn({
        let venue = Arc::clone(&venue);
        async move { invoke(&venue, "x").await }
    });
    server.until_calls(1).await;
    given_up.abort();
    server.until_closed(1).await;
    invoke(&venue, "x").await.expect("its permit is free again");
}

#[tokio::test]
async fn a_closed_port_is_not_started() {
    let server = TestServer::start(echo).await;
    let url = server.url();
    let address = server.address;
    drop(server);
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let error = invoke(&venue_at(&url, |_| {}), "x").await.expect_err("nobody listens");
    assert_eq!((error.kind, error.outcome), (ErrorKind::Connect, Outcome::NotStarted));
}

#[tokio::test]
async fn a_full_backlog_is_a_timeout_before_the_start() {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let listener = socket.listen(1).expect("a listener that never accepts");
    let address = listener.local_addr().expect("an address");
    let mut queued = Vec::new();
    while let Ok(stream) = timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
        queued.push(stream);
    }
    let venue = venue_at(&format!("http://{address}"), |config| config.connect_timeout = Duration::from_millis(100));
    let begun = Instant::now();
    let error = invoke(&venue, "x").await.expect_err("no room");
    assert_eq!(error.outcome, Outcome::NotStarted, "{error}");
    assert!([ErrorKind::Timeout, ErrorKind::Connect].contains(&error.kind), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(2));
}
