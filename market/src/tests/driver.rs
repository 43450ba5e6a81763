//! A seeded stream of what happens to a market, told to two of them at once.

use std::sync::Arc;

use merit_units::{Micros, Timestamp};

use super::markets::{Fast, Naive};
use super::{Decision, Market, Placed, SECOND, World};
use crate::luck::Luck;
use crate::terms::bit;
use crate::{
    Architecture, ArchitectureSet, Ask, Basis, Config, Exclusion, Ineligible, Isolation, IsolationSet, NoPick,
    Observation, RegionIndex, RegionSet, Slot, Terms, VenueIndex, VenueSet, VenueSlots, WindowCaps,
};

const VENUES: usize = 6;
const SLOTS: usize = 12;
const MOST_CALLS: usize = 60;
/// Every other row of a book.
const ODD_ROWS: u128 = u128::MAX / 3 * 2;
const ARCHITECTURES: [Architecture; 2] = [Architecture::X86_64, Architecture::Arm64];
const GROUNDS: [Basis; 3] = [Basis::Measured, Basis::Borrowed, Basis::Assumed];

/// What kind of market it is.
#[derive(Clone)]
pub(super) struct Scenario {
    pub(super) seed: u64,
    pub(super) config: Config,
    pub(super) concurrency: u32,
    pub(super) venue_concurrency: u32,
    /// How many steps build a new book.
    pub(super) builds_ppm: u32,
    /// How many deployments are sick at a time.
    pub(super) sick_ppm: u32,
    /// How many calls are throttled.
    pub(super) throttle_ppm: u32,
}

impl Scenario {
    pub(super) const CALM: Self = Self {
        seed: 0,
        config: Config::DEFAULT,
        concurrency: 40,
        venue_concurrency: u32::MAX,
        builds_ppm: 20_000,
        sick_ppm: 20_000,
        throttle_ppm: 1_000,
    };
}

/// A call in flight.
#[derive(Clone, Copy)]
struct Call {
    number: usize,
    slot: usize,
}

pub(super) struct Driver {
    scenario: Scenario,
    rng: fastrand::Rng,
    now: Timestamp,
    slots: Vec<Arc<Slot>>,
    asks: Vec<Placed>,
    sick: [bool; SLOTS],
    calls: Vec<Call>,
    free: Vec<usize>,
    fast: Fast,
    naive: Naive,
    seen: Seen,
}

/// What the stream has led to, so that a stream that tests nothing fails.
#[derive(Debug, Default)]
struct Seen {
    picks: u32,
    explored: u32,
    probes: u32,
    least_bad: u32,
    refusals: u32,
    /// Picks at venues on trial.
    on_trial: u32,
    /// Verdicts of a full window, and of a kill switch.
    capped: u32,
    killed: u32,
    /// Verdicts of a full memory.
    out_of_memory: u32,
    /// Most views at once.
    views: usize,
}

impl Driver {
    pub(super) fn new(scenario: Scenario) -> Self {
        let venues: Vec<_> = (0..VENUES).map(|_| Arc::new(VenueSlots::new(scenario.venue_concurrency))).collect();
        let slot = |number: usize| Arc::new(Slot::new(scenario.concurrency, Arc::clone(&venues[number % VENUES])));
        let slots: Vec<_> = (0..SLOTS).map(slot).collect();
        let world = || World { slots: slots.clone(), venues: venues.clone(), config: scenario.config.clone() };
        let (fast, naive) = (Fast::new(world()), Naive::new(world(), scenario.concurrency, scenario.venue_concurrency));
        let mut driver = Self {
            rng: fastrand::Rng::with_seed(scenario.seed),
            now: Timestamp::from_micros(1_763_719_200_000_000),
            asks: Vec::new(),
            sick: [false; SLOTS],
            calls: Vec::new(),
            free: (0..MOST_CALLS).rev().collect(),
            slots,
            fast,
            naive,
            scenario,
            seen: Seen::default(),
        };
        for slot in 0..SLOTS {
            let memory_mb = 128 * u64::try_from(slot % 5).expect("a small number");
            driver.fast.set_memory_mb(slot, memory_mb);
            driver.naive.set_memory_mb(slot, memory_mb);
        }
        driver.build();
        driver
    }

