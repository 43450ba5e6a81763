//! The policy, one rule at a time.

use super::*;

const MB: u64 = 1 << 20;

fn secs(seconds: u64) -> Micros {
    Micros::from_secs(seconds)
}

fn rules() -> Rules {
    let keep_alive = KeepAlive { min: secs(1), max: secs(600) };
    Rules { memory: 1000 * MB, calls: 100, queue: 2, queue_wait: secs(5), keep_alive }
}

fn program(memory_mb: u64) -> Shape {
    Shape { memory: memory_mb * MB, concurrency: 1, instances: 100, kept: true }
}

fn wasm(memory_mb: u64) -> Shape {
    Shape { kept: false, ..program(memory_mb) }
}

/// A scheduler whose driver is the test.
struct Story {
    scheduler: Scheduler,
    now: Micros,
    next_call: CallId,
}

impl Story {
    fn new(rules: Rules, shapes: &[Shape]) -> Self {
        Self { scheduler: Scheduler::new(rules, shapes.iter().copied()), now: secs(1), next_call: 0 }
    }

    fn call(&mut self, function: FunctionIndex) -> Vec<Action> {
        self.next_call += 1;
        self.act(|scheduler, now, actions| scheduler.arrive(now, function, 0, secs(1_000_000), actions))
    }

    fn started(&mut self, instance: InstanceId) -> Vec<Action> {
        self.act(|scheduler, now, actions| scheduler.started(now, instance, Micros::from_millis(200), actions))
    }

    fn ended(&mut self, instance: InstanceId) -> Vec<Action> {
        self.act(|scheduler, now, actions| scheduler.ended(now, instance, secs(1), false, actions))
    }

    fn after(&mut self, seconds: u64) -> Vec<Action> {
        self.now = self.now.saturating_add(secs(seconds));
        self.act(|scheduler, now, actions| scheduler.tick(now, actions))
    }

    fn act(&mut self, act: impl FnOnce(&mut Scheduler, Micros, &mut Vec<Action>)) -> Vec<Action> {
        let mut actions = Vec::new();
        act(&mut self.scheduler, self.now, &mut actions);
        actions
    }

    /// Calls a function whose instances are all busy, and lets the new instance come up.
    fn cold(&mut self, function: FunctionIndex) -> InstanceId {
        let instance = start(&self.call(function));
        let run = self.started(instance);
        assert!(matches!(run[..], [Action::Run { cold: Some(_), .. }]), "{run:?}");
        instance
    }
}

fn start(actions: &[Action]) -> InstanceId {
    match actions {
        [.., Action::Start { instance, .. }] => *instance,
        _ => panic!("nothing is started by {actions:?}"),
    }
}

fn run(actions: &[Action]) -> InstanceId {
    match actions {
        [Action::Run { instance, .. }] => *instance,
        _ => panic!("nothing runs by {actions:?}"),
    }
}

fn stopped(actions: &[Action]) -> Vec<InstanceId> {
    let stopped = actions.iter().filter_map(|action| match action {
        Action::Stop { instance } => Some(*instance),
        _ => None,
    });
    stopped.collect()
}

fn refused(actions: &[Action]) -> Vec<Refused> {
    let refused = actions.iter().filter_map(|action| match action {
        Action::Refuse { why, .. } => Some(*why),
        _ => None,
    });
    refused.collect()
}

#[test]
fn the_most_recently_used_instance_is_reused() {
    let mut story = Story::new(rules(), &[program(100)]);
    let (first, second) = (story.cold(0), story.cold(0));
    story.ended(second);
    story.after(1);
    story.ended(first);
    assert_eq!(run(&story.call(0)), first, "it ended last");
    story.ended(first);
    assert_eq!(run(&story.call(0)), first);
    assert_eq!(run(&story.call(0)), second);
}

#[test]
fn only_the_first_call_of_an_instance_is_cold() {
    let mut story = Story::new(rules(), &[program(100)]);
    let instance = story.cold(0);
    story.ended(instance);
    assert!(matches!(story.call(0)[..], [Action::Run { cold: None, .. }]));
}

