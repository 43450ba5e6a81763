//! The same ledger written so that it is plainly right: lists, walked from end to end.
//!
//! Nothing is kept that could be derived. What is spent is summed from the postings each time, what is held from
//! the open holds. The contract suite runs it beside [`crate::Ledger`], and the benches take it as the baseline.
//!
//! Known limitation: every operation takes time in proportion to all that ever happened.

use merit_units::{AccountId, InvocationId, Money, Month, Timestamp, VenueId};

use crate::{
    AccountIndex, AccountState, Balance, Budget, Ending, Held, HoldRequest, HoldState, Ledger, MonthState, Posted,
    Rejection, SettledState, Snapshot, VenueAccount, VenueState, Voided,
};

/// One transfer from a caller to a venue.
#[derive(Clone, Copy, Debug)]
struct Posting {
    from: AccountIndex,
    to: VenueAccount,
    month: Month,
    amount: Money,
}

/// A ledger of lists.
#[derive(Clone, Debug, Default)]
pub struct NaiveLedger {
    window: usize,
    accounts: Vec<(AccountId, Budget)>,
    venues: Vec<VenueId>,
    holds: Vec<HoldState>,
    postings: Vec<Posting>,
    settled: Vec<SettledState>,
}

impl NaiveLedger {
    /// An empty ledger that remembers the last `settled_window` settled invocations.
    #[must_use]
    pub fn new(settled_window: usize) -> Self {
        Self { window: settled_window.max(1), ..Self::default() }
    }

    /// As [`Ledger::open`].
    pub fn open(&mut self, name: &AccountId) -> AccountIndex {
        let known = self.accounts.iter().position(|(known, _)| known == name);
        AccountIndex::at(known.unwrap_or_else(|| {
            self.accounts.push((name.clone(), Budget::UNLIMITED));
            self.accounts.len() - 1
        }))
    }

    /// As [`Ledger::open_venue`].
    pub fn open_venue(&mut self, name: &VenueId) -> VenueAccount {
        let known = self.venues.iter().position(|known| known == name);
        VenueAccount::at(known.unwrap_or_else(|| {
            self.venues.push(name.clone());
            self.venues.len() - 1
        }))
    }

    /// As [`Ledger::balance`].
    #[must_use]
    pub fn balance(&self, account: AccountIndex, month: Month) -> Option<Balance> {
        let (_, budget) = self.accounts.get(account.position())?;
        let postings = self.postings.iter().filter(|posting| (posting.from, posting.month) == (account, month));
        let holds = self.holds.iter().filter(|hold| (hold.account, hold.month) == (account, month));
        Some(Balance {
            budget: *budget,
            spent: postings.map(|posting| posting.amount).sum(),
            held: holds.map(|hold| hold.held).sum(),
        })
    }

    /// As [`Ledger::decide_hold`], applied.
    ///
    /// # Errors
    /// As there.
    pub fn hold(&mut self, now: Timestamp, month: Month, request: &HoldRequest) -> Result<Held, Rejection> {
        let HoldRequest { invocation, account, amount, expires_at } = *request;
        in_range(amount)?;
        self.balance(account, month).ok_or(Rejection::UnknownAccount { account })?;
        if let Some(settled) = self.remembered(invocation) {
            return Err(Rejection::AlreadySettled { invocation, ending: settled.ending });
        }
        if let Some(open) = self.holds.iter().find(|hold| hold.invocation == invocation) {
            let same = open.account == account && open.asked == amount && open.expires_at == expires_at;
            let held = Held { account, month: open.month, amount };
            return if same { Ok(held) } else { Err(Rejection::Conflicting { invocation }) };
        }
        if expires_at <= now {
            return Err(Rejection::ExpiryPassed { expires_at, now });
        }
        self.afford(account, month, amount)?;
        self.holds.push(HoldState { invocation, account, month, asked: amount, held: amount, expires_at, attempts: 0 });
        Ok(Held { account, month, amount })
    }

    /// As [`Ledger::decide_raise`], applied.
    ///
    /// # Errors
    /// As there.
    pub fn raise(&mut self, invocation: InvocationId, to: Money) -> Result<Held, Rejection> {
        in_range(to)?;
        let position = self.open_position(invocation)?;
        let HoldState { account, month, held, .. } = self.holds[position];
        if to > held {
            self.afford(account, month, to - held)?;
            self.holds[position].held = to;
        }
        Ok(Held { account, month, amount: self.holds[position].held })
    }

