//! Calls in paused time: what is waited for, who is let in, what is billed.

use std::time::Duration;

use merit_pricing::Usage;
use merit_units::FunctionId;

use super::*;
use crate::config::{FunctionConfig, FunctionSize, LambdaFunction, TimeScale};
use crate::testing::{config, mb, open, pass};
use merit_units::Micros;

const AWS: &str = "aws-lambda/us-east-1/x86_64";

fn usage(outcome: &Outcome) -> Usage {
    match outcome {
        Outcome::Ran(answer) => answer.usage,
        other => panic!("did not run: {other:?}"),
    }
}

fn refusal(outcome: Outcome) -> Refusal {
    match outcome {
        Outcome::Refused(refusal) => refusal,
        other => panic!("was not refused: {other:?}"),
    }
}

fn patch(json: &str) -> Patch {
    Patch::parse(json.as_bytes()).expect("a control")
}

async fn echo(cloud: &Arc<Cloud>) -> Outcome {
    cloud.invoke("echo", Bytes::from_static(b"hello"), usize::MAX).await
}

/// One call, and how long it took.
async fn timed(cloud: &Arc<Cloud>) -> (Usage, Duration) {
    let start = Instant::now();
    let outcome = echo(cloud).await;
    (usage(&outcome), start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn the_first_call_starts_cold_and_the_next_is_warm() {
    let (cloud, _) = open(config(AWS), TimeScale::REAL);
    let (first, _) = timed(&cloud).await;
    let (second, _) = timed(&cloud).await;
    assert!(first.init > Micros::ZERO);
    assert_eq!(second.init, Micros::ZERO);
    assert_eq!(cloud.counts().cold_starts, 1);
    assert_eq!(second.egress_bytes, 5);
    assert_eq!(second.memory_peak, Some(mb(16 + 20)), "the runtime's memory and the function's");
}

#[tokio::test(start_paused = true)]
async fn replies_wait_for_the_modelled_time() {
    let (cloud, _) = open(config(AWS), TimeScale::REAL);
    timed(&cloud).await;
    let (usage, took) = timed(&cloud).await;
    let around = took.saturating_sub(usage.duration.to_std());
    // The way there and back is 5 ms, and the platform's part was never more than 352 ms.
    assert!(
        around >= Duration::from_millis(5) && around < Duration::from_millis(360),
        "{around:?} around the execution"
    );
    assert!(usage.duration > Micros::from_millis(20), "10 ms of CPU take longer on 0.3 cores: {}", usage.duration);
}

#[tokio::test(start_paused = true)]
async fn a_time_scale_compresses_waiting_and_nothing_else() {
    let tenth = TimeScale::from_ppm(100_000).expect("a scale");
    let (real, _) = open(config(AWS), TimeScale::REAL);
    let (fast, _) = open(config(AWS), tenth);
    let (instant, _) = open(config(AWS), TimeScale::INSTANT);
    for _ in 0..20 {
        let (in_real, real_took) = timed(&real).await;
        let (in_tenth, fast_took) = timed(&fast).await;
        let (at_once, at_once_took) = timed(&instant).await;
        assert_eq!((in_real, in_real), (in_tenth, at_once), "meters are modelled time at every scale");
        let difference = fast_took.abs_diff(real_took / 10);
        assert!(difference <= Duration::from_millis(2), "{fast_took:?} is a tenth of {real_took:?}");
        assert!(at_once_took <= Duration::from_millis(1), "{at_once_took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_at_once_each_start_cold_and_over_the_limit_are_throttled() {
    let mut config = config(AWS);
    config.concurrency = 3;
    let (cloud, functions) = open(config, TimeScale::REAL);
    let (a, b, c, d) = tokio::join!(echo(&cloud), echo(&cloud), echo(&cloud), echo(&cloud));
    for outcome in [&a, &b, &c] {
        assert!(usage(outcome).init > Micros::ZERO);
    }
    let throttled = Refusal::Throttled { in_flight: 3, limit: 3, reserved: false, retry_after: Duration::from_secs(1) };
    assert_eq!(refusal(d), throttled);
    assert_eq!((cloud.counts().throttled, cloud.counts().peak_in_flight, cloud.counts().in_flight), (1, 3, 0));
    assert_eq!((functions.runs(), cloud.books().calls()), (3, 3), "a throttled call neither runs nor is billed");
    assert_eq!(usage(&echo(&cloud).await).init, Micros::ZERO, "slots and instances come back");
}

#[tokio::test(start_paused = true)]
async fn idle_instances_expire_by_the_simulated_clock() {
    let tenth = TimeScale::from_ppm(100_000).expect("a scale");
    let (cloud, _) = open(config(AWS), tenth);
    echo(&cloud).await;
    // 300 modelled seconds: within the first keep-alive period.
    pass(Duration::from_secs(30)).await;
    assert_eq!(usage(&echo(&cloud).await).init, Micros::ZERO);
    // Five modelled hours: no instance survives that.
    pass(Duration::from_secs(1800)).await;
    assert!(usage(&echo(&cloud).await).init > Micros::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_hangs_up_is_billed_all_the_same() {
    let (cloud, functions) = open(config(AWS), TimeScale::REAL);
    let hung_up = tokio::time::timeout(Duration::from_millis(1), echo(&cloud)).await;
    assert!(hung_up.is_err());
    assert_eq!((functions.runs(), cloud.books().calls(), cloud.counts().in_flight), (1, 0, 1));
    pass(Duration::from_secs(10)).await;
    tokio::task::yield_now().await;
    assert_eq!((cloud.books().calls(), cloud.counts().in_flight), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_beyond_its_timeout_is_ended_and_billed_until_then() {
    let (cloud, _) = open(config(AWS), TimeScale::REAL);
    let Outcome::Ran(answer) = cloud.invoke("slow", Bytes::new(), usize::MAX).await else { panic!("it ran") };
    assert_eq!(answer.result.expect_err("ended").kind, "Timeout");
    assert_eq!(answer.usage.duration, Micros::from_secs(30));
    assert_eq!(cloud.books().calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_ran_is_billed_and_what_did_not_is_not() {
    let (cloud, _) = open(config(AWS), TimeScale::INSTANT);
    let Outcome::Ran(answer) = cloud.invoke("trap", Bytes::new(), usize::MAX).await else { panic!("it ran") };
    let failure = answer.result.expect_err("failed");
    assert_eq!((failure.kind.as_str(), failure.message.as_str()), ("Trap", "unreachable executed"));
    assert_eq!(answer.usage.egress_bytes, failure.body().len() as u64);
    assert_eq!(cloud.books().calls(), 1);

    let unknown = refusal(cloud.invoke("nowhere", Bytes::new(), usize::MAX).await);
    assert_eq!(unknown, Refusal::UnknownFunction("there is echo".to_owned()));
    assert!(matches!(refusal(cloud.invoke("not/a name", Bytes::new(), usize::MAX).await), Refusal::UnknownFunction(_)));
    assert_eq!(
        refusal(cloud.invoke("broken", Bytes::new(), usize::MAX).await),
        Refusal::Machine("no memory left".to_owned())
    );
    assert!(matches!(refusal(cloud.invoke("panic", Bytes::new(), usize::MAX).await), Refusal::Machine(_)));
    assert_eq!((cloud.books().calls(), cloud.counts().in_flight), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_no_functions_leaves_nothing_behind() {
    let (cloud, _) = open(config(AWS), TimeScale::INSTANT);
    for number in 0..100 {
        cloud.invoke(&format!("guess-{number}"), Bytes::new(), usize::MAX).await;
    }
    assert_eq!(cloud.counts().instances, 0);
}

#[tokio::test(start_paused = true)]
async fn a_function_may_have_a_name_and_size_of_its_own() {
    let mut config = config(AWS);
    let size = FunctionSize { memory: mb(2048), vcpu_milli: None, timeout: Micros::from_secs(3) };
    let name = FunctionId::try_new("echo-large").expect("a name");
    config.functions = vec![FunctionConfig { name, runs: "echo".to_owned(), size, lambda: LambdaFunction::default() }];
    let (cloud, _) = open(config, TimeScale::INSTANT);
    let large = usage(&cloud.invoke("echo-large", Bytes::from_static(b"x"), usize::MAX).await);
    let small = usage(&cloud.invoke("echo", Bytes::from_static(b"x"), usize::MAX).await);
    assert!(large.duration < small.duration, "{} on a whole core, {} on a third", large.duration, small.duration);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_plays_the_same_calls() {
    async fn play() -> Vec<Usage> {
        let (cloud, _) = open(config("google-run/tier1"), TimeScale::INSTANT);
        let mut usages = Vec::new();
        for _ in 0..50 {
            usages.push(usage(&echo(&cloud).await));
        }
        usages
    }
    assert_eq!(play().await, play().await);
}

#[tokio::test(start_paused = true)]
async fn controls_change_what_later_calls_see() {
    let (cloud, functions) = open(config(AWS), TimeScale::REAL);
    cloud.control(&patch(r#"{"concurrency":0}"#));
    assert!(matches!(refusal(echo(&cloud).await), Refusal::Throttled { limit: 0, .. }));
    cloud.control(&patch(r#"{"concurrency":null,"error_rate":1.0}"#));
    assert_eq!(refusal(echo(&cloud).await), Refusal::Platform);
    assert_eq!((functions.runs(), cloud.books().calls(), cloud.counts().failed), (0, 0, 1));
    cloud.control(&patch(r#"{"error_rate":0,"extra_latency_ms":60000}"#));
    assert!(timed(&cloud).await.1 > Duration::from_secs(60));
    cloud.control(&patch(r#"{"extra_latency_ms":0}"#));
    assert_eq!(timed(&cloud).await.0.init, Micros::ZERO);
    cloud.control(&patch(r#"{"cold_all":true}"#));
    assert!(timed(&cloud).await.0.init > Micros::ZERO);
    assert!(cloud.outage().is_none());
    cloud.control(&patch(r#"{"outage":"reset"}"#));
    assert!(matches!(cloud.outage(), Some(Outcome::Cut)));
}

#[tokio::test(start_paused = true)]
async fn an_error_rate_is_a_share_of_calls() {
    let (cloud, _) = open(config(AWS), TimeScale::INSTANT);
    cloud.control(&patch(r#"{"error_rate":0.3}"#));
    for _ in 0..2000 {
        echo(&cloud).await;
    }
    let failed = cloud.counts().failed;
    assert!((540..660).contains(&failed), "{failed} of 2,000");
}
