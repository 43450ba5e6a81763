//! A price sheet in force with what its next unit costs: what a row of a book carries, so that a fill is charged by it.

use std::sync::Arc;

use merit_market::Ineligible;
use merit_pricing::{Adjustments, MarginalRates, Metered, PriceSheet, Size, Usage};
use merit_units::{Exact, ExchangeRate, Micros, Money, SheetName, Timestamp};

use super::usage::Billing;
use super::{Exchange, NewSheet};

/// A sheet with what its next unit costs.
#[derive(Clone)]
pub struct InForce {
    pub(super) priced: Option<Priced>,
    /// Which sheet of the catalogue it waits for, where it has none.
    pub(super) awaits: Option<SheetName>,
    pub(super) exchange: Exchange,
    /// When the price was last confirmed; it is stale after `stale_after`.
    pub(super) confirmed_at: Timestamp,
    pub(super) stale_after: Micros,
    /// All that was agreed, whether it holds now or not.
    pub(super) agreed: Arc<Adjustments>,
    /// When the next of it begins or ends.
    pub(super) changes_at: Timestamp,
}

#[derive(Clone)]
pub(super) struct Priced {
    /// The provider's.
    pub(super) sheet: Arc<PriceSheet>,
    /// What of what was agreed holds for it.
    pub(super) adjusted: Option<AdjustedSheet>,
    /// After adjustments.
    pub(super) marginal: MarginalRates,
    /// Before them.
    pub(super) list_marginal: MarginalRates,
    highest: MarginalRates,
}

/// A sheet with the adjustments that hold for it.
#[derive(Clone)]
pub(super) struct AdjustedSheet {
    /// With the discounts taken off.
    pub(super) sheet: Arc<PriceSheet>,
    /// Those that hold. A fill is charged by those it was quoted under, also when a day has passed meanwhile.
    pub(super) adjustments: Arc<Adjustments>,
}

impl Priced {
    fn new(sheet: Arc<PriceSheet>, agreed: &Adjustments, now: Timestamp, billing: &Billing) -> Self {
        let adjustments = agreed.in_force(&sheet, now);
        let adjusted = (!adjustments.is_empty()).then(|| AdjustedSheet {
            sheet: if adjustments.has_discount() {
                Arc::new(adjustments.discounted(&sheet))
            } else {
                Arc::clone(&sheet)
            },
            adjustments: Arc::new(adjustments),
        });
        let highest = adjusted.as_ref().map_or(&sheet, |adjusted| &adjusted.sheet).highest_rates();
        let unread = sheet.highest_rates();
        Self { marginal: unread, list_marginal: unread, highest, adjusted, sheet }.read(billing)
    }

    /// With the rates of the next unit as they stand.
    pub(super) fn read(self, billing: &Billing) -> Self {
        let (list_marginal, marginal) = billing.marginal(&self);
        Self { marginal, list_marginal, ..self }
    }
}

impl InForce {
    pub(super) fn new(new: NewSheet, billing: &Billing) -> Self {
        let NewSheet { sheet, awaits, agreed, now, exchange, confirmed_at, stale_after } = new;
        let changes_at = agreed.next_change(now);
        let priced = sheet.map(|sheet| Priced::new(sheet, &agreed, now, billing));
        Self { priced, awaits, exchange, confirmed_at, stale_after, agreed, changes_at }
    }

    /// The same at another time, or with something else agreed.
    pub(super) fn judged(&self, agreed: Arc<Adjustments>, now: Timestamp, billing: &Billing) -> Self {
        let changes_at = agreed.next_change(now);
        let sheet = self.priced.as_ref().map(|priced| Arc::clone(&priced.sheet));
        let priced = sheet.map(|sheet| Priced::new(sheet, &agreed, now, billing));
        Self { priced, agreed, changes_at, ..self.clone() }
    }

    /// The sheet, as the provider has it.
    #[must_use]
    pub fn sheet(&self) -> Option<&PriceSheet> {
        self.priced.as_ref().map(|priced| &*priced.sheet)
    }

    /// The sheet it will be billed by as soon as its prices are known.
    #[must_use]
    pub fn awaits(&self) -> Option<&SheetName> {
        self.awaits.as_ref()
    }

    /// The adjustments that hold for it, where there are some.
    #[must_use]
    pub fn adjustments(&self) -> Option<&Adjustments> {
        Some(&self.priced.as_ref()?.adjusted.as_ref()?.adjustments)
    }

    /// Dollars for one unit of the sheet's currency; `None` when there is no rate.
    #[must_use]
    pub fn rate(&self) -> Option<ExchangeRate> {
        match self.exchange {
            Exchange::At { rate, .. } => Some(rate),
            Exchange::Missing => None,
        }
    }

    /// Whether what a call is billed for is the same under both; not when either has no sheet.
    #[must_use]
    pub fn same_shape(&self, other: &Self) -> bool {
        matches!((&self.priced, &other.priced), (Some(own), Some(other)) if own.sheet.same_shape(&other.sheet))
    }

    /// What a call is billed for; `None` without a sheet, or when it can't be metered under it.
    #[must_use]
    pub fn meter(&self, size: &Size, usage: &Usage) -> Option<Metered> {
        self.priced.as_ref()?.sheet.meter(size, usage).ok()
    }

    /// Why nothing may be priced by it now.
    #[must_use]
    pub fn ineligible(&self, now: Timestamp) -> Option<Ineligible> {
        let Some(priced) = &self.priced else { return Some(Ineligible::NoPrice) };
        if !priced.sheet.valid_at(now) || now.since(self.confirmed_at) > self.stale_after {
            return Some(Ineligible::StalePrice);
        }
        match self.exchange {
            Exchange::At { until, .. } if now <= until => None,
            Exchange::At { .. } | Exchange::Missing => Some(Ineligible::NoExchangeRate),
        }
    }

    /// Expected cost of these quantities at the rates of the next unit, in dollars.
    #[must_use]
    pub fn cost(&self, metered: &Metered) -> Money {
        self.priced.as_ref().map_or(Money::MAX, |priced| self.dollars(priced.marginal.cost(metered)))
    }

    /// What these quantities would be expected to cost without adjustments, in dollars; `None` where there are none.
    #[must_use]
    pub fn list_cost(&self, metered: &Metered) -> Option<Money> {
        let priced = self.priced.as_ref().filter(|priced| priced.adjusted.is_some())?;
        Some(self.dollars(priced.list_marginal.cost(metered)))
    }

    /// Whether calls are billed their share of an instance.
    pub(crate) fn bills_shared_instances(&self) -> bool {
        self.priced.as_ref().is_some_and(|priced| priced.sheet.bills_shared_instances())
    }

    /// The most one call can be charged, in dollars; zero without a sheet.
    #[must_use]
    pub fn ceiling(&self, size: &Size, timeout: Micros) -> Money {
        let Some(priced) = &self.priced else { return Money::ZERO };
        let metered = merit_pricing::ceiling(&priced.sheet, size, timeout);
        metered.map_or(Money::ZERO, |metered| self.dollars(priced.highest.cost(&metered)))
    }

    pub(super) fn dollars(&self, exact: Exact) -> Money {
        match self.exchange {
            Exchange::At { rate, .. } => exact.to_usd(rate).unwrap_or(Money::MAX),
            Exchange::Missing => Money::MAX,
        }
    }
}
