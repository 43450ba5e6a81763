//! Whoever opens connections and says nothing keeps nobody out; and many clients of one address are not taken for one.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::support::{Client, KEY, PATIENCE, Raw, Reply, Setup, Upstream, Worth, script};

const CONNECTIONS: usize = 24;
const STRANGERS: usize = 6;

fn setup(upstream: &Upstream) -> Setup {
    // Silence alone ends no connection within the test.
    Setup::new()
        .set("server", "max_connections", CONNECTIONS)
        .set("server", "max_strangers", STRANGERS)
        .set("server", "header_timeout_ms", 600_000)
        .set("server", "linger_ms", 600_000)
        .flat("a", &upstream.url(), "0.01")
        .function("f", Worth::Once, &["a"])
}

/// Waits until the broker has closed a connection.
async fn closed(stream: &mut TcpStream) {
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 1])).await.expect("it is closed in time");
    assert!(matches!(read, Ok(0) | Err(_)), "nobody has asked anything: {read:?}");
}

#[tokio::test]
async fn silent_connections_keep_nobody_out_and_the_stillest_goes_first() {
    let upstream = Upstream::start(script::echoes()).await;
    let (broker, client) = setup(&upstream).start_with_client().await;
    let mut silent = Vec::new();
    for opened in 0..3 * CONNECTIONS {
        silent.push(TcpStream::connect(broker.address()).await.expect("the system takes it"));
        if opened % 10 == 0 {
            // On a connection of its own, like somebody who comes now.
            let fresh = Client::new(broker.address(), KEY);
            fresh.invoke("f", "x").await.expect(200);
        }
    }
    for stream in &mut silent[..3 * CONNECTIONS - STRANGERS] {
        closed(stream).await;
    }
    client.invoke("f", "x").await.expect(200);
}

#[tokio::test]
async fn clients_of_one_address_stay_however_many_strangers_it_has() {
    let upstream = Upstream::start(script::echoes()).await;
    let (broker, client) = setup(&upstream).start_with_client().await;
    let mut known = Vec::new();
    for _ in 0..CONNECTIONS - STRANGERS - 2 {
        let mut raw = Raw::connect(broker.address()).await;
        raw.write_head("f", "content-length: 1\r\n").await;
        raw.write(b"x").await;
        raw.read().await.expect(200);
        known.push(raw);
    }
    // Keys that do not hold, and paths that need none, make nobody known.
    for path in ["/v1/functions", "/livez", "/nothing"] {
        for _ in 0..STRANGERS {
            let other = Client::new(broker.address(), "mrt_0000_00");
            Reply::of(other.request(reqwest::Method::GET, path)).await;
        }
    }
    let _silent: Vec<TcpStream> = {
        let opened = (0..2 * CONNECTIONS).map(|_| TcpStream::connect(broker.address()));
        futures_util::future::try_join_all(opened).await.expect("the system takes them")
    };
    client.invoke("f", "x").await.expect(200);
    for raw in &mut known {
        raw.forget();
        raw.write_head("f", "content-length: 1\r\n").await;
        raw.write(b"y").await;
        assert_eq!(raw.read().await.expect(200).text(), "y");
    }
}

#[tokio::test]
async fn a_call_that_was_let_in_runs_to_its_end_whoever_comes_meanwhile() {
    let upstream = Upstream::start(script::echoes_after(Duration::from_millis(1500))).await;
    let (broker, _client) = setup(&upstream).start_with_client().await;
    let mut slow = Raw::connect(broker.address()).await;
    slow.write_head("f", "content-length: 1\r\n").await;
    slow.write(b"z").await;
    upstream.begun(1).await;
    let _silent: Vec<TcpStream> = {
        let opened = (0..2 * CONNECTIONS).map(|_| TcpStream::connect(broker.address()));
        futures_util::future::try_join_all(opened).await.expect("the system takes them")
    };
    assert_eq!(slow.read().await.expect(200).text(), "z");
}
