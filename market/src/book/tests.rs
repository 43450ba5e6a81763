//! The book's rules, told as stories on a small market. [`Town`] is the stage.

mod exclusions;
mod health;
mod ramp;

use std::sync::Arc;

use merit_units::{Micros, Timestamp};

use crate::tests::Placed;
use crate::{
    Architecture, Ask, Basis, Book, Config, Isolation, NoPick, Observation, Pick, RegionIndex, Slot, Terms,
    TooManyAsks, VenueIndex, VenueSet, VenueSlots,
};

/// A function with deployments at as many venues, and a clock.
struct Town {
    config: Config,
    now: Timestamp,
    book: Book,
    draws: u64,
}

impl Town {
    /// One deployment for each cost, without exploration.
    fn with_costs(costs: &[i64]) -> Self {
        Self::new(Config { exploration_ppm: 0, ..Config::default() }, costs.iter().enumerate().map(ask).collect())
    }

    fn new(config: Config, asks: Vec<Placed>) -> Self {
        let now = Timestamp::from_micros(1_763_719_200_000_000);
        let (slots, asks) = Placed::apart(asks, None);
        let book = Book::build(None, slots, asks, now, &config).expect("few asks");
        Self { config, now, book, draws: 0 }
    }

    fn pass(&mut self, time: Micros) {
        self.now += time;
    }

    /// Builds the next book after a change of the asks.
    fn change(&mut self, change: impl FnOnce(&mut Vec<Placed>)) {
        let mut asks = Placed::of(&self.book);
        change(&mut asks);
        let (slots, asks) = Placed::apart(asks, Some(&self.book));
        self.book = Book::build(Some(&self.book), slots, asks, self.now, &self.config).expect("few asks");
    }

    fn reprice(&mut self, row: usize, cost: i64) {
        self.change(|asks| asks[row].cost_pico = cost);
    }

    fn decide(&mut self, terms: &Terms) -> Result<Pick, NoPick> {
        self.draws += 1;
        self.book.decide(terms, self.now, self.draws)
    }

    fn call(&mut self) -> Pick {
        self.decide(&Terms::default()).expect("a place for the call")
    }

    /// How many of 10,000 calls each row gets, each given back at once.
    fn spread(&mut self, terms: &Terms) -> Vec<u32> {
        let mut calls = vec![0; self.book.asks().len()];
        for _ in 0..10_000 {
            calls[self.decide(terms).expect("a place for the call").row] += 1;
        }
        calls
    }

    /// The exact share of traffic without special terms that would go to each row first, in ppm.
    fn shares_ppm(&self) -> Vec<u32> {
        let mut shares = vec![0; self.book.asks().len()];
        for (share, view) in self.book.views_at(self.now) {
            shares[view[0].0] += share;
        }
        shares
    }

    fn slot(&self, row: usize) -> &Arc<Slot> {
        &self.book.slots()[row]
    }

    fn observe(&self, row: usize, observation: Observation) {
        self.slot(row).observe(observation, self.now, &self.config);
    }

    fn eject(&self, row: usize) {
        for _ in 0..self.config.eject_consecutive_failures {
            self.observe(row, Observation::Failed);
        }
    }
}

/// A deployment at a venue of its own, in a region and class by its row.
fn ask((row, &cost_pico): (usize, &i64)) -> Placed {
    let number = u8::try_from(row).expect("few rows");
    let slot = Arc::new(Slot::new(100, Arc::new(VenueSlots::new(u32::MAX))));
    let ask = Ask {
        venue: VenueIndex::new(number),
        region: RegionIndex::new(number),
        isolation: Isolation::EACH[row % 5],
        architecture: Architecture::X86_64,
        cost_pico,
        ceiling_pico: cost_pico * 10,
        latency_p50: Micros::from_millis(50),
        latency_p95: Micros::from_millis(100),
        fail_ppm: 0,
        retry_pico: 0,
        retry_delay: Micros::ZERO,
        basis: Basis::Measured,
        samples: 1_000_000,
        ineligible: None,
    };
    Placed { slot, ask }
}

/// Terms without the venues of these rows.
fn without(rows: &[u8]) -> Terms {
    let venues = rows.iter().fold(VenueSet::ALL, |venues, &row| venues.without(VenueIndex::new(row)));
    Terms { venues, ..Terms::default() }
}

#[test]
fn the_cheapest_comes_first_then_the_next() {
    let mut town = Town::with_costs(&[300, 100, 200]);
    assert_eq!(town.book.merit_order().collect::<Vec<_>>(), [1, 2, 0]);
    let mut terms = Terms::default();
    for row in [1, 2, 0] {
        let pick = town.decide(&terms).unwrap();
        assert_eq!((pick.row, pick.explored, pick.probe, pick.least_bad), (row, false, false, false));
        terms.mark_tried(row);
        assert!(terms.has_tried(row));
    }
    assert_eq!(town.decide(&terms).unwrap_err(), NoPick::AllTried);
}

#[test]
fn a_full_deployment_passes_calls_on_and_gets_them_back() {
    let mut town = Town::with_costs(&[100, 200]);
    town.slot(0).set_concurrency(2);
    let picks = [town.call(), town.call(), town.call()];
    assert_eq!(picks.each_ref().map(|pick| pick.row), [0, 0, 1]);
    drop(picks);
    assert_eq!(town.call().row, 0);
    assert!((0..2).all(|row| town.slot(row).room().in_flight == 0));
}

