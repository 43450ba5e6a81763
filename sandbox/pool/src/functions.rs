//! The functions of a folder, made ready to run.
//!
//! `NAME.wasm` and `NAME/NAME.wasm` are WebAssembly; `NAME/function.toml` is a program. What a machine can't run is
//! a mistake and not left out in silence: a pool that starts offers all of its folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use merit_programs::{Machine, MachineConfig};
use merit_units::FunctionId;

use crate::config::ProgramConfig;
use crate::door::Function;
use crate::runner::{Named, ProgramRunner};
use crate::{Engine, PoolConfig, PoolError};

/// The file that makes a folder a program.
const PROGRAM: &str = "function.toml";

/// Loads all functions of the configured folder, in order of their names.
///
/// # Errors
/// All that is wrong, at once.
pub(crate) fn load(config: &PoolConfig, engine: &Engine) -> Result<Vec<Function>, PoolError> {
    let mut wrong = Vec::new();
    let mut runners: Vec<Named> = programs(config, &mut wrong);
    match engine.load(config, runners.is_empty() && wrong.is_empty()) {
        Ok(loaded) => runners.extend(loaded),
        Err(errors) => wrong.extend(errors),
    }
    runners.sort_by(|a, b| a.0.cmp(&b.0));
    for twins in runners.windows(2).filter(|twins| twins[0].0 == twins[1].0) {
        wrong.push(format!("`{}` is there both as WebAssembly and as a program; remove one", twins[0].0));
    }
    if !wrong.is_empty() {
        return Err(PoolError::Functions(wrong));
    }
    let numbered = runners.into_iter().enumerate();
    Ok(numbered.map(|(index, (name, runner))| Function { name, index, runner }).collect())
}

fn programs(config: &PoolConfig, wrong: &mut Vec<String>) -> Vec<Named> {
    let found: Vec<PathBuf> = std::fs::read_dir(&config.functions)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join(PROGRAM)))
        .filter(|path| path.is_file())
        .collect();
    if found.is_empty() {
        return Vec::new();
    }
    let machine = match Machine::open(machine_config(config)) {
        Ok(machine) => machine,
        Err(error) => {
            wrong.push(error.to_string());
            return Vec::new();
        }
    };
    let mut runners: Vec<Named> = Vec::new();
    for path in found {
        match program(&path, &machine) {
            Ok((name, runner)) => runners.push((name, Arc::new(runner))),
            Err(error) => wrong.push(error),
        }
    }
    runners
}

/// What programs are given of the machine.
pub(crate) fn machine_config(config: &PoolConfig) -> MachineConfig {
    // Other users must be able to pass through it, which they can't through the folder of compiled code.
    let folder = config
        .cache
        .as_ref()
        .map_or_else(|| std::env::temp_dir().join("merit-programs"), |cache| cache.with_added_extension("programs"));
    MachineConfig::new(folder)
}

fn program(path: &Path, machine: &Machine) -> Result<(String, ProgramRunner), String> {
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let name = FunctionId::try_new(&folder).map_err(|error| format!("{}: {error}", path.display()))?.to_string();
    let config = ProgramConfig::load(&name, path).map_err(|error| error.to_string())?;
    let prepared = machine.prepare(config.program.clone()).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok((name, ProgramRunner::new(machine.clone(), prepared, config)))
}