    /// As [`Ledger::decide_post_attempt`], applied.
    ///
    /// # Errors
    /// As there.
    pub fn post_attempt(
        &mut self,
        invocation: InvocationId,
        attempt: u8,
        charge: Money,
        venue: VenueAccount,
    ) -> Result<Posted, Rejection> {
        in_range(charge)?;
        if attempt > Ledger::MAX_ATTEMPT {
            return Err(Rejection::AttemptOutOfRange { attempt });
        }
        self.venues.get(venue.position()).ok_or(Rejection::UnknownVenue { venue })?;
        let bit = 1 << attempt;
        if let Some(position) = self.late_position(invocation) {
            if self.settled[position].attempts & bit != 0 {
                return Err(Rejection::AttemptAlreadyPosted { invocation, attempt });
            }
            self.settled[position].attempts |= bit;
            let SettledState { account, month, .. } = self.settled[position];
            return Ok(self.transfer(account, venue, month, charge, Money::ZERO, true));
        }
        let position = self.open_position(invocation)?;
        let hold = &mut self.holds[position];
        if hold.attempts & bit != 0 {
            return Err(Rejection::AttemptAlreadyPosted { invocation, attempt });
        }
        let HoldState { account, month, held, .. } = *hold;
        hold.attempts |= bit;
        hold.held = held.saturating_sub_to_zero(charge);
        Ok(self.transfer(account, venue, month, charge, held, false))
    }

    /// As [`Ledger::decide_post`], applied.
    ///
    /// # Errors
    /// As there.
    pub fn post(&mut self, invocation: InvocationId, charge: Money, venue: VenueAccount) -> Result<Posted, Rejection> {
        in_range(charge)?;
        self.venues.get(venue.position()).ok_or(Rejection::UnknownVenue { venue })?;
        if let Some(earlier) = self.remembered(invocation).filter(|earlier| earlier.ending == Ending::Posted) {
            let same = earlier.amount == charge && earlier.venue == Some(venue);
            return if same { Ok(earlier.posted()) } else { Err(Rejection::Conflicting { invocation }) };
        }
        if let Some(position) = self.late_position(invocation) {
            let SettledState { account, month, attempts, .. } = self.settled[position];
            let posted = self.transfer(account, venue, month, charge, Money::ZERO, true);
            self.settled[position] = ended(invocation, attempts, venue, &posted);
            return Ok(posted);
        }
        let hold = self.take(invocation)?;
        let posted = self.transfer(hold.account, venue, hold.month, charge, hold.held, false);
        self.settled.push(ended(invocation, hold.attempts, venue, &posted));
        Ok(posted)
    }

    /// As [`Ledger::decide_void`], applied.
    ///
    /// # Errors
    /// As there.
    pub fn void(&mut self, invocation: InvocationId) -> Result<Voided, Rejection> {
        if let Some(SettledState { account, month, amount, ending, .. }) = self.remembered(invocation).copied() {
            return match ending {
                Ending::Posted => Err(Rejection::AlreadySettled { invocation, ending }),
                Ending::Voided | Ending::Expired => Ok(Voided { account, month, released: amount }),
            };
        }
        let hold = self.take(invocation)?;
        self.settled.push(released(&hold, Ending::Voided));
        Ok(Voided { account: hold.account, month: hold.month, released: hold.held })
    }

    /// As [`Ledger::decide_correct`], applied.
    ///
    /// # Errors
    /// As there.
    pub fn correct(
        &mut self,
        correction: InvocationId,
        account: AccountIndex,
        month: Month,
        amount: Money,
        venue: VenueAccount,
    ) -> Result<Posted, Rejection> {
        let max = Ledger::MAX_CORRECTION;
        if amount > max || -amount > max {
            return Err(Rejection::AmountOutOfRange { amount, max });
        }
        let spent = self.balance(account, month).ok_or(Rejection::UnknownAccount { account })?.spent;
        self.venues.get(venue.position()).ok_or(Rejection::UnknownVenue { venue })?;
        if let Some(earlier) = self.remembered(correction) {
            let same = earlier.ending == Ending::Posted
                && (earlier.account, earlier.month, earlier.amount) == (account, month, amount)
                && earlier.venue == Some(venue);
            return if same { Ok(earlier.posted()) } else { Err(Rejection::Conflicting { invocation: correction }) };
        }
        if self.holds.iter().any(|hold| hold.invocation == correction) {
            return Err(Rejection::Conflicting { invocation: correction });
        }
        let at_venue = self.postings.iter().filter(|posting| (posting.to, posting.month) == (venue, month));
        let posted = spent.min(at_venue.map(|posting| posting.amount).sum());
        if posted + amount < Money::ZERO {
            return Err(Rejection::TakesBackTooMuch { amount, posted, month });
        }
        let posted = self.transfer(account, venue, month, amount, amount, false);
        self.settled.push(ended(correction, 0, venue, &posted));
        Ok(posted)
    }

    /// As [`Ledger::decide_set_budget`], applied.
    ///
    /// # Errors
    /// As there.
    pub fn set_budget(&mut self, account: AccountIndex, budget: Budget) -> Result<(), Rejection> {
        let max = Ledger::MAX_BUDGET;
        for amount in [budget.hard, budget.soft].into_iter().flatten() {
            if amount < Money::ZERO || amount > max {
                return Err(Rejection::AmountOutOfRange { amount, max });
            }
        }
        self.accounts.get_mut(account.position()).ok_or(Rejection::UnknownAccount { account })?.1 = budget;
        Ok(())
    }

