//! A venue that dies under load: idempotent calls are saved, the others are never run twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;

use crate::support::{Audit, Client, FIRST_ACCOUNT, Reply, Setup, Upstream, Worth, script, until};

const CALLERS: usize = 40;
const CALLS: usize = 2000;

/// Callers that call one function, one call after the other, until all calls are made.
async fn load(client: &Client, function: &'static str, begun: &Arc<AtomicUsize>) -> Vec<Reply> {
    let callers = (0..CALLERS).map(|_| {
        let (client, begun) = (client.clone(), Arc::clone(begun));
        tokio::spawn(async move {
            let mut replies = Vec::new();
            while begun.fetch_add(1, Ordering::Relaxed) < CALLS {
                replies.push(client.invoke(function, "x").await);
            }
            replies
        })
    });
    join_all(callers).await.into_iter().flat_map(|replies| replies.expect("a caller ends")).collect()
}

/// Loads a function of this worth at three venues and lets the cheapest, which has all the calls, die.
async fn load_while_the_cheapest_dies(worth: Worth) -> (Vec<Reply>, Vec<Upstream>, Client, impl Sized) {
    let script = || script::echoes_after(Duration::from_millis(30));
    let mut cheapest = Upstream::start(script()).await;
    let others = [Upstream::start(script()).await, Upstream::start(script()).await];
    let setup = Setup::new()
        .flat("cheapest", &cheapest.url(), "0.01")
        .flat("second", &others[0].url(), "0.02")
        .flat("third", &others[1].url(), "0.03")
        .function("f", worth, &["cheapest", "second", "third"]);
    let (broker, client) = setup.start_with_client().await;
    let begun = Arc::new(AtomicUsize::new(0));
    let load = tokio::spawn({
        let (client, begun) = (client.clone(), Arc::clone(&begun));
        async move { load(&client, "f", &begun).await }
    });
    until("half of the load", async || (begun.load(Ordering::Relaxed) > CALLS / 2).then_some(())).await;
    assert!(cheapest.running() > CALLERS / 2, "calls are under way when it dies: {}", cheapest.running());
    cheapest.die().await;
    let replies = load.await.expect("the load ends");
    assert_eq!(replies.len(), CALLS);
    let [second, third] = others;
    (replies, vec![cheapest, second, third], client, (broker, setup))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_of_an_idempotent_function_is_lost() {
    let (replies, upstreams, client, _alive) = load_while_the_cheapest_dies(Worth::Idempotent).await;
    let lost: Vec<_> = replies.iter().filter(|reply| reply.status != 200).collect();
    assert!(lost.is_empty(), "{} lost, the first: {}", lost.len(), lost[0].text());
    let audit = Audit::of(&upstreams);
    assert_eq!(audit.invocations(), CALLS);
    assert!(replies.iter().all(|reply| audit.ran(reply.invocation())));
    let repeated = replies.iter().filter(|reply| reply.header("merit-attempts") != "1").count();
    assert!(repeated > CALLERS / 2, "{repeated} calls were saved by a second attempt");
    Audit::check_books(&client, FIRST_ACCOUNT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_of_another_function_is_run_twice_and_who_lost_one_is_told() {
    let (replies, upstreams, client, _alive) = load_while_the_cheapest_dies(Worth::Once).await;
    let audit = Audit::of(&upstreams);
    assert_eq!(audit.run_twice(), Vec::<&str>::new());
    assert_eq!(audit.runs(), audit.invocations());
    let (replied, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    assert!(replied.iter().all(|reply| audit.ran(reply.invocation())));
    assert!(!lost.is_empty() && lost.len() <= CALLERS, "only calls under way when it died: {}", lost.len());
    for reply in lost {
        let problem = reply.problem(502, "venues-failed");
        let attempt = problem.attempts.last().expect("an attempt");
        assert_eq!((attempt.venue.as_str(), attempt.outcome.as_str()), ("cheapest", "unknown"), "{problem:?}");
        assert!(!problem.retryable);
    }
    Audit::check_books(&client, FIRST_ACCOUNT).await;
}
