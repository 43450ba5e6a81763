//! Plans against a broker with one scripted venue.

use std::time::Duration;

use merit_units::FunctionId;
use merit_venue::Alias;
use merit_wire::FunctionSpec;

use super::*;
use crate::testing::Stage;

fn found(name: &str, tags: &[(&str, &str)]) -> Discovered {
    Discovered {
        name: name.to_owned(),
        target: name.to_owned(),
        memory: MemoryMb::try_new(512).ok(),
        architecture: Some(Architecture::X86_64),
        timeout: Some(Duration::from_secs(3)),
        tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        aliases: vec![Alias { name: "live".to_owned(), version: "7".to_owned(), target: format!("{name}:live") }],
        ..Discovered::default()
    }
}

fn put(stage: &Stage, function: &str, deployment: &str, target: &str, memory_mb: u64) {
    let venue = stage.broker.directory.load().venue("a").unwrap().id.to_string();
    let spec = DeploymentSpec {
        venue,
        target: target.to_owned(),
        memory_mb,
        vcpu: None,
        architecture: None,
        concurrency: Some(9),
        instance_concurrency: None,
        kept_instances: None,
        sheet: None,
        digest: None,
    };
    let deployments = Some(BTreeMap::from([(deployment.to_owned(), spec)]));
    let spec = FunctionSpec { deployments, ..FunctionSpec::default() };
    stage.broker.functions.put(&stage.broker, &FunctionId::try_new(function).unwrap(), &spec).unwrap();
}

/// The changes as `function/deployment before -> after`.
fn planned(stage: &Stage, found: &[Discovered], all: bool) -> Vec<String> {
    let directory = stage.broker.directory.load();
    let plan = plan(directory.venue("a").unwrap(), &stage.broker.functions.all(), found, all);
    let shown = |spec: &Option<DeploymentSpec>| {
        spec.as_ref().map_or_else(|| "-".to_owned(), |spec| format!("{}@{}", spec.target, spec.memory_mb))
    };
    let line = |change: &Change| {
        format!("{}/{} {} -> {}", change.function, change.deployment, shown(&change.before), shown(&change.after))
    };
    plan.changes.iter().map(line).collect()
}

/// A stage whose only function of its own is out of the way.
async fn stage() -> Stage {
    let stage = Stage::new(false, &["0.001"]).await;
    stage.broker.functions.remove("work").unwrap();
    stage
}

#[tokio::test]
async fn a_tag_or_a_known_name_says_which_function_it_is() {
    let stage = stage().await;
    put(&stage, "known", "elsewhere", "other:7", 512);
    let there = [
        found("resize-prod", &[(FUNCTION_TAG, "resize")]),
        found("known", &[]),
        found("unspoken", &[]),
        found("other", &[]),
        found("blue", &[(FUNCTION_TAG, "resize"), (ALIAS_TAG, "live")]),
    ];
    let by_tag_and_name = ["known/a - -> known@512", "resize/a - -> resize-prod@512", "resize/a - -> blue:live@512"];
    assert_eq!(planned(&stage, &there, false), by_tag_and_name);
    assert!(planned(&stage, &there, true).contains(&"unspoken/a - -> unspoken@512".to_owned()));
}

#[tokio::test]
async fn what_changed_is_told_and_what_only_merit_knows_stays() {
    let stage = stage().await;
    put(&stage, "resize", "mine", "arn:aws:lambda:us-east-1:123456789012:function:resize", 128);
    assert_eq!(
        planned(&stage, &[found("resize", &[])], false),
        ["resize/mine arn:aws:lambda:us-east-1:123456789012:function:resize@128 -> \
          arn:aws:lambda:us-east-1:123456789012:function:resize@512"]
    );
    let directory = stage.broker.directory.load();
    let plan = plan(directory.venue("a").unwrap(), &stage.broker.functions.all(), &[found("resize", &[])], false);
    assert_eq!(plan.changes[0].after.as_ref().unwrap().concurrency, Some(9));
    stage.broker.apply_change(&plan.changes[0], "0a1b2c3d").unwrap();
    assert_eq!(planned(&stage, &[found("resize", &[])], false), Vec::<String>::new(), "applied twice is applied once");
}

#[tokio::test]
async fn what_an_instance_is_and_takes_is_told() {
    let stage = stage().await;
    put(&stage, "resize", "mine", "resize", 512);
    let change = |concurrency: Option<u16>| {
        let one = Discovered { vcpu_milli: Some(2000), instance_concurrency: concurrency, ..found("resize", &[]) };
        let directory = stage.broker.directory.load();
        plan(directory.venue("a").unwrap(), &stage.broker.functions.all(), &[one], false).changes.pop()
    };
    let after = |concurrency| change(concurrency).map(|change| change.after.unwrap());
    let spec = after(Some(80)).unwrap();
    assert_eq!((spec.vcpu.as_deref(), spec.instance_concurrency), (Some("2"), Some(80)));
    assert_eq!(after(Some(5_000)).unwrap().instance_concurrency, Some(1_000), "no more than there can be");
    let function = stage.broker.apply_change(&change(Some(80)).unwrap(), "0a1b2c3d").unwrap();
    assert_eq!(function.deployments[0].size.concurrency, 80);
    let proof =
        stage.broker.equivalence.proof_of(&function, &function.deployments[0]).expect("whoever applied it said so");
    assert_eq!((proof.0.as_str(), function.equality.demand), ("0a1b2c3d", merit_config::Demand::Proven));
    assert_eq!(change(Some(80)), None, "applied twice is applied once");
    assert_eq!(change(None), None, "what is not told stays");
    assert_eq!(after(Some(1)).unwrap().instance_concurrency, None, "one call at a time");
}

#[tokio::test]
async fn what_is_gone_is_told_and_versions_and_aliases_are_not_gone() {
    let stage = stage().await;
    put(&stage, "one", "gone", "vanished", 512);
    put(&stage, "two", "alias", "resize:live", 512);
    put(&stage, "three", "version", "resize:3", 512);
    put(&stage, "four", "no-alias", "resize:blue", 512);
    let gone = ["four/no-alias resize:blue@512 -> -", "one/gone vanished@512 -> -"];
    assert_eq!(planned(&stage, &[found("resize", &[])], false), gone);
}

#[tokio::test]
async fn a_tag_that_cannot_be_followed_is_told_and_not_proposed() {
    let stage = stage().await;
    let directory = stage.broker.directory.load();
    let there =
        [found("x", &[(FUNCTION_TAG, "no good/name")]), found("y", &[(FUNCTION_TAG, "fine"), (ALIAS_TAG, "nowhere")])];
    let plan = plan(directory.venue("a").unwrap(), &[], &there, false);
    assert_eq!(plan.changes, []);
    let problems: Vec<_> = plan.found.iter().map(|found| found.problem.as_deref().unwrap_or_default()).collect();
    assert!(problems[0].contains("no good/name") && problems[1].contains("nowhere"), "{problems:?}");
}

#[tokio::test]
async fn a_new_function_takes_its_time_limit_from_the_venue() {
    let stage = stage().await;
    let directory = stage.broker.directory.load();
    let there = [found("resize", &[(FUNCTION_TAG, "resize")])];
    let plan = plan(directory.venue("a").unwrap(), &[], &there, false);
    let function = stage.broker.apply_change(&plan.changes[0], "0a1b2c3d").unwrap();
    assert_eq!((function.id.as_str(), function.timeout.millis_ceil()), ("resize", 3000));
    assert_eq!(function.deployments[0].spec().memory_mb, 512);
}
