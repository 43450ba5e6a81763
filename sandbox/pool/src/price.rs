//! What the pool asks for its machine: a published function of how busy it is.
//!
//! The machine costs money by the hour, whether it is used or not. That price, spread over all of its memory
//! and CPUs, is the marginal cost and the floor. As slots run out the price rises, slowly first, to a ceiling:
//!
//! ```text
//! level  = 0 while busy/slots is at most the knee, then in equal steps up to LEVELS when all slots are busy
//! rate   = floor + (ceiling - floor) x level^2 / LEVELS^2
//! ```
//!
//! Invariants: integers only (picodollars); a rate is never below the floor nor above the ceiling; a busier pool
//! is never cheaper; one update moves the price by one level at most, so that nobody is surprised.
//! A published price holds for the calls that were placed by it; the exchange sees to that.

use merit_units::{Micros, Money};
use serde_json::{Value, json};

/// Levels above the floor.
pub const LEVELS: u32 = 10;
/// Microseconds of an hour.
const HOUR_US: u128 = 3_600_000_000;

/// What a machine costs and how its price rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceRule {
    /// What the machine costs an hour.
    pub machine_per_hour: Money,
    /// Its memory in MB (of 2^20 bytes), as far as functions may have it.
    pub memory_mb: u64,
    /// Its CPUs in thousandths.
    pub vcpu_milli: u32,
    /// How much of the machine's price its memory carries, in percent; the CPUs carry the rest.
    pub memory_share_percent: u32,
    /// The price of an idle pool, in percent of the marginal cost, 1 or more.
    pub floor_percent: u32,
    /// The price of a full pool, in percent of the marginal cost; not below the floor.
    pub ceiling_percent: u32,
    /// How busy the pool may be, in percent of its slots, before the price rises; below 100.
    pub knee_percent: u32,
    /// How long a price stands at least.
    pub step: Micros,
}

/// Rates of one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rates {
    /// For a GiB of the memory a call needed at its peak and a second of a call's time.
    pub gib_second: Money,
    /// For a millisecond of CPU time.
    pub cpu_ms: Money,
}

impl PriceRule {
    /// The level the price tends to with `busy` of `slots` calls running; full when there are no slots.
    #[must_use]
    pub fn target(&self, busy: u32, slots: u32) -> u32 {
        let (busy, slots) = (u64::from(busy.min(slots)), u64::from(slots));
        if slots == 0 {
            return LEVELS;
        }
        let knee = u64::from(self.knee_percent.min(99));
        // In hundredths of a slot, to stay with integers.
        let above = (100 * busy).saturating_sub(knee * slots);
        let level = (above * u64::from(LEVELS)).div_ceil((100 - knee) * slots);
        u32::try_from(level).unwrap_or(LEVELS).min(LEVELS)
    }

    /// The next level on the way to `target`: one up, one down, or the same.
    #[must_use]
    pub fn step(level: u32, target: u32) -> u32 {
        match target.cmp(&level) {
            std::cmp::Ordering::Less => level - 1,
            std::cmp::Ordering::Equal => level,
            std::cmp::Ordering::Greater => level + 1,
        }
    }

    /// The rates of a level.
    #[must_use]
    pub fn rates(&self, level: u32) -> Rates {
        let square = u128::from(level.min(LEVELS)).pow(2);
        let rise = u128::from(self.ceiling_percent.saturating_sub(self.floor_percent));
        // Of the marginal cost, in hundredths of a percent of LEVELS^2.
        let share = u128::from(self.floor_percent) * u128::from(LEVELS).pow(2) + rise * square;
        let scale = 100 * u128::from(LEVELS).pow(2);
        let of_price = |percent: u32, seconds_us: u128, units: u128| {
            let price = u128::try_from(self.machine_per_hour.pico()).unwrap_or(0);
            let dividend = price.saturating_mul(u128::from(percent)).saturating_mul(seconds_us).saturating_mul(share);
            // Rounded up: a pool that asks nothing would take every call.
            dividend.div_ceil((100 * HOUR_US * units.max(1)).saturating_mul(scale))
        };
        let memory = of_price(self.memory_share_percent.min(100), 1_000_000 * 1024, self.memory_mb.into());
        let cpu = of_price(100 - self.memory_share_percent.min(100), 1000 * 1000, self.vcpu_milli.into());
        Rates { gib_second: money(memory), cpu_ms: money(cpu) }
    }

    /// The rule as it is published with every offer.
    #[must_use]
    pub fn to_json(self) -> Value {
        let (floor, ceiling) = (self.rates(0), self.rates(LEVELS));
        let rates =
            |rates: Rates| json!({ "gib_second": rates.gib_second.to_string(), "cpu_ms": rates.cpu_ms.to_string() });
        json!({
            "rule": "utilisation",
            "formula": "rate = floor + (ceiling - floor) * level^2 / levels^2; level = 0 up to the knee, then rising \
                        in equal steps to levels when every slot is busy; one level at a time, not before step_ms",
            "levels": LEVELS,
            "knee_percent": self.knee_percent,
            "step_ms": self.step.millis_ceil(),
            "floor": rates(floor),
            "ceiling": rates(ceiling),
        })
    }

