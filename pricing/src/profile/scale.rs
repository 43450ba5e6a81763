//! What a call would have taken at another size: a guess, and said to be one wherever it is used.
//!
//! The rule: only the time on the CPU scales, inversely with the CPU share of the size; waiting does not.
//! A share is the configured vCPU or, without one, memory / 1,769 MB (one vCPU on Lambda, AWS docs,
//! "Configure Lambda function memory", retrieved 2026-11-21), and no more than one vCPU counts, because most handlers use
//! one thread. Where nobody measured the CPU time, all of the time is taken to be CPU. The change is bounded to a factor
//! of eight either way. Initialisation is left as it is: providers start functions at full speed. What share of its instance
//! a call had says nothing of instances that take another number of calls: there it is taken to have been alone.

use merit_units::Micros;

use crate::size::{Share, Size, Usage};

const MB_PER_VCPU: u64 = 1_769;
const FULL_MILLI: u64 = 1_000;
const MAX_FACTOR: u64 = 8;

/// The CPU share of a size in thousandths of a vCPU, from 1 to 1,000.
pub(crate) fn compute_milli(size: &Size) -> u64 {
    let of_memory = || u64::from(size.memory.megabytes()) * FULL_MILLI / MB_PER_VCPU;
    size.vcpu_milli.map_or_else(of_memory, u64::from).clamp(1, FULL_MILLI)
}

/// The usage of a call observed at `from`, as it might be at `to`.
pub(crate) fn rescale(usage: &Usage, from: &Size, to: &Size) -> Usage {
    let share = if from.concurrency == to.concurrency { usage.share } else { Share::WHOLE };
    let usage = Usage { share, ..*usage };
    let (from, to) = (compute_milli(from), compute_milli(to));
    if from == to {
        return usage;
    }
    let duration = usage.duration.get();
    let on_cpu = |cpu: Micros| cpu.get().saturating_mul(FULL_MILLI).div_ceil(from).min(duration);
    let computing = usage.cpu.map_or(duration, on_cpu);
    let scaled = u128::from(computing) * u128::from(from) / u128::from(to);
    let scaled = u64::try_from(scaled).unwrap_or(u64::MAX);
    let bounded = scaled.clamp(computing / MAX_FACTOR, computing.saturating_mul(MAX_FACTOR));
    Usage { duration: Micros::new((duration - computing).saturating_add(bounded)), ..usage }
}

#[cfg(test)]
mod tests {
    use super::*;
    use merit_units::MemoryMb;

    fn size(megabytes: u64) -> Size {
        Size::new(MemoryMb::try_new(megabytes).expect("a size"))
    }

    fn scaled_micros(usage: &Usage, from: u64, to: u64) -> u64 {
        rescale(usage, &size(from), &size(to)).duration.get()
    }

    #[test]
    fn only_time_on_the_cpu_scales() {
        let busy = Usage { duration: Micros::new(100_000), ..Usage::default() };
        // 512 and 1,024 MB are 289 and 578 thousandths.
        assert_eq!(scaled_micros(&busy, 512, 1_024), 50_000);
        let waiting = Usage { cpu: Some(Micros::new(2_890)), ..busy };
        assert_eq!(scaled_micros(&waiting, 512, 1_024), 95_000, "10 ms of 100 are halved");
        let idle = Usage { cpu: Some(Micros::ZERO), ..busy };
        assert_eq!(scaled_micros(&idle, 128, 3_008), 100_000);
    }

    #[test]
    fn the_guess_is_bounded() {
        let busy = Usage { duration: Micros::new(80_000), ..Usage::default() };
        assert_eq!(scaled_micros(&busy, 64, 10_240), 10_000);
        assert_eq!(scaled_micros(&busy, 10_240, 64), 640_000);
        assert_eq!(scaled_micros(&busy, 2_048, 10_240), 80_000, "a second vCPU helps no single thread");
    }
}
