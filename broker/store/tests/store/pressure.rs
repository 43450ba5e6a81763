//! A writer that cannot keep up: somebody else holds the database's write lock, as a slow disk would.

use merit_store::{Options, QueueFull, Store, StoreError};
use rusqlite::Connection;

use super::fixture::{EVER, NOW, cast, held, hold, id, receipt};

fn small() -> Options {
    Options { receipts_queued_max: 100, tasks_queued_max: 3, ..Options::default() }
}

#[test]
fn a_full_queue_gives_the_receipt_back_and_loses_none_it_took() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open_with(dir.path(), NOW, &small()).unwrap();
    let (ada, _) = cast(&store);
    let blocker = Connection::open(dir.path().join("merit.db")).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let taken = (0..).take_while(|number| store.enqueue_receipt(receipt(*number)).is_ok()).count() as u64;
    assert_eq!((taken, store.receipts_queued()), (100, 100));
    let QueueFull(returned) = store.enqueue_receipt(receipt(500)).unwrap_err();
    assert_eq!(*returned, receipt(500));
    assert_eq!(*store.receipt(id(99)).unwrap().unwrap(), receipt(99), "found while it waits");
    hold(&store, ada, 0..10);
    assert_eq!(held(&store), 10, "money does not wait for the database");
    blocker.execute_batch("ROLLBACK").unwrap();
    store.flush().wait().unwrap();
    assert_eq!(store.receipts_queued(), 0);
    for number in 0..taken {
        assert_eq!(*store.receipt(id(number)).unwrap().unwrap(), receipt(number));
    }
    store.enqueue_receipt(receipt(500)).unwrap();
}

#[test]
fn too_many_writes_that_wait_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open_with(dir.path(), NOW, &small()).unwrap();
    let blocker = Connection::open(dir.path().join("merit.db")).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let name = "ada".parse().unwrap();
    // One group may be with the writer already; three more wait.
    let waiting: Vec<_> = (0..20).map(|_| store.open_account(&name)).collect();
    blocker.execute_batch("ROLLBACK").unwrap();
    let answers: Vec<_> = waiting.into_iter().map(merit_store::Durable::wait).collect();
    let refused = answers.iter().filter(|answer| matches!(answer, Err(StoreError::Busy))).count();
    assert!((10..=17).contains(&refused), "{refused} of 20 were refused");
    assert!(answers.iter().flatten().all(|account| account.get() == 0), "and the others are one account");
}

#[test]
fn a_database_that_fails_is_told_and_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open_with(dir.path(), NOW, &small()).unwrap();
    let (ada, _) = cast(&store);
    let other = Connection::open(dir.path().join("merit.db")).unwrap();
    other.execute_batch("ALTER TABLE receipt RENAME TO hidden").unwrap();
    for number in 0..10 {
        store.enqueue_receipt(receipt(number)).unwrap();
    }
    assert!(matches!(store.flush().wait(), Err(StoreError::Database(_))), "who waits is told");
    assert!(store.trouble().is_some());
    assert_eq!(store.receipts_queued(), 10, "receipts wait for better times");
    hold(&store, ada, 0..10);
    assert_eq!(held(&store), 10, "money goes on");
    other.execute_batch("ALTER TABLE hidden RENAME TO receipt").unwrap();
    while store.receipts_queued() > 0 {
        std::thread::yield_now();
    }
    store.flush().wait().unwrap();
    assert!(store.trouble().is_none());
    assert_eq!(store.receipts_between(EVER, None, 100).unwrap().len(), 10);
}

#[test]
fn a_write_that_fails_undoes_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path(), NOW).unwrap();
    let other = Connection::open(dir.path().join("merit.db")).unwrap();
    other.execute_batch("DROP TABLE deployment").unwrap();
    let name = "thumbnail".parse().unwrap();
    store.enqueue_receipt(receipt(1)).unwrap();
    let kept = store.put_function(&"markdown".parse().unwrap(), "{}".to_owned(), None);
    let failed = store.put_function(&name, "{}".to_owned(), Some(std::collections::BTreeMap::new()));
    kept.wait().unwrap();
    assert!(matches!(failed.wait(), Err(StoreError::Database(_))));
    assert!(store.trouble().is_none(), "the group itself was committed");
    assert!(store.receipt(id(1)).unwrap().is_some());
    let names: Vec<String> = {
        let mut names = other.prepare("SELECT name FROM function").unwrap();
        names.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    assert_eq!(names, ["markdown"], "no function without its deployments");
}

#[test]
fn a_closed_store_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path(), NOW).unwrap();
    let clone = store.clone();
    store.close().unwrap();
    assert!(matches!(clone.flush().wait(), Err(StoreError::Closed)));
    assert!(clone.enqueue_receipt(receipt(1)).is_err());
}

#[test]
fn many_threads_open_the_same_accounts_and_hold_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path(), NOW).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let store = &store;
            scope.spawn(move || {
                let account = store.open_account(&format!("account-{}", thread % 4).parse().unwrap()).wait().unwrap();
                hold(store, account, thread * 100..thread * 100 + 100);
            });
        }
    });
    assert_eq!(store.ledger().accounts().len(), 4);
    assert_eq!(store.ledger().open_holds(), 800);
    assert!(store.ledger().conserved());
    store.close().unwrap();
    let (_, recovered) = Store::open(dir.path(), NOW).unwrap();
    assert_eq!((recovered.accounts, recovered.open_holds), (4, 800));
}
