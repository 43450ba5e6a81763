//! What a slot learns from results, told on one or two deployments.

use std::sync::Arc;
use std::thread;

use merit_units::{Micros, Timestamp};

use super::{HealthState, Observation, Reservation, Slot, VenueSlots};
use crate::Config;

const START: Timestamp = Timestamp::from_micros(1_763_719_200_000_000);
const SECOND: Micros = Micros::from_secs(1);
const THROTTLED: Observation = Observation::Throttled { retry_after: None };

/// One deployment and a clock.
struct Stage {
    slot: Arc<Slot>,
    now: Timestamp,
    config: Config,
}

impl Stage {
    fn with_concurrency(concurrency: u32) -> Self {
        let venue = Arc::new(VenueSlots::new(u32::MAX));
        Self { slot: Arc::new(Slot::new(concurrency, venue)), now: START, config: Config::default() }
    }

    fn pass(&mut self, time: Micros) {
        self.now += time;
    }

    fn observe(&self, observation: Observation) {
        self.slot.observe(observation, self.now, &self.config);
    }

    fn observe_each(&self, observations: &[Observation]) {
        observations.iter().for_each(|&observation| self.observe(observation));
    }

    fn begin(&self, calls: usize) -> Vec<Reservation> {
        (0..calls).map(|_| self.slot.reserve(self.now, 0).expect("room")).collect()
    }

    fn end(&self, calls: Vec<Reservation>, observation: Observation) {
        for call in calls {
            call.observe(observation, self.now, &self.config);
        }
    }

    fn health(&self) -> HealthState {
        self.slot.health(self.now, &self.config)
    }

    fn cap(&self) -> u32 {
        self.slot.room().cap
    }

    /// Fails until it is ejected, and returns for how long.
    fn eject(&self) -> Micros {
        while !matches!(self.health(), HealthState::Ejected { .. }) {
            self.observe(Observation::Failed);
        }
        let HealthState::Ejected { until } = self.health() else { unreachable!() };
        until.since(self.now)
    }

    fn recover(&mut self) {
        let HealthState::Ejected { until } = self.health() else { panic!("not ejected") };
        self.now = until;
        self.observe_each(&[Observation::Ok; 3]);
        assert_eq!(self.health(), HealthState::Recovering { since: until });
    }
}

#[test]
fn failures_in_a_row_eject_and_a_success_between_them_does_not() {
    let stage = Stage::with_concurrency(9);
    for _ in 0..3 {
        stage.observe_each(&[Observation::Failed; 4]);
        stage.observe(Observation::Ok);
    }
    assert_eq!(stage.health(), HealthState::Healthy);
    stage.observe_each(&[Observation::Failed, Observation::Unknown, Observation::Failed, Observation::Unknown]);
    assert_eq!(stage.health(), HealthState::Healthy);
    stage.observe(Observation::Failed);
    assert_eq!(stage.health(), HealthState::Ejected { until: START + SECOND });
}

#[test]
fn the_guests_own_errors_and_throttling_are_no_failures() {
    let stage = Stage::with_concurrency(9);
    stage.observe_each(&[Observation::FunctionError; 100]);
    stage.observe_each(&[THROTTLED; 100]);
    assert_eq!((stage.health(), stage.slot.fail_ppm()), (HealthState::Healthy, 0));
    // Nor does throttling hide failures: it neither breaks the row nor counts into it.
    stage.observe_each(&[Observation::Failed, THROTTLED, Observation::Failed, THROTTLED]);
    stage.observe_each(&[Observation::Failed; 3]);
    assert!(matches!(stage.health(), HealthState::Ejected { .. }));
}

#[test]
fn half_of_twenty_failing_ejects_without_five_in_a_row() {
    let mut stage = Stage::with_concurrency(9);
    for _ in 0..9 {
        stage.observe_each(&[Observation::Ok, Observation::Failed]);
    }
    stage.observe(Observation::Ok);
    assert_eq!(stage.health(), HealthState::Healthy, "nineteen calls are too few to judge by");
    stage.observe(Observation::Failed);
    assert!(matches!(stage.health(), HealthState::Ejected { .. }));

    // The same failures spread over windows are halved away.
    stage = Stage::with_concurrency(9);
    for _ in 0..100 {
        stage.pass(Micros::from_secs(3));
        stage.observe_each(&[Observation::Ok, Observation::Failed]);
    }
    assert_eq!(stage.health(), HealthState::Healthy);
}

