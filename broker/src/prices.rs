//! Price sheets in force: what the next call costs, and what a call is charged.
//!
//! Usage since the first of the month decides which grant and tier a call falls into. It is kept
//! by pool, because providers share grants between regions; one lock guards all pools, held for
//! one charge. What the next unit costs is published beside the sheet and read without a lock.
//!
//! Invariant: no sheet, a sheet out of its validity, or a currency without a current exchange
//! rate means *ineligible*, never a default price.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use merit_market::Ineligible;
use merit_pricing::{MarginalRates, Metered, Pools, PriceSheet, Size, Usage};
use merit_units::{Exact, ExchangeRate, Micros, Money, Month, Timestamp};

/// Usage since the first of the month, of all pools.
#[derive(Debug)]
pub struct MonthlyUsage {
    state: Mutex<Used>,
}

#[derive(Debug)]
struct Used {
    month: Month,
    pools: Pools,
}

impl MonthlyUsage {
    /// Usage as it was stored, or seeded from the configuration.
    #[must_use]
    pub const fn new(month: Month, pools: Pools) -> Self {
        Self { state: Mutex::new(Used { month, pools }) }
    }

    /// Empties the pools when a new month has begun. Returns whether it has.
    pub fn turn(&self, month: Month) -> bool {
        let mut used = self.used();
        if used.month == month {
            return false;
        }
        *used = Used { month, pools: Pools::new() };
        true
    }

    /// The month and its pools, to be stored.
    #[must_use]
    pub fn snapshot(&self) -> (Month, Pools) {
        let used = self.used();
        (used.month, used.pools.clone())
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A venue's price sheet in force, and where the month stands for it.
pub struct Prices {
    in_force: ArcSwap<InForce>,
    usage: Arc<MonthlyUsage>,
    /// Set when a charge crossed into another grant or tier: books must be rebuilt.
    crossed: AtomicBool,
    /// Whether it was eligible when last asked by [`Self::eligibility_changed`].
    eligible: AtomicBool,
}

/// A sheet with what its next unit costs.
#[derive(Clone)]
pub struct InForce {
    priced: Option<Priced>,
    exchange: Exchange,
    /// When the price was last confirmed; it is stale after `stale_after`.
    confirmed_at: Timestamp,
    stale_after: Micros,
}

#[derive(Clone)]
struct Priced {
    sheet: Arc<PriceSheet>,
    marginal: MarginalRates,
    highest: MarginalRates,
}

/// How to get from a sheet's currency to dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// At this rate, for as long as it is fresh.
    At {
        /// Dollars for one unit.
        rate: ExchangeRate,
        /// When it will be too old.
        until: Timestamp,
    },
    /// No rate is configured, or it is too old.
    Missing,
}

/// A sheet to be put in force.
pub struct NewSheet {
    /// The sheet, or none when the venue has no price.
    pub sheet: Option<Arc<PriceSheet>>,
    /// How its currency becomes dollars.
    pub exchange: Exchange,
    /// When it was confirmed.
    pub confirmed_at: Timestamp,
    /// For how long it is good without a new confirmation.
    pub stale_after: Micros,
}

impl Prices {
    /// Puts a first sheet in force.
    #[must_use]
    pub fn new(new: NewSheet, usage: Arc<MonthlyUsage>) -> Self {
        let in_force = ArcSwap::from_pointee(InForce::new(new, &usage));
        Self { in_force, usage, crossed: AtomicBool::new(false), eligible: AtomicBool::new(true) }
    }

    /// Puts another sheet in force. Returns whether it rounds otherwise than the one before, so that
    /// what was learned under that one must be metered anew.
    pub fn replace(&self, new: NewSheet) -> bool {
        let former = self.sheet();
        let next = InForce::new(new, &self.usage);
        let reshaped = match (&former, next.sheet()) {
            (Some(former), Some(sheet)) => !former.same_shape(sheet),
            (None, Some(_)) => true,
            _ => false,
        };
        self.in_force.store(Arc::new(next));
        reshaped
    }

