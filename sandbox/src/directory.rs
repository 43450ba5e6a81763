//! Functions from a directory of modules.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

use merit_units::{FunctionId, NameError};

use crate::{Function, LoadError, Sandbox};

/// One thing that is wrong with a directory of functions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// A file or directory can't be read.
    #[error("failed to read {path} ({reason}); check that it exists and that this user may read it")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// There is not one module.
    #[error("no functions in {dir}; put modules there as `<name>.wasm` or `<name>/<name>.wasm`")]
    Empty {
        /// Where.
        dir: PathBuf,
    },
    /// A file's name is no function name.
    #[error("failed to name the function in {path}: {error}")]
    Name {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: NameError,
    },
    /// Two files would have the same name.
    #[error("both {first} and {second} are named `{function}`; remove one")]
    Twice {
        /// The name.
        function: FunctionId,
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A module does not load.
    #[error("failed to load {path}: {error}")]
    Load {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: LoadError,
    },
}

impl Sandbox {
    /// Loads every `<name>.wasm` and `<name>/<name>.wasm` of a directory, compiling on all cores.
    /// Blocks until all are compiled.
    ///
    /// # Errors
    /// All that is wrong, at once. What could be loaded stays loaded.
    pub fn load_dir(&self, dir: &Path) -> Result<Vec<Function>, Vec<DirectoryError>> {
        let mut errors = Vec::new();
        let modules = name_all(find(dir).map_err(|error| vec![error])?, &mut errors);
        if modules.is_empty() && errors.is_empty() {
            return Err(vec![DirectoryError::Empty { dir: dir.to_owned() }]);
        }
        let loaded = self.load_all(modules);
        let mut functions = Vec::with_capacity(loaded.len());
        for result in loaded {
            match result {
                Ok(function) => functions.push(function),
                Err(error) => errors.push(error),
            }
        }
        functions.sort_unstable_by(|a, b| a.name().cmp(b.name()));
        if errors.is_empty() { Ok(functions) } else { Err(errors) }
    }

    fn load_all(&self, modules: BTreeMap<FunctionId, PathBuf>) -> Vec<Result<Function, DirectoryError>> {
        let threads = thread::available_parallelism().map_or(1, NonZero::get).min(modules.len());
        let (queue, loaded) = (Mutex::new(modules), Mutex::new(Vec::new()));
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some((name, path)) = next(&queue) {
                        let result = self.load_file(&name, &path);
                        loaded.lock().unwrap_or_else(PoisonError::into_inner).push(result);
                    }
                });
            }
        });
        loaded.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn load_file(&self, name: &FunctionId, path: &Path) -> Result<Function, DirectoryError> {
        let wasm = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
        self.load(name, &wasm).map_err(|error| DirectoryError::Load { path: path.to_owned(), error })
    }
}

fn next(queue: &Mutex<BTreeMap<FunctionId, PathBuf>>) -> Option<(FunctionId, PathBuf)> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop_first()
}

/// The module files of a directory, in order.
fn find(dir: &Path) -> Result<Vec<PathBuf>, DirectoryError> {
    let mut modules = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|error| unreadable(dir, &error))? {
        let path = entry.map_err(|error| unreadable(dir, &error))?.path();
        let nested = path.file_name().map(|name| path.join(name).with_added_extension("wasm"));
        if path.extension().is_some_and(|extension| extension == "wasm") {
            modules.push(path);
        } else if let Some(nested) = nested.filter(|nested| nested.is_file()) {
            modules.push(nested);
        }
    }
    modules.sort_unstable();
    Ok(modules)
}

fn name_all(paths: Vec<PathBuf>, errors: &mut Vec<DirectoryError>) -> BTreeMap<FunctionId, PathBuf> {
    let mut named: BTreeMap<FunctionId, PathBuf> = BTreeMap::new();
    for path in paths {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        match FunctionId::try_new(&stem) {
            Err(error) => errors.push(DirectoryError::Name { path, error }),
            Ok(function) => match named.get(&function).cloned() {
                Some(first) => errors.push(DirectoryError::Twice { function, first, second: path }),
                None => drop(named.insert(function, path)),
            },
        }
    }
    named
}

fn unreadable(path: &Path, error: &std::io::Error) -> DirectoryError {
    DirectoryError::Unreadable { path: path.to_owned(), reason: error.to_string() }
}
