//! What each billing account has used: since the first of the month of grants and tiers, and of what lasts longer than a
//! month of its packages and commitments.
//!
//! One lock guards all of it, held for one charge. Known limitation: it is stored every second, so after a crash what was
//! used in the last one is counted as left.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use merit_pricing::{
    Adjusted, Adjustment, Adjustments, MarginalRates, Metered, MonthToDate, Pools, PriceSheet, Standing,
};
use merit_units::{Exact, Month};

use super::in_force::Priced;

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
    /// Whether something was charged since the last snapshot.
    unstored: bool,
}

/// The usage of one billing account.
#[derive(Clone, Debug)]
pub struct Billing {
    usage: Arc<MonthlyUsage>,
    account: usize,
}

/// A charge as the account's pools have it.
pub(super) struct Counted {
    /// In the sheet's currency; `None` when a sum does not fit.
    pub(super) charge: Option<Exact>,
    /// Where the month stood before it.
    pub(super) before: MonthToDate,
    /// Whether the next unit costs something else than it was quoted at.
    pub(super) crossed: bool,
    /// What adjustments did to it, where there are some.
    pub(super) adjusted: Option<Adjusted>,
}

impl MonthlyUsage {
    /// Usage as it was stored, or seeded from the configuration.
    #[must_use]
    pub fn new(month: Month, accounts: AccountPools) -> Self {
        Self { state: Mutex::new(Used { month, accounts: accounts.into_iter().collect(), unstored: false }) }
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

    /// Empties what is counted by month when a new one has begun. Returns whether it has.
    pub fn turn(&self, month: Month) -> bool {
        let mut used = self.used();
        if used.month == month {
            return false;
        }
        used.month = month;
        used.accounts.iter_mut().for_each(|(_, pools)| *pools = pools.turned());
        true
    }

    /// The month and its pools, to be stored.
    #[must_use]
    pub fn snapshot(&self) -> (Month, AccountPools) {
        let mut used = self.used();
        used.unstored = false;
        (used.month, used.accounts.iter().cloned().collect())
    }

    /// Whether something was used since the last [`Self::snapshot`].
    #[must_use]
    pub fn is_unstored(&self) -> bool {
        self.used().unstored
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Billing {
    /// What the next unit costs by the list, and after adjustments.
    pub(super) fn marginal(&self, priced: &Priced) -> (MarginalRates, MarginalRates) {
        let used = self.usage.used();
        let pools = &used.accounts[self.account].1;
        let by_list = priced.sheet.marginal(&pools.month_to_date(&priced.sheet));
        let adjusted = match &priced.adjusted {
            Some(adjusted) => pools.marginal(&adjusted.sheet, &adjusted.adjustments),
            None => by_list,
        };
        (by_list, adjusted)
    }

    /// What a call costs on top of what was used, counted towards it.
    pub(super) fn charge(&self, priced: &Priced, metered: &Metered) -> Counted {
        let mut used = self.usage.used();
        used.unstored = true;
        let pools = &mut used.accounts[self.account].1;
        let before = pools.month_to_date(&priced.sheet);
        match &priced.adjusted {
            Some(adjusted) => {
                let charged = pools.charge(&priced.sheet, &adjusted.sheet, &adjusted.adjustments, metered);
                let next = pools.marginal(&adjusted.sheet, &adjusted.adjustments);
                drop(used);
                let charged = charged.ok();
                let charge = charged.as_ref().map(|charged| charged.charge);
                Counted { charge, before, crossed: next != priced.marginal, adjusted: charged }
            }
            None => {
                let recorded = pools.record(&priced.sheet, metered);
                drop(used);
                let (charge, mut month) = (priced.sheet.charge(metered, &before), before);
                let counted = recorded.is_ok() && month.add(metered).is_ok();
                let crossed = counted && priced.sheet.marginal(&month) != priced.marginal;
                Counted { charge: charge.ok(), before, crossed, adjusted: None }
            }
        }
    }

    /// Takes back what was counted under `sheet`, and counts what was billed in its place. Packages and commitments keep
    /// what was counted of them.
    pub(super) fn recount(&self, sheet: &PriceSheet, counted: &Metered, billed: &Metered) {
        let mut used = self.usage.used();
        used.unstored = true;
        let pools = &mut used.accounts[self.account].1;
        pools.give_back(sheet, counted);
        if let Err(error) = pools.record(sheet, billed) {
            tracing::warn!(sheet = %sheet.name(), %error, "the month's usage can't be put right");
        }
    }

    /// How each package and commitment of these stands.
    pub(super) fn balances(&self, adjustments: &Adjustments) -> Vec<(Adjustment, Standing)> {
        let used = self.usage.used();
        let pools = &used.accounts[self.account].1;
        pools.balances(adjustments).map(|(adjustment, standing)| (adjustment.clone(), standing)).collect()
    }
}
