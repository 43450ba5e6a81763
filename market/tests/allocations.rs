//! Deciding allocates nothing, whatever way it takes through the book. A test of its own, because it counts what the whole
//! process allocates on its thread.

use std::sync::Arc;

use merit_market::{
    Architecture, Ask, Basis, Book, Config, Isolation, Observation, RegionIndex, Slot, Slots, Terms, VenueIndex,
    VenueSet, VenueSlots,
};
use merit_units::{Micros, Timestamp};

const NOW: Timestamp = Timestamp::from_micros(1_763_719_200_000_000);
/// Half way through a ramp of five seconds.
const IN_THE_RAMP: Timestamp = Timestamp::from_micros(1_763_719_202_500_000);

/// Deployments at 16 venues.
fn slots(count: usize) -> Slots {
    let venues: Vec<_> = (0..16).map(|_| Arc::new(VenueSlots::new(10_000))).collect();
    (0..count).map(|row| Arc::new(Slot::new(1_000, Arc::clone(&venues[row % 16])))).collect()
}

/// Their asks, ever dearer, not in merit order.
fn asks(count: usize) -> Vec<Ask> {
    let ask = |row: usize| {
        let number = u8::try_from(row % 16).expect("few venues");
        let rank = i64::try_from(row * 13 % count).expect("few rows");
        Ask {
            venue: VenueIndex::new(number),
            region: RegionIndex::new(number / 2),
            isolation: Isolation::Provider,
            architecture: Architecture::Arm64,
            cost_pico: 2_000_000 + rank * 100_000,
            ceiling_pico: 400_000_000,
            latency_p50: Micros::from_millis(90 - row as u64),
            latency_p95: Micros::from_millis(200),
            fail_ppm: 2_000,
            retry_pico: 2_500_000,
            retry_delay: Micros::from_millis(300),
            basis: Basis::Measured,
            samples: 5_000,
            ineligible: None,
        }
    };
    (0..count).map(ask).collect()
}

fn built(before: Option<&Book>, slots: Slots, asks: Vec<Ask>) -> Book {
    Book::build(before, slots, asks, NOW, &Config::default()).expect("few asks")
}

/// A book whose dearest ask has just become the cheapest.
fn ramping(before: &Book) -> Book {
    let mut asks = before.asks().to_vec();
    asks[before.merit_order().last().expect("some asks")].cost_pico = 1_000_000;
    built(Some(before), Arc::clone(before.slots()), asks)
}

/// A book all of whose deployments have failed too often.
fn sick(count: usize) -> Book {
    let (book, config) = (built(None, slots(count), asks(count)), Config::default());
    for slot in book.slots().iter() {
        for _ in 0..config.eject_consecutive_failures {
            slot.observe(Observation::Failed, NOW, &config);
        }
    }
    book
}

/// Terms with each kind of limit, of which the venues exclude the two cheapest asks.
fn terms(book: &Book, value_of_time_pico_per_s: i64) -> Terms {
    let cheapest = book.merit_order().take(2).map(|row| book.asks()[row].venue);
    Terms {
        venues: cheapest.fold(VenueSet::ALL, VenueSet::without),
        max_cost_pico: Some(9_000_000),
        max_latency_p95: Some(Micros::from_millis(500)),
        value_of_time_pico_per_s,
        ..Terms::default()
    }
}

#[test]
fn deciding_allocates_nothing() {
    for count in [8, 32] {
        let calm = built(None, slots(count), asks(count));
        let (ramping, sick) = (ramping(&calm), sick(count));
        let tried = calm.merit_order().take(count - 1).fold(0, |tried, row| tried | 1 << row);
        let hurried = terms(&calm, 10_000_000_000);
        let cases = [
            ("cheapest", &calm, terms(&calm, 0), NOW),
            ("with a value of time", &calm, hurried, NOW),
            ("in a ramp", &ramping, hurried, IN_THE_RAMP),
            ("the dearest", &calm, Terms { tried, ..Terms::default() }, NOW),
            ("the least bad", &sick, Terms::default(), NOW),
        ];
        for (name, book, terms, now) in cases {
            let counted = allocation_counter::measure(|| {
                for draw in 0..10_000 {
                    drop(book.decide(&terms, now, draw).expect("a place"));
                }
            });
            assert_eq!(counted.count_total, 0, "deciding ({name}, {count} asks) allocates");
        }
    }
    let some = allocation_counter::measure(|| drop(std::hint::black_box(vec![1_u8])));
    assert_eq!(some.count_total, 1, "allocations are counted");
}
