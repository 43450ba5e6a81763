//! The market through the whole broker: prices that move traffic, a small share for learning, room
//! that is learned, venues that fail and come back, and orders that wait for a price.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use merit_units::Money;
use merit_wire::{AlternativesReport, QuoteView};
use reqwest::Method;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::support::{Audit, Client, FIRST_ACCOUNT, Reply, Setup, Upstream, Worth, dollars, flat_sheet, script, until};

/// Callers that call one function until they are told to stop, and remember failures only.
struct Load {
    stop: Arc<AtomicBool>,
    callers: Vec<JoinHandle<Vec<Reply>>>,
}

impl Load {
    fn start(client: &Client, function: &'static str, callers: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let caller = |_| {
            let (client, stop) = (client.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut failed = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let reply = client.invoke(function, "x").await;
                    if reply.status != 200 {
                        failed.push(reply);
                    }
                }
                failed
            })
        };
        let callers = (0..callers).map(caller).collect();
        Self { stop, callers }
    }

    /// Stops, and checks that every call was answered.
    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for caller in self.callers {
            let failed = caller.await.expect("a caller ends");
            assert!(failed.is_empty(), "{} failed, the first: {}", failed.len(), failed[0].text());
        }
    }
}

/// Calls that came between two moments after `start`.
fn between(upstream: &Upstream, start: Instant, from_ms: u64, to_ms: u64) -> usize {
    let (from, to) = (start + Duration::from_millis(from_ms), start + Duration::from_millis(to_ms));
    upstream.seen().iter().filter(|seen| (from..to).contains(&seen.at)).count()
}

/// Waits until that long after `start`; the load goes on meanwhile.
async fn passed(start: Instant, millis: u64) {
    tokio::time::sleep_until(start + Duration::from_millis(millis)).await;
}

