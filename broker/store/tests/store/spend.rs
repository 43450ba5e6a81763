//! Spend reports add up, exactly, however they are cut.

use merit_store::record::{GroupBy, ReceiptRow, ReceiptStatus, SpendQuery, SpendRow, Step};
use merit_store::{Store, StoreError};
use merit_units::{InvocationId, Micros, Money, Tag, Timestamp};
use proptest::prelude::*;

use super::fixture::{fresh, pico, receipt};

const HOUR: u64 = 3_600_000_000;

fn everything() -> SpendQuery {
    SpendQuery {
        from: Timestamp::EPOCH,
        to: Timestamp::from_micros(u64::MAX),
        account: None,
        group_by: Vec::new(),
        step: None,
    }
}

fn enqueue(store: &Store, number: u64, change: impl FnOnce(&mut ReceiptRow)) {
    let mut row = receipt(number);
    change(&mut row);
    store.enqueue_receipt(row).unwrap();
}

/// Ids tell the time too.
fn admit_at(row: &mut ReceiptRow, micros: u64) {
    row.at = Timestamp::from_micros(micros);
    row.id = InvocationId::v7(micros / 1000, row.id.bits());
}

fn groups(rows: &[SpendRow]) -> Vec<(Vec<&str>, u64, i128)> {
    rows.iter().map(|row| (row.group.iter().map(String::as_str).collect(), row.calls, row.charge.pico())).collect()
}

#[test]
fn an_empty_store_spent_nothing() {
    let (_dir, store) = fresh();
    let rows = store.spend(&everything()).unwrap();
    let nothing = SpendRow {
        at: None,
        group: vec![],
        calls: 0,
        failed: 0,
        charge: Money::ZERO,
        corrected: Money::ZERO,
        estimated: Money::ZERO,
        estimate: Money::ZERO,
        explored: Money::ZERO,
    };
    assert_eq!(rows, [nothing]);
    assert_eq!(store.spend(&SpendQuery { group_by: vec![GroupBy::Venue], ..everything() }).unwrap(), []);
}

#[test]
fn groups_by_what_is_asked_dearest_first() {
    let (_dir, store) = fresh();
    enqueue(&store, 1, |_| ());
    enqueue(&store, 2, |row| row.venue = Some("pool-dc1".parse().unwrap()));
    enqueue(&store, 3, |row| row.account = "bob".parse().unwrap());
    enqueue(&store, 4, |row| {
        row.venue = None;
        row.status = ReceiptStatus::Failed;
        row.charge = pico(5);
    });
    enqueue(&store, 5, |row| row.status = ReceiptStatus::Refused);
    let by = |group_by: &[GroupBy]| store.spend(&SpendQuery { group_by: group_by.to_vec(), ..everything() }).unwrap();
    let total = &by(&[])[0];
    assert_eq!((total.calls, total.failed), (5, 2));
    assert_eq!((total.charge, total.estimate, total.explored), (pico(405), pico(450), pico(15)));
    assert_eq!(
        groups(&by(&[GroupBy::Venue])),
        [(vec!["aws-us-east-1"], 3, 300), (vec!["pool-dc1"], 1, 100), (vec![""], 1, 5)]
    );
    assert_eq!(groups(&by(&[GroupBy::Function])), [(vec!["thumbnail"], 5, 405)]);
    assert_eq!(
        groups(&by(&[GroupBy::Account, GroupBy::Venue])),
        [
            (vec!["ada", "aws-us-east-1"], 2, 200),
            (vec!["ada", "pool-dc1"], 1, 100),
            (vec!["bob", "aws-us-east-1"], 1, 100),
            (vec!["ada", ""], 1, 5),
        ]
    );
    let bob = SpendQuery { account: Some("bob".parse().unwrap()), ..everything() };
    assert_eq!(store.spend(&bob).unwrap()[0].calls, 1);
}

