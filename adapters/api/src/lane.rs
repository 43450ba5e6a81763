//! Which thread a call runs on, for adapters that keep connections.
//!
//! The broker's calls run on threads of their own, each with an event loop of its own: a *lane*.
//! A connection wakes the lane that opened it, so one that is used on another lane costs a wake-up
//! across threads with every message. Adapters keep idle connections by lane.

use std::cell::Cell;

thread_local! {
    static LANE: Cell<usize> = const { Cell::new(0) };
}

/// The lane of this thread; 0 on all threads that are none, which share their event loop.
#[must_use]
pub fn current() -> usize {
    LANE.get()
}

/// Makes this thread the lane of that number, from 1.
pub fn become_lane(number: usize) {
    LANE.set(number);
}
