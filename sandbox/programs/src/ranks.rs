//! Which threads of this process run in front and which behind, where control groups of version 1 can say it.
//!
//! A thread of the policy `SCHED_IDLE` makes way for any other that wakes up, with an exception: Linux does not let
//! one that has had more than its share lately take a core before the next tick of its clock, up to 4 ms later, and
//! threads of one process that pass work to each other often are such. In a group of their own they share one account,
//! which compared with that of a group that is idle never is ahead
//! ([ADR 33](../../../docs/adr/0033-long-calls-run-behind.md)). So this process moves into a group, and its threads that
//! run behind into another one, which is idle.
//!
//! Invariants:
//! - Both groups stand beside those of the instances, and are removed with the last handle.
//!
//! Known limitation: with version 2 threads of one process can't be in two such groups without moving all that the
//! process shares; there the policy alone says it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::cgroup::Cgroups;

/// Weight of one thread among others, for each core: the group is as heavy as a process that was alone on it.
const WEIGHT_PER_CORE: usize = 1024;
/// The heaviest a group can be.
const WEIGHT_MAX: usize = 262_144;

/// This process's groups.
#[derive(Debug)]
pub struct Ranks {
    /// Where the process was.
    base: PathBuf,
    front: PathBuf,
    behind: PathBuf,
}

impl Ranks {
    /// Moves this process into a group in front, if it has not been yet. `None` where this machine has no such groups,
    /// or does not let this process make them.
    #[must_use]
    pub fn take() -> Option<Arc<Self>> {
        static TAKEN: Mutex<Weak<Ranks>> = Mutex::new(Weak::new());
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ranks) = taken.upgrade() {
            return Some(ranks);
        }
        let base = Cgroups::open().ranked()?;
        let ranks = Arc::new(Self {
            front: base.join(front_name()),
            behind: base.join(format!("merit-{}-behind", std::process::id())),
            base,
        });
        if let Err(error) = ranks.make() {
            tracing::warn!(%error, "long calls run behind others by their policy only");
            return None;
        }
        *taken = Arc::downgrade(&ranks);
        Some(ranks)
    }

    fn make(&self) -> io::Result<()> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        fs::create_dir(&self.behind)?;
        fs::write(self.behind.join("cpu.idle"), "1")?;
        fs::create_dir(&self.front)?;
        let weight = cores.saturating_mul(WEIGHT_PER_CORE).min(WEIGHT_MAX);
        fs::write(self.front.join("cpu.shares"), weight.to_string())?;
        move_process(&self.front)
    }

    /// Moves the calling thread behind.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn step_behind(&self) -> io::Result<()> {
        let thread = rustix::thread::gettid().as_raw_nonzero();
        fs::write(self.behind.join("tasks"), thread.to_string())
    }
}

impl Drop for Ranks {
    fn drop(&mut self) {
        // Threads that run behind may still be ending; they are moved along.
        let moved = move_process(&self.base);
        let removed = [&self.front, &self.behind].map(fs::remove_dir);
        for error in [moved].into_iter().chain(removed).filter_map(Result::err) {
            tracing::debug!(%error, "a control group is left; the next pool removes it");
        }
    }
}

fn move_process(group: &Path) -> io::Result<()> {
    fs::write(group.join("cgroup.procs"), std::process::id().to_string())
}

/// The name of the group in front: [`Cgroups`] looks above it for where this process belongs.
pub(crate) fn front_name() -> String {
    format!("merit-{}-front", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where this process is in the hierarchy of CPU time.
    fn group_of(status: &str) -> String {
        let text = fs::read_to_string(status).expect("readable");
        let cpu = text.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            controllers.split(',').any(|name| name == "cpu").then(|| path.to_owned())
        });
        cpu.expect("a hierarchy")
    }

    #[test]
    fn a_process_and_its_threads_behind_have_groups_of_their_own_and_leave_none() {
        let Some(ranks) = Ranks::take() else {
            assert!(Cgroups::open().ranked().is_none(), "what can be had is taken");
            return;
        };
        assert_eq!(ranks.base, Cgroups::open().ranked().expect("the same"), "groups of instances stand beside");
        let again = Ranks::take().expect("the same");
        assert!(Arc::ptr_eq(&ranks, &again));
        assert!(group_of("/proc/self/cgroup").ends_with(&front_name()));
        let (other, own) = (Arc::clone(&ranks), group_of("/proc/thread-self/cgroup"));
        let behind = std::thread::spawn(move || {
            other.step_behind().expect("moved");
            group_of("/proc/thread-self/cgroup")
        });
        let behind = behind.join().expect("no panic");
        assert!(behind.ends_with("-behind") && own.ends_with("-front"), "{behind} {own}");
        assert_eq!(fs::read_to_string(ranks.behind.join("cpu.idle")).expect("readable").trim(), "1");
        let folders = [ranks.front.clone(), ranks.behind.clone()];
        drop((ranks, again));
        assert!(!folders.iter().any(|folder| folder.exists()), "nothing is left");
    }
}
