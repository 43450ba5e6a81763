//! The `gvisor` class: the program's system calls are served by gVisor's kernel, a process of its own.
//!
//! `runsc` runs inside the same process and network namespaces bubblewrap makes for the other class, so
//! that killing, metering and sockets are the same. gVisor uses the sockets of that namespace
//! (`--network=host`), which has nothing but a loopback interface; its own network stack could not be
//! reached from outside. Traps are by `ptrace`, which needs no virtualisation.
//!
//! Invariants:
//! - The network namespace is the instance's own, always; `runsc` is never given the machine's.
//!
//! Known limitation: `runsc` itself runs as this process's user, root, with the host's files in view; what
//! keeps the program from them is gVisor. Its threads and memory count as the program's. With the `runsc` of
//! December 2022 a blocking `read(2)` from a socket fails with `EAGAIN`; `recv(2)` waits.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::Path;

use serde_json::{Value, json};

use crate::namespace::{ETC, OWN_ETC, TOP, USER, own_etc};
use crate::prepared::{Prepared, TASK};
use crate::{Limits, MachineConfig};

/// Processes and threads that gVisor needs for itself, beside one for each of the program's.
const OWN_THREADS: u32 = 256;
/// Memory gVisor needs for itself, in megabytes: it holds about 40 when idle.
const OWN_MEMORY_MB: u64 = 64;
/// Open files of the program.
const FILES: u32 = 1024;

/// Bubblewrap's options around `runsc`: namespaces only, everything else is gVisor's to deny.
pub(crate) fn options() -> Vec<String> {
    let options = "--unshare-pid --unshare-net --unshare-ipc --die-with-parent --new-session --cap-add ALL";
    let binds = "--dev-bind / / --proc /proc";
    options.split(' ').chain(binds.split(' ')).map(str::to_owned).collect()
}

/// `runsc` on a bundle.
pub(crate) fn command(runsc: &Path, folder: &Path) -> Vec<String> {
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let state = path(&folder.join("state"));
    let options = ["--platform=ptrace", "--network=host", "--ignore-cgroups", "run", "--bundle"];
    let mut command = vec![path(runsc), "--root".to_owned(), state];
    command.extend(options.map(str::to_owned));
    command.extend([path(folder), "program".to_owned()]);
    command
}

/// What the control group must allow, so that the program has what it was promised.
pub(crate) fn limits(limits: Limits) -> Limits {
    let memory = merit_units::MemoryMb::try_new(u64::from(limits.memory.megabytes()) + OWN_MEMORY_MB);
    Limits {
        memory: memory.unwrap_or(limits.memory),
        processes: limits.processes.saturating_mul(2).saturating_add(OWN_THREADS),
        ..limits
    }
}

/// Writes the bundle: a configuration, and a root where there is no image.
pub(crate) fn bundle(
    prepared: &Prepared,
    machine: &MachineConfig,
    environment: &[(String, String)],
    folder: &Path,
) -> io::Result<()> {
    // The environment is in it, so it is for this process's user only.
    fs::DirBuilder::new().mode(0o700).create(folder)?;
    let root = if prepared.is_image { prepared.folder.clone() } else { folder.join("root") };
    let mut mounts = vec![json!({ "destination": "/proc", "type": "proc", "source": "proc" })];
    if !prepared.is_image {
        mounts.extend(host_root(prepared, machine, &root)?);
    }
    let size = format!("size={}", prepared.program.limits.tmp_bytes);
    mounts.push(json!({
        "destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["mode=1777", size],
    }));
    let environment: Vec<String> = environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let config = json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": { "uid": USER, "gid": USER },
            "args": prepared.command,
            "env": environment,
            "cwd": prepared.working_dir,
            "noNewPrivileges": true,
            "capabilities": {},
            "rlimits": [{ "type": "RLIMIT_NOFILE", "hard": FILES, "soft": FILES }],
        },
        "root": { "path": root, "readonly": true },
        "hostname": "merit",
        "mounts": mounts,
        "linux": {
            "namespaces": [
                { "type": "pid" }, { "type": "mount" }, { "type": "ipc" }, { "type": "uts" },
                { "type": "network", "path": "/proc/self/ns/net" },
            ],
        },
    });
    fs::write(folder.join("config.json"), config.to_string())
}

/// The host's `/usr` and what belongs to it, as in the `namespace` class.
fn host_root(prepared: &Prepared, machine: &MachineConfig, root: &Path) -> io::Result<Vec<Value>> {
    let bind = |source: &Path, destination: &str| json!({ "destination": destination, "type": "bind", "source": source, "options": ["ro", "rbind"] });
    for folder in ["usr", "etc", "etc/ssl", "proc", "dev", "tmp", "opt", "var", "var/task", "var/runtime"] {
        fs::create_dir_all(root.join(folder))?;
    }
    let mut mounts = vec![bind(Path::new("/usr"), "/usr")];
    for name in TOP {
        let path = Path::new("/").join(name);
        match fs::read_link(&path) {
            Ok(target) => symlink(target, root.join(name))?,
            Err(_) if path.is_dir() => mounts.push(bind(&path, &path.to_string_lossy())),
            Err(_) => {}
        }
    }
    let etc = ETC.iter().map(|name| Path::new("/etc").join(name)).filter(|path| path.exists());
    mounts.extend(etc.map(|path| bind(&path, &path.to_string_lossy())));
    mounts.extend(OWN_ETC.iter().map(|(name, _)| bind(&own_etc(machine).join(name), &format!("/etc/{name}"))));
    mounts.extend(machine.read_only.iter().map(|folder| bind(folder, &folder.to_string_lossy())));
    mounts.push(bind(&prepared.folder, TASK));
    Ok(mounts)
}
