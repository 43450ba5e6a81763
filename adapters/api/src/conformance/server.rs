//! A server that speaks HTTP/1.1 by hand, so that it can also speak it badly.
//!
//! A test gives it a script from a received request to an answer; it counts connections and calls,
//! keeps what it received, and lets tests wait for a count instead of sleeping.
//!
//! Known limitation: it has no patience of its own; what hangs, hangs until the test ends.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use crate::conformance::{Behaviour, Running, Server, call};
use crate::{Target, Venue};

/// How long a test waits for what should happen at once, on a machine that is busy.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// One request, as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// Request line and headers.
    pub head: String,
    /// Which call it is, from 0; a request refused before its body counts as none.
    pub call: usize,
    /// The body, as far as the length says.
    pub body: Vec<u8>,
}

impl Received {
    /// The only value of a header.
    ///
    /// # Panics
    /// When it was sent twice.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let value = found.by_ref().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        assert!(!found.any(|(key, _)| key.eq_ignore_ascii_case(name)), "`{name}` was sent twice: {}", self.head);
        value
    }

    /// Method, path and version.
    #[must_use]
    pub fn request_line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    fn content_length(&self) -> usize {
        self.header("content-length").map_or(0, |length| length.parse().expect("a length"))
    }
}

/// What the server does with a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Sends the bytes and waits for the next request.
    Send(Vec<u8>),
    /// Sends the bytes and closes.
    Last(Vec<u8>),
    /// Works for that long, then sends.
    After(Duration, Vec<u8>),
    /// Sends the bytes, then one more every few milliseconds, for ever.
    Drip(Vec<u8>),
    /// Keeps the connection open and says nothing.
    Silence,
}

type Script = dyn Fn(&Received) -> Answer + Send + Sync;

#[derive(Default)]
struct State {
    connections: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
    received: Mutex<Vec<Received>>,
    calls: watch::Sender<usize>,
    closed: watch::Sender<usize>,
    /// Connections of a lower number end when they next wait for a request.
    hung_up: watch::Sender<usize>,
}

/// A running server; dropping it stops it.
pub struct TestServer {
    /// Where it listens, on loopback.
    pub address: SocketAddr,
    state: Arc<State>,
    task: AbortHandle,
}

/// A card's server, and a call that keeps the venue's only connection busy, if the card needs that.
struct Playing {
    server: TestServer,
    occupying: Option<AbortHandle>,
}

impl Server for Playing {
    fn calls(&self) -> usize {
        self.server.calls() - usize::from(self.occupying.is_some())
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        if let Some(call) = &self.occupying {
            call.abort();
        }
    }
}

impl TestServer {
    /// What a card runs against: this server, and the venue that reaches it. With [`Behaviour::NotAccepting`] a call
    /// of another caller is under way then, which has the venue's only connection.
    pub async fn running(self, venue: Arc<dyn Venue>, target: Arc<Target>, behaviour: &Behaviour) -> Running {
        let mut playing = Playing { server: self, occupying: None };
        if *behaviour == Behaviour::NotAccepting {
            let (venue, endless) = (Arc::clone(&venue), call(&target, "occupies"));
            playing.occupying = Some(tokio::spawn(async move { venue.invoke(endless).await }).abort_handle());
            playing.server.until_calls(1).await;
        }
        Running { venue, target, server: Box::new(playing) }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl TestServer {
    /// Serves the script on a free port of loopback.
    ///
    /// # Panics
    /// When there is no free port, as every method does when the test has gone wrong.
    pub async fn start(script: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_with(usize::MAX, script).await
    }

    /// As `start`, but answers 413 to a larger body without reading it.
    ///
    /// # Panics
    /// As `start`.
    pub async fn start_with(max_body: usize, script: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State::default());
        let (shared, script): (_, Arc<Script>) = (Arc::clone(&state), Arc::new(script));
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                stream.set_nodelay(true).expect("a socket");
                let (state, script) = (Arc::clone(&shared), Arc::clone(&script));
                connections.spawn(async move { state.serve(stream, max_body, &*script).await });
            }
        });
        Self { address, state, task: task.abort_handle() }
    }

    /// Its address as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many calls have arrived whole.
    #[must_use]
    pub fn calls(&self) -> usize {
        *self.state.calls.borrow()
    }

    /// How many connections there were.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// The most connections that were open at once.
    #[must_use]
    pub fn most_open(&self) -> usize {
        self.state.most_open.load(Ordering::SeqCst)
    }

    /// Waits until that many calls have arrived.
    ///
    /// # Panics
    /// When it takes longer than [`PATIENCE`].
    pub async fn until_calls(&self, count: usize) {
        let mut calls = self.state.calls.subscribe();
        let reached = calls.wait_for(|calls| *calls >= count);
        timeout(PATIENCE, reached).await.expect("it arrives in time").expect("the server runs");
    }

    /// Waits until that many connections have ended, by whichever side.
    ///
    /// # Panics
    /// When it takes longer than [`PATIENCE`].
    pub async fn until_closed(&self, count: usize) {
        let mut closed = self.state.closed.subscribe();
        let reached = closed.wait_for(|closed| *closed >= count);
        timeout(PATIENCE, reached).await.expect("it is closed in time").expect("the server runs");
    }

    /// Closes the connections there are, once they are idle, and waits until they are.
    ///
    /// # Panics
    /// When it takes longer than [`PATIENCE`].
    pub async fn hang_up(&self) {
        let all = self.connections();
        self.state.hung_up.send_replace(all);
        self.until_closed(all).await;
    }

    /// What arrived with that call, from 0.
    ///
    /// # Panics
    /// When it has not arrived.
    #[must_use]
    pub fn received(&self, call: usize) -> Received {
        self.state.received.lock().expect("no panic")[call].clone()
    }
}