    /// The price sheet whose rates the offers replace, as the exchange reads it.
    #[must_use]
    pub fn to_sheet(self, venue: &str, day: &str) -> String {
        let Rates { gib_second, cpu_ms } = self.rates(0);
        format!(
            "name = \"{venue}/own\"\ncurrency = \"USD\"\nsource = \"own\"\n\
             notes = [\"the floor of the pool's price rule; its offers replace the rates\"]\n\
             rule = {{ granularity_us = 1, cpu_granularity_us = 1, init = \"billed\", max_init_us = 900_000_000, max_reply_mb = 1024, \
             memory = {{ basis = \"observed\", min_mb = 1, max_mb = 1_048_576, step_mb = 1, between = \"round-up\" }} }}\n\
             lines = [\n  {{ meter = \"gib_second\", rate = \"{gib_second}\" }},\n  \
             {{ meter = \"cpu_ms\", rate = \"{cpu_ms}\" }},\n]\n\n\
             [sources.own]\ntitle = \"{} dollars an hour for {} MB and {} thousandths of a vCPU, by the pool's own \
             configuration\"\nretrieved = \"{day}\"\n",
            self.machine_per_hour, self.memory_mb, self.vcpu_milli
        )
    }
}

fn money(pico: u128) -> Money {
    Money::from_pico(i128::try_from(pico).unwrap_or(i128::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule() -> PriceRule {
        PriceRule {
            machine_per_hour: "0.36".parse().expect("money"),
            memory_mb: 2048,
            vcpu_milli: 2000,
            memory_share_percent: 50,
            floor_percent: 100,
            ceiling_percent: 300,
            knee_percent: 50,
            step: Micros::from_secs(1),
        }
    }

    #[test]
    fn a_machine_that_is_used_in_full_earns_its_price_at_the_floor() {
        // 0.36 dollars an hour are 0.0001 a second, half of it for 2 GiB and half for 2,000 CPU-milliseconds.
        let Rates { gib_second, cpu_ms } = rule().rates(0);
        assert_eq!((gib_second.to_string(), cpu_ms.to_string()), ("0.000025".to_owned(), "0.000000025".to_owned()));
        let second = gib_second.pico() * 2 + cpu_ms.pico() * 2000;
        assert_eq!(second * 3600, rule().machine_per_hour.pico());
    }

    #[test]
    fn the_price_rises_slowly_first_and_to_the_ceiling_when_full() {
        let levels: Vec<u32> = (0..=10).map(|busy| rule().target(busy, 10)).collect();
        assert_eq!(levels, [0, 0, 0, 0, 0, 0, 2, 4, 6, 8, 10]);
        let rates: Vec<i128> = (0..=LEVELS).map(|level| rule().rates(level).cpu_ms.pico()).collect();
        assert_eq!(rates[..3], [25_000, 25_500, 27_000]);
        assert_eq!(rates[10], 75_000);
        assert_eq!(rule().target(6, 11), 1, "a part of a step is a step");
        assert_eq!(rule().target(0, 0), LEVELS, "no slots, nothing to sell");
    }

    #[test]
    fn the_rule_is_published_whole() {
        let published = rule().to_json();
        assert_eq!(published["floor"]["gib_second"], "0.000025");
        assert_eq!(published["ceiling"]["gib_second"], "0.000075");
        assert_eq!((&published["levels"], &published["knee_percent"]), (&json!(10), &json!(50)));
    }

    fn rules() -> impl Strategy<Value = PriceRule> {
        (1_i64..1_000_000_000, 1_u64..10_000_000, 1_u32..1_000_000, 0_u32..=100, 1_u32..1000, 0_u32..1000, 0_u32..100)
            .prop_map(|(price, memory_mb, vcpu_milli, memory_share_percent, floor_percent, rise, knee_percent)| {
                PriceRule {
                    machine_per_hour: Money::from_pico(i128::from(price) * 1_000_000),
                    memory_mb,
                    vcpu_milli,
                    memory_share_percent,
                    floor_percent,
                    ceiling_percent: floor_percent + rise,
                    knee_percent,
                    step: Micros::from_secs(1),
                }
            })
    }

    proptest! {
        #[test]
        fn a_busier_pool_is_never_cheaper(rule in rules(), slots in 0_u32..10_000, a in 0_u32..10_000, b in 0_u32..10_000) {
            let (less, more) = (a.min(b), a.max(b));
            let (less, more) = (rule.target(less, slots), rule.target(more, slots));
            prop_assert!(less <= more && more <= LEVELS);
            let (cheap, dear) = (rule.rates(less), rule.rates(more));
            prop_assert!(cheap.gib_second <= dear.gib_second && cheap.cpu_ms <= dear.cpu_ms);
        }

        #[test]
        fn a_rate_stays_between_floor_and_ceiling(rule in rules(), level in 0_u32..100) {
            let (floor, rate, ceiling) = (rule.rates(0), rule.rates(level), rule.rates(LEVELS));
            prop_assert!(floor.gib_second <= rate.gib_second && rate.gib_second <= ceiling.gib_second);
            prop_assert!(floor.cpu_ms <= rate.cpu_ms && rate.cpu_ms <= ceiling.cpu_ms);
            // To within the picodollar that rounding up makes.
            let most = floor.cpu_ms.pico() * i128::from(rule.ceiling_percent);
            prop_assert!(ceiling.cpu_ms.pico() * i128::from(rule.floor_percent) <= most + 1000);
        }

        #[test]
        fn one_step_is_one_level(level in 0_u32..=LEVELS, busy in 0_u32..100, slots in 0_u32..100) {
            let target = rule().target(busy, slots);
            let next = PriceRule::step(level, target);
            prop_assert!(next.abs_diff(level) <= 1);
            prop_assert!(next.abs_diff(target) <= level.abs_diff(target));
        }

        #[test]
        fn nothing_is_ever_free(rule in rules(), level in 0_u32..=LEVELS) {
            let rates = rule.rates(level);
            prop_assert!(rule.memory_share_percent == 0 || rates.gib_second > Money::ZERO);
            prop_assert!(rule.memory_share_percent == 100 || rates.cpu_ms > Money::ZERO);
        }
    }
}
