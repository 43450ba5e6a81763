//! One connection to the pool's door.
//!
//! A stranger's has [`PoolConfig::stranger_idle`](crate::PoolConfig::stranger_idle) for each request's head, and may be
//! closed for others ([`merit_linger::Strangers`]); one on which a request was allowed may be idle for [`IDLE`].

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use merit_linger::{Linger, Lingering, Stranger};
use tokio::sync::{Semaphore, watch};

use crate::door::Door;

/// How long a connection may take over its next request's head, idle time included.
const IDLE: Duration = Duration::from_secs(90);
/// How long one that has to go may take to send the answer it is at.
const FAREWELL: Duration = Duration::from_secs(1);

/// How a pool's connections linger: a sixteenth of them at once; more are closed in their clients' faces.
pub(crate) fn linger(connections: usize, timeout: Duration) -> Arc<Linger> {
    Arc::new(Linger { places: Arc::new(Semaphore::new(connections.div_ceil(16))), timeout })
}

/// Serves one connection to its end.
pub(crate) async fn serve(door: Arc<Door>, stream: Lingering, from: IpAddr, mut stopping: watch::Receiver<bool>) {
    let (stranger, asking) = (door.strangers.enter(from), AtomicBool::new(false));
    let service = service_fn(|request| async {
        asking.store(true, Ordering::Relaxed);
        stranger.asks();
        let reply = door.handle(request, &stranger).await;
        asking.store(false, Ordering::Relaxed);
        stranger.asks();
        Ok::<_, std::convert::Infallible>(reply)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(IDLE);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let stopped = async move { drop(stopping.wait_for(|stop| *stop).await) };
    let too_still = still(&stranger, &asking, door.stranger_idle);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = stopped => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = stranger.sent_away() => {
            connection.as_mut().graceful_shutdown();
            // What it asks is refused now, and this is how long the refusal may take.
            tokio::time::timeout(FAREWELL, connection).await.unwrap_or(Ok(()))
        }
        () = too_still => Ok(()),
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Ends when a stranger has asked nothing for as long as it may.
async fn still(stranger: &Stranger, asking: &AtomicBool, most: Duration) {
    loop {
        let number = stranger.number();
        tokio::time::sleep(most).await;
        if number.is_none() {
            return std::future::pending().await;
        }
        if number == stranger.number() && !asking.load(Ordering::Relaxed) {
            return;
        }
    }
}