#[test]
fn a_call_takes_what_is_free_first_be_it_another_instance() {
    let mut story = Story::new(rules(), &[program(100)]);
    let first = story.cold(0);
    let starting = start(&story.call(0));
    assert_eq!(run(&story.ended(first)), first, "the call that waited for the other");
    assert_eq!(story.started(starting), [], "which is there for the next");
    assert_eq!(run(&story.call(0)), starting);
}

#[test]
fn instances_of_webassembly_start_with_their_call_and_end_with_it() {
    let mut story = Story::new(Rules { memory: 250 * MB, queue: 0, ..rules() }, &[wasm(100)]);
    let first = run(&story.call(0));
    assert_ne!(run(&story.call(0)), first);
    assert_eq!(refused(&story.call(0)), [Refused::QueueFull], "for want of memory");
    assert_eq!(story.ended(first), []);
    assert_eq!(story.scheduler.load().memory, 100 * MB);
    run(&story.call(0));
}

#[test]
fn the_queue_is_bounded_and_so_is_the_time_in_it() {
    let mut story = Story::new(Rules { calls: 1, ..rules() }, &[program(100)]);
    let instance = story.cold(0);
    assert_eq!((story.call(0), story.call(0)), (vec![], vec![]), "two may wait");
    assert_eq!(refused(&story.call(0)), [Refused::QueueFull]);
    assert_eq!(refused(&story.after(4)), []);
    assert_eq!(refused(&story.after(1)), [Refused::Expired, Refused::Expired]);
    assert_eq!(stopped(&story.ended(instance)), [0; 0]);
    assert_eq!(story.scheduler.load().waiting, 0);
}

#[test]
fn a_call_waits_no_longer_than_its_own_deadline() {
    let mut story = Story::new(Rules { calls: 1, ..rules() }, &[program(100)]);
    story.cold(0);
    let deadline = story.now.saturating_add(secs(2));
    story.act(|scheduler, now, actions| scheduler.arrive(now, 0, 7, deadline, actions));
    assert_eq!(story.scheduler.next_tick(), Some(deadline));
    assert_eq!(refused(&story.after(2)), [Refused::Expired]);
}

#[test]
fn memory_is_never_overcommitted_beyond_the_bound() {
    let mut story = Story::new(rules(), &[program(400)]);
    story.cold(0);
    story.cold(0);
    assert_eq!(story.call(0), [], "a third would need 1,200 MB of 1,000");
    assert_eq!(story.scheduler.load().memory, 800 * MB);
}

#[test]
fn idle_instances_of_least_value_make_room() {
    let mut story = Story::new(Rules { memory: 1000 * MB, ..rules() }, &[program(400), program(400), program(500)]);
    let (rare, often) = (story.cold(0), story.cold(1));
    story.ended(rare);
    story.ended(often);
    for _ in 0..20 {
        let instance = run(&story.call(1));
        story.ended(instance);
    }
    let actions = story.call(2);
    assert_eq!(stopped(&actions), [rare]);
    start(&actions);
    // Once nothing idle is left, the next one waits.
    run(&story.call(1));
    assert_eq!(story.call(0), []);
}

#[test]
fn busy_instances_are_never_stopped_for_others() {
    let mut story = Story::new(rules(), &[program(600), program(600)]);
    let busy = story.cold(0);
    assert_eq!(story.call(1), []);
    let actions = story.ended(busy);
    assert_eq!(stopped(&actions), [busy]);
    start(&actions);
}

#[test]
fn a_function_scales_to_zero_after_its_keep_alive() {
    let mut story = Story::new(rules(), &[program(100)]);
    let first = story.cold(0);
    story.ended(first);
    assert_eq!(story.scheduler.next_tick(), Some(story.now.saturating_add(secs(600))));
    // Called every half a minute, it learns that it need not be kept for the ten minutes it is by default.
    for _ in 0..20 {
        assert_eq!(stopped(&story.after(30)), [0; 0]);
        let instance = run(&story.call(0));
        story.ended(instance);
    }
    assert_eq!(stopped(&story.after(35)), [0; 0]);
    assert_eq!(stopped(&story.after(1)), [first]);
    assert_eq!(story.scheduler.load().instances, 0);
}

