//! What it costs not to forget: receipts into the database, holds and postings into the journal.
//!
//! `cargo bench -p merit-benches --bench store`; figures to stay above: 50,000 receipts a second, and to stay
//! below: 5 us of the caller's time for a hold with its posting. Baselines in the same run: a commit for each receipt, a
//! disk sync for each journal record.
//!
//! Conditions: a receipt has 16 columns and a detail of 320 bytes, as with eight candidates; the
//! database is in the system's temporary directory (set `TMPDIR` to measure another disk), in WAL mode with
//! `synchronous=FULL`. Receipts are measured from the first that is queued to the last that is on disk.
//!
//! Known limitation: a virtual disk may acknowledge a sync from its cache, in tens of microseconds. The baselines
//! suffer most from a slower disk, the grouped writes least.

use std::fs::File;
use std::hint::black_box;
use std::io::Write;

use divan::Bencher;
use divan::counter::ItemsCount;
use merit_ledger::{AccountIndex, Budget, HoldRequest, Ledger, VenueAccount};
use merit_load::report;
use merit_store::record::{Event, EventBody, EventRow, EventState, ReceiptRow, ReceiptStatus};
use merit_store::{Options, Store};
use merit_units::{InvocationId, Micros, Money, Month, Timestamp};
use rusqlite::{Connection, params};
use tempfile::TempDir;

const NOW: Timestamp = Timestamp::from_micros(1_763_719_200_000_000);
const EXPIRY: Timestamp = Timestamp::from_micros(1_763_720_200_000_000);
/// As many as the queue takes without refusing.
const RECEIPTS: u64 = 16_000;
const RUNNING: u64 = 1_000;

fn main() {
    report::conditions(
        "receipts to SQLite (WAL, synchronous=FULL) and holds to the journal, in the temporary folder; goals: 50,000 receipts a second, a \
         hold with its posting 5 us; the baselines are a commit a receipt and a sync a record",
    );
    divan::main();
}

fn month() -> Month {
    Month::try_new(2025, 11).expect("a month")
}

fn invocation(number: u64) -> InvocationId {
    InvocationId::v7(1_763_719_200_000 + number / 50, u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060))
}

fn receipt(number: u64) -> ReceiptRow {
    let venue = number % 6;
    ReceiptRow {
        id: invocation(number),
        at: NOW + Micros::new(number * 20),
        function: format!("function-{}", number % 50).parse().expect("a name"),
        account: format!("account-{}", number % 20).parse().expect("a name"),
        key: "0199f0a27c1e".parse().expect("a name"),
        status: ReceiptStatus::Ok,
        venue: Some(format!("aws-us-east-{venue}").parse().expect("a name")),
        deployment: Some(format!("aws-us-east-{venue}-512").parse().expect("a name")),
        charge: Money::from_pico(2_283_387),
        estimate: Money::from_pico(2_270_000),
        explored: Money::ZERO,
        estimated: false,
        duration: Micros::new(12_340),
        overhead: Micros::new(150),
        tags: vec!["env=prod".parse().expect("a tag"), "team=search".parse().expect("a tag")],
        detail: number.to_le_bytes().repeat(40),
    }
}

fn open() -> (TempDir, Store) {
    let dir = tempfile::tempdir().expect("a directory");
    let (store, _) = Store::open_with(dir.path(), NOW, &Options::default()).expect("a new store");
    (dir, store)
}

/// Sixteen thousand receipts, until all are on disk.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn receipts_in_groups(bencher: Bencher<'_, '_>) {
    let (_dir, store) = open();
    let mut next = 0;
    let batch = || {
        next += RECEIPTS;
        (next - RECEIPTS..next).map(receipt).collect::<Vec<_>>()
    };
    bencher.counter(ItemsCount::new(RECEIPTS)).with_inputs(batch).bench_local_values(|receipts| {
        for receipt in receipts {
            store.enqueue_receipt(receipt).expect("room in the queue");
        }
        store.flush().wait().expect("on disk");
    });
}