    /// Reads the rates of the next unit anew. Returns whether they have changed.
    pub fn refresh(&self) -> bool {
        self.crossed.store(false, Ordering::Relaxed);
        let former = self.in_force.load_full();
        let Some(priced) = &former.priced else { return false };
        let marginal = priced.sheet.marginal(&self.usage.used().pools.month_to_date(&priced.sheet));
        if marginal == priced.marginal {
            return false;
        }
        let priced = Some(Priced { marginal, ..priced.clone() });
        self.in_force.store(Arc::new(InForce { priced, ..(*former).clone() }));
        true
    }

    /// Whether a charge crossed into another grant or tier since the last [`Self::refresh`].
    #[must_use]
    pub fn has_crossed(&self) -> bool {
        self.crossed.load(Ordering::Relaxed)
    }

    /// Whether the sheet has become eligible or ineligible since this was last asked.
    pub fn eligibility_changed(&self, now: Timestamp) -> bool {
        let eligible = self.in_force.load().ineligible(now).is_none();
        self.eligible.swap(eligible, Ordering::Relaxed) != eligible
    }

    /// What is in force now.
    #[must_use]
    pub fn in_force(&self) -> Arc<InForce> {
        self.in_force.load_full()
    }

    /// The sheet in force.
    #[must_use]
    pub fn sheet(&self) -> Option<Arc<PriceSheet>> {
        self.in_force.load().priced.as_ref().map(|priced| Arc::clone(&priced.sheet))
    }

    /// What a call is billed for; `None` without a sheet, or when it can't be metered under it.
    #[must_use]
    pub fn meter(&self, size: &Size, usage: &Usage) -> Option<Metered> {
        self.in_force.load().priced.as_ref()?.sheet.meter(size, usage).ok()
    }

    /// Charges a call in dollars, and counts it towards the month's grants and tiers.
    #[must_use]
    pub fn charge(&self, metered: &Metered) -> Money {
        let in_force = self.in_force.load();
        let Some(priced) = &in_force.priced else { return Money::ZERO };
        let mut used = self.usage.used();
        let mut month = used.pools.month_to_date(&priced.sheet);
        let charge = priced.sheet.charge(metered, &month);
        let recorded = used.pools.record(&priced.sheet, metered);
        drop(used);
        if month.add(metered).is_ok() && recorded.is_ok() && priced.sheet.marginal(&month) != priced.marginal {
            self.crossed.store(true, Ordering::Relaxed);
        }
        charge.map_or(Money::MAX, |exact| in_force.dollars(exact))
    }
}

impl InForce {
    fn new(new: NewSheet, usage: &MonthlyUsage) -> Self {
        let NewSheet { sheet, exchange, confirmed_at, stale_after } = new;
        let priced = sheet.map(|sheet| {
            let month = usage.used().pools.month_to_date(&sheet);
            Priced { marginal: sheet.marginal(&month), highest: sheet.highest_rates(), sheet }
        });
        Self { priced, exchange, confirmed_at, stale_after }
    }

    /// The sheet.
    #[must_use]
    pub fn sheet(&self) -> Option<&PriceSheet> {
        self.priced.as_ref().map(|priced| &*priced.sheet)
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

    /// The most one call can be charged, in dollars; zero without a sheet.
    #[must_use]
    pub fn ceiling(&self, size: &Size, timeout: Micros) -> Money {
        let Some(priced) = &self.priced else { return Money::ZERO };
        let metered = merit_pricing::ceiling(&priced.sheet, size, timeout);
        metered.map_or(Money::ZERO, |metered| self.dollars(priced.highest.cost(&metered)))
    }

    fn dollars(&self, exact: Exact) -> Money {
        match self.exchange {
            Exchange::At { rate, .. } => exact.to_usd(rate).unwrap_or(Money::MAX),
            Exchange::Missing => Money::MAX,
        }
    }
}