    /// As [`Ledger::expire`].
    pub fn expire(&mut self, now: Timestamp) -> Vec<InvocationId> {
        let mut due: Vec<_> =
            self.holds.iter().filter(|hold| hold.expires_at <= now).map(|hold| hold.invocation).collect();
        due.sort_unstable();
        for invocation in &due {
            if let Ok(hold) = self.take(*invocation) {
                self.settled.push(released(&hold, Ending::Expired));
            }
        }
        due
    }

    /// As [`Ledger::snapshot`]. No months are folded away here.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut holds = self.holds.clone();
        holds.sort_unstable_by_key(|hold| hold.invocation);
        let accounts = self.accounts.iter().enumerate().map(|(position, (name, budget))| {
            let months = self.months(|posting| posting.from == AccountIndex::at(position));
            AccountState { name: name.clone(), budget: *budget, earlier: Money::ZERO, months }
        });
        let venues = self.venues.iter().enumerate().map(|(position, name)| {
            let months = self.months(|posting| posting.to == VenueAccount::at(position));
            VenueState { name: name.clone(), earlier: Money::ZERO, months }
        });
        Snapshot {
            accounts: accounts.collect(),
            venues: venues.collect(),
            holds,
            settled: self.settled[self.settled.len().saturating_sub(self.window)..].to_vec(),
        }
    }

    fn months(&self, whose: impl Fn(&Posting) -> bool) -> Vec<MonthState> {
        let mut sums = std::collections::BTreeMap::<Month, Money>::new();
        for posting in self.postings.iter().filter(|posting| whose(posting)) {
            *sums.entry(posting.month).or_default() += posting.amount;
        }
        let posted = sums.into_iter().filter(|(_, posted)| *posted != Money::ZERO);
        posted.map(|(month, posted)| MonthState { month, posted }).collect()
    }

    fn remembered(&self, invocation: InvocationId) -> Option<&SettledState> {
        self.settled.iter().rev().take(self.window).find(|settled| settled.invocation == invocation)
    }

    fn open_position(&self, invocation: InvocationId) -> Result<usize, Rejection> {
        let open = self.holds.iter().position(|hold| hold.invocation == invocation);
        open.ok_or_else(|| match self.remembered(invocation) {
            Some(settled) => Rejection::AlreadySettled { invocation, ending: settled.ending },
            None => Rejection::UnknownHold { invocation },
        })
    }

    fn late_position(&self, invocation: InvocationId) -> Option<usize> {
        self.remembered(invocation).filter(|settled| settled.ending == Ending::Expired)?;
        self.settled.iter().rposition(|settled| settled.invocation == invocation)
    }

    fn take(&mut self, invocation: InvocationId) -> Result<HoldState, Rejection> {
        let position = self.open_position(invocation)?;
        Ok(self.holds.remove(position))
    }

    fn afford(&self, account: AccountIndex, month: Month, needed: Money) -> Result<(), Rejection> {
        let balance = self.balance(account, month).ok_or(Rejection::UnknownAccount { account })?;
        match balance.budget.hard {
            Some(budget) if balance.spent + balance.held + needed > budget => {
                let Balance { spent, held, .. } = balance;
                Err(Rejection::BudgetExhausted { account, month, budget, spent, held, needed })
            }
            _ => Ok(()),
        }
    }

    fn transfer(
        &mut self,
        from: AccountIndex,
        to: VenueAccount,
        month: Month,
        charge: Money,
        held: Money,
        late: bool,
    ) -> Posted {
        let spent_before = self.balance(from, month).unwrap_or_default().spent;
        self.postings.push(Posting { from, to, month, amount: charge });
        let balance = self.balance(from, month).unwrap_or_default();
        let over = |spent: Money| balance.budget.soft.is_some_and(|soft| spent > soft);
        Posted {
            account: from,
            month,
            charge,
            overrun: if charge > held { charge - held } else { Money::ZERO },
            late,
            over_soft: over(balance.spent),
            crossed_soft: over(balance.spent) && !over(spent_before),
        }
    }
}

fn in_range(amount: Money) -> Result<(), Rejection> {
    let max = Ledger::MAX_AMOUNT;
    if amount < Money::ZERO || amount > max { Err(Rejection::AmountOutOfRange { amount, max }) } else { Ok(()) }
}

fn ended(invocation: InvocationId, attempts: u32, venue: VenueAccount, posted: &Posted) -> SettledState {
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

fn released(hold: &HoldState, ending: Ending) -> SettledState {
    SettledState {
        invocation: hold.invocation,
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
    }
}
