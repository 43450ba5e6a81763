//! From billed quantities to exact amounts: grants, volume tiers, marginal rates, the month's invoice.
//!
//! Grant and tiers are separate: a quantity is first taken from the grant, and only the rest counts
//! towards the tiers. Splitting one quantity into pieces never changes the sum of their charges.
//! Nothing is rounded here; [`Exact::round_half_even`] is called once, by whoever books the amount.

use std::collections::BTreeMap;

use merit_units::{Exact, Overflow, Quantity, Rate};

use crate::meter::{MAX_LINES, Meter, Metered, Meters, NotBilled};
use crate::sheet::{Line, PriceSheet};

/// Where the month stands for each line of a sheet: what is left of the grant, and how far the tiers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MonthToDate {
    lines: [LineToDate; MAX_LINES],
    meters: Meters,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LineToDate {
    /// What the grant still covers, in billed units of the line.
    pub(crate) grant_left: Quantity,
    /// Billed so far this month, after the grant.
    pub(crate) tier_used: Quantity,
}

impl LineToDate {
    /// Takes `quantity` from the grant and then from the tiers; returns what the grant did not cover.
    fn take(&mut self, quantity: Quantity) -> Result<Quantity, Overflow> {
        let rest = quantity.saturating_sub(self.grant_left);
        self.grant_left = self.grant_left.saturating_sub(quantity);
        self.tier_used = self.tier_used.checked_add(rest)?;
        Ok(rest)
    }
}

impl MonthToDate {
    pub(crate) fn from_lines(sheet: &PriceSheet, of: impl Fn(&Line) -> LineToDate) -> Self {
        let mut lines = [LineToDate::default(); MAX_LINES];
        for (own, line) in lines.iter_mut().zip(sheet.lines()) {
            *own = of(line);
        }
        Self { lines, meters: sheet.meters() }
    }

    /// The start of a month: the whole grant is left and the tiers are empty.
    #[must_use]
    pub fn month_start(sheet: &PriceSheet) -> Self {
        Self::from_lines(sheet, |line| LineToDate {
            grant_left: line.grant.as_ref().map_or(Quantity::ZERO, |grant| grant.covers(Quantity::ZERO.quanta())),
            tier_used: Quantity::ZERO,
        })
    }

    /// The grant used up and the first paid tier begun: what one more call costs an ordinary account.
    #[must_use]
    pub fn past_grant(sheet: &PriceSheet) -> Self {
        Self::from_lines(sheet, |_| LineToDate::default())
    }

    /// The month after these totals were used since its start.
    ///
    /// # Errors
    /// [`NotBilled`] when the sheet does not bill a meter.
    pub fn after_usage(
        sheet: &PriceSheet,
        used: impl IntoIterator<Item = (Meter, Quantity)>,
    ) -> Result<Self, NotBilled> {
        let mut month = Self::month_start(sheet);
        for (meter, quantity) in used {
            let at = month.meters.line_of(meter)?;
            // A total beyond counting stands at the end of the tiers, where any charge reports it.
            if month.lines[at].take(quantity).is_err() {
                month.lines[at].tier_used = Quantity::MAX;
            }
        }
        Ok(month)
    }

    /// The month after one more call, or a sum of calls.
    ///
    /// # Errors
    /// [`Overflow`] when a total does not fit.
    ///
    /// # Panics
    /// When `metered` belongs to a sheet with other lines.
    pub fn add(&mut self, metered: &Metered) -> Result<(), Overflow> {
        assert_eq!(self.meters, metered.meters, "invariant: a month takes quantities of its own sheet");
        for (own, quantity) in self.lines.iter_mut().zip(metered.quantities) {
            own.take(quantity)?;
        }
        Ok(())
    }

    /// What is left of the grant of a line.
    pub(crate) fn grant_left(&self, line: usize) -> Quantity {
        self.lines[line].grant_left
    }

