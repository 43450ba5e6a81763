//! The engine of WebAssembly, and what it makes of a folder.

use std::sync::{Arc, Weak};

use merit_programs::Ranks;
use merit_sandbox::{DirectoryError, OnThread, Sandbox, SandboxConfig};

use crate::PoolConfig;
use crate::runner::{Named, WasmRunner};

pub(crate) use merit_sandbox::SandboxError as EngineError;

/// Runs WebAssembly. Its threads end with the last clone.
#[derive(Clone)]
pub(crate) struct Engine(Sandbox);

impl Engine {
    /// Makes it; its long calls run behind, where `ranks` can do that.
    ///
    /// # Errors
    /// What of the machine or the configuration it can't be made with.
    pub(crate) fn try_new(config: &PoolConfig, ranks: Option<&Arc<Ranks>>) -> Result<Self, EngineError> {
        let made = Sandbox::try_new(SandboxConfig {
            // A slot is free a moment after its call was given up, so there are some to spare.
            slots: config.concurrency.saturating_add(config.concurrency.div_ceil(8)).min(10_000),
            memory_max: config.wasm.memory,
            cache_dir: config.cache.clone(),
            on_long_thread: ranks.map(|ranks| {
                let ranks = Arc::downgrade(ranks);
                OnThread::new(move || step_behind(&ranks))
            }),
            ..SandboxConfig::default()
        });
        made.map(Self)
    }

    /// Whether one could be made, for the doctor.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check(config: &PoolConfig) -> Result<(), EngineError> {
        let sandbox = SandboxConfig {
            cache_dir: config.cache.clone(),
            memory_max: config.wasm.memory,
            ..SandboxConfig::default()
        };
        Sandbox::try_new(sandbox).map(drop)
    }

    /// The modules and components of the configured folder, compiled.
    ///
    /// # Errors
    /// All that is wrong, one a line. `alone`: nothing else is in the folder, so that an empty one is a mistake.
    pub(crate) fn load(&self, config: &PoolConfig, alone: bool) -> Result<Vec<Named>, Vec<String>> {
        let runner = |function: merit_sandbox::Function| -> Named {
            (function.name().to_string(), Arc::new(WasmRunner::new(self.0.clone(), function, config.wasm)))
        };
        match self.0.load_dir(&config.functions) {
            Ok(loaded) => Ok(loaded.into_iter().map(runner).collect()),
            // A folder of programs alone is no mistake.
            Err(errors) if !alone && matches!(errors[..], [DirectoryError::Empty { .. }]) => Ok(Vec::new()),
            Err(errors) => Err(errors.iter().map(ToString::to_string).collect()),
        }
    }

    pub(crate) const fn sandbox(&self) -> &Sandbox {
        &self.0
    }
}

fn step_behind(ranks: &Weak<Ranks>) {
    if let Some(Err(error)) = ranks.upgrade().map(|ranks| ranks.step_behind()) {
        tracing::warn!(%error, "long calls run behind others by their policy only");
    }
}
