//! A hard budget under a thousand callers at once.

use futures_util::future::join_all;
use merit_units::Money;

use crate::support::{Audit, Client, Gate, Reply, Setup, Upstream, Worth, dollars, script, until};

const CALLERS: usize = 1000;
const AFFORDED: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_concurrent_calls_against_a_budget_for_a_hundred_spend_exactly_that() {
    let gate = Gate::closed();
    let upstream = Upstream::start(script::echoes_behind(&gate)).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]).text(
        "accounts.search",
        "budget_hard",
        "1",
    );
    let (broker, admin) = setup.start_with_client().await;
    let key = admin.create_key("search", &["invoke"]).await.secret;
    let search = Client::new(broker.address(), &key);

    let calls: Vec<_> = (0..CALLERS)
        .map(|number| {
            let search = search.clone();
            tokio::spawn(async move { search.invoke("f", number.to_string()).await })
        })
        .collect();
    // The gate opens only when a hundred run at once and all others have been refused: at that
    // moment every dollar is held and none is spent.
    upstream.begun(AFFORDED).await;
    let finished = || calls.iter().filter(|call| call.is_finished()).count();
    until("900 refusals", async || (finished() == CALLERS - AFFORDED).then_some(())).await;
    let full = admin.budget("search").await;
    assert_eq!((full.spent.as_str(), full.held.as_str(), full.available.as_deref()), ("0", "1", Some("0")));
    gate.open();

    let replies: Vec<Reply> = join_all(calls).await.into_iter().map(|call| call.expect("an answer")).collect();
    let (ran, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    assert_eq!((ran.len(), refused.len()), (AFFORDED, CALLERS - AFFORDED));
    for reply in refused {
        let figures = reply.problem(402, "budget-exhausted").budget.expect("the figures");
        assert_eq!(dollars(&figures.spent) + dollars(&figures.held), dollars("1"), "{figures:?}");
    }

    let audit = Audit::of([&upstream]);
    assert_eq!((audit.invocations(), audit.runs()), (AFFORDED, AFFORDED));
    assert!(ran.iter().all(|reply| audit.ran(reply.invocation()) && reply.charge() == dollars("0.01")));
    let budget = Audit::check_books(&admin, "search").await;
    assert_eq!(
        (budget.spent.as_str(), budget.held.as_str(), budget.available.as_deref()),
        ("1", "0", Some("0")),
        "to the picodollar"
    );
    let charged: Money = ran.iter().map(|reply| reply.charge()).sum();
    assert_eq!(charged, dollars("1"));
    search.invoke("f", "one more").await.problem(402, "budget-exhausted");
    // More money lets more run, at once.
    admin.set_budget("search", "1.01").await;
    search.invoke("f", "one more").await.expect(200);
    search.invoke("f", "and another").await.problem(402, "budget-exhausted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_accounts_at_once_each_keep_to_their_own_budget() {
    let upstream = Upstream::start(script::echoes()).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]);
    let (_broker, admin) = setup.start_with_client().await;
    let mut callers = Vec::new();
    for number in 1..=8_usize {
        let account = format!("team-{number}");
        let caller = admin.caller(&account, &["invoke"]).await;
        admin.set_budget(&account, &format!("0.{:02}", number * 3)).await;
        callers.push((account, number * 3, caller));
    }
    let calls = callers.iter().flat_map(|(_, _, caller)| (0..40).map(|_| caller.invoke("f", "x")));
    join_all(calls).await;
    for (account, afforded, _) in &callers {
        let budget = Audit::check_books(&admin, account).await;
        assert_eq!(budget.spent, format!("0.{afforded:02}").trim_end_matches('0'), "{account}");
    }
    assert_eq!(upstream.count(), 3 * (1..=8).sum::<usize>());
}

#[tokio::test]
async fn passing_a_soft_budget_warns_and_refuses_nothing() {
    let upstream = Upstream::start(script::echoes()).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]).text(
        "accounts.search",
        "budget_soft",
        "0.02",
    );
    let (broker, admin) = setup.start_with_client().await;
    let search = admin.caller("search", &["invoke"]).await;
    for _ in 0..5 {
        search.invoke("f", "x").await.expect(200);
    }
    assert_eq!(Audit::check_books(&admin, "search").await.spent, "0.05");
    broker.logged("the soft budget is passed").await;
    assert_eq!(broker.log().matches("the soft budget is passed").count(), 1, "once a month is enough");
}
