//! Pools that serve in this process, and clients of theirs.

use std::net::SocketAddr;

use anyhow::ensure;
use bytes::Bytes;
use hdrhistogram::Histogram;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use merit_load::clock;
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

    /// Calls a function: the status, and nanoseconds until the whole reply was there.
    pub(crate) async fn call(
        &mut self,
        function: &str,
        payload: &Bytes,
        deadline_ms: u64,
    ) -> anyhow::Result<(StatusCode, Bytes, u64)> {
        let request = Request::post(format!("/{function}")).header("host", "pool").header(DEADLINE_MS, deadline_ms);
        let request = request.body(Full::new(payload.clone()))?;
        let start = clock::now();
        self.0.ready().await?;
        let response = self.0.send_request(request).await?;
        let status = response.status();
        let reply = response.into_body().collect().await?.to_bytes();
        Ok((status, reply, clock::now() - start))
    }

    /// A call that must succeed: how many nanoseconds it took.
    pub(crate) async fn succeed(&mut self, function: &str, payload: &Bytes) -> anyhow::Result<u64> {
        let (status, reply, took) = self.call(function, payload, 60_000).await?;
        ensure!(status == StatusCode::OK, "{function}: {status}: {}", String::from_utf8_lossy(&reply));
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