/// What the caller itself spends on queueing a receipt.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn receipts_callers_share(bencher: Bencher<'_, '_>) {
    let (_dir, store) = open();
    let mut next = 0;
    let batch = || {
        store.flush().wait().expect("on disk");
        next += RECEIPTS;
        (next - RECEIPTS..next).map(receipt).collect::<Vec<_>>()
    };
    bencher.counter(ItemsCount::new(RECEIPTS)).with_inputs(batch).bench_local_values(|receipts| {
        for receipt in receipts {
            store.enqueue_receipt(receipt).expect("room in the queue");
        }
    });
}

/// The same rows in the same tables, a commit for each.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn receipts_a_commit_each(bencher: Bencher<'_, '_>) {
    const ROWS: u64 = 200;
    let (dir, store) = open();
    store.close().expect("closed");
    let connection = Connection::open(dir.path().join("merit.db")).expect("the database");
    connection.pragma_update(None, "synchronous", "FULL").expect("a setting");
    let mut insert = connection
        .prepare(
            "INSERT INTO receipt (id, at, function, account, key, status, venue, deployment, charge, estimate, explored,
             estimated, duration_us, overhead_us, tags, detail)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, 0, ?11, ?12, ?13, ?14)",
        )
        .expect("the columns");
    let mut next = 0;
    let batch = || {
        next += ROWS;
        (next - ROWS..next).map(receipt).collect::<Vec<_>>()
    };
    bencher.counter(ItemsCount::new(ROWS)).with_inputs(batch).bench_local_refs(|receipts| {
        for row in receipts {
            insert
                .execute(params![
                    row.id.bits().to_be_bytes(),
                    row.at.micros(),
                    row.function.as_str(),
                    row.account.as_str(),
                    row.key.as_str(),
                    row.status.word(),
                    row.venue.as_ref().map(|name| name.as_str()),
                    row.deployment.as_ref().map(|name| name.as_str()),
                    row.charge.pico_saturating_i64(),
                    row.estimate.pico_saturating_i64(),
                    row.duration.get(),
                    row.overhead.get(),
                    "\nenv=prod\nteam=search\n",
                    row.detail,
                ])
                .expect("a row");
        }
    });
}

fn request(number: u64) -> HoldRequest {
    let amount = Money::from_pico(400_000_000);
    HoldRequest { invocation: invocation(number), account: AccountIndex::new(0), amount, expires_at: EXPIRY }
}

const CHARGE: Money = Money::from_pico(2_000_000);
const VENUE: VenueAccount = VenueAccount::new(0);

fn open_with_account() -> (TempDir, Store) {
    let (dir, store) = open();
    let account = store.open_account(&"ada".parse().expect("a name")).wait().expect("opened");
    store.open_venue(&"aws-us-east-1".parse().expect("a name")).wait().expect("opened");
    let budget = Budget { hard: Some(Ledger::MAX_BUDGET), soft: None };
    store.ledger().set_budget(account, budget).wait().expect("on disk").expect("in range");
    (dir, store)
}

/// A call begins and another ends: two records. The writer syncs them meanwhile and moves to a new segment.
#[divan::bench(sample_count = 100, sample_size = 2_000)]
fn hold_and_post_in_the_journal(bencher: Bencher<'_, '_>) {
    let (_dir, store) = open_with_account();
    for number in 0..RUNNING {
        store.ledger().hold(NOW, month(), &request(number)).expect("within budget");
    }
    let mut number = RUNNING;
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        black_box(store.ledger().hold(NOW, month(), &request(number))).expect("within budget");
        black_box(store.ledger().post(invocation(number - RUNNING), CHARGE, VENUE)).expect("held");
        number += 1;
    });
    assert!(store.trouble().is_none(), "the journal was written and synced");
}

/// The same from two threads, which share the lock.
#[divan::bench(threads = [2], sample_count = 100, sample_size = 1_000)]
fn hold_and_post_by_two_threads(bencher: Bencher<'_, '_>) {
    let (_dir, store) = open_with_account();
    let numbers = std::sync::atomic::AtomicU64::new(0);
    bencher.counter(ItemsCount::new(1_u32)).bench(|| {
        let number = numbers.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        black_box(store.ledger().hold(NOW, month(), &request(number))).expect("within budget");
        black_box(store.ledger().post(invocation(number), CHARGE, VENUE)).expect("held");
    });
}

