//! The baseline: a reverse proxy that does nothing but pass calls through, on bare hyper
//! connections from a pool. What Merit costs is what it takes beyond this.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use anyhow::Context;
use bytes::Bytes;
use clap::Parser;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use merit_load::server;
use tokio::net::TcpStream;

/// Passes every request on to one upstream.
#[derive(Parser)]
struct Args {
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Where to.
    #[arg(long)]
    upstream: SocketAddr,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

/// Idle connections to the upstream; the last one put back is the first one taken.
struct Pool {
    upstream: SocketAddr,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

impl Pool {
    async fn take(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        loop {
            let idle = self.idle.lock().expect("invariant: nothing panics under the lock").pop();
            match idle {
                Some(connection) if connection.is_closed() => {}
                Some(connection) => return Ok(connection),
                None => return self.connect().await,
            }
        }
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.upstream).await?;
        stream.set_nodelay(true)?;
        let (connection, driver) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(driver);
        Ok(connection)
    }

    /// Both bodies are read whole, as Merit reads them, to hold a call against its limits.
    async fn pass(&self, request: Request<Incoming>) -> anyhow::Result<Response<Full<Bytes>>> {
        let (head, body) = request.into_parts();
        let payload = body.collect().await?.to_bytes();
        let mut connection = self.take().await?;
        connection.ready().await?;
        let reply = connection.send_request(Request::from_parts(head, Full::new(payload))).await;
        let (head, body) = reply.context("failed to pass the request on")?.into_parts();
        let body = body.collect().await?.to_bytes();
        self.idle.lock().expect("invariant: nothing panics under the lock").push(connection);
        Ok(Response::from_parts(head, Full::new(body)))
    }
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let pool = Arc::new(Pool { upstream: args.upstream, idle: Mutex::default() });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(args.threads).enable_all().build()?;
    runtime.block_on(server::serve(args.port, move |request| {
        let pool = Arc::clone(&pool);
        async move {
            pool.pass(request).await.unwrap_or_else(|error| {
                let mut reply = Response::new(Full::from(error.to_string()));
                *reply.status_mut() = StatusCode::BAD_GATEWAY;
                reply
            })
        }
    }))
}
