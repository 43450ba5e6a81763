//! One instance's processes: started by bubblewrap in namespaces of their own, limited before any of
//! them runs, and killed together.
//!
//! Bubblewrap stays outside as a monitor and is process 1 inside. It holds the program back until it is
//! in its control group, has its resource limits, and its socket listens.
//!
//! Invariants:
//! - Killing process 1 of a process namespace kills all in it; mounts, `/tmp` and network go with the
//!   last. What is left, a control group and perhaps a folder, is removed when they are gone.
//! - A dropped cage is a killed one. If this process dies, bubblewrap is told by the kernel, and dies with all.
//! - The program's environment is on no command line: bubblewrap reads its options from a descriptor.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::pin::pin;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::time::timeout;

use crate::Limits;
use crate::cgroup::{Cgroups, Group};
use crate::netns::Netns;
use crate::processes;
use crate::spawner;

mod remains;

use remains::Remains;

/// How long bubblewrap may take until its process 1 exists; on an idle machine it takes 3 ms.
const SETUP: Duration = Duration::from_secs(10);
/// How long it may take behind others.
const SETUP_BEHIND: Duration = Duration::from_millis(100);

/// The descriptor bubblewrap reads its options from.
const OPTIONS: i32 = 3;

/// What to start.
#[derive(Debug)]
pub(crate) struct Launch {
    /// Bubblewrap's path.
    pub(crate) bwrap: PathBuf,
    /// Its options.
    pub(crate) options: Vec<String>,
    /// What is run inside, and its arguments.
    pub(crate) command: Vec<String>,
    /// The user and group it is started as; this process's own otherwise.
    pub(crate) user: Option<u32>,
    /// The system call filter.
    pub(crate) filter: Option<Arc<[u8]>>,
    /// Descriptors that this process would pass on to any child; the program gets `/dev/null` in their place.
    pub(crate) inherited: Arc<[i32]>,
    /// Whether it has a network namespace of its own.
    pub(crate) own_network: bool,
    /// What it may use.
    pub(crate) limits: Limits,
    /// A folder that is removed with it.
    pub(crate) folder: Option<PathBuf>,
    /// Whether it begins behind others.
    pub(crate) behind: bool,
}

/// A started instance's processes.
#[derive(Debug)]
pub(crate) struct Cage {
    pid: i32,
    pidfd: Arc<OwnedFd>,
    netns: Netns,
    group: Arc<Group>,
    /// Written to, it lets the program run.
    block: Mutex<Option<io::PipeWriter>>,
    /// What is left to remove, until it is taken.
    remains: Mutex<Option<Remains>>,
}

/// What comes out of a cage.
#[derive(Debug)]
pub(crate) struct Outputs {
    /// Standard output and error.
    pub(crate) output: pipe::Receiver,
    /// Bubblewrap's reports, of which the last has the exit status.
    pub(crate) status: BufReader<pipe::Receiver>,
}

impl Cage {
    /// Starts bubblewrap and limits what it started, which waits for [`Self::release`].
    ///
    /// # Errors
    /// What failed, for an operator. Nothing is left.
    pub(crate) async fn start(launch: Launch, groups: &Cgroups) -> Result<(Self, Outputs), String> {
        let failed = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
        let limits = launch.limits;
        let (own_network, user) = (launch.own_network, launch.user);
        let (folder, behind, own_groups) = (launch.folder.clone(), launch.behind, groups.clone());
        let (command, block, outputs) = command(launch).map_err(failed("pipes can't be made"))?;
        let begun = spawner::run(move || begin(command, &own_groups, &limits, folder, behind)).await;
        let (mut remains, group) = begun.map_err(failed("bubblewrap can't be started"))??;
        let mut outputs = outputs.map_err(failed("pipes can't be read"))?;
        let pid = ready(&mut outputs, &group).await?;
        let typed = Pid::from_raw(pid).ok_or("bubblewrap reported no process")?;
        let pidfd = pidfd_open(typed, PidfdFlags::empty()).map_err(|error| format!("its process is gone: {error}"))?;
        let pidfd = Arc::new(pidfd);
        remains.pidfd = Some(Arc::clone(&pidfd));
        if !group.has(pid) {
            let added = Arc::clone(&group);
            let added = spawner::run(move || added.add(pid)).await;
            added.flatten().map_err(failed("it can't be put into its control group"))?;
        }
        processes::limit(typed, user, &limits, !groups.limits_memory())
            .map_err(failed("its resources can't be limited"))?;
        let netns = if own_network {
            Netns::of(pid).map_err(failed("its network namespace can't be opened"))?
        } else {
            Netns::own()
        };
        let cage =
            Self { pid, pidfd, netns, group, block: Mutex::new(Some(block)), remains: Mutex::new(Some(remains)) };
        Ok((cage, outputs))
    }

