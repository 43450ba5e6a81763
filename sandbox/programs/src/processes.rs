//! Limits and meters without control groups: resource limits, and sums over `/proc`.
//!
//! The second best. A process's children are found by `/proc/<pid>/task/<tid>/children`; CPU time is
//! that of the living and of those they waited for, in steps of 10 ms; memory is what they hold at
//! the moments it is looked at.
//!
//! Known limitation: resource limits are for each process, so that the sum is only bounded by
//! looking at it every now and then ([`crate::cage`] kills what is over).

use std::fs;
use std::io;

use rustix::fs::{Gid, Uid};
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use rustix::thread::{set_thread_res_gid, set_thread_res_uid};

use crate::Limits;

/// The kernel counts CPU time for `/proc` in hundredths of a second on every architecture (`USER_HZ`).
const NANOS_A_TICK: u64 = 10_000_000;
/// Open files of one process; AWS Lambda's figure.
const FILES: u64 = 1024;
/// Levels of children that are followed; deeper ones count when they are waited for.
const DEPTH: u32 = 64;

/// Limits a process of this user and what it will start; `memory` says whether its memory is bounded this way too,
/// which it is where no control group does it.
pub(crate) fn limit(pid: Pid, user: Option<u32>, limits: &Limits, memory: bool) -> io::Result<()> {
    match (limit_from_here(pid, limits, memory), user) {
        // Containers mostly lack CAP_SYS_RESOURCE. The user of a process may limit it without, so a thread that
        // becomes that user for good does it, and ends.
        (Err(Errno::PERM), Some(user)) => std::thread::scope(|scope| {
            let limited = scope.spawn(|| {
                let (group, user) = (Gid::from_raw(user), Uid::from_raw(user));
                set_thread_res_gid(group, group, group)?;
                set_thread_res_uid(user, user, user)?;
                limit_from_here(pid, limits, memory)
            });
            limited.join().unwrap_or(Err(Errno::PERM)).map_err(io::Error::from)
        }),
        (result, _) => result.map_err(io::Error::from),
    }
}

fn limit_from_here(pid: Pid, limits: &Limits, memory: bool) -> Result<(), Errno> {
    let set = |resource, value: u64| {
        // What this process itself is limited to, its children can't exceed.
        let value = getrlimit(resource).maximum.map_or(value, |most| most.min(value));
        let bound = Rlimit { current: Some(value), maximum: Some(value) };
        prlimit(Some(pid), resource, bound).map(drop)
    };
    set(Resource::Core, 0)?;
    set(Resource::Nofile, FILES)?;
    set(Resource::Memlock, 64 << 10)?;
    set(Resource::Msgqueue, 0)?;
    // Counted for each user in each user namespace, so each instance has its own count; bubblewrap's processes are two.
    set(Resource::Nproc, u64::from(limits.processes) + 2)?;
    if memory {
        set(Resource::Data, limits.memory.bytes())?;
    }
    Ok(())
}

/// What a tree of processes used and holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    /// CPU time in nanoseconds.
    pub(crate) cpu_nanos: u64,
    /// Resident memory in bytes; what several share is counted once.
    pub(crate) memory_bytes: u64,
}

impl Tree {
    /// Looks at a process and all below it; what is gone meanwhile counts for nothing.
    pub(crate) fn of(pid: i32) -> Self {
        let mut tree = Self::default();
        tree.add(pid, DEPTH);
        tree
    }

    fn add(&mut self, pid: i32, depth: u32) {
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return };
        // The second field, the name, may hold anything; what follows its last parenthesis is numbers.
        let fields: Vec<u64> = stat
            .rsplit_once(')')
            .map(|(_, rest)| rest.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect())
            .unwrap_or_default();
        // proc(5), counted from the third field: 14 to 17 are its times and those of children it waited for.
        self.cpu_nanos += fields.iter().skip(11).take(4).sum::<u64>() * NANOS_A_TICK;
        // What processes share is divided among them there (`proc(5)`, Pss), so that the sum is what all hold.
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let field = |line: &str| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB")?.trim().parse().ok();
        let resident: Option<u64> = rollup.lines().find_map(field);
        self.memory_bytes += resident.unwrap_or(0) << 10;
        if depth == 0 {
            return;
        }
        let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        for thread in threads {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
                self.add(child, depth - 1);
            }
        }
    }
}

/// The processes directly below one.
pub(crate) fn children(pid: i32) -> Vec<i32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

/// Kills a process; whether there was one.
pub(crate) fn kill(pid: i32) -> bool {
    Pid::from_raw(pid).is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok())
}

/// Asks a process to end; whether there was one.
pub(crate) fn terminate(pid: i32) -> bool {
    Pid::from_raw(pid).is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::Tree;

    #[test]
    fn a_tree_has_the_memory_and_the_time_of_its_children() {
        // Three processes: the shell, and two that wait for their input to end.
        let mut child = Command::new("sh")
            .args(["-c", "sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo done; cat' & cat; wait"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut line = [0; 5];
        std::io::Read::read_exact(child.stdout.as_mut().expect("piped"), &mut line).expect("it is done");
        let pid = i32::try_from(child.id()).expect("a pid");
        let whole = Tree::of(pid);
        let mut alone = Tree::default();
        alone.add(pid, 0);
        assert!(whole.memory_bytes > alone.memory_bytes, "{whole:?} {alone:?}");
        assert!(whole.cpu_nanos >= alone.cpu_nanos);
        drop(child.stdin.take());
        child.kill().expect("killed");
        child.wait().expect("waited for");
    }

    #[test]
    fn a_process_that_is_gone_used_nothing() {
        assert_eq!(Tree::of(i32::MAX), Tree::default());
    }
}
