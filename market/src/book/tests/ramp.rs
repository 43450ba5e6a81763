//! No herd: a changed order takes over gradually, and small changes not at all.

use merit_units::Micros;

use super::{Town, ask, without};
use crate::{Config, Ineligible, Terms, VenueIndex, VenueSet};

const SECOND: Micros = Micros::from_secs(1);

/// Whether a count of 10,000 draws is what a share leads to; five standard deviations.
fn is_about(calls: u32, share_percent: u32) -> bool {
    calls.abs_diff(share_percent * 100) <= 250
}

#[test]
fn a_newly_best_ask_takes_over_a_fifth_of_the_traffic_each_second() {
    let mut town = Town::with_costs(&[100, 200]);
    town.reprice(1, 50);
    assert_eq!(town.spread(&Terms::default()), [10_000, 0], "nothing moves at once");
    for percent in [20, 40, 60, 80] {
        town.pass(SECOND);
        let calls = town.spread(&Terms::default());
        assert!(is_about(calls[1], percent), "{calls:?} at {percent} %");
        assert_eq!(town.book.newest_share_ppm(town.now), percent * 10_000);
    }
    town.pass(SECOND);
    assert_eq!(town.spread(&Terms::default()), [0, 10_000]);
}

#[test]
fn an_ask_that_grew_dearer_is_left_gradually_but_never_above_the_limit() {
    let mut town = Town::with_costs(&[100, 200]);
    town.reprice(0, 300);
    town.pass(SECOND);
    assert!(is_about(town.spread(&Terms::default())[1], 20));
    let limited = Terms { max_cost_pico: Some(250), ..Terms::default() };
    assert_eq!(town.spread(&limited), [0, 10_000], "terms are about prices as they are now");
}

#[test]
fn the_ramp_holds_for_calls_that_could_not_go_to_the_first_anyway() {
    let mut town = Town::with_costs(&[100, 300, 400]);
    town.reprice(2, 200);
    town.pass(SECOND);
    let calls = town.spread(&without(&[0]));
    assert!(is_about(calls[2], 20), "{calls:?}");
    assert_eq!(town.spread(&Terms::default())[0], 10_000);
}

#[test]
fn the_ramp_holds_for_calls_with_a_value_of_time() {
    let mut town = Town::with_costs(&[100, 100_000]);
    let hurried = Terms { value_of_time_pico_per_s: 1_000_000_000, ..Terms::default() };
    town.change(|asks| asks[1].latency_p50 = Micros::from_millis(10));
    assert_eq!(town.spread(&hurried), [10_000, 0]);
    town.pass(SECOND);
    assert!(is_about(town.spread(&hurried)[1], 20));
    assert_eq!(town.spread(&Terms::default()), [10_000, 0], "for the others nothing changed");
    town.pass(Micros::from_secs(4));
    assert_eq!(town.spread(&hurried), [0, 10_000]);
}

#[test]
fn a_new_deployment_joins_gradually_and_one_that_left_is_gone() {
    let mut town = Town::with_costs(&[100, 200]);
    let newcomer = ask((2, &50));
    town.change(|asks| asks.insert(0, newcomer));
    town.pass(SECOND);
    let calls = town.spread(&Terms::default());
    assert!(is_about(calls[0], 20) && calls[2] == 0, "{calls:?}");
    town.change(|asks| {
        asks.remove(1);
    });
    let calls = town.spread(&Terms::default());
    assert!(is_about(calls[0], 20) && is_about(calls[1], 80), "the rest stays as it stood: {calls:?}");
}

#[test]
fn an_ask_that_got_its_price_back_joins_gradually() {
    let mut town = Town::with_costs(&[100, 200]);
    town.change(|asks| asks[0].ineligible = Some(Ineligible::StalePrice));
    assert_eq!(town.spread(&Terms::default()), [0, 10_000], "a stale price excludes at once");
    town.pass(Micros::from_secs(10));
    town.change(|asks| asks[0].ineligible = None);
    assert_eq!(town.spread(&Terms::default()), [0, 10_000]);
    town.pass(SECOND);
    assert!(is_about(town.spread(&Terms::default())[0], 20));
}

#[test]
fn a_change_during_a_ramp_starts_its_own() {
    let mut town = Town::with_costs(&[100, 200, 300]);
    town.reprice(1, 90);
    town.pass(Micros::from_secs(2));
    town.reprice(2, 50);
    assert_eq!(town.shares_ppm(), [600_000, 400_000, 0]);
    town.pass(Micros::from_secs(2));
    assert_eq!(town.shares_ppm(), [200_000, 400_000, 400_000], "the oldest order is left first");
    town.pass(Micros::from_secs(2));
    assert_eq!(town.shares_ppm(), [0, 200_000, 800_000]);
}

#[test]
fn frequent_builds_without_a_change_of_order_do_not_slow_the_ramp() {
    let mut town = Town::with_costs(&[100, 200]);
    town.reprice(1, 50);
    for _ in 0..2_500 {
        town.pass(Micros::from_millis(1));
        town.change(|_| {});
    }
    assert_eq!(town.shares_ppm(), [500_000, 500_000]);
}