#[test]
fn a_second_of_waiting_has_its_price() {
    let mut town = Town::with_costs(&[1_000_000, 1_500_000]);
    town.change(|asks| asks[0].latency_p50 = Micros::from_millis(550));
    // Half a second slower for half a million picodollars less: even at a million a second.
    for (value_of_time_pico_per_s, row) in [(0, 0), (999_990, 0), (1_000_010, 1), (i64::MAX, 1), (-5, 0)] {
        town.pass(Micros::from_secs(5));
        let terms = Terms { value_of_time_pico_per_s, ..Terms::default() };
        assert_eq!(town.decide(&terms).unwrap().row, row, "at {value_of_time_pico_per_s}");
    }
}

#[test]
fn the_score_is_charge_and_time_and_the_risk_of_both() {
    let mut ask = ask((0, &1_000));
    (ask.latency_p50, ask.fail_ppm) = (Micros::from_millis(200), 250_000);
    (ask.retry_pico, ask.retry_delay) = (400, Micros::from_secs(2));
    assert_eq!(ask.score_pico(0), 1_000 + 400 / 4);
    // A fifth of a second, and a quarter of two seconds.
    assert_eq!(ask.score_pico(10_000), 1_100 + 10_000 * 7 / 10);
    assert_eq!(ask.score_pico(-1), 1_100);
    (ask.cost_pico, ask.retry_pico, ask.latency_p50) = (i64::MAX, i64::MAX, Micros::MAX);
    assert!(ask.score_pico(i64::MAX) > 0, "extremes must saturate");
}

#[test]
fn one_call_in_a_hundred_explores_within_the_terms() {
    let asks = [100, 100, 100, 100].iter().enumerate().map(ask).collect();
    let mut town = Town::new(Config::default(), asks);
    let terms = without(&[3]);
    let mut explored = [0; 4];
    for _ in 0..100_000 {
        let pick = town.decide(&terms).unwrap();
        assert_eq!(pick.explored, pick.row != 0);
        explored[pick.row] += u32::from(pick.explored);
    }
    assert!((850..1_150).contains(&(explored[1] + explored[2])), "{explored:?}");
    assert!(explored[1].abs_diff(explored[2]) < 130, "equally well known, so equally often: {explored:?}");
    let retry = Terms { tried: 0b1000, ..terms };
    assert_eq!(town.spread(&retry), [10_000, 0, 0, 0], "a retry is no time for experiments");
}

#[test]
fn exploration_costs_no_more_than_its_share_of_the_money() {
    let config = Config { exploration_ppm: 200_000, ..Config::default() };
    let spread = |costs: [i64; 2]| Town::new(config.clone(), costs.iter().enumerate().map(ask).collect());
    let explored = |costs| spread(costs).spread(&Terms::default())[1];
    assert!(explored([100, 100]).abs_diff(2_000) < 150);
    assert!(explored([100, 1_000]).abs_diff(200) < 50, "ten times as dear, a tenth as often");
    assert!(explored([1, 1_000_000]).abs_diff(31) < 20, "a 64th, however dear");
    assert!(explored([0, 1_000]).abs_diff(31) < 20, "also beside one that is free");
}

#[test]
fn exploration_prefers_what_little_is_known_about() {
    let config = Config { exploration_ppm: 1_000_000, ..Config::default() };
    let mut town = Town::new(config, [100, 100, 100, 100].iter().enumerate().map(ask).collect());
    // Half known is not known: the sibling's samples do not count.
    town.change(|asks| (asks[2].basis, asks[3].samples) = (Basis::Borrowed, 64));
    let calls = town.spread(&Terms::default());
    assert_eq!(calls[0], 0);
    // One, sixteen and eight tickets of 25.
    assert!(
        calls[1].abs_diff(400) < 80 && calls[2].abs_diff(6_400) < 200 && calls[3].abs_diff(3_200) < 200,
        "{calls:?}"
    );
}

#[test]
fn exploration_leaves_the_only_eligible_ask_alone() {
    let config = Config { exploration_ppm: 1_000_000, ..Config::default() };
    let mut town = Town::new(config, [100, 200].iter().enumerate().map(ask).collect());
    let pick = town.decide(&without(&[1])).unwrap();
    assert_eq!((pick.row, pick.explored), (0, false));
}

#[test]
fn a_book_has_at_most_128_asks() {
    let costs: Vec<i64> = (1..=129).collect();
    let asks: Vec<Placed> = costs.iter().enumerate().map(ask).collect();
    let config = Config::default();
    let (slots, some) = Placed::apart(asks[..128].to_vec(), None);
    let most = Book::build(None, slots, some, Timestamp::EPOCH, &config).unwrap();
    let mut terms = Terms::default();
    (0..127).for_each(|row| terms.mark_tried(row));
    assert_eq!(most.decide(&terms, Timestamp::EPOCH, 0).unwrap().row, 127);
    let (slots, asks) = Placed::apart(asks, None);
    assert_eq!(Book::build(None, slots, asks, Timestamp::EPOCH, &config).unwrap_err(), TooManyAsks(129));
}