    pub(super) fn run(mut self, steps: u32) {
        for step in 0..steps {
            self.step();
            if step % 16 == 0 {
                self.compare_states(step);
            }
        }
        while !self.calls.is_empty() {
            self.finish();
        }
        self.compare_states(steps);
        let at_rest = self.fast.state(self.now);
        assert!(at_rest.slots.iter().all(|(room, ..)| room.in_flight == 0), "a place leaked: {at_rest:?}");
        assert!(at_rest.venues.iter().all(|room| room.in_flight == 0), "a venue's place leaked: {at_rest:?}");
        assert!(at_rest.memory.iter().all(|in_use_mb| *in_use_mb == 0), "memory leaked: {at_rest:?}");
        let Seen { picks, explored, probes, least_bad, refusals, on_trial, capped, killed, out_of_memory, views } =
            self.seen;
        let gates = on_trial > 0 && capped > 0 && killed > 0 && out_of_memory > 0;
        assert!(
            picks > steps / 10 && explored > 0 && probes > 0 && least_bad > 0 && refusals > 0 && views > 1 && gates,
            "{:?}",
            self.seen
        );
    }

    fn compare_states(&mut self, step: u32) {
        let (fast, naive) = (self.fast.state(self.now), self.naive.state(self.now));
        if fast.hash() != naive.hash() {
            assert_eq!(fast, naive, "the states differ at step {step} of seed {}", self.scenario.seed);
        }
        self.seen.views = self.seen.views.max(fast.views.len());
        assert_eq!(fast.views.iter().map(|(share, _)| share).sum::<u32>(), 1_000_000, "{fast:?}");
    }

    fn step(&mut self) {
        if self.chance(self.scenario.builds_ppm) {
            return self.build();
        }
        match self.rng.u32(0..100) {
            0..45 => self.decide(),
            45..85 => self.finish(),
            85..94 => self.pass_time(),
            94 => self.sicken(),
            95 => self.check_elsewhere(),
            96 if self.rng.bool() => self.set_concurrency(),
            96 => self.set_gate(),
            _ => self.compare_verdicts(),
        }
    }

    fn chance(&mut self, ppm: u32) -> bool {
        self.rng.u32(0..1_000_000) < ppm
    }

    fn pass_time(&mut self) {
        let magnitude = self.rng.u32(0..23);
        self.now += Micros::new(self.rng.u64(0..=1 << magnitude));
    }

    fn sicken(&mut self) {
        let slot = self.rng.usize(0..SLOTS);
        self.sick[slot] = self.chance(self.scenario.sick_ppm);
    }

    fn check_elsewhere(&mut self) {
        let slot = self.rng.usize(0..SLOTS);
        let observation = self.observation(slot);
        self.fast.observe_slot(slot, observation, self.now);
        self.naive.observe_slot(slot, observation, self.now);
    }

    fn set_concurrency(&mut self) {
        let spread =
            |most: u32, rng: &mut fastrand::Rng| if rng.u8(0..3) == 0 { rng.u32(0..=most.min(99)) } else { most };
        if self.rng.bool() {
            let (slot, concurrency) = (self.rng.usize(0..SLOTS), spread(self.scenario.concurrency, &mut self.rng));
            self.fast.set_concurrency(slot, concurrency);
            self.naive.set_concurrency(slot, concurrency);
        } else {
            let (venue, most) = (self.rng.usize(0..VENUES), self.scenario.venue_concurrency);
            let concurrency = spread(most, &mut self.rng);
            self.fast.set_venue_concurrency(venue, concurrency);
            self.naive.set_venue_concurrency(venue, concurrency);
        }
    }

    /// Changes a venue's kill switch, its trial, its memory or its caps; mostly back to how a venue usually is.
    fn set_gate(&mut self) {
        let (venue, unusual) = (self.rng.usize(0..VENUES), self.rng.u8(0..3) == 0);
        match self.rng.u8(0..4) {
            0 => {
                self.fast.set_stopped(venue, unusual);
                self.naive.set_stopped(venue, unusual);
            }
            1 => {
                self.fast.set_on_trial(venue, unusual);
                self.naive.set_on_trial(venue, unusual);
            }
            2 => {
                let quota_mb = unusual.then(|| self.rng.u64(0..4_000));
                self.fast.set_memory_quota_mb(venue, quota_mb);
                self.naive.set_memory_quota_mb(venue, quota_mb);
            }
            _ => {
                let rng = &mut self.rng;
                let calls = if rng.bool() { u64::MAX } else { rng.u64(0..40) };
                let spend_pico = if rng.bool() { i64::MAX } else { rng.i64(0..100_000_000) };
                let caps = WindowCaps { length: Micros::new(rng.u64(1..8_000_000)), calls, spend_pico };
                let caps = unusual.then_some(caps);
                self.fast.set_window_caps(venue, caps, self.now);
                self.naive.set_window_caps(venue, caps, self.now);
            }
        }
    }

