//! Proofs, samples and quarantines: put, bounded, deleted with what they are of, and there after a restart.

use merit_store::Store;
use merit_store::record::{DivergenceRow, ProofKind, ProofRow, QuarantineRow, SampleRow};
use merit_units::{InvocationId, Timestamp};

use super::fixture::{NOW, fresh, open};

fn proof(deployment: &str, kind: ProofKind, digest: Option<&str>) -> ProofRow {
    ProofRow {
        function: "work".parse().unwrap(),
        deployment: deployment.parse().unwrap(),
        kind,
        by: "k1".to_owned(),
        at: NOW,
        venue: "aws".to_owned(),
        target: "work:live".to_owned(),
        digest: digest.map(str::to_owned),
        samples: 3,
    }
}

fn sample(payload: &[u8]) -> SampleRow {
    SampleRow {
        function: "work".parse().unwrap(),
        number: 0,
        at: NOW,
        by: "k1".to_owned(),
        deployment: Some("a".parse().unwrap()),
        content_type: None,
        payload: payload.to_vec(),
        reply: b"r".to_vec(),
        error: Some("Boom".to_owned()),
    }
}

fn divergence(reply: &[u8]) -> DivergenceRow {
    DivergenceRow {
        function: "work".parse().unwrap(),
        deployment: "b".parse().unwrap(),
        number: 0,
        at: NOW,
        invocation: InvocationId::v7(1, 2),
        shadow: InvocationId::v7(3, 4),
        other: "a".parse().unwrap(),
        difference: "all".to_owned(),
        payload: b"p".to_vec(),
        given: b"g".to_vec(),
        reply: reply.to_vec(),
    }
}

fn replies(store: &Store) -> Vec<Vec<u8>> {
    let rows = store.divergences(&"work".parse().unwrap(), &"b".parse().unwrap()).unwrap();
    rows.into_iter().map(|row| row.reply).collect()
}

#[test]
fn proofs_are_one_of_each_kind_and_outlive_a_restart() {
    let (dir, store) = fresh();
    let (work, a) = ("work".parse().unwrap(), "a".parse().unwrap());
    store.put_proofs(vec![proof("a", ProofKind::Word, None), proof("b", ProofKind::Word, None)]).wait().unwrap();
    store.put_proofs(vec![proof("a", ProofKind::Samples, Some("d1"))]).wait().unwrap();
    store.put_proofs(vec![proof("a", ProofKind::Samples, Some("d2"))]).wait().unwrap();
    store.close().unwrap();
    let store = open(dir.path());
    let expected = [
        proof("a", ProofKind::Word, None),
        proof("a", ProofKind::Samples, Some("d2")),
        proof("b", ProofKind::Word, None),
    ];
    assert_eq!(store.proofs().unwrap(), expected);
    assert!(store.delete_proof(&work, &a, ProofKind::Word).wait().unwrap());
    assert!(!store.delete_proof(&work, &a, ProofKind::Word).wait().unwrap());
    assert_eq!(store.proofs().unwrap(), expected[1..]);
}

#[test]
fn samples_are_numbered_and_bounded() {
    let (_dir, store) = fresh();
    let work = "work".parse().unwrap();
    assert_eq!(store.put_sample(sample(b"1"), 2).wait().unwrap(), Some(1));
    assert_eq!(store.put_sample(sample(b"2"), 2).wait().unwrap(), Some(2));
    assert_eq!(store.put_sample(sample(b"3"), 2).wait().unwrap(), None, "there are two");
    assert_eq!(store.delete_samples(&work, Some(1)).wait().unwrap(), 1);
    assert_eq!(store.put_sample(sample(b"3"), 2).wait().unwrap(), Some(3), "numbers grow");
    assert_eq!(
        store.samples(&work).unwrap(),
        [SampleRow { number: 2, ..sample(b"2") }, SampleRow { number: 3, ..sample(b"3") }]
    );
    assert_eq!(store.delete_samples(&work, None).wait().unwrap(), 2);
}

#[test]
fn of_replies_that_differ_the_first_and_the_newest_are_kept() {
    let (dir, store) = fresh();
    for reply in [b"1", b"2", b"3", b"4"] {
        store.put_divergence(divergence(reply), 3).wait().unwrap();
    }
    assert_eq!(replies(&store), [b"1", b"2", b"4"]);
    let quarantine = |at: u64, why: &str| QuarantineRow {
        function: "work".parse().unwrap(),
        deployment: "b".parse().unwrap(),
        at: Timestamp::from_micros(at),
        why: why.to_owned(),
    };
    store.put_quarantine(quarantine(1, "first")).wait().unwrap();
    store.put_quarantine(quarantine(2, "second")).wait().unwrap();
    store.close().unwrap();
    let store = open(dir.path());
    assert_eq!(store.quarantines().unwrap(), [quarantine(1, "first")]);
    assert_eq!(store.divergence_counts().unwrap(), [("work".parse().unwrap(), "b".parse().unwrap(), 3)]);
    let (work, b) = ("work".parse().unwrap(), "b".parse().unwrap());
    assert!(store.lift_quarantine(&work, &b).wait().unwrap());
    assert!(!store.lift_quarantine(&work, &b).wait().unwrap());
    assert!(store.quarantines().unwrap().is_empty() && replies(&store).is_empty());
}

#[test]
fn what_is_known_of_a_function_goes_with_it() {
    let (_dir, store) = fresh();
    let work = "work".parse().unwrap();
    let specs = |names: &[&str]| Some(names.iter().map(|name| (name.parse().unwrap(), "{}".to_owned())).collect());
    store.put_function(&work, "{}".to_owned(), specs(&["a", "b"])).wait().unwrap();
    store.put_proofs(vec![proof("a", ProofKind::Word, None), proof("b", ProofKind::Word, None)]).wait().unwrap();
    store.put_divergence(divergence(b"1"), 3).wait().unwrap();
    store.put_sample(sample(b"1"), 2).wait().unwrap();
    store.put_function(&work, "{}".to_owned(), specs(&["a"])).wait().unwrap();
    assert_eq!(store.proofs().unwrap(), [proof("a", ProofKind::Word, None)]);
    assert!(replies(&store).is_empty());
    assert!(store.delete_function(&work).wait().unwrap());
    assert!(store.proofs().unwrap().is_empty() && store.samples(&work).unwrap().is_empty());
}
