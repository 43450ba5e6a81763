//! The rules: what each operation answers, and why it may be refused.
//!
//! Deciding changes nothing. Checks stand in the order of precedence that [`Rejection`] documents.

use merit_units::{InvocationId, Money, Month, Timestamp};

use super::{Hold, Ledger};
use crate::{
    AccountIndex, Balance, Budget, Command, Decision, Ending, Held, HoldRequest, Posted, Rejection, VenueAccount,
    Voided,
};

type Decided<T> = Result<Decision<T>, Rejection>;

fn accept<T>(answer: T, command: Command) -> Decided<T> {
    Ok(Decision { answer, command: Some(command) })
}

fn repeat<T>(answer: T) -> Decided<T> {
    Ok(Decision { answer, command: None })
}

fn check_range(amount: Money, max: Money) -> Result<(), Rejection> {
    if amount.is_negative() || amount > max { Err(Rejection::AmountOutOfRange { amount, max }) } else { Ok(()) }
}

fn check_budget(account: AccountIndex, month: Month, balance: &Balance, needed: Money) -> Result<(), Rejection> {
    match balance.budget.hard {
        Some(budget) if balance.refuses(needed) => {
            Err(Rejection::BudgetExhausted { account, month, budget, spent: balance.spent, held: balance.held, needed })
        }
        _ => Ok(()),
    }
}

impl Ledger {
    /// Holds money for an invocation, against the budget of `month`, the calendar month of `now`.
    ///
    /// # Errors
    /// In this order: [`Rejection::AmountOutOfRange`], [`Rejection::UnknownAccount`], [`Rejection::AlreadySettled`],
    /// [`Rejection::Conflicting`], [`Rejection::ExpiryPassed`], [`Rejection::BudgetExhausted`].
    pub fn decide_hold(&self, now: Timestamp, month: Month, request: &HoldRequest) -> Decided<Held> {
        let HoldRequest { invocation, account, amount, expires_at } = *request;
        check_range(amount, Self::MAX_AMOUNT)?;
        let balance = self.balance(account, month).ok_or(Rejection::UnknownAccount { account })?;
        if let Some(settled) = self.settled.get(invocation) {
            return Err(Rejection::AlreadySettled { invocation, ending: settled.ending });
        }
        if let Some(open) = self.holds.get(&invocation) {
            return if (open.account, open.asked, open.expires_at) == (account, amount, expires_at) {
                repeat(Held { account, month: open.month, amount })
            } else {
                Err(Rejection::Conflicting { invocation })
            };
        }
        if expires_at <= now {
            return Err(Rejection::ExpiryPassed { expires_at, now });
        }
        check_budget(account, month, &balance, amount)?;
        accept(Held { account, month, amount }, Command::Hold { invocation, account, month, amount, expires_at })
    }

    /// Makes an open hold at least `to`, before an attempt that may cost more. Never lowers it.
    ///
    /// # Errors
    /// In this order: [`Rejection::AmountOutOfRange`], [`Rejection::UnknownHold`], [`Rejection::AlreadySettled`],
    /// [`Rejection::BudgetExhausted`].
    pub fn decide_raise(&self, invocation: InvocationId, to: Money) -> Decided<Held> {
        check_range(to, Self::MAX_AMOUNT)?;
        let Hold { account, month, held, .. } = *self.running(invocation)?;
        if to <= held {
            return repeat(Held { account, month, amount: held });
        }
        let balance = self.balance(account, month).expect("invariant: a hold's account is open");
        check_budget(account, month, &balance, to - held)?;
        accept(Held { account, month, amount: to }, Command::Raise { invocation, to })
    }

