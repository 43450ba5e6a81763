//! The pool's door, over real sockets.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use merit_pool::{DEADLINE_MS, Pool, PoolConfig, meter_header};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

#[path = "pool/strangers.rs"]
mod strangers;

fn examples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/functions")
}

fn config() -> PoolConfig {
    let mut config = PoolConfig::new(with_only(&examples(), &["primes", "wait"]));
    config.concurrency = 4;
    config.schedule.queue = 0;
    config.machine.memory_mb = Some(4096);
    config
}

/// A directory of links to some of the sample functions: compiling all of them takes seconds.
fn with_only(examples: &Path, names: &[&str]) -> PathBuf {
    let dir = tempfile::tempdir().expect("a directory").keep();
    for name in names {
        std::os::unix::fs::symlink(examples.join(name), dir.join(name)).expect("a link");
    }
    dir
}

/// A pool that serves until it is told to stop.
struct Running {
    address: std::net::SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
    sandbox: merit_sandbox::Sandbox,
    functions: PathBuf,
}

impl Running {
    async fn start(config: PoolConfig) -> Self {
        Self::serve(Pool::try_new(&config).expect("a pool"), config.functions).await
    }

    async fn serve(pool: Pool, functions: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let sandbox = pool.sandbox().clone();
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(pool.serve(listener, async { drop(stopped.await) }));
        Self { address, stop: Some(stop), served, sandbox, functions }
    }

    async fn call(&self, function: &str, payload: impl Into<Bytes>) -> Answer {
        self.send(Request::post(format!("/{function}")), payload).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path), "").await
    }

    async fn send(&self, request: http::request::Builder, payload: impl Into<Bytes>) -> Answer {
        send(self.address, request, payload.into()).await
    }

    fn busy(&self) -> usize {
        self.sandbox.slots() as usize - self.sandbox.free_slots()
    }

    async fn until(&self, condition: impl Fn(&Self) -> bool) {
        while !condition(self) {
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.functions).ok();
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers)).to_str().expect("text")
    }

    fn meter(&self, name: &str) -> u64 {
        self.header(name).parse().expect("a number")
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    fn error(&self) -> (u16, String, String) {
        let word = |name: &str| self.json()[name].as_str().expect("a string").to_owned();
        (self.status.as_u16(), word("errorType"), word("errorMessage"))
    }
}

async fn send(address: std::net::SocketAddr, request: http::request::Builder, payload: Bytes) -> Answer {
    let stream = TcpStream::connect(address).await.expect("connects");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("a handshake");
    tokio::spawn(connection);
    let request = request.header("host", "pool").body(Full::new(payload)).expect("a request");
    let (head, body) = sender.send_request(request).await.expect("a reply").into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    Answer { status: head.status, headers: head.headers, body }
}

#[tokio::test]
async fn a_call_comes_back_with_its_reply_and_meters() {
    let pool = Running::start(config()).await;
    let answer = pool.call("primes", "30000000").await;
    assert_eq!(
        (answer.status, answer.body.as_ref()),
        (StatusCode::OK, &b"{\"limit\":30000000,\"primes\":1857859}\n"[..])
    );
    let (wall, cpu) = (answer.meter(meter_header::DURATION_US), answer.meter(meter_header::CPU_US));
    assert!(cpu > 1000 && cpu <= wall + 1000, "{cpu} of {wall}");
    assert_eq!(answer.meter(meter_header::MEMORY_MB), 1);
    assert!(!answer.headers.contains_key(meter_header::FUNCTION_ERROR));

    let waited = pool.call("wait", "80").await;
    assert!(waited.meter(meter_header::DURATION_US) >= 80_000);
    assert!(waited.meter(meter_header::CPU_US) < 20_000);
}

#[tokio::test]
async fn a_function_error_is_a_500_with_its_kind_and_meters() {
    let pool = Running::start(config()).await;
    let answer = pool.call("primes", "many").await;
    let (status, kind, message) = answer.error();
    assert_eq!((status, kind.as_str()), (500, "ExitStatus"));
    assert!(message.contains("status 1: primes: the payload is not a whole number"), "{message}");
    assert_eq!(answer.header(meter_header::FUNCTION_ERROR), "ExitStatus");
    assert!(answer.meter(meter_header::DURATION_US) > 0);
}

#[tokio::test]
async fn the_callers_deadline_cuts_a_call_off() {
    let pool = Running::start(config()).await;
    let started = Instant::now();
    let answer = pool.send(Request::post("/wait").header(DEADLINE_MS, "100"), "60000").await;
    assert_eq!(answer.error().1, "Timeout");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    for bad in ["0", "-1", "soon", "1.5"] {
        let (status, _, message) = pool.send(Request::post("/wait").header(DEADLINE_MS, bad), "1").await.error();
        assert_eq!(status, 400);
        assert!(message.contains(bad) && message.contains(DEADLINE_MS), "{message}");
    }
}