#[test]
fn no_ask_gains_more_than_the_ramp_allows_however_prices_jump() {
    let mut rng = fastrand::Rng::with_seed(7);
    // As many changes as there is room for views; then more, when shares are merged.
    for (pause_ms, merged_ppm) in [(750, 0), (40, 125_000)] {
        let mut town = Town::with_costs(&[100, 200, 300, 400, 500]);
        let mut before = town.shares_ppm();
        for _ in 0..2_000 {
            town.reprice(rng.usize(0..5), rng.i64(1..1_000));
            town.pass(Micros::from_millis(pause_ms));
            let after = town.shares_ppm();
            assert_eq!(after.iter().sum::<u32>(), 1_000_000);
            let allowed = u32::try_from(pause_ms * 200).unwrap() + merged_ppm;
            for (was, is) in before.iter().zip(&after) {
                assert!(*is <= was + allowed, "{before:?} became {after:?} in {pause_ms} ms");
            }
            before = after;
        }
    }
}

#[test]
fn an_advantage_under_two_percent_changes_nothing() {
    let mut town = Town::with_costs(&[100_000, 120_000]);
    for (cost, first) in [(98_001, 0), (99_999, 0), (98_000, 1), (101_000, 1), (102_040, 1), (102_041, 0)] {
        town.reprice(1, cost);
        assert_eq!(town.book.merit_order().next(), Some(first), "at {cost}");
        town.pass(Micros::from_secs(5));
    }
}

#[test]
fn many_small_steps_do_not_add_up_to_a_privilege() {
    let mut town = Town::with_costs(&[100_000, 100_000]);
    for step in 1..=30 {
        town.pass(SECOND);
        town.reprice(0, 100_000 + step * 100);
        let stays = town.book.merit_order().next() == Some(0);
        assert_eq!(stays, step <= 20, "after {step} steps of a thousandth");
    }
}

#[test]
fn free_calls_tie_and_stay_where_they_were() {
    let mut town = Town::with_costs(&[0, 0, 5]);
    assert_eq!(town.book.merit_order().collect::<Vec<_>>(), [0, 1, 2]);
    town.reprice(2, 0);
    assert_eq!(town.book.merit_order().collect::<Vec<_>>(), [0, 1, 2]);
    town.reprice(0, 1);
    assert_eq!(town.book.merit_order().collect::<Vec<_>>(), [1, 2, 0]);
}

#[test]
fn standing_first_is_worth_nothing_to_an_incumbent_that_cannot_serve() {
    // Held off by hysteresis from the first place, the second must not lose its own.
    for cannot_serve in ["ejected", "excluded by terms", "full", "stale"] {
        let mut town = Town::with_costs(&[100_000, 120_000, 120_000]);
        town.reprice(1, 99_000);
        town.reprice(2, 99_500);
        town.pass(Micros::from_secs(5));
        assert_eq!(town.call().row, 0);
        let terms = if cannot_serve == "excluded by terms" { without(&[0]) } else { Terms::default() };
        match cannot_serve {
            "ejected" => town.eject(0),
            "full" => town.slot(0).set_concurrency(0),
            "stale" => town.change(|asks| asks[0].ineligible = Some(Ineligible::StalePrice)),
            _ => {}
        }
        assert_eq!(town.spread(&terms), [0, 10_000, 0], "{cannot_serve}");
    }
}

#[test]
fn nobody_gains_more_than_the_margin_by_standing_first() {
    let mut rng = fastrand::Rng::with_seed(11);
    for _ in 0..2_000 {
        let costs: Vec<i64> = (0..8).map(|_| rng.i64(90_000..110_000)).collect();
        let mut town = Town::with_costs(&costs);
        for _ in 0..rng.u8(1..20) {
            town.reprice(rng.usize(0..8), rng.i64(90_000..110_000));
        }
        town.pass(Micros::from_secs(5));
        // Any set of rows may be left, for three different reasons.
        let (mut terms, mut left) = (Terms { venues: VenueSet::NONE, ..Terms::default() }, Vec::new());
        for row in 0..8_u8 {
            match rng.u8(0..6) {
                0 => continue,
                1 => town.slot(row.into()).set_concurrency(0),
                2 => town.eject(row.into()),
                _ => left.push(usize::from(row)),
            }
            terms.venues = terms.venues.with(VenueIndex::new(row));
        }
        let Some(cheapest) = left.iter().map(|&row| town.book.asks()[row].cost_pico).min() else { continue };
        let row = town.decide(&terms).unwrap().row;
        let paid = town.book.asks()[row].cost_pico;
        assert!(paid == cheapest || paid * 98 < cheapest * 100, "{paid} was paid where {cheapest} was asked");
    }
}

#[test]
fn where_no_call_could_go_before_the_order_holds_at_once() {
    let town = Town::new(Config::default(), vec![ask((0, &5))]);
    assert_eq!(town.book.newest_share_ppm(town.now), 1_000_000);

    // An empty book, or one without a single price, is no order to take over from.
    let mut town = Town::with_costs(&[]);
    town.change(|asks| asks.extend([-1, -1].iter().enumerate().map(ask)));
    town.change(|asks| {
        (asks[0].cost_pico, asks[1].cost_pico) = (100, 200);
        asks[1].latency_p50 = Micros::ZERO;
    });
    let hurried = Terms { value_of_time_pico_per_s: 1_000_000, ..Terms::default() };
    assert_eq!(town.spread(&Terms::default()), [10_000, 0]);
    assert_eq!(town.spread(&hurried), [0, 10_000]);
}
