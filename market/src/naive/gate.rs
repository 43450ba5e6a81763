//! What holds for a whole venue of the naive market: its kill switch, its trial, and its caps as a list of windows.

use std::sync::Arc;

use merit_units::Timestamp;

use super::slot::NaiveVenue;
use super::{NaiveBook, name, venue_name};
use crate::{Slot, VenueSlots, WindowCaps};

/// One window of time: its number is its place in the list.
#[derive(Clone, Copy, Debug)]
pub(super) struct NaiveWindow {
    /// No caps: nothing is counted.
    caps: Option<WindowCaps>,
    ends: Timestamp,
    calls: u64,
    spend_pico: i128,
}

/// A call's part of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NaiveTaken {
    window: Option<usize>,
    ceiling_pico: i64,
    memory_mb: u64,
}

impl NaiveBook {
    /// Stops a venue, or lets it go on.
    pub fn set_venue_stopped(&mut self, venue: &Arc<VenueSlots>, stopped: bool) {
        self.venues.entry(venue_name(venue)).or_default().stopped = stopped;
    }

    /// Puts a venue on trial, or ends its trial.
    pub fn set_venue_on_trial(&mut self, venue: &Arc<VenueSlots>, on_trial: bool) {
        self.venues.entry(venue_name(venue)).or_default().on_trial = on_trial;
    }

    /// Changes a venue's caps.
    pub fn set_window_caps(&mut self, venue: &Arc<VenueSlots>, caps: Option<WindowCaps>, now: Timestamp) {
        self.venues.entry(venue_name(venue)).or_default().set_window_caps(caps, now);
    }

    /// Changes what a deployment's calls take of its venue's memory.
    pub fn set_memory_mb(&mut self, slot: &Arc<Slot>, memory_mb: u64) {
        self.slots.entry(name(slot)).or_default().memory_mb = memory_mb;
    }

    /// Changes a venue's quota of memory.
    pub fn set_memory_quota_mb(&mut self, venue: &Arc<VenueSlots>, quota_mb: Option<u64>) {
        self.venues.entry(venue_name(venue)).or_default().memory_quota_mb = quota_mb;
    }

    /// The memory of calls in flight that began under a quota.
    #[cfg(test)]
    pub(crate) fn memory_in_use_mb(&self, venue: &Arc<VenueSlots>) -> u64 {
        self.venues[&venue_name(venue)].memory_mb
    }

    /// Stopped, on trial, and the end of the running window with calls and picodollars left in it.
    #[cfg(test)]
    pub(crate) fn gate(&self, venue: &Arc<VenueSlots>) -> (bool, bool, Option<(Timestamp, u64, i64)>) {
        let its = &self.venues[&venue_name(venue)];
        let window = its.windows.last().and_then(|window| {
            let caps = window.caps?;
            let calls = if caps.calls == u64::MAX { u64::MAX } else { caps.calls.saturating_sub(window.calls) };
            let spend = i128::from(caps.spend_pico) - window.spend_pico;
            let spend = if caps.spend_pico == i64::MAX { i128::from(i64::MAX) } else { spend };
            Some((window.ends, calls, i64::try_from(spend).expect("invariant: test amounts are small")))
        });
        (its.stopped, its.on_trial, window)
    }
}

impl NaiveVenue {
    fn set_window_caps(&mut self, caps: Option<WindowCaps>, now: Timestamp) {
        let former = self.windows.last().copied().filter(|former| former.caps.is_some());
        let ends = caps.map_or(now, |caps| now + caps.length);
        let mut next = NaiveWindow { caps, ends, calls: 0, spend_pico: 0 };
        if let (Some(former), Some(caps)) = (former.filter(|former| now < former.ends), caps) {
            let counted = former.caps.expect("invariant: filtered");
            next.ends = former.ends.min(ends);
            // What was used beyond the new caps is as much as them.
            next.calls = if counted.calls == u64::MAX { 0 } else { former.calls.min(caps.calls) };
            next.spend_pico = if counted.spend_pico == i64::MAX { 0 } else { former.spend_pico };
        }
        self.windows.push(next);
    }

    /// Until when a call of that ceiling does not fit.
    pub(super) fn full_until(&self, ceiling_pico: i64, now: Timestamp) -> Option<Timestamp> {
        let window = self.windows.last()?;
        let caps = window.caps?;
        let (calls, spend, ends) =
            if now < window.ends { (window.calls, window.spend_pico, window.ends) } else { (0, 0, now + caps.length) };
        let many = caps.calls != u64::MAX && calls >= caps.calls;
        let dear = caps.spend_pico != i64::MAX && spend + i128::from(ceiling_pico) > i128::from(caps.spend_pico);
        (many || dear).then_some(ends)
    }

    pub(super) fn begin(&mut self, memory_mb: u64, ceiling_pico: i64, now: Timestamp) -> NaiveTaken {
        NaiveTaken { memory_mb: self.take_memory(memory_mb), ..self.begin_in_window(ceiling_pico, now) }
    }

    fn begin_in_window(&mut self, ceiling_pico: i64, now: Timestamp) -> NaiveTaken {
        let Some(window) = self.windows.last().copied() else { return NaiveTaken::default() };
        let Some(caps) = window.caps else { return NaiveTaken::default() };
        if now >= window.ends {
            self.windows.push(NaiveWindow { caps: Some(caps), ends: now + caps.length, calls: 0, spend_pico: 0 });
        }
        let number = self.windows.len() - 1;
        self.windows[number].calls += 1;
        self.windows[number].spend_pico += i128::from(ceiling_pico);
        NaiveTaken { window: Some(number), ceiling_pico, memory_mb: 0 }
    }

    pub(super) fn is_memory_full(&self, memory_mb: u64) -> bool {
        self.memory_quota_mb.is_some_and(|quota_mb| self.memory_mb + memory_mb > quota_mb)
    }

    /// What a call that begins takes of the memory.
    fn take_memory(&mut self, memory_mb: u64) -> u64 {
        let taken = if self.memory_quota_mb.is_some() { memory_mb } else { 0 };
        self.memory_mb += taken;
        taken
    }

    pub(super) fn end(&mut self, taken: NaiveTaken, charged_pico: Option<i64>) {
        self.memory_mb -= taken.memory_mb;
        let Some(number) = taken.window else { return };
        let window = &mut self.windows[number];
        match charged_pico {
            Some(charged) => window.spend_pico += i128::from(charged) - i128::from(taken.ceiling_pico),
            None => {
                window.calls -= 1;
                window.spend_pico -= i128::from(taken.ceiling_pico);
            }
        }
    }
}