    /// For each meter what is left of its grant and what was billed after the grant.
    pub fn iter(&self) -> impl Iterator<Item = (Meter, Quantity, Quantity)> {
        self.meters.as_slice().iter().zip(self.lines).map(|(meter, line)| (*meter, line.grant_left, line.tier_used))
    }
}

/// What the next unit of each line costs. Valid while no grant or tier edge is crossed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarginalRates {
    rates: [Rate; MAX_LINES],
    meters: Meters,
}

impl MarginalRates {
    /// What these quantities cost at these rates: a dot product. An amount that does not fit comes
    /// out as the largest there is, so that it is never the cheapest.
    ///
    /// # Panics
    /// When `metered` belongs to a sheet with other lines.
    #[must_use]
    pub fn cost(&self, metered: &Metered) -> Exact {
        assert_eq!(self.meters, metered.meters, "invariant: quantities are priced by their own sheet's rates");
        let mut sum = Some(0_u128);
        for (quantity, rate) in metered.quantities.iter().zip(self.rates).take(self.meters.len()) {
            let product = quantity.quanta().checked_mul(rate.atto());
            sum = sum.zip(product).and_then(|(sum, product)| sum.checked_add(product));
        }
        // A sum of quanta x attounits, divided once instead of once a line.
        match sum {
            Some(sum) => Rate::from_atto(1).times(Quantity::from_quanta(sum)),
            None => self.cost_by_line(metered),
        }
        .unwrap_or_else(|Overflow| largest())
    }

    #[cold]
    fn cost_by_line(&self, metered: &Metered) -> Result<Exact, Overflow> {
        let products = metered.quantities.iter().zip(self.rates).map(|(quantity, rate)| rate.times(*quantity));
        products.into_iter().try_fold(Exact::ZERO, |sum, product| sum.checked_add(product?))
    }

    /// The same with every rate at zero.
    pub(crate) fn free(self) -> Self {
        Self { rates: [Rate::FREE; MAX_LINES], ..self }
    }

    /// The same with the rate of one line at zero.
    pub(crate) fn with_free(mut self, line: usize) -> Self {
        self.rates[line] = Rate::FREE;
        self
    }

    /// Each meter with the rate of its next unit.
    pub fn iter(&self) -> impl Iterator<Item = (Meter, Rate)> {
        self.meters.as_slice().iter().copied().zip(self.rates)
    }
}

/// About 3.4 x 10^20 units of the currency.
fn largest() -> Exact {
    Rate::from_atto(u128::MAX).times(Quantity::from_units(1)).unwrap_or(Exact::ZERO)
}

impl PriceSheet {
    /// What these quantities are charged at this point of the month, split exactly where they cross
    /// the edge of a grant or a tier.
    ///
    /// # Errors
    /// [`Overflow`] when the amount or the month's total does not fit.
    ///
    /// # Panics
    /// When `metered` or `month` belongs to a sheet with other lines.
    pub fn charge(&self, metered: &Metered, month: &MonthToDate) -> Result<Exact, Overflow> {
        assert_eq!(self.meters(), metered.meters, "invariant: a sheet charges its own quantities");
        assert_eq!(self.meters(), month.meters, "invariant: a sheet charges in its own month");
        let mut total = Exact::ZERO;
        for ((line, quantity), to_date) in self.lines().iter().zip(metered.quantities).zip(month.lines) {
            let billable = quantity.saturating_sub(to_date.grant_left);
            if billable > Quantity::ZERO {
                total = total.checked_add(charge_tiers(line, to_date.tier_used, billable)?)?;
            }
        }
        Ok(total)
    }

