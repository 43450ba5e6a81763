//! Control groups: what an instance may use of memory, processes and CPU, and what it did use.
//!
//! Version 2 and the hierarchies of version 1 both work; each controller is used where this process
//! may make groups of it, and is otherwise missing, which [`crate::doctor`] tells and the callers make
//! up for as well as they can.
//!
//! Invariants:
//! - Groups are named `merit-<pid>-<number>`. Those of processes that are gone are removed by [`Cgroups::open`], so
//!   that a pool killed in mid-flight leaves none for longer than until the next one.
//!
//! Known limitation: with version 2 a group that holds processes can't hand controllers to groups
//! below it, so this process moves itself into a group `merit-pool` beside those it makes.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::{Limits, ranks};

/// The period over which CPU time is shared out, in microseconds; the kernel's default.
const CPU_PERIOD_US: u64 = 100_000;
/// How long an emptied group may stay busy before it is left to the next start. It takes a millisecond or two.
const REMOVE_TRIES: u32 = 2000;

/// The group this process is in while version 2 makes it leave the one above those it makes.
const OWN: &str = "merit-pool";

static NEXT: AtomicU64 = AtomicU64::new(0);

/// Where groups can be made: the folder above them, for each controller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cgroups {
    memory: Option<PathBuf>,
    pids: Option<PathBuf>,
    /// Limits CPU time.
    cpu: Option<PathBuf>,
    /// Counts CPU time.
    cpuacct: Option<PathBuf>,
    v2: bool,
}