#[test]
fn a_correction_is_no_call_and_is_told_apart() {
    let (_dir, store) = fresh();
    enqueue(&store, 1, |_| ());
    enqueue(&store, 3, |row| (row.estimated, row.charge) = (true, pico(7)));
    enqueue(&store, 2, |row| {
        row.status = ReceiptStatus::Correction;
        (row.charge, row.estimate, row.explored) = (pico(-(1 << 40) - 3), Money::ZERO, Money::ZERO);
    });
    let rows = store.spend(&SpendQuery { group_by: vec![GroupBy::Venue], ..everything() }).unwrap();
    assert_eq!((rows.len(), rows[0].calls, rows[0].failed), (1, 2, 0));
    assert_eq!((rows[0].charge, rows[0].corrected), (pico(104 - (1 << 40)), pico(-(1 << 40) - 3)));
    assert_eq!(rows[0].estimated, pico(7), "what the venue told is the rest");
    assert_eq!(rows[0].charge - rows[0].estimated - rows[0].corrected, pico(100));
}

#[test]
fn groups_by_the_value_of_a_tag() {
    let (_dir, store) = fresh();
    let tags: [&[&str]; 5] =
        [&["team=search", "env=prod"], &["subteam=x", "team=search"], &["team="], &["team"], &["env=prod", "team=a=b"]];
    for (number, tags) in (0..).zip(tags) {
        enqueue(&store, number, |row| row.tags = tags.iter().map(|tag| Tag::try_new(tag).unwrap()).collect());
    }
    enqueue(&store, 9, |row| row.tags = Vec::new());
    let by = |key: &str| {
        let group_by = vec![GroupBy::Tag(key.to_owned())];
        store.spend(&SpendQuery { group_by, ..everything() }).unwrap()
    };
    assert_eq!(groups(&by("team")), [(vec![""], 3, 300), (vec!["search"], 2, 200), (vec!["a=b"], 1, 100)]);
    assert_eq!(groups(&by("env")), [(vec![""], 4, 400), (vec!["prod"], 2, 200)]);
    assert_eq!(groups(&by("' OR 1=1 --")), [(vec![""], 6, 600)], "a key is a value, never SQL");
}

#[test]
fn cuts_time_into_steps_from_inclusive_to_exclusive() {
    let (_dir, store) = fresh();
    for (number, at) in [(1, 0), (2, HOUR - 1), (3, HOUR), (4, 25 * HOUR), (5, 48 * HOUR)] {
        enqueue(&store, number, |row| admit_at(row, at));
    }
    let steps = |step, from, to| -> Vec<(u64, u64)> {
        let (from, to) = (Timestamp::from_micros(from), Timestamp::from_micros(to));
        let rows = store.spend(&SpendQuery { step, from, to, ..everything() }).unwrap();
        rows.iter().map(|row| (row.at.map_or(0, Timestamp::micros) / HOUR, row.calls)).collect()
    };
    assert_eq!(steps(Some(Step::Hour), 0, 48 * HOUR), [(0, 2), (1, 1), (25, 1)]);
    assert_eq!(steps(Some(Step::Day), 0, 48 * HOUR + 1), [(0, 3), (24, 1), (48, 1)]);
    assert_eq!(steps(None, HOUR, 25 * HOUR), [(0, 1)]);
}

#[test]
fn too_many_groupings_are_refused() {
    let (_dir, store) = fresh();
    let query = SpendQuery { group_by: vec![GroupBy::Venue; 9], ..everything() };
    assert!(matches!(store.spend(&query), Err(StoreError::TooManyGroups { found: 9 })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Also beyond what a 64-bit sum holds.
    #[test]
    fn sums_are_exact(charges in prop::collection::vec(prop_oneof![any::<i64>(), 0..1000_i64, Just(i64::MAX)], 0..40)) {
        let (_dir, store) = fresh();
        for (number, charge) in (0..).zip(&charges) {
            enqueue(&store, number, |row| {
                admit_at(row, number * HOUR / 2);
                row.charge = pico(i128::from(*charge));
                row.duration = Micros::ZERO;
            });
        }
        let expected: i128 = charges.iter().map(|charge| i128::from(*charge)).sum();
        prop_assert_eq!(store.spend(&everything()).unwrap()[0].charge, pico(expected));
        let stepped = store.spend(&SpendQuery { step: Some(Step::Hour), ..everything() }).unwrap();
        prop_assert_eq!(stepped.len(), charges.len().div_ceil(2));
        prop_assert_eq!(stepped.iter().map(|row| row.charge).sum::<Money>(), pico(expected));
    }
}
