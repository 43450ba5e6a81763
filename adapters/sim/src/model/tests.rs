//! The model against figures of the raw measurements, computed apart from `fit.py`.

use merit_units::{MemoryMb, Micros, Timestamp};

use proptest::prelude::*;

use super::data::measured;
use super::{InstanceId, Instances, Model, Provider};
use crate::executor::MachineUsage;

const DRAWS: usize = 100_000;

fn model(provider: Provider) -> Model {
    Model::of(provider, "rust", "x86_64", Some(Micros::ZERO)).expect("rust was measured")
}

fn memory(megabytes: u64) -> MemoryMb {
    MemoryMb::try_new(megabytes).expect("a size")
}

fn seconds(seconds: u64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

#[test]
fn every_provider_has_a_model_for_every_runtime() {
    for provider in Provider::ALL {
        for runtime in measured().runtimes() {
            for architecture in ["x86_64", "arm64"] {
                let model = Model::of(provider, runtime, architecture, None);
                assert!(model.is_some_and(|model| model.runtime_memory_mb > 0), "{provider} {runtime} {architecture}");
            }
        }
        assert_eq!(provider.as_str().parse(), Ok(provider));
    }
    assert!(Model::of(Provider::AwsLambda, "cobol", "x86_64", None).is_none());
}

/// The measurements say where they come from and on how many calls they rest, so do their users.
#[test]
fn every_measurement_names_its_source() {
    for measurement in measured().provenance() {
        assert!(measured().source.contains_key(measurement.source), "{measurement:?}");
        assert!(measurement.n >= 10, "{measurement:?}");
    }
    for provider in Provider::ALL {
        let entry = provider.entry();
        let measured_itself = entry.overhead == "aws" && provider == Provider::AwsLambda;
        assert!(measured_itself || !entry.stand_ins.is_empty(), "{provider} names what stands in for it");
    }
}

#[test]
fn a_seed_draws_the_same_calls() {
    let draw = |seed| {
        let mut rng = fastrand::Rng::with_seed(seed);
        (0..100).map(|_| model(Provider::GoogleRun).draw(&mut rng, true)).collect::<Vec<_>>()
    };
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
}

/// Percentiles of the raw measurements, computed apart from fit.py, in ms: the overhead above its
/// shortest, for p50, p90 and p99.
#[test]
fn drawn_overhead_has_the_measured_quantiles() {
    for (provider, expected_ms) in [
        (Provider::AwsLambda, [17.3, 132.3, 264.9]),
        (Provider::AzureConsumption, [100.6, 242.0, 437.4]),
        (Provider::GoogleRun, [16.0, 100.2, 190.1]),
    ] {
        let model = model(provider);
        let mut rng = fastrand::Rng::with_seed(1);
        let mut drawn: Vec<u64> = (0..DRAWS).map(|_| model.draw(&mut rng, false).overhead.get()).collect();
        drawn.sort_unstable();
        for (place, expected) in [DRAWS / 2, DRAWS * 9 / 10, DRAWS * 99 / 100].into_iter().zip(expected_ms) {
            let drawn_ms = drawn[place] as f64 / 1000.0;
            assert!((drawn_ms / expected - 1.0).abs() < 0.03, "{provider}: {drawn_ms} ms against {expected} ms");
        }
    }
}

/// The mean of lambda-perf's initialisations of 2026-08-22, in ms.
#[test]
fn drawn_starts_have_the_measured_mean() {
    for (runtime, architecture, expected_ms) in
        [("rust", "x86_64", 16.27), ("python3.13", "x86_64", 87.04), ("nodejs24", "arm64", 118.02)]
    {
        let model = Model::of(Provider::AwsLambda, runtime, architecture, None).expect("measured");
        let mut rng = fastrand::Rng::with_seed(1);
        let sum: u64 = (0..DRAWS).map(|_| model.draw(&mut rng, true).init.get()).sum();
        let mean_ms = sum as f64 / DRAWS as f64 / 1000.0;
        assert!((mean_ms / expected_ms - 1.0).abs() < 0.03, "{runtime}: {mean_ms} ms against {expected_ms} ms");
    }
}

#[test]
fn a_warm_call_has_no_start() {
    let mut rng = fastrand::Rng::with_seed(3);
    let warm = model(Provider::AwsLambda).draw(&mut rng, false);
    assert_eq!((warm.init, warm.placement), (Micros::ZERO, Micros::ZERO));
    let cold = model(Provider::AwsLambda).draw(&mut rng, true);
    assert!(cold.init > Micros::ZERO && cold.placement > cold.init, "the platform takes longer than a rust start");
    let isolate = model(Provider::CloudflareWorkers).draw(&mut rng, true);
    assert_eq!(isolate.placement, Micros::ZERO);
}

/// Medians of SeBS graph-bfs (sebs_summary), in ms; 60.0 ms on a whole AWS core.
#[test]
fn execution_by_memory_is_as_measured() {
    let used = MachineUsage { cpu: Micros::new(60_020), wall: Micros::new(60_020), memory_peak: None };
    for (provider, megabytes, expected_ms) in [
        (Provider::AwsLambda, 128, 865.7),
        (Provider::AwsLambda, 256, 424.9),
        (Provider::AwsLambda, 512, 203.2),
        (Provider::AwsLambda, 1024, 98.5),
        (Provider::AwsLambda, 2048, 60.5),
        (Provider::AwsLambda, 3008, 60.0),
        (Provider::AzureConsumption, 1536, 88.6),
        (Provider::GoogleRun, 2048, 72.1),
    ] {
        let model = model(provider);
        let share = model.share_milli(memory(megabytes), None);
        let execution = model.execution(used, share, 1_000_000);
        let drawn_ms = execution.duration.get() as f64 / 1000.0;
        assert!((drawn_ms / expected_ms - 1.0).abs() < 0.02, "{provider} {megabytes} MB: {drawn_ms} ms");
    }
}

#[test]
fn a_chosen_vcpu_is_the_share_and_one_thread_has_one_core() {
    let model = model(Provider::AlibabaFc);
    assert_eq!(model.share_milli(memory(1024), Some(250)), 250);
    assert_eq!(model.share_milli(memory(4096), Some(2000)), 1000);
    assert_eq!(model.share_milli(memory(64), None), 25, "in proportion below the smallest size");
}

#[test]
fn waiting_passes_as_it_is() {
    let model = model(Provider::AwsLambda);
    let used = MachineUsage { cpu: Micros::ZERO, wall: Micros::from_millis(250), memory_peak: None };
    let execution = model.execution(used, 69, 2_000_000);
    assert_eq!((execution.cpu, execution.duration), (Micros::ZERO, Micros::from_millis(250)));
}

fn instances(slots: u32) -> Instances {
    Instances::new(model(Provider::AwsLambda).keep_alive, slots)
}

#[test]
fn calls_at_once_need_instances_of_their_own() {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut instances = instances(1);
    let (first, cold) = instances.take(seconds(0));
    let (second, also_cold) = instances.take(seconds(0));
    assert!(cold && also_cold && first != second);
    instances.give_back(first, seconds(1), &mut rng);
    assert_eq!(instances.take(seconds(2)), (first, false));
    assert_eq!(instances.alive(), 2);
}

#[test]
fn a_shared_instance_takes_calls_until_it_is_full() {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut instances = instances(2);
    let (first, _) = instances.take(seconds(0));
    assert_eq!(instances.take(seconds(0)), (first, false));
    let (second, cold) = instances.take(seconds(0));
    assert!(cold);
    instances.give_back(first, seconds(1), &mut rng);
    assert_eq!(instances.take(seconds(1)), (first, false), "the slot that came free is used");
    assert_eq!(instances.take(seconds(1)), (second, false));
    assert!(instances.take(seconds(1)).1);
}

#[test]
fn the_last_used_instance_is_taken_first() {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut instances = instances(1);
    let (first, _) = instances.take(seconds(0));
    let (second, _) = instances.take(seconds(0));
    instances.give_back(second, seconds(1), &mut rng);
    instances.give_back(first, seconds(2), &mut rng);
    assert_eq!(instances.take(seconds(3)).0, first);
}

#[test]
fn evicted_instances_are_gone_and_busy_ones_do_not_return() {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut instances = instances(1);
    let (busy, _) = instances.take(seconds(0));
    instances.evict_all();
    instances.give_back(busy, seconds(1), &mut rng);
    assert!(instances.take(seconds(1)).1);
}

/// SeBS container eviction: the share of containers still warm after an idle time in seconds.
#[test]
fn idle_instances_leave_as_measured() {
    for (idle, expected) in [(360, 1.0), (420, 0.513), (720, 0.508), (900, 0.264), (1080, 0.265), (1320, 0.140)] {
        let mut rng = fastrand::Rng::with_seed(5);
        let mut instances = instances(1);
        let taken: Vec<_> = (0..20_000).map(|_| instances.take(seconds(0)).0).collect();
        taken.into_iter().for_each(|id| instances.give_back(id, seconds(0), &mut rng));
        instances.take(seconds(idle));
        let warm = instances.alive() as f64 / 20_000.0;
        assert!((warm - expected).abs() < 0.02, "after {idle} s: {warm} against {expected}");
    }
}

/// One step of a stream of calls.
#[derive(Clone, Copy, Debug)]
enum Step {
    Take,
    /// The call of this index, among those under way, ends.
    GiveBack(usize),
    Pass(u64),
    EvictAll,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => Just(Step::Take),
        4 => (0_usize..64).prop_map(Step::GiveBack),
        2 => (1_u64..900).prop_map(Step::Pass),
        1 => Just(Step::EvictAll),
    ]
}