impl Cgroups {
    /// What this process can use, found by trying it; removes what dead pools left.
    pub(crate) fn open() -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let found = Self::find(&mounts, &own);
        let found = if found.v2 { found.delegated() } else { found };
        let usable = found.usable();
        usable.sweep();
        usable
    }

    /// Where this process is, by `mountinfo(5)` and `cgroups(7)`.
    fn find(mounts: &str, own: &str) -> Self {
        let v1 = |controller: &str| {
            let mount = mounts.lines().find_map(|line| mounted(line, "cgroup", Some(controller)))?;
            let inside = own.lines().find_map(|line| {
                let mut fields = line.splitn(3, ':').skip(1);
                let named = fields.next()?.split(',').any(|name| name == controller);
                named.then(|| fields.next()).flatten()
            })?;
            // Its own group in front stands beside those it makes.
            let inside = inside.strip_suffix(&ranks::front_name()).unwrap_or(inside);
            Some(below(mount, inside))
        };
        let found = Self { memory: v1("memory"), pids: v1("pids"), cpu: v1("cpu"), cpuacct: v1("cpuacct"), v2: false };
        if found != Self::default() {
            return found;
        }
        let mount = mounts.lines().find_map(|line| mounted(line, "cgroup2", None));
        let inside = own.lines().find_map(|line| line.strip_prefix("0::"));
        let inside = inside.map(|inside| inside.strip_suffix(OWN).unwrap_or(inside));
        let Some((mount, inside)) = mount.zip(inside) else { return found };
        let here = Some(below(mount, inside));
        Self { memory: here.clone(), pids: here.clone(), cpu: here.clone(), cpuacct: here, v2: true }
    }

    /// Version 2: makes the controllers available to groups below this process's.
    fn delegated(mut self) -> Self {
        let Some(here) = self.memory.clone() else { return self };
        let own = here.join(OWN);
        // Not in the root group, which alone may hold both processes and groups with controllers.
        if here.join("cgroup.type").exists() && fs::create_dir_all(&own).is_ok() {
            let _ = fs::write(own.join("cgroup.procs"), "0");
        }
        for controller in ["memory", "pids", "cpu"] {
            if fs::write(here.join("cgroup.subtree_control"), format!("+{controller}")).is_err() {
                match controller {
                    "memory" => self.memory = None,
                    "pids" => self.pids = None,
                    _ => self.cpu = None,
                }
            }
        }
        self
    }

    /// Only those where a group can be made and removed again.
    fn usable(self) -> Self {
        let usable = |parent: Option<PathBuf>, file: &str| {
            let parent = parent?;
            let probe = parent.join(name());
            let made = fs::create_dir(&probe).is_ok();
            let there = probe.join(file).exists();
            let removed = fs::remove_dir(&probe).is_ok();
            (made && there && removed).then_some(parent)
        };
        let (memory, cpu, cpuacct) = if self.v2 {
            ("memory.max", "cpu.max", "cpu.stat")
        } else {
            ("memory.limit_in_bytes", "cpu.cfs_quota_us", "cpuacct.usage")
        };
        Self {
            memory: usable(self.memory, memory),
            pids: usable(self.pids, "pids.max"),
            cpu: usable(self.cpu, cpu),
            cpuacct: usable(self.cpuacct, cpuacct),
            v2: self.v2,
        }
    }

    /// The folder in which threads of one process can be in several groups for CPU time, of which one may be idle.
    pub(crate) fn ranked(&self) -> Option<PathBuf> {
        self.cpu.clone().filter(|_| !self.v2 && self.can_stand_behind())
    }

    fn parents(&self) -> Vec<&Path> {
        let mut parents: Vec<&Path> =
            [&self.memory, &self.pids, &self.cpu, &self.cpuacct].into_iter().flatten().map(PathBuf::as_path).collect();
        parents.sort_unstable();
        parents.dedup();
        parents
    }

    /// Removes groups of processes that are gone.
    fn sweep(&self) {
        let entries = self.parents().into_iter().filter_map(|parent| fs::read_dir(parent).ok());
        for entry in entries.flat_map(|entries| entries.flatten()) {
            let name = entry.file_name();
            let pid =
                name.to_str().and_then(|name| name.strip_prefix("merit-")?.split('-').next()?.parse::<u32>().ok());
            if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
                // One that is still busy is somebody's after all, or the next start's.
                let _ = fs::remove_dir(entry.path());
            }
        }
    }

    /// Whether memory is limited and counted.
    pub(crate) const fn limits_memory(&self) -> bool {
        self.memory.is_some()
    }

    /// Whether processes are limited.
    pub(crate) const fn limits_processes(&self) -> bool {
        self.pids.is_some()
    }

    /// Whether CPU time is limited.
    pub(crate) const fn limits_cpu(&self) -> bool {
        self.cpu.is_some()
    }

    /// Whether a group can be made to run behind all others: every group but the root has the file then.
    pub(crate) fn can_stand_behind(&self) -> bool {
        let Some(parent) = &self.cpu else { return false };
        let probe = parent.join(name());
        let there = fs::create_dir(&probe).is_ok() && probe.join("cpu.idle").exists();
        // One that was not made is not removed either.
        let _ = fs::remove_dir(&probe);
        there
    }

    /// Whether CPU time is counted, to the nanosecond.
    pub(crate) const fn counts_cpu(&self) -> bool {
        self.cpuacct.is_some()
    }

    /// Makes a group with these limits.
    ///
    /// # Errors
    /// What the kernel refused; nothing is left then.
    pub(crate) fn create(&self, limits: &Limits) -> io::Result<Group> {
        let mut group = Group { name: name(), v2: self.v2, ..Group::default() };
        let filled = self.fill(&mut group, limits);
        if filled.is_err() {
            group.remove();
        }
        filled.map(|()| group)
    }

    fn fill(&self, group: &mut Group, limits: &Limits) -> io::Result<()> {
        for parent in self.parents() {
            let folder = parent.join(&group.name);
            fs::create_dir(&folder)?;
            group.folders.push(folder);
        }
        let name = group.name.clone();
        let at = |parent: &Option<PathBuf>| parent.as_ref().map(|parent| parent.join(&name));
        if let Some(folder) = at(&self.memory) {
            let peak = folder.join(if self.v2 { "memory.peak" } else { "memory.max_usage_in_bytes" });
            // It begins anew when it is written to: with version 2 only since Linux 6.12, and only as this file sees it.
            let file = File::options().read(true).write(true).open(&peak);
            group.resets = file.is_ok();
            group.peak = file.or_else(|_| File::open(&peak)).ok();
            group.memory = Some((folder, limits.memory.bytes()));
        }
        if let Some(folder) = at(&self.pids) {
            // Bubblewrap's own processes are none of the program's: the one inside, and with version 1 the monitor.
            let own = if self.v2 { 1 } else { 2 };
            fs::write(folder.join("pids.max"), (u64::from(limits.processes) + own).to_string())?;
        }
        if let Some((folder, milli)) = at(&self.cpu).zip(limits.vcpu_milli) {
            let quota = (u64::from(milli) * CPU_PERIOD_US / 1000).max(1000);
            if self.v2 {
                fs::write(folder.join("cpu.max"), format!("{quota} {CPU_PERIOD_US}"))?;
            } else {
                fs::write(folder.join("cpu.cfs_period_us"), CPU_PERIOD_US.to_string())?;
                fs::write(folder.join("cpu.cfs_quota_us"), quota.to_string())?;
            }
        }
        group.idle = at(&self.cpu).map(|folder| folder.join("cpu.idle")).filter(|file| file.exists());
        if let Some(folder) = at(&self.cpuacct) {
            group.cpu = Some(File::open(folder.join(if self.v2 { "cpu.stat" } else { "cpuacct.usage" }))?);
        }
        Ok(())
    }
}

