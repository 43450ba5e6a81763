//! Brings providers' quotes into the books: each function's book once for a burst of quotes, not once for each.
//!
//! A quote marks the functions it touches. One task rebuilds what is marked: at once when it was idle, and then every
//! [`PAUSE`] while quotes keep coming, so that a thousand quotes for one function in that time cost one rebuild.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use merit_units::FunctionId;
use tokio::sync::Notify;

use crate::Broker;

/// Between two rounds of rebuilding: what a book may be behind in a burst, besides the round itself.
const PAUSE: Duration = Duration::from_millis(2);

/// Books rebuilt without giving the thread to others: about a millisecond.
const AT_ONCE: usize = 64;

/// How often providers' clocks are looked at: what an offer may outlive its time by, and more than a look costs.
const TICK: Duration = Duration::from_millis(20);

/// Functions whose books are to be rebuilt.
#[derive(Default)]
pub struct Requotes {
    marked: Mutex<BTreeSet<FunctionId>>,
    wake: Notify,
}

impl Requotes {
    /// A function's quotes have changed.
    pub fn mark(&self, function: &FunctionId) {
        self.mark_all(std::iter::once(function));
    }

    /// The quotes of functions have changed.
    pub fn mark_all<'a>(&self, functions: impl Iterator<Item = &'a FunctionId>) {
        let mut marked = self.marked.lock().unwrap_or_else(PoisonError::into_inner);
        let before = marked.len();
        for function in functions {
            if !marked.contains(function) {
                marked.insert(function.clone());
            }
        }
        let first = before == 0 && !marked.is_empty();
        drop(marked);
        if first {
            self.wake.notify_one();
        }
    }

    fn take(&self) -> BTreeSet<FunctionId> {
        std::mem::take(&mut self.marked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Broker {
    /// Rebuilds every book that is marked. Returns how many.
    pub async fn requote(&self) -> usize {
        let marked = self.requotes.take();
        for (number, name) in marked.iter().enumerate() {
            if let Some(function) = self.functions.find(name.as_str()) {
                function.rebuild(self, self.clock.now());
            }
            if number % AT_ONCE == AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
        }
        marked.len()
    }
}

/// Keeps the books up with the quotes, the offers with their time, and what their prices are compared with on disk,
/// until dropped.
pub async fn run(broker: Arc<Broker>) {
    tokio::join!(follow(Arc::clone(&broker)), super::kept::run(broker));
}

async fn follow(broker: Arc<Broker>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = broker.requotes.wake.notified() => {
                broker.requote().await;
                tokio::time::sleep(PAUSE).await;
            }
            _ = ticks.tick() => broker.tick_providers(broker.clock.now()),
        }
    }
}
