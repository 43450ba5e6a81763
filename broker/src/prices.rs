//! Price sheets in force: what the next call costs, and what a call is charged.
//!
//! Usage since the first of the month decides which grant and tier a call falls into. It is kept
//! by billing account and pool, because providers share grants between an account's regions, and so is what was used of
//! packages and commitments. What the next unit costs is published beside the sheet and read without a lock.
//!
//! Invariants: no sheet, a sheet out of its validity, or a currency without a current exchange
//! rate means *ineligible*, never a default price; a fill is charged by the sheet and the adjustments that it was quoted
//! under. Known limitation: what is left of a grant, a package or a commitment is divided by the calls in the order in
//! which they end, so calls quoted at the same time near its end may be charged more than expected, as far as their hold.

mod in_force;
mod usage;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use merit_pricing::{Adjustment, Adjustments, Metered, MonthToDate, PriceSheet, Standing, Taken};
use merit_units::{ExchangeRate, Micros, Money, SheetName, Timestamp};

pub use in_force::InForce;
pub use usage::{AccountPools, Billing, MonthlyUsage};

/// A venue's price sheet in force, and where the month stands for it.
pub struct Prices {
    in_force: ArcSwap<InForce>,
    billing: Billing,
    /// Set when a charge crossed into another grant or tier: books must be rebuilt.
    crossed: AtomicBool,
    /// Whether it was eligible when last asked by [`Self::eligibility_changed`].
    eligible: AtomicBool,
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
    /// Which sheet of the catalogue it will be billed by as soon as its prices are known, when there is none yet.
    pub awaits: Option<SheetName>,
    /// What was agreed for the venue besides, for whatever days.
    pub agreed: Arc<Adjustments>,
    /// What time it is: what was agreed holds then or does not.
    pub now: Timestamp,
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

    /// Counts what calls were billed for in place of what was counted of them, when a provider's bill of this month
    /// is known. Nothing is done when the sheet in force bills for other meters.
    pub fn recount(&self, counted: &Metered, billed: &Metered) {
        let Some(sheet) =
            self.sheet().filter(|sheet| sheet.zero().iter().map(|line| line.0).eq(counted.iter().map(|line| line.0)))
        else {
            return;
        };
        self.billing.recount(&sheet, counted, billed);
        self.crossed.store(true, Ordering::Relaxed);
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
        let next = priced.clone().read(&self.billing);
        if (next.marginal, next.list_marginal) == (priced.marginal, priced.list_marginal) {
            return false;
        }
        self.in_force.store(Arc::new(InForce { priced: Some(next), ..(*former).clone() }));
        true
    }

    /// Something else is agreed for the venue. Returns whether it is something else.
    pub fn agree(&self, agreed: &Arc<Adjustments>, now: Timestamp) -> bool {
        let former = self.in_force.load_full();
        if former.agreed == *agreed {
            return false;
        }
        self.in_force.store(Arc::new(former.judged(Arc::clone(agreed), now, &self.billing)));
        true
    }

    /// Whether an adjustment has begun or ended since this was last asked; then it does, or no longer.
    pub fn day_changed(&self, now: Timestamp) -> bool {
        if now < self.in_force.load().changes_at {
            return false;
        }
        let former = self.in_force.load_full();
        self.in_force.store(Arc::new(former.judged(Arc::clone(&former.agreed), now, &self.billing)));
        true
    }

    /// All that was agreed for the venue, whether it holds now or not.
    #[must_use]
    pub fn agreed(&self) -> Arc<Adjustments> {
        Arc::clone(&self.in_force.load().agreed)
    }

    /// How each of these packages and commitments stands.
    #[must_use]
    pub fn balances(&self, adjustments: &Adjustments) -> Vec<(Adjustment, Standing)> {
        self.billing.balances(adjustments)
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

    /// The sheet it will be billed by as soon as its prices are known.
    #[must_use]
    pub fn awaits(&self) -> Option<SheetName> {
        self.in_force.load().awaits.clone()
    }

    /// Charges a call in dollars by the prices it was quoted under, and counts it towards the month's grants and
    /// tiers, and the account's packages and commitments. Tells where the month stood.
    #[must_use]
    pub fn charge_under(&self, quoted: &InForce, metered: &Metered) -> Charged {
        let Some(priced) = &quoted.priced else {
            return Charged { charge: Money::ZERO, month: None, adjusted: None };
        };
        let counted = self.billing.charge(priced, metered);
        if counted.crossed {
            self.crossed.store(true, Ordering::Relaxed);
        }
        let adjusted = counted.adjusted.map(|adjusted| {
            let list = quoted.dollars(adjusted.list);
            Box::new(AdjustedBill { list, taken: adjusted.taken })
        });
        let charge = counted.charge.map_or(Money::MAX, |exact| quoted.dollars(exact));
        Charged { charge, month: Some(counted.before), adjusted }
    }
}

/// A charge in dollars.
pub struct Charged {
    /// What is charged.
    pub charge: Money,
    /// Where the month stood before it; `None` without a sheet.
    pub month: Option<MonthToDate>,
    /// What adjustments did to it; `None` where none hold.
    pub adjusted: Option<Box<AdjustedBill>>,
}

/// What adjustments did to a charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdjustedBill {
    /// What it would have been without them, in dollars.
    pub list: Money,
    /// What packages and commitments covered.
    pub taken: Vec<Taken>,
}

#[cfg(test)]
mod tests {
    use merit_pricing::{Catalogue, Meter};
    use merit_units::{Month, Quantity};

    use super::*;

    fn prices(billing: Billing) -> Prices {
        let sheet = Catalogue::builtin().get("aws-lambda/us-east-1/x86_64").cloned();
        let exchange = Exchange::At { rate: ExchangeRate::USD, until: Timestamp::from_micros(u64::MAX) };
        let new = NewSheet {
            sheet,
            awaits: None,
            agreed: Arc::default(),
            now: Timestamp::EPOCH,
            exchange,
            confirmed_at: Timestamp::EPOCH,
            stale_after: Micros::ZERO,
        };
        Prices::new(new, billing)
    }

    #[test]
    fn accounts_use_up_grants_of_their_own() {
        let usage = Arc::new(MonthlyUsage::new(Month::try_new(2026, 11).expect("a month"), AccountPools::new()));
        let (one, same, other) = (prices(usage.of("a")), prices(usage.of("a")), prices(usage.of("b")));
        let sheet = one.sheet().expect("a sheet");
        let million: Quantity = "1000000".parse().expect("a quantity");
        let grant = sheet.zero().with(Meter::Request, million).expect("it bills requests");
        assert_eq!(
            one.charge_under(&one.in_force(), &grant).charge,
            Money::ZERO,
            "Lambda's first million requests are free"
        );
        assert!(
            same.charge_under(&same.in_force(), &grant).charge > Money::ZERO,
            "and are used up for every venue of the account"
        );
        assert_eq!(other.charge_under(&other.in_force(), &grant).charge, Money::ZERO);
        let (_, accounts) = usage.snapshot();
        assert_eq!(accounts.keys().map(|name| &**name).collect::<Vec<_>>(), ["a", "b"]);
    }
}