fn limit_memory(folder: &Path, bytes: u64, v2: bool) -> io::Result<()> {
    let text = bytes.to_string();
    if v2 {
        fs::write(folder.join("memory.max"), text)?;
        // One process of a program without memory is mostly all of them; and without swap the limit is one.
        let _ = fs::write(folder.join("memory.oom.group"), "1");
        let _ = fs::write(folder.join("memory.swap.max"), "0");
    } else {
        fs::write(folder.join("memory.limit_in_bytes"), &text)?;
        let _ = fs::write(folder.join("memory.memsw.limit_in_bytes"), &text);
    }
    Ok(())
}

/// A group in each hierarchy, for one instance.
#[derive(Debug, Default)]
pub(crate) struct Group {
    name: String,
    folders: Vec<PathBuf>,
    cpu: Option<File>,
    /// And its limit in bytes.
    memory: Option<(PathBuf, u64)>,
    /// The most memory it held; kept open, because it is read and begun anew in every call.
    peak: Option<File>,
    /// Whether the peak can be begun anew.
    resets: bool,
    /// The file that says whether it runs behind all others.
    idle: Option<PathBuf>,
    behind: AtomicBool,
    v2: bool,
}

/// The calling thread is in a group until this is dropped.
#[derive(Debug)]
pub(crate) struct Inside<'a>(&'a Group);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        for folder in &self.0.folders {
            // Where this process is: its own group in front, or the one above.
            let above = folder.parent().unwrap_or(folder);
            let moved = move_thread(&above.join(ranks::front_name())).or_else(|_| move_thread(above));
            if let Err(error) = moved {
                tracing::warn!(%error, folder = %folder.display(), "a thread stays in a control group");
            }
        }
    }
}

/// Moves the calling thread to a group of version 1.
fn move_thread(folder: &Path) -> io::Result<()> {
    fs::write(folder.join("tasks"), "0")
}