/// Two records of 64 bytes, each on disk before the next.
#[divan::bench(sample_count = 20, sample_size = 20)]
fn hold_and_post_with_a_sync_each(bencher: Bencher<'_, '_>) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut file = File::create(dir.path().join("journal")).expect("a file");
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        for _ in 0..2 {
            file.write_all(black_box(&[7; 64])).expect("written");
            file.sync_data().expect("on disk");
        }
    });
}

/// An event of a kilobyte.
fn event(number: u64) -> Event {
    let row = EventRow {
        id: invocation(number),
        state: EventState::Queued,
        next_at: NOW,
        at: NOW,
        function: format!("function-{}", number % 50).parse().expect("a name"),
        url: None,
        account: "account-1".parse().expect("a name"),
        key: "0199f0a27c1e".parse().expect("a name"),
        max_age: Micros::from_secs(21_600),
        expires_at: EXPIRY,
        deliveries: 0,
        function_errors: 0,
        refusals: 0,
        bytes: 1026,
        error: None,
    };
    Event { row, body: EventBody { envelope: "{}".to_owned(), payload: vec![7; 1024] } }
}

/// So many senders at once, each of which waits until its event is on disk before it sends the next.
#[divan::bench(args = [1, 64, 1024], sample_count = 20, sample_size = 1)]
fn events_each_on_disk_before_its_answer(bencher: Bencher<'_, '_>, senders: usize) {
    let (_dir, store) = open();
    let mut next = 0;
    let rounds = 2048 / senders.max(16);
    bencher.counter(ItemsCount::new(rounds * senders)).bench_local(|| {
        for _ in 0..rounds {
            next += senders as u64;
            let sent: Vec<_> = (next - senders as u64..next).map(|number| store.enqueue_event(event(number))).collect();
            for answer in sent {
                assert!(answer.wait().expect("on disk"));
            }
        }
    });
}

/// The same rows in the same tables, a commit for each.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn events_a_commit_each(bencher: Bencher<'_, '_>) {
    const ROWS: u64 = 200;
    let (dir, store) = open();
    store.close().expect("closed");
    let connection = Connection::open(dir.path().join("merit.db")).expect("the database");
    connection.pragma_update(None, "synchronous", "FULL").expect("a setting");
    let mut next = 0;
    bencher.counter(ItemsCount::new(ROWS)).bench_local(|| {
        next += ROWS;
        for number in next - ROWS..next {
            let Event { row, body } = event(number);
            let id = row.id.bits().to_be_bytes();
            connection.execute_batch("BEGIN IMMEDIATE").expect("begun");
            connection
                .prepare_cached(
                    "INSERT INTO event (id, state, next_at, at, function, account, key, max_age_us, expires_at, deliveries,
                     function_errors, refusals, bytes) VALUES (?1, 0, ?2, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0, 0, ?8)",
                )
                .expect("the columns")
                .execute(params![
                    id,
                    row.at.micros(),
                    row.function.as_str(),
                    row.account.as_str(),
                    row.key.as_str(),
                    row.max_age.get(),
                    row.expires_at.micros(),
                    row.bytes,
                ])
                .expect("inserted");
            connection
                .prepare_cached("INSERT INTO event_body (id, envelope, payload) VALUES (?1, ?2, ?3)")
                .expect("the columns")
                .execute(params![id, body.envelope, body.payload])
                .expect("inserted");
            connection.execute_batch("COMMIT").expect("on disk");
        }
    });
}

/// An answer that is on disk: an idempotency key claimed, with nothing else to write.
#[divan::bench]
fn one_durable_answer(bencher: Bencher<'_, '_>) {
    let (_dir, store) = open();
    let mut number = 0;
    bencher.bench_local(|| {
        number += 1;
        let claim = merit_store::record::IdempotencyClaim {
            account: "ada".parse().expect("a name"),
            key: format!("order-{number}"),
            request_hash: [1; 32],
            invocation: invocation(number),
            rerun_interrupted: false,
        };
        store.begin_idempotent(claim, NOW).wait().expect("claimed")
    });
}