    /// Lets the program run.
    pub(crate) fn release(&self) {
        let block = self.block.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A cage that is dead already is noticed by who waits for its end.
        let _ = block.map(|mut block| block.write_all(b"."));
    }

    /// Process 1 inside, by its number outside.
    pub(crate) const fn pid(&self) -> i32 {
        self.pid
    }

    /// Where its sockets are.
    pub(crate) const fn netns(&self) -> &Netns {
        &self.netns
    }

    /// Its control group.
    pub(crate) fn group(&self) -> Arc<Group> {
        Arc::clone(&self.group)
    }

    /// A handle that can kill it.
    pub(crate) fn killer(&self) -> Killer {
        Killer(Arc::clone(&self.pidfd))
    }

    /// Kills it, and waits until nothing is left.
    pub(crate) async fn bury(&self) {
        self.killer().kill();
        let remains = self.remains.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut remains) = remains {
            // The sender is dropped when the thread is done.
            let _ = remains.bury().await;
        }
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        self.killer().kill();
        // Dropping what remains has it removed.
    }
}

/// Kills a cage from wherever it is held.
#[derive(Clone, Debug)]
pub(crate) struct Killer(Arc<OwnedFd>);

impl Killer {
    /// Kills all processes; those that are gone don't mind.
    pub(crate) fn kill(&self) {
        let _ = pidfd_send_signal(self.0.as_fd(), Signal::KILL);
    }
}

/// Kills what is left of pools that were killed in the middle of a start: a process 1 whose monitor is gone.
pub(crate) fn sweep(users: std::ops::Range<u32>) {
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let status = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let own = status(pid);
        let field = |text: &str, name: &str| {
            text.lines().find_map(|line| Some(line.strip_prefix(name)?.split_whitespace().map(str::to_owned).collect()))
        };
        let is = |text: &str, name: &str| field(text, "Name:").is_some_and(|words: Vec<String>| words == [name]);
        let user = field(&own, "Uid:").and_then(|words| words.first()?.parse::<u32>().ok());
        let first =
            field(&own, "NSpid:").is_some_and(|words| words.len() > 1 && words.last().is_some_and(|pid| pid == "1"));
        let parent = field(&own, "PPid:").and_then(|words| words.first()?.parse().ok()).unwrap_or(0);
        if is(&own, "bwrap") && first && user.is_some_and(|user| users.contains(&user)) && !is(&status(parent), "bwrap")
        {
            processes::kill(pid);
        }
    }
}

/// Starts bubblewrap, in its control group where that can be: to be called on the thread for it.
fn begin(
    mut command: Command,
    groups: &Cgroups,
    limits: &Limits,
    folder: Option<PathBuf>,
    behind: bool,
) -> Result<(Remains, Arc<Group>), String> {
    let failed = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    let mut remains = Remains::default();
    remains.folder = folder;
    let group = Arc::new(groups.create(limits).map_err(failed("a control group can't be made"))?);
    remains.group = Some(Arc::clone(&group));
    let inside = group.enter().map_err(failed("its control group can't be entered"))?;
    let spawned = command.spawn();
    drop(inside);
    remains.child = Some(spawned.map_err(failed("bubblewrap can't be started"))?);
    group.limit_memory().map_err(failed("its memory can't be limited"))?;
    // Not earlier: a thread that copies this process holds up others of it that want memory.
    group.stand(behind);
    Ok((remains, group))
}

/// Waits until process 1 exists; one that is kept from it behind others comes in front.
async fn ready(outputs: &mut Outputs, group: &Group) -> Result<i32, String> {
    let mut pid = pin!(child_pid(outputs));
    if group.is_behind() {
        if let Ok(pid) = timeout(SETUP_BEHIND, pid.as_mut()).await {
            return pid;
        }
        group.stand(false);
    }
    let late = || format!("bubblewrap was not ready within {} s", SETUP.as_secs());
    timeout(SETUP, pid).await.unwrap_or_else(|_| Err(late()))
}

type Opened = (Command, io::PipeWriter, io::Result<Outputs>);

