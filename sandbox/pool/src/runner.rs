//! What runs functions: one interface over WebAssembly and ordinary programs.
//!
//! A [`Runner`] is one function made ready. An [`Instance`] runs its calls. WebAssembly has an instance whenever
//! one is wanted, for microseconds; a program's is started, kept while it is of use, and stopped.

mod program;
#[cfg(feature = "wasm")]
mod wasm;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, StatusCode};
use merit_units::{MemoryMb, Micros};

use crate::schedule::Shape;

pub(crate) use program::ProgramRunner;
#[cfg(feature = "wasm")]
pub(crate) use wasm::WasmRunner;

/// One call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Names it; no two calls of an instance share it.
    pub(crate) id: String,
    /// The request's method, for functions that speak HTTP.
    pub(crate) method: Method,
    /// Path and query below the function's own, beginning with `/`.
    pub(crate) path: String,
    /// The request's headers, without those between the caller and the pool.
    pub(crate) headers: HeaderMap,
    /// The payload.
    pub(crate) payload: Bytes,
    /// Wall time it has from now on.
    pub(crate) timeout: Micros,
}

/// A call that ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The reply, or how the function failed.
    pub(crate) outcome: Result<Reply, Failed>,
    /// What it used, also when it failed.
    pub(crate) used: Used,
    /// The end of what it logged; may be empty.
    pub(crate) log: String,
    /// Whether its instance can run no other call.
    pub(crate) gone: bool,
}

/// What a function replied.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// How a function failed.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    /// A stable word, such as `Timeout`.
    pub(crate) kind: String,
    /// What happened and what to do.
    pub(crate) message: String,
    /// The error document of the function's own, if it wrote one.
    pub(crate) document: Option<Bytes>,
    /// Whether the call surely did not run.
    pub(crate) not_started: bool,
}

/// What a call used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    pub(crate) wall: Micros,
    pub(crate) cpu: Micros,
    /// `None` when nothing ran.
    pub(crate) memory_peak: Option<MemoryMb>,
}

/// Something calls run in.
pub(crate) trait Instance: Send + Sync {
    /// Runs one call to its end. Dropping the future gives the call up; a kept instance is stopped then.
    fn invoke(&self, call: Call) -> BoxFuture<'_, Ran>;

    /// Ends it, and waits until nothing is left of it.
    fn stop(self: Arc<Self>) -> BoxFuture<'static, ()>;
}

/// A function's name, and what runs it.
pub(crate) type Named = (String, Arc<dyn Runner>);

/// One function, ready to have instances.
pub(crate) trait Runner: Send + Sync {
    /// What the scheduler has to know of its instances.
    fn shape(&self) -> Shape;

    /// How strongly it is kept apart, as offers name it.
    fn isolation(&self) -> &'static str;

    /// Memory that one instance has, as offers name it.
    fn memory(&self) -> MemoryMb;

    /// The longest one call may take.
    fn timeout(&self) -> Micros;

    /// Whether its calls are HTTP requests of any method and path.
    fn speaks_http(&self) -> bool;

    /// What `GET /functions` tells of it beside its name.
    fn describe(&self) -> serde_json::Value;

    /// An instance at once, where instances are not kept.
    fn fresh(&self) -> Option<Arc<dyn Instance>>;

    /// Starts an instance that is kept.
    ///
    /// # Errors
    /// Why it did not come up, for the pool's log.
    fn start(&self) -> BoxFuture<'_, Result<Arc<dyn Instance>, String>>;
}
