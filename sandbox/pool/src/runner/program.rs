//! Ordinary programs: instances are started, kept warm and stopped.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use merit_programs::{Failure, HttpHead, Invocation, Kind, Machine, Prepared};
use merit_units::{MemoryMb, Micros};
use serde_json::json;

use super::{Call, Failed, Instance, Ran, Reply, Runner, Used};
use crate::config::ProgramConfig;
use crate::schedule::Shape;

/// A program made ready.
pub(crate) struct ProgramRunner {
    machine: Machine,
    prepared: Arc<Prepared>,
    config: ProgramConfig,
}

impl ProgramRunner {
    pub(crate) const fn new(machine: Machine, prepared: Arc<Prepared>, config: ProgramConfig) -> Self {
        Self { machine, prepared, config }
    }
}

impl Runner for ProgramRunner {
    fn shape(&self) -> Shape {
        let concurrency = match self.config.program.kind {
            Kind::RuntimeApi { .. } => 1,
            Kind::Http { concurrency, .. } => concurrency,
        };
        let memory = self.config.program.limits.memory.bytes();
        Shape { memory, concurrency, instances: self.config.instances, kept: true }
    }

    fn isolation(&self) -> &'static str {
        self.config.program.isolation.as_str()
    }

    fn memory(&self) -> MemoryMb {
        self.config.program.limits.memory
    }

    fn timeout(&self) -> Micros {
        self.config.program.limits.timeout
    }

    fn speaks_http(&self) -> bool {
        matches!(self.config.program.kind, Kind::Http { .. })
    }

    fn describe(&self) -> serde_json::Value {
        let kind = if self.speaks_http() { "http" } else { "runtime-api" };
        json!({ "kind": kind, "isolation": self.isolation(), "memory_mb": self.memory().megabytes() })
    }

    fn fresh(&self) -> Option<Arc<dyn Instance>> {
        None
    }

    fn start(&self) -> BoxFuture<'_, Result<Arc<dyn Instance>, String>> {
        async {
            let started = merit_programs::Instance::start(&self.machine, &self.prepared).await;
            let instance = started.map_err(|error| error.to_string())?;
            let instance: Arc<dyn Instance> = Arc::new(Program(instance));
            Ok(instance)
        }
        .boxed()
    }
}

/// A running instance.
struct Program(merit_programs::Instance);

impl Program {
    async fn run(&self, call: Call) -> Ran {
        let Call { id, method, path, headers, payload, timeout } = call;
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let trace_id = text("x-amzn-trace-id");
        let mut invocation = Invocation::new(&id, payload, timeout);
        invocation.trace_id = trace_id;
        invocation.http = HttpHead { method, path_and_query: path, headers };
        let ran = self.0.invoke(invocation, None).await;
        let used = Used {
            wall: ran.usage.wall,
            cpu: ran.usage.cpu,
            memory_peak: Some(MemoryMb::from_bytes_ceil(ran.usage.memory_peak_bytes)),
        };
        let gone = !self.0.is_alive();
        let (outcome, log) = match ran.outcome {
            Ok(reply) => (Ok(Reply { status: reply.status, headers: reply.headers, body: reply.body }), String::new()),
            Err(failure) => (Err(failed(failure)), self.0.log_tail()),
        };
        Ran { outcome, used, log, gone }
    }
}

fn failed(failure: Failure) -> Failed {
    let not_started = failure.is_not_started();
    let message = failure.to_string();
    match failure {
        Failure::Reported { error_type, payload } => {
            Failed { kind: error_type, message, document: Some(payload), not_started }
        }
        other => Failed { kind: other.kind().to_owned(), message, document: None, not_started },
    }
}

impl Instance for Program {
    fn invoke(&self, call: Call) -> BoxFuture<'_, Ran> {
        self.run(call).boxed()
    }

    fn stop(self: Arc<Self>) -> BoxFuture<'static, ()> {
        async {
            // One whose call was given up this moment still has another owner; it ends with that one.
            if let Ok(Self(instance)) = Arc::try_unwrap(self) {
                instance.stop().await;
            }
        }
        .boxed()
    }
}