/// Bubblewrap's command, what releases its program, and what it reports.
fn command(launch: Launch) -> io::Result<Opened> {
    let (output, output_inside) = io::pipe()?;
    let (status, status_inside) = io::pipe()?;
    let (block_inside, block) = io::pipe()?;
    let mut options = launch.options;
    let mut given = vec![
        FdMapping { parent_fd: status_inside.into(), child_fd: 5 },
        FdMapping { parent_fd: block_inside.into(), child_fd: 6 },
    ];
    options.extend(["--json-status-fd", "5", "--block-fd", "6"].map(str::to_owned));
    if let Some(filter) = &launch.filter {
        given.push(FdMapping { parent_fd: file("filter", filter)?, child_fd: 4 });
        options.extend(["--seccomp", "4"].map(str::to_owned));
    }
    let taken: Vec<i32> = given.iter().map(|mapping| mapping.child_fd).chain([OPTIONS]).collect();
    for child_fd in launch.inherited.iter().copied().filter(|fd| !taken.contains(fd)) {
        given.push(FdMapping { parent_fd: File::open("/dev/null")?.into(), child_fd });
    }
    given.push(FdMapping { parent_fd: file("options", (options.join("\0") + "\0").as_bytes())?, child_fd: OPTIONS });
    let mut command = Command::new(launch.bwrap);
    command.args(["--args", &OPTIONS.to_string(), "--"]).args(launch.command).env_clear().current_dir("/");
    command.stdin(Stdio::null()).stdout(output_inside.try_clone()?).stderr(output_inside);
    if let Some(user) = launch.user {
        command.uid(user).gid(user);
    }
    // Not one that a terminal's interrupt reaches.
    command.process_group(0);
    command.fd_mappings(given).map_err(|error| io::Error::other(error.to_string()))?;
    let outputs = || {
        let output = pipe::Receiver::from_owned_fd(output.into())?;
        let status = BufReader::new(pipe::Receiver::from_owned_fd(status.into())?);
        Ok(Outputs { output, status })
    };
    Ok((command, block, outputs()))
}

/// A file in memory with this content, to be read from its beginning.
fn file(name: &str, content: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create(name, MemfdFlags::CLOEXEC)?);
    file.write_all(content)?;
    file.rewind()?;
    Ok(file.into())
}

/// Process 1's number, by bubblewrap's first report; or its complaint.
async fn child_pid(outputs: &mut Outputs) -> Result<i32, String> {
    let mut line = String::new();
    let read = outputs.status.read_line(&mut line).await;
    if let Ok(1..) = read {
        let report: serde_json::Value = serde_json::from_str(&line).map_err(|error| error.to_string())?;
        let pid = report.get("child-pid").and_then(serde_json::Value::as_i64);
        return pid.and_then(|pid| i32::try_from(pid).ok()).ok_or_else(|| format!("bubblewrap reported {line}"));
    }
    let mut complaint = Vec::new();
    let _ = (&mut outputs.output).take(4096).read_to_end(&mut complaint).await;
    Err(format!("bubblewrap failed: {}", String::from_utf8_lossy(&complaint).trim()))
}

/// Waits for the program's end, and says how it ended by bubblewrap's last report: `status 1`, or `signal 9` for
/// 128 and more. `None` when bubblewrap was killed itself.
pub(crate) async fn exit_status(mut status: BufReader<pipe::Receiver>) -> Option<String> {
    let mut line = String::new();
    while let Ok(1..) = status.read_line(&mut line).await {
        let report: serde_json::Value = serde_json::from_str(&line).ok()?;
        if let Some(code) = report.get("exit-code").and_then(serde_json::Value::as_i64) {
            return Some(if code > 128 { format!("signal {}", code - 128) } else { format!("status {code}") });
        }
        line.clear();
    }
    None
}

/// Descriptors beyond the standard ones that were opened without asking to be closed on `exec`, mostly by who
/// started this process.
pub(crate) fn inherited() -> Vec<i32> {
    const CLOSE_ON_EXEC: u32 = 0o2_000_000;
    let entries = std::fs::read_dir("/proc/self/fdinfo").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let passed_on = numbers.filter(|number| *number > 2).filter(|number| {
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
        let flags = info.lines().find_map(|line| u32::from_str_radix(line.strip_prefix("flags:")?.trim(), 8).ok());
        flags.is_some_and(|flags| flags & CLOSE_ON_EXEC == 0)
    });
    passed_on.collect()
}
