//! The listening socket: accepts connections, puts each on a lane, sends invocations down the fast
//! path and everything else to the control API, and drains when told to stop.
//!
//! Invocations are served by bare hyper; axum serves the rest (docs/adr/0007). A connection
//! that ends early never leaves a hold behind: the stages settle in `Drop` (see `dispatch`).
//! One that becomes a WebSocket leaves both, and is no longer among `server.max_connections`.
//! Connections of strangers are bounded apart ([`crate::guest`]).
//! What a client still sends when its connection is ended here is read and thrown away (`merit-linger`).
//! A client that closes its sending side is taken to have gone, as every server does that can
//! tell a call's caller is lost before the call has ended.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use merit_linger::{Linger, Lingering, Strangers};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use crate::Broker;
use crate::doors::{aws, control, native, plain};
use crate::guest::{FAREWELL, Guest};
use crate::lanes::{self, Lanes};

type Reply = Response<Either<Full<Bytes>, axum::body::Body>>;

/// How often a drain looks whether calls without a connection have ended: those with an idempotency key.
const DRAIN_POLL: Duration = Duration::from_millis(10);

/// How long calls that were cut have to settle: they only have to be dropped.
const CUT_TIMEOUT: Duration = Duration::from_secs(1);

/// Limits of the socket.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Connections open at once; further ones wait in the kernel's backlog.
    pub max_connections: usize,
    /// Connections of which nobody knows yet whose they are.
    pub max_strangers: usize,
    /// How long a client may take to send a request's headers.
    pub header_timeout: Duration,
    /// How long what a client still sends is thrown away after its connection was ended here.
    pub linger_timeout: Duration,
    /// How long calls in flight may take to end after `shutdown`.
    pub drain_timeout: Duration,
}

impl ServerLimits {
    /// How many strangers there may be: never more than half of all.
    fn strangers(&self) -> usize {
        self.max_strangers.min(self.max_connections / 2).max(1)
    }
}

/// Serves until `shutdown` completes, then drains. Returns how many connections had to be cut. Every
/// call has been settled then.
pub async fn serve(
    broker: Arc<Broker>,
    listener: TcpListener,
    limits: ServerLimits,
    lanes: Lanes,
    shutdown: impl Future<Output = ()>,
) -> usize {
    let control = Control { router: control::router(Arc::clone(&broker)), shared: Handle::current() };
    let connections = Arc::new(Semaphore::new(limits.max_connections));
    // Not among the connections: those that are sent away would take the places of those they made room for.
    let lingering = Arc::new(Semaphore::new(limits.max_connections.div_ceil(16)));
    let linger = Arc::new(Linger { places: lingering, timeout: limits.linger_timeout });
    let strangers = Strangers::new(limits.strangers(), limits.strangers());
    let draining = watch::Sender::new(false);
    let mut tasks = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &connections) => accepted,
            () = &mut shutdown => break,
        };
        let Some((stream, from, permit)) = accepted else { continue };
        let (place, guest) = (lanes.place(), Guest::new(strangers.enter(from)));
        let lane = place.lane.clone();
        let (broker, control, linger) = (Arc::clone(&broker), control.clone(), Arc::clone(&linger));
        let connection = Connection { broker, control, guest, linger, draining: draining.subscribe() };
        tasks.spawn_on(
            async move {
                if let Err(error) = connection.serve(stream, limits.header_timeout).await {
                    tracing::debug!(%error, "connection ended early");
                }
                drop((permit, place));
            },
            &lane,
        );
        while tasks.try_join_next().is_some() {}
    }
    drop(listener);
    broker.start_draining();
    let drained = async {
        draining.send_replace(true);
        draining.closed().await;
        idle(&broker).await;
    };
    if tokio::time::timeout(limits.drain_timeout, drained).await.is_ok() {
        return 0;
    }
    let cut = limits.max_connections - connections.available_permits();
    tasks.shutdown().await;
    broker.cut_calls();
    if tokio::time::timeout(CUT_TIMEOUT, idle(&broker)).await.is_err() {
        tracing::error!("calls that were cut have not settled");
    }
    cut
}

/// A connection that was accepted.
struct Connection {
    broker: Arc<Broker>,
    control: Control,
    guest: Arc<Guest>,
    linger: Arc<Linger>,
    draining: watch::Receiver<bool>,
}

