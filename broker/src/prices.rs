//! Price sheets in force: what the next call costs, and what a call is charged.
//!
//! Usage since the first of the month decides which grant and tier a call falls into. It is kept
//! by billing account and pool, because providers share grants between an account's regions; one lock
//! guards all of it, held for one charge. What the next unit costs is published beside the sheet and read without a lock.
//!
//! Invariant: no sheet, a sheet out of its validity, or a currency without a current exchange
//! rate means *ineligible*, never a default price.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use merit_market::Ineligible;
use merit_pricing::{MarginalRates, Metered, MonthToDate, Pools, PriceSheet, Size, Usage};
use merit_units::{Exact, ExchangeRate, Micros, Money, Month, Timestamp};

/// What each billing account has used, by its name; nearly always there is one, named "".
pub type AccountPools = BTreeMap<Box<str>, Pools>;

/// Usage since the first of the month, of all accounts.
#[derive(Debug)]
pub struct MonthlyUsage {
    state: Mutex<Used>,
}

#[derive(Debug)]
struct Used {
    month: Month,
    /// By number; numbers last as long as the broker.
    accounts: Vec<(Box<str>, Pools)>,
}

/// The usage of one billing account.
#[derive(Clone, Debug)]
pub struct Billing {
    usage: Arc<MonthlyUsage>,
    account: usize,
}

impl MonthlyUsage {
    /// Usage as it was stored, or seeded from the configuration.
    #[must_use]
    pub fn new(month: Month, accounts: AccountPools) -> Self {
        Self { state: Mutex::new(Used { month, accounts: accounts.into_iter().collect() }) }
    }

    /// The usage of the account of that name; "" is the account of venues that name none.
    #[must_use]
    pub fn of(self: &Arc<Self>, name: &str) -> Billing {
        let mut used = self.used();
        let known = used.accounts.iter().position(|(known, _)| &**known == name);
        let account = known.unwrap_or_else(|| {
            used.accounts.push((name.into(), Pools::new()));
            used.accounts.len() - 1
        });
        Billing { usage: Arc::clone(self), account }
    }

    /// Empties the pools when a new month has begun. Returns whether it has.
    pub fn turn(&self, month: Month) -> bool {
        let mut used = self.used();
        if used.month == month {
            return false;
        }
        used.month = month;
        used.accounts.iter_mut().for_each(|(_, pools)| *pools = Pools::new());
        true
    }

