//! What this machine can give to programs, and how to get what it lacks.

use std::fs;
use std::path::Path;

use crate::cgroup::Cgroups;
use crate::machine::{self, Tools};
use crate::{Machine, MachineConfig};

/// One thing a machine has or lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked for, and what for.
    pub what: String,
    /// Whether it is there.
    pub ok: bool,
    /// Whether nothing of this kind runs without it; otherwise something is missing or less exact.
    pub needed: bool,
    /// What to do when it is not; empty when it is.
    pub how_to_get_it: String,
}

/// Looks at the machine. Makes the cache folder, and nothing else.
#[must_use]
pub fn doctor(config: &MachineConfig) -> Vec<Finding> {
    let tools = Tools::find();
    let mut findings = Findings::default();
    findings.add("bubblewrap, for programs", tools.bwrap.is_some(), true, "apt-get install bubblewrap");
    findings.add("user namespaces, for programs", user_namespaces(), true, "sysctl -w user.max_user_namespaces=15000");
    findings.add(
        "the right to enter a program's namespaces",
        machine::may_enter_namespaces(),
        true,
        machine::NOT_PRIVILEGED,
    );
    findings.add(
        "other users for programs to run as",
        machine::has_all_users(),
        false,
        "run the pool as root; without, all programs run as the pool's user and the class `gvisor` is not offered",
    );
    findings.add("runsc, for the class `gvisor`", tools.runsc.is_some(), false, "apt-get install runsc");
    let groups = Cgroups::open();
    let delegate = "give the pool a control group of its own (systemd: Delegate=yes), or run it as root; until then";
    findings.add(
        "a control group for memory",
        groups.limits_memory(),
        false,
        &format!("{delegate} memory is limited for each process and summed every 50 ms"),
    );
    findings.add(
        "a control group for processes",
        groups.limits_processes(),
        false,
        &format!("{delegate} processes are limited by RLIMIT_NPROC"),
    );
    findings.add(
        "a control group that limits CPU time",
        groups.limits_cpu(),
        false,
        &format!("{delegate} a program's vcpu is not enforced"),
    );
    findings.add(
        "control groups that can run behind others",
        groups.can_stand_behind(),
        false,
        "they take Linux 5.15 and a control group that limits CPU time; until then a program that computes for long \
         delays the short calls of others",
    );
    findings.add(
        "a control group that counts CPU time",
        groups.counts_cpu(),
        false,
        &format!("{delegate} CPU time is metered in steps of 10 ms"),
    );
    match Machine::open(config.clone()) {
        Ok(_) => findings.add("a folder to unpack programs in", true, true, ""),
        Err(crate::PrepareError::Source { path, what }) => {
            let how = format!("{}: {what}", path.display());
            findings.add("a folder to unpack programs in", false, true, &how);
        }
        // Already among the findings.
        Err(_) => {}
    }
    findings.0
}

/// Whether a process may make user namespaces.
fn user_namespaces() -> bool {
    let most = fs::read_to_string("/proc/sys/user/max_user_namespaces").unwrap_or_default();
    let some = most.trim().parse::<u64>().is_ok_and(|most| most > 0);
    // Ubuntu's own switch; elsewhere the file is not there.
    let restricted = fs::read_to_string("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
    Path::new("/proc/self/ns/user").exists() && some && !restricted.is_ok_and(|switch| switch.trim() == "1")
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, what: &str, ok: bool, needed: bool, how: &str) {
        let how_to_get_it = if ok { String::new() } else { how.to_owned() };
        self.0.push(Finding { what: what.to_owned(), ok, needed, how_to_get_it });
    }
}
