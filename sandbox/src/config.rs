//! How large the sandbox is and how much one call may use.
//!
//! The sandbox's sizes are fixed when it is made; [`Limits`] are given with each call.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use merit_units::{MemoryMb, Micros};
use wasmtime::{Cache, CacheConfig, Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Elements a guest's tables may hold: function pointers, of which a large program has some thousands.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 20_000;

/// Memory a pool slot keeps mapped between calls. Most small functions touch less, and then
/// the next call in that slot needs no page faults; a slot never holds more while idle.
const KEEP_RESIDENT_BYTES: usize = 256 << 10;

/// Core modules and tables of one component. One made by componentize-py links an interpreter and its libraries,
/// about twenty modules that share one memory; a command is one module.
const CORE_INSTANCES_PER_COMPONENT: u32 = 64;

/// What an instance's own records may take, beside its memory: an interpreter imports and exports thousands of items.
const COMPONENT_INSTANCE_BYTES: usize = 4 << 20;

/// The size of a sandbox.
#[derive(Clone, Debug)]
pub struct SandboxConfig {
    /// Calls that can run at once, 1 to 10,000. Each slot reserves address space (about 6 GB), not memory.
    pub slots: u32,
    /// Threads that run guests, 1 or more. Guests that wait hold none.
    pub workers: usize,
    /// The most memory any one call may use; a module that starts with more is refused.
    pub memory_max: MemoryMb,
    /// Where compiled code is kept between starts; `None` compiles every time. The directory is created,
    /// readable by its owner only: who can write there can run code as this process. Processes may share it.
    pub cache_dir: Option<PathBuf>,
    /// Where instances come from.
    pub allocation: Allocation,
    /// What each thread for long calls does first, beside taking the policy `SCHED_IDLE`.
    pub on_long_thread: Option<OnThread>,
}

/// Something that a new thread does.
#[derive(Clone)]
pub struct OnThread(Arc<dyn Fn() + Send + Sync>);

impl OnThread {
    /// Does this.
    pub fn new(act: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(act))
    }

    pub(crate) fn act(&self) {
        (self.0)();
    }
}

impl fmt::Debug for OnThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnThread")
    }
}

impl Default for SandboxConfig {
    /// 64 slots of 256 MB, a worker a core, no cache on disk.
    fn default() -> Self {
        Self {
            slots: 64,
            workers: std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
            memory_max: MemoryMb::try_new(256).expect("invariant: 256 MB is a memory size"),
            cache_dir: None,
            allocation: Allocation::Pooling,
            on_long_thread: None,
        }
    }
}

/// Where instances come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Allocation {
    /// Slots reserved once and reused: several times faster, needs address space.
    #[default]
    Pooling,
    /// Mapped anew for each call: for machines that bound a process's address space.
    OnDemand,
}

/// What one call may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory; larger growth is refused to the guest. At most [`SandboxConfig::memory_max`] is given.
    pub memory: MemoryMb,
    /// Wall time from start to end, waiting included. Enforced within about 2 ms.
    pub wall: Micros,
    /// CPU time. Enforced within about 2 ms.
    pub cpu: Micros,
    /// Bytes of standard output.
    pub output_bytes: usize,
}

impl Default for Limits {
    /// 128 MB, 30 s of wall and of CPU time, 6 MB of output (AWS Lambda's limit for a reply).
    fn default() -> Self {
        Self {
            memory: MemoryMb::try_new(128).expect("invariant: 128 MB is a memory size"),
            wall: Micros::from_secs(30),
            cpu: Micros::from_secs(30),
            output_bytes: 6 << 20,
        }
    }
}