proptest! {
    /// Whatever happens, no instance takes more calls than it has slots, and no call starts cold
    /// while a slot is free on an instance that is in use.
    #[test]
    fn slots_are_never_taken_twice(slots in 1_u32..4, steps in proptest::collection::vec(step(), 1..200)) {
        let mut rng = fastrand::Rng::with_seed(9);
        let mut instances = instances(slots);
        let mut under_way: Vec<InstanceId> = Vec::new();
        let mut evicted: Vec<InstanceId> = Vec::new();
        let mut now = 0;
        for step in steps {
            match step {
                Step::Take => {
                    let in_use = |id| under_way.iter().filter(|own| **own == id).count();
                    let free = under_way.iter().any(|id| !evicted.contains(id) && in_use(*id) < slots as usize);
                    let (id, cold) = instances.take(seconds(now));
                    prop_assert!(!evicted.contains(&id));
                    prop_assert!(in_use(id) < slots as usize);
                    prop_assert!(!(cold && free));
                    under_way.push(id);
                }
                Step::GiveBack(index) if !under_way.is_empty() => {
                    let id = under_way.swap_remove(index % under_way.len());
                    instances.give_back(id, seconds(now), &mut rng);
                }
                Step::GiveBack(_) => {}
                Step::Pass(more) => now += more,
                Step::EvictAll => {
                    evicted.extend(&under_way);
                    instances.evict_all();
                    prop_assert_eq!(instances.alive(), 0);
                }
            }
        }
    }
}
