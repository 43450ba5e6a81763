//! The fast and the naive market behind the one trait.

use std::sync::Arc;

use merit_units::Timestamp;

use super::{Decision, Market, Placed, State, World};
use crate::ask::Score;
use crate::naive::{NaiveBook, NaiveTaken};
use crate::{Book, Exclusion, NoPick, Observation, Reservation, Slot, Terms, WindowCaps};

fn number(world: &World, slot: &Arc<Slot>) -> usize {
    world.slots.iter().position(|other| Arc::ptr_eq(other, slot)).expect("a slot of the world")
}

pub(super) struct Fast {
    world: World,
    book: Option<Book>,
    held: Vec<Option<Reservation>>,
}

impl Fast {
    pub(super) fn new(world: World) -> Self {
        Self { world, book: None, held: Vec::new() }
    }

    fn book(&self) -> &Book {
        self.book.as_ref().expect("a book is built first")
    }
}

impl Market for Fast {
    fn build(&mut self, asks: Vec<Placed>, now: Timestamp) {
        let (slots, asks) = Placed::apart(asks, self.book.as_ref());
        self.book = Some(Book::build(self.book.as_ref(), slots, asks, now, &self.world.config).expect("few asks"));
    }

    fn decide(&mut self, call: usize, terms: &Terms, now: Timestamp, draw: u64) -> Result<Decision, NoPick> {
        let pick = self.book().decide(terms, now, draw)?;
        let slot = number(&self.world, pick.reservation.slot());
        assert!(Arc::ptr_eq(&self.book().slots()[pick.row], pick.reservation.slot()));
        self.held.resize_with(self.held.len().max(call + 1), || None);
        self.held[call] = Some(pick.reservation);
        let (row, explored, probe, least_bad) = (pick.row, pick.explored, pick.probe, pick.least_bad);
        Ok(Decision { row, slot, explored, probe, least_bad })
    }

    fn observe(&mut self, call: usize, observation: Observation, now: Timestamp) {
        self.held[call].as_ref().expect("a call in flight").observe(observation, now, &self.world.config);
    }

    fn release(&mut self, call: usize, charged_pico: Option<i64>) {
        let mut held = self.held[call].take().expect("a call in flight");
        if let Some(pico) = charged_pico {
            held.charged(pico);
        }
    }

    fn observe_slot(&mut self, slot: usize, observation: Observation, now: Timestamp) {
        self.world.slots[slot].observe(observation, now, &self.world.config);
    }

    fn set_concurrency(&mut self, slot: usize, concurrency: u32) {
        self.world.slots[slot].set_concurrency(concurrency);
    }

    fn set_venue_concurrency(&mut self, venue: usize, concurrency: u32) {
        self.world.venues[venue].set_concurrency(concurrency);
    }

    fn set_stopped(&mut self, venue: usize, stopped: bool) {
        self.world.venues[venue].set_stopped(stopped);
    }

    fn set_on_trial(&mut self, venue: usize, on_trial: bool) {
        self.world.venues[venue].set_on_trial(on_trial);
    }

    fn set_memory_mb(&mut self, slot: usize, memory_mb: u64) {
        self.world.slots[slot].set_memory_mb(memory_mb);
    }

    fn set_memory_quota_mb(&mut self, venue: usize, quota_mb: Option<u64>) {
        self.world.venues[venue].set_memory_quota_mb(quota_mb);
    }

    fn set_window_caps(&mut self, venue: usize, caps: Option<WindowCaps>, now: Timestamp) {
        self.world.venues[venue].set_window_caps(caps, now);
    }

    fn verdicts(&self, terms: &Terms, now: Timestamp) -> Vec<(usize, Result<(), Exclusion>)> {
        self.book().verdicts(terms, now).collect()
    }

    fn state(&self, now: Timestamp) -> State {
        let config = &self.world.config;
        let slots = self.world.slots.iter().map(|slot| (slot.room(), slot.health(now, config), slot.fail_ppm()));
        State {
            slots: slots.collect(),
            venues: self.world.venues.iter().map(|venue| venue.room()).collect(),
            gates: self.world.venues.iter().map(|venue| venue.gate()).collect(),
            memory: self.world.venues.iter().map(|venue| venue.memory_in_use_mb()).collect(),
            merit_order: self.book().merit_order().collect(),
            views: self.book().views_at(now),
        }
    }
}

