//! The ledger with its journal: what is answered here survives the process being killed.
//!
//! Each operation decides, writes its command to the journal and applies it, all under one lock, so the
//! journal's order is the order of effects. The lock is held for about a microsecond, of which the write takes
//! most, and for a fraction of a millisecond when the ledger is checkpointed (bench `store`, bench `ledger`).

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard};

use merit_ledger::{
    AccountIndex, Balance, Budget, Command, Decision, Held, HoldRequest, HoldState, Ledger, Posted, Rejection,
    VenueAccount, Voided,
};
use merit_units::{AccountId, InvocationId, Money, Month, Timestamp, VenueId};

use crate::journal::Journal;
use crate::queue::Queue;
use crate::{Durable, HoldError, StoreError};

pub(crate) struct Books {
    pub(crate) ledger: Ledger,
    pub(crate) journal: Journal,
}

/// The ledger of [`merit_ledger`], on disk.
///
/// When the journal cannot be written, holds and raises are refused, while charges and voids still take
/// effect and are written as soon as that is possible again: their money is spent or free.
pub struct DurableLedger {
    books: Mutex<Books>,
    queue: Arc<Queue>,
}

impl DurableLedger {
    pub(crate) fn new(books: Books, queue: Arc<Queue>) -> Self {
        Self { books: Mutex::new(books), queue }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Books> {
        // A panic under the lock is a broken invariant of the ledger; going on could overspend.
        self.books.lock().expect("invariant: no ledger operation panics")
    }

    /// Holds money before a call is dispatched. See [`Ledger::decide_hold`].
    ///
    /// # Errors
    /// [`HoldError::Rejected`] as the ledger documents; [`HoldError::Unwritten`] when the journal cannot be
    /// written. In both cases nothing is held.
    pub fn hold(&self, now: Timestamp, month: Month, request: &HoldRequest) -> Result<Held, HoldError> {
        self.write_first(|ledger| ledger.decide_hold(now, month, request))
    }

    /// Makes a hold at least `to` before a further attempt. See [`Ledger::decide_raise`].
    ///
    /// # Errors
    /// As [`Self::hold`]; the hold stays as it was.
    pub fn raise(&self, invocation: InvocationId, to: Money) -> Result<Held, HoldError> {
        self.write_first(|ledger| ledger.decide_raise(invocation, to))
    }

    /// Posts the charge of an attempt that is not the last. See [`Ledger::decide_post_attempt`].
    ///
    /// # Errors
    /// As the ledger documents.
    pub fn post_attempt(
        &self,
        invocation: InvocationId,
        attempt: u8,
        charge: Money,
        venue: VenueAccount,
    ) -> Result<Posted, Rejection> {
        self.write_or_owe(|ledger| ledger.decide_post_attempt(invocation, attempt, charge, venue))
    }

    /// Posts the last charge and releases the rest of the hold. See [`Ledger::decide_post`].
    ///
    /// # Errors
    /// As the ledger documents.
    pub fn post(&self, invocation: InvocationId, charge: Money, venue: VenueAccount) -> Result<Posted, Rejection> {
        self.write_or_owe(|ledger| ledger.decide_post(invocation, charge, venue))
    }

    /// Releases a hold without a further charge. See [`Ledger::decide_void`].
    ///
    /// # Errors
    /// As the ledger documents.
    pub fn void(&self, invocation: InvocationId) -> Result<Voided, Rejection> {
        self.write_or_owe(|ledger| ledger.decide_void(invocation))
    }

    /// Corrects an account's charges of a month at a venue. See [`Ledger::decide_correct`].
    ///
    /// # Errors
    /// [`HoldError::Rejected`] as the ledger documents; [`HoldError::Unwritten`] when the journal cannot be written. In
    /// both cases nothing has changed.
    pub fn correct(
        &self,
        correction: InvocationId,
        account: AccountIndex,
        month: Month,
        amount: Money,
        venue: VenueAccount,
    ) -> Result<Posted, HoldError> {
        self.write_first(|ledger| ledger.decide_correct(correction, account, month, amount, venue))
    }

    /// Voids every hold that is due; call it every second or so. The invocations, in order.
    pub fn expire(&self, now: Timestamp) -> Vec<InvocationId> {
        let mut books = self.lock();
        let Books { ledger, journal } = &mut *books;
        let commands = ledger.decide_expire(now);
        for command in &commands {
            journal.append_or_owe(command);
            apply(ledger, command);
        }
        drop(books);
        if !commands.is_empty() {
            self.queue.mark_journal();
        }
        commands.iter().filter_map(expired).collect()
    }

    /// Replaces an account's budget; the answer comes when that is on disk.
    pub fn set_budget(&self, account: AccountIndex, budget: Budget) -> Durable<Result<(), Rejection>> {
        match self.write_first(|ledger| ledger.decide_set_budget(account, budget)) {
            Ok(()) => self.queue.push(|_| Ok(Ok(())), |_| ()),
            Err(HoldError::Rejected(rejection)) => Durable::ready(Ok(Err(rejection))),
            Err(HoldError::Unwritten(error)) => Durable::ready(Err(error)),
        }
    }

    /// A caller's account by name, when it is open.
    #[must_use]
    pub fn account(&self, name: &str) -> Option<AccountIndex> {
        self.lock().ledger.account(name)
    }

    /// A venue's account by name, when it is open.
    #[must_use]
    pub fn venue(&self, name: &str) -> Option<VenueAccount> {
        self.lock().ledger.venue(name)
    }

    /// The name of a caller's account.
    #[must_use]
    pub fn account_name(&self, account: AccountIndex) -> Option<AccountId> {
        self.lock().ledger.account_name(account).cloned()
    }

    /// The name of a venue's account.
    #[must_use]
    pub fn venue_name(&self, venue: VenueAccount) -> Option<VenueId> {
        self.lock().ledger.venue_name(venue).cloned()
    }

    /// All caller accounts in order of opening.
    #[must_use]
    pub fn accounts(&self) -> Vec<(AccountIndex, AccountId)> {
        self.lock().ledger.accounts().map(|(index, name)| (index, name.clone())).collect()
    }

    /// An account's budget and how much of the month's is gone.
    #[must_use]
    pub fn balance(&self, account: AccountIndex, month: Month) -> Option<Balance> {
        self.lock().ledger.balance(account, month)
    }

    /// What a venue earned in a month.
    #[must_use]
    pub fn earned(&self, venue: VenueAccount, month: Month) -> Option<Money> {
        self.lock().ledger.earned(venue, month)
    }

    /// An invocation's hold, while it is open.
    #[must_use]
    pub fn open_hold(&self, invocation: InvocationId) -> Option<HoldState> {
        self.lock().ledger.open_hold(invocation)
    }

    /// How many holds are open.
    #[must_use]
    pub fn open_holds(&self) -> usize {
        self.lock().ledger.open_holds()
    }

    /// Whether all money is accounted for. Walks everything: for tests and checks, not for each call.
    #[must_use]
    pub fn conserved(&self) -> bool {
        self.lock().ledger.conserved()
    }

    /// For what must not happen unless it is written.
    fn write_first<T>(&self, decide: impl FnOnce(&Ledger) -> Result<Decision<T>, Rejection>) -> Result<T, HoldError> {
        let mut books = self.lock();
        let decision = decide(&books.ledger)?;
        if let Some(command) = &decision.command {
            books.journal.append(command).map_err(|error| HoldError::Unwritten(StoreError::from(error)))?;
            apply(&mut books.ledger, command);
            drop(books);
            self.queue.mark_journal();
        }
        Ok(decision.answer)
    }

    /// For what has happened already and is written as soon as possible.
    fn write_or_owe<T>(&self, decide: impl FnOnce(&Ledger) -> Result<Decision<T>, Rejection>) -> Result<T, Rejection> {
        let mut books = self.lock();
        let decision = decide(&books.ledger)?;
        if let Some(command) = &decision.command {
            books.journal.append_or_owe(command);
            apply(&mut books.ledger, command);
            drop(books);
            self.queue.mark_journal();
        }
        Ok(decision.answer)
    }
}

fn apply(ledger: &mut Ledger, command: &Command) {
    ledger.apply(command).expect("invariant: a command just decided follows from the state");
}

fn expired(command: &Command) -> Option<InvocationId> {
    match command {
        Command::Expire { invocation } => Some(*invocation),
        _ => None,
    }
}
