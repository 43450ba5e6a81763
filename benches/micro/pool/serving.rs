//! Pools that serve, in this process or in one of their own, and clients of theirs.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use hdrhistogram::Histogram;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use merit_load::{clock, report};
use merit_pool::{DEADLINE_MS, Pool, PoolConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A pool that serves until it is stopped.
pub(crate) struct Serving {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Serving {
    /// Loads its functions and listens on any port.
    pub(crate) async fn start(config: &PoolConfig) -> anyhow::Result<Self> {
        let pool = Pool::try_new(config)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(pool.serve(listener, async { drop(stopped.await) }));
        Ok(Self { address, stop, served })
    }

    /// A connection to it.
    pub(crate) async fn client(&self) -> anyhow::Result<Client> {
        Client::connect(self.address).await
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it; its clients must be gone.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        drop(self.served.await);
    }
}

/// The argument that makes this program a pool of a folder.
pub(crate) const SERVE: &str = "serve";

/// A pool in a process of its own, as pools are: its callers share neither its threads nor its control group.
pub(crate) struct Apart {
    process: Child,
    address: SocketAddr,
}

impl Apart {
    /// Starts this program as a pool of what is in a folder.
    pub(crate) fn start(folder: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut process =
            command.arg(SERVE).arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("a pool")?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("piped")?).read_line(&mut line)?;
        let address = line.trim().parse().with_context(|| format!("the pool said {line:?}"))?;
        Ok(Self { process, address })
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it; its clients must be gone.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        drop(self.process.stdin.take());
        ensure!(self.process.wait()?.success(), "the pool failed");
        Ok(())
    }
}

/// What [`Apart`] starts: says where it listens, and serves until its input ends.
pub(crate) async fn serve(config: &PoolConfig) -> anyhow::Result<()> {
    let pool = Serving::start(config).await?;
    report::line(&pool.address().to_string())?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    pool.stop().await;
    Ok(())
}

/// A reply, and how long it took in nanoseconds.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) took: u64,
}

/// A connection that is kept.
pub(crate) struct Client(SendRequest<Full<Bytes>>);

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self(client))
    }

    /// Calls a function, and waits until the whole reply is there.
    pub(crate) async fn call(&mut self, function: &str, payload: &Bytes, deadline_ms: u64) -> anyhow::Result<Reply> {
        let request = Request::post(format!("/{function}")).header("host", "pool").header(DEADLINE_MS, deadline_ms);
        let request = request.body(Full::new(payload.clone()))?;
        let start = clock::now();
        self.0.ready().await?;
        let response = self.0.send_request(request).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Reply { status: head.status, headers: head.headers, body, took: clock::now() - start })
    }

    /// A call that must succeed: how many nanoseconds it took.
    pub(crate) async fn succeed(&mut self, function: &str, payload: &Bytes) -> anyhow::Result<u64> {
        let Reply { status, body, took, .. } = self.call(function, payload, 60_000).await?;
        ensure!(status == StatusCode::OK, "{function}: {status}: {}", String::from_utf8_lossy(&body));
        Ok(took)
    }
}

/// Nanoseconds, up to ten seconds.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(10 * clock::SECOND, 3).expect("invariant: the bounds are valid")
}

/// A quantile in microseconds.
pub(crate) fn micros(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1000.0
}
