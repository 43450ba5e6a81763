//! `kill -9` of the broker under load, again and again, on the same store.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use merit_units::Money;

use crate::support::{Audit, Client, Reply, Setup, Upstream, Worth, dollars, script, until, until_within};

const KILLS: usize = 50;
const CALLERS: usize = 12;
/// Answers in each life of the broker before it is killed.
const ANSWERS: usize = 40;
const PRICE: &str = "0.01";
/// Runs out while the kills go on: spent, or held for calls that a kill cut off.
const BUDGET: &str = "12";
const ACCOUNT: &str = "search";

/// What callers were told: invocation and charge of every reply they got whole.
#[derive(Clone, Default)]
struct Acknowledged(Arc<Mutex<BTreeMap<String, Money>>>);

impl Acknowledged {
    fn add(&self, reply: &Reply) {
        let charged = (reply.invocation().to_owned(), reply.charge());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend([charged]);
    }

    fn all(&self) -> BTreeMap<String, Money> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Answers of any kind, and refusals among them.
#[derive(Default)]
struct Answers {
    all: AtomicUsize,
    refused: AtomicUsize,
}

/// One caller until the broker is gone.
async fn call_until_it_dies(client: Client, acknowledged: Acknowledged, answers: Arc<Answers>) {
    loop {
        let order = client.order("f").header("merit-deadline", "1s").body("x");
        let Ok(reply) = Reply::try_of(order).await else { return };
        match reply.status {
            200 => acknowledged.add(&reply),
            402 => {
                reply.problem(402, "budget-exhausted");
                answers.refused.fetch_add(1, Ordering::Relaxed);
            }
            _ => panic!("{}: {}", reply.status, reply.text()),
        }
        answers.all.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_under_load_lose_no_charge_and_no_budget_and_holds_expire() {
    let upstream = Upstream::start(script::echoes_after(Duration::from_millis(2))).await;
    let setup = Setup::new().flat("a", &upstream.url(), PRICE).function("f", Worth::Once, &["a"]);
    let (broker, admin) = setup.start_with_client().await;
    let key = admin.create_key(ACCOUNT, &["invoke"]).await.secret;
    admin.set_budget(ACCOUNT, BUDGET).await;
    let mut alive = Some((broker, admin));

    let acknowledged = Acknowledged::default();
    let mut exhausted = 0;
    for life in 0..KILLS {
        let (broker, admin) = match alive.take() {
            Some(first) => first,
            None => setup.start_with_client().await,
        };
        check(&admin, &acknowledged, life).await;
        let answers = Arc::new(Answers::default());
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| {
                let client = Client::new(broker.address(), &key);
                tokio::spawn(call_until_it_dies(client, acknowledged.clone(), Arc::clone(&answers)))
            })
            .collect();
        let enough = || answers.all.load(Ordering::Relaxed) >= ANSWERS;
        until("some answers", async || enough().then_some(())).await;
        broker.kill().await;
        for caller in callers {
            caller.await.expect("every answer was a good one");
        }
        exhausted += usize::from(answers.refused.load(Ordering::Relaxed) > 0);
    }

    let (broker, admin) = setup.start_with_client().await;
    let before = check(&admin, &acknowledged, KILLS).await;
    assert!(before > Money::ZERO, "kills have left holds of calls that were running");
    assert!(exhausted > 0, "the budget ran out while the kills went on");
    // A hold outlives its call's deadline, a second here, by thirty.
    until_within(Duration::from_secs(40), "expired holds are voided", async || {
        (dollars(&admin.budget(ACCOUNT).await.held) == Money::ZERO).then_some(())
    })
    .await;
    check(&admin, &acknowledged, KILLS).await;
    // What they held can be spent again, and no more than that.
    let client = Client::new(broker.address(), &key);
    while client.invoke("f", "x").await.status == 200 {}
    let spent = dollars(&admin.budget(ACCOUNT).await.spent);
    assert_eq!(spent, dollars(BUDGET), "to the last cent");
    // Nothing was charged that did not run.
    let runs = i128::try_from(Audit::of([&upstream]).runs()).expect("a count");
    assert!(spent.pico() <= dollars(PRICE).pico() * runs);
}

/// Compares the ledger of a broker that has just started with what callers were told before.
/// Returns what is held.
async fn check(admin: &Client, acknowledged: &Acknowledged, life: usize) -> Money {
    let budget = admin.budget(ACCOUNT).await;
    let (spent, held) = (dollars(&budget.spent), dollars(&budget.held));
    let told: Money = acknowledged.all().values().copied().sum();
    assert_eq!(budget.hard.as_deref(), Some(BUDGET), "life {life}: the budget stands");
    assert!(spent >= told, "life {life}: callers were charged {told}, and the ledger knows of {spent}");
    assert!(spent + held <= dollars(BUDGET), "life {life}: {budget:?}");
    held
}
