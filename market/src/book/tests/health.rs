//! Sick deployments: ejection, probation, recovery, and the least bad one.

use merit_units::Micros;

use super::{Town, without};
use crate::{HealthState, NoPick, Observation, Terms};

const SECOND: Micros = Micros::from_secs(1);

impl Town {
    fn health(&self, row: usize) -> HealthState {
        self.slot(row).health(self.now, &self.config)
    }

    fn advance_to_probation(&mut self, row: usize) {
        let HealthState::Ejected { until } = self.health(row) else { panic!("{:?}", self.health(row)) };
        self.now = until;
        assert_eq!(self.health(row), HealthState::Probation);
    }

    /// Calls the probation allows until it is over, all of which succeed.
    fn pass_probation(&mut self, row: usize) {
        for _ in 0..self.config.probation_successes {
            let pick = self.call();
            assert!(pick.row == row && pick.probe, "{pick:?}");
            pick.reservation.observe(Observation::Ok, self.now, &self.config);
            self.pass(self.config.probation_interval);
        }
    }
}

#[test]
fn a_failing_deployment_is_ejected_put_on_probation_and_taken_back() {
    let mut town = Town::with_costs(&[100, 200]);
    for failure in 1..=5 {
        assert_eq!(town.call().row, 0, "before failure {failure}");
        town.observe(0, Observation::Failed);
    }
    assert_eq!(town.health(0), HealthState::Ejected { until: town.now + SECOND });
    assert_eq!(town.spread(&Terms::default()), [0, 10_000]);

    town.advance_to_probation(0);
    assert_eq!(town.spread(&Terms::default()), [1, 9_999], "one call, then the trickle's pause");
    town.pass(Micros::from_millis(199));
    assert_eq!(town.spread(&Terms::default()), [0, 10_000]);
    town.pass(Micros::from_millis(1));
    town.pass_probation(0);

    // The last pause of the trickle, 200 ms, has passed since: 4 % of the ramp.
    let since = town.now - town.config.probation_interval;
    assert_eq!(town.health(0), HealthState::Recovering { since });
    assert!(town.spread(&Terms::default())[0].abs_diff(400) < 100);
    town.pass(Micros::from_millis(800));
    assert!(town.spread(&Terms::default())[0].abs_diff(2_000) < 250);
    town.pass(Micros::from_secs(4));
    assert_eq!(town.health(0), HealthState::Healthy);
    assert_eq!(town.spread(&Terms::default()), [10_000, 0]);
}

#[test]
fn a_recovering_deployment_is_still_better_than_a_refusal() {
    let mut town = Town::with_costs(&[100, 200]);
    town.eject(0);
    town.advance_to_probation(0);
    town.pass_probation(0);
    assert_eq!(town.spread(&without(&[1])), [10_000, 0]);
    town.slot(1).set_concurrency(0);
    let pick = town.call();
    assert!(pick.row == 0 && !pick.least_bad);
}

#[test]
fn fast_failures_attract_no_traffic() {
    // The cheapest fails each call at once, for a minute of ten thousand calls a second; the
    // other one has little room and is full half of the time.
    let mut town = Town::with_costs(&[100, 200]);
    town.slot(1).set_concurrency(5);
    let (mut failed, mut refused, mut slow) = (0, 0, Vec::new());
    for call in 0..600_000 {
        town.pass(Micros::new(100));
        if call % 10 == 0 {
            slow.clear();
        }
        match town.decide(&Terms::default()) {
            Ok(pick) if pick.row == 0 => {
                pick.reservation.observe(Observation::Failed, town.now, &town.config);
                failed += 1;
            }
            Ok(pick) => {
                pick.reservation.observe(Observation::Ok, town.now, &town.config);
                slow.push(pick);
            }
            Err(refusal) => {
                assert_eq!(refusal, NoPick::AtCapacity);
                refused += 1;
            }
        }
    }
    assert!(refused > 200_000, "the other one was hardly full: {refused}");
    // Five to begin with, then one probe for each doubling from 1 s to 32 s.
    assert_eq!(failed, 10);
}

#[test]
fn the_least_bad_serves_when_everything_is_ejected_and_says_so() {
    let mut town = Town::with_costs(&[100, 200, 300]);
    for row in [1, 0, 2] {
        town.eject(row);
        town.pass(Micros::from_millis(100));
    }
    let pick = town.call();
    assert!(pick.least_bad && pick.row == 1, "its ejection ends soonest: {pick:?}");
    assert_eq!(town.decide(&without(&[1])).unwrap().row, 0, "never against the terms");

    // Probation is better than ejection, and a due call of the trickle is no last resort.
    town.advance_to_probation(1);
    let (due, beyond) = (town.call(), town.call());
    assert!(due.row == 1 && due.probe && !due.least_bad, "{due:?}");
    assert!(beyond.row == 1 && !beyond.probe && beyond.least_bad, "{beyond:?}");

    town.slot(1).set_concurrency(0);
    assert_eq!(town.call().row, 0, "room is needed in any case");
    (0..3).for_each(|row| town.slot(row).set_concurrency(0));
    assert_eq!(town.decide(&Terms::default()).unwrap_err(), NoPick::AtCapacity);
}

#[test]
fn a_full_healthy_deployment_sends_no_overflow_to_ejected_ones() {
    let mut town = Town::with_costs(&[100, 200]);
    town.slot(0).set_concurrency(1);
    town.eject(1);
    let held = town.call();
    assert_eq!(town.decide(&Terms::default()).unwrap_err(), NoPick::AtCapacity);
    // A retry may not go back, and for it the sick one is all there is.
    let retry = Terms { tried: 1, ..Terms::default() };
    assert!(town.decide(&retry).unwrap().least_bad);
    drop(held);
    assert_eq!(town.call().row, 0);
}

#[test]
fn what_the_last_resort_achieves_does_not_shorten_the_ejection() {
    let mut town = Town::with_costs(&[100]);
    town.eject(0);
    let ejected = town.health(0);
    for _ in 0..10 {
        town.call().reservation.observe(Observation::Ok, town.now, &town.config);
    }
    assert_eq!(town.health(0), ejected);
}

#[test]
fn exploration_may_be_a_probe_but_never_goes_to_the_ejected() {
    let mut town = Town::with_costs(&[100, 100, 100]);
    town.config.exploration_ppm = 1_000_000;
    town.change(|_| {});
    town.eject(2);
    assert_eq!(town.spread(&Terms::default()), [0, 10_000, 0]);
    town.advance_to_probation(2);
    let calls = town.spread(&Terms::default());
    assert_eq!((calls[0], calls[2]), (0, 1), "{calls:?}");
}
