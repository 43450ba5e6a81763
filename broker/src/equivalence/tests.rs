//! Which deployments take a function's calls, told as stories.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use merit_units::{DeploymentId, FunctionId, KeyId, Money};
use merit_wire::{DeploymentSpec, FunctionSpec, ReceiptView};

use super::{Ground, Recorded, shadow};
use crate::clock::month_of;
use crate::function::{Deployment, Function};
use crate::functions::spec_of;
use crate::receipt;
use crate::refusal::Refusal;
use crate::settle::Settled;
use crate::testing::{START, Stage, Step};

fn by() -> KeyId {
    "0a1b2c3d".parse().unwrap()
}

fn id(name: &str) -> DeploymentId {
    name.parse().unwrap()
}

impl Stage {
    fn work(&self) -> Arc<Function> {
        self.broker.functions.get("work").unwrap()
    }

    /// Puts the function anew, changed.
    fn change(&self, change: impl FnOnce(&mut FunctionSpec)) {
        let mut spec = spec_of(&self.work());
        change(&mut spec);
        self.broker.functions.put(&self.broker, &FunctionId::try_new("work").unwrap(), &spec).unwrap();
    }

    fn demand_proof(&self) {
        self.change(|spec| spec.equivalence = Some("proven".to_owned()));
    }

    fn digest(&self, deployment: &str, digest: &str) {
        self.change(|spec| {
            let deployments: &mut BTreeMap<String, DeploymentSpec> = spec.deployments.as_mut().unwrap();
            deployments.get_mut(deployment).unwrap().digest = Some(digest.to_owned());
        });
    }

    fn deployment(&self, name: &str) -> Arc<Deployment> {
        self.work().deployments.iter().find(|one| one.id.as_str() == name).cloned().unwrap()
    }

    async fn vouch(&self, name: &str) {
        self.broker.vouch(&self.work(), &[self.deployment(name)], "0a1b2c3d").await.unwrap();
    }

    fn ground(&self, name: &str) -> Ground {
        self.deployment(name).equality.ground()
    }

    /// Where a call runs, or why nowhere.
    async fn runs_at(&self) -> Result<String, Vec<String>> {
        match self.call(&[]).await {
            Ok(Settled::Replied(replied)) => Ok(replied.account.deployment.id.to_string()),
            Ok(Settled::Refused(refused)) => panic!("refused: {}", refused.refusal),
            Err(Refusal::NoEligibleVenue { exclusions, .. }) => {
                Err(exclusions.into_iter().map(|excluded| excluded.reason).collect())
            }
            Err(other) => panic!("refused: {other}"),
        }
    }

    async fn record(&self, payload: &'static str, reply: Option<&'static str>) {
        let (payload, reply) =
            (Bytes::from_static(payload.as_bytes()), reply.map(|text| Bytes::from_static(text.as_bytes())));
        let sample = Recorded { payload, content_type: None, reply, deployment: None };
        self.broker.record_sample(&self.work(), sample, &by()).await.unwrap();
    }

    /// What the account of equivalence has spent.
    fn spent_on_equivalence(&self) -> Money {
        let account = self.broker.ledger.account("equivalence");
        let balance = account.and_then(|account| self.broker.ledger.balance(account, month_of(START)));
        balance.map_or(Money::ZERO, |balance| balance.spent)
    }

    async fn receipts(&self) -> Vec<ReceiptView> {
        self.broker.store.flush().await.unwrap();
        let ever = merit_units::Timestamp::EPOCH..merit_units::Timestamp::from_micros(u64::MAX >> 1);
        let rows = self.broker.store.receipts_between(ever, None, 100).unwrap();
        rows.iter().map(|(_, row)| receipt::view(row).unwrap()).collect()
    }

