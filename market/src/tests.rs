//! One contract suite over the fast market and the naive one.
//!
//! [`Market`] is what both can do; [`driver`] makes up a seeded stream of what happens to a
//! market and checks after every step that both decided alike, and every few steps that
//! their whole states are the same. What must hold for any market is checked as well,
//! so that both being wrong in the same way does not pass.

mod driver;
mod markets;
mod placed;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use merit_units::{Micros, Timestamp};

use self::driver::{Driver, Scenario};
pub(crate) use self::placed::Placed;
use crate::{Config, Exclusion, HealthState, NoPick, Observation, Room, Slot, Terms, WindowCaps};

/// What a market does. Slots and venues are named by their numbers, calls by theirs.
trait Market {
    fn build(&mut self, asks: Vec<Placed>, now: Timestamp);
    fn decide(&mut self, call: usize, terms: &Terms, now: Timestamp, draw: u64) -> Result<Decision, NoPick>;
    /// What came of a call, before its place is given back.
    fn observe(&mut self, call: usize, observation: Observation, now: Timestamp);
    /// Gives its place back: charged that much, or never begun.
    fn release(&mut self, call: usize, charged_pico: Option<i64>);
    /// What came of a call nobody here began, such as a health check.
    fn observe_slot(&mut self, slot: usize, observation: Observation, now: Timestamp);
    fn set_concurrency(&mut self, slot: usize, concurrency: u32);
    fn set_venue_concurrency(&mut self, venue: usize, concurrency: u32);
    fn set_stopped(&mut self, venue: usize, stopped: bool);
    fn set_on_trial(&mut self, venue: usize, on_trial: bool);
    fn set_memory_mb(&mut self, slot: usize, memory_mb: u64);
    fn set_memory_quota_mb(&mut self, venue: usize, quota_mb: Option<u64>);
    fn set_window_caps(&mut self, venue: usize, caps: Option<WindowCaps>, now: Timestamp);
    fn verdicts(&self, terms: &Terms, now: Timestamp) -> Vec<(usize, Result<(), Exclusion>)>;
    fn state(&self, now: Timestamp) -> State;
}

/// A pick, the slot given by its number in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Decision {
    row: usize,
    slot: usize,
    explored: bool,
    probe: bool,
    least_bad: bool,
}

/// Everything a market knows, in a form both markets can be written in.
#[derive(Debug, PartialEq, Eq, Hash)]
struct State {
    slots: Vec<(Room, HealthState, u32)>,
    venues: Vec<Room>,
    gates: Vec<Gate>,
    /// Megabytes in use at each venue.
    memory: Vec<u64>,
    merit_order: Vec<usize>,
    views: Vec<PlainView>,
}

/// A view's share in ppm, and row, expected charges and delay in its order.
pub(crate) type PlainView = (u32, Vec<(usize, i64, u64)>);

/// Whether a venue is stopped, whether it is on trial, and the end of its window with calls and money left in it.
type Gate = (bool, bool, Option<(Timestamp, u64, i64)>);

impl State {
    fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        Hash::hash(self, &mut hasher);
        hasher.finish()
    }
}

/// The deployments and venues both markets are about.
struct World {
    slots: Vec<Arc<Slot>>,
    venues: Vec<Arc<crate::VenueSlots>>,
    config: Config,
}

const SECOND: Micros = Micros::from_secs(1);

#[test]
fn calm_markets_agree() {
    Driver::new(Scenario { seed: 1, ..Scenario::CALM }).run(300_000);
}

#[test]
fn crowded_markets_agree() {
    Driver::new(Scenario { seed: 2, concurrency: 6, venue_concurrency: 14, throttle_ppm: 60_000, ..Scenario::CALM })
        .run(300_000);
}

#[test]
fn sick_markets_agree() {
    Driver::new(Scenario { seed: 3, sick_ppm: 400_000, throttle_ppm: 20_000, ..Scenario::CALM }).run(300_000);
}

#[test]
fn churning_markets_agree() {
    let config = Config { exploration_ppm: 200_000, probation_interval: Micros::from_millis(20), ..Config::default() };
    let scenario = Scenario { seed: 4, config, builds_ppm: 200_000, sick_ppm: 100_000, ..Scenario::CALM };
    Driver::new(scenario).run(200_000);
}

#[test]
fn markets_with_odd_settings_agree() {
    for seed in 0..10 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let config = Config {
            exploration_ppm: rng.u32(0..=1_000_000),
            trial_ppm: rng.u32(0..=1_000_000),
            ramp_ppm_per_second: rng.u32(1..=10_000_000),
            hysteresis_ppm: rng.u32(0..400_000),
            eject_consecutive_failures: rng.u32(1..8),
            eject_failure_ppm: rng.u32(1..=1_000_000),
            eject_min_calls: rng.u32(1..30),
            eject_window: Micros::from_millis(rng.u64(1..5_000)),
            base_ejection: Micros::from_millis(rng.u64(1..500)),
            max_ejection: Micros::from_millis(rng.u64(500..9_000)),
            ejection_decay: Micros::from_millis(rng.u64(1..5_000)),
            probation_interval: Micros::from_millis(rng.u64(0..300)),
            probation_successes: rng.u32(1..6),
            cap_grow_every: Micros::from_millis(rng.u64(0..500)),
            cap_grow_ppm: rng.u32(0..=1_000_000),
            throttle_pause_max: Micros::from_millis(rng.u64(0..1_000)),
            throttle_venue_window: Micros::from_millis(rng.u64(0..1_000)),
            burst_pause: Micros::from_millis(rng.u64(0..1_000)),
            ..Config::default()
        };
        assert_eq!(config.mistakes(), []);
        let scenario = Scenario { seed, config, sick_ppm: 200_000, throttle_ppm: 50_000, ..Scenario::CALM };
        Driver::new(scenario).run(20_000);
    }
}
