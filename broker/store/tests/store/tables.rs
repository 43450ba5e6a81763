//! Functions, price sheets, keys, profiles and totals: put, listed, gone, and there after a restart.

use std::collections::BTreeMap;

use merit_store::Store;
use merit_store::record::{FunctionRow, KeyRow, ProfileRow, ProviderRow, SheetPut, SheetRow};
use merit_units::{DeploymentId, FunctionId, KeyId, Micros, VenueId};

use super::fixture::{NOW, fresh, month, open};

fn name(text: &str) -> FunctionId {
    text.parse().unwrap()
}

fn deployments(entries: &[(&str, &str)]) -> BTreeMap<DeploymentId, String> {
    entries.iter().map(|(name, spec)| (name.parse().unwrap(), (*spec).to_owned())).collect()
}

fn profile(function: &str, deployment: &str, profile: &[u8]) -> ProfileRow {
    ProfileRow { function: name(function), deployment: deployment.parse().unwrap(), profile: profile.to_vec() }
}

fn put(store: &Store, function: &str, spec: &str, deployments: Option<BTreeMap<DeploymentId, String>>) {
    store.put_function(&name(function), spec.to_owned(), deployments).wait().unwrap();
}

#[test]
fn functions_are_put_replaced_and_deleted() {
    let (dir, store) = fresh();
    put(&store, "thumbnail", "v1", Some(deployments(&[("aws", "a1"), ("pool", "p1")])));
    put(&store, "markdown", "m1", None);
    let profiles = vec![profile("thumbnail", "aws", b"1"), profile("thumbnail", "pool", b"2")];
    store.put_profiles(profiles).wait().unwrap();

    put(&store, "thumbnail", "v2", None);
    let stored = store.functions().unwrap();
    assert_eq!(stored.iter().map(|function| function.name.as_str()).collect::<Vec<_>>(), ["markdown", "thumbnail"]);
    let expected = deployments(&[("aws", "a1"), ("pool", "p1")]);
    assert_eq!(stored[1], FunctionRow { name: name("thumbnail"), spec: "v2".to_owned(), deployments: expected });

    put(&store, "thumbnail", "v3", Some(deployments(&[("pool", "p2"), ("google", "g1")])));
    assert_eq!(store.functions().unwrap()[1].deployments, deployments(&[("google", "g1"), ("pool", "p2")]));
    assert_eq!(store.profiles().unwrap(), [profile("thumbnail", "pool", b"2")], "a replaced deployment is forgotten");

    store.close().unwrap();
    let store = open(dir.path());
    assert!(store.delete_function(&name("thumbnail")).wait().unwrap());
    assert!(!store.delete_function(&name("thumbnail")).wait().unwrap());
    assert_eq!(store.functions().unwrap().len(), 1);
    assert_eq!(store.profiles().unwrap(), []);
}

#[test]
fn deployments_are_put_and_deleted_one_by_one() {
    let (_dir, store) = fresh();
    let aws: DeploymentId = "aws".parse().unwrap();
    assert!(!store.put_deployment(&name("thumbnail"), &aws, "a1".to_owned()).wait().unwrap(), "no such function");
    put(&store, "thumbnail", "v1", None);
    assert!(store.put_deployment(&name("thumbnail"), &aws, "a1".to_owned()).wait().unwrap());
    assert!(store.put_deployment(&name("thumbnail"), &aws, "a2".to_owned()).wait().unwrap());
    assert_eq!(store.functions().unwrap()[0].deployments, deployments(&[("aws", "a2")]));
    assert!(store.delete_deployment(&name("thumbnail"), &aws).wait().unwrap());
    assert!(!store.delete_deployment(&name("thumbnail"), &aws).wait().unwrap());
    assert_eq!(store.functions().unwrap()[0].deployments, deployments(&[]));
}

fn sheet(venue: &str, seq: u64, from_seconds: u64, body: &str) -> SheetRow {
    let valid_from = NOW + Micros::from_secs(from_seconds);
    SheetRow { venue: venue.parse().unwrap(), seq, valid_from, stored_at: NOW, body: body.to_owned() }
}

