//! Turns, bounds, pauses, and what is forgotten.

use super::*;

const BOUND: usize = 2;

fn at(second: u64) -> Timestamp {
    Timestamp::EPOCH + Micros::from_secs(second)
}

fn id(number: u64) -> InvocationId {
    InvocationId::from_bits(u128::from(number))
}

fn schedule(events: &[(&str, u64, u64)]) -> Schedule {
    let mut schedule = Schedule::default();
    for (lane, second, number) in events {
        schedule.push(&(*lane).into(), at(*second), id(*number), BOUND);
    }
    schedule
}

/// The lanes and numbers of everything that can be taken now.
fn taken(schedule: &mut Schedule, now: u64) -> Vec<(String, u128)> {
    std::iter::from_fn(|| schedule.take(at(now), BOUND)).map(|(lane, id)| (lane.to_string(), id.bits())).collect()
}

fn named(expected: &[(&str, u128)]) -> Vec<(String, u128)> {
    expected.iter().map(|(lane, number)| ((*lane).to_owned(), *number)).collect()
}

#[test]
fn lanes_take_turns_within_their_bounds() {
    let mut schedule = schedule(&[("a", 0, 1), ("a", 0, 2), ("a", 0, 3), ("b", 1, 4), ("c", 1, 5), ("c", 9, 6)]);
    assert_eq!(taken(&mut schedule, 1), named(&[("a", 1), ("b", 4), ("c", 5), ("a", 2)]));
    assert_eq!(schedule.running(), 4);
    assert_eq!(schedule.next_at(), Some(at(9)), "a is at its bound, c has its time");
    schedule.end(&"a".into(), LaneHealth::Well, at(2), BOUND);
    assert_eq!(taken(&mut schedule, 2), named(&[("a", 3)]));
    assert_eq!(taken(&mut schedule, 9), named(&[("c", 6)]));
    assert_eq!(schedule.next_at(), None);
}

#[test]
fn nothing_is_taken_before_it_is_due() {
    let mut schedule = schedule(&[("a", 5, 1), ("b", 3, 2)]);
    assert_eq!(schedule.next_at(), Some(at(3)));
    assert_eq!(taken(&mut schedule, 2), []);
    assert_eq!(taken(&mut schedule, 4), named(&[("b", 2)]));
    schedule.push(&"a".into(), at(4), id(3), BOUND);
    assert_eq!(schedule.next_at(), Some(at(4)), "an earlier one moves its lane forward");
    assert_eq!(taken(&mut schedule, 5), named(&[("a", 3), ("a", 1)]));
}

#[test]
fn a_lane_in_trouble_pauses_longer_each_time_until_it_is_well() {
    let mut schedule = schedule(&[("a", 0, 1)]);
    let lane: LaneName = "a".into();
    let mut now = at(0);
    let mut pauses = Vec::new();
    for number in 2..12 {
        assert!(schedule.take(now, BOUND).is_some());
        schedule.push(&lane, now, id(number), BOUND);
        schedule.end(&lane, LaneHealth::Trouble, now, BOUND);
        assert_eq!(schedule.take(now, BOUND), None, "paused");
        let next = schedule.next_at().expect("one waits");
        pauses.push(next.since(now).get() / 1000);
        now = next;
    }
    assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000]);
    assert!(schedule.take(now, BOUND).is_some());
    schedule.push(&lane, now, id(20), BOUND);
    schedule.end(&lane, LaneHealth::Well, now, BOUND);
    assert!(schedule.take(now, BOUND).is_some(), "well again");
}

#[test]
fn failures_of_deliveries_that_ran_together_are_one_pause() {
    let mut schedule = schedule(&[("a", 0, 1), ("a", 0, 2), ("a", 0, 3)]);
    let lane: LaneName = "a".into();
    assert_eq!(taken(&mut schedule, 0).len(), 2);
    schedule.end(&lane, LaneHealth::Trouble, at(1), BOUND);
    schedule.end(&lane, LaneHealth::Trouble, at(1), BOUND);
    assert_eq!(schedule.next_at(), Some(at(1) + FIRST_PAUSE));
}

#[test]
fn what_was_removed_is_not_taken_and_lanes_are_forgotten() {
    let mut schedule = schedule(&[("a", 1, 1), ("a", 2, 2)]);
    assert!(schedule.remove("a", at(1), id(1)));
    assert!(!schedule.remove("a", at(1), id(1)));
    assert_eq!(taken(&mut schedule, 5), named(&[("a", 2)]));
    schedule.end(&"a".into(), LaneHealth::Unknown, at(5), BOUND);
    assert!(schedule.lanes.is_empty() && schedule.agenda.is_empty() && schedule.ready.is_empty());
}
