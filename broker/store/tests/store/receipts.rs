//! Receipts: found at once and after a restart, stored once, deleted when old.

use merit_store::record::{ReceiptRow, ReceiptStatus};
use merit_units::{Micros, Money};

use super::fixture::{NOW, fresh, id, open, pico, receipt};

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
    assert_eq!(store.receipts_after(0, 10).unwrap().len(), 1);
}

#[test]
fn a_second_receipt_of_an_invocation_is_ignored() {
    let (_dir, store) = fresh();
    store.enqueue_receipt(receipt(1)).unwrap();
    store.enqueue_receipt(ReceiptRow { charge: pico(7), ..receipt(1) }).unwrap();
    store.flush().wait().unwrap();
    assert_eq!(*store.receipt(id(1)).unwrap().unwrap(), receipt(1));
    assert_eq!(store.receipts_after(0, 10).unwrap().len(), 1);
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
    assert_eq!(store.receipts_after(0, 100).unwrap().len(), 2);
}
