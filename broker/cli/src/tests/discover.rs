//! `venues discover`: the difference, its application, and what is said about both.

use std::collections::BTreeMap;

use merit_wire::{ChangeView, DeploymentSpec, DiscoveryView, FoundView};

use super::broker::Broker;
use crate::Exit;

fn spec(target: &str, memory_mb: u64) -> DeploymentSpec {
    DeploymentSpec {
        venue: "aws".to_owned(),
        target: target.to_owned(),
        memory_mb,
        vcpu: None,
        architecture: Some("arm64".to_owned()),
        concurrency: None,
        instance_concurrency: None,
        kept_instances: None,
        sheet: None,
        digest: None,
    }
}

fn change(change: &str, function: &str, before: Option<DeploymentSpec>, after: Option<DeploymentSpec>) -> ChangeView {
    let (change, function) = (change.to_owned(), function.to_owned());
    ChangeView { change, function, deployment: "aws".to_owned(), before, after, result: "planned".to_owned() }
}

fn view() -> DiscoveryView {
    let resize = FoundView {
        name: "resize".to_owned(),
        function: Some("resize".to_owned()),
        memory_mb: Some(512),
        architecture: Some("arm64".to_owned()),
        timeout_ms: Some(3000),
        reserved_concurrency: Some(20),
        aliases: BTreeMap::from([("live".to_owned(), "7".to_owned())]),
        ..FoundView::default()
    };
    let problem = Some("its tag merit:alias names `x`, and it has no such alias".to_owned());
    let odd = FoundView { name: "odd".to_owned(), problem, ..FoundView::default() };
    DiscoveryView {
        venue: "aws".to_owned(),
        applied: false,
        found: vec![odd, resize],
        changes: vec![
            change("changed", "blur", Some(spec("blur", 128)), Some(spec("blur", 512))),
            change("gone", "old", Some(spec("old", 128)), None),
            change("added", "resize", None, Some(spec("resize", 512))),
        ],
    }
}

#[tokio::test]
async fn a_difference_is_shown_and_nothing_is_changed() {
    let broker = Broker::start().await;
    broker.json("POST /v1/venues/aws/discover", &view());
    let outcome = broker.run(&["venues", "discover", "aws"]).await;
    assert_eq!(outcome.exit, Exit::Ok);
    for line in [
        "~ blur/aws  memory_mb 128 -> 512\n",
        "- old/aws  old: 128 MB, arm64\n",
        "+ resize/aws  resize: 512 MB, arm64\n",
    ] {
        assert!(outcome.out.contains(line), "{}", outcome.out);
    }
    assert!(outcome.out.contains("live=7"), "{}", outcome.out);
    let said = "odd: not proposed: its tag merit:alias names `x`, and it has no such alias\n\
                1 added, 1 changed, 1 gone; nothing was changed: run it again with --apply\n";
    assert_eq!(outcome.err, said);
}

#[tokio::test]
async fn an_application_tells_what_was_kept_and_what_was_refused() {
    let broker = Broker::start().await;
    let mut applied = DiscoveryView { applied: true, ..view() };
    applied.changes[0].result = "applied".to_owned();
    applied.changes[1].result = "kept".to_owned();
    applied.changes[2].result = "applied".to_owned();
    broker.json("POST /v1/venues/aws/discover?apply=true&all=true", &applied);
    let outcome = broker.run(&["venues", "discover", "aws", "--apply", "--all"]).await;
    assert_eq!(outcome.exit, Exit::Ok);
    assert!(outcome.out.contains("- old/aws  old: 128 MB, arm64  (kept)\n"), "{}", outcome.out);
    assert!(outcome.err.contains("take it away with --apply --prune"), "{}", outcome.err);
    applied.changes[2].result = "memory is not sold".to_owned();
    broker.json("POST /v1/venues/aws/discover?apply=true&prune=true", &applied);
    let outcome = broker.run(&["venues", "discover", "aws", "--apply", "--prune"]).await;
    assert_eq!(outcome.exit, Exit::Failed, "a change was refused");
}

#[tokio::test]
async fn programs_get_all_of_it_as_json() {
    let broker = Broker::start().await;
    broker.json("POST /v1/venues/aws/discover", &view());
    let outcome = broker.run(&["venues", "discover", "aws", "--json"]).await;
    let read: DiscoveryView = serde_json::from_str(&outcome.out).expect("JSON");
    assert_eq!(read, view());
    assert_eq!(outcome.err, "");
    let nothing = DiscoveryView { changes: Vec::new(), ..view() };
    broker.json("POST /v1/venues/aws/discover", &nothing);
    let outcome = broker.run(&["venues", "discover", "aws"]).await;
    assert!(outcome.err.ends_with("nothing differs from what Merit knows\n"), "{}", outcome.err);
}
