//! Bubblewrap's options for the `namespace` class: what a program sees and what it is denied.
//!
//! Invariants:
//! - Nothing of the host is visible but `/usr`, a few public files of `/etc`, and what the operator adds;
//!   all of it read-only. The only place to write is `/tmp`, which is bounded.
//! - The program has a user of its own without capabilities, and can't get any.

use std::fs;
use std::path::Path;

use crate::prepared::{Prepared, TASK};
use crate::{MachineConfig, Network};

/// The user and group a program sees itself as; outside it is another.
pub(crate) const USER: u32 = 1000;
/// Folders at the root that are links into `/usr` on most systems.
pub(crate) const TOP: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];
/// Public files of `/etc` that programs need: the loader's, certificates, time zone, tables of names.
pub(crate) const ETC: [&str; 13] = [
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "pki",
    "protocols",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
];

/// Files of `/etc` that are the sandbox's own.
pub(crate) const OWN_ETC: [(&str, &str); 4] = [
    ("passwd", "root:x:0:0:root:/:/bin/false\nfunction:x:1000:1000:function:/tmp:/bin/sh\n"),
    ("group", "root:x:0:\nfunction:x:1000:\n"),
    ("hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
];

/// The options, without those that name descriptors.
pub(crate) fn options(prepared: &Prepared, machine: &MachineConfig, environment: &[(String, String)]) -> Vec<String> {
    let mut options = Options::default();
    options.add(&["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]);
    if prepared.program.network == Network::None {
        options.add(&["--unshare-net"]);
    }
    options.add(&["--die-with-parent", "--new-session", "--hostname", "merit"]);
    options.add(&["--uid", &USER.to_string(), "--gid", &USER.to_string()]);
    let folder = prepared.folder.to_string_lossy();
    if prepared.is_image {
        options.add(&["--ro-bind", &folder, "/"]);
    } else {
        host_root(&mut options, machine);
        options.add(&["--ro-bind", &folder, TASK, "--dir", "/opt", "--dir", "/var/runtime"]);
        for (name, _) in OWN_ETC {
            // An image has its own.
            options.add(&["--ro-bind", &own_etc(machine).join(name).to_string_lossy(), &format!("/etc/{name}")]);
        }
    }
    if prepared.program.network == Network::Host {
        options.add(&["--ro-bind-try", "/etc/resolv.conf", "/etc/resolv.conf"]);
    }
    options.add(&["--proc", "/proc", "--dev", "/dev"]);
    let size = prepared.program.limits.tmp_bytes.to_string();
    options.add(&["--perms", "1777", "--size", &size, "--tmpfs", "/tmp"]);
    // Both are file systems in memory without a bound of their own.
    options.add(&["--remount-ro", "/dev"]);
    if !prepared.is_image {
        options.add(&["--remount-ro", "/"]);
    }
    options.add(&["--chdir", &prepared.working_dir, "--clearenv"]);
    for (name, value) in environment {
        options.add(&["--setenv", name, value]);
    }
    options.0
}

/// `/usr` and what belongs to it.
fn host_root(options: &mut Options, machine: &MachineConfig) {
    options.add(&["--ro-bind", "/usr", "/usr"]);
    for name in TOP {
        let path = Path::new("/").join(name);
        let text = path.to_string_lossy();
        match fs::read_link(&path) {
            Ok(target) => options.add(&["--symlink", &target.to_string_lossy(), &text]),
            Err(_) => options.add(&["--ro-bind-try", &text, &text]),
        }
    }
    for name in ETC {
        let path = format!("/etc/{name}");
        options.add(&["--ro-bind-try", &path, &path]);
    }
    for folder in &machine.read_only {
        let path = folder.to_string_lossy();
        options.add(&["--ro-bind", &path, &path]);
    }
}

/// Where the sandbox's own files of `/etc` are.
pub(crate) fn own_etc(machine: &MachineConfig) -> std::path::PathBuf {
    machine.cache_dir.join(".etc")
}

/// Writes them.
pub(crate) fn write_own_etc(machine: &MachineConfig) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let folder = own_etc(machine);
    fs::create_dir_all(&folder)?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
    for (name, content) in OWN_ETC {
        let path = folder.join(name);
        if fs::read_to_string(&path).is_ok_and(|there| there == content) {
            continue;
        }
        fs::write(&path, content)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}

#[derive(Default)]
struct Options(Vec<String>);

impl Options {
    fn add(&mut self, options: &[&str]) {
        self.0.extend(options.iter().map(|option| (*option).to_owned()));
    }
}