#[tokio::test]
async fn an_unknown_function_names_its_neighbours() {
    let pool = Running::start(config()).await;
    let (status, kind, message) = pool.call("prime", "7").await.error();
    assert_eq!((status, kind.as_str()), (404, "FunctionNotFound"));
    assert!(message.contains("did you mean `primes`?"), "{message}");
    assert_eq!(pool.call("", "7").await.status, StatusCode::NOT_FOUND);
    assert_eq!(pool.call("../primes", "7").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn it_lists_its_functions_and_tells_its_health() {
    let pool = Running::start(config()).await;
    let listed = pool.get("/functions").await.json();
    let names: Vec<_> = listed["functions"].as_array().expect("a list").iter().map(|f| f["name"].clone()).collect();
    assert_eq!(names, ["primes", "wait"]);
    assert_eq!(listed["functions"][0]["sha256"].as_str().expect("a digest").len(), 64);
    assert_eq!(pool.get("/healthz").await.json()["status"], "ok");
    assert_eq!(pool.get("/primes").await.header("allow"), "POST");
    let put = pool.send(Request::builder().method(Method::PUT).uri("/functions"), "").await;
    assert_eq!((put.status, put.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET"));
}

#[tokio::test]
async fn calls_over_the_concurrency_are_told_to_come_back() {
    let pool = Running::start(PoolConfig { concurrency: 2, ..config() }).await;
    let held: Vec<_> = (0..2)
        .map(|_| tokio::spawn(send(pool.address, Request::post("/wait"), Bytes::from_static(b"60000"))))
        .collect();
    pool.until(|pool| pool.busy() == 2).await;
    let refused = pool.call("wait", "1").await;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "1"));
    assert!(!refused.headers.contains_key(meter_header::DURATION_US), "what did not run is not metered");
    // Callers that hang up stop their guests.
    held.iter().for_each(JoinHandle::abort);
    drop(held);
    pool.until(|pool| pool.busy() == 0).await;
    assert_eq!(pool.call("wait", "1").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_payload_over_the_limit_is_refused_before_it_is_read() {
    let pool = Running::start(PoolConfig { payload_bytes: 1000, ..config() }).await;
    assert_eq!(pool.call("primes", vec![b' '; 1001]).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(pool.call("wait", format!("{:<900}", 1)).await.status, StatusCode::OK);

    let mut stream = TcpStream::connect(pool.address).await.expect("connects");
    let head = "POST /primes HTTP/1.1\r\nhost: pool\r\ncontent-length: 5000000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("sends");
    assert!(first_line(&mut stream).await.contains("413"));

    let mut stream = TcpStream::connect(pool.address).await.expect("connects");
    let head = "POST /primes HTTP/1.1\r\nhost: pool\r\ntransfer-encoding: chunked\r\n\r\n1000\r\n";
    stream.write_all(head.as_bytes()).await.expect("sends");
    stream.write_all(&[b'1'; 0x1000]).await.expect("sends");
    assert!(first_line(&mut stream).await.contains("413"));
}

#[tokio::test]
async fn a_payload_that_never_arrives_holds_no_permit_past_the_deadline() {
    let pool = Running::start(PoolConfig { concurrency: 1, ..config() }).await;
    let mut stream = TcpStream::connect(pool.address).await.expect("connects");
    let head = format!("POST /primes HTTP/1.1\r\nhost: pool\r\n{DEADLINE_MS}: 50\r\ncontent-length: 5\r\n\r\n1");
    stream.write_all(head.as_bytes()).await.expect("sends");
    assert!(first_line(&mut stream).await.contains("408"));
    assert_eq!(pool.call("primes", "7").await.status, StatusCode::OK);
}

async fn first_line(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.contains(&b'\n') {
        assert!(stream.read_buf(&mut bytes).await.expect("reads") > 0, "closed without a reply");
    }
    String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn payloads_that_nobody_may_have_signed_do_not_pile_up() {
    const NOW: u64 = 1_800_000_000;
    let config = PoolConfig { payload_bytes: 1000, unverified_bytes: 1000, ..config() };
    let secret = merit_pool::Secret::random();
    let pool = Pool::try_new(&config).expect("a pool").signed(secret.clone(), || NOW);
    let pool = Running::serve(pool, config.functions).await;
    // Somebody without the secret sends a part, and waits.
    let mut slow = TcpStream::connect(pool.address).await.expect("connects");
    let head = format!(
        "POST /primes HTTP/1.1\r\nhost: pool\r\nwebhook-id: x\r\nwebhook-timestamp: {NOW}\r\n\
         webhook-signature: v1,AAAA\r\nexpect: 100-continue\r\ncontent-length: 900\r\n\r\n"
    );
    slow.write_all(head.as_bytes()).await.expect("sends");
    let mut go_on = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    slow.read_exact(&mut go_on).await.expect("its payload is waited for");
    slow.write_all(&[b' '; 800]).await.expect("sends");
    let call = async |id: &str| {
        let body = format!("{:<900}", 7);
        let request = Request::post("/primes").header("webhook-id", id).header("webhook-timestamp", NOW);
        pool.send(request.header("webhook-signature", secret.sign(id, NOW, body.as_bytes())), body).await.status
    };
    // Until that part has arrived there is room for both; then the one that came first is given up.
    let mut number = 0;
    let refused = first_line(&mut slow);
    let calls = async {
        loop {
            number += 1;
            assert_eq!(call(&number.to_string()).await, StatusCode::OK, "who signs is served");
        }
    };
    tokio::select! {
        line = refused => assert!(line.contains("503"), "{line}"),
        () = calls => {}
    }
}

#[tokio::test]
async fn a_key_is_asked_for_when_there_is_one() {
    let pool = Running::start(PoolConfig { key: Some("s3cret".to_owned()), ..config() }).await;
    for wrong in ["", "Bearer ", "Bearer s3cre", "Bearer s3cret2", "Basic s3cret", "bearer: s3cret"] {
        let refused = pool.send(Request::post("/wait").header("authorization", wrong), "1").await;
        assert_eq!((refused.status, refused.header("www-authenticate")), (StatusCode::UNAUTHORIZED, "Bearer"));
    }
    assert_eq!(pool.get("/functions").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(pool.get("/healthz").await.status, StatusCode::OK);
    let allowed = pool.send(Request::post("/wait").header("authorization", "Bearer s3cret"), "1").await;
    assert_eq!(allowed.status, StatusCode::OK);
}

#[tokio::test]
async fn a_shutdown_lets_running_calls_end_and_takes_no_more() {
    let mut pool = Running::start(config()).await;
    let running = tokio::spawn(send(pool.address, Request::post("/wait"), Bytes::from_static(b"300")));
    pool.until(|pool| pool.busy() == 1).await;
    pool.stop.take().expect("running").send(()).expect("still serving");
    assert_eq!(running.await.expect("no panic").status, StatusCode::OK);
    (&mut pool.served).await.expect("it ended by itself");
    assert!(TcpStream::connect(pool.address).await.is_err(), "the port is closed");
}

#[tokio::test]
async fn a_shutdown_cuts_off_what_outlasts_the_drain() {
    let mut pool = Running::start(PoolConfig { drain: Duration::from_millis(50), ..config() }).await;
    let running = tokio::spawn(send(pool.address, Request::post("/wait"), Bytes::from_static(b"60000")));
    pool.until(|pool| pool.busy() == 1).await;
    pool.stop.take().expect("running").send(()).expect("still serving");
    (&mut pool.served).await.expect("it ended by itself");
    assert!(running.await.is_err(), "the caller sees the connection cut");
    pool.until(|pool| pool.busy() == 0).await;
}

#[tokio::test]
async fn what_is_wrong_with_a_directory_is_said_all_at_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let start = async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let config = PoolConfig::new(dir.path().to_owned());
        merit_pool::serve(listener, config, std::future::ready(())).await.expect_err("can't start").to_string()
    };
    assert!(start().await.contains("no functions in"));

    let put = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).expect("writes");
    put("broken.wasm", b"\0asm nonsense");
    put("-dash.wasm", b"");
    put("library.wasm", &wat::parse_str("(module)").expect("valid"));
    put("network.wasm", &wat::parse_str("(module (import \"env\" \"connect\" (func)))").expect("valid"));
    put("readme.txt", b"not a module");
    std::fs::create_dir(dir.path().join("broken")).expect("a directory");
    put("broken/broken.wasm", b"");
    let message = start().await;
    let said = ["does not compile", "`-dash`", "exports no `_start`", "`env.connect`", "are named `broken`"];
    assert!(said.iter().all(|part| message.contains(part)) && message.lines().count() == 5, "{message}");
}

#[tokio::test]
async fn compiled_modules_are_kept_on_disk_for_the_next_start() {
    let cache = tempfile::tempdir().expect("a directory");
    let dir = cache.path().join("compiled");
    let mut config = config();
    // The largest of the samples: compiling it takes many times as long as reading it back.
    config.functions = with_only(&examples(), &["markdown"]);
    config.cache = Some(dir.clone());
    let first = Instant::now();
    drop(Pool::try_new(&config).expect("a pool"));
    let first = first.elapsed();
    assert!(std::fs::read_dir(&dir).expect("the cache").next().is_some());
    let second = Instant::now();
    let pool = Running::start(config).await;
    let second = second.elapsed();
    assert!(second < first / 2, "{first:?}, then {second:?}");
    assert_eq!(pool.call("markdown", "# a").await.body, "<h1>a</h1>\n");
}
