//! What one account has used this month, shared between the sheets that share grants and tiers.
//!
//! Lambda's free grant is one pool for all regions and both architectures, its tiers are one pool
//! for each region and architecture; so usage is kept by pool, not by venue, and each sheet's
//! [`MonthToDate`] is read from its pools. The owner keeps one `Pools` for each provider account and
//! month, and starts an empty one when the month turns.
//!
//! Known limitation: a pool's scope is a name written in the sheet. Alibaba counts its tiers in each
//! region, so venues of two of its regions need two `Pools` or two sheets with scopes of their own.

use std::collections::BTreeMap;
use std::sync::Arc;

use merit_units::{Overflow, Quantity};

use crate::charge::{LineToDate, MonthToDate};
use crate::meter::{Meter, Metered};
use crate::sheet::{Grant, Line, PriceSheet};

/// Used amounts by pool.
///
/// A tier pool counts quanta of its meter, a grant pool thousandths of quanta. Both are plain counts
/// to whoever stores them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pools {
    used: BTreeMap<Arc<str>, u128>,
}

/// The pools a line takes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolKeys<'a> {
    /// Who uses up the grant together; `None` when the line has no grant.
    pub grant: Option<&'a str>,
    /// Who fills the volume tiers together.
    pub tier: &'a str,
}

impl Grant {
    /// What the pool still covers of this line after `used` thousandths of quanta.
    pub(crate) fn covers(&self, used: u128) -> Quantity {
        let whole = self.quantity.quanta().saturating_mul(1000);
        Quantity::from_quanta(whole.saturating_sub(used) / u128::from(self.weight_milli))
    }
}

impl Pools {
    /// Nothing used yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The month to date as `sheet` sees it.
    #[must_use]
    pub fn month_to_date(&self, sheet: &PriceSheet) -> MonthToDate {
        MonthToDate::from_lines(sheet, |line| self.line_to_date(line))
    }

    fn line_to_date(&self, line: &Line) -> LineToDate {
        let used = |pool: &Arc<str>| self.used.get(pool).copied().unwrap_or(0);
        LineToDate {
            grant_left: line.grant.as_ref().map_or(Quantity::ZERO, |grant| grant.covers(used(&grant.pool))),
            tier_used: Quantity::from_quanta(used(&line.tier_pool)),
        }
    }

    /// Counts one call, or a sum of calls, that was billed under `sheet`.
    ///
    /// # Errors
    /// [`Overflow`] when a total does not fit; the lines before it are counted then.
    ///
    /// # Panics
    /// When `metered` belongs to a sheet with other lines.
    pub fn record(&mut self, sheet: &PriceSheet, metered: &Metered) -> Result<(), Overflow> {
        assert_eq!(sheet.meters(), metered.meters, "invariant: a sheet's pools take its own quantities");
        for (line, quantity) in sheet.lines().iter().zip(metered.quantities) {
            let covered = quantity.min(self.line_to_date(line).grant_left);
            if let Some(grant) = &line.grant {
                let taken = covered.quanta().checked_mul(u128::from(grant.weight_milli)).ok_or(Overflow)?;
                self.take(&grant.pool, taken)?;
            }
            self.take(&line.tier_pool, quantity.saturating_sub(covered).quanta())?;
        }
        Ok(())
    }

    /// Takes back part of what was counted of calls billed under `sheet`, where they turn out to have been billed less: of
    /// the tiers first, of the grants last, as the last calls of the month would be.
    ///
    /// # Panics
    /// When `metered` belongs to a sheet with other lines.
    pub fn give_back(&mut self, sheet: &PriceSheet, metered: &Metered) {
        assert_eq!(sheet.meters(), metered.meters, "invariant: a sheet's pools take its own quantities");
        for (line, quantity) in sheet.lines().iter().zip(metered.quantities) {
            let of_tiers = self.put_back(&line.tier_pool, quantity.quanta());
            let rest = quantity.quanta() - of_tiers;
            if let Some(grant) = &line.grant {
                self.put_back(&grant.pool, rest.saturating_mul(u128::from(grant.weight_milli)));
            }
        }
    }

    /// Returns how much of it was there.
    fn put_back(&mut self, pool: &Arc<str>, amount: u128) -> u128 {
        let Some(used) = self.used.get_mut(pool) else { return 0 };
        let taken = amount.min(*used);
        *used -= taken;
        taken
    }

    /// The same at the start of another month: what is counted by month is empty again.
    #[must_use]
    pub fn turned(&self) -> Self {
        let kept = self.used.iter().filter(|(pool, _)| pool.starts_with(Self::LASTING));
        Self { used: kept.map(|(pool, used)| (Arc::clone(pool), *used)).collect() }
    }

    /// What a pool's name begins with when it outlasts the month.
    pub(crate) const LASTING: &str = "lasting:";

    pub(crate) fn used(&self, pool: &str) -> u128 {
        self.used.get(pool).copied().unwrap_or(0)
    }

    pub(crate) fn set(&mut self, pool: &Arc<str>, used: u128) {
        self.used.insert(Arc::clone(pool), used);
    }

    pub(crate) fn take(&mut self, pool: &Arc<str>, amount: u128) -> Result<(), Overflow> {
        if amount == 0 {
            return Ok(());
        }
        let used = self.used.entry(Arc::clone(pool)).or_default();
        *used = used.checked_add(amount).ok_or(Overflow)?;
        Ok(())
    }

    /// Every pool with what was used of it, for storing.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u128)> {
        self.used.iter().map(|(pool, used)| (&**pool, *used))
    }
}

impl<S: Into<Arc<str>>> FromIterator<(S, u128)> for Pools {
    /// What [`Pools::iter`] gave, read back.
    fn from_iter<I: IntoIterator<Item = (S, u128)>>(used: I) -> Self {
        Self { used: used.into_iter().map(|(pool, used)| (pool.into(), used)).collect() }
    }
}

impl PriceSheet {
    /// The pools the line of `meter` takes from; `None` when the sheet does not bill it.
    #[must_use]
    pub fn pool_of(&self, meter: Meter) -> Option<PoolKeys<'_>> {
        let line = self.lines().iter().find(|line| line.meter == meter)?;
        Some(PoolKeys { grant: line.grant.as_ref().map(|grant| &*grant.pool), tier: &line.tier_pool })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalogue;

    #[test]
    fn what_is_given_back_was_counted_last() {
        let sheet = Catalogue::builtin().get("aws-lambda/us-east-1/x86_64").expect("in the catalogue");
        let of = |units: u64| sheet.zero().with(Meter::GbSecond, Quantity::from_units(units)).expect("billed");
        let mut pools = Pools::new();
        pools.record(sheet, &of(400_100)).expect("fits");
        let line = |pools: &Pools| pools.month_to_date(sheet).iter().nth(1).map(|(_, left, used)| (left, used));
        assert_eq!(line(&pools), Some((Quantity::ZERO, Quantity::from_units(100))));
        pools.give_back(sheet, &of(40));
        assert_eq!(line(&pools), Some((Quantity::ZERO, Quantity::from_units(60))));
        pools.give_back(sheet, &of(70));
        assert_eq!(line(&pools), Some((Quantity::from_units(10), Quantity::ZERO)), "ten of the grant");
        pools.give_back(sheet, &of(9_999_999));
        assert_eq!(pools.month_to_date(sheet), MonthToDate::month_start(sheet), "and no more than there was");
    }
}