    /// The month and its pools, to be stored.
    #[must_use]
    pub fn snapshot(&self) -> (Month, AccountPools) {
        let used = self.used();
        (used.month, used.accounts.iter().cloned().collect())
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Billing {
    fn month_to_date(&self, sheet: &PriceSheet) -> MonthToDate {
        self.usage.used().accounts[self.account].1.month_to_date(sheet)
    }

    /// What a call costs on top of what was used, counted towards it; what was used before, and what was then. `None`
    /// when a sum does not fit.
    fn charge(&self, sheet: &PriceSheet, metered: &Metered) -> (Option<Exact>, MonthToDate, Option<MonthToDate>) {
        let mut used = self.usage.used();
        let pools = &mut used.accounts[self.account].1;
        let before = pools.month_to_date(sheet);
        let mut month = before;
        let charge = sheet.charge(metered, &month);
        let recorded = pools.record(sheet, metered);
        drop(used);
        let counted = recorded.is_ok() && month.add(metered).is_ok();
        (charge.ok(), before, counted.then_some(month))
    }
}

/// A venue's price sheet in force, and where the month stands for it.
pub struct Prices {
    in_force: ArcSwap<InForce>,
    billing: Billing,
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
    pub fn new(new: NewSheet, billing: Billing) -> Self {
        let in_force = ArcSwap::from_pointee(InForce::new(new, &billing));
        Self { in_force, billing, crossed: AtomicBool::new(false), eligible: AtomicBool::new(true) }
    }

    /// Puts another sheet in force. Returns whether it rounds otherwise than the one before, so that
    /// what was learned under that one must be metered anew.
    pub fn replace(&self, new: NewSheet) -> bool {
        let former = self.sheet();
        let next = InForce::new(new, &self.billing);
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
        let marginal = priced.sheet.marginal(&self.billing.month_to_date(&priced.sheet));
        if marginal == priced.marginal {
            return false;
        }
        let priced = Some(Priced { marginal, ..priced.clone() });
        self.in_force.store(Arc::new(InForce { priced, ..(*former).clone() }));
        true
    }

    /// Converts to dollars by another rate from now on. Returns whether it is another one.
    pub fn convert_by(&self, exchange: Exchange) -> bool {
        let former = self.in_force.load_full();
        if former.exchange == exchange {
            return false;
        }
        self.in_force.store(Arc::new(InForce { exchange, ..(*former).clone() }));
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

    /// Charges a call in dollars by the prices it was quoted under, and counts it towards the month's grants and
    /// tiers. Tells where the month stood.
    #[must_use]
    pub fn charge_under(&self, quoted: &InForce, metered: &Metered) -> (Money, Option<MonthToDate>) {
        let Some(priced) = &quoted.priced else { return (Money::ZERO, None) };
        let (charge, before, month) = self.billing.charge(&priced.sheet, metered);
        if month.is_some_and(|month| priced.sheet.marginal(&month) != priced.marginal) {
            self.crossed.store(true, Ordering::Relaxed);
        }
        (charge.map_or(Money::MAX, |exact| quoted.dollars(exact)), Some(before))
    }
}

impl InForce {
    fn new(new: NewSheet, billing: &Billing) -> Self {
        let NewSheet { sheet, exchange, confirmed_at, stale_after } = new;
        let priced = sheet.map(|sheet| {
            let month = billing.month_to_date(&sheet);
            Priced { marginal: sheet.marginal(&month), highest: sheet.highest_rates(), sheet }
        });
        Self { priced, exchange, confirmed_at, stale_after }
    }

    /// The sheet.
    #[must_use]
    pub fn sheet(&self) -> Option<&PriceSheet> {
        self.priced.as_ref().map(|priced| &*priced.sheet)
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

#[cfg(test)]
mod tests {
    use merit_pricing::{Catalogue, Meter};
    use merit_units::Quantity;

    use super::*;

    fn prices(billing: Billing) -> Prices {
        let sheet = Catalogue::builtin().get("aws-lambda/us-east-1/x86_64").cloned();
        let exchange = Exchange::At { rate: ExchangeRate::USD, until: Timestamp::from_micros(u64::MAX) };
        Prices::new(NewSheet { sheet, exchange, confirmed_at: Timestamp::EPOCH, stale_after: Micros::ZERO }, billing)
    }

    #[test]
    fn accounts_use_up_grants_of_their_own() {
        let usage = Arc::new(MonthlyUsage::new(Month::try_new(2026, 11).expect("a month"), AccountPools::new()));
        let (one, same, other) = (prices(usage.of("a")), prices(usage.of("a")), prices(usage.of("b")));
        let sheet = one.sheet().expect("a sheet");
        let million: Quantity = "1000000".parse().expect("a quantity");
        let grant = sheet.zero().with(Meter::Request, million).expect("it bills requests");
        assert_eq!(
            one.charge_under(&one.in_force(), &grant).0,
            Money::ZERO,
            "Lambda's first million requests are free"
        );
        assert!(
            same.charge_under(&same.in_force(), &grant).0 > Money::ZERO,
            "and are used up for every venue of the account"
        );
        assert_eq!(other.charge_under(&other.in_force(), &grant).0, Money::ZERO);
        let (_, accounts) = usage.snapshot();
        assert_eq!(accounts.keys().map(|name| &**name).collect::<Vec<_>>(), ["a", "b"]);
    }
}