    /// The rates of the next unit at this point of the month.
    ///
    /// # Panics
    /// When `month` belongs to a sheet with other lines.
    #[must_use]
    pub fn marginal(&self, month: &MonthToDate) -> MarginalRates {
        assert_eq!(self.meters(), month.meters, "invariant: a sheet charges in its own month");
        let mut rates = [Rate::FREE; MAX_LINES];
        for ((rate, line), to_date) in rates.iter_mut().zip(self.lines()).zip(month.lines) {
            if to_date.grant_left == Quantity::ZERO {
                let tier = line.tiers.iter().find(|tier| to_date.tier_used < tier.up_to).or(line.tiers.last());
                *rate = tier.map_or(Rate::FREE, |tier| tier.rate);
            }
        }
        MarginalRates { rates, meters: self.meters() }
    }

    /// Every line at the dearest rate of its tiers and without its grant: no charge at any point of
    /// the month is higher, so holds are sized by it.
    #[must_use]
    pub fn highest_rates(&self) -> MarginalRates {
        let mut rates = [Rate::FREE; MAX_LINES];
        for (rate, line) in rates.iter_mut().zip(self.lines()) {
            *rate = line.highest_rate();
        }
        MarginalRates { rates, meters: self.meters() }
    }

    /// A whole month as the provider's invoice has it, given each call's (or hour's) quantities with the hour
    /// and the function they belong to: summed, less the grant, by tiers, with whatever the sheet rounds or
    /// floors per function and hour, and with the base fee.
    ///
    /// # Errors
    /// [`Overflow`] when a total does not fit.
    ///
    /// # Panics
    /// When quantities belong to a sheet with other lines.
    pub fn invoice<F: Ord>(&self, usage: impl IntoIterator<Item = ((u64, F), Metered)>) -> Result<Exact, Overflow> {
        let mut month = MonthToDate::month_start(self);
        self.invoice_by(usage, |metered| {
            let charge = self.charge(metered, &month)?;
            month.add(metered)?;
            Ok(charge)
        })
    }

    /// The month's invoice, where `charge` says what a sum of the month comes to on top of those before it.
    pub(crate) fn invoice_by<F: Ord>(
        &self,
        usage: impl IntoIterator<Item = ((u64, F), Metered)>,
        mut charge: impl FnMut(&Metered) -> Result<Exact, Overflow>,
    ) -> Result<Exact, Overflow> {
        let metered = if self.hourly().is_some() {
            self.invoice_hours(usage, charge)?
        } else {
            let mut sum = self.zero();
            for (_, metered) in usage {
                sum = sum.checked_add(&metered)?;
            }
            charge(&sum)?
        };
        metered.checked_add(self.base_fee().times(Quantity::from_units(1))?)
    }

    fn invoice_hours<F: Ord>(
        &self,
        usage: impl IntoIterator<Item = ((u64, F), Metered)>,
        mut charge: impl FnMut(&Metered) -> Result<Exact, Overflow>,
    ) -> Result<Exact, Overflow> {
        let mut hours: BTreeMap<(u64, F), Metered> = BTreeMap::new();
        for (hour, metered) in usage {
            let sum = hours.entry(hour).or_insert_with(|| self.zero());
            *sum = sum.checked_add(&metered)?;
        }
        let mut total = Exact::ZERO;
        for mut hour in hours.into_values() {
            let Some(hourly) = self.hourly() else { continue };
            if hourly.ceil_to_units {
                hour.quantities = hour.quantities.map(Quantity::ceil_to_units);
            }
            let floor = hourly.floor.times(Quantity::from_units(1))?;
            total = total.checked_add(charge(&hour)?.max(floor))?;
        }
        Ok(total)
    }
}

/// Walks the tiers from `used` on, taking `quantity`, which is above zero.
fn charge_tiers(line: &Line, used: Quantity, quantity: Quantity) -> Result<Exact, Overflow> {
    let end = used.checked_add(quantity)?;
    let mut total = Exact::ZERO;
    let mut from = used;
    for tier in &line.tiers {
        if from >= tier.up_to {
            continue;
        }
        let to = end.min(tier.up_to);
        total = total.checked_add(tier.rate.times(to.saturating_sub(from))?)?;
        from = to;
        if from >= end {
            break;
        }
    }
    Ok(total)
}
