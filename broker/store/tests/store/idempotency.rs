//! Idempotency keys: one claim wins, a success is replayed, and all of it survives a restart.

use merit_store::record::{IdempotencyBegun, IdempotencyClaim};
use merit_store::{Options, Store};
use merit_units::{AccountId, Micros, Timestamp};

use super::fixture::{NOW, as_if_killed, fresh, id, open};

fn ada() -> AccountId {
    "ada".parse().unwrap()
}

fn claim(invocation: u64) -> IdempotencyClaim {
    IdempotencyClaim {
        account: ada(),
        key: "order-7".to_owned(),
        request_hash: [1; 32],
        invocation: id(invocation),
        rerun_interrupted: false,
    }
}

fn begin(store: &Store, claim: IdempotencyClaim, now: Timestamp) -> IdempotencyBegun {
    store.begin_idempotent(claim, now).wait().unwrap()
}

#[test]
fn a_repeat_waits_then_gets_the_same_answer() {
    let (_dir, store) = fresh();
    assert_eq!(begin(&store, claim(1), NOW), IdempotencyBegun::Started);
    assert_eq!(begin(&store, claim(2), NOW), IdempotencyBegun::InFlight { invocation: id(1) });
    let other = IdempotencyClaim { request_hash: [2; 32], ..claim(3) };
    assert_eq!(begin(&store, other.clone(), NOW), IdempotencyBegun::Mismatch { invocation: id(1) });
    let finish = |invocation, response: &str| {
        store.finish_idempotent(&ada(), "order-7".to_owned(), id(invocation), response.into()).wait().unwrap()
    };
    assert!(!finish(2, "wrong"), "only the claim's own invocation finishes it");
    assert!(finish(1, "42"));
    assert!(!finish(1, "43"), "and once");
    let done = IdempotencyBegun::Done { invocation: id(1), response: b"42".to_vec() };
    assert_eq!(begin(&store, claim(4), NOW), done);
    assert_eq!(begin(&store, other, NOW), IdempotencyBegun::Mismatch { invocation: id(1) });
    let bobs = IdempotencyClaim { account: "bob".parse().unwrap(), ..claim(5) };
    assert_eq!(begin(&store, bobs, NOW), IdempotencyBegun::Started, "each account has its own keys");
}

#[test]
fn a_released_key_may_be_claimed_again() {
    let (_dir, store) = fresh();
    begin(&store, claim(1), NOW);
    let release = |invocation| store.release_idempotent(&ada(), "order-7".to_owned(), id(invocation)).wait().unwrap();
    assert!(!release(2));
    assert!(release(1));
    assert_eq!(begin(&store, claim(2), NOW), IdempotencyBegun::Started);
    store.finish_idempotent(&ada(), "order-7".to_owned(), id(2), b"ok".to_vec()).wait().unwrap();
    assert!(!release(2), "an answer is not taken back");
}

#[test]
fn a_key_is_free_after_24_hours() {
    let (_dir, store) = fresh();
    begin(&store, claim(1), NOW);
    store.finish_idempotent(&ada(), "order-7".to_owned(), id(1), b"ok".to_vec()).wait().unwrap();
    let last = NOW + Micros::from_secs(24 * 3600 - 1);
    assert!(matches!(begin(&store, claim(2), last), IdempotencyBegun::Done { .. }));
    assert_eq!(store.delete_expired_idempotency(last, 10).wait().unwrap(), 0);
    let after = NOW + Options::default().idempotency_kept;
    assert_eq!(begin(&store, claim(3), after), IdempotencyBegun::Started);
    assert_eq!(store.delete_expired_idempotency(after, 10).wait().unwrap(), 0, "claimed anew, kept anew");
    assert_eq!(store.delete_expired_idempotency(after + Options::default().idempotency_kept, 10).wait().unwrap(), 1);
}

#[test]
fn keys_survive_a_kill() {
    let (dir, store) = fresh();
    begin(&store, claim(1), NOW);
    let done = IdempotencyClaim { key: "order-8".to_owned(), ..claim(2) };
    begin(&store, done.clone(), NOW);
    store.finish_idempotent(&ada(), "order-8".to_owned(), id(2), b"ok".to_vec()).wait().unwrap();
    let killed = as_if_killed(dir.path());
    let store = open(killed.path());
    assert!(matches!(begin(&store, done, NOW), IdempotencyBegun::Done { .. }));
    // The call was running; whether it ran is unknown, and only a function that may run twice is run again.
    assert_eq!(begin(&store, claim(3), NOW), IdempotencyBegun::Interrupted { invocation: id(1) });
    let again = IdempotencyClaim { rerun_interrupted: true, ..claim(4) };
    assert_eq!(begin(&store, again.clone(), NOW), IdempotencyBegun::Started);
    assert_eq!(begin(&store, again, NOW), IdempotencyBegun::InFlight { invocation: id(4) });
}

#[test]
fn of_many_simultaneous_claims_one_wins() {
    let (_dir, store) = fresh();
    let waiting: Vec<_> = (0..50).map(|number| store.begin_idempotent(claim(number), NOW)).collect();
    let begun: Vec<_> = waiting.into_iter().map(|answer| answer.wait().unwrap()).collect();
    assert_eq!(begun[0], IdempotencyBegun::Started);
    assert!(begun[1..].iter().all(|begun| *begun == IdempotencyBegun::InFlight { invocation: id(0) }));
}