    /// Makes calls until `done`, with shadow calls under way.
    async fn call_until(&self, done: impl Fn(&Self) -> bool) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        while !done(self) {
            assert!(tokio::time::Instant::now() < deadline, "it never happens:\n{}", self.broker.metrics.render());
            self.call(&[]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn counted(&self, result: &str) -> bool {
        let line = format!("merit_shadow_calls_total{{kind=\"{result}\"}}");
        self.broker.metrics.render().contains(&line)
    }
}

#[tokio::test]
async fn a_function_that_demands_proof_takes_an_operators_word_as_long_as_it_stands() {
    let stage = Stage::new(false, &["0.001", "0.002"]).await;
    assert_eq!(stage.runs_at().await, Ok("a".to_owned()), "declared: it is enough to be registered");
    stage.demand_proof();
    assert_eq!(stage.runs_at().await, Err(vec!["not-proven-equal".to_owned(); 2]));
    stage.vouch("b").await;
    assert_eq!(stage.runs_at().await, Ok("b".to_owned()));
    let (who, at, _) = stage.broker.equivalence.proof_of(&stage.work(), &stage.deployment("b")).unwrap();
    assert_eq!((who.as_str(), at), ("0a1b2c3d", START));
    stage.change(|spec| {
        spec.deployments.as_mut().unwrap().get_mut("b").unwrap().target = "other".to_owned();
    });
    assert_eq!(stage.runs_at().await, Err(vec!["not-proven-equal".to_owned(); 2]), "it was said of another target");
    stage.vouch("b").await;
    assert!(stage.broker.unvouch(&stage.work(), &stage.deployment("b")).await.unwrap());
    assert_eq!(stage.ground("b"), Ground::None);
}

#[tokio::test]
async fn what_nobody_gave_a_word_for_takes_no_calls_and_says_what_to_do() {
    let stage = Stage::new(false, &["0.001"]).await;
    stage.change(|spec| spec.equivalence = None);
    assert_eq!(stage.runs_at().await, Err(vec!["not-proven-equal".to_owned()]));
    let work = stage.work();
    let told = crate::quote::exclusion_views(&work.id, &work.view(), &merit_market::Terms::default(), START);
    assert!(told[0].detail.contains("`merit functions vouch work a`"), "{told:?}");
    assert!(told[0].detail.ends_with("`merit functions samples replay work a`"), "{told:?}");
    let put = stage.broker.functions.put_by(&stage.broker, &work.id, &spec_of(&work), "0a1b2c3d").unwrap();
    assert_eq!(stage.runs_at().await, Ok("a".to_owned()), "the word is in force before it is on disk");
    assert_eq!(stage.broker.store.proofs().unwrap().len(), 0);
    stage.broker.vouch(&put, &put.deployments, "another").await.unwrap();
    let kept = stage.broker.store.proofs().unwrap();
    assert_eq!((kept.len(), kept[0].by.as_str()), (1, "0a1b2c3d"), "the older word stands");
}

#[tokio::test]
async fn what_the_file_says_is_the_operators_word() {
    let stage = Stage::new(false, &["0.001"]).await;
    let spec = FunctionSpec { equivalence: Some("proven".to_owned()), ..spec_of(&stage.work()) };
    let work = FunctionId::try_new("work").unwrap();
    stage.broker.functions.put_from(&stage.broker, &work, &spec, START).unwrap();
    assert_eq!(stage.runs_at().await, Ok("a".to_owned()));
    let proof = stage.broker.equivalence.proof_of(&stage.work(), &stage.deployment("a"));
    assert_eq!(proof, Some(("merit.toml".to_owned(), START, 0)));
    stage.digest("a", "sha256:1");
    assert_eq!(stage.ground("a"), Ground::Word, "a digest that was learned changes nothing");
    stage.digest("a", "sha256:2");
    assert_eq!(stage.ground("a"), Ground::None, "other code than was meant");
}

#[tokio::test]
async fn the_same_digest_is_the_same_code() {
    let stage = Stage::new(false, &["0.001", "0.002", "0.003"]).await;
    stage.demand_proof();
    stage.digest("a", "sha256:bad");
    stage.digest("b", "sha256:good");
    stage.digest("c", "sha256:good");
    stage.vouch("c").await;
    assert_eq!((stage.ground("a"), stage.ground("b"), stage.ground("c")), (Ground::None, Ground::Digest, Ground::Word));
    assert_eq!(stage.runs_at().await, Ok("b".to_owned()));
    stage.digest("b", "sha256:newer");
    assert_eq!(stage.runs_at().await, Ok("c".to_owned()));
    stage.change(|spec| spec.digest = Some("sha256:bad".to_owned()));
    assert_eq!(stage.ground("a"), Ground::Digest, "the function's own digest says so");
}

#[tokio::test]
async fn samples_prove_a_deployment_and_are_paid() {
    let stage = Stage::new(false, &["0.001", "0.002"]).await;
    stage.demand_proof();
    stage.vouch("a").await;
    stage.record("one", None).await;
    stage.record("two", Some("done")).await;
    assert_eq!((stage.venues[0].calls(), stage.venues[0].payloads.lock().unwrap()[0].as_ref()), (1, &b"one"[..]));
    assert_eq!(stage.spent_on_equivalence(), "0.001".parse().unwrap(), "a given reply costs nothing");

    stage.venues[1].then([Step::Say("done"), Step::Say("gone")]);
    let replays = stage.broker.replay(&stage.work(), &stage.deployment("b"), &by()).await.unwrap();
    let results: Vec<_> = replays.samples.iter().map(|one| (one.number, one.result, one.detail.as_str())).collect();
    let difference = "byte 0 of 4 and 4: expected \"done\", got \"gone\"";
    assert_eq!(results, [(1, "equal", ""), (2, "differs", difference)]);
    assert_eq!((replays.proven, replays.charge, stage.ground("b")), (false, "0.004".parse().unwrap(), Ground::None));

    let replays = stage.broker.replay(&stage.work(), &stage.deployment("b"), &by()).await.unwrap();
    assert!(replays.proven);
    assert_eq!(stage.ground("b"), Ground::Samples);
    stage.broker.equivalence.forget(&stage.work().id, None);
    stage.broker.load_equivalence().unwrap();
    stage.broker.equivalence.judge(&stage.work());
    assert_eq!((stage.ground("a"), stage.ground("b")), (Ground::Word, Ground::Samples), "as after a restart");
    assert_eq!(stage.spent_on_equivalence(), "0.009".parse().unwrap());
    assert_eq!(stage.balance(), (Money::ZERO, Money::ZERO), "no caller pays for it");
    let mut kinds: Vec<_> = stage.receipts().await.into_iter().map(|receipt| receipt.kind.unwrap()).collect();
    kinds.sort();
    assert_eq!(kinds, ["replay", "replay", "replay", "replay", "sample"], "made within one millisecond");

    stage.venues[1].then([Step::Say("gone")]);
    assert!(!stage.broker.replay(&stage.work(), &stage.deployment("b"), &by()).await.unwrap().proven);
    assert_eq!(stage.ground("b"), Ground::None, "what it has shown since counts");
}

#[tokio::test]
async fn samples_are_bounded_and_none_prove_nothing() {
    let stage = Stage::new(false, &["0.001"]).await;
    let refused = stage.broker.replay(&stage.work(), &stage.deployment("a"), &by()).await.unwrap_err();
    assert!(refused.to_string().contains("merit functions samples record work"), "{refused}");
    let large = Recorded { payload: vec![0; 65_537].into(), content_type: None, reply: None, deployment: None };
    let refused = stage.broker.record_sample(&stage.work(), large, &by()).await.unwrap_err();
    assert!(refused.to_string().contains("65537 bytes; equivalence.max_sample_bytes is 65536"), "{refused}");
    let mut settings = (**stage.broker.settings.load()).clone();
    settings.equivalence.max_samples = 1;
    stage.broker.settings.store(Arc::new(settings));
    stage.record("one", Some("1")).await;
    let more = Recorded { payload: Bytes::new(), content_type: None, reply: Some(Bytes::new()), deployment: None };
    let refused = stage.broker.record_sample(&stage.work(), more, &by()).await.unwrap_err();
    assert!(refused.to_string().contains("equivalence.max_samples, 1, is reached"), "{refused}");
}

#[tokio::test]
async fn a_deployment_whose_replies_differ_is_put_in_quarantine_and_its_replies_are_kept() {
    let stage = Stage::new(true, &["0.001", "0.002"]).await;
    stage.change(|spec| spec.shadow_ppm = Some(1_000_000));
    stage.venues[1].then(std::iter::repeat_n(Step::Say("gone"), 50));
    let shadows = tokio::spawn(shadow::run(Arc::clone(&stage.broker)));
    stage.call_until(|stage| stage.deployment("b").equality.is_quarantined()).await;
    stage.broker.start_draining();
    shadows.await.unwrap();

    let work = stage.work();
    let rows = stage.broker.store.divergences(&work.id, &id("b")).unwrap();
    assert!(rows.len() >= 3, "{rows:?}");
    assert_eq!((rows[0].given.as_slice(), rows[0].reply.as_slice()), (&b"done"[..], &b"gone"[..]));
    assert_eq!((rows[0].other.as_str(), stage.venues[1].calls()), ("a", stage.receipts_of("shadow").await));
    let verdicts = crate::quote::exclusion_views(&work.id, &work.view(), &merit_market::Terms::default(), START);
    let reasons: Vec<_> = verdicts.iter().map(|one| (one.deployment.as_str(), one.reason.as_str())).collect();
    assert_eq!(reasons, [("b", "quarantined")]);

    let (spent, _) = stage.balance();
    assert_eq!(
        spent,
        Money::from_pico(1_000_000_000 * stage.receipts_of("call").await as i128),
        "callers pay for their own"
    );
    assert_eq!(
        stage.spent_on_equivalence(),
        Money::from_pico(2_000_000_000 * stage.receipts_of("shadow").await as i128)
    );
    let shadow = stage.receipts().await.into_iter().find(|receipt| receipt.kind.is_some()).unwrap();
    assert!(stage.receipts().await.iter().any(|receipt| Some(&receipt.id) == shadow.shadows.as_ref()), "{shadow:?}");

    stage.broker.equivalence.forget(&work.id, None);
    stage.broker.load_equivalence().unwrap();
    stage.broker.equivalence.judge(&work);
    assert!(stage.deployment("b").equality.is_quarantined(), "as after a restart");
    assert!(stage.broker.lift_quarantine(&work, &id("b")).await.unwrap());
    assert!(!stage.deployment("b").equality.is_quarantined());
    assert!(stage.broker.store.divergences(&work.id, &id("b")).unwrap().is_empty());
    assert!(!stage.broker.lift_quarantine(&work, &id("b")).await.unwrap(), "there is none to lift");
}

impl Stage {
    async fn receipts_of(&self, kind: &str) -> usize {
        let is = |receipt: &&ReceiptView| receipt.kind.as_deref().unwrap_or("call") == kind;
        self.receipts().await.iter().filter(is).count()
    }
}

#[tokio::test]
async fn of_two_that_differ_the_one_with_the_weaker_standing_is_suspected() {
    let stage = Stage::new(true, &["0.001", "0.002"]).await;
    stage.change(|spec| spec.shadow_ppm = Some(1_000_000));
    stage.vouch("b").await;
    stage.venues[0].then(std::iter::repeat_n(Step::Say("gone"), 50));
    let shadows = tokio::spawn(shadow::run(Arc::clone(&stage.broker)));
    stage.call_until(|stage| stage.deployment("a").equality.is_quarantined()).await;
    let kept = || stage.broker.store.divergences(&stage.work().id, &id("a")).unwrap();
    // It is in quarantine a moment before its last reply is on disk.
    while kept().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let rows = kept();
    assert_eq!((rows[0].given.as_slice(), rows[0].reply.as_slice()), (&b"done"[..], &b"gone"[..]));
    assert!(rows[0].difference.contains("expected \"done\", got \"gone\""), "{}", rows[0].difference);
    assert_eq!(stage.runs_at().await, Ok("b".to_owned()));
    shadows.abort();
}

#[tokio::test]
async fn shadow_calls_are_made_only_where_the_call_could_have_gone_and_as_far_as_the_money_goes() {
    let stage = Stage::new(true, &["0.001", "0.002"]).await;
    stage.change(|spec| spec.shadow_ppm = Some(1_000_000));
    let shadows = tokio::spawn(shadow::run(Arc::clone(&stage.broker)));
    stage.call(&[("merit-venues", "a")]).await.unwrap();
    while !stage.counted("nowhere") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let number = stage.broker.store.open_account(&"equivalence".parse().unwrap()).await.unwrap();
    let hard = Some("0.001".parse().unwrap());
    stage.broker.ledger.set_budget(number, merit_ledger::Budget { hard, soft: None }).await.unwrap().unwrap();
    stage.call_until(|stage| stage.counted("left-out")).await;
    assert_eq!((stage.venues[1].calls(), stage.spent_on_equivalence()), (0, Money::ZERO));

    let careful = Stage::new(false, &["0.001", "0.002"]).await;
    careful.change(|spec| spec.shadow_ppm = Some(1_000_000));
    careful.call(&[]).await.unwrap();
    assert_eq!(careful.broker.equivalence.shadows.waiting(), 0, "running it twice may do harm");
    assert_eq!(careful.broker.in_flight.load(Ordering::Relaxed), 0);
    shadows.abort();
}

#[tokio::test]
async fn a_deployment_that_ran_other_code_than_it_was_proven_by_is_in_quarantine() {
    let stage = Stage::new(true, &["0.001"]).await;
    stage.digest("a", "crc64:1");
    stage.vouch("a").await;
    stage.demand_proof();
    let runs = async |digest| {
        stage.venues[0].then([Step::Ran(digest)]);
        stage.runs_at().await
    };
    let at_a = || Ok("a".to_owned());
    assert_eq!(runs("crc64:1").await, at_a());
    assert_eq!(runs("sha256:2").await, at_a());
    assert_eq!(runs("crc64:2").await, at_a(), "another scheme says nothing");
    assert_eq!(stage.runs_at().await, Err(vec!["quarantined".to_owned()]), "what ran was not what was proven");
    let quarantined = stage.broker.equivalence.quarantine_of(&stage.work().id, &id("a")).expect("it is");
    let says = "`crc64:2` ran there, and it is taken for equal as `crc64:1`; see what was deployed, tell Merit its digest \
                (`merit venues discover a --apply`), and lift this";
    assert_eq!(quarantined.why, says);
    // It is written down beside the call.
    while stage.broker.store.quarantines().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    stage.digest("a", "crc64:2");
    stage.vouch("a").await;
    assert!(stage.broker.lift_quarantine(&stage.work(), &id("a")).await.unwrap());
    assert_eq!(runs("crc64:2").await, at_a());
    stage.change(|spec| spec.equivalence = Some("declared".to_owned()));
    assert_eq!(runs("crc64:3").await, at_a());
    assert_eq!(runs("crc64:3").await, at_a(), "who demands no proof gets none taken away");
}
