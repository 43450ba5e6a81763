//! What a decision costs: picking an ask of a book, taking a place there, giving it back.
//!
//! The same calls go to the naive market in the same run, as the baseline. That deciding allocates
//! nothing is a test of `merit-market`.
//! `cargo bench -p merit-benches --bench decide`; figures to stay under: 300 ns with 8 asks,
//! 1 us with 32, 1.5 us to build a book of 8, 2 ms of CPU for a price change in 1,000 books.
//!
//! Known limitation: all state is warm in the cache, except for the thousand books.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arc_swap::ArcSwap;
use divan::Bencher;
use merit_load::report;
use merit_market::naive::NaiveBook;
use merit_market::{
    Architecture, Ask, Basis, Book, Config, Isolation, RegionIndex, Slot, Slots, Terms, VenueIndex, VenueSet,
    VenueSlots,
};
use merit_units::{Micros, Timestamp};

const NOW: Timestamp = Timestamp::from_micros(1_763_719_200_000_000);
/// Half way through a ramp of five seconds.
const IN_THE_RAMP: Timestamp = Timestamp::from_micros(1_763_719_202_500_000);
const SIZES: [usize; 2] = [8, 32];

fn main() {
    report::conditions(
        "deciding; one thread, warm but for the thousand books; goals: 8 asks 300 ns, 32 asks 1 us, a price change in 1,000 books 2 ms; \
         the baseline is the naive market",
    );
    divan::main();
}

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
            architecture: if row.is_multiple_of(2) { Architecture::X86_64 } else { Architecture::Arm64 },
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

/// Terms that leave the dearest ask only: the longest way through the book.
fn dearest_only(book: &Book) -> Terms {
    let tried = book.merit_order().take(book.asks().len() - 1).fold(0, |tried, row| tried | 1 << row);
    Terms { tried, ..Terms::default() }
}

/// A cent a second.
const HURRIED: i64 = 10_000_000_000;

fn book(count: usize) -> Book {
    Book::build(None, slots(count), asks(count), NOW, &Config::default()).expect("few asks")
}

/// The next book of the same deployments.
fn next(before: &Book, asks: Vec<Ask>, now: Timestamp) -> Book {
    Book::build(Some(before), Arc::clone(before.slots()), asks, now, &Config::default()).expect("few asks")
}

/// A book whose dearest ask has just become the cheapest.
fn ramping_book(count: usize) -> Book {
    let before = book(count);
    let mut asks = before.asks().to_vec();
    asks[before.merit_order().last().expect("some asks")].cost_pico = 1_000_000;
    next(&before, asks, NOW)
}

fn naive(fast: &Book) -> NaiveBook {
    let mut book = NaiveBook::new(Config::default());
    for slot in fast.slots().iter() {
        book.set_venue_concurrency(slot.venue(), 10_000);
        book.set_concurrency(slot, 1_000);
    }
    book.build(fast.slots().to_vec(), fast.asks().to_vec(), NOW);
    book
}

fn decide_and_release(book: &Book, terms: &Terms, now: Timestamp, draw: u64) {
    drop(black_box(book.decide(black_box(terms), now, draw)).expect("a place"));
}

fn measure(bencher: Bencher<'_, '_>, book: &Book, terms: &Terms, now: Timestamp) {
    let mut draw = 0;
    bencher.bench_local(|| {
        draw += 1;
        decide_and_release(book, terms, now, draw);
    });
}

fn measure_naive(bencher: Bencher<'_, '_>, book: &Book, terms: &Terms) {
    let mut naive = naive(book);
    let mut draw = 0;
    bencher.bench_local(|| {
        draw += 1;
        let pick = naive.decide(black_box(terms), NOW, draw).expect("a place");
        let pick = black_box(pick);
        naive.release(&book.slots()[pick.row], pick.taken, None);
    });
}

#[divan::bench_group]
mod decide {
    use super::*;

    #[divan::bench(args = SIZES)]
    fn cheapest(bencher: Bencher<'_, '_>, count: usize) {
        let book = book(count);
        measure(bencher, &book, &terms(&book, 0), NOW);
    }

    #[divan::bench(args = SIZES)]
    fn with_value_of_time(bencher: Bencher<'_, '_>, count: usize) {
        let book = book(count);
        measure(bencher, &book, &terms(&book, HURRIED), NOW);
    }