#[test]
fn instances_are_started_ahead_of_a_rising_load() {
    let mut story = Story::new(Rules { calls: 1000, ..rules() }, &[program(10)]);
    let mut busy = vec![story.cold(0)];
    // One call a second of a second each is a load of one: two instances by the square root rule.
    let mut ahead = 0;
    for _ in 0..60 {
        for instance in busy.drain(..) {
            story.ended(instance);
        }
        for action in story.after(1) {
            if let Action::Start { instance, .. } = action {
                ahead += 1;
                story.started(instance);
            }
        }
        busy.push(run(&story.call(0)));
    }
    assert_eq!(ahead, 1);
    assert_eq!(story.scheduler.instances_of(0), 2);
}

#[test]
fn what_does_not_start_fails_its_call_and_is_not_started_ahead_again() {
    let mut story = Story::new(rules(), &[program(100)]);
    let instance = start(&story.call(0));
    let actions = story.act(|scheduler, now, actions| scheduler.start_failed(now, instance, actions));
    assert_eq!(actions, [Action::Refuse { call: 0, why: Refused::StartFailed }]);
    assert_eq!(story.scheduler.load(), Load { calls: 100, memory_max: 1000 * MB, ..Load::default() });
}

#[test]
fn an_instance_that_is_gone_runs_no_other_call() {
    let mut story = Story::new(rules(), &[Shape { concurrency: 2, ..program(100) }]);
    let instance = story.cold(0);
    assert_eq!(run(&story.call(0)), instance);
    let gone = |scheduler: &mut Scheduler, now, actions: &mut _| scheduler.ended(now, instance, secs(1), true, actions);
    assert_eq!(story.act(gone), [], "the other call still runs in it");
    assert_ne!(start(&story.call(0)), instance);
    assert_eq!(stopped(&story.ended(instance)), [instance]);
}

#[test]
fn one_instance_takes_as_many_calls_as_its_concurrency() {
    let mut story = Story::new(rules(), &[Shape { concurrency: 3, ..program(100) }]);
    let instance = start(&story.call(0));
    assert_eq!((story.call(0), story.call(0)), (vec![], vec![]), "the one that starts is enough for three");
    let runs = story.started(instance);
    assert_eq!(runs.len(), 3);
    assert_ne!(start(&story.call(0)), instance);
}

#[test]
fn slots_are_what_memory_and_calls_leave() {
    let mut story = Story::new(Rules { calls: 6, ..rules() }, &[program(100), program(400)]);
    assert_eq!((story.scheduler.slots(0), story.scheduler.slots(1)), (6, 2));
    let instance = story.cold(1);
    assert_eq!((story.scheduler.slots(0), story.scheduler.slots(1)), (5, 2));
    story.cold(1);
    assert_eq!((story.scheduler.slots(0), story.scheduler.slots(1)), (2, 2));
    // An idle instance takes nothing from others, who may have its memory.
    story.ended(instance);
    assert_eq!((story.scheduler.slots(0), story.scheduler.slots(1)), (5, 2));
}

#[test]
fn how_busy_it_is_is_a_mean_over_time() {
    let mut story = Story::new(Rules { calls: 4, ..rules() }, &[program(100), program(600)]);
    let begun = story.scheduler.busy_sum(story.now);
    let small = story.cold(0);
    story.after(3);
    // A quarter of the calls for three seconds; then a large one, which is 70 % of the memory with the other.
    story.cold(1);
    story.after(1);
    story.ended(small);
    story.after(2);
    let sum = story.scheduler.busy_sum(story.now) - begun;
    assert_eq!(sum, 1_000_000 * (250_000 * 3 + 700_000 + 600_000 * 2));
}

#[test]
fn a_call_that_is_withdrawn_runs_never() {
    let mut story = Story::new(Rules { calls: 1, ..rules() }, &[program(100)]);
    let instance = story.cold(0);
    story.act(|scheduler, now, actions| scheduler.arrive(now, 0, 7, secs(100), actions));
    assert!(story.scheduler.withdraw(0, 7));
    assert!(!story.scheduler.withdraw(0, 7));
    assert_eq!(story.ended(instance), []);
}
