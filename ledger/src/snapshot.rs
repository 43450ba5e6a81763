//! The ledger's whole state as plain values, for checkpoints and for comparing two ledgers.

use merit_units::{AccountId, InvocationId, Money, Month, Timestamp, VenueId};

use crate::{AccountIndex, Budget, Ending, Posted, VenueAccount};

/// Everything a ledger knows. Two ledgers with equal snapshots behave alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Caller accounts; position is [`AccountIndex`].
    pub accounts: Vec<AccountState>,
    /// Venue accounts; position is [`VenueAccount`].
    pub venues: Vec<VenueState>,
    /// Open holds in order of invocation.
    pub holds: Vec<HoldState>,
    /// Settled invocations still remembered, oldest first.
    pub settled: Vec<SettledState>,
}

/// A caller's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountState {
    /// Whose.
    pub name: AccountId,
    /// Its limits.
    pub budget: Budget,
    /// Charged in months no longer kept apart.
    pub earlier: Money,
    /// Charged by month, ascending.
    pub months: Vec<MonthState>,
}

/// A venue's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueState {
    /// Whose.
    pub name: VenueId,
    /// Earned in months no longer kept apart.
    pub earlier: Money,
    /// Earned by month, ascending.
    pub months: Vec<MonthState>,
}

/// What was posted in a month. What is held follows from the open holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MonthState {
    /// The month.
    pub month: Month,
    /// Charged to a caller or earned by a venue.
    pub posted: Money,
}

/// An open hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldState {
    /// The invocation.
    pub invocation: InvocationId,
    /// Who pays.
    pub account: AccountIndex,
    /// The month it counts against.
    pub month: Month,
    /// What was first asked; a repeated request must ask the same.
    pub asked: Money,
    /// What is still held.
    pub held: Money,
    /// When it is voided if nobody settles it.
    pub expires_at: Timestamp,
    /// Attempts already posted, one bit each.
    pub attempts: u32,
}

/// A settled invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettledState {
    /// The invocation.
    pub invocation: InvocationId,
    /// Who paid.
    pub account: AccountIndex,
    /// The month it counts for.
    pub month: Month,
    /// How it ended.
    pub ending: Ending,
    /// Who earned the last charge, when one was posted.
    pub venue: Option<VenueAccount>,
    /// The last charge when posted, else what was released.
    pub amount: Money,
    /// How much of the charge was not held.
    pub overrun: Money,
    /// Attempts posted, one bit each.
    pub attempts: u32,
    /// Whether the charge came after the expiry.
    pub late: bool,
    /// As it was told: [`Posted::over_soft`].
    pub over_soft: bool,
    /// As it was told: [`Posted::crossed_soft`].
    pub crossed_soft: bool,
}

impl SettledState {
    /// The answer that was given to the posting.
    pub(crate) fn posted(&self) -> Posted {
        Posted {
            account: self.account,
            month: self.month,
            charge: self.amount,
            overrun: self.overrun,
            late: self.late,
            over_soft: self.over_soft,
            crossed_soft: self.crossed_soft,
        }
    }
}