    /// Posts what an attempt that is not the last was charged. The hold stays open with what is left of it.
    ///
    /// A charge above the hold, or after it expired, is posted all the same and told as an overrun.
    ///
    /// # Errors
    /// In this order: [`Rejection::AmountOutOfRange`], [`Rejection::AttemptOutOfRange`], [`Rejection::UnknownVenue`],
    /// [`Rejection::UnknownHold`], [`Rejection::AlreadySettled`] (posted or voided),
    /// [`Rejection::AttemptAlreadyPosted`].
    pub fn decide_post_attempt(
        &self,
        invocation: InvocationId,
        attempt: u8,
        charge: Money,
        venue: VenueAccount,
    ) -> Decided<Posted> {
        check_range(charge, Self::MAX_AMOUNT)?;
        if attempt > Self::MAX_ATTEMPT {
            return Err(Rejection::AttemptOutOfRange { attempt });
        }
        self.venue_name(venue).ok_or(Rejection::UnknownVenue { venue })?;
        let (account, month, held, late, attempts) = self.chargeable(invocation)?;
        if attempts & (1 << attempt) != 0 {
            return Err(Rejection::AttemptAlreadyPosted { invocation, attempt });
        }
        let posted = self.posted(account, month, charge, held, late);
        accept(posted, Command::PostAttempt { invocation, attempt, charge, venue })
    }

    /// Posts the last charge of an invocation and releases what is left of its hold.
    ///
    /// A charge above the hold, or after it expired, is posted all the same and told as an overrun: the
    /// money is spent.
    ///
    /// # Errors
    /// In this order: [`Rejection::AmountOutOfRange`], [`Rejection::UnknownVenue`], [`Rejection::UnknownHold`],
    /// [`Rejection::Conflicting`] (posted before with other figures), [`Rejection::AlreadySettled`] (voided).
    pub fn decide_post(&self, invocation: InvocationId, charge: Money, venue: VenueAccount) -> Decided<Posted> {
        check_range(charge, Self::MAX_AMOUNT)?;
        self.venue_name(venue).ok_or(Rejection::UnknownVenue { venue })?;
        if let Some(settled) = self.settled.get(invocation)
            && settled.ending == Ending::Posted
        {
            return if (settled.amount, settled.venue) == (charge, Some(venue)) {
                repeat(settled.posted())
            } else {
                Err(Rejection::Conflicting { invocation })
            };
        }
        let (account, month, held, late, _) = self.chargeable(invocation)?;
        let posted = self.posted(account, month, charge, held, late);
        accept(posted, Command::Post { invocation, charge, venue })
    }

    /// Releases an invocation's hold without a further charge. Attempts already posted stay posted.
    ///
    /// # Errors
    /// In this order: [`Rejection::UnknownHold`], [`Rejection::AlreadySettled`] (posted). A hold that was voided
    /// or has expired gets the same answer again.
    pub fn decide_void(&self, invocation: InvocationId) -> Decided<Voided> {
        if let Some(settled) = self.settled.get(invocation) {
            return match settled.ending {
                Ending::Posted => Err(Rejection::AlreadySettled { invocation, ending: Ending::Posted }),
                Ending::Voided | Ending::Expired => {
                    repeat(Voided { account: settled.account, month: settled.month, released: settled.amount })
                }
            };
        }
        let Hold { account, month, held, .. } = *self.running(invocation)?;
        accept(Voided { account, month, released: held }, Command::Void { invocation })
    }

