//! Accounts by number, their budgets, and what is left of them.

use std::fmt;

use merit_units::Money;

/// A caller's account by its number in the ledger. Numbers are given in order of opening and never reused,
/// so that a record on disk can carry four bytes in place of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountIndex(u32);

/// A venue's account by its number in the ledger; numbered apart from the callers'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VenueAccount(u32);

macro_rules! index {
    ($type:ident) => {
        impl $type {
            /// From a number that a ledger gave out.
            #[must_use]
            pub const fn new(index: u32) -> Self {
                Self(index)
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> u32 {
                self.0
            }

            pub(crate) const fn position(self) -> usize {
                self.0 as usize
            }

            pub(crate) fn at(position: usize) -> Self {
                Self(u32::try_from(position).expect("invariant: fewer than 2^32 accounts are open"))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "#{}", self.0)
            }
        }
    };
}

index!(AccountIndex);
index!(VenueAccount);

/// Limits on what an account may spend in each calendar month (UTC), in US dollars. `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    /// A hold that could pass this is refused.
    pub hard: Option<Money>,
    /// Passing this is told in [`crate::Posted`] and refuses nothing.
    pub soft: Option<Money>,
}

impl Budget {
    /// No limits.
    pub const UNLIMITED: Self = Self { hard: None, soft: None };
}

/// An account in one month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// The limits now in force.
    pub budget: Budget,
    /// Charged to the month.
    pub spent: Money,
    /// Held for calls that are running and were admitted in the month.
    pub held: Money,
}

impl Balance {
    /// What can still be held under the hard limit, never below zero; `None` without a limit.
    #[must_use]
    pub fn available(&self) -> Option<Money> {
        self.budget.hard.map(|hard| hard.saturating_sub_to_zero(self.spent + self.held))
    }

    /// Whether holding `needed` more could pass the hard limit.
    pub(crate) fn refuses(&self, needed: Money) -> bool {
        self.budget.hard.is_some_and(|hard| self.spent + self.held + needed > hard)
    }
}
