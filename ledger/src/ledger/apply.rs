//! The effects: what an accepted command does, now or in a replay.

use merit_units::{InvocationId, Money, Month, Timestamp};

use super::{Hold, Ledger};
use crate::{
    AccountIndex, Budget, Command, Decision, Ending, Held, HoldRequest, Inapplicable, Posted, Rejection, SettledState,
    VenueAccount, Voided,
};

impl Ledger {
    /// Applies an accepted command. One that was applied before has no second effect.
    ///
    /// # Errors
    /// [`Inapplicable`] when the command names an account or hold the ledger does not know; nothing has changed.
    pub fn apply(&mut self, command: &Command) -> Result<(), Inapplicable> {
        let applied = match *command {
            Command::Hold { invocation, account, month, amount, expires_at } => {
                let hold = Hold { account, month, asked: amount, held: amount, expires_at, attempts: 0 };
                self.apply_hold(invocation, hold)
            }
            Command::Raise { invocation, to } => self.apply_raise(invocation, to),
            Command::PostAttempt { invocation, attempt, charge, venue } => {
                self.apply_post_attempt(invocation, attempt, charge, venue)
            }
            Command::Post { invocation, charge, venue } => self.apply_post(invocation, charge, venue),
            Command::Void { invocation } => self.apply_release(invocation, Ending::Voided),
            Command::Expire { invocation } => self.apply_release(invocation, Ending::Expired),
            Command::Correct { correction, account, month, amount, venue } => {
                self.apply_correct(correction, account, month, amount, venue)
            }
            Command::SetBudget { account, budget } => self.apply_set_budget(account, budget),
        };
        applied.ok_or(Inapplicable { command: *command })
    }

    fn apply_hold(&mut self, invocation: InvocationId, hold: Hold) -> Option<()> {
        let account = self.accounts.get_mut(hold.account.position())?;
        if self.settled.get(invocation).is_some() || self.holds.contains_key(&invocation) {
            return Some(());
        }
        account.months.entry(hold.month).held += hold.held;
        self.earliest_expiry = self.earliest_expiry.min(hold.expires_at);
        self.holds.insert(invocation, hold);
        Some(())
    }

    fn apply_raise(&mut self, invocation: InvocationId, to: Money) -> Option<()> {
        let Some(hold) = self.holds.get_mut(&invocation) else {
            return self.settled.get(invocation).map(|_| ());
        };
        let more = to.saturating_sub_to_zero(hold.held);
        hold.held += more;
        self.accounts[hold.account.position()].months.entry(hold.month).held += more;
        Some(())
    }

    fn apply_post_attempt(
        &mut self,
        invocation: InvocationId,
        attempt: u8,
        charge: Money,
        venue: VenueAccount,
    ) -> Option<()> {
        self.venues.get(venue.position())?;
        let bit = 1_u32.checked_shl(u32::from(attempt))?;
        let (attempts, account, month, used) = match self.holds.get_mut(&invocation) {
            Some(hold) => {
                let used = if hold.attempts & bit == 0 { charge.min(hold.held) } else { Money::ZERO };
                hold.held -= used;
                (&mut hold.attempts, hold.account, hold.month, used)
            }
            None => {
                let settled = self.settled.get_mut(invocation)?;
                (&mut settled.attempts, settled.account, settled.month, Money::ZERO)
            }
        };
        if *attempts & bit == 0 {
            *attempts |= bit;
            self.release(account, month, used);
            self.transfer(account, venue, month, charge);
        }
        Some(())
    }

    fn apply_post(&mut self, invocation: InvocationId, charge: Money, venue: VenueAccount) -> Option<()> {
        self.venues.get(venue.position())?;
        if let Some(hold) = self.holds.remove(&invocation) {
            let posted = self.posted(hold.account, hold.month, charge, hold.held, false);
            self.settled.remember(settled(invocation, hold.attempts, venue, &posted));
            self.release(hold.account, hold.month, hold.held);
            self.transfer(hold.account, venue, hold.month, charge);
            return Some(());
        }
        let expired = *self.settled.get(invocation)?;
        if expired.ending == Ending::Expired {
            let posted = self.posted(expired.account, expired.month, charge, Money::ZERO, true);
            let state = settled(invocation, expired.attempts, venue, &posted);
            *self.settled.get_mut(invocation).expect("invariant: it was there a line above") = state;
            self.transfer(expired.account, venue, expired.month, charge);
        }
        Some(())
    }

    fn apply_release(&mut self, invocation: InvocationId, ending: Ending) -> Option<()> {
        let Some(hold) = self.holds.remove(&invocation) else {
            return self.settled.get(invocation).map(|_| ());
        };
        self.release(hold.account, hold.month, hold.held);
        self.settled.remember(SettledState {
            invocation,
            account: hold.account,
            month: hold.month,
            ending,
            venue: None,
            amount: hold.held,
            overrun: Money::ZERO,
            attempts: hold.attempts,
            late: false,
            over_soft: false,
            crossed_soft: false,
        });
        Some(())
    }

