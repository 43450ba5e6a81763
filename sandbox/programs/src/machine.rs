//! What this machine gives to programs: tools, control groups, users, and a folder for unpacked code.
//!
//! Invariants:
//! - What is not there is not offered: [`Machine::prepare`] refuses a program whose isolation class the
//!   machine can't give, and nothing falls back to a weaker one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::CapabilitySet;

use crate::cgroup::Cgroups;
use crate::prepared::Prepared;
use crate::{Isolation, PrepareError, Program, cage, namespace, seccomp, unpack};

/// Users an instance may run as, counted from [`MachineConfig::first_user`]; instances take them in turn.
const USERS: u32 = 10_000;
/// Folders looked through for tools, in this order.
const TOOL_FOLDERS: [&str; 4] = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin"];

/// What a machine may be used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineConfig {
    /// Where programs are unpacked. Created when missing; all folders above it must be searchable by others,
    /// because programs run as other users than the pool.
    pub cache_dir: PathBuf,
    /// The first of ten thousand user ids that nobody else uses. Each instance runs as one of them when the pool is
    /// root; otherwise all run as the pool's user.
    pub first_user: u32,
    /// The most a program may take unpacked, in bytes.
    pub unpacked_bytes: u64,
    /// Folders of the host that programs without an image see beside `/usr`, at the same path, read-only.
    pub read_only: Vec<PathBuf>,
}

impl MachineConfig {
    /// With a cache folder: users from 1,900,000,000 on (above the ranges of login names, containers and
    /// systemd, <https://systemd.io/UIDS-GIDS/>, read 2026-11-21), 10 GiB a program, no more folders.
    #[must_use]
    pub const fn new(cache_dir: PathBuf) -> Self {
        Self { cache_dir, first_user: 1_900_000_000, unpacked_bytes: 10 << 30, read_only: Vec::new() }
    }
}

/// A machine ready to run programs. Clones share it.
#[derive(Clone, Debug)]
pub struct Machine(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: MachineConfig,
    tools: Tools,
    groups: Cgroups,
    /// Whether other users can be taken on.
    users: bool,
    next_user: AtomicU32,
    filter: Arc<[u8]>,
    /// Descriptors no program may inherit.
    inherited: Arc<[i32]>,
}

/// Programs of others that are used.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tools {
    pub(crate) bwrap: Option<PathBuf>,
    pub(crate) runsc: Option<PathBuf>,
}

impl Tools {
    pub(crate) fn find() -> Self {
        let find =
            |name: &str| TOOL_FOLDERS.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.exists());
        Self { bwrap: find("bwrap"), runsc: find("runsc") }
    }
}

impl Machine {
    /// Looks at the machine, makes the cache folder, and removes what pools that were killed left behind.
    ///
    /// # Errors
    /// [`PrepareError::Machine`] when no program can run here at all.
    pub fn open(config: MachineConfig) -> Result<Self, PrepareError> {
        let tools = Tools::find();
        if tools.bwrap.is_none() {
            return Err(lacks("bubblewrap is not installed (apt-get install bubblewrap)"));
        }
        if !may_enter_namespaces() {
            return Err(lacks(NOT_PRIVILEGED));
        }
        let filter = seccomp::filter();
        let filter = filter.ok_or_else(|| lacks("there is a system call filter for x86-64 and ARM64 only"))?;
        let users = has_all_users();
        let mut config = config;
        config.cache_dir = make_cache(&config.cache_dir, users)?;
        unpack::sweep(&config.cache_dir);
        if users {
            cage::sweep(config.first_user..config.first_user.saturating_add(USERS));
        }
        namespace::write_own_etc(&config).map_err(|error| PrepareError::Source {
            path: config.cache_dir.clone(),
            what: format!("it can't be written: {error}"),
        })?;
        let shared = Shared {
            tools,
            groups: Cgroups::open(),
            users,
            next_user: AtomicU32::new(0),
            filter: filter.into(),
            inherited: cage::inherited().into(),
            config,
        };
        Ok(Self(Arc::new(shared)))
    }