    #[divan::bench(args = SIZES)]
    fn in_a_ramp(bencher: Bencher<'_, '_>, count: usize) {
        let book = ramping_book(count);
        measure(bencher, &book, &terms(&book, 0), IN_THE_RAMP);
    }

    #[divan::bench(args = SIZES)]
    fn in_a_ramp_with_value_of_time(bencher: Bencher<'_, '_>, count: usize) {
        let book = ramping_book(count);
        measure(bencher, &book, &terms(&book, HURRIED), IN_THE_RAMP);
    }

    #[divan::bench(args = SIZES)]
    fn only_the_dearest_will_do(bencher: Bencher<'_, '_>, count: usize) {
        let book = book(count);
        measure(bencher, &book, &dearest_only(&book), NOW);
    }

    #[divan::bench(args = SIZES)]
    fn everything_is_ejected(bencher: Bencher<'_, '_>, count: usize) {
        let book = book(count);
        eject_all(&book);
        measure(bencher, &book, &Terms::default(), NOW);
    }
}

#[divan::bench_group]
mod naive_baseline {
    use super::*;

    #[divan::bench(args = SIZES)]
    fn cheapest(bencher: Bencher<'_, '_>, count: usize) {
        let book = book(count);
        measure_naive(bencher, &book, &terms(&book, 0));
    }

    #[divan::bench(args = SIZES)]
    fn with_value_of_time(bencher: Bencher<'_, '_>, count: usize) {
        let book = book(count);
        measure_naive(bencher, &book, &terms(&book, HURRIED));
    }
}

/// Each thread loads the current book anew for each call, as the broker does, while all
/// calls go to the same deployment: the worst case for the counters they share.
#[divan::bench(threads = [1, 2], args = SIZES)]
fn load_and_decide(bencher: Bencher<'_, '_>, count: usize) {
    let book = book(count);
    let terms = terms(&book, 0);
    let current = ArcSwap::from_pointee(book);
    let draws = AtomicU64::new(0);
    bencher.with_inputs(|| draws.fetch_add(1, Relaxed)).bench_values(|draw| {
        decide_and_release(&current.load(), &terms, NOW, draw);
    });
}

#[divan::bench_group]
mod build {
    use super::*;

    fn change(count: usize, cost_pico: fn(&Book, usize) -> i64, bencher: Bencher<'_, '_>) {
        let book = book(count);
        let row = book.merit_order().next().expect("some asks");
        let changed = || {
            let mut asks = book.asks().to_vec();
            asks[row].cost_pico = cost_pico(&book, row);
            asks
        };
        let later = NOW + Micros::from_secs(60);
        bencher.with_inputs(changed).bench_values(|asks| next(&book, asks, later));
    }

    #[divan::bench(args = SIZES)]
    fn that_keeps_the_order(bencher: Bencher<'_, '_>, count: usize) {
        change(count, |book, row| book.asks()[row].cost_pico + 1_000, bencher);
    }

    #[divan::bench(args = SIZES)]
    fn that_begins_a_ramp(bencher: Bencher<'_, '_>, count: usize) {
        change(count, |_, _| 9_000_000, bencher);
    }

    /// All of it: copying the asks, building, publishing, dropping the old book.
    #[divan::bench(sample_count = 200)]
    fn a_price_change_in_a_thousand_books(bencher: Bencher<'_, '_>) {
        let books: Vec<_> = (0..1_000).map(|_| ArcSwap::from_pointee(book(8))).collect();
        let mut dear = false;
        let mut now = NOW;
        bencher.bench_local(|| {
            dear = !dear;
            now += Micros::from_secs(10);
            for published in &books {
                let before = published.load();
                let mut asks = before.asks().to_vec();
                asks[0].cost_pico = if dear { 9_000_000 } else { 1_000_000 };
                let book = next(&before, asks, now);
                published.store(Arc::new(book));
            }
        });
    }
}

fn eject_all(book: &Book) {
    let config = Config::default();
    for slot in book.slots().iter() {
        for _ in 0..config.eject_consecutive_failures {
            slot.observe(merit_market::Observation::Failed, NOW, &config);
        }
    }
}
