//! A small histogram of latencies that forgets.
//!
//! 156 logarithmic buckets of one byte from 64 microseconds to 71 minutes, six to the octave: a bucket
//! is 8 to 17 % wide, and a quantile is interpolated within it, so it is at most that far off. When 512 calls are in it, or a bucket is full,
//! all counts are halved, so old calls fade with a half-life of some 256. What halving cuts off a
//! count is carried to the next one, so that a tail of single calls does not vanish at once.
//!
//! Known limitation: everything under 64 microseconds is one bucket, and so is everything over 71 minutes.

use merit_units::Micros;

/// Sub-buckets in an octave.
const STEPS: u64 = 6;
/// The first octave begins at 2^6 microseconds.
const FIRST_OCTAVE: u32 = 6;
const OCTAVES: u64 = 26;
pub(super) const BUCKETS: usize = 156;
const FULL: u16 = 512;

#[derive(Clone)]
pub(super) struct Latencies {
    counts: [u8; BUCKETS],
    total: u16,
}

impl std::fmt::Debug for Latencies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Latencies({} calls)", self.total)
    }
}

impl Latencies {
    pub(super) const fn new() -> Self {
        Self { counts: [0; BUCKETS], total: 0 }
    }

    pub(super) fn from_counts(counts: [u8; BUCKETS]) -> Self {
        let mut latencies = Self { counts, total: 0 };
        latencies.recount();
        latencies
    }

    pub(super) const fn counts(&self) -> &[u8; BUCKETS] {
        &self.counts
    }

    pub(super) fn add(&mut self, latency: Micros) {
        let bucket = bucket_of(latency.get());
        if self.total >= FULL || self.counts[bucket] == u8::MAX {
            self.halve();
        }
        self.counts[bucket] += 1;
        self.total += 1;
    }

    fn halve(&mut self) {
        let mut carry = 0;
        for count in &mut self.counts {
            let whole = u16::from(*count) + carry;
            carry = whole % 2;
            *count = u8::try_from(whole / 2).unwrap_or(u8::MAX);
        }
        self.recount();
    }

    fn recount(&mut self) {
        self.total = self.counts.iter().map(|count| u16::from(*count)).sum();
    }

    /// The latency that `permille` of the calls stay under; `None` when there were none.
    pub(super) fn quantile_permille(&self, permille: u32) -> Option<Micros> {
        let rank = (u32::from(self.total) * permille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            let count = u32::from(*count);
            if seen + count >= rank {
                let (from, to) = (lower_bound(bucket), lower_bound(bucket + 1));
                // The calls of a bucket are taken to lie evenly in it.
                let inside = (to - from) * u64::from(2 * (rank - seen) - 1) / u64::from(2 * count);
                return Some(Micros::new(from + inside));
            }
            seen += count;
        }
        None
    }
}

fn bucket_of(micros: u64) -> usize {
    let octave = micros.max(1).ilog2();
    if octave < FIRST_OCTAVE {
        return 0;
    }
    let step = ((u128::from(micros) - (1 << octave)) * u128::from(STEPS)) >> octave;
    let bucket = u64::from(octave - FIRST_OCTAVE) * STEPS + u64::try_from(step).unwrap_or(STEPS - 1);
    usize::try_from(bucket).map_or(BUCKETS - 1, |bucket| bucket.min(BUCKETS - 1))
}

/// The smallest latency of a bucket; for the one after the last, the end.
fn lower_bound(bucket: usize) -> u64 {
    let bucket = u64::try_from(bucket).unwrap_or(STEPS * OCTAVES);
    let base = 1_u64 << (bucket / STEPS + u64::from(FIRST_OCTAVE));
    base + (base * (bucket % STEPS)).div_ceil(STEPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(latencies: impl IntoIterator<Item = u64>) -> Latencies {
        let mut histogram = Latencies::new();
        latencies.into_iter().for_each(|latency| histogram.add(Micros::new(latency)));
        histogram
    }

    fn within(found: Option<Micros>, exact: u64, percent: u64) -> bool {
        found.is_some_and(|found| found.get().abs_diff(exact) * 100 <= exact * percent)
    }

    #[test]
    fn fits_in_160_bytes() {
        assert!(size_of::<Latencies>() <= 160);
        assert_eq!(u64::try_from(BUCKETS), Ok(STEPS * OCTAVES));
    }

    #[test]
    fn buckets_begin_where_they_say() {
        for bucket in 0..BUCKETS {
            assert_eq!(bucket_of(lower_bound(bucket)), bucket);
            assert_eq!(bucket_of(lower_bound(bucket + 1) - 1), bucket);
        }
        assert_eq!(bucket_of(0), 0);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_near_the_exact_ones() {
        let evenly = filled((0..400).map(|at| 1_000 + at * 100));
        assert!(within(evenly.quantile_permille(500), 21_000, 5), "{:?}", evenly.quantile_permille(500));
        assert!(within(evenly.quantile_permille(950), 39_000, 5), "{:?}", evenly.quantile_permille(950));
        let constant = filled(std::iter::repeat_n(20_000, 2_000));
        assert!(within(constant.quantile_permille(500), 20_000, 9));
        assert!(within(constant.quantile_permille(950), 20_000, 9));
        assert_eq!(Latencies::new().quantile_permille(500), None);
    }

    #[test]
    fn recent_calls_push_old_ones_out() {
        let histogram = filled(std::iter::repeat_n(10_000, 5_000).chain(std::iter::repeat_n(80_000, 1_000)));
        assert!(within(histogram.quantile_permille(500), 80_000, 9));
        let mixed = filled((0..4_000).map(|at| if at % 10 == 0 { 900_000 } else { 10_000 }));
        assert!(within(mixed.quantile_permille(950), 900_000, 9), "one call in ten is slow");
    }
}
