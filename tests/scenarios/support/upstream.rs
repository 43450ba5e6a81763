//! A venue's server under a script: it records every call it begins to run, and answers, waits,
//! hangs, breaks off or dies as the test says.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

/// A call as the upstream got it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// When it came.
    pub(crate) at: Instant,
    /// The method.
    pub(crate) method: Method,
    /// The path.
    pub(crate) path: String,
    /// The query.
    pub(crate) query: Option<String>,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The payload.
    pub(crate) payload: Bytes,
}

impl Seen {
    /// A header's text; empty when it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The invocation it belongs to.
    pub(crate) fn invocation(&self) -> &str {
        self.header("merit-invocation-id")
    }

    /// Milliseconds that the caller still waits.
    pub(crate) fn deadline_ms(&self) -> u64 {
        self.header("merit-deadline-ms").parse().expect("a deadline in milliseconds")
    }
}

/// What the upstream does with a call: the answer, or `None` to cut the connection.
pub(crate) type Script = Arc<dyn Fn(Seen) -> BoxFuture<'static, Option<Response<Full<Bytes>>>> + Send + Sync>;

/// Ready-made scripts.
pub(crate) mod script {
    use std::time::Duration;

    use super::{Arc, Bytes, Full, Future, Gate, Response, Script, Seen};

    /// Whatever the function returns.
    pub(crate) fn of<F>(answer: impl Fn(Seen) -> F + Send + Sync + 'static) -> Script
    where
        F: Future<Output = Option<Response<Full<Bytes>>>> + Send + 'static,
    {
        Arc::new(move |seen| Box::pin(answer(seen)))
    }

    /// A reply, at once.
    pub(crate) fn replies(text: &'static str) -> Script {
        of(move |_| async move { Some(reply(text)) })
    }

    /// The payload, at once.
    pub(crate) fn echoes() -> Script {
        of(|seen| async move { Some(Response::new(Full::new(seen.payload))) })
    }

    /// The payload, after a while.
    pub(crate) fn echoes_after(delay: Duration) -> Script {
        of(move |seen| async move {
            tokio::time::sleep(delay).await;
            Some(Response::new(Full::new(seen.payload)))
        })
    }

    /// The payload, once the gate is open.
    pub(crate) fn echoes_behind(gate: &Gate) -> Script {
        let gate = gate.clone();
        of(move |seen| {
            let gate = gate.clone();
            async move {
                gate.passed().await;
                Some(Response::new(Full::new(seen.payload)))
            }
        })
    }

    /// Never a reply.
    pub(crate) fn hangs() -> Script {
        of(|_| std::future::pending())
    }

    /// The connection is cut after the request was taken.
    pub(crate) fn cuts() -> Script {
        of(|_| async { None })
    }

    /// A bare status, with `retry-after` for those that mean it.
    pub(crate) fn status(status: u16, retry_after: Option<&'static str>) -> Script {
        of(move |_| async move { Some(answer(status, retry_after)) })
    }

    /// One answer of [`status`].
    pub(crate) fn answer(status: u16, retry_after: Option<&str>) -> Response<Full<Bytes>> {
        let mut response = Response::builder().status(status);
        if let Some(seconds) = retry_after {
            response = response.header("retry-after", seconds);
        }
        response.body(Full::default()).expect("a response")
    }

    /// A 200.
    pub(crate) fn reply(text: &'static str) -> Response<Full<Bytes>> {
        Response::builder()
            .header("content-type", "text/plain")
            .body(Full::new(Bytes::from_static(text.as_bytes())))
            .expect("a response")
    }
}

/// What calls wait behind until the test opens it.
#[derive(Clone)]
pub(crate) struct Gate(watch::Sender<bool>);

impl Gate {
    /// A closed one.
    pub(crate) fn closed() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Lets everybody pass from now on.
    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    async fn passed(&self) {
        self.0.subscribe().wait_for(|open| *open).await.expect("the gate lives in the script");
    }
}

/// The server.
pub(crate) struct Upstream {
    address: SocketAddr,
    state: Arc<State>,
    server: JoinHandle<()>,
}

struct State {
    script: Mutex<Script>,
    seen: Mutex<Vec<Seen>>,
    running: AtomicUsize,
    most_running: AtomicUsize,
}

/// A call that runs; it ends when this is dropped.
struct Running(Arc<State>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Upstream {
    /// Listens on any port.
    pub(crate) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port can be bound");
        let state = Arc::new(State {
            script: Mutex::new(script),
            seen: Mutex::default(),
            running: AtomicUsize::new(0),
            most_running: AtomicUsize::new(0),
        });
        let address = listener.local_addr().expect("it is bound");
        let server = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self { address, state, server }
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Plays another script from the next call on.
    pub(crate) fn play(&self, script: Script) {
        *lock(&self.state.script) = script;
    }

    /// Every call it began to run, in order.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        lock(&self.state.seen).clone()
    }

    /// How many calls it began to run.
    pub(crate) fn count(&self) -> usize {
        lock(&self.state.seen).len()
    }

    /// Calls running now.
    pub(crate) fn running(&self) -> usize {
        self.state.running.load(Ordering::SeqCst)
    }

    /// The most calls that ever ran at once.
    pub(crate) fn most_running(&self) -> usize {
        self.state.most_running.load(Ordering::SeqCst)
    }

    /// Waits until that many calls have begun.
    pub(crate) async fn begun(&self, calls: usize) {
        super::until(&format!("{calls} calls at the upstream"), async || (self.count() >= calls).then_some(())).await;
    }

    /// Dies on the spot: the port is closed, every connection breaks off, nothing that ran ends.
    pub(crate) async fn die(&mut self) {
        self.server.abort();
        assert!((&mut self.server).await.is_err_and(|ended| ended.is_cancelled()), "it was alive");
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.expect("connections can be accepted");
        stream.set_nodelay(true).expect("a TCP socket");
        connections.spawn(converse(stream, Arc::clone(&state)));
        while connections.try_join_next().is_some() {}
    }
}

async fn converse(stream: TcpStream, state: Arc<State>) {
    let service = service_fn(|request| serve(Arc::clone(&state), request));
    // Broken connections are what many tests are about.
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

async fn serve(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Cut> {
    let (head, body) = request.into_parts();
    let payload = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let seen = {
        let mut all = lock(&state.seen);
        let (path, query) = (head.uri.path().to_owned(), head.uri.query().map(str::to_owned));
        let seen = Seen { at: Instant::now(), method: head.method, path, query, headers: head.headers, payload };
        all.push(seen.clone());
        seen
    };
    let running = state.running.fetch_add(1, Ordering::SeqCst) + 1;
    state.most_running.fetch_max(running, Ordering::SeqCst);
    let running = Running(Arc::clone(&state));
    let script = Arc::clone(&lock(&state.script));
    let answer = script(seen).await;
    drop(running);
    answer.ok_or(Cut)
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("cut")]
struct Cut;

impl From<Infallible> for Cut {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
