//! The adapter against workerd, the runtime of Workers that Cloudflare publishes, and miniflare, its simulator of the
//! platform around that: a Worker behind a bearer token. `make setup` installs them in `tests/peers`.
//!
//! Known limitation: neither has Cloudflare's pages; a Worker that throws is a 500, of miniflare with a page of its own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use merit_venue::{Call, ErrorKind, MeterBasis, Outcome, Reply, Target, Venue, VenueError};
use merit_venue_cloudflare_workers::{Secret, WorkersConfig, WorkersVenue};
use tokio::time::{Instant, sleep};

/// How long a peer may take to start on a busy machine, and to end.
const START: Duration = Duration::from_secs(60);

const WORKER: &str = r#"
export default {
  async fetch(request) {
    // Both close the connection after an answer to a body that was not read, which a next call may meet.
    const body = await request.arrayBuffer();
    if (request.headers.get("authorization") !== "Bearer t0ken") return new Response("who are you?", { status: 401 });
    const path = new URL(request.url).pathname;
    if (path === "/throws") throw new TypeError("no such order");
    if (path === "/refuses") return new Response("not a picture", { status: 422 });
    if (path !== "/echo") return new Response("nothing here", { status: 404 });
    return new Response(body, { headers: { "content-type": request.headers.get("content-type") } });
  },
};
"#;

/// A peer as a process; it ends with this value.
struct Peer {
    process: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl Drop for Peer {
    fn drop(&mut self) {
        // miniflare ends with its input, and its own workerd with it; workerd has none, and is killed.
        if let Some(input) = self.process.stdin.take() {
            drop(input);
            let begun = Instant::now();
            while begun.elapsed() < START && matches!(self.process.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        // It may have ended by itself; either way nothing is left behind.
        let _gone = self.process.kill();
        let _status = self.process.wait();
    }
}

/// A file of the peers' folder.
fn installed(name: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/peers").join(name);
    assert!(file.exists(), "{} is not installed: run `make setup`", file.display());
    file
}

/// A folder with the Worker, and a free port.
fn place() -> (tempfile::TempDir, u16) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("worker.js"), WORKER).expect("written");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a free port").port();
    (folder, port)
}

async fn workerd() -> Peer {
    let (folder, port) = place();
    let config = format!(
        "using Workerd = import \"/workerd/workerd.capnp\";\n\
         const config :Workerd.Config = (services = [(name = \"main\", worker = .main)],\n\
         sockets = [(name = \"http\", address = \"127.0.0.1:{port}\", http = (), service = \"main\")]);\n\
         const main :Workerd.Worker = (modules = [(name = \"worker\", esModule = embed \"worker.js\")],\n\
         compatibilityDate = \"2026-01-01\");\n"
    );
    std::fs::write(folder.path().join("worker.capnp"), config).expect("written");
    let mut command = Command::new(installed("node_modules/.bin/workerd"));
    command.args(["serve", "worker.capnp"]).current_dir(folder.path()).stdin(Stdio::null());
    started(command, folder, port).await
}

async fn miniflare() -> Peer {
    let (folder, port) = place();
    installed("node_modules/miniflare");
    let mut command = Command::new("node");
    command.arg(installed("clouds/miniflare.mjs")).arg(folder.path().join("worker.js")).arg(port.to_string());
    command.stdin(Stdio::piped());
    started(command, folder, port).await
}

/// Waits until it listens.
async fn started(mut command: Command, folder: tempfile::TempDir, port: u16) -> Peer {
    let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut peer = Peer { process, url: format!("http://127.0.0.1:{port}"), _folder: folder };
    let begun = Instant::now();
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        assert!(begun.elapsed() < START, "the peer does not listen");
        assert_eq!(peer.process.try_wait().expect("it can be asked"), None, "the peer ended");
        sleep(Duration::from_millis(50)).await;
    }
    peer
}

fn venue(peer: &Peer, token: &str) -> WorkersVenue {
    let config = WorkersConfig {
        base_url: Some(peer.url.clone()),
        bearer_token: Some(Secret(token.to_owned())),
        ..WorkersConfig::new()
    };
    WorkersVenue::try_new(config).expect("a good configuration")
}

async fn invoke(venue: &WorkersVenue, target: &str, payload: &'static [u8]) -> Result<Reply, VenueError> {
    let call = Call {
        invocation: "0199f0a2-7c1e-7fff-bfff-ffffffffffff".parse().expect("an id"),
        attempt: 1,
        function: "peer".parse().expect("a name"),
        target: Arc::new(Target::try_new(target).expect("a target")),
        payload: payload.into(),
        content_type: Some(HeaderValue::from_static("image/png")),
        traceparent: None,
        tracestate: None,
        deadline: Instant::now() + Duration::from_secs(30),
        lambda: None,
        http: None,
    };
    venue.invoke(call).await
}

#[tokio::test]
async fn a_worker_of_workerd_is_called_and_its_errors_are_its_own() {
    called(&workerd().await).await;
}

#[tokio::test]
async fn a_worker_of_miniflare_is_called_and_its_errors_are_its_own() {
    called(&miniflare().await).await;
}

async fn called(peer: &Peer) {
    let good = venue(peer, "t0ken");
    let reply = invoke(&good, "echo", b"\x00\xff").await.expect("an echo");
    assert_eq!((reply.payload.as_ref(), reply.meters), (&b"\x00\xff"[..], MeterBasis::OwnClock));
    assert_eq!(reply.content_type.as_ref().expect("a media type"), "image/png");
    assert!(reply.usage.cpu.is_none() && reply.usage.duration.get() > 0);
    for (target, kind) in [("throws", "Http500"), ("refuses", "Http422")] {
        let error = invoke(&good, target, b"x").await.expect("it ran").function_error.expect("its error");
        assert_eq!(error.kind, kind);
    }
    let unknown = invoke(&good, "nobody", b"x").await.expect_err("nothing there");
    assert_eq!((unknown.outcome, unknown.kind), (Outcome::NotStarted, ErrorKind::NotFound));
    let bad = venue(peer, "wrong");
    let refused = invoke(&bad, "echo", b"x").await.expect_err("refused");
    assert_eq!((refused.outcome, refused.kind), (Outcome::NotStarted, ErrorKind::BadCredentials));
    assert!(bad.unready().expect("why").contains("bearer token"));
}