/// Why a sandbox could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A size outside its range.
    #[error("{field} is {value}; choose {range}")]
    OutOfRange {
        /// The field of [`SandboxConfig`].
        field: &'static str,
        /// What it was.
        value: u64,
        /// What it may be.
        range: &'static str,
    },
    /// The cache directory could not be made or opened.
    #[error("the cache directory {dir} is not usable ({reason}); choose one that this user can write to")]
    CacheDir {
        /// Which directory.
        dir: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The machine did not give what the slots need.
    #[error("failed to reserve {slots} slots ({reason}); lower `slots`, or allocate on demand")]
    Reserve {
        /// How many were asked for.
        slots: u32,
        /// What wasmtime said.
        reason: String,
    },
    /// The threads could not be started.
    #[error("failed to start the guest threads")]
    Threads(#[source] std::io::Error),
}

impl SandboxConfig {
    pub(crate) fn check(&self) -> Result<(), SandboxError> {
        if !(1..=10_000).contains(&self.slots) {
            return Err(SandboxError::OutOfRange { field: "slots", value: self.slots.into(), range: "1 to 10000" });
        }
        if !(1..=1024).contains(&self.workers) {
            return Err(SandboxError::OutOfRange {
                field: "workers",
                value: self.workers as u64,
                range: "1 to 1024 (the machine's cores are a good choice)",
            });
        }
        if self.memory_max.megabytes() > 4096 {
            return Err(SandboxError::OutOfRange {
                field: "memory_max",
                value: self.memory_max.megabytes().into(),
                range: "1 to 4096 MB, all that 32-bit WebAssembly can address",
            });
        }
        Ok(())
    }

    /// The folder of the files that processes lock while they compile. The cache deletes what it does not know
    /// from its own folder, so it lies beside that.
    pub(crate) fn locks(&self) -> Result<Option<PathBuf>, SandboxError> {
        let Some(dir) = &self.cache_dir else { return Ok(None) };
        let locks = dir.join("locks");
        let refuse = |error: std::io::Error| SandboxError::CacheDir { dir: dir.clone(), reason: error.to_string() };
        create_private(&locks).map_err(refuse)?;
        Ok(Some(locks))
    }

    pub(crate) fn engine(&self) -> Result<Engine, SandboxError> {
        let mut config = Config::new();
        config.epoch_interruption(true);
        config.concurrency_support(false);
        if self.allocation == Allocation::Pooling {
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(self.pool()));
        }
        if let Some(dir) = &self.cache_dir {
            config.cache(Some(open_cache(dir)?));
        }
        Engine::new(&config).map_err(|error| SandboxError::Reserve { slots: self.slots, reason: format!("{error:#}") })
    }

    fn pool(&self) -> PoolingAllocationConfig {
        let mut pool = PoolingAllocationConfig::new();
        let in_components = self.slots.saturating_mul(CORE_INSTANCES_PER_COMPONENT);
        pool.total_core_instances(in_components)
            .total_component_instances(self.slots)
            .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
            .total_memories(self.slots)
            .max_memories_per_component(1)
            .total_tables(in_components)
            .max_tables_per_component(CORE_INSTANCES_PER_COMPONENT)
            .max_component_instance_size(COMPONENT_INSTANCE_BYTES)
            .max_core_instance_size(COMPONENT_INSTANCE_BYTES)
            .total_stacks(self.slots)
            .table_elements(TABLE_ELEMENTS_MAX)
            .max_memory_size(usize::try_from(self.memory_max.bytes()).unwrap_or(usize::MAX))
            .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
            .table_keep_resident(KEEP_RESIDENT_BYTES);
        pool
    }
}

/// Wasmtime's own cache: keyed by a hash of the module, the compiler's version and its settings.
fn open_cache(dir: &Path) -> Result<Cache, SandboxError> {
    let refuse = |reason: String| SandboxError::CacheDir { dir: dir.to_owned(), reason };
    let dir = &dir.join("compiled");
    create_private(dir).map_err(|error| refuse(error.to_string()))?;
    // The cache insists on an absolute path.
    let dir = dir.canonicalize().map_err(|error| refuse(error.to_string()))?;
    let mut config = CacheConfig::new();
    config.with_directory(dir);
    Cache::new(config).map_err(|error| refuse(format!("{error:#}")))
}

fn create_private(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}
