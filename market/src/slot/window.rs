//! What a provider takes at most in one window of time: calls begun, and what they may be charged.
//!
//! A window is an object of its own: it begins with the first call after the one before it has ended, and what is
//! given back goes to the window it was taken from. So a cap is exact, also for calls that outlive their window, and
//! taking needs no lock. Money is taken as the ceiling of the call, and what was not charged of it is given back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};

use arc_swap::ArcSwapOption;
use merit_units::{Micros, Timestamp};

/// Caps on one window of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WindowCaps {
    /// How long a window is.
    pub length: Micros,
    /// Calls that may begin in it; `u64::MAX` for any number.
    pub calls: u64,
    /// What those calls may be charged in picodollars; `i64::MAX` for any amount.
    pub spend_pico: i64,
}

impl WindowCaps {
    /// Whether a call of that ceiling fits into a window that has not begun.
    fn fit(&self, ceiling_pico: i64) -> bool {
        self.calls > 0 && ceiling_pico <= self.spend_pico
    }
}

/// The caps of a venue, with the window that is running.
#[derive(Debug, Default)]
pub(super) struct CappedWindows {
    /// Whether there are caps: without, nothing else is looked at.
    capped: AtomicBool,
    running: ArcSwapOption<Window>,
}

#[derive(Debug)]
pub(super) struct Window {
    caps: WindowCaps,
    ends: Timestamp,
    calls_left: AtomicU64,
    spend_left_pico: AtomicI64,
}

impl Window {
    fn begun_at(now: Timestamp, caps: WindowCaps) -> Self {
        Self {
            caps,
            ends: now + caps.length,
            calls_left: AtomicU64::new(caps.calls),
            spend_left_pico: AtomicI64::new(caps.spend_pico),
        }
    }

    fn take(&self, ceiling_pico: i64) -> bool {
        let less_one = |left: u64| if left == u64::MAX { Some(left) } else { left.checked_sub(1) };
        if self.calls_left.fetch_update(Relaxed, Relaxed, less_one).is_err() {
            return false;
        }
        if self.caps.spend_pico == i64::MAX {
            return true;
        }
        let paid = |left: i64| left.checked_sub(ceiling_pico).filter(|left| *left >= 0);
        let taken = self.spend_left_pico.fetch_update(Relaxed, Relaxed, paid).is_ok();
        if !taken {
            self.give_call_back();
        }
        taken
    }

    fn give_call_back(&self) {
        if self.caps.calls != u64::MAX {
            self.calls_left.fetch_add(1, Relaxed);
        }
    }

    fn give_money_back(&self, pico: i64) {
        if self.caps.spend_pico != i64::MAX {
            self.spend_left_pico.fetch_add(pico, Relaxed);
        }
    }

    fn has_room(&self, ceiling_pico: i64) -> bool {
        self.calls_left.load(Relaxed) > 0 && self.spend_left_pico.load(Relaxed) >= ceiling_pico
    }
}

/// One call's part of a window.
#[derive(Debug)]
pub(super) struct Taken {
    window: Arc<Window>,
    ceiling_pico: i64,
}

impl Taken {
    /// The call was charged this much: the rest of its ceiling is free again.
    pub(super) fn charged(self, pico: i64) {
        self.window.give_money_back(self.ceiling_pico.saturating_sub(pico));
    }

    /// The call never began.
    pub(super) fn give_back(self) {
        self.window.give_call_back();
        self.window.give_money_back(self.ceiling_pico);
    }
}

impl CappedWindows {
    /// Changes the caps. What the running window has taken counts under the new ones.
    pub(super) fn set(&self, caps: Option<WindowCaps>, now: Timestamp) {
        let next = caps.map(|caps| {
            let window = Window::begun_at(now, caps);
            if let Some(former) = self.running.load().as_deref().filter(|former| now < former.ends) {
                let calls = former.caps.calls.saturating_sub(former.calls_left.load(Relaxed));
                let spend = former.caps.spend_pico.saturating_sub(former.spend_left_pico.load(Relaxed));
                if caps.calls != u64::MAX {
                    window.calls_left.store(caps.calls.saturating_sub(calls), Relaxed);
                }
                if caps.spend_pico != i64::MAX {
                    window.spend_left_pico.store(caps.spend_pico.saturating_sub(spend), Relaxed);
                }
                return Window { ends: former.ends.min(now + caps.length), ..window };
            }
            window
        });
        self.capped.store(next.is_some(), Relaxed);
        self.running.store(next.map(Arc::new));
    }

    /// When there is room for a call of that ceiling again; `None` when there is now.
    pub(super) fn full_until(&self, ceiling_pico: i64, now: Timestamp) -> Option<Timestamp> {
        if !self.capped.load(Relaxed) {
            return None;
        }
        let running = self.running.load();
        let window = running.as_deref()?;
        if now < window.ends {
            return (!window.has_room(ceiling_pico)).then_some(window.ends);
        }
        (!window.caps.fit(ceiling_pico)).then(|| now + window.caps.length)
    }

    /// Takes a call's part of the running window, or begins one. `Err` when it is full.
    pub(super) fn enter(&self, ceiling_pico: i64, now: Timestamp) -> Result<Option<Taken>, ()> {
        if !self.capped.load(Relaxed) {
            return Ok(None);
        }
        let mut running = self.running.load_full();
        if let Some(over) = running.as_ref().filter(|window| now >= window.ends) {
            let next = Arc::new(Window::begun_at(now, over.caps));
            self.running.compare_and_swap(&running, Some(next));
            running = self.running.load_full(); // This one, or that of whoever was faster.
        }
        let Some(window) = running else { return Ok(None) };
        if window.take(ceiling_pico) { Ok(Some(Taken { window, ceiling_pico })) } else { Err(()) }
    }

    /// The end of the running window, and calls and money left in it.
    #[cfg(test)]
    pub(super) fn state(&self) -> Option<(Timestamp, u64, i64)> {
        let running = self.running.load();
        let window = running.as_deref()?;
        Some((window.ends, window.calls_left.load(Relaxed), window.spend_left_pico.load(Relaxed)))
    }
}
