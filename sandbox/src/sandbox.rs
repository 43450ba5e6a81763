//! The handle other crates hold: load functions, run them.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use http::{Method, Request};
use merit_units::FunctionId;
use tokio::sync::Semaphore;

use crate::compile::Compiler;
use crate::execute::execute;
use crate::observe::Observed;
use crate::threads::Threads;
use crate::ticker::Ticker;
use crate::{Function, Limits, LoadError, NotStarted, Run, SandboxConfig, SandboxError};

/// Runs functions. Cloning it gives another handle on the same slots and functions.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    config: SandboxConfig,
    compiler: Compiler,
    functions: RwLock<BTreeMap<FunctionId, Function>>,
    slots: Arc<Semaphore>,
    ticker: Arc<Ticker>,
    /// `None` only while being dropped.
    guests: Option<Threads>,
}

impl Sandbox {
    /// Reserves the slots and starts the threads.
    ///
    /// # Errors
    /// [`SandboxError`] when a size is out of range, the machine does not give the address space
    /// or the threads, or the cache directory can't be used.
    pub fn try_new(config: SandboxConfig) -> Result<Self, SandboxError> {
        config.check()?;
        let (engine, locks) = (config.engine()?, config.locks()?);
        let guests = Threads::start(config.workers, config.on_long_thread.clone()).map_err(SandboxError::Threads)?;
        let ticker = Ticker::start(engine.clone()).map_err(SandboxError::Threads)?;
        Ok(Self(Arc::new(Inner {
            slots: Arc::new(Semaphore::new(config.slots as usize)),
            compiler: Compiler::new(engine, locks),
            functions: RwLock::default(),
            ticker: Arc::new(ticker),
            guests: Some(guests),
            config,
        })))
    }

    /// Compiles and links a module or component and keeps it under `name`, replacing what had that name.
    /// Calls of the replaced function run to their end.
    ///
    /// This takes as long as compiling does, from a millisecond to seconds: call it from a
    /// thread that may block.
    ///
    /// # Errors
    /// [`LoadError`] when it is neither a WASI command nor a `wasi:http` component that this sandbox can run.
    pub fn load(&self, name: &FunctionId, wasm: &[u8]) -> Result<Function, LoadError> {
        let function = self.0.compiler.load(name, wasm)?;
        self.0.functions.write().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), function.clone());
        Ok(function)
    }

    /// Forgets a function; says whether it was there. Calls that run go on to their end.
    pub fn unload(&self, name: &FunctionId) -> bool {
        self.0.functions.write().unwrap_or_else(PoisonError::into_inner).remove(name).is_some()
    }

    /// The loaded functions in order of their names.
    #[must_use]
    pub fn functions(&self) -> Vec<Function> {
        self.0.functions.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The function loaded under `name`.
    ///
    /// # Errors
    /// [`NotStarted::UnknownFunction`] with similar names.
    pub fn function(&self, name: &str) -> Result<Function, NotStarted> {
        let functions = self.0.functions.read().unwrap_or_else(PoisonError::into_inner);
        functions.get(name).cloned().ok_or_else(|| NotStarted::UnknownFunction {
            name: name.chars().take(80).collect(),
            near: functions
                .keys()
                .filter(|known| strsim::jaro_winkler(known.as_str(), name) > 0.8)
                .map(ToString::to_string)
                .collect(),
        })
    }

    /// Runs a loaded function by name.
    ///
    /// # Errors
    /// [`NotStarted`] when there is no such function or no free slot.
    pub async fn invoke(&self, name: &str, payload: Bytes, limits: Limits) -> Result<Run, NotStarted> {
        self.run(&self.function(name)?, payload, limits).await
    }

    /// Runs a function once. A component gets the payload by `POST /`. Dropping the future stops the guest.
    ///
    /// # Errors
    /// [`NotStarted::Busy`] when all slots are taken.
    ///
    /// # Panics
    /// When the sandbox itself does, never for what a guest does.
    pub async fn run(&self, function: &Function, payload: Bytes, limits: Limits) -> Result<Run, NotStarted> {
        let mut request = Request::new(payload);
        *request.method_mut() = Method::POST;
        self.handle(function, request, limits).await
    }

    /// Runs a function once on a request. A command sees only the body. Dropping the future stops the guest.
    ///
    /// # Errors
    /// [`NotStarted::Busy`] when all slots are taken.
    ///
    /// # Panics
    /// When the sandbox itself does, never for what a guest does.
    pub async fn handle(
        &self,
        function: &Function,
        request: Request<Bytes>,
        limits: Limits,
    ) -> Result<Run, NotStarted> {
        let slots = self.0.config.slots;
        let slot = Arc::clone(&self.0.slots).try_acquire_owned().map_err(|_| NotStarted::Busy { slots })?;
        let (compiled, ticker) = (Arc::clone(&function.compiled), Arc::clone(&self.0.ticker));
        let limits = Limits { memory: limits.memory.min(self.0.config.memory_max), ..limits };
        let observed = Arc::new(Observed::starting(&limits));
        let seen = Arc::clone(&observed);
        let guest = async move {
            let _slot = slot;
            let _ticking = ticker.keep_ticking();
            execute(compiled, request, limits, observed).await
        };
        Ok(self.0.guests().run(seen, Arc::clone(&function.compiled.habit), guest).await)
    }

    /// Calls that can run at once.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.0.config.slots
    }

    /// Slots that are free now.
    #[must_use]
    pub fn free_slots(&self) -> usize {
        self.0.slots.available_permits()
    }
}

impl Inner {
    const fn guests(&self) -> &Threads {
        self.guests.as_ref().expect("invariant: the threads are taken only on drop")
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // A handle may be dropped inside an async task, where waiting for threads is not allowed.
        if let Some(guests) = self.guests.take() {
            guests.shutdown();
        }
    }
}