    fn build(&mut self) {
        if self.asks.is_empty() || self.rng.u8(0..6) == 0 {
            let mut present: Vec<usize> = (0..SLOTS).filter(|_| self.rng.u8(0..5) > 0).collect();
            if self.rng.u8(0..20) == 0 {
                present.clear();
            }
            if self.rng.u8(0..3) == 0 {
                self.rng.shuffle(&mut present);
            }
            self.asks = present.into_iter().map(|slot| self.ask(slot)).collect();
        } else {
            for _ in 0..self.rng.u8(0..4) {
                self.reprice();
            }
        }
        self.fast.build(self.asks.clone(), self.now);
        self.naive.build(self.asks.clone(), self.now);
    }

    fn reprice(&mut self) {
        let Some(ask) = self.rng.choice(&mut self.asks) else { return };
        match self.rng.u8(0..8) {
            0 => ask.cost_pico = self.rng.i64(-1..40) * 50_000,
            1 => ask.latency_p50 = Micros::new(self.rng.u64(0..400_000)),
            2 => ask.fail_ppm = self.rng.u32(0..100_000),
            3 => ask.ineligible = [None, Some(Ineligible::StalePrice)][self.rng.usize(0..2)],
            4 => ask.samples = self.rng.u64(0..3_000),
            _ => ask.cost_pico = ask.cost_pico * self.rng.i64(960..1_042) / 1_000,
        }
    }

    fn ask(&mut self, slot: usize) -> Placed {
        let rng = &mut self.rng;
        let number = |slot: usize| u8::try_from(slot).expect("few slots");
        let ask = Ask {
            venue: VenueIndex::new(number(slot % VENUES)),
            region: RegionIndex::new(number(slot % 4)),
            isolation: Isolation::EACH[slot % 5],
            architecture: ARCHITECTURES[slot / 6],
            cost_pico: rng.i64(1..40) * 50_000,
            ceiling_pico: rng.i64(0..40) * 500_000,
            latency_p50: Micros::new(rng.u64(0..400_000)),
            latency_p95: Micros::new(rng.u64(0..900_000)),
            fail_ppm: if rng.bool() { 0 } else { rng.u32(0..50_000) },
            retry_pico: rng.i64(0..2_000_000),
            retry_delay: Micros::new(rng.u64(0..900_000)),
            basis: GROUNDS[rng.usize(0..3)],
            samples: rng.u64(0..600),
            ineligible: (rng.u8(0..12) == 0).then_some(Ineligible::NoExchangeRate),
        };
        Placed { slot: Arc::clone(&self.slots[slot]), ask }
    }

    fn terms(&mut self) -> Terms {
        let mut terms = Terms::default();
        if self.rng.bool() {
            return terms;
        }
        let rng = &mut self.rng;
        match rng.u8(0..8) {
            0 => terms.venues = (0..6).filter(|_| rng.bool()).map(VenueIndex::new).collect::<VenueSet>(),
            1 => terms.regions = (0..4).filter(|_| rng.bool()).map(RegionIndex::new).collect::<RegionSet>(),
            2 => terms.isolation = Isolation::EACH.into_iter().filter(|_| rng.bool()).collect::<IsolationSet>(),
            3 => terms.architecture = ArchitectureSet::NONE.with(ARCHITECTURES[rng.usize(0..2)]),
            4 => terms.max_cost_pico = Some(rng.i64(0..40) * 50_000),
            5 => terms.max_latency_p95 = Some(Micros::new(rng.u64(0..900_000))),
            6 => {
                let rows = rng.u128(..) & rng.u128(..);
                (terms.tried, terms.unfit) = (rows & ODD_ROWS, rows & !ODD_ROWS);
            }
            _ => {}
        }
        if rng.bool() {
            // A few picodollars to several dollars a second.
            let magnitude = rng.u32(0..43);
            terms.value_of_time_pico_per_s = rng.i64(-1..=1 << magnitude);
        }
        terms
    }

