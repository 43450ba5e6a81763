//! One target measured for a while, and what several rounds of it come to.

use crate::client::Client;
use crate::clock;
use crate::process;
use crate::tally::Tally;

/// What the other processes of the machine took while a run went on: over a few percent, its
/// figures are not worth much.
#[derive(Debug)]
pub struct Disturbance {
    ours: Vec<u32>,
    begun: u64,
    all_us: u64,
    ours_us: u64,
}

impl Disturbance {
    /// Begins to watch; `ours` are the processes that belong to the run, beside this one.
    ///
    /// # Errors
    /// When one of them has gone.
    pub fn watch(mut ours: Vec<u32>) -> anyhow::Result<Self> {
        ours.push(std::process::id());
        let (all_us, ours_us) = (process::all_cpu_us()?, total_us(&ours)?);
        Ok(Self { ours, begun: clock::now(), all_us, ours_us })
    }

    /// The share of all cores that others took since, in percent.
    ///
    /// # Errors
    /// When one of ours has gone.
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    pub fn percent(&self) -> anyhow::Result<f64> {
        let ours = total_us(&self.ours)?.saturating_sub(self.ours_us);
        let others = process::all_cpu_us()?.saturating_sub(self.all_us).saturating_sub(ours);
        let cores = std::thread::available_parallelism()?.get();
        let had = (clock::now() - self.begun) as f64 / 1e3 * cores as f64;
        Ok(others as f64 / had * 100.0)
    }
}

fn total_us(processes: &[u32]) -> anyhow::Result<u64> {
    processes.iter().map(|pid| process::cpu_us(*pid)).sum()
}

/// Something that takes calls.
#[derive(Debug)]
pub struct Target {
    /// What it is called in the table.
    pub name: &'static str,
    /// Sends it calls.
    pub client: Client,
    /// The process whose CPU time is counted.
    pub pid: u32,
    /// What was measured at saturation, a round each.
    pub saturated: Vec<Sample>,
    /// What was measured at the common rate, a round each.
    pub paced: Vec<Sample>,
}

/// One round of one target.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What the generator counted.
    pub tally: Tally,
    /// CPU time of the target's process a call, in microseconds.
    pub cpu_us: f64,
}

impl Target {
    /// A target not measured yet.
    #[must_use]
    pub fn new(name: &'static str, client: Client, pid: u32) -> Self {
        Self { name, client, pid, saturated: Vec::new(), paced: Vec::new() }
    }

    /// Measures a round, after a warm-up that is not counted; a rate of 0 saturates.
    ///
    /// # Errors
    /// When the process has gone or a call failed: figures with failures in them compare nothing.
    #[expect(clippy::cast_precision_loss, reason = "a mean for people; counts stay far below 2^52")]
    pub async fn round(&mut self, rate: u64, warm_up_s: u64, seconds: u64) -> anyhow::Result<()> {
        self.client.run(rate, warm_up_s).await?;
        let before = process::cpu_us(self.pid)?;
        let tally = self.client.run(rate, seconds).await?;
        let used = process::cpu_us(self.pid)? - before;
        anyhow::ensure!(tally.failed() == 0, "{}: calls failed: {:?}", self.name, tally.errors);
        let cpu_us = used as f64 / (tally.latency.len() as f64).max(1.0);
        let samples = if rate == 0 { &mut self.saturated } else { &mut self.paced };
        samples.push(Sample { tally, cpu_us });
        Ok(())
    }
}

/// The middle of several figures: one disturbed round does not move it.
#[must_use]
pub fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    match figures.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => figures[count / 2],
        count => f64::midpoint(figures[count / 2 - 1], figures[count / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_between_nothing_and_everything() {
        let disturbance = Disturbance::watch(Vec::new()).expect("this process is there");
        let until = clock::now() + clock::SECOND / 10;
        while clock::now() < until {}
        let percent = disturbance.percent().expect("this process is there");
        // Ticks are counted in hundredths of a second, so a tenth is measured roughly.
        assert!((0.0..=130.0).contains(&percent), "{percent}");
    }

    #[test]
    fn the_median_ignores_one_bad_round() {
        assert!((median([3.0, 1.0, 100.0]) - 3.0).abs() < f64::EPSILON);
        assert!((median([4.0, 2.0]) - 3.0).abs() < f64::EPSILON);
        assert!(median([]).is_nan());
    }
}
