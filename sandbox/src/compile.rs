//! From the bytes of a module to a function that is ready to be instantiated.
//!
//! A module is compiled once however many names it has: in this process by its SHA-256, and
//! across processes by wasmtime's cache on disk, whose key also covers wasmtime's version and
//! settings. Linking is done at load time too, so a call neither resolves nor checks imports.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use merit_units::FunctionId;
use sha2::{Digest, Sha256};
use wasmtime::{Engine, ExternType, InstancePre, Linker, Module, ModuleExport, Store, TypedFunc};

use crate::guest::Guest;

/// The one namespace a function may import from.
const WASI: &str = "wasi_snapshot_preview1";

/// A loaded function. Cloning it shares the compiled code.
#[derive(Clone)]
pub struct Function {
    name: FunctionId,
    pub(crate) compiled: Arc<Compiled>,
}

impl Function {
    /// The name it was loaded under.
    #[must_use]
    pub const fn name(&self) -> &FunctionId {
        &self.name
    }

    /// SHA-256 of the module's bytes, in lower-case hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> String {
        self.compiled.digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Size of the module in bytes.
    #[must_use]
    pub fn module_bytes(&self) -> usize {
        self.compiled.module_bytes
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").field("name", &self.name).field("sha256", &self.sha256()).finish()
    }
}

/// Why a module could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The bytes are not a WebAssembly module this sandbox can compile, or it wants more memory than a slot has.
    #[error("`{function}` does not compile ({reason}); build it for wasm32-wasi as a command")]
    Compile {
        /// Which function.
        function: FunctionId,
        /// What wasmtime said.
        reason: String,
    },
    /// It needs something from the host that is not WASI preview 1.
    #[error("`{function}` imports `{import}`; only functions of {WASI} are there, so build it for wasm32-wasi")]
    Import {
        /// Which function.
        function: FunctionId,
        /// `namespace.name` of the import.
        import: String,
    },
    /// It exports no `_start`: it is a library, not a command.
    #[error("`{function}` exports no `_start` function; build it as a command (with a main), not as a library")]
    NotACommand {
        /// Which function.
        function: FunctionId,
    },
}

pub(crate) struct Compiled {
    pre: InstancePre<Guest>,
    start: ModuleExport,
    digest: [u8; 32],
    module_bytes: usize,
}

impl Compiled {
    pub(crate) fn engine(&self) -> &Engine {
        self.pre.module().engine()
    }

    pub(crate) async fn instantiate(&self, store: &mut Store<Guest>) -> wasmtime::Result<TypedFunc<(), ()>> {
        let instance = self.pre.instantiate_async(&mut *store).await?;
        let start = instance.get_module_export(&mut *store, &self.start).and_then(wasmtime::Extern::into_func);
        start.expect("invariant: `_start` was found at load time").typed(&*store)
    }
}

/// Compiles modules, each once.
pub(crate) struct Compiler {
    engine: Engine,
    linker: Linker<Guest>,
    compiled: Mutex<BTreeMap<[u8; 32], Weak<Compiled>>>,
}

impl Compiler {
    pub(crate) fn new(engine: Engine) -> Self {
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p1::add_to_linker_async(&mut linker, |guest: &mut Guest| &mut guest.wasi)
            .expect("invariant: an empty linker takes every WASI function");
        Self { engine, linker, compiled: Mutex::default() }
    }

    /// Takes as long as compiling does, from a millisecond to seconds; not for async tasks.
    pub(crate) fn load(&self, name: &FunctionId, wasm: &[u8]) -> Result<Function, LoadError> {
        let digest: [u8; 32] = Sha256::digest(wasm).into();
        let known = self.known().get(&digest).and_then(Weak::upgrade);
        let compiled = match known {
            Some(compiled) => compiled,
            None => self.compile(name, wasm, digest)?,
        };
        Ok(Function { name: name.clone(), compiled })
    }

    fn compile(&self, name: &FunctionId, wasm: &[u8], digest: [u8; 32]) -> Result<Arc<Compiled>, LoadError> {
        let refuse = |error: wasmtime::Error| LoadError::Compile {
            function: name.clone(),
            reason: error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": "),
        };
        let module = Module::new(&self.engine, wasm).map_err(refuse)?;
        check_imports(name, &module)?;
        let start = start_of(&module).ok_or_else(|| LoadError::NotACommand { function: name.clone() })?;
        let pre = self.linker.instantiate_pre(&module).map_err(refuse)?;
        let compiled = Arc::new(Compiled { pre, start, digest, module_bytes: wasm.len() });
        let mut known = self.known();
        known.retain(|_, compiled| compiled.strong_count() > 0);
        known.insert(digest, Arc::downgrade(&compiled));
        Ok(compiled)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<[u8; 32], Weak<Compiled>>> {
        self.compiled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names outside the WASI namespace; wasmtime checks those within it when it links.
fn check_imports(name: &FunctionId, module: &Module) -> Result<(), LoadError> {
    match module.imports().find(|import| import.module() != WASI) {
        None => Ok(()),
        Some(import) => {
            Err(LoadError::Import { function: name.clone(), import: format!("{}.{}", import.module(), import.name()) })
        }
    }
}

/// The `_start` export, when it takes and returns nothing.
fn start_of(module: &Module) -> Option<ModuleExport> {
    let export = module.get_export("_start")?;
    let is_command = matches!(&export, ExternType::Func(f) if f.params().len() == 0 && f.results().len() == 0);
    is_command.then(|| module.get_export_index("_start")).flatten()
}
