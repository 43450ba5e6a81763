//! What calls are charged after adjustments, and what is left of packages and commitments.

use merit_units::{AdjustmentId, Exact, Overflow, Quantity, Rate};

use super::{Adjustment, AdjustmentKind, Adjustments, Counted};
use crate::charge::MarginalRates;
use crate::meter::{Meter, Metered};
use crate::pools::Pools;
use crate::sheet::PriceSheet;

/// A charge, and what it would have been by the price list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adjusted {
    /// By the list: after the free grant and by the volume tiers, without any adjustment.
    pub list: Exact,
    /// What is charged; never above `list`.
    pub charge: Exact,
    /// What each package and commitment covered, in the order in which they are applied; those that covered nothing are
    /// left out.
    pub taken: Vec<Taken>,
}

/// What a package or a commitment covered of a charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Which one.
    pub adjustment: AdjustmentId,
    /// Of which meter, where it is a package's.
    pub meter: Option<Meter>,
    /// How much.
    pub amount: Balance,
}

/// An amount of a package or a commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// Units of the package's meter.
    Units(Quantity),
    /// Money of the commitment, in its currency.
    Money(Exact),
}

/// How a package or a commitment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What of it was used by what is counted here.
    pub used: Balance,
    /// What is left of it.
    pub left: Balance,
}

impl Pools {
    /// Charges one call, or a sum of calls, under `list` with the adjustments that are in force with it
    /// ([`Adjustments::in_force`]), and counts it.
    ///
    /// `discounted` is [`Adjustments::discounted`] of the list; who charges often keeps it.
    ///
    /// # Errors
    /// [`Overflow`] when an amount or a total does not fit; what was counted until then stays counted.
    ///
    /// # Panics
    /// When `metered` belongs to a sheet with other lines.
    pub fn charge(
        &mut self,
        list: &PriceSheet,
        discounted: &PriceSheet,
        adjustments: &Adjustments,
        metered: &Metered,
    ) -> Result<Adjusted, Overflow> {
        let month = self.month_to_date(list);
        let by_list = list.charge(metered, &month)?;
        let (mut billed, mut taken) = (*metered, Vec::new());
        for (counted, meter) in adjustments.packages() {
            let Ok(line) = billed.meters.line_of(meter) else { continue };
            let past_grant = billed.quantities[line].saturating_sub(month.grant_left(line));
            let covered = past_grant.min(self.units_left(counted));
            billed.quantities[line] = billed.quantities[line].saturating_sub(covered);
            self.take(&counted.used, covered.quanta())?;
            if covered > Quantity::ZERO {
                taken.push(counted.taken(Some(meter), Balance::Units(covered)));
            }
        }
        let mut charge = discounted.charge(&billed, &month)?;
        self.record(discounted, &billed)?;
        for counted in adjustments.commitments(list) {
            let covered = charge.min(self.money_left(counted));
            charge = charge.saturating_sub(covered);
            let (atto, rest) = self.money_used(counted)?.checked_add(covered)?.parts();
            if covered > Exact::ZERO {
                self.set(&counted.used, atto);
                self.set(&counted.rest, rest);
                taken.push(counted.taken(None, Balance::Money(covered)));
            }
        }
        Ok(Adjusted { list: by_list, charge, taken })
    }

    /// The rates of the next unit after the adjustments that are in force. Valid while no grant, tier, package or commitment is used up.
    #[must_use]
    pub fn marginal(&self, discounted: &PriceSheet, adjustments: &Adjustments) -> MarginalRates {
        let rates = discounted.marginal(&self.month_to_date(discounted));
        if adjustments.commitments(discounted).any(|counted| self.money_left(counted) > Exact::ZERO) {
            return rates.free();
        }
        let covered = adjustments.packages().filter(|(counted, _)| self.units_left(counted) > Quantity::ZERO);
        covered.fold(rates, |rates, (_, meter)| match discounted.meters().line_of(meter) {
            Ok(line) => rates.with_free(line),
            Err(_) => rates,
        })
    }

    /// Each package and commitment with how it stands.
    pub fn balances<'a>(&'a self, adjustments: &'a Adjustments) -> impl Iterator<Item = (&'a Adjustment, Standing)> {
        adjustments.0.iter().filter_map(|counted| {
            let standing = match counted.adjustment.kind {
                AdjustmentKind::Discount { .. } => return None,
                AdjustmentKind::Commitment { .. } => Standing {
                    used: Balance::Money(self.money_used(counted).unwrap_or_default()),
                    left: Balance::Money(self.money_left(counted)),
                },
                AdjustmentKind::Package { .. } => Standing {
                    used: Balance::Units(Quantity::from_quanta(self.used(&counted.used))),
                    left: Balance::Units(self.units_left(counted)),
                },
            };
            Some((&counted.adjustment, standing))
        })
    }

    fn units_left(&self, counted: &Counted) -> Quantity {
        let AdjustmentKind::Package { quantity, elsewhere, .. } = counted.adjustment.kind else {
            return Quantity::ZERO;
        };
        quantity.saturating_sub(elsewhere).saturating_sub(Quantity::from_quanta(self.used(&counted.used)))
    }

    fn money_left(&self, counted: &Counted) -> Exact {
        let AdjustmentKind::Commitment { amount, elsewhere, .. } = counted.adjustment.kind else { return Exact::ZERO };
        let here = whole(amount).saturating_sub(whole(elsewhere));
        // What was used beyond counting has left nothing.
        self.money_used(counted).map_or(Exact::ZERO, |used| here.saturating_sub(used))
    }

    fn money_used(&self, counted: &Counted) -> Result<Exact, Overflow> {
        Exact::from_parts(self.used(&counted.used), self.used(&counted.rest))
    }
}

impl PriceSheet {
    /// A whole month as [`PriceSheet::invoice`], with the adjustments that are in force for all of it and of which nothing was
    /// used. What the sheet asks for in any case stays: the base fee, and an hour's least.
    ///
    /// # Errors
    /// [`Overflow`] when a total does not fit.
    ///
    /// # Panics
    /// When quantities belong to a sheet with other lines.
    pub fn adjusted_invoice<F: Ord>(
        &self,
        usage: impl IntoIterator<Item = ((u64, F), Metered)>,
        adjustments: &Adjustments,
    ) -> Result<Exact, Overflow> {
        let (mut pools, discounted) = (Pools::new(), adjustments.discounted(self));
        self.invoice_by(usage, |metered| Ok(pools.charge(self, &discounted, adjustments, metered)?.charge))
    }
}

/// So many units of a currency.
fn whole(amount: Rate) -> Exact {
    amount.times(Quantity::from_units(1)).unwrap_or(Exact::ZERO)
}

impl Counted {
    fn taken(&self, meter: Option<Meter>, amount: Balance) -> Taken {
        Taken { adjustment: self.adjustment.name.clone(), meter, amount }
    }
}

impl Adjustments {
    fn packages(&self) -> impl Iterator<Item = (&Counted, Meter)> {
        self.0.iter().filter_map(|counted| match counted.adjustment.kind {
            AdjustmentKind::Package { meter, .. } => Some((counted, meter)),
            _ => None,
        })
    }

    fn commitments<'a>(&'a self, sheet: &'a PriceSheet) -> impl Iterator<Item = &'a Counted> {
        self.0.iter().filter(move |counted| {
            let is_one = matches!(counted.adjustment.kind, AdjustmentKind::Commitment { .. });
            is_one && counted.adjustment.is_for(sheet)
        })
    }
}
