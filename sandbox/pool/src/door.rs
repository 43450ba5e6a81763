//! Which request does what, and who may.

use std::sync::atomic::{AtomicBool, Ordering};

use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, Request};
use hyper::body::Incoming;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::PoolConfig;
use crate::reply::{self, Refusal, Reply};
use merit_sandbox::{Function, Limits, Sandbox};

pub(crate) struct Door {
    pub(crate) sandbox: Sandbox,
    pub(crate) limits: Limits,
    pub(crate) payload_bytes: usize,
    pub(crate) concurrency: u32,
    /// One permit a call, so that calls over the concurrency are refused before their body is read.
    pub(crate) calls: Semaphore,
    key_digest: Option<[u8; 32]>,
    closed: AtomicBool,
}

impl Door {
    pub(crate) fn new(sandbox: Sandbox, config: PoolConfig) -> Self {
        Self {
            sandbox,
            limits: config.limits,
            payload_bytes: config.payload_bytes,
            concurrency: config.concurrency,
            calls: Semaphore::new(config.concurrency as usize),
            key_digest: config.key.map(|key| Sha256::digest(key).into()),
            closed: AtomicBool::new(false),
        }
    }

    pub(crate) const fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Takes no more calls, on connections that are still open.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    pub(crate) async fn handle(&self, request: Request<Incoming>) -> Reply {
        let answered = match (request.method(), request.uri().path()) {
            (&Method::GET, "/healthz") => self.health(),
            (_, "/healthz") => Err(Refusal::MethodNotAllowed("GET")),
            _ => match self.authorize(request.headers()) {
                Ok(()) => self.authorized(request).await,
                Err(refusal) => Err(refusal),
            },
        };
        answered.unwrap_or_else(|refusal| reply::refused(&refusal))
    }

    async fn authorized(&self, request: Request<Incoming>) -> Result<Reply, Refusal> {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/functions") => Ok(self.list()),
            (_, "/functions") => Err(Refusal::MethodNotAllowed("GET")),
            (&Method::POST, _) if self.is_closed() => Err(Refusal::Draining),
            (&Method::POST, _) => self.call(request).await,
            _ => Err(Refusal::MethodNotAllowed("POST")),
        }
    }

    /// Compares digests, whose difference tells nothing about the key.
    fn authorize(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(wanted) = &self.key_digest else { return Ok(()) };
        let given = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let allowed = given.is_some_and(|key| Sha256::digest(key)[..] == wanted[..]);
        if allowed { Ok(()) } else { Err(Refusal::Unauthorized) }
    }

    fn health(&self) -> Result<Reply, Refusal> {
        if self.is_closed() {
            return Err(Refusal::Draining);
        }
        Ok(reply::json(
            &json!({ "status": "ok", "concurrency": self.concurrency, "free": self.calls.available_permits() }),
        ))
    }

    fn list(&self) -> Reply {
        let describe = |function: &Function| {
            json!({
                "name": function.name().as_str(),
                "sha256": function.sha256(),
                "bytes": function.module_bytes(),
            })
        };
        let functions: Vec<_> = self.sandbox.functions().iter().map(describe).collect();
        reply::json(&json!({ "functions": functions }))
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }
}