#[test]
fn the_latest_valid_sheet_is_in_force() {
    let (dir, store) = fresh();
    for sheet in
        [sheet("aws", 1, 0, "a1"), sheet("pool", 4, 0, "p4"), sheet("aws", 3, 60, "a3"), sheet("aws", 5, 10, "a5")]
    {
        assert_eq!(store.put_sheet(sheet).wait().unwrap(), SheetPut::Stored);
    }
    for seq in [4, 5] {
        let stale = store.put_sheet(sheet("aws", seq, 0, "late")).wait().unwrap();
        assert_eq!(stale, SheetPut::Stale { current: 5 });
    }
    store.close().unwrap();
    let store = open(dir.path());
    let bodies = |seconds: u64| -> Vec<String> {
        let sheets = store.sheets_in_force(NOW + Micros::from_secs(seconds)).unwrap();
        sheets.into_iter().map(|sheet| sheet.body).collect()
    };
    assert_eq!(bodies(0), ["a1", "p4"]);
    assert_eq!(bodies(10), ["a5", "p4"], "valid from the second itself");
    assert_eq!(bodies(60), ["a5", "p4"], "a lower number does not come back when its time comes");
    let aws: VenueId = "aws".parse().unwrap();
    assert_eq!(store.sheet_history(&aws, 2).unwrap(), [sheet("aws", 5, 10, "a5"), sheet("aws", 3, 60, "a3")]);
}

#[test]
fn keys_are_listed_and_revoked_once() {
    let (dir, store) = fresh();
    let key = |id: &str, seconds: u64| KeyRow {
        id: id.parse().unwrap(),
        secret_hash: [7; 32],
        sealed_secret: (id == "k2").then(|| b"sealed".to_vec()),
        account: "ada".parse().unwrap(),
        roles: "invoke,finance".to_owned(),
        note: "for the \"search\" team".to_owned(),
        created_at: NOW + Micros::from_secs(seconds),
        revoked_at: None,
        venues: if id == "k1" { vec!["pool-a".parse().unwrap(), "pool-b".parse().unwrap()] } else { Vec::new() },
    };
    assert!(store.insert_key(key("k2", 1)).wait().unwrap());
    assert!(store.insert_key(key("k1", 2)).wait().unwrap());
    assert!(!store.insert_key(key("k1", 3)).wait().unwrap(), "the id is taken");
    let id: KeyId = "k2".parse().unwrap();
    assert!(store.revoke_key(&id, NOW + Micros::from_secs(9)).wait().unwrap());
    assert!(!store.revoke_key(&id, NOW + Micros::from_secs(10)).wait().unwrap());
    store.close().unwrap();
    let revoked = KeyRow { revoked_at: Some(NOW + Micros::from_secs(9)), ..key("k2", 1) };
    assert_eq!(open(dir.path()).keys().unwrap(), [revoked, key("k1", 2)]);
}

#[test]
fn what_is_known_of_a_provider_is_the_last_that_was_stored() {
    let (dir, store) = fresh();
    let row = |state: &str, secret: Option<&[u8]>| ProviderRow {
        venue: "pool-a".parse().unwrap(),
        state: state.to_owned(),
        sealed_secret: secret.map(<[u8]>::to_vec),
    };
    assert_eq!(store.providers().unwrap(), []);
    store.put_provider(row("{}", None)).wait().unwrap();
    store.put_provider(row(r#"{"caps":{}}"#, Some(b"sealed"))).wait().unwrap();
    store.close().unwrap();
    assert_eq!(open(dir.path()).providers().unwrap(), [row(r#"{"caps":{}}"#, Some(b"sealed"))]);
}

#[test]
fn meter_totals_outlive_a_restart() {
    let (dir, store) = fresh();
    assert_eq!(store.meter_totals(month()).unwrap(), None);
    store.put_meter_totals(month(), b"three".to_vec()).wait().unwrap();
    store.put_meter_totals(month(), b"four".to_vec()).wait().unwrap();
    store.close().unwrap();
    assert_eq!(open(dir.path()).meter_totals(month()).unwrap().unwrap(), b"four");
}