/// The naive market. Its slots are names only: nothing is ever told to them.
pub(super) struct Naive {
    world: World,
    book: NaiveBook,
    held: Vec<Option<(usize, Timestamp, NaiveTaken)>>,
}

impl Naive {
    pub(super) fn new(world: World, concurrency: u32, venue_concurrency: u32) -> Self {
        let mut book = NaiveBook::new(world.config.clone());
        world.venues.iter().for_each(|venue| book.set_venue_concurrency(venue, venue_concurrency));
        world.slots.iter().for_each(|slot| book.set_concurrency(slot, concurrency));
        Self { world, book, held: Vec::new() }
    }
}

impl Market for Naive {
    fn build(&mut self, asks: Vec<Placed>, now: Timestamp) {
        let (slots, asks) = Placed::apart(asks, None);
        self.book.build(slots.to_vec(), asks, now);
    }

    fn decide(&mut self, call: usize, terms: &Terms, now: Timestamp, draw: u64) -> Result<Decision, NoPick> {
        let pick = self.book.decide(terms, now, draw)?;
        let slot = number(&self.world, self.book.slot(pick.row));
        self.held.resize_with(self.held.len().max(call + 1), || None);
        self.held[call] = Some((slot, now, pick.taken));
        let (row, explored, probe, least_bad) = (pick.row, pick.explored, pick.probe, pick.least_bad);
        Ok(Decision { row, slot, explored, probe, least_bad })
    }

    fn observe(&mut self, call: usize, observation: Observation, now: Timestamp) {
        let (slot, begun, _) = self.held[call].expect("a call in flight");
        self.book.observe(&self.world.slots[slot], begun, observation, now);
    }

    fn release(&mut self, call: usize, charged_pico: Option<i64>) {
        let (slot, _, taken) = self.held[call].take().expect("a call in flight");
        self.book.release(&self.world.slots[slot], taken, charged_pico);
    }

    fn observe_slot(&mut self, slot: usize, observation: Observation, now: Timestamp) {
        self.book.observe(&self.world.slots[slot], now, observation, now);
    }

    fn set_concurrency(&mut self, slot: usize, concurrency: u32) {
        self.book.set_concurrency(&self.world.slots[slot], concurrency);
    }

    fn set_venue_concurrency(&mut self, venue: usize, concurrency: u32) {
        self.book.set_venue_concurrency(&self.world.venues[venue], concurrency);
    }

    fn set_stopped(&mut self, venue: usize, stopped: bool) {
        self.book.set_venue_stopped(&self.world.venues[venue], stopped);
    }

    fn set_on_trial(&mut self, venue: usize, on_trial: bool) {
        self.book.set_venue_on_trial(&self.world.venues[venue], on_trial);
    }

    fn set_memory_mb(&mut self, slot: usize, memory_mb: u64) {
        self.book.set_memory_mb(&self.world.slots[slot], memory_mb);
    }

    fn set_memory_quota_mb(&mut self, venue: usize, quota_mb: Option<u64>) {
        self.book.set_memory_quota_mb(&self.world.venues[venue], quota_mb);
    }

    fn set_window_caps(&mut self, venue: usize, caps: Option<WindowCaps>, now: Timestamp) {
        self.book.set_window_caps(&self.world.venues[venue], caps, now);
    }

    fn verdicts(&self, terms: &Terms, now: Timestamp) -> Vec<(usize, Result<(), Exclusion>)> {
        self.book.verdicts(terms, now)
    }

    fn state(&self, now: Timestamp) -> State {
        let slots = self.world.slots.iter().map(|slot| {
            let (health, fail_ppm) = self.book.health(slot, now);
            (self.book.room(slot), health, fail_ppm)
        });
        let views = self.book.views().strips_at(now, &self.world.config).into_iter().map(|(share, view)| {
            let rows = view.into_iter().map(|(slot, score)| {
                let score = score.unwrap_or(Score::UNKNOWN);
                (self.book.row_of(slot), score.base_pico, score.delay)
            });
            (share, rows.collect())
        });
        State {
            slots: slots.collect(),
            venues: self.world.venues.iter().map(|venue| self.book.venue_room(venue)).collect(),
            gates: self.world.venues.iter().map(|venue| self.book.gate(venue)).collect(),
            memory: self.world.venues.iter().map(|venue| self.book.memory_in_use_mb(venue)).collect(),
            merit_order: self.book.views().newest().into_iter().map(|slot| self.book.row_of(slot)).collect(),
            views: views.collect(),
        }
    }
}
