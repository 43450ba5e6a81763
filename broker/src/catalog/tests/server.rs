//! An HTTP server of one page that answers by a script, byte by byte, and breaks off when told to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What the last request's body is kept as, among its headers.
pub(super) const BODY: &str = "(body)";

/// One answer.
pub(super) struct Answer {
    status: &'static str,
    headers: String,
    body: Vec<u8>,
    /// What `Content-Length` says.
    length: usize,
    silent: bool,
}

impl Answer {
    fn new(status: &'static str, body: Vec<u8>) -> Self {
        Self { status, headers: String::new(), length: body.len(), body, silent: false }
    }

    pub(super) fn ok(body: Vec<u8>) -> Self {
        Self::new("200 OK", body)
    }

    pub(super) fn partial(body: Vec<u8>) -> Self {
        Self::new("206 Partial Content", body)
    }

    pub(super) fn status(status: u16) -> Self {
        let line = match status {
            304 => "304 Not Modified",
            403 => "403 Forbidden",
            404 => "404 Not Found",
            429 => "429 Too Many Requests",
            500 => "500 Internal Server Error",
            503 => "503 Service Unavailable",
            other => panic!("no line for {other}"),
        };
        Self::new(line, Vec::new())
    }

    /// A refusal of AWS's, by its name.
    pub(super) fn named(name: &str) -> Self {
        let body = format!(r#"{{"__type":"com.amazon.coral.service#{name}","message":"so it is"}}"#);
        Self::new("400 Bad Request", body.into_bytes())
    }

    pub(super) fn redirect(to: &str) -> Self {
        Self::new("302 Found", Vec::new()).header("Location", to)
    }

    pub(super) fn silence() -> Self {
        Self { silent: true, ..Self::ok(Vec::new()) }
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// Promises this many bytes and closes before.
    pub(super) fn cut_short_of(self, length: usize) -> Self {
        Self { length, ..self }
    }
}

#[derive(Default)]
struct Shared {
    script: Mutex<VecDeque<Answer>>,
    last: Mutex<BTreeMap<String, String>>,
    targets: Mutex<Vec<String>>,
}

pub(super) struct Server {
    shared: Arc<Shared>,
    pub(super) url: String,
}

impl Server {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared::default());
        let serving = Arc::clone(&shared);
        drop(tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                drop(tokio::spawn(answer(stream, Arc::clone(&serving))));
            }
        }));
        Self { shared, url }
    }

    pub(super) fn then(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.script.lock().unwrap().extend(answers);
    }

    /// Forgets the answers that nobody asked for.
    pub(super) fn clear(&self) {
        self.shared.script.lock().unwrap().clear();
    }

    /// What was asked for since this was last asked, in order.
    pub(super) fn targets(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.targets.lock().unwrap())
    }

    /// A header of the last request, or its body as [`BODY`].
    pub(super) fn last(&self, header: &str) -> Option<String> {
        self.shared.last.lock().unwrap().get(header).cloned()
    }
}

async fn answer(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    shared.targets.lock().unwrap().push(target);
    let headers = head.lines().filter_map(|line| line.split_once(": "));
    let mut last: BTreeMap<String, String> =
        headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    let mut body = vec![0; last.get("content-length").map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.unwrap();
    last.insert(BODY.to_owned(), String::from_utf8(body).unwrap());
    *shared.last.lock().unwrap() = last;
    let answer = shared.script.lock().unwrap().pop_front();
    let Some(Answer { status, headers, body, length, silent }) = answer else { return };
    if silent {
        std::future::pending::<()>().await;
    }
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n");
    // A client that has read enough may be gone.
    drop(stream.write_all(head.as_bytes()).await);
    drop(stream.write_all(&body).await);
    drop(stream.shutdown().await);
}