    /// Corrects what an account was charged in a month for calls at a venue, once the provider's bill says what they
    /// really were: more, or less when `amount` is below zero. A budget refuses none of it: the money is spent.
    ///
    /// # Errors
    /// In this order: [`Rejection::AmountOutOfRange`] beyond [`Ledger::MAX_CORRECTION`], [`Rejection::UnknownAccount`],
    /// [`Rejection::UnknownVenue`], [`Rejection::Conflicting`], [`Rejection::TakesBackTooMuch`].
    pub fn decide_correct(
        &self,
        correction: InvocationId,
        account: AccountIndex,
        month: Month,
        amount: Money,
        venue: VenueAccount,
    ) -> Decided<Posted> {
        let size = if amount.is_negative() { -amount } else { amount };
        if size > Self::MAX_CORRECTION {
            return Err(Rejection::AmountOutOfRange { amount, max: Self::MAX_CORRECTION });
        }
        let spent = self.balance(account, month).ok_or(Rejection::UnknownAccount { account })?.spent;
        let earned = self.earned(venue, month).ok_or(Rejection::UnknownVenue { venue })?;
        if let Some(settled) = self.settled.get(correction) {
            let same = (settled.account, settled.month, settled.amount, settled.venue, settled.ending)
                == (account, month, amount, Some(venue), Ending::Posted);
            return if same {
                repeat(settled.posted())
            } else {
                Err(Rejection::Conflicting { invocation: correction })
            };
        }
        if self.holds.contains_key(&correction) {
            return Err(Rejection::Conflicting { invocation: correction });
        }
        let posted = spent.min(earned);
        if (posted + amount).is_negative() {
            return Err(Rejection::TakesBackTooMuch { amount, posted, month });
        }
        let answer = self.posted(account, month, amount, amount, false);
        accept(answer, Command::Correct { correction, account, month, amount, venue })
    }

    /// Replaces an account's budget, which the next hold is checked against. Calls that are running go on.
    ///
    /// # Errors
    /// In this order: [`Rejection::AmountOutOfRange`], [`Rejection::UnknownAccount`].
    pub fn decide_set_budget(&self, account: AccountIndex, budget: Budget) -> Decided<()> {
        for limit in [budget.hard, budget.soft].into_iter().flatten() {
            check_range(limit, Self::MAX_BUDGET)?;
        }
        self.account_name(account).ok_or(Rejection::UnknownAccount { account })?;
        accept((), Command::SetBudget { account, budget })
    }

    /// The commands that expire every hold due at `now`, in order of invocation.
    ///
    /// Walks the open holds, and only when one may be due: call it every second or so.
    pub fn decide_expire(&mut self, now: Timestamp) -> Vec<Command> {
        if now < self.earliest_expiry {
            return Vec::new();
        }
        let mut due: Vec<_> = self.holds.iter().filter(|(_, hold)| hold.expires_at <= now).map(|(id, _)| *id).collect();
        let later = self.holds.values().map(|hold| hold.expires_at).filter(|expires_at| *expires_at > now);
        // Until the due ones are applied they must be found again.
        self.earliest_expiry =
            if due.is_empty() { later.min().unwrap_or(Timestamp::from_micros(u64::MAX)) } else { now };
        due.sort_unstable();
        due.into_iter().map(|invocation| Command::Expire { invocation }).collect()
    }

    fn running(&self, invocation: InvocationId) -> Result<&Hold, Rejection> {
        if let Some(hold) = self.holds.get(&invocation) {
            return Ok(hold);
        }
        Err(match self.settled.get(invocation) {
            Some(settled) => Rejection::AlreadySettled { invocation, ending: settled.ending },
            None => Rejection::UnknownHold { invocation },
        })
    }

    /// Account, month, what is held, whether it is late, and attempts posted: of an open hold or an expired one.
    fn chargeable(&self, invocation: InvocationId) -> Result<(AccountIndex, Month, Money, bool, u32), Rejection> {
        match self.running(invocation) {
            Ok(hold) => Ok((hold.account, hold.month, hold.held, false, hold.attempts)),
            Err(refusal) => match self.settled.get(invocation) {
                Some(expired) if expired.ending == Ending::Expired => {
                    Ok((expired.account, expired.month, Money::ZERO, true, expired.attempts))
                }
                _ => Err(refusal),
            },
        }
    }

    pub(super) fn posted(&self, account: AccountIndex, month: Month, charge: Money, held: Money, late: bool) -> Posted {
        let balance = self.balance(account, month).expect("invariant: a hold's account is open");
        let above = |spent: Money| balance.budget.soft.is_some_and(|soft| spent > soft);
        let over_soft = above(balance.spent + charge);
        Posted {
            account,
            month,
            charge,
            overrun: charge.saturating_sub_to_zero(held),
            late,
            over_soft,
            crossed_soft: over_soft && !above(balance.spent),
        }
    }
}
