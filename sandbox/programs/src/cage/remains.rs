//! What is left of a cage, and how it is removed: on a thread of its own, whoever drops it.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::oneshot;

use super::SETUP;
use crate::cgroup::Group;
use crate::processes;

/// How long the processes of a killed instance may take to be gone before it is logged.
const GONE: Duration = Duration::from_secs(10);
/// How long they may take where they stand, perhaps behind others.
const GONE_BEHIND: Duration = Duration::from_millis(20);

/// What is left of a cage.
#[derive(Debug, Default)]
pub(super) struct Remains {
    /// Bubblewrap, outside.
    pub(super) child: Option<Child>,
    /// Process 1, once it is known.
    pub(super) pidfd: Option<Arc<OwnedFd>>,
    pub(super) group: Option<Arc<Group>>,
    pub(super) folder: Option<PathBuf>,
}

impl Remains {
    /// Removes it on a thread of its own; the receiver ends when that is done.
    pub(super) fn bury(&mut self) -> oneshot::Receiver<()> {
        let (done, buried) = oneshot::channel();
        let (child, pidfd, group, folder) =
            (self.child.take(), self.pidfd.take(), self.group.take(), self.folder.take());
        if child.is_none() && group.is_none() && folder.is_none() {
            return buried;
        }
        let work = move || {
            if let Some(child) = child {
                end(child, pidfd.as_deref(), group.as_deref());
            }
            if let Some(group) = group {
                group.remove();
            }
            if let Some(folder) = folder
                && let Err(error) = std::fs::remove_dir_all(&folder)
            {
                tracing::warn!(folder = %folder.display(), %error, "failed to remove an instance's folder");
            }
            drop(done);
        };
        if let Err(error) = std::thread::Builder::new().name("merit-burial".to_owned()).spawn(work) {
            tracing::error!(%error, "failed to remove what an instance left; the next start removes its control group");
        }
        buried
    }
}

impl Drop for Remains {
    fn drop(&mut self) {
        // It is nothing any more if it was buried.
        drop(self.bury());
    }
}

/// Waits until all processes are gone, of which process 1 was killed if it is known.
fn end(mut child: Child, pidfd: Option<&OwnedFd>, group: Option<&Group>) {
    match pidfd {
        Some(pidfd) => wait_for(pidfd, group),
        None => kill_first_process(&mut child),
    }
    // To end takes a core, too, which those behind may not get.
    group.iter().for_each(|group| group.stand(false));
    let _ = child.kill();
    let _ = child.wait();
}

/// Waits until process 1, which was killed, and all others are gone.
fn wait_for(pidfd: &OwnedFd, group: Option<&Group>) {
    let gone_within = |time: Duration| {
        let ready = poll(&mut [PollFd::new(pidfd, PollFlags::IN)], time.try_into().ok().as_ref());
        matches!(ready, Ok(1..))
    };
    let gone = gone_within(GONE_BEHIND) || {
        group.iter().for_each(|group| group.stand(false));
        gone_within(GONE)
    };
    if !gone {
        tracing::warn!("the processes of a killed instance are still there after {} s", GONE.as_secs());
    }
}

/// Kills process 1 of a bubblewrap that was cut off before it said which that is.
///
/// The monitor may not be killed first: until it has set the user namespace up, its child waits for it without
/// having asked to die with it, and would wait for ever.
fn kill_first_process(monitor: &mut Child) {
    let number = i32::try_from(monitor.id()).unwrap_or(i32::MAX);
    for _ in 0..SETUP.as_millis() {
        let ended = !matches!(monitor.try_wait(), Ok(None));
        let killed = processes::children(number).into_iter().filter(|child| processes::kill(*child)).count();
        if ended || killed > 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let _ = monitor.kill();
}
