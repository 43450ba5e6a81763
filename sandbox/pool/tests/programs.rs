//! Programs in a pool, beside WebAssembly: warm instances, methods and paths, nothing left behind.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use merit_pool::{Pool, PoolConfig, meter_header};
use merit_units::Micros;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Answers with its process, how many calls it had, and the request.
const PROGRAM: &str = r#"
import http.server, os
calls = 0
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        global calls
        calls += 1
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        text = f"{calls} {self.command} {self.path} {os.environ['MODE']} {body}".encode()
        self.send_response(202)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    do_GET = do_POST
    def log_message(self, *args):
        pass
http.server.HTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"#;

const SETTINGS: &str = "kind = \"http\"\ncommand = [\"python3\", \"/var/task/app.py\"]\nmemory_mb = 128\n\
    init_timeout_ms = 60000\n[environment]\nMODE = \"fast\"\n";

/// A custom runtime in full: it upper-cases the payload, and fails when there is nothing to do.
const BOOTSTRAP: &str = r#"#!/usr/bin/python3
import json, os, urllib.request
api = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"
while True:
    with urllib.request.urlopen(f"{api}/next") as call:
        number, payload = call.headers["Lambda-Runtime-Aws-Request-Id"], call.read()
    answer, to, headers = payload.upper(), "response", {}
    if not payload:
        to, headers = "error", {"Lambda-Runtime-Function-Error-Type": "Nothing"}
        answer = json.dumps({"errorType": "Nothing", "errorMessage": "there is nothing to do"}).encode()
    urllib.request.urlopen(urllib.request.Request(f"{api}/{number}/{to}", data=answer, headers=headers)).read()
"#;

struct Running {
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Running {
    async fn start(functions: &Path) -> Self {
        let mut config = PoolConfig::new(functions.to_owned());
        config.machine.memory_mb = Some(512);
        // Starting a program takes longer where others compile.
        config.schedule.queue_wait = Micros::from_secs(60);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let pool = Pool::try_new(&config).expect("a pool; `merit pool doctor` says what this machine lacks");
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(pool.serve(listener, async { drop(stopped.await) }));
        Self { address, stop, served }
    }

    async fn call(&self, method: Method, path: &str) -> Response<Bytes> {
        self.call_with(method, path, "body").await
    }

    async fn call_with(&self, method: Method, path: &str, body: &'static str) -> Response<Bytes> {
        let stream = TcpStream::connect(self.address).await.expect("connects");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("a connection");
        tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path).header("host", "pool");
        let response =
            sender.send_request(request.body(Full::new(Bytes::from_static(body.as_bytes()))).expect("a request"));
        let (head, body) = response.await.expect("a reply").into_parts();
        Response::from_parts(head, body.collect().await.expect("a body").to_bytes())
    }
}

fn text(response: &Response<Bytes>) -> String {
    String::from_utf8_lossy(response.body()).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_is_started_once_kept_warm_and_gone_with_the_pool() {
    let functions = tempfile::tempdir().expect("a folder");
    let program = functions.path().join("echo");
    std::fs::create_dir(&program).expect("a folder");
    std::fs::write(program.join("app.py"), PROGRAM).expect("writes");
    std::fs::write(program.join("function.toml"), SETTINGS).expect("writes");
    let pool = Running::start(functions.path()).await;

    let first = pool.call(Method::POST, "/echo/a/b?c=d").await;
    assert_eq!((first.status().as_u16(), text(&first).as_str()), (202, "1 POST /a/b?c=d fast body"));
    let cold: u64 = first.headers()[meter_header::INIT_US].to_str().expect("text").parse().expect("a number");
    assert!(cold > 1000, "a program takes a while to start: {cold} us");
    let second = pool.call(Method::GET, "/echo").await;
    assert_eq!(text(&second), "2 GET / fast body", "by the same instance");
    assert!(!second.headers().contains_key(meter_header::INIT_US), "which was warm");
    for meter in [meter_header::DURATION_US, meter_header::CPU_US, meter_header::MEMORY_MB] {
        assert!(second.headers().contains_key(meter), "{meter}");
    }

    pool.stop.send(()).expect("it serves");
    pool.served.await.expect("it ends");
    let left = std::fs::read_dir("/proc").expect("processes").flatten().any(|process| {
        let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
        command.windows(6).any(|part| part == b"app.py") && environment.windows(9).any(|part| part == b"MODE=fast")
    });
    assert!(!left, "its process is gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_custom_runtime_of_lambda_runs_unmodified() {
    let functions = tempfile::tempdir().expect("a folder");
    let program = functions.path().join("shout");
    std::fs::create_dir(&program).expect("a folder");
    std::fs::write(program.join("bootstrap"), BOOTSTRAP).expect("writes");
    std::fs::set_permissions(program.join("bootstrap"), Permissions::from_mode(0o755)).expect("its own file");
    let settings = "kind = \"runtime-api\"\nmemory_mb = 128\ninit_timeout_ms = 60000\n";
    std::fs::write(program.join("function.toml"), settings).expect("writes");
    let pool = Running::start(functions.path()).await;

    let reply = pool.call_with(Method::POST, "/shout", "quiet").await;
    assert_eq!((reply.status().as_u16(), text(&reply).as_str()), (200, "QUIET"));
    assert!(reply.headers().contains_key(meter_header::INIT_US), "a cold call");
    let failed = pool.call_with(Method::POST, "/shout", "").await;
    assert_eq!(failed.headers()[meter_header::FUNCTION_ERROR], "Nothing", "{}", text(&failed));
    assert!(text(&failed).contains("there is nothing to do"), "{}", text(&failed));
    assert!(!failed.headers().contains_key(meter_header::INIT_US), "by the same instance, which was warm");
    pool.stop.send(()).expect("it serves");
    pool.served.await.expect("it ends");
}

#[tokio::test]
async fn mistakes_of_programs_are_told_at_the_start() {
    let functions = tempfile::tempdir().expect("a folder");
    for (name, settings) in
        [("good", SETTINGS), ("bad", "kind = \"htp\"\nmemory = 3\n"), ("gone", "kind = \"http\"\nzip = \"no.zip\"")]
    {
        std::fs::create_dir(functions.path().join(name)).expect("a folder");
        std::fs::write(functions.path().join(name).join("function.toml"), settings).expect("writes");
    }
    let error = Pool::try_new(&PoolConfig::new(functions.path().to_owned())).err().expect("mistakes").to_string();
    for said in ["`htp` is not known", "function.toml:2: memory: unknown key", "no.zip"] {
        assert!(error.contains(said), "{said}: {error}");
    }
}