impl Group {
    /// Moves the calling thread in, so that what it starts is there from its first moment: no limit of memory stands
    /// yet. `None` with version 2, which does not part threads from their process like that.
    ///
    /// A thread moves itself in a tenth of a millisecond; to be moved by somebody else takes five to fifteen, for the
    /// kernel then waits until no core can be in the middle of anything.
    pub(crate) fn enter(&self) -> io::Result<Option<Inside<'_>>> {
        if self.v2 {
            return Ok(None);
        }
        let inside = Inside(self);
        self.folders.iter().try_for_each(|folder| move_thread(folder))?;
        Ok(Some(inside))
    }

    /// Whether a process is in it.
    pub(crate) fn has(&self, pid: i32) -> bool {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let inside = text.lines().filter(|line| line.rsplit('/').next() == Some(&self.name)).count();
        inside >= self.folders.len()
    }

    /// Puts a process in; its children follow. Blocks for some milliseconds.
    pub(crate) fn add(&self, pid: i32) -> io::Result<()> {
        self.folders.iter().try_for_each(|folder| fs::write(folder.join("cgroup.procs"), pid.to_string()))
    }

    /// Bounds its memory from now on.
    pub(crate) fn limit_memory(&self) -> io::Result<()> {
        let Some((folder, bytes)) = &self.memory else { return Ok(()) };
        limit_memory(folder, *bytes, self.v2)
    }

    /// Whether it can be made to run behind others.
    pub(crate) const fn can_stand_behind(&self) -> bool {
        self.idle.is_some()
    }

    /// Whether its processes run behind all others.
    pub(crate) fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Relaxed)
    }

    /// Has its processes run behind all others, or in front again.
    pub(crate) fn stand(&self, behind: bool) {
        let Some(file) = self.idle.as_ref().filter(|_| self.is_behind() != behind) else { return };
        self.behind.store(behind, Ordering::Relaxed);
        if let Err(error) = fs::write(file, if behind { "1" } else { "0" }) {
            // One that is gone needs no place.
            tracing::debug!(%error, file = %file.display(), "a control group stays where it stands");
        }
    }

    /// CPU time of all its processes, in nanoseconds.
    pub(crate) fn cpu_nanos(&self) -> Option<u64> {
        let mut buffer = [0; 256];
        let read = self.cpu.as_ref()?.read_at(&mut buffer, 0).ok()?;
        let text = std::str::from_utf8(&buffer[..read]).ok()?;
        if self.v2 { field(text, "usage_usec").map(|micros| micros * 1000) } else { text.trim().parse().ok() }
    }

    /// The most memory held since [`Self::reset_peak`], in bytes.
    pub(crate) fn memory_peak(&self) -> Option<u64> {
        let mut buffer = [0; 32];
        let read = self.peak.as_ref()?.read_at(&mut buffer, 0).ok()?;
        std::str::from_utf8(&buffer[..read]).ok()?.trim().parse().ok()
    }

    /// Begins a new peak where the kernel can: version 2 keeps the highest since the group was made before Linux 6.12.
    pub(crate) fn reset_peak(&self) {
        if let Some(file) = self.peak.as_ref().filter(|_| self.resets) {
            let _ = file.write_at(b"0", 0);
        }
    }

    /// Processes the kernel killed for want of memory.
    pub(crate) fn killed_for_memory(&self) -> bool {
        let file = if self.v2 { "memory.events" } else { "memory.oom_control" };
        let text = self.memory.as_ref().and_then(|(folder, _)| fs::read_to_string(folder.join(file)).ok());
        text.and_then(|text| field(&text, "oom_kill")).is_some_and(|killed| killed > 0)
    }

    /// Removes it once its processes are gone; blocks for at most two seconds.
    pub(crate) fn remove(&self) {
        for folder in &self.folders {
            let removed = (0..REMOVE_TRIES).any(|_| {
                let gone = fs::remove_dir(folder).is_ok() || !folder.exists();
                if !gone {
                    std::thread::sleep(Duration::from_millis(1));
                }
                gone
            });
            if !removed {
                tracing::warn!(folder = %folder.display(), "a control group is still busy; the next start removes it");
            }
        }
    }
}

/// The value in a line `name value`.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

fn name() -> String {
    format!("merit-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The mount point in a line of `mountinfo(5)`, if it is of this type and, where one is named, has this controller.
fn mounted<'a>(line: &'a str, kind: &str, controller: Option<&str>) -> Option<&'a str> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut fields = filesystem.split(' ');
    let right_kind = fields.next()? == kind;
    let options = fields.nth(1)?;
    let right_controller = controller.is_none_or(|controller| options.split(',').any(|option| option == controller));
    (right_kind && right_controller).then(|| mount.split(' ').nth(4)).flatten()
}

/// The folder of a group; the mount itself where the path is of another namespace.
fn below(mount: &str, inside: &str) -> PathBuf {
    let folder = Path::new(mount).join(inside.trim_start_matches('/'));
    if folder.is_dir() { folder } else { PathBuf::from(mount) }
}

#[cfg(test)]
mod tests;
