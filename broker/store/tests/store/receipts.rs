//! Receipts: found at once and after a restart, stored once, deleted when old.

use merit_store::Store;
use merit_store::record::{ReceiptRow, ReceiptStatus};
use merit_units::{InvocationId, Micros, Money};

use super::fixture::{EVER, NOW, fresh, id, open, pico, receipt};

fn all(store: &Store) -> usize {
    store.receipts_between(EVER, None, 1000).unwrap().len()
}

#[test]
fn a_receipt_is_found_while_queued_and_when_stored() {
    let (dir, store) = fresh();
    let refused = ReceiptRow {
        status: ReceiptStatus::Refused,
        venue: None,
        deployment: None,
        estimated: true,
        tags: Vec::new(),
        detail: vec![0, 255],
        ..receipt(2)
    };
    store.enqueue_receipt(receipt(1)).unwrap();
    store.enqueue_receipt(refused.clone()).unwrap();
    assert_eq!(*store.receipt(id(1)).unwrap().unwrap(), receipt(1));
    store.flush().wait().unwrap();
    assert_eq!(store.receipts_queued(), 0);
    assert_eq!(*store.receipt(id(1)).unwrap().unwrap(), receipt(1));
    assert_eq!(store.receipt(id(3)).unwrap(), None);
    store.close().unwrap();
    assert_eq!(*open(dir.path()).receipt(id(2)).unwrap().unwrap(), refused);
}

#[test]
fn a_receipt_reaches_the_disk_without_anybody_asking() {
    let (_dir, store) = fresh();
    store.enqueue_receipt(receipt(1)).unwrap();
    while store.receipts_queued() > 0 {
        std::thread::yield_now();
    }
    assert_eq!(all(&store), 1);
}

#[test]
fn a_second_receipt_of_an_invocation_is_ignored() {
    let (_dir, store) = fresh();
    store.enqueue_receipt(receipt(1)).unwrap();
    store.enqueue_receipt(ReceiptRow { charge: pico(7), ..receipt(1) }).unwrap();
    store.flush().wait().unwrap();
    assert_eq!(*store.receipt(id(1)).unwrap().unwrap(), receipt(1));
    assert_eq!(all(&store), 1);
}

#[test]
fn an_absurd_estimate_is_stored_as_the_bound() {
    let (_dir, store) = fresh();
    store.enqueue_receipt(ReceiptRow { estimate: Money::MAX, ..receipt(1) }).unwrap();
    store.flush().wait().unwrap();
    assert_eq!(store.receipt(id(1)).unwrap().unwrap().estimate, pico(i128::from(i64::MAX)));
}

#[test]
fn old_receipts_are_deleted_oldest_first() {
    let (_dir, store) = fresh();
    (0..10).for_each(|number| store.enqueue_receipt(receipt(number)).unwrap());
    let before = NOW + Micros::new(8);
    assert_eq!(store.delete_receipts_before(before, 5).wait().unwrap(), 5);
    assert_eq!(store.receipt(id(4)).unwrap(), None);
    assert!(store.receipt(id(5)).unwrap().is_some());
    assert_eq!(store.delete_receipts_before(before, 100).wait().unwrap(), 3);
    assert_eq!(all(&store), 2);
}

#[test]
fn ids_of_one_moment_with_alike_random_bits_are_kept_apart() {
    let (_dir, store) = fresh();
    // Apart in bits that are not part of the number.
    let twin = |number: u64| InvocationId::from_bits(id(0).bits() | u128::from(number));
    let row = |number| ReceiptRow { id: twin(number), charge: pico(number.into()), ..receipt(0) };
    (0..50).for_each(|number| store.enqueue_receipt(row(number)).unwrap());
    store.flush().wait().unwrap();
    store.enqueue_receipt(ReceiptRow { charge: pico(7), ..row(49) }).unwrap();
    store.flush().wait().unwrap();
    assert_eq!(all(&store), 50);
    (0..50).for_each(|number| assert_eq!(*store.receipt(twin(number)).unwrap().unwrap(), row(number)));
    assert_eq!(store.receipt(twin(50)).unwrap(), None);
}

#[test]
fn pages_of_a_period_are_in_order_and_whole() {
    let (_dir, store) = fresh();
    for number in 0..10 {
        let at = NOW + Micros::from_millis(number);
        let id = InvocationId::v7(at.micros() / 1000, 9 - u128::from(number));
        store.enqueue_receipt(ReceiptRow { id, at, ..receipt(number) }).unwrap();
    }
    store.flush().wait().unwrap();
    let period = NOW + Micros::from_millis(2)..NOW + Micros::from_millis(7);
    let venue = receipt(0).venue.expect("it ended somewhere");
    let there = store.receipts_of_venue(&venue, period.clone(), None, 100).unwrap();
    assert_eq!(there, store.receipts_between(period.clone(), None, 100).unwrap());
    let next = store.receipts_of_venue(&venue, period.clone(), Some(there[0].0), 2).unwrap();
    assert_eq!(next, there[1..3]);
    let nowhere = "nowhere".parse().expect("a name");
    assert!(store.receipts_of_venue(&nowhere, period.clone(), None, 100).unwrap().is_empty());
    let first = store.receipts_between(period.clone(), None, 3).unwrap();
    let rest = store.receipts_between(period, Some(first[2].0), 3).unwrap();
    let millis: Vec<_> = first.iter().chain(&rest).map(|(_, row)| row.at.since(NOW).get() / 1000).collect();
    assert_eq!(millis, [2, 3, 4, 5, 6]);
}
