//! The listener: one HTTP/1.1 port for all clouds, each under its own path.
//!
//! | path | what |
//! |---|---|
//! | `POST /{cloud}/{function}` | a call |
//! | `/{cloud}/2015-03-31/...` and the like | the provider's own API, where the cloud speaks it |
//! | `/_sim/...` | state, bills and controls, see `admin` |
//! | `GET /livez` | 200 |

mod admin;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::clock::SimClock;
use crate::cloud::Cloud;
use crate::config::{Protocol, SimConfig, SimError, TimeScale};
use crate::executor::Executor;
use crate::protocol::body::{Body, Cut, whole};
use crate::protocol::{azure, fc, google, knative, lambda, native, openfaas, scf, workers};

/// How long to wait when no connection can be accepted, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The clouds of one process.
pub(crate) struct Sim {
    seed: u64,
    time_scale: TimeScale,
    clouds: BTreeMap<String, Arc<Cloud>>,
}

/// Plays the clouds of `config` on `listener` until `shutdown`; calls under way are cut then.
///
/// # Errors
/// [`SimError`] when the configuration asks for what can't be played. Nothing is served then.
pub async fn serve(
    listener: TcpListener,
    config: SimConfig,
    executor: Arc<dyn Executor>,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), SimError> {
    let sim = Arc::new(Sim::open(config, &executor)?);
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => return Ok(()),
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { connections.spawn(converse(Arc::clone(&sim), stream)); }
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a connection; trying again");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

async fn converse(sim: Arc<Sim>, stream: TcpStream) {
    // Replies are small and each is waited for: Nagle's algorithm would hold them back.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "failed to set TCP_NODELAY");
    }
    // Not what the client calls it: Google's own say `Host: run.googleapis.com` wherever they are sent.
    let at = stream.local_addr().ok();
    let service = service_fn(|mut request: Request<Incoming>| {
        if let Some(at) = at {
            request.extensions_mut().insert(at);
        }
        route(Arc::clone(&sim), request)
    });
    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "connection ended");
    }
}

async fn route(sim: Arc<Sim>, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
    let path = request.uri().path().to_owned();
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    if let Some(cloud) = sim.clouds.get(first) {
        let rest = path.find(first).and_then(|at| path.get(at + first.len()..)).unwrap_or_default();
        match &cloud.config.protocol {
            Protocol::Lambda(account) => return lambda::serve(cloud, account, rest, request).await,
            Protocol::Fc(account) => return fc::serve(cloud, account, rest, request).await,
            Protocol::Google(project) => return google::serve(cloud, project, rest, request).await,
            Protocol::Azure(app) => return azure::serve(cloud, app, rest, request).await,
            Protocol::Scf(account) => return scf::serve(cloud, account, request).await,
            Protocol::Workers(gate) => return workers::serve(cloud, gate, rest, request).await,
            Protocol::OpenFaas(gateway) => return openfaas::serve(cloud, gateway, rest, request).await,
            Protocol::Knative(ingress) => return knative::serve(cloud, ingress, rest, request).await,
            Protocol::Native => {}
        }
    }
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match segments.as_slice() {
        ["livez"] => Ok(Response::new(whole(bytes::Bytes::from_static(b"ok\n")))),
        ["_sim", rest @ ..] => Ok(admin::serve(&sim, rest, request).await.map(whole)),
        [cloud, function] => match sim.clouds.get(*cloud) {
            Some(cloud) => native::serve(cloud, function, request).await,
            None => Ok(unknown_cloud(&sim, cloud).map(whole)),
        },
        _ => {
            let message = "calls go to /{cloud}/{function}, controls to /_sim/clouds";
            Ok(native::refusal(StatusCode::NOT_FOUND, "NotFound", message).map(whole))
        }
    }
}

fn unknown_cloud(sim: &Sim, name: &str) -> Response<bytes::Bytes> {
    let names: Vec<&str> = sim.clouds.keys().map(String::as_str).collect();
    let message = format!("no cloud `{name}` here; there are {}", names.join(", "));
    native::refusal(StatusCode::NOT_FOUND, "CloudNotFound", &message)
}

impl Sim {
    /// Opens every cloud.
    ///
    /// # Errors
    /// [`SimError`] naming everything that can't be played.
    pub(crate) fn open(config: SimConfig, executor: &Arc<dyn Executor>) -> Result<Self, SimError> {
        let models = config.models()?;
        let SimConfig { seed, time_scale, clouds } = config;
        let clock = SimClock::start(time_scale);
        let clouds = clouds.into_iter().zip(models).map(|(cloud, model)| {
            let name = cloud.name.to_string();
            (name, Arc::new(Cloud::open(cloud, model, seed, clock, Arc::clone(executor))))
        });
        Ok(Self { seed, time_scale, clouds: clouds.collect() })
    }
}
