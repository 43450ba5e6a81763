//! The invocations that settled lately, so that a repeat is recognised.
//!
//! A ring: when it is full, the invocation that settled longest ago is forgotten.

use std::collections::VecDeque;

use merit_units::InvocationId;

use crate::SettledState;
use crate::ledger::ByInvocation;

/// A bounded memory of settled invocations.
#[derive(Clone, Debug)]
pub(crate) struct Settled {
    window: usize,
    ring: VecDeque<SettledState>,
    /// Settlements forgotten so far: the number of the ring's first entry.
    forgotten: u64,
    /// By invocation, the number of its settlement.
    numbers: ByInvocation<u64>,
}

impl Settled {
    pub(crate) fn new(window: usize) -> Self {
        Self { window: window.max(1), ring: VecDeque::new(), forgotten: 0, numbers: ByInvocation::default() }
    }

    pub(crate) fn get(&self, invocation: InvocationId) -> Option<&SettledState> {
        self.position(invocation).map(|position| &self.ring[position])
    }

    pub(crate) fn get_mut(&mut self, invocation: InvocationId) -> Option<&mut SettledState> {
        self.position(invocation).map(|position| &mut self.ring[position])
    }

    fn position(&self, invocation: InvocationId) -> Option<usize> {
        let number = self.numbers.get(&invocation)?;
        usize::try_from(number - self.forgotten).ok()
    }

    pub(crate) fn remember(&mut self, state: SettledState) {
        if self.ring.len() == self.window
            && let Some(oldest) = self.ring.pop_front()
        {
            self.numbers.remove(&oldest.invocation);
            self.forgotten += 1;
        }
        self.numbers.insert(state.invocation, self.forgotten + self.ring.len() as u64);
        self.ring.push_back(state);
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &SettledState> {
        self.ring.iter()
    }
}
