//! Rates by the volume they begin at, as both providers list them, turned into a free grant and tiers with their ends.
//!
//! Invariant: a ladder begins at zero, its last tier is open, and no two rates begin at one place.

use std::collections::BTreeMap;

use merit_units::{Quantity, Rate};

/// More steps than any provider has.
const MAX_STEPS: usize = 32;

/// Rates by volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ladder {
    /// What is free each month, when the first rate is zero and another follows.
    pub(crate) free: Option<Quantity>,
    /// Each with the quantity it holds up to, counted after what is free.
    pub(crate) tiers: Vec<(Option<Quantity>, Rate)>,
}

impl Ladder {
    /// From the rates by the volume each begins at.
    pub(crate) fn of(steps: &BTreeMap<Quantity, Rate>) -> Result<Self, String> {
        if steps.len() > MAX_STEPS {
            return Err(format!("has {} tiers; at most {MAX_STEPS} are usual", steps.len()));
        }
        let first = steps.keys().next().ok_or("has no price")?;
        if *first > Quantity::ZERO {
            return Err(format!("has no price below {first}"));
        }
        let starts: Vec<(Quantity, Rate)> = steps.iter().map(|(start, rate)| (*start, *rate)).collect();
        let free = match starts.as_slice() {
            [(_, Rate::FREE), (start, _), ..] => Some(*start),
            _ => None,
        };
        let paid = &starts[usize::from(free.is_some())..];
        let end = |at: usize| paid.get(at + 1).map(|(next, _)| next.saturating_sub(free.unwrap_or_default()));
        let tiers = paid.iter().enumerate().map(|(at, (_, rate))| (end(at), *rate)).collect();
        Ok(Self { free, tiers })
    }

    /// The rate of the first tier that is paid.
    pub(crate) fn first(&self) -> Rate {
        self.tiers.first().map_or(Rate::FREE, |(_, rate)| *rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ladder(steps: &[(u64, &str)]) -> Result<Ladder, String> {
        let steps = steps.iter().map(|(start, rate)| (Quantity::from_units(*start), rate.parse().expect("a rate")));
        Ladder::of(&steps.collect())
    }

    #[test]
    fn a_free_beginning_is_a_grant_and_tiers_begin_after_it() {
        let units = Quantity::from_units;
        let made = ladder(&[(0, "0"), (1, "0.105"), (10_240, "0.08")]).expect("a ladder");
        assert_eq!(made.free, Some(units(1)));
        let rate = |text: &str| text.parse::<Rate>().expect("a rate");
        assert_eq!(made.tiers, [(Some(units(10_239)), rate("0.105")), (None, rate("0.08"))]);
        let flat = ladder(&[(0, "0.5")]).expect("a ladder");
        assert_eq!((flat.free, flat.first()), (None, rate("0.5")));
        // Free throughout is a price of zero and no grant; whether that may be is for others to say.
        assert_eq!(ladder(&[(0, "0")]).expect("a ladder").tiers, [(None, Rate::FREE)]);
    }

    #[test]
    fn what_does_not_begin_at_zero_has_no_price_there() {
        assert_eq!(ladder(&[]), Err("has no price".to_owned()));
        assert_eq!(ladder(&[(5, "1")]), Err("has no price below 5".to_owned()));
        let many: Vec<(u64, &str)> = (0..40).map(|start| (start, "1")).collect();
        assert!(ladder(&many).expect_err("too many").contains("has 40 tiers"));
    }
}
