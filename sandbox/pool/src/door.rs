//! Which request does what, and who may.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, Request};
use hyper::body::Incoming;
use merit_linger::{Stranger, Strangers};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::PoolConfig;
use crate::driver::Driver;
use crate::reply::{self, Refusal, Reply};
use crate::runner::Runner;
use crate::schedule::FunctionIndex;
use crate::sign::Signer;
use crate::unverified::Unverified;

/// Seconds since 1970.
pub(crate) type Clock = fn() -> u64;

/// A function of the pool.
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) index: FunctionIndex,
    pub(crate) runner: Arc<dyn Runner>,
}

pub(crate) struct Door {
    /// In order of their names.
    pub(crate) functions: Vec<Function>,
    pub(crate) driver: Arc<Driver>,
    pub(crate) payload_bytes: usize,
    pub(crate) signer: Option<Signer>,
    pub(crate) clock: Clock,
    pub(crate) unverified: Unverified,
    pub(crate) strangers: Arc<Strangers>,
    pub(crate) stranger_idle: Duration,
    key_digest: Option<[u8; 32]>,
    closed: AtomicBool,
}

impl Door {
    pub(crate) fn new(functions: Vec<Function>, driver: Arc<Driver>, config: &PoolConfig) -> Self {
        Self {
            functions,
            driver,
            payload_bytes: config.payload_bytes,
            signer: None,
            clock: || 0,
            unverified: Unverified::new(config.unverified_bytes.max(config.payload_bytes)),
            strangers: Strangers::new(config.strangers, config.strangers_per_address),
            stranger_idle: config.stranger_idle,
            key_digest: config.key.as_ref().map(|key| Sha256::digest(key).into()),
            closed: AtomicBool::new(false),
        }
    }

    /// Takes no more calls, on connections that are still open.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    pub(crate) async fn handle(&self, request: Request<Incoming>, stranger: &Stranger) -> Reply {
        let answered = match (request.method(), request.uri().path()) {
            (&Method::GET, "/healthz") => self.health(),
            (_, "/healthz") => Err(Refusal::MethodNotAllowed("GET")),
            _ => match self.authorize(request.headers()) {
                Ok(()) => self.authorized(request, stranger).await,
                Err(refusal) => Err(refusal),
            },
        };
        answered.unwrap_or_else(|refusal| reply::refused(&refusal))
    }

    async fn authorized(&self, request: Request<Incoming>, stranger: &Stranger) -> Result<Reply, Refusal> {
        if self.signer.is_none() && !stranger.introduce() {
            return Err(Refusal::Crowded);
        }
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/functions") if self.signer.is_none() => Ok(self.list()),
            (_, "/functions") => Err(Refusal::MethodNotAllowed("GET")),
            _ => self.call(request, stranger).await,
        }
    }

    /// Compares digests, whose difference tells nothing about the key.
    fn authorize(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(wanted) = &self.key_digest else { return Ok(()) };
        let given = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let allowed = given.is_some_and(|key| Sha256::digest(key)[..] == wanted[..]);
        if allowed { Ok(()) } else { Err(Refusal::Unauthorized) }
    }

    pub(crate) fn function(&self, name: &str) -> Option<&Function> {
        let at = self.functions.binary_search_by(|function| function.name.as_str().cmp(name)).ok()?;
        self.functions.get(at)
    }

    pub(crate) fn unknown(&self, name: &str) -> Refusal {
        let name: String = name.chars().take(80).collect();
        let names = self.functions.iter().map(|function| function.name.as_str());
        let near: Vec<&str> = names.filter(|known| strsim::jaro_winkler(known, &name) > 0.8).collect();
        let hint = if near.is_empty() { String::new() } else { format!("; did you mean `{}`?", near.join("` or `")) };
        Refusal::NotFound(format!("no function `{name}` is here{hint}"))
    }

    fn health(&self) -> Result<Reply, Refusal> {
        if self.is_closed() {
            return Err(Refusal::Draining);
        }
        let load = self.driver.load();
        Ok(reply::json(&json!({
            "status": "ok",
            "concurrency": load.calls,
            "free": load.calls - load.running,
            "waiting": load.waiting,
            "instances": load.instances,
        })))
    }

    fn list(&self) -> Reply {
        let functions = self.functions.iter().map(|function| {
            let mut described = function.runner.describe();
            described["name"] = json!(function.name);
            described
        });
        reply::json(&json!({ "functions": functions.collect::<Vec<_>>() }))
    }
}
