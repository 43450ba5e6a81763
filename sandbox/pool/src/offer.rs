//! What the pool has to offer at a moment, and at what price.
//!
//! One offer a function: its slots are what memory and running calls leave, its rates are those of the level that
//! the price rule has reached. Asked again within the rule's step, the level stays; after it, it goes one towards
//! where the load wants it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use crate::door::Function;
use crate::driver::Driver;
use crate::price::{PriceRule, Rates};

/// Characters of an offer's name.
const ID_CHARS: usize = 56;

/// An offer of one function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The function, which is also the path it is called at.
    pub function: String,
    /// `wasm`, `namespace` or `gvisor`.
    pub isolation: &'static str,
    /// Memory of one instance in MB.
    pub memory_mb: u64,
    /// Calls it can take at once.
    pub slots: u32,
}

impl Offer {
    /// Its name: the function and the memory, cut to what offers may have.
    #[must_use]
    pub fn id(&self) -> String {
        let memory = self.memory_mb.to_string();
        let function: String = self.function.chars().take(ID_CHARS - 1 - memory.len()).collect();
        format!("{function}-{memory}")
    }
}

/// What the pool has to offer.
pub struct Market {
    rule: PriceRule,
    driver: Arc<Driver>,
    offers: Vec<Offer>,
    level: Mutex<(u32, Instant)>,
}

impl Market {
    pub(crate) fn new(rule: PriceRule, driver: Arc<Driver>, functions: &[Function]) -> Self {
        let offers = functions.iter().map(|function| Offer {
            function: function.name.clone(),
            isolation: function.runner.isolation(),
            memory_mb: function.runner.memory().megabytes().into(),
            slots: 0,
        });
        Self { rule, driver, offers: offers.collect(), level: Mutex::new((0, Instant::now())) }
    }

    /// The rule by which the price follows the load.
    #[must_use]
    pub const fn rule(&self) -> &PriceRule {
        &self.rule
    }

    /// The rates now.
    #[must_use]
    pub fn rates(&self) -> Rates {
        let load = self.driver.load();
        let by_calls = self.rule.target(load.running, load.calls);
        let megabytes = |bytes: u64| u32::try_from(bytes >> 20).unwrap_or(u32::MAX);
        // Idle instances take memory too, but give it up for calls: what counts is what is busy.
        let by_memory = self.rule.target(megabytes(load.memory_busy), megabytes(load.memory_max));
        let target = by_calls.max(by_memory);
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if level.0 != target && now.duration_since(level.1) >= self.rule.step.to_std() {
            *level = (PriceRule::step(level.0, target), now);
        }
        self.rule.rates(level.0)
    }

    /// The offers now, in order of the functions' names.
    #[must_use]
    pub fn offers(&self) -> Vec<Offer> {
        let numbered = self.offers.iter().cloned().enumerate();
        numbered.map(|(index, offer)| Offer { slots: self.driver.slots(index), ..offer }).collect()
    }
}
