//! WebAssembly: every call has an instance of its own, which takes microseconds to make.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use merit_sandbox::{Function, GuestError, Limits, Run, Sandbox};
use merit_units::{MemoryMb, Micros};
use serde_json::json;

use super::{Call, Failed, Instance, Ran, Reply, Runner, Used};
use crate::config::Wasm;
use crate::schedule::Shape;

/// A loaded module or component.
#[derive(Clone)]
pub(crate) struct WasmRunner {
    sandbox: Sandbox,
    function: Function,
    limits: Limits,
}

impl WasmRunner {
    pub(crate) const fn new(sandbox: Sandbox, function: Function, limits: Wasm) -> Self {
        let Wasm { memory, wall, cpu, output_bytes } = limits;
        Self { sandbox, function, limits: Limits { memory, wall, cpu, output_bytes } }
    }

    async fn run(&self, call: Call) -> Ran {
        let Call { method, path, headers, payload, timeout, .. } = call;
        let limits = Limits { wall: self.limits.wall.min(timeout), ..self.limits };
        let mut request = Request::new(payload);
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap_or_default();
        *request.headers_mut() = headers;
        match self.sandbox.handle(&self.function, request, limits).await {
            Ok(run) => ran(run),
            // The scheduler admits no more calls than there are slots, so this is a call that was given up and
            // whose slot is not yet free.
            Err(error) => Ran {
                outcome: Err(Failed {
                    kind: "Busy".to_owned(),
                    message: error.to_string(),
                    document: None,
                    not_started: true,
                }),
                used: Used::default(),
                log: String::new(),
                gone: false,
            },
        }
    }
}

fn ran(run: Run) -> Ran {
    let used = Used { wall: run.usage.wall, cpu: run.usage.cpu, memory_peak: Some(run.usage.memory_peak) };
    let outcome = match (run.outcome, run.head) {
        (Ok(body), Some(head)) => Ok(Reply { status: head.status, headers: head.headers, body }),
        (Ok(body), None) => {
            let plain = HeaderValue::from_static("application/octet-stream");
            Ok(Reply { status: StatusCode::OK, headers: HeaderMap::from_iter([(CONTENT_TYPE, plain)]), body })
        }
        (Err(error), _) => Err(failed(&error)),
    };
    Ran { outcome, used, log: run.log_tail, gone: false }
}

fn failed(error: &GuestError) -> Failed {
    Failed { kind: error.kind().to_owned(), message: error.to_string(), document: None, not_started: false }
}

impl Instance for WasmRunner {
    fn invoke(&self, call: Call) -> BoxFuture<'_, Ran> {
        self.run(call).boxed()
    }

    fn stop(self: Arc<Self>) -> BoxFuture<'static, ()> {
        std::future::ready(()).boxed()
    }
}

impl Runner for WasmRunner {
    fn shape(&self) -> Shape {
        Shape { memory: self.limits.memory.bytes(), concurrency: 1, instances: u32::MAX, kept: false }
    }

    fn isolation(&self) -> &'static str {
        "wasm"
    }

    fn memory(&self) -> MemoryMb {
        self.limits.memory
    }

    fn timeout(&self) -> Micros {
        self.limits.wall
    }

    fn speaks_http(&self) -> bool {
        self.function.is_http()
    }

    fn describe(&self) -> serde_json::Value {
        let kind = if self.function.is_http() { "wasi-http" } else { "wasi-command" };
        json!({ "kind": kind, "sha256": self.function.sha256(), "bytes": self.function.module_bytes() })
    }

    fn fresh(&self) -> Option<Arc<dyn Instance>> {
        Some(Arc::new(self.clone()))
    }

    fn start(&self) -> BoxFuture<'_, Result<Arc<dyn Instance>, String>> {
        let instance: Arc<dyn Instance> = Arc::new(self.clone());
        std::future::ready(Ok(instance)).boxed()
    }
}