#[test]
fn each_ejection_is_twice_as_long_and_health_takes_doublings_back() {
    let mut stage = Stage::with_concurrency(9);
    let mut lengths = vec![stage.eject().get() / 1_000_000];
    for _ in 0..7 {
        stage.pass(Micros::from_secs(60));
        stage.observe(Observation::Failed);
        let HealthState::Ejected { until } = stage.health() else { panic!("a failed probe ejects") };
        lengths.push(until.since(stage.now).get() / 1_000_000);
    }
    assert_eq!(lengths, [1, 2, 4, 8, 16, 32, 60, 60]);
    stage.recover();
    stage.pass(Micros::from_secs(60 * 4));
    assert_eq!(stage.eject(), Micros::from_secs(16), "four minutes of health take back four of eight doublings");
    stage.recover();
    stage.pass(Micros::from_secs(60 * 60));
    assert_eq!(stage.eject(), SECOND);
}

#[test]
fn calls_begun_before_an_ejection_do_not_speak_about_what_came_after() {
    let mut stage = Stage::with_concurrency(100);
    let mut frozen = stage.begin(60);
    stage.pass(Micros::from_secs(30));
    let (first, rest) = (frozen.drain(..30).collect(), frozen);
    stage.end(first, Observation::Unknown);
    assert_eq!(stage.health(), HealthState::Ejected { until: stage.now + SECOND }, "one incident, one ejection");
    stage.pass(SECOND);
    stage.end(rest, Observation::Unknown);
    assert_eq!(stage.health(), HealthState::Probation);
    stage.observe_each(&[Observation::Ok; 3]);
    assert!(matches!(stage.health(), HealthState::Recovering { .. }));
}

#[test]
fn the_learned_probability_of_failure_follows_the_last_calls() {
    let stage = Stage::with_concurrency(9);
    for _ in 0..400 {
        stage.observe_each(&[Observation::Ok, Observation::Ok, Observation::Ok, Observation::Failed]);
    }
    assert!(stage.slot.fail_ppm().abs_diff(250_000) < 30_000, "{}", stage.slot.fail_ppm());
    stage.observe_each(&[Observation::Ok; 500]);
    assert_eq!(stage.slot.fail_ppm(), 0);
    stage.observe_each(&[Observation::Failed; 500]);
    assert!(stage.slot.fail_ppm() > 999_000);
}

#[test]
fn throttling_halves_the_cap_once_for_each_flight_of_calls() {
    let mut stage = Stage::with_concurrency(1_000);
    let mut calls = stage.begin(80);
    let late = calls.split_off(40);
    stage.pass(SECOND);
    stage.end(calls, THROTTLED);
    assert_eq!(stage.cap(), 40, "half of the eighty that were in flight");
    stage.end(late, THROTTLED);
    assert_eq!(stage.cap(), 40, "they were sent before the cap was known");
    stage.pass(SECOND);
    for cap in [20, 10, 5, 2, 1, 1] {
        stage.pass(SECOND);
        let calls = stage.begin(stage.cap() as usize);
        stage.pass(SECOND);
        stage.end(calls, THROTTLED);
        assert_eq!(stage.cap(), cap);
    }
    assert!(stage.slot.reserve(stage.now, 0).is_some(), "one call is always allowed");
}

#[test]
fn a_learned_cap_grows_slowly_while_it_is_used_and_is_forgotten_at_the_top() {
    let mut stage = Stage::with_concurrency(50);
    let calls = stage.begin(50);
    stage.pass(SECOND);
    stage.end(calls, THROTTLED);
    assert_eq!((stage.cap(), stage.slot.room().learned), (25, true));
    stage.pass(SECOND);
    stage.observe_each(&[Observation::Ok; 100]);
    assert_eq!(stage.cap(), 25, "nothing in flight: the cap was not put to the test");
    let mut seconds = 0;
    while stage.slot.room().learned {
        let calls = stage.begin(stage.cap() as usize);
        stage.end(calls, Observation::Ok);
        stage.pass(SECOND);
        seconds += 1;
        assert!(stage.cap() <= 25 + 2 * seconds, "{} after {seconds} s", stage.cap());
    }
    assert_eq!(stage.cap(), 50);
    assert!((15..=20).contains(&seconds), "{seconds} s: by a call a second at first, then by two");
}

