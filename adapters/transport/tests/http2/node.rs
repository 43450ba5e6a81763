//! Node's own HTTP/2 server, with TLS.

use std::process::Stdio;

use futures_util::future::join_all;
use http::Version;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::client::{Client, soon};
use crate::server::Listening;

/// Answers with the payload and says on which of its connections; `retire` closes one after so many calls.
const SERVER: &str = r"
const http2 = require('http2');
let sessions = 0;
const options = JSON.parse(process.argv[1]);
const retire = options.retire || Infinity;
const create = options.http1 ? require('https').createServer : http2.createSecureServer;
const server = create(options, (request, response) => {
  const of = request.stream ? request.stream.session : request.socket;
  of.number = of.number || ++sessions;
  of.calls = (of.calls || 0) + 1;
  of.now = (of.now || 0) + 1;
  const now = of.now;
  if (of.calls == retire) of.close();
  const chunks = [];
  request.on('data', chunk => chunks.push(chunk));
  request.on('end', () => setTimeout(() => {
    of.now--;
    response.setHeader('x-session', of.number);
    response.setHeader('x-at-once', now);
    response.setHeader('x-authority', request.headers[':authority'] || request.headers.host);
    response.end(Buffer.concat(chunks));
  }, 20));
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit()).resume();
";

async fn node(options: serde_json::Value) -> (Child, u16) {
    let mut child = Command::new("node")
        .args(["-e", SERVER, &options.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("node is installed: `make setup`");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("a pipe");
    soon("its port", BufReader::new(stdout).read_line(&mut line)).await.expect("a line");
    (child, line.trim().parse().expect("a port"))
}

async fn node_with(more: serde_json::Value) -> (Child, Client) {
    let listening = Listening::new(&[]).await;
    let (cert, key) = &listening.pem;
    let mut options = serde_json::json!({ "cert": cert, "key": key });
    options.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let (child, port) = node(options).await;
    (child, Client::new(port, listening.ca(), |_| {}))
}

#[tokio::test]
async fn calls_share_connections_up_to_nodes_limit() {
    let (_child, client) = node_with(serde_json::json!({ "settings": { "maxConcurrentStreams": 4 } })).await;
    let replies = join_all((0..12).map(|_| client.call("hello"))).await;
    let mut most = 0;
    for reply in replies {
        let (head, body) = reply.expect("an echo");
        assert_eq!((head.version, &body[..]), (Version::HTTP_2, &b"hello"[..]));
        assert_eq!(head.headers["x-authority"], client.route.origin.authority().as_str());
        most = most.max(head.headers["x-at-once"].to_str().expect("a number").parse().expect("a number"));
    }
    assert!((2..=4).contains(&most), "{most} at once");
}

#[tokio::test]
async fn connections_that_node_retires_cost_no_call() {
    let (_child, client) = node_with(serde_json::json!({ "retire": 13 })).await;
    for round in 0..10 {
        for reply in join_all((0..5).map(|_| client.call("hello"))).await {
            assert_eq!(reply.unwrap_or_else(|error| panic!("round {round}: {error}")).1, "hello");
        }
    }
}

#[tokio::test]
async fn node_is_called_by_http_1_where_it_offers_nothing_else() {
    let (_child, client) = node_with(serde_json::json!({ "http1": true })).await;
    for _ in 0..3 {
        let (head, body) = client.call("hello").await.expect("an echo");
        assert_eq!((head.version, &body[..]), (Version::HTTP_11, &b"hello"[..]));
        assert_eq!(head.headers["x-session"], "1", "one connection, used again");
    }
}
