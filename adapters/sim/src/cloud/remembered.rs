//! Work that goes on after its call was answered, by its id: a bounded number, the oldest forgotten first.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Works that are remembered.
const MOST: usize = 1000;

/// Works and how they are doing.
#[derive(Debug)]
pub(crate) struct Remembered<T>(Mutex<VecDeque<(String, T)>>);

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Remembered<T> {
    /// Takes a new one in; `false`, and nothing is changed, when one of that id is there.
    pub(crate) fn begin(&self, id: &str, doing: T) -> bool {
        let mut all = self.all();
        if all.iter().any(|(known, _)| known == id) {
            return false;
        }
        if all.len() == MOST {
            all.pop_front();
        }
        all.push_back((id.to_owned(), doing));
        true
    }

    /// Changes one, if it is still remembered.
    pub(crate) fn change(&self, id: &str, change: impl FnOnce(&mut T)) {
        if let Some((_, doing)) = self.all().iter_mut().find(|(known, _)| known == id) {
            change(doing);
        }
    }

    /// How one is doing.
    pub(crate) fn get(&self, id: &str) -> Option<T> {
        self.all().iter().find(|(known, _)| known == id).map(|(_, doing)| doing.clone())
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<(String, T)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_begins_once_and_the_oldest_is_forgotten() {
        let all = Remembered::default();
        assert!(all.begin("first", 0) && !all.begin("first", 1));
        assert_eq!(all.get("first"), Some(0));
        all.change("first", |doing| *doing = 7);
        assert_eq!(all.get("first"), Some(7));
        assert!((0..MOST).all(|number| all.begin(&number.to_string(), 0)));
        assert_eq!((all.get("first"), all.get("0")), (None, Some(0)));
        all.change("first", |doing| *doing = 9);
        assert_eq!(all.get("first"), None);
    }
}
