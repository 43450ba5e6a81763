//! Where the month stood when a call was charged, as far as it mattered: what a receipt keeps, so that the call can be
//! charged again by the same arithmetic.
//!
//! A charge depends on the quantities, on the sheet, and on how much of each grant was left and how far each tier was
//! filled. Most of that does not matter for one call: of a grant no more than the call took of it, of a tier only which
//! one it was, unless the call went across its edge. So a position is nearly always made of zeros.
//!
//! Invariant: the quantities of a call, charged at the positions that were taken of its month, come to the very same amount
//! (a property test). Known limitation: positions are of one sheet; under another one they mean nothing.

use merit_units::{Exact, Overflow, Quantity};

use crate::charge::{LineToDate, MonthToDate};
use crate::meter::{Meter, Metered, NotBilled};
use crate::sheet::{Line, PriceSheet};

/// Where one line stood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// What was left of the grant, at most what the call took.
    pub grant_left: Quantity,
    /// Where in the tiers the call began, or where its tier begins.
    pub tier_used: Quantity,
}

/// Why a call can't be charged again under a sheet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RepriceError {
    /// The sheet does not bill what the call was billed for.
    #[error(transparent)]
    NotBilled(#[from] NotBilled),
    /// The sheet has another number of lines than the call was charged by.
    #[error("the sheet has {lines} lines, and the call was charged by {positions}")]
    OtherLines {
        /// Of the sheet.
        lines: usize,
        /// What is known of the call.
        positions: usize,
    },
    /// A sum does not fit.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

impl PriceSheet {
    /// What of `month` matters for what `metered` is charged, in the order of the lines.
    ///
    /// # Panics
    /// When `metered` or `month` belongs to a sheet with other lines.
    pub fn positions(&self, metered: &Metered, month: &MonthToDate) -> impl Iterator<Item = Position> {
        let stood = month.iter().zip(metered.iter());
        self.lines().iter().zip(stood).map(|(line, ((meter, grant_left, tier_used), (_, quantity)))| {
            assert_eq!(line.meter, meter, "invariant: a month is of its own sheet");
            let grant_left = grant_left.min(quantity);
            Position { grant_left, tier_used: which_tier(line, tier_used, quantity.saturating_sub(grant_left)) }
        })
    }

    /// What quantities are charged at these positions.
    ///
    /// # Errors
    /// [`RepriceError`] when quantities and positions are not of this sheet's lines.
    pub fn charge_at(
        &self,
        quantities: impl IntoIterator<Item = (Meter, Quantity)>,
        positions: &[Position],
    ) -> Result<Exact, RepriceError> {
        if positions.len() != self.lines().len() {
            return Err(RepriceError::OtherLines { lines: self.lines().len(), positions: positions.len() });
        }
        let mut metered = self.zero();
        for (meter, quantity) in quantities {
            metered = metered.with(meter, quantity)?;
        }
        let month = MonthToDate::from_lines(self, |line| {
            let at = self.lines().iter().position(|other| other.meter == line.meter);
            let Position { grant_left, tier_used } = at.map(|at| positions[at]).unwrap_or_default();
            LineToDate { grant_left, tier_used }
        });
        Ok(self.charge(&metered, &month)?)
    }
}

/// Where the tier begins that takes all of `billable`; where it really stood when it takes more than one.
fn which_tier(line: &Line, used: Quantity, billable: Quantity) -> Quantity {
    if billable == Quantity::ZERO {
        return Quantity::ZERO;
    }
    let mut start = Quantity::ZERO;
    for tier in &line.tiers {
        if used < tier.up_to {
            let within = used.checked_add(billable).is_ok_and(|end| end <= tier.up_to);
            return if within { start } else { used };
        }
        start = tier.up_to;
    }
    used
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Catalogue;

    fn sheet() -> &'static PriceSheet {
        Catalogue::builtin().get("aws-lambda/us-east-1/x86_64").expect("in the catalogue")
    }

    fn units(units: u64) -> Quantity {
        Quantity::from_units(units)
    }

    #[test]
    fn what_does_not_matter_is_not_kept() {
        let sheet = sheet();
        let call = sheet.zero().with(Meter::Request, units(1)).expect("billed");
        let call = call.with(Meter::GbSecond, units(2)).expect("billed");
        let at = |used: u64| {
            let month =
                MonthToDate::after_usage(sheet, [(Meter::GbSecond, units(used)), (Meter::Request, units(used))]);
            let positions: Vec<_> = sheet.positions(&call, &month.expect("billed")).take(2).collect();
            positions.iter().map(|position| (position.grant_left, position.tier_used)).collect::<Vec<_>>()
        };
        assert_eq!(at(0), [(units(1), units(0)), (units(2), units(0))], "all of it free");
        assert_eq!(at(399_999), [(units(1), units(0)), (units(1), units(0))], "half of it");
        assert_eq!(at(5_000_000), [(units(0), units(0)), (units(0), units(0))], "the first tier");
        assert_eq!(at(6_000_400_000)[1], (units(0), units(6_000_000_000)), "the second tier");
        assert_eq!(at(6_000_399_999)[1], (units(0), units(5_999_999_999)), "across the edge");
        let other = Catalogue::builtin().get("cloudflare-workers").expect("in the catalogue");
        assert!(matches!(other.charge_at([], &[]), Err(RepriceError::OtherLines { .. })));
    }

    proptest! {
        #[test]
        fn a_call_comes_to_the_same_amount_again(used in 0_u64..20_000_000_000, calls in 0_u64..3_000_000, seconds in 0_u64..8_000_000_000) {
            let sheet = sheet();
            let month = MonthToDate::after_usage(sheet, [(Meter::GbSecond, units(used)), (Meter::Request, units(used / 3000))]).unwrap();
            let call = sheet.zero().with(Meter::Request, units(calls)).unwrap().with(Meter::GbSecond, units(seconds)).unwrap();
            let positions: Vec<_> = sheet.positions(&call, &month).collect();
            prop_assert_eq!(sheet.charge_at(call.iter(), &positions).unwrap(), sheet.charge(&call, &month).unwrap());
        }
    }
}
