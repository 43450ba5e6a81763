//! What the two servers of the harness share: a bare hyper HTTP/1 server on a loopback port,
//! which says on stdout where it listens.

use std::convert::Infallible;
use std::net::SocketAddr;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::report;

/// Serves until the process is ended.
///
/// # Errors
/// When the port can't be bound or the address can't be announced.
pub async fn serve<S, F>(port: u16, service: S) -> anyhow::Result<()>
where
    S: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await?;
    report::line(&format!("listening on {}", listener.local_addr()?))?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = service.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let reply = service(request);
                async move { Ok::<_, Infallible>(reply.await) }
            });
            // A client that goes away ends its connection; there is nothing to do about it.
            let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
