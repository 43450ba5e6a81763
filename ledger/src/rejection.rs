//! Business refusals, as values.

use merit_units::{InvocationId, Money, Month, Timestamp};

use crate::{AccountIndex, VenueAccount};

/// How an invocation's hold ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// A charge was posted.
    Posted,
    /// It was released without a further charge.
    Voided,
    /// Nobody settled it in time. A charge that comes later is still posted.
    Expired,
}

/// Why an operation was refused. Nothing has changed.
///
/// When several reasons apply, the first in this order is told: mistakes in the request itself, unknown
/// names, the state of the invocation, and the budget last. So a refusal for budget means that
/// the same request would succeed with a larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A negative amount, or one above [`crate::Ledger::MAX_AMOUNT`] (for a budget, [`crate::Ledger::MAX_BUDGET`]).
    #[error("amount of {amount} dollars is outside 0 to {max}")]
    AmountOutOfRange {
        /// What was asked.
        amount: Money,
        /// The largest allowed.
        max: Money,
    },
    /// An attempt numbered above [`crate::Ledger::MAX_ATTEMPT`].
    #[error("attempt {attempt} is above the highest, {max}", max = crate::Ledger::MAX_ATTEMPT)]
    AttemptOutOfRange {
        /// Its number, from 0.
        attempt: u8,
    },
    /// No such caller account; open it first.
    #[error("account {account} is not open")]
    UnknownAccount {
        /// The number that nothing has.
        account: AccountIndex,
    },
    /// No such venue account; open it first.
    #[error("venue account {venue} is not open")]
    UnknownVenue {
        /// The number that nothing has.
        venue: VenueAccount,
    },
    /// The invocation has no hold, or it settled so long ago that it is forgotten.
    #[error("invocation {invocation} has no hold")]
    UnknownHold {
        /// The invocation.
        invocation: InvocationId,
    },
    /// The invocation has ended already, and otherwise than is now asked.
    #[error("invocation {invocation} is already settled ({ending:?})")]
    AlreadySettled {
        /// The invocation.
        invocation: InvocationId,
        /// How.
        ending: Ending,
    },
    /// The invocation id stands for another request.
    #[error("invocation {invocation} was used before with other figures; give each invocation its own id")]
    Conflicting {
        /// The invocation.
        invocation: InvocationId,
    },
    /// The attempt's charge is posted already, and is not posted twice.
    #[error("attempt {attempt} of invocation {invocation} is already posted")]
    AttemptAlreadyPosted {
        /// The invocation.
        invocation: InvocationId,
        /// The attempt's number.
        attempt: u8,
    },
    /// A correction would take back more than was charged in the month.
    #[error("a correction of {amount} dollars takes back more than the {posted} that were posted in {month}")]
    TakesBackTooMuch {
        /// The correction, below zero.
        amount: Money,
        /// What the account was charged in the month, or the venue earned, whichever is less.
        posted: Money,
        /// The month.
        month: Month,
    },
    /// The hold would have expired before it was taken.
    #[error("hold would expire at {} microseconds, which is not after {}", expires_at.micros(), now.micros())]
    ExpiryPassed {
        /// When it would expire.
        expires_at: Timestamp,
        /// The present.
        now: Timestamp,
    },
    /// The hard budget could be passed.
    #[error(
        "budget of {budget} dollars for {month} is exhausted: {spent} spent, {held} held, {needed} needed; \
         raise the budget or wait for running calls to settle"
    )]
    BudgetExhausted {
        /// Whose.
        account: AccountIndex,
        /// The month it counts for.
        month: Month,
        /// The hard limit.
        budget: Money,
        /// Charged in the month.
        spent: Money,
        /// Held in the month.
        held: Money,
        /// What this needed held in addition.
        needed: Money,
    },
}