    /// Makes a program ready to be started: checks it, and unpacks its code once into the cache.
    /// Blocks while it reads and writes files.
    ///
    /// # Errors
    /// What is wrong with the program, its code, or the machine.
    pub fn prepare(&self, program: Program) -> Result<Arc<Prepared>, PrepareError> {
        if program.isolation == Isolation::Gvisor {
            if self.0.tools.runsc.is_none() {
                return Err(lacks("isolation `gvisor` needs runsc, which is not installed (apt-get install runsc)"));
            }
            if !self.0.users {
                return Err(lacks("isolation `gvisor` needs a pool that is root"));
            }
        }
        Prepared::new(program, &self.0.config).map(Arc::new)
    }

    /// Whether programs can be isolated that way here.
    #[must_use]
    pub fn offers(&self, isolation: Isolation) -> bool {
        match isolation {
            Isolation::Namespace => true,
            Isolation::Gvisor => self.0.tools.runsc.is_some() && self.0.users,
        }
    }

    pub(crate) fn config(&self) -> &MachineConfig {
        &self.0.config
    }

    pub(crate) fn tools(&self) -> &Tools {
        &self.0.tools
    }

    pub(crate) fn groups(&self) -> &Cgroups {
        &self.0.groups
    }

    pub(crate) fn filter(&self) -> Arc<[u8]> {
        Arc::clone(&self.0.filter)
    }

    pub(crate) fn inherited(&self) -> Arc<[i32]> {
        Arc::clone(&self.0.inherited)
    }

    /// The user the next instance runs as.
    pub(crate) fn next_user(&self) -> Option<u32> {
        let number = self.0.next_user.fetch_add(1, Ordering::Relaxed) % USERS;
        self.0.users.then(|| self.0.config.first_user.saturating_add(number))
    }
}

/// What a pool without privileges is told.
pub(crate) const NOT_PRIVILEGED: &str = "programs need a pool that may enter their namespaces: run it as root, \
    or as root of a user namespace of its own (unshare --user --map-root-user --kill-child merit pool ...)";

pub(crate) fn lacks(what: &str) -> PrepareError {
    PrepareError::Machine { what: what.to_owned() }
}

/// Whether this process may enter the namespaces of its children (`setns(2)`).
pub(crate) fn may_enter_namespaces() -> bool {
    rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_ADMIN))
}

/// Whether this process is root of a namespace with all users in it, and not just its own.
pub(crate) fn has_all_users() -> bool {
    let whole = |map: &str| map.split_whitespace().eq(["0", "0", "4294967295"]);
    fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| whole(&map))
        && rustix::thread::capabilities(None)
            .is_ok_and(|sets| sets.effective.contains(CapabilitySet::SETUID | CapabilitySet::SETGID))
}

/// Makes the cache folder, and sees that other users can reach what is in it.
fn make_cache(folder: &Path, users: bool) -> Result<PathBuf, PrepareError> {
    let wrong = |path: &Path, what: String| PrepareError::Source { path: path.to_path_buf(), what };
    fs::create_dir_all(folder).map_err(|error| wrong(folder, format!("the cache folder can't be made: {error}")))?;
    // Others may pass through, not look around.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o711))
        .map_err(|error| wrong(folder, format!("the cache folder can't be opened to others: {error}")))?;
    let folder = fs::canonicalize(folder).map_err(|error| wrong(folder, error.to_string()))?;
    for above in folder.ancestors().skip(1).filter(|_| users) {
        let mode = fs::metadata(above).map_err(|error| wrong(above, error.to_string()))?.permissions().mode();
        if mode & 0o001 == 0 {
            let what = format!(
                "programs run as other users and can't pass through it to the cache {}; choose another cache folder, or chmod o+x it",
                folder.display()
            );
            return Err(wrong(above, what));
        }
    }
    Ok(folder)
}
