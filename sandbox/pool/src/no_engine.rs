//! What stands in the place of the engine in a build without WebAssembly: it finds what it can't run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use merit_programs::Ranks;

use crate::PoolConfig;
use crate::runner::Named;

/// There is nothing to fail at.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(crate) enum EngineError {}

/// Runs nothing.
#[derive(Clone)]
pub(crate) struct Engine;

impl Engine {
    #[expect(clippy::unnecessary_wraps, reason = "the engine of other builds may fail here")]
    pub(crate) fn try_new(_: &PoolConfig, _: Option<&Arc<Ranks>>) -> Result<Self, EngineError> {
        Ok(Self)
    }

    #[expect(clippy::unnecessary_wraps, reason = "the engine of other builds may fail here")]
    pub(crate) fn check(_: &PoolConfig) -> Result<(), EngineError> {
        Ok(())
    }

    /// Nothing, when there is nothing.
    ///
    /// # Errors
    /// WebAssembly in the folder; or, where `alone`, that the folder has no functions or can't be read.
    #[expect(clippy::unused_self, reason = "the engine of other builds loads here")]
    pub(crate) fn load(&self, config: &PoolConfig, alone: bool) -> Result<Vec<Named>, Vec<String>> {
        let dir = &config.functions;
        let found = match find(dir) {
            Ok(found) => found,
            Err(error) => {
                return Err(vec![format!("failed to read {} ({error}); check that it exists", dir.display())]);
            }
        };
        let left_out = |path: &PathBuf| {
            let todo = "this build of merit runs programs only: build it with the feature `wasm`, or remove the file";
            format!("{} is WebAssembly; {todo}", path.display())
        };
        match found[..] {
            [] if alone => {
                let todo = "put programs there, each in a folder of its own with a function.toml";
                Err(vec![format!("no functions in {}; {todo}", dir.display())])
            }
            [] => Ok(Vec::new()),
            _ => Err(found.iter().map(left_out).collect()),
        }
    }
}

/// Files that another build would run.
fn find(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let nested = path.file_name().map(|name| path.join(name).with_added_extension("wasm"));
        if path.extension().is_some_and(|extension| extension == "wasm") {
            found.push(path);
        } else if let Some(nested) = nested.filter(|nested| nested.is_file()) {
            found.push(nested);
        }
    }
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(folder: &Path, alone: bool) -> Result<usize, Vec<String>> {
        Engine.load(&PoolConfig::new(folder.to_owned()), alone).map(|loaded| loaded.len())
    }

    #[test]
    fn webassembly_is_named_and_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(told(folder.path(), false), Ok(0));
        assert!(told(folder.path(), true).expect_err("empty")[0].contains("function.toml"));
        assert!(told(&folder.path().join("gone"), false).expect_err("gone")[0].contains("check that it exists"));
        std::fs::create_dir(folder.path().join("b")).expect("a folder");
        for name in ["a.wasm", "b/b.wasm", "c.txt"] {
            std::fs::write(folder.path().join(name), "x").expect("written");
        }
        let errors = told(folder.path(), false).expect_err("two");
        let named: Vec<bool> =
            errors.iter().zip(["a.wasm", "b.wasm"]).map(|(error, name)| error.contains(name)).collect();
        assert_eq!((named, errors.len()), (vec![true, true], 2), "{errors:?}");
        assert!(errors[0].contains("the feature `wasm`"), "{errors:?}");
    }
}