    fn decide(&mut self) {
        let Some(number) = self.free.pop() else { return self.finish() };
        let (terms, draw) = (self.terms(), self.rng.u64(..));
        let before = self.fast.verdicts(&terms, self.now);
        let decision = self.fast.decide(number, &terms, self.now, draw);
        assert_eq!(decision, self.naive.decide(number, &terms, self.now, draw), "with {terms:?}, verdicts {before:?}");
        self.audit(&terms, &before, decision, Luck::new(draw));
        match decision {
            Ok(Decision { slot, .. }) => self.calls.push(Call { number, slot }),
            Err(_) => self.free.push(number),
        }
    }

    /// What must hold whatever the order.
    fn audit(
        &mut self,
        terms: &Terms,
        before: &[(usize, Result<(), Exclusion>)],
        decision: Result<Decision, NoPick>,
        luck: Luck,
    ) {
        let of = |wanted: fn(&Exclusion) -> bool| before.iter().any(|(_, verdict)| verdict.as_ref().is_err_and(wanted));
        self.seen.capped += u32::from(of(|why| matches!(why, Exclusion::CapReached { .. })));
        self.seen.out_of_memory += u32::from(of(|why| matches!(why, Exclusion::VenueMemoryFull { .. })));
        self.seen.killed += u32::from(of(|why| matches!(why, Exclusion::Killed)));
        let would_do = before.iter().filter(|(_, verdict)| verdict.is_ok()).count();
        match decision {
            Err(refusal) => {
                assert_eq!(would_do, 0, "refused as {refusal} in spite of {before:?}");
                self.seen.refusals += 1;
            }
            Ok(pick) => {
                let verdict = before.iter().find(|(row, _)| *row == pick.row).expect("a verdict for each row").1;
                let sick = matches!(verdict, Err(Exclusion::Ejected { .. } | Exclusion::OnProbation { .. }));
                let on_trial = verdict == Err(Exclusion::OnTrial);
                assert_eq!(pick.least_bad, sick || on_trial && pick.least_bad, "{pick:?}: {verdict:?}");
                assert!(verdict.is_ok() || on_trial || sick && would_do == 0, "{pick:?} in spite of {before:?}");
                assert!(
                    !on_trial || luck.explore_ppm < self.scenario.config.trial_ppm,
                    "{pick:?} beyond the trial's share"
                );
                assert_eq!((terms.tried | terms.unfit) & bit(pick.row), 0);
                self.seen.on_trial += u32::from(on_trial);
                self.seen.picks += 1;
                self.seen.explored += u32::from(pick.explored);
                self.seen.probes += u32::from(pick.probe);
                self.seen.least_bad += u32::from(pick.least_bad);
            }
        }
    }

    fn finish(&mut self) {
        if self.calls.is_empty() {
            return;
        }
        let call = self.calls.swap_remove(self.rng.usize(0..self.calls.len()));
        if self.rng.u8(0..20) > 0 {
            let observation = self.observation(call.slot);
            self.fast.observe(call.number, observation, self.now);
            self.naive.observe(call.number, observation, self.now);
        }
        let charged_pico = (self.rng.u8(0..10) > 0).then(|| self.rng.i64(0..20_000_000));
        self.fast.release(call.number, charged_pico);
        self.naive.release(call.number, charged_pico);
        self.free.push(call.number);
    }

    fn observation(&mut self, slot: usize) -> Observation {
        if self.chance(self.scenario.throttle_ppm) {
            let retry_after = self.rng.bool().then(|| Micros::new(self.rng.u64(0..2 * SECOND.get())));
            return if self.rng.bool() {
                Observation::Throttled { retry_after }
            } else {
                Observation::Burst { retry_after }
            };
        }
        let fails = self.chance(if self.sick[slot] { 900_000 } else { 10_000 });
        let (good, bad) = ([Observation::Ok, Observation::FunctionError], [Observation::Failed, Observation::Unknown]);
        if fails { bad[self.rng.usize(0..2)] } else { good[usize::from(self.rng.u8(0..5) == 0)] }
    }

    fn compare_verdicts(&mut self) {
        let terms = self.terms();
        assert_eq!(self.fast.verdicts(&terms, self.now), self.naive.verdicts(&terms, self.now), "with {terms:?}");
    }
}
