//! What the pool has to offer at a moment, and at what price.
//!
//! One offer a function: its slots are what memory and running calls leave, its rates are those of the level that
//! the price rule has reached. Asked again within the rule's step, the level stays; after it, it goes one towards
//! where the load since then wants it: a mean, so that the moment of asking does not matter.

use std::sync::{Arc, Mutex, PoisonError};

use merit_units::Micros;

use crate::door::Function;
use crate::driver::Driver;
use crate::price::{PriceRule, Rates};

/// The whole pool, in the parts that busy ones are counted by.
const WHOLE: u32 = 1_000_000;
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
    reached: Mutex<Reached>,
}

/// The level the price has reached, and what the pool's busy time was then.
#[derive(Default)]
struct Reached {
    level: u32,
    sum: u128,
    at: Micros,
}

impl Market {
    pub(crate) fn new(rule: PriceRule, driver: Arc<Driver>, functions: &[Function]) -> Self {
        let offers = functions.iter().map(|function| Offer {
            function: function.name.clone(),
            isolation: function.runner.isolation(),
            memory_mb: function.runner.memory().megabytes().into(),
            slots: 0,
        });
        Self { rule, driver, offers: offers.collect(), reached: Mutex::default() }
    }

    /// The rule by which the price follows the load.
    #[must_use]
    pub const fn rule(&self) -> &PriceRule {
        &self.rule
    }

    /// The rates now. The level follows how busy the pool was on average since the last step.
    #[must_use]
    pub fn rates(&self) -> Rates {
        let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        let (sum, now) = self.driver.busy();
        let passed = now.saturating_sub(reached.at);
        if passed >= self.rule.step {
            let mean = (sum - reached.sum) / u128::from(passed.get().max(1));
            let mean = u32::try_from(mean).unwrap_or(WHOLE);
            let level = PriceRule::step(reached.level, self.rule.target(mean, WHOLE));
            *reached = Reached { level, sum, at: now };
        }
        self.rule.rates(reached.level)
    }

    /// The offers now, in order of the functions' names.
    #[must_use]
    pub fn offers(&self) -> Vec<Offer> {
        let numbered = self.offers.iter().cloned().enumerate();
        numbered.map(|(index, offer)| Offer { slots: self.driver.slots(index), ..offer }).collect()
    }
}
