//! Which row of a new book is which of the one before it: the deployment with the same slot.

use std::sync::Arc;

use super::{Rows, Slots};
use crate::Slot;

/// For each row of the former book its row in the new one; none for those that are gone.
///
/// Nothing is kept when they are the very same slots, as when only prices have changed.
pub(super) struct Renumbering(Option<Rows<Option<u8>>>);

impl Renumbering {
    pub(super) fn new(before: &Slots, slots: &Slots) -> Self {
        if Arc::ptr_eq(before, slots) {
            return Self(None);
        }
        let same = |row: usize, slot: &Arc<Slot>| Arc::ptr_eq(&slots[row], slot);
        let find = |(row, slot): (usize, &Arc<Slot>)| {
            // Most deployments stay in their places.
            let stays = row < slots.len() && same(row, slot);
            if stays { Some(row) } else { (0..slots.len()).find(|&row| same(row, slot)) }
        };
        let narrow = |row: Option<usize>| row.and_then(|row| u8::try_from(row).ok());
        Self(Some(before.iter().enumerate().map(find).map(narrow).collect()))
    }

    pub(super) fn of(&self, row: usize) -> Option<usize> {
        match &self.0 {
            None => Some(row),
            Some(moved) => moved[row].map(usize::from),
        }
    }
}