async fn two_venues(a: &str, b: &str) -> (Upstream, Upstream, Setup) {
    let script = || script::echoes_after(Duration::from_millis(4));
    let (first, second) = (Upstream::start(script()).await, Upstream::start(script()).await);
    let setup = Setup::new().flat("a", &first.url(), a).flat("b", &second.url(), b).function(
        "f",
        Worth::Idempotent,
        &["a", "b"],
    );
    (first, second, setup)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_price_raised_under_load_moves_the_traffic_gradually() {
    let (a, b, setup) = two_venues("0.010", "0.015").await;
    // Half of the traffic a second: the whole move takes two seconds.
    let setup = setup.set("market", "ramp_ppm_per_second", 500_000);
    let (_broker, client) = setup.start_with_client().await;
    let load = Load::start(&client, "f", 8);
    a.begun(200).await;
    assert_eq!(b.count(), 0, "all of it goes to the cheaper one");

    let change = client.put_sheet("a", flat_sheet("a", "0.020", 2)).await;
    let raised = Instant::now();
    assert_eq!(change.json::<merit_wire::PriceChangeView>(200).functions, 1);
    let book = client.book("f").await;
    let costs: Vec<_> = book.asks.iter().map(|ask| (ask.venue.as_str(), ask.cost.as_str())).collect();
    assert_eq!(costs, [("b", "0.015"), ("a", "0.02")], "the book has it at once");

    passed(raised, 2600).await;
    load.stop().await;
    let share = |from, to| {
        let (at_a, at_b) = (between(&a, raised, from, to), between(&b, raised, from, to));
        assert!(at_a + at_b > 50, "there is load between {from} and {to} ms");
        at_b * 100 / (at_a + at_b)
    };
    // In the middle of each part the share is 10, 50 and 90 %, and 100 % at the end.
    let (begin, middle, end, after) = (share(0, 400), share(800, 1200), share(1600, 2000), share(2200, 2600));
    assert!(begin < 30, "{begin} % moved at once");
    assert!((30..=70).contains(&middle), "{middle} % in the middle");
    assert!((70..100).contains(&end), "{end} % near the end");
    assert_eq!(after, 100, "the traffic has moved");
    Audit::check_books(&client, FIRST_ACCOUNT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_advantage_under_two_percent_moves_nothing_and_a_larger_one_does() {
    let (a, b, setup) = two_venues("0.01000", "0.01010").await;
    let setup = setup.set("market", "ramp_ppm_per_second", 1_000_000);
    let (_broker, client) = setup.start_with_client().await;
    let load = Load::start(&client, "f", 4);
    a.begun(20).await;
    // B is cheaper by 1.5 % now.
    client.put_sheet("a", flat_sheet("a", "0.01025", 2)).await.expect(200);
    let raised = Instant::now();
    passed(raised, 1300).await;
    assert_eq!(b.count(), 0, "a second of ramp is over");
    assert_eq!(client.book("f").await.asks[0].venue, "a");
    // By 3.8 %.
    client.put_sheet("a", flat_sheet("a", "0.01050", 3)).await.expect(200);
    let raised = Instant::now();
    passed(raised, 1300).await;
    load.stop().await;
    assert_eq!(between(&a, raised, 1050, 1300), 0);
    assert!(between(&b, raised, 1050, 1300) > 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_call_in_a_hundred_explores_and_what_that_costs_is_counted() {
    const CALLS: usize = 4000;
    let (a, b, setup) = two_venues("0.010", "0.015").await;
    a.play(script::echoes());
    b.play(script::echoes());
    let (_broker, client) = setup.set("market", "exploration_ppm", 10_000).start_with_client().await;
    let load = Load::start(&client, "f", 16);
    until("all calls", async || (a.count() + b.count() >= CALLS).then_some(())).await;
    load.stop().await;
    let (calls, explored) = (a.count() + b.count(), b.count());
    // What costs 1.5 times as much gets 1/1.5 of the 1 %: 27, with four standard deviations of 5 on either side.
    assert!((6..=48).contains(&(explored * CALLS / calls)), "{explored} of {calls}");
    assert!(client.receipt(b.seen()[0].invocation()).await.explored);
    assert!(!client.receipt(a.seen()[0].invocation()).await.explored);
    let report = client.spend("venue").await;
    let of_b = report.rows.iter().find(|row| row.group["venue"] == "b").expect("it had calls");
    let beyond = dollars("0.005").checked_mul(i128::try_from(explored).expect("a count")).expect("an amount");
    assert_eq!(dollars(&of_b.explored), beyond, "what exploring cost beyond the cheapest");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_is_learned_from_throttling_and_grows_again() {
    let (a, b, setup) = two_venues("0.010", "0.015").await;
    let setup = setup.set("market", "cap_grow_every_ms", 50).set("market", "retry_burst", 1000);
    let limited = Arc::new(AtomicBool::new(true));
    let running = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let throttled = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    a.play(script::of({
        let (limited, running, throttled) = (Arc::clone(&limited), Arc::clone(&running), Arc::clone(&throttled));
        move |_| {
            let (limited, running, throttled) = (Arc::clone(&limited), Arc::clone(&running), Arc::clone(&throttled));
            async move {
                let full = running.fetch_add(1, Ordering::SeqCst) >= 4 && limited.load(Ordering::SeqCst);
                if full {
                    throttled.fetch_add(1, Ordering::SeqCst);
                } else {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                running.fetch_sub(1, Ordering::SeqCst);
                Some(if full { script::answer(429, None) } else { script::reply("ok") })
            }
        }
    }));
    let (_broker, client) = setup.start_with_client().await;
    let capacity = async || {
        let book = client.book("f").await;
        book.asks.iter().find(|ask| ask.venue == "a").expect("it is in the book").capacity
    };
    assert_eq!(capacity().await, 1000);
    let load = Load::start(&client, "f", 16);
    until("the cap is learned", async || (capacity().await <= 8).then_some(())).await;
    let (before, calls) = (throttled.load(Ordering::SeqCst), a.count());
    a.begun(calls + 200).await;
    let refused = throttled.load(Ordering::SeqCst) - before;
    assert!(refused * 3 < a.count() - calls, "most calls find room: {refused} of {} do not", a.count() - calls);
    assert!(b.count() > 0, "the surplus goes to the next");

    limited.store(false, Ordering::SeqCst);
    until("the cap grows past the load", async || (capacity().await > 16).then_some(())).await;
    let surplus = b.count();
    let calls = a.count();
    a.begun(calls + 100).await;
    assert!(b.count() - surplus < 20, "and the surplus comes back");
    load.stop().await;
    Audit::check_books(&client, FIRST_ACCOUNT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_venue_is_left_alone_and_comes_back_by_a_trickle() {
    let (a, b, setup) = two_venues("0.010", "0.015").await;
    let setup = setup.set("market", "base_ejection_ms", 600).set("market", "probation_interval_ms", 50).set(
        "market",
        "ramp_ppm_per_second",
        1_000_000,
    );
    a.play(script::status(503, Some("0")));
    let (_broker, client) = setup.start_with_client().await;
    let health = async || client.function("f").await.deployments["a"].health.clone();
    for _ in 0..5 {
        assert_eq!(client.invoke("f", "x").await.expect(200).venue(), "b");
    }
    let ejected = Instant::now();
    assert_eq!((health().await.as_str(), a.count()), ("ejected", 5));
    let load = Load::start(&client, "f", 4);
    passed(ejected, 450).await;
    assert_eq!(a.count(), 5, "nobody calls it while it is ejected");

    a.play(script::echoes_after(Duration::from_millis(4)));
    until("probation", async || (health().await == "probation").then_some(())).await;
    until("recovery", async || matches!(health().await.as_str(), "recovering" | "healthy").then_some(())).await;
    let trickle: Vec<_> = a.seen().iter().skip(5).take(3).map(|seen| seen.at).collect();
    assert!(trickle.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_millis(45)), "{trickle:?}");
    until("full health", async || (health().await == "healthy").then_some(())).await;
    let others = b.count();
    let calls = a.count();
    a.begun(calls + 100).await;
    assert!(b.count() - others <= 8, "all of the traffic is back");
    load.stop().await;
}

#[tokio::test]
async fn when_all_are_ejected_the_least_bad_is_used() {
    let upstream = Upstream::start(script::status(503, Some("0"))).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]).set(
        "market",
        "base_ejection_ms",
        60_000,
    );
    let (_broker, client) = setup.start_with_client().await;
    for _ in 0..6 {
        client.invoke("f", "x").await.problem(502, "venues-failed");
    }
    assert_eq!(client.function("f").await.deployments["a"].health, "ejected");
    upstream.play(script::echoes());
    let reply = client.invoke("f", "x").await.expect(200);
    let receipt = client.receipt(reply.invocation()).await;
    assert_eq!(receipt.candidates[0].excluded.as_deref(), Some("ejected"), "and the receipt says so");
}

#[tokio::test]
async fn a_limit_order_is_refused_at_once_and_a_rest_order_waits_for_its_price() {
    let upstream = Upstream::start(script::echoes()).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]);
    let (_broker, client) = setup.start_with_client().await;
    let order = |kind: &str, deadline: &str| {
        let order = client.order("f").header("merit-order", kind.to_owned());
        order.header("merit-max-price", "0.005").header("merit-deadline", deadline.to_owned()).body("x")
    };
    Reply::of(order("limit", "20s")).await.problem(422, "no-eligible-venue");
    let asked = Instant::now();
    let problem = Reply::of(order("rest", "200ms")).await.problem(422, "no-eligible-venue");
    assert!(asked.elapsed() >= Duration::from_millis(190), "it waits until its deadline");
    assert_eq!(problem.exclusions[0].reason, "over-max-price");

    let waiting = tokio::spawn(Reply::of(order("rest", "20s")));
    until("it rests", async || {
        let metrics = Reply::of(client.bare(reqwest::Method::GET, "/metrics")).await.text();
        metrics.lines().any(|line| line == "merit_in_flight 1").then_some(())
    })
    .await;
    assert_eq!(client.budget(FIRST_ACCOUNT).await.held, "0", "an order that rests holds no money");
    client.put_sheet("a", flat_sheet("a", "0.0045", 2)).await.expect(200);
    let lowered = Instant::now();
    let reply = waiting.await.expect("a reply").expect(200);
    assert!(lowered.elapsed() < Duration::from_secs(1));
    assert_eq!((reply.charge(), upstream.count()), (dollars("0.0045"), 1));
    // And at once when the price is there already.
    assert_eq!(Reply::of(order("rest", "20s")).await.expect(200).charge(), dollars("0.0045"));
}

#[tokio::test]
async fn time_has_a_value_and_latency_a_limit_when_the_caller_says_so() {
    let slow = Upstream::start(script::echoes_after(Duration::from_millis(100))).await;
    let fast = Upstream::start(script::echoes()).await;
    let setup = Setup::new().flat("slow", &slow.url(), "0.01").flat("fast", &fast.url(), "0.02").function(
        "f",
        Worth::Once,
        &["slow", "fast"],
    );
    let (_broker, client) = setup.start_with_client().await;
    for venue in ["slow", "fast"] {
        for _ in 0..5 {
            Reply::of(client.order("f").header("merit-venues", venue).body("x")).await.expect(200);
        }
    }
    let venue = async |header: &'static str, value: &str| {
        let order = client.order("f").header(header, value.to_owned()).body("x");
        Reply::of(order).await.expect(200).venue().to_owned()
    };
    assert_eq!(client.invoke("f", "x").await.expect(200).venue(), "slow", "time is worth nothing by default");
    // A tenth of a second is worth a tenth of a cent, then two cents. What was just learned takes over gradually.
    assert_eq!(venue("merit-value-of-time", "0.01").await, "slow");
    until("the fast one", async || (venue("merit-value-of-time", "0.2").await == "fast").then_some(())).await;
    assert_eq!(venue("merit-max-latency", "50ms").await, "fast");
    assert_eq!(venue("merit-max-latency", "5s").await, "slow");
}

#[tokio::test]
async fn a_venue_without_a_price_gets_no_call_until_one_is_published_for_it() {
    let upstream = Upstream::start(script::echoes()).await;
    let setup = Setup::new().unpriced("a", &upstream.url()).function("f", Worth::Once, &["a"]);
    let (_broker, client) = setup.start_with_client().await;
    let problem = client.invoke("f", "x").await.problem(422, "no-eligible-venue");
    assert_eq!(problem.exclusions[0].reason, "no-price");
    client.put_sheet("a", flat_sheet("a", "0.02", 1)).await.expect(200);
    assert_eq!(client.invoke("f", "x").await.expect(200).charge(), dollars("0.02"));
}

#[tokio::test]
async fn what_one_venue_alone_would_have_cost_is_told_exactly() {
    let (_a, _b, setup) = two_venues("0.010", "0.015").await;
    let (_broker, client) = setup.start_with_client().await;
    for _ in 0..10 {
        client.invoke("f", "x").await.expect(200);
    }
    let report: AlternativesReport = client.get("/v1/spend/alternatives").await;
    let venues: Vec<_> = report.venues.iter().map(|row| (row.venue.as_str(), row.calls, row.cost.as_str())).collect();
    assert_eq!(venues, [("a", 10, "0.1"), ("b", 10, "0.15")]);
    assert_eq!((report.calls, dollars(&report.charged)), (10, dollars("0.1")));
    assert!(dollars(&report.venues[1].cost) - dollars(&report.charged) == dollars("0.05"), "the saving");
    assert!(dollars(&report.estimate) > Money::ZERO);
}

#[tokio::test]
async fn a_quote_says_until_when_it_is_worth_something() {
    let upstream = Upstream::start(script::echoes()).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]);
    let (_broker, client) = setup.set("market", "quote_ttl_ms", 60_000).start_with_client().await;
    let before = Timestamp::now();
    let reply = Reply::of(client.request(Method::POST, "/v1/functions/f/quotes").body("{}")).await;
    let quote: QuoteView = reply.json(200);
    let until: Timestamp = quote.expires_at.parse().expect("a time");
    let minute = Duration::from_secs(60);
    // Times are told in milliseconds.
    let earliest = before + minute - Duration::from_millis(1);
    assert!((earliest..=Timestamp::now() + minute).contains(&until), "{until}");
}
