//! Processes under measurement: started and ended with the run, their CPU time and memory read
//! from `/proc`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};

/// Microseconds in a tick of `/proc/PID/stat`: Linux counts 100 a second for programs, whatever
/// the kernel's own rate (proc(5), `sysconf(_SC_CLK_TCK)`).
const TICK_US: u64 = 10_000;

/// A process that ends with this value.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts it, without anything to read from.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::null()).spawn();
        let child = child.with_context(|| format!("failed to start {program}"))?;
        Ok(Self { child })
    }

    /// Starts a server of this harness that lies beside the running program, and returns it with
    /// the address it announces.
    ///
    /// # Errors
    /// When it can't be started or says something else.
    pub fn start_server(name: &str, args: &[String]) -> anyhow::Result<(Self, SocketAddr)> {
        Self::start_listening(Command::new(beside(name)?).args(args))
    }

    /// Starts a server and returns it with the address it announces as servers of this harness do.
    ///
    /// # Errors
    /// When it can't be started or says something else.
    pub fn start_listening(command: &mut Command) -> anyhow::Result<(Self, SocketAddr)> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut process = Self::start(command.stdout(Stdio::piped()))?;
        let stdout = process.child.stdout.take().context("invariant: stdout is piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on ").and_then(|address| address.parse().ok());
        Ok((process, address.with_context(|| format!("{name} did not say where it listens, but {line:?}"))?))
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails when it has ended.
    ///
    /// # Errors
    /// With its exit status.
    pub fn check(&mut self) -> anyhow::Result<()> {
        let ended = self.child.try_wait()?;
        ensure!(ended.is_none(), "process {} ended early: {ended:?}", self.id());
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left behind.
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// The path of a program that was built together with the running one.
///
/// # Errors
/// When the running program's own path is unknown.
pub fn beside(name: &str) -> anyhow::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}

/// CPU time of a process so far, user and system, in microseconds; to 10 milliseconds.
///
/// # Errors
/// When there is no such process.
pub fn cpu_us(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("failed to read {path}"))?;
    parse_cpu_us(&stat).with_context(|| format!("{path} is not as expected: {stat:?}"))
}

/// Fields 14 and 15; the name in parentheses, field 2, may itself contain spaces and parentheses.
fn parse_cpu_us(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(ticks * TICK_US)
}

/// CPU time that all processes together have used so far, user and system, in microseconds.
///
/// # Errors
/// When `/proc/stat` is not as expected.
pub fn all_cpu_us() -> anyhow::Result<u64> {
    let stat = fs::read_to_string("/proc/stat").context("failed to read /proc/stat")?;
    parse_all_cpu_us(&stat).with_context(|| format!("/proc/stat is not as expected: {stat:?}"))
}

/// The first three figures of the first line: user, nice, system. Interrupts are nobody's.
fn parse_all_cpu_us(stat: &str) -> Option<u64> {
    let mut fields = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace();
    let mut ticks = 0;
    for _ in 0..3 {
        ticks += fields.next()?.parse::<u64>().ok()?;
    }
    Some(ticks * TICK_US)
}

/// Memory of a process in RAM, in KiB.
///
/// # Errors
/// When there is no such process.
pub fn rss_kib(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("failed to read {path}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    kib.with_context(|| format!("{path} tells no VmRSS"))
}

/// The first line of a file that begins with `key`, after the colon; for the conditions of a run.
#[must_use]
pub fn fact(path: &str, key: &str) -> String {
    let text = fs::read_to_string(Path::new(path)).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(key)).unwrap_or("unknown");
    line.split_once(':').map_or(line, |(_, value)| value).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_a_strange_name() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1 0 5 6 7";
        assert_eq!(parse_cpu_us(stat), Some(3_000_000));
        assert_eq!(parse_cpu_us("42 nothing"), None);
        assert_eq!(parse_all_cpu_us("cpu  10 2 3 1000 5 6 7 0 0 0\ncpu0 1 2 3"), Some(150_000));
    }

    #[test]
    fn this_process_has_memory_and_time() {
        let pid = std::process::id();
        assert!(rss_kib(pid).expect("memory") > 100);
        assert!(cpu_us(pid).is_ok());
        assert!(cpu_us(0).is_err());
    }
}