    fn apply_correct(
        &mut self,
        correction: InvocationId,
        account: AccountIndex,
        month: Month,
        amount: Money,
        venue: VenueAccount,
    ) -> Option<()> {
        self.accounts.get(account.position())?;
        self.venues.get(venue.position())?;
        if self.settled.get(correction).is_none() {
            let posted = self.posted(account, month, amount, amount, false);
            self.settled.remember(settled(correction, 0, venue, &posted));
            self.transfer(account, venue, month, amount);
        }
        Some(())
    }

    fn apply_set_budget(&mut self, account: AccountIndex, budget: Budget) -> Option<()> {
        self.accounts.get_mut(account.position())?.budget = budget;
        Some(())
    }

    fn release(&mut self, account: AccountIndex, month: Month, amount: Money) {
        self.accounts[account.position()].months.entry(month).held -= amount;
    }

    /// Double entry: what leaves the caller's account enters the venue's.
    fn transfer(&mut self, from: AccountIndex, to: VenueAccount, month: Month, amount: Money) {
        let caller = &mut self.accounts[from.position()];
        caller.balance -= amount;
        caller.months.entry(month).posted += amount;
        let venue = &mut self.venues[to.position()];
        venue.balance += amount;
        venue.months.entry(month).posted += amount;
    }

    fn carry_out<T>(&mut self, decision: Decision<T>) -> T {
        if let Some(command) = &decision.command {
            self.apply(command).expect("invariant: a command just decided follows from the state");
        }
        decision.answer
    }

    /// [`Self::decide_hold`], applied.
    ///
    /// # Errors
    /// As the decision.
    pub fn hold(&mut self, now: Timestamp, month: Month, request: &HoldRequest) -> Result<Held, Rejection> {
        self.decide_hold(now, month, request).map(|decision| self.carry_out(decision))
    }

    /// [`Self::decide_raise`], applied.
    ///
    /// # Errors
    /// As the decision.
    pub fn raise(&mut self, invocation: InvocationId, to: Money) -> Result<Held, Rejection> {
        self.decide_raise(invocation, to).map(|decision| self.carry_out(decision))
    }

    /// [`Self::decide_post_attempt`], applied.
    ///
    /// # Errors
    /// As the decision.
    pub fn post_attempt(
        &mut self,
        invocation: InvocationId,
        attempt: u8,
        charge: Money,
        venue: VenueAccount,
    ) -> Result<Posted, Rejection> {
        self.decide_post_attempt(invocation, attempt, charge, venue).map(|decision| self.carry_out(decision))
    }

    /// [`Self::decide_post`], applied.
    ///
    /// # Errors
    /// As the decision.
    pub fn post(&mut self, invocation: InvocationId, charge: Money, venue: VenueAccount) -> Result<Posted, Rejection> {
        self.decide_post(invocation, charge, venue).map(|decision| self.carry_out(decision))
    }

    /// [`Self::decide_void`], applied.
    ///
    /// # Errors
    /// As the decision.
    pub fn void(&mut self, invocation: InvocationId) -> Result<Voided, Rejection> {
        self.decide_void(invocation).map(|decision| self.carry_out(decision))
    }

    /// [`Self::decide_correct`], applied.
    ///
    /// # Errors
    /// As the decision.
    pub fn correct(
        &mut self,
        correction: InvocationId,
        account: AccountIndex,
        month: Month,
        amount: Money,
        venue: VenueAccount,
    ) -> Result<Posted, Rejection> {
        self.decide_correct(correction, account, month, amount, venue).map(|decision| self.carry_out(decision))
    }

    /// [`Self::decide_set_budget`], applied.
    ///
    /// # Errors
    /// As the decision.
    pub fn set_budget(&mut self, account: AccountIndex, budget: Budget) -> Result<(), Rejection> {
        self.decide_set_budget(account, budget).map(|decision| self.carry_out(decision))
    }

    /// [`Self::decide_expire`], applied: the invocations whose holds were released, in order.
    pub fn expire(&mut self, now: Timestamp) -> Vec<InvocationId> {
        let commands = self.decide_expire(now);
        commands
            .into_iter()
            .map(|command| {
                self.apply(&command).expect("invariant: a hold that is due is open");
                match command {
                    Command::Expire { invocation } => invocation,
                    other => unreachable!("only expiries are decided here, not {other:?}"),
                }
            })
            .collect()
    }
}

fn settled(invocation: InvocationId, attempts: u32, venue: VenueAccount, posted: &Posted) -> SettledState {
    SettledState {
        invocation,
        account: posted.account,
        month: posted.month,
        ending: Ending::Posted,
        venue: Some(venue),
        amount: posted.charge,
        overrun: posted.overrun,
        attempts,
        late: posted.late,
        over_soft: posted.over_soft,
        crossed_soft: posted.crossed_soft,
    }
}
