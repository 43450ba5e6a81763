//! A venue whose functions are known by name: what each does is in [`answer`].

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// The running venue.
pub(crate) struct Functions {
    address: SocketAddr,
    state: Arc<State>,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    /// Function by function, the payloads it was called with.
    seen: Mutex<Vec<(String, Bytes)>>,
    /// How often the client asked for the next piece of a stream.
    released: watch::Sender<usize>,
}

impl Functions {
    /// Listens on any port.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port can be bound");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(State::default());
        let server = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self { address, state, server }
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// What a function was called with, in order.
    pub(crate) fn seen(&self, function: &str) -> Vec<Bytes> {
        let seen = self.state.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|(name, _)| name == function).map(|(_, payload)| payload.clone()).collect()
    }
}

impl Drop for Functions {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.expect("connections can be accepted");
        let state = Arc::clone(&state);
        let service = service_fn(move |request| serve(Arc::clone(&state), request));
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        while connections.try_join_next().is_some() {}
    }
}

type Answer = Response<BoxBody<Bytes, Infallible>>;

async fn serve(state: Arc<State>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let (head, body) = request.into_parts();
    let payload = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let name = head.uri.path().trim_start_matches('/').to_owned();
    state.seen.lock().unwrap_or_else(PoisonError::into_inner).push((name.clone(), payload.clone()));
    Ok(answer(&name, payload, &state))
}

fn answer(name: &str, payload: Bytes, state: &State) -> Answer {
    let whole = |status: u16, text: Bytes| {
        let mut response = Response::new(Full::new(text).boxed());
        *response.status_mut() = status.try_into().expect("a status");
        response
    };
    match name {
        "raises" => whole(500, Bytes::from_static(br#"{"errorType":"ValueError","errorMessage":"no such order"}"#)),
        "throttled" => whole(429, Bytes::new()),
        "streams" => Response::new(pieces(state)),
        // Asked by the client itself: the next piece may go.
        "release" => {
            state.released.send_modify(|released| *released += 1);
            whole(200, Bytes::new())
        }
        _ => whole(200, payload),
    }
}

/// Three pieces; the second and third go when the client has asked for them, and so has seen the one before.
fn pieces(state: &State) -> BoxBody<Bytes, Infallible> {
    let released = state.released.subscribe();
    let pieces = stream::iter(0..3_usize).then(move |number| {
        let mut released = released.clone();
        async move {
            released.wait_for(|released| *released >= number).await.expect("the state lives");
            Ok(Frame::data(Bytes::from(format!("piece {number};"))))
        }
    });
    BodyExt::boxed(StreamBody::new(pieces))
}
