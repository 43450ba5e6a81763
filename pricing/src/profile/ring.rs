//! The last raw usages of a deployment, packed into 24 bytes each and allocated as they come.
//!
//! Times up to 35 minutes are kept to the microsecond and longer ones to the millisecond; egress above 4 GB
//! is cut. A usage read back is therefore good for expectations, not for charges.

use merit_units::{MemoryMb, Micros};

use crate::size::{Share, Usage};

/// Enough to show two humps around a rounding step, small enough for tens of thousands of profiles.
const CAPACITY: usize = 64;
/// Marks a time in milliseconds.
const IN_MILLIS: u32 = 1 << 31;

#[derive(Clone, Debug, Default)]
pub(crate) struct Ring {
    packed: Vec<Packed>,
    /// The oldest, once the ring is full.
    oldest: u8,
}

/// Duration, init, CPU time and a microsecond (0: not measured), peak memory in MB (0: not told), egress bytes; and the share of its instance in billionths.
pub(super) type Packed = ([u32; 5], u32);

impl Ring {
    pub(super) fn push(&mut self, usage: &Usage) {
        self.push_packed(pack(usage));
    }

    pub(super) fn push_packed(&mut self, packed: Packed) {
        if self.packed.len() < CAPACITY {
            self.packed.push(packed);
            return;
        }
        let oldest = usize::from(self.oldest);
        self.packed[oldest] = packed;
        self.oldest = u8::try_from((oldest + 1) % CAPACITY).unwrap_or(0);
    }

    pub(crate) fn len(&self) -> usize {
        self.packed.len()
    }

    pub(super) fn iter_packed(&self) -> impl Iterator<Item = Packed> {
        let (newer, older) = self.packed.split_at(usize::from(self.oldest));
        older.iter().chain(newer).copied()
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Usage> {
        self.iter_packed().map(unpack)
    }
}

impl FromIterator<Usage> for Ring {
    fn from_iter<I: IntoIterator<Item = Usage>>(usages: I) -> Self {
        let mut ring = Self::default();
        usages.into_iter().for_each(|usage| ring.push(&usage));
        ring
    }
}

fn pack(usage: &Usage) -> Packed {
    let used = [
        pack_time(usage.duration),
        pack_time(usage.init),
        pack_cpu(usage.cpu),
        usage.memory_peak.map_or(0, MemoryMb::megabytes),
        u32::try_from(usage.egress_bytes).unwrap_or(u32::MAX),
    ];
    (used, usage.share.billionths())
}

fn unpack(([duration, init, cpu, memory, egress], share): Packed) -> Usage {
    Usage {
        duration: unpack_time(duration),
        init: unpack_time(init),
        cpu: unpack_cpu(cpu),
        memory_peak: MemoryMb::try_new(u64::from(memory)).ok(),
        egress_bytes: u64::from(egress),
        share: Share::from_billionths(share.into()),
    }
}

fn pack_cpu(cpu: Option<Micros>) -> u32 {
    cpu.map_or(0, |cpu| pack_time(cpu.saturating_add(Micros::new(1))))
}

fn unpack_cpu(packed: u32) -> Option<Micros> {
    (packed > 0).then(|| unpack_time(packed).saturating_sub(Micros::new(1)))
}

fn pack_time(time: Micros) -> u32 {
    match u32::try_from(time.get()) {
        Ok(micros) if micros < IN_MILLIS => micros,
        _ => u32::try_from(time.millis_ceil()).unwrap_or(u32::MAX) | IN_MILLIS,
    }
}

fn unpack_time(packed: u32) -> Micros {
    if packed < IN_MILLIS {
        Micros::new(u64::from(packed))
    } else {
        Micros::from_millis(u64::from(packed & !IN_MILLIS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lasting(micros: u64) -> Usage {
        Usage { duration: Micros::new(micros), ..Usage::default() }
    }

    #[test]
    fn usages_come_back_as_they_were() {
        let usage = Usage {
            duration: Micros::new(12_340),
            init: Micros::new(180_200),
            cpu: Some(Micros::new(7)),
            memory_peak: MemoryMb::try_new(70).ok(),
            egress_bytes: 1_500_000,
            share: Share::of(3),
        };
        assert_eq!(unpack(pack(&usage)), usage);
        for cpu in [None, Some(Micros::ZERO)] {
            let other = Usage { cpu, ..usage };
            assert_eq!(unpack(pack(&other)), other, "nothing used and nothing known are two things");
        }
        let day = lasting(86_400_000_000);
        assert_eq!(unpack(pack(&day)), day);
    }

    #[test]
    fn the_last_64_are_kept_oldest_first() {
        let ring: Ring = (0..100).map(lasting).collect();
        let kept: Vec<u64> = ring.iter().map(|usage| usage.duration.get()).collect();
        assert_eq!(kept, (36..100).collect::<Vec<u64>>());
    }
}
