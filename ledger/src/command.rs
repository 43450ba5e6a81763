//! What the ledger is asked, what it answers, and what it does.

use merit_units::{InvocationId, Money, Month, Timestamp};

use crate::{AccountIndex, Budget, VenueAccount};

/// A request to hold money for an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldRequest {
    /// The invocation; a repeat of the same request gets the same answer.
    pub invocation: InvocationId,
    /// Who pays.
    pub account: AccountIndex,
    /// The most the call can be charged, in US dollars; 0 to [`crate::Ledger::MAX_AMOUNT`].
    pub amount: Money,
    /// When the hold is voided if nobody settles it: well after the call's deadline.
    pub expires_at: Timestamp,
}

/// A hold that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Who pays.
    pub account: AccountIndex,
    /// The month whose budget it counts against, whenever it is settled.
    pub month: Month,
    /// What is held. A repeated hold tells what was first asked, also after a raise.
    pub amount: Money,
}

/// A charge that was posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posted {
    /// Who paid.
    pub account: AccountIndex,
    /// The month it counts for: the one the hold was taken in.
    pub month: Month,
    /// What moved to the venue's account.
    pub charge: Money,
    /// How much of it was not held. The broker sizes holds so that this is zero.
    pub overrun: Money,
    /// Whether the hold had expired before.
    pub late: bool,
    /// Whether the month's spend is now above the soft budget.
    pub over_soft: bool,
    /// Whether this charge is the one that passed it: the moment to warn.
    pub crossed_soft: bool,
}

/// A hold that was released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Voided {
    /// Whose.
    pub account: AccountIndex,
    /// The month it counted against.
    pub month: Month,
    /// What can be held again.
    pub released: Money,
}

/// An operation that was accepted, with everything needed to apply it, now or after a restart.
///
/// Applying does not ask the budget again: a budget decides once, and a replay remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Take a hold.
    Hold {
        /// The invocation.
        invocation: InvocationId,
        /// Who pays.
        account: AccountIndex,
        /// The month it counts against.
        month: Month,
        /// What is held.
        amount: Money,
        /// When it is voided if nobody settles it.
        expires_at: Timestamp,
    },
    /// Hold more for the same invocation.
    Raise {
        /// The invocation.
        invocation: InvocationId,
        /// What is held from now on.
        to: Money,
    },
    /// Post the charge of an attempt that is not the last; the rest of the hold stays.
    PostAttempt {
        /// The invocation.
        invocation: InvocationId,
        /// The attempt's number, 0 to [`crate::Ledger::MAX_ATTEMPT`].
        attempt: u8,
        /// What the venue charges.
        charge: Money,
        /// Who earns it.
        venue: VenueAccount,
    },
    /// Post the last charge and release the rest.
    Post {
        /// The invocation.
        invocation: InvocationId,
        /// What the venue charges.
        charge: Money,
        /// Who earns it.
        venue: VenueAccount,
    },
    /// Release the hold without a further charge.
    Void {
        /// The invocation.
        invocation: InvocationId,
    },
    /// Release a hold that nobody settled in time.
    Expire {
        /// The invocation.
        invocation: InvocationId,
    },
    /// Correct what was charged to a month, by what a provider's bill says.
    Correct {
        /// Its id; a repeat has no second effect.
        correction: InvocationId,
        /// Whose charges are corrected.
        account: AccountIndex,
        /// The month they count for.
        month: Month,
        /// What they were too little; negative what they were too much.
        amount: Money,
        /// Who earned them.
        venue: VenueAccount,
    },
    /// Replace an account's budget.
    SetBudget {
        /// Whose.
        account: AccountIndex,
        /// The limits from now on.
        budget: Budget,
    },
}

/// An answer and the command that makes it true, not applied yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a decision has no effect until its command is applied"]
pub struct Decision<T> {
    /// What the caller is told once the command is applied.
    pub answer: T,
    /// What to apply; `None` for a repeat, which has no effect.
    pub command: Option<Command>,
}

/// A command that does not follow from the ledger's state: records before it are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{command:?} does not follow from the ledger's state; an earlier record or account is missing")]
pub struct Inapplicable {
    /// The command.
    pub command: Command,
}
