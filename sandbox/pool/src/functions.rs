//! The functions of a folder, made ready to run.

use std::sync::Arc;

use merit_sandbox::Sandbox;

use crate::door::Function;
use crate::runner::{Runner, WasmRunner};
use crate::{PoolConfig, PoolError};

/// Loads all functions of the configured folder, in order of their names.
///
/// # Errors
/// All that is wrong, at once.
pub(crate) fn load(config: &PoolConfig, sandbox: &Sandbox) -> Result<Vec<Function>, PoolError> {
    let loaded = sandbox.load_dir(&config.functions).map_err(PoolError::Functions)?;
    let mut runners: Vec<(String, Arc<dyn Runner>)> = Vec::new();
    for function in loaded {
        let name = function.name().to_string();
        runners.push((name, Arc::new(WasmRunner::new(sandbox.clone(), function, config.wasm))));
    }
    runners.sort_by(|a, b| a.0.cmp(&b.0));
    let numbered = runners.into_iter().enumerate();
    Ok(numbered.map(|(index, (name, runner))| Function { name, index, runner }).collect())
}
