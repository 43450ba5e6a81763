//! How long a call takes at a cloud: network and platform, cold start, execution.
//!
//! Pure and seeded: the same seed, cloud, function and call number draw the same call. Latency is
//! `overhead + max(init, cold excess) when cold + execution`. The execution is the function's own
//! processor time on this machine, divided by the speed of the cloud's core and by the share of a
//! core its size buys, times a measured spread; time it waited passes as it is.
//!
//! What is measured and what stands in for a measurement is written in `models/providers.toml`.
//!
//! Known limitations: one core of this machine counts as one core of AWS; work on several threads
//! is priced as if on one; queueing in front of a full host is not modelled, only the limit is.

pub(crate) mod data;
mod instances;
mod provider;
mod quantiles;

#[cfg(test)]
mod tests;

pub(crate) use instances::{InstanceId, Instances};
pub use provider::{Provider, ProviderError};

use data::{ProviderEntry, measured};
use merit_units::{MemoryMb, Micros};
use quantiles::Quantiles;

use crate::executor::MachineUsage;

const MILLION: u64 = 1_000_000;

/// One provider's latency model for one runtime.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    overhead: Quantiles,
    /// The part of the overhead that is the way there and back.
    round_trip: Micros,
    cold_excess: Option<Quantiles>,
    init: Quantiles,
    noise: Quantiles,
    share_milli: Vec<(u32, u32)>,
    /// How much faster the reference core (AWS) is than this cloud's, in thousandths.
    slowness_milli: u64,
    /// Memory the runtime takes before the function takes any.
    pub(crate) runtime_memory_mb: u32,
    pub(crate) keep_alive: KeepAlive,
    pub(crate) instance_concurrency: u32,
}

/// Idle instances are looked at every `period`, and each survives with a probability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeepAlive {
    pub(crate) period: Micros,
    pub(crate) survival_ppm: u32,
}

/// The random part of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Draw {
    /// Network and platform around the execution.
    pub(crate) overhead: Micros,
    /// Initialisation, when cold: the part of the start that bills may count.
    pub(crate) init: Micros,
    /// The rest of a cold start: finding a place, fetching code. Nobody bills it.
    pub(crate) placement: Micros,
    /// Execution as parts per million of its median.
    pub(crate) noise_ppm: u64,
}

/// What a call used at the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Execution {
    pub(crate) cpu: Micros,
    pub(crate) duration: Micros,
}

impl Model {
    /// The model of a provider for a runtime and architecture, or `None` when nobody measured that runtime.
    ///
    /// `round_trip` replaces the way between the measuring client and the region, which is
    /// otherwise the shortest overhead seen.
    pub(crate) fn of(
        provider: Provider,
        runtime: &str,
        architecture: &str,
        round_trip: Option<Micros>,
    ) -> Option<Self> {
        let entry = provider.entry();
        let (init, memory_mb) = measured().init(runtime, architecture)?;
        let core = measured().core(&entry.core);
        let overhead = measured().overhead(&entry.overhead);
        Some(Self {
            round_trip: round_trip.unwrap_or(Micros::new(overhead.floor())),
            overhead,
            cold_excess: entry.cold_excess.as_deref().map(|name| measured().cold_excess(name)),
            init,
            noise: measured().noise(&entry.noise),
            share_milli: entry.share_milli.clone().unwrap_or_else(|| core.share_milli.clone()),
            slowness_milli: core.full_core_us * 1000 / measured().core(REFERENCE_CORE).full_core_us,
            runtime_memory_mb: u32::try_from(memory_mb).expect("invariant: a runtime takes less than 4 PB"),
            keep_alive: keep_alive(entry),
            instance_concurrency: entry.instance_concurrency,
        })
    }

    /// Draws what chance adds to a call.
    pub(crate) fn draw(&self, rng: &mut fastrand::Rng, cold: bool) -> Draw {
        let overhead = self.overhead.draw(rng) - self.overhead.floor();
        let noise_ppm = self.noise.draw(rng);
        let (excess, init) = (self.cold_excess.as_ref().map_or(0, |excess| excess.draw(rng)), self.init.draw(rng));
        Draw {
            overhead: self.round_trip.saturating_add(Micros::new(overhead)),
            init: Micros::new(if cold { init } else { 0 }),
            placement: Micros::new(if cold { excess.saturating_sub(init) } else { 0 }),
            noise_ppm,
        }
    }

    /// The part of a core that a size buys, in thousandths, at most one core: one thread runs it.
    pub(crate) fn share_milli(&self, memory: MemoryMb, vcpu_milli: Option<u32>) -> u32 {
        vcpu_milli.unwrap_or_else(|| interpolate(&self.share_milli, memory.megabytes())).clamp(1, 1000)
    }

    /// Lays the cloud's core over what the function used on this machine.
    pub(crate) fn execution(&self, used: MachineUsage, share_milli: u32, noise_ppm: u64) -> Execution {
        let cpu = scale(scale(used.cpu, self.slowness_milli, 1000), noise_ppm, MILLION);
        let running = scale(cpu, 1000, u64::from(share_milli));
        let waiting = used.wall.saturating_sub(used.cpu);
        Execution { cpu, duration: running.saturating_add(waiting) }
    }
}

/// The core in whose time this machine's is counted.
const REFERENCE_CORE: &str = "aws";

fn keep_alive(entry: &ProviderEntry) -> KeepAlive {
    let table = measured().keep_alive(&entry.keep_alive);
    KeepAlive { period: Micros::from_secs(table.period_s), survival_ppm: table.survival_ppm }
}

fn scale(time: Micros, numerator: u64, denominator: u64) -> Micros {
    let scaled = u128::from(time.get()) * u128::from(numerator) / u128::from(denominator);
    Micros::new(u64::try_from(scaled).unwrap_or(u64::MAX))
}

/// Linear between the points, proportional below the first and flat above the last.
fn interpolate(points: &[(u32, u32)], at: u32) -> u32 {
    let next = points.partition_point(|(place, _)| *place <= at);
    let (low_at, low) = next.checked_sub(1).map_or((0, 0), |index| points[index]);
    let Some(&(high_at, high)) = points.get(next) else { return low };
    let rise = u64::from(high - low) * u64::from(at - low_at) / u64::from(high_at - low_at);
    low + u32::try_from(rise).expect("invariant: at most the step between two u32")
}
