//! An ask with the slot it belongs to, so that tests can shuffle them together.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::{Ask, Book, Slot, Slots};

/// An ask and whose it is.
#[derive(Clone)]
pub(crate) struct Placed {
    pub(crate) slot: Arc<Slot>,
    pub(crate) ask: Ask,
}

impl Placed {
    /// The slots and the asks, as a book takes them. The slots are those of `previous` where nothing has moved, as a
    /// broker has it when only prices change.
    pub(crate) fn apart(placed: Vec<Self>, previous: Option<&Book>) -> (Slots, Vec<Ask>) {
        let (slots, asks): (Vec<_>, Vec<_>) = placed.into_iter().map(|placed| (placed.slot, placed.ask)).unzip();
        let same = |before: &&Slots| {
            before.len() == slots.len() && before.iter().zip(&slots).all(|(before, slot)| Arc::ptr_eq(before, slot))
        };
        let kept = previous.map(Book::slots).filter(same).map(Arc::clone);
        (kept.unwrap_or_else(|| slots.into()), asks)
    }

    /// The rows of a book.
    pub(crate) fn of(book: &Book) -> Vec<Self> {
        let rows = book.slots().iter().zip(book.asks());
        rows.map(|(slot, ask)| Self { slot: Arc::clone(slot), ask: *ask }).collect()
    }
}

impl Deref for Placed {
    type Target = Ask;

    fn deref(&self) -> &Ask {
        &self.ask
    }
}

impl DerefMut for Placed {
    fn deref_mut(&mut self) -> &mut Ask {
        &mut self.ask
    }
}
