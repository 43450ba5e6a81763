//! From the bytes of a module or component to a function that is ready to be instantiated.
//!
//! Code is compiled once however many names it has: in this process by its SHA-256, and
//! across processes by wasmtime's cache on disk, whose key also covers wasmtime's version and
//! settings. It is never compiled twice at once either: whoever comes second waits, in this process
//! on a mutex, and in others on a locked file beside the cache, and then reads what the first has made.
//! Linking is done at load time too, so a call neither resolves nor checks imports.
//!
//! What the bytes are is read from their header: a core module is a command (`_start`), a component is an
//! HTTP handler (`wasi:http/incoming-handler`).

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use merit_units::FunctionId;
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};
use wasmtime::component::{self, Component};
use wasmtime::{Engine, ExternType, InstancePre, Linker, Module, ModuleExport, Store, TypedFunc};
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use crate::guest::Guest;
use crate::handler::HttpGuest;
use crate::threads::Habit;

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

    /// Size of the module or component in bytes.
    #[must_use]
    pub fn module_bytes(&self) -> usize {
        self.compiled.module_bytes
    }

    /// Whether it is a `wasi:http` component, which is handed a request; a command is handed a payload.
    #[must_use]
    pub fn is_http(&self) -> bool {
        matches!(self.compiled.code, Code::Handler(_))
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
    /// It is a component of another world: it handles no HTTP requests, or wants what is not there.
    #[error(
        "`{function}` is a component that is not to be run here ({reason}); export wasi:http/incoming-handler, \
             and import nothing beside WASI 0.2"
    )]
    NotAHandler {
        /// Which function.
        function: FunctionId,
        /// What wasmtime said.
        reason: String,
    },
}

pub(crate) struct Compiled {
    pub(crate) code: Code,
    pub(crate) habit: Arc<Habit>,
    digest: [u8; 32],
    module_bytes: usize,
}

/// What a call begins with.
pub(crate) enum Code {
    Command(Command),
    Handler(ProxyPre<HttpGuest>),
}

/// A module with a `_start`.
pub(crate) struct Command {
    pre: InstancePre<Guest>,
    start: ModuleExport,
}

impl Command {
    pub(crate) fn engine(&self) -> &Engine {
        self.pre.module().engine()
    }

    pub(crate) async fn instantiate(&self, store: &mut Store<Guest>) -> wasmtime::Result<TypedFunc<(), ()>> {
        let instance = self.pre.instantiate_async(&mut *store).await?;
        let start = instance.get_module_export(&mut *store, &self.start).and_then(wasmtime::Extern::into_func);
        start.expect("invariant: `_start` was found at load time").typed(&*store)
    }
}

/// Compiles modules and components, each once.
pub(crate) struct Compiler {
    engine: Engine,
    linker: Linker<Guest>,
    http_linker: component::Linker<HttpGuest>,
    compiled: Mutex<BTreeMap<[u8; 32], Weak<Compiled>>>,
    /// What is being compiled, or was: whoever wants the same waits for it.
    busy: Mutex<BTreeMap<[u8; 32], Arc<Mutex<()>>>>,
    /// Where other processes that share the cache lock what they compile.
    locks: Option<PathBuf>,
}

impl Compiler {
    pub(crate) fn new(engine: Engine, locks: Option<PathBuf>) -> Self {
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p1::add_to_linker_async(&mut linker, |guest: &mut Guest| &mut guest.wasi)
            .expect("invariant: an empty linker takes every WASI function");
        let mut http_linker = component::Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut http_linker)
            .and_then(|()| wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut http_linker))
            .expect("invariant: an empty linker takes every WASI function");
        Self { engine, linker, http_linker, compiled: Mutex::default(), busy: Mutex::default(), locks }
    }

    /// Takes as long as compiling does, from a millisecond to seconds; not for async tasks.
    pub(crate) fn load(&self, name: &FunctionId, wasm: &[u8]) -> Result<Function, LoadError> {
        let digest: [u8; 32] = Sha256::digest(wasm).into();
        let turn = Arc::clone(locked(&self.busy).entry(digest).or_default());
        let compiled = {
            let _turn = locked(&turn);
            let known = locked(&self.compiled).get(&digest).and_then(Weak::upgrade);
            match known {
                Some(compiled) => Ok(compiled),
                None => self.compile(name, wasm, digest),
            }
        };
        // Nobody else waits for it when only this and the map's handle are left.
        let mut busy = locked(&self.busy);
        if Arc::strong_count(&turn) == 2 {
            busy.remove(&digest);
        }
        Ok(Function { name: name.clone(), compiled: compiled? })
    }

    fn compile(&self, name: &FunctionId, wasm: &[u8], digest: [u8; 32]) -> Result<Arc<Compiled>, LoadError> {
        let _elsewhere = self.lock_file(&digest);
        let code = if is_component(wasm) { self.handler(name, wasm)? } else { self.command(name, wasm)? };
        let compiled = Arc::new(Compiled { code, habit: Arc::default(), digest, module_bytes: wasm.len() });
        let mut known = locked(&self.compiled);
        known.retain(|_, compiled| compiled.strong_count() > 0);
        known.insert(digest, Arc::downgrade(&compiled));
        Ok(compiled)
    }

    fn command(&self, name: &FunctionId, wasm: &[u8]) -> Result<Code, LoadError> {
        let refuse = |error: wasmtime::Error| LoadError::Compile { function: name.clone(), reason: reason(&error) };
        let module = Module::new(&self.engine, wasm).map_err(refuse)?;
        check_imports(name, &module)?;
        let start = start_of(&module).ok_or_else(|| LoadError::NotACommand { function: name.clone() })?;
        let pre = self.linker.instantiate_pre(&module).map_err(refuse)?;
        Ok(Code::Command(Command { pre, start }))
    }

    fn handler(&self, name: &FunctionId, wasm: &[u8]) -> Result<Code, LoadError> {
        let refuse = |error: wasmtime::Error| LoadError::Compile { function: name.clone(), reason: reason(&error) };
        let other = |error: wasmtime::Error| LoadError::NotAHandler { function: name.clone(), reason: reason(&error) };
        let component = Component::new(&self.engine, wasm).map_err(refuse)?;
        let pre = self.http_linker.instantiate_pre(&component).map_err(other)?;
        ProxyPre::new(pre).map(Code::Handler).map_err(other)
    }

    /// Keeps other processes from compiling the same at once. Without it they only do twice what one could do,
    /// so a folder that can't be used is no reason to stop.
    fn lock_file(&self, digest: &[u8; 32]) -> Option<File> {
        let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let file = File::create(self.locks.as_ref()?.join(name)).ok()?;
        match flock(&file, FlockOperation::LockExclusive) {
            Ok(()) => Some(file),
            Err(error) => {
                tracing::debug!(%error, "failed to lock a file of the cache");
                None
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn reason(error: &wasmtime::Error) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The header of a component: the magic word, version 13 and layer 1
/// (<https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md>, read 2026-11-21).
fn is_component(wasm: &[u8]) -> bool {
    wasm.starts_with(b"\0asm\x0d\0\x01\0")
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