impl State {
    /// Serves one connection, counted from its first to its last moment.
    async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin, max_body: usize, script: &Script) {
        let number = self.connections.fetch_add(1, Ordering::SeqCst);
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_open.fetch_max(open, Ordering::SeqCst);
        self.converse(stream, number, max_body, script).await;
        self.open.fetch_sub(1, Ordering::SeqCst);
        self.closed.send_modify(|closed| *closed += 1);
    }

    /// Answers requests until either side ends the connection.
    async fn converse(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        number: usize,
        max_body: usize,
        script: &Script,
    ) {
        let mut hung_up = self.hung_up.subscribe();
        loop {
            let head = tokio::select! {
                head = read_head(&mut stream) => head,
                _ = hung_up.wait_for(|below| number < *below) => None,
            };
            let Some(mut request) = head else { return };
            let length = request.content_length();
            if length > max_body {
                return refuse(&mut stream).await;
            }
            request.body.resize(length, 0);
            if stream.read_exact(&mut request.body).await.is_err() {
                return;
            }
            let answer = {
                let mut received = self.received.lock().expect("no panic");
                request.call = received.len();
                received.push(request.clone());
                script(&request)
            };
            self.calls.send_modify(|calls| *calls += 1);
            if !perform(&mut stream, answer).await {
                return;
            }
        }
    }
}

/// Sends an answer; whether another request may follow.
async fn perform(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), answer: Answer) -> bool {
    match answer {
        Answer::Send(bytes) => stream.write_all(&bytes).await.is_ok(),
        Answer::After(work, bytes) => {
            tokio::time::sleep(work).await;
            stream.write_all(&bytes).await.is_ok()
        }
        Answer::Last(bytes) => {
            stream.write_all(&bytes).await.ok();
            stream.shutdown().await.ok();
            false
        }
        Answer::Drip(bytes) => {
            let mut sent = stream.write_all(&bytes).await.is_ok();
            while sent {
                tokio::time::sleep(Duration::from_millis(5)).await;
                sent = stream.write_all(b"x").await.is_ok();
            }
            false
        }
        Answer::Silence => {
            let mut rest = [0; 64];
            while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
            false
        }
    }
}

/// Answers 413, then reads what is still on its way, as servers do so that the answer is not lost.
async fn refuse(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    stream.write_all(&reply(413, &[("connection", "close")], "too large")).await.ok();
    stream.shutdown().await.ok();
    tokio::io::copy(stream, &mut tokio::io::sink()).await.ok();
}

async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<Received> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).expect("an ASCII head");
    Some(Received { head, call: usize::MAX, body: Vec::new() })
}

/// A well-formed reply.
#[must_use]
pub fn reply(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = head(status, headers, body.len());
    bytes.extend_from_slice(body);
    bytes
}

/// The head of a reply that announces `length` bytes.
#[must_use]
pub fn head(status: u16, headers: &[(&str, &str)], length: usize) -> Vec<u8> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("HTTP/1.1 {status} Status\r\n{headers}content-length: {length}\r\n\r\n").into_bytes()
}

/// Sends back the payload with its media type.
#[must_use]
pub fn echo(request: &Received) -> Answer {
    let content_type = request.header("content-type").unwrap_or("application/octet-stream");
    Answer::Send(reply(200, &[("content-type", content_type)], &request.body))
}
