//! What calls cost this process in CPU time: callers run for a while, and the time is read before and after.
//!
//! Known limitation: the time is read in ticks of 10 ms, so a turn should last a second or more.

use tokio::time::Instant;

use crate::process;

/// Calls, and the CPU time of this process and the wall time that they took.
#[derive(Debug, Default)]
pub struct CpuTally {
    /// Calls.
    pub calls: u64,
    /// CPU time in microseconds.
    pub cpu_us: u64,
    /// Wall time in microseconds.
    pub wall_us: u64,
}

impl CpuTally {
    /// Runs callers, each a task that ends with how many calls it made.
    ///
    /// # Errors
    /// When a call fails, or the time can't be read.
    pub async fn of<C>(callers: impl IntoIterator<Item = C>) -> anyhow::Result<Self>
    where
        C: Future<Output = anyhow::Result<u64>> + Send + 'static,
    {
        let pid = std::process::id();
        let (begun, cpu) = (Instant::now(), process::cpu_us(pid)?);
        let callers: Vec<_> = callers.into_iter().map(tokio::spawn).collect();
        let mut calls = 0;
        for caller in callers {
            calls += caller.await??;
        }
        let (cpu_us, wall_us) = (process::cpu_us(pid)? - cpu, u64::try_from(begun.elapsed().as_micros())?);
        Ok(Self { calls, cpu_us, wall_us })
    }

    /// Adds another turn.
    pub fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.cpu_us += other.cpu_us;
        self.wall_us += other.wall_us;
    }

    /// CPU time a call in hundredths of a microsecond.
    #[must_use]
    pub fn centi_us_per_call(&self) -> u64 {
        self.cpu_us * 100 / self.calls.max(1)
    }
}

/// Hundredths, as a number with two decimals.
#[must_use]
pub fn hundredths(value: u64) -> String {
    format!("{}.{:02}", value / 100, value % 100)
}
