//! A distribution given by its quantiles, drawn from by interpolation. Integers throughout, so a
//! seed gives the same calls on every machine.
//!
//! Known limitation: nothing beyond the last quantile (the 99.9th percentile) is ever drawn.

use std::sync::Arc;

/// Values at rising probabilities. The unit is the caller's: microseconds or parts per million.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Quantiles {
    /// (probability in parts per million, value), rising in both.
    points: Arc<[(u32, u64)]>,
}

/// Why a table of quantiles was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QuantilesError {
    #[error("needs one value for each of at least two probabilities")]
    Length,
    #[error("must rise, in probabilities from 0 to 1,000,000 and in values")]
    Order,
}

impl Quantiles {
    /// Checks the table.
    ///
    /// # Errors
    /// [`QuantilesError`] when the lengths differ, or either does not rise.
    pub(crate) fn try_new(probabilities_ppm: &[u32], values: &[u64]) -> Result<Self, QuantilesError> {
        if probabilities_ppm.len() != values.len() || values.len() < 2 {
            return Err(QuantilesError::Length);
        }
        let rising = probabilities_ppm.windows(2).all(|pair| pair[0] < pair[1])
            && probabilities_ppm.iter().all(|probability| *probability <= 1_000_000)
            && values.windows(2).all(|pair| pair[0] <= pair[1]);
        if !rising {
            return Err(QuantilesError::Order);
        }
        Ok(Self { points: probabilities_ppm.iter().copied().zip(values.iter().copied()).collect() })
    }

    /// The smallest value.
    pub(crate) fn floor(&self) -> u64 {
        self.points[0].1
    }

    /// The value at a probability in parts per million; the ends hold beyond them.
    pub(crate) fn at(&self, probability_ppm: u32) -> u64 {
        let next = self.points.partition_point(|(probability, _)| *probability <= probability_ppm);
        let Some(&(low_ppm, low)) = next.checked_sub(1).and_then(|index| self.points.get(index)) else {
            return self.floor();
        };
        let Some(&(high_ppm, high)) = self.points.get(next) else { return low };
        let (step, width) = (u64::from(probability_ppm - low_ppm), u64::from(high_ppm - low_ppm));
        low + (high - low).saturating_mul(step) / width
    }

    /// A value drawn at random.
    pub(crate) fn draw(&self, rng: &mut fastrand::Rng) -> u64 {
        self.at(rng.u32(0..1_000_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Quantiles {
        Quantiles::try_new(&[0, 500_000, 990_000], &[100, 200, 690]).expect("a table")
    }

    #[test]
    fn interpolates_between_and_holds_beyond() {
        assert_eq!(table().at(0), 100);
        assert_eq!(table().at(250_000), 150);
        assert_eq!(table().at(500_000), 200);
        assert_eq!(table().at(745_000), 445);
        assert_eq!(table().at(990_000), 690);
        assert_eq!(table().at(1_000_000), 690);
    }

    #[test]
    fn refuses_what_does_not_rise() {
        assert_eq!(Quantiles::try_new(&[0, 1], &[1]), Err(QuantilesError::Length));
        assert_eq!(Quantiles::try_new(&[0], &[1]), Err(QuantilesError::Length));
        assert_eq!(Quantiles::try_new(&[0, 0], &[1, 2]), Err(QuantilesError::Order));
        assert_eq!(Quantiles::try_new(&[0, 1], &[2, 1]), Err(QuantilesError::Order));
        assert_eq!(Quantiles::try_new(&[0, 2_000_000], &[1, 2]), Err(QuantilesError::Order));
    }

    #[test]
    fn draws_reproduce_the_quantiles_they_came_from() {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut draws: Vec<u64> = (0..100_000).map(|_| table().draw(&mut rng)).collect();
        draws.sort_unstable();
        assert!(draws[50_000].abs_diff(200) <= 2, "median {}", draws[50_000]);
        assert!(draws[99_000].abs_diff(690) <= 7, "99th percentile {}", draws[99_000]);
    }
}