impl Connection {
    /// Serves it to its end.
    async fn serve(self, stream: std::net::TcpStream, header_timeout: Duration) -> io::Result<()> {
        let Self { broker, control, guest, linger, mut draining } = self;
        // From here on this lane's event loop wakes the connection.
        let stream = Lingering::new(TcpStream::from_std(stream)?, linger);
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(header_timeout)
                .serve_connection(TokioIo::new(stream), service(broker, control, Arc::clone(&guest)))
                .with_upgrades()
        );
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            _ = draining.changed() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            () = guest.sent_away() => {
                connection.as_mut().graceful_shutdown();
                // A call that was let in meanwhile runs to its end.
                match tokio::time::timeout(FAREWELL, connection.as_mut()).await {
                    Ok(ended) => ended,
                    Err(_) if guest.is_known() => connection.await,
                    Err(_) => Ok(()),
                }
            }
        };
        ended.map_err(io::Error::other)
    }
}

/// Waits until no call is in flight and every reader of market data has heard that it is over.
async fn idle(broker: &Broker) {
    while broker.in_flight.load(Ordering::Relaxed) > 0 || broker.feed.connections() > 0 {
        tokio::time::sleep(DRAIN_POLL).await;
    }
}

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> Option<(std::net::TcpStream, IpAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(connections).acquire_owned().await.ok()?;
    let accepted = listener.accept().await.and_then(|(stream, from)| {
        stream.set_nodelay(true).ok();
        Ok((stream.into_std()?, from.ip()))
    });
    match accepted {
        Ok((stream, from)) => Some((stream, from, permit)),
        Err(error) => {
            // Out of file descriptors, most likely: leave the others time to end.
            tracing::warn!(%error, "failed to accept a connection");
            tokio::time::sleep(Duration::from_millis(20)).await;
            None
        }
    }
}

fn service(
    broker: Arc<Broker>,
    control: Control,
    guest: Arc<Guest>,
) -> impl hyper::service::Service<
    Request<Incoming>,
    Response = Reply,
    Error = Infallible,
    Future = impl Future<Output = Result<Reply, Infallible>> + Send,
> {
    service_fn(move |mut request: Request<Incoming>| {
        guest.asks(&mut request);
        let broker = Arc::clone(&broker);
        // The router is only cloned for the requests that need it.
        let door = if invoked_function(&request).is_some() {
            Door::Native
        } else if plain::parts_of(request.uri().path()).is_some() {
            Door::Plain
        } else if aws::is_asked(&request) {
            Door::Aws
        } else {
            Door::Control(control.clone())
        };
        async move {
            match door {
                Door::Native => Ok(native::invoke(broker, request).await.map(Either::Left)),
                Door::Plain => Ok(plain::serve(broker, request).await.map(Either::Left)),
                Door::Aws => Ok(aws::serve(broker, request).await),
                Door::Control(Control { router, shared }) => {
                    let answer = router.oneshot(request.map(axum::body::Body::new));
                    lanes::aside(&shared, answer).await.map(|reply| reply.map(Either::Right))
                }
            }
        }
    })
}

/// Whose request it is.
enum Door {
    Native,
    Plain,
    Aws,
    Control(Control),
}

/// The control API, and where it runs: it may take longer than calls should wait.
#[derive(Clone)]
struct Control {
    router: Router,
    shared: Handle,
}

/// The function a request invokes on the native door, still percent-encoded.
pub(crate) fn invoked_function<B>(request: &Request<B>) -> Option<&str> {
    if request.method() == Method::POST { function_of_path(request.uri().path()) } else { None }
}

/// The function that a path's invocations belong to.
pub(crate) fn function_of_path(path: &str) -> Option<&str> {
    let name = path.strip_prefix("/v1/functions/")?.strip_suffix("/invocations")?;
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_post_to_invocations_takes_the_fast_path() {
        let function = |method: &str, path: &str| {
            let request = Request::builder().method(method).uri(path).body(()).unwrap();
            invoked_function(&request).map(str::to_owned)
        };
        assert_eq!(function("POST", "/v1/functions/thumbnail/invocations"), Some("thumbnail".to_owned()));
        assert_eq!(function("POST", "/v1/functions/thumbnail/invocations?x=1"), Some("thumbnail".to_owned()));
        assert_eq!(function("GET", "/v1/functions/thumbnail/invocations"), None);
        assert_eq!(function("POST", "/v1/functions//invocations"), None);
        assert_eq!(function("POST", "/v1/functions/a/b/invocations"), None);
        assert_eq!(function("POST", "/v1/functions/thumbnail/quotes"), None);
    }
}