#[test]
fn a_venue_asks_to_be_left_alone_and_is_within_reason() {
    let mut stage = Stage::with_concurrency(9);
    let retry_after = |secs| Observation::Throttled { retry_after: Some(Micros::from_secs(secs)) };
    stage.observe(retry_after(2));
    stage.observe(retry_after(1));
    assert_eq!(stage.slot.room().paused_until, stage.now + Micros::from_secs(2));
    assert!(stage.slot.no_room(stage.now, 0).is_some());
    stage.pass(Micros::from_secs(2));
    assert_eq!(stage.slot.no_room(stage.now, 0), None);
    stage.observe(retry_after(86_400));
    assert_eq!(stage.slot.room().paused_until, stage.now + Micros::from_secs(10));
}

#[test]
fn two_throttled_deployments_mean_that_their_venue_is_full() {
    let venue = Arc::new(VenueSlots::new(1_000));
    let [one, two] = [1_000, 1_000].map(|concurrency| {
        let slot = Arc::new(Slot::new(concurrency, Arc::clone(&venue)));
        Stage { slot, ..Stage::with_concurrency(0) }
    });
    let (ones, mut twos) = (one.begin(40), two.begin(60));
    let later = |stage: Stage, time| Stage { now: START + time, ..stage };
    let (one, two) = (later(one, SECOND), later(two, SECOND));
    one.end(ones, THROTTLED);
    assert_eq!((one.cap(), venue.room().cap), (20, 1_000), "one deployment's limit is its own");
    let last = twos.split_off(59);
    let two = later(two, Micros::from_secs(3));
    two.end(twos, THROTTLED);
    assert_eq!((two.cap(), venue.room().cap), (30, 1_000), "two seconds apart are two stories");
    one.observe(THROTTLED);
    drop(last);
    let two = later(two, Micros::from_millis(3_500));
    two.observe(THROTTLED);
    assert_eq!((venue.room().cap, venue.room().learned), (1, true));
    let mut two = later(two, Micros::from_secs(5));
    for cap in [2, 3, 4] {
        two.end(two.begin(1), Observation::Ok);
        two.pass(SECOND);
        assert_eq!(venue.room().cap, cap);
    }
    venue.set_concurrency(3);
    assert_eq!((venue.room().cap, venue.room().learned), (3, false));
}

#[test]
fn a_place_refused_by_the_venue_is_given_back_at_the_deployment() {
    let slot = Arc::new(Slot::new(5, Arc::new(VenueSlots::new(1))));
    let held = slot.reserve(START, 0).expect("the first");
    assert!(slot.reserve(START, 0).is_none());
    assert_eq!((slot.room().in_flight, slot.venue().room().in_flight), (1, 1));
    drop(held);
    assert_eq!((slot.room().in_flight, slot.venue().room().in_flight), (0, 0));
}

#[test]
fn threads_never_pass_the_cap_together_and_leak_nothing() {
    let venue = Arc::new(VenueSlots::new(7));
    let slots = [3, 100].map(|concurrency| Arc::new(Slot::new(concurrency, Arc::clone(&venue))));
    thread::scope(|scope| {
        for thread in 0..4 {
            let (slots, venue) = (&slots, &venue);
            scope.spawn(move || {
                for call in 0..50_000 {
                    let held: Vec<_> =
                        (0..3).filter_map(|n| slots[(thread + call + n) % 2].reserve(START, 0)).collect();
                    assert!(slots[0].room().in_flight <= 3 && venue.room().in_flight <= 7);
                    drop(held);
                }
            });
        }
    });
    assert!(slots.iter().all(|slot| slot.room().in_flight == 0) && venue.room().in_flight == 0);
}
